import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { aceExits, Lab } from './lab.ts';

const ca = join(root, 'fixtures', 'tls', 'localhost.pem');
const serverTls = 'tls: { cert_file: tls/cert.pem, key_file: tls/key.pem }';

function change(folder: string, name: string, ...changes: readonly (readonly [from: string | RegExp, to: string])[]): void {
  const file = join(folder, name);
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of changes) {
    const next = text.replace(from, to);
    assert.notEqual(next, text, `${name} has ${String(from)}`);
    text = next;
  }
  writeFileSync(file, text);
}

function addCertificate(folder: string): void {
  mkdirSync(join(folder, 'tls'));
  copyFileSync(ca, join(folder, 'tls', 'cert.pem'));
  copyFileSync(ca.replace('.pem', '.key.pem'), join(folder, 'tls', 'key.pem'));
  chmodSync(join(folder, 'tls', 'key.pem'), 0o600);
}

const listenList = (at: Readonly<Record<string, number>>): string =>
  `listen: [${Object.entries(at)
    .map(([scheme, port]) => `"${scheme}://127.0.0.1:${port}"`)
    .join(', ')}]`;

describe('AS and RS over several transports at once', () => {
  let lab: Lab;
  const asAt: Record<string, number> = {};
  const rsAt: Record<string, number> = {};

  before(async () => {
    lab = await Lab.start(async ({ folder, asPort, rsPort }) => {
      asAt['coap'] = asPort;
      rsAt['coap'] = rsPort;
      for (const scheme of ['coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws']) {
        asAt[scheme] = await freePort();
        rsAt[scheme] = await freePort();
      }
      addCertificate(folder);
      // The hint of the RS and the client name the AS at coaps+tcp.
      const asUri = `coaps+tcp://localhost:${asAt['coaps+tcp']}/token`;
      change(folder, 'as.yaml', [/^listen: .*$/m, `${listenList(asAt)}\n${serverTls}`]);
      change(
        folder,
        'rs.yaml',
        [/^listen: .*$/m, `${listenList(rsAt)}\n${serverTls.replace(' }', ', ca_file: tls/cert.pem }')}`],
        [/coap:\/\/\S+\/token/, asUri],
      );
      change(folder, 'client.yaml', [/coap:\/\/\S+\/token/, asUri], ['\nauthorization_servers', '\ntls: { ca_file: tls/cert.pem }\nauthorization_servers']);
    });
  });
  after(() => lab.end());

  test('both say where they listen', () => {
    for (const [server, at] of [
      [lab.as, asAt],
      [lab.rs, rsAt],
    ] as const) {
      assert.deepEqual(
        server.urls,
        Object.entries(at).map(([scheme, port]) => `${scheme}://127.0.0.1:${port}`),
      );
      const logged = server.log().filter(({ msg }) => msg === 'listening');
      assert.deepEqual(
        logged.map(({ scheme, port }) => [scheme, port]),
        Object.entries(at),
      );
    }
  });

  for (const scheme of ['coap', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws']) {
    test(`get, put and observe at ${scheme}: hint, token over TLS, upload, OSCORE`, async () => {
      const uri = `${scheme}://localhost:${rsAt[scheme]}`;
      const first = await aceExits(0, ['get', `${uri}/temperature`, '-v', '--config', lab.folder]);
      assert.match(first.stderr, /^2\.05 Content .*, protected by OSCORE$/m);
      assert.match(first.stderr, new RegExp(`"coaps\\+tcp://localhost:${asAt['coaps+tcp']}/token"`), 'the hint names the AS');
      assert.match(first.stderr, new RegExp(`^--> 127\\.0\\.0\\.1:${asAt['coaps+tcp']} .*POST`, 'm'), 'the AS is asked over TLS');
      assert.equal((await aceExits(0, ['put', `${uri}/led`, '-d', scheme, '--config', lab.folder])).stdout, '');
      const { stdout } = await aceExits(0, ['observe', `${uri}/led`, '--count', '1', '--scope', 'w_led', '--config', lab.folder]);
      assert.equal(stdout, `${scheme}\n`);
    });
  }

  test('token and introspect go over TLS, by the certificates of the configuration or of --ca', async () => {
    const { stdout } = await aceExits(0, ['token', '--audience', 'rs1', '--json', '--config', lab.folder]);
    const { access_token: token } = JSON.parse(stdout) as { readonly access_token: string };
    assert.match((await aceExits(0, ['introspect', token, '--config', lab.folder])).stdout, /^active +true$/m);
    const without = join(lab.folder, 'without-ca.yaml');
    writeFileSync(without, readFileSync(join(lab.folder, 'client.yaml'), 'utf8').replace(/^tls: .*\n/m, ''), { mode: 0o600 });
    assert.match((await aceExits(3, ['token', '--audience', 'rs1', '--config', without])).stderr, /certificate/i);
    await aceExits(0, ['token', '--audience', 'rs1', '--config', without, '--ca', ca]);
  });

  test('exit code 2: a second server finds the port in use, at whatever transport', async () => {
    change(lab.folder, 'as.yaml', [/^listen: .*$/m, `listen: ["coap://127.0.0.1:${await freePort()}", "coaps+tcp://127.0.0.1:${asAt['coaps+tcp']}"]`]);
    const { stderr } = await aceExits(2, ['as', lab.folder]);
    assert.match(stderr, /as\.yaml: listen: coaps\+tcp:\/\/127\.0\.0\.1:\d+: the port is in use; is another "ace-coap as" running\?/);
  });
});

test('a lab over TCP alone: no socket takes datagrams, and the flow is whole, over restarts too', async () => {
  const lab = await Lab.start(({ folder, asPort, rsPort }) => {
    change(folder, 'as.yaml', [/^listen: .*$/m, `listen: coap+tcp://127.0.0.1:${asPort}`]);
    change(folder, 'rs.yaml', [/^listen: .*$/m, `listen: coap+tcp://127.0.0.1:${rsPort}`], ['coap://127.0.0.1', 'coap+tcp://127.0.0.1']);
    change(folder, 'client.yaml', ['coap://127.0.0.1', 'coap+tcp://127.0.0.1']);
  });
  try {
    const uri = `coap+tcp://127.0.0.1:${lab.rsPort}/temperature`;
    const first = await aceExits(0, ['get', uri, '-v', '--config', lab.folder]);
    assert.match(first.stderr, /protected by OSCORE/);
    assert.match(first.stderr, /7\.01 CSM/);
    assert.doesNotMatch(first.stderr, /^(?:-->|<--) \S+ {2}\d+ bytes {2}(?:CON|NON|ACK)/m, 'no datagrams');
    await Promise.all([lab.as.kill(), lab.rs.kill()]);
    await Promise.all([lab.as.start(), lab.rs.start()]);
    assert.match((await aceExits(0, ['get', uri, '--config', lab.folder])).stderr, /protected by OSCORE/);
    await aceExits(3, ['get', `coap://127.0.0.1:${lab.rsPort}/temperature`, '--timeout', '0.5']);
  } finally {
    await lab.end();
  }
});
