import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import type { CipherSuiteName } from '../../src/dtls/index.ts';
import { certificate, own, pemOf } from '../dtls/certificates.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { dtlsClient, dtlsServer } from './dtls-ours.ts';
import { testsWith } from './matrix.ts';
import { Background, pause, scratch } from './processes.ts';

const test = testsWith({ peer: 'OpenSSL', transport: 'UDP', security: 'DTLS PSK' });

const key = utf8('a key of sixteen');
const identity = utf8('Client_identity');

/** What OpenSSL calls the suites that need no certificate. */
const suites: readonly (readonly [CipherSuiteName, string])[] = [
  ['TLS_PSK_WITH_AES_128_CCM_8', 'PSK-AES128-CCM8'],
  ['TLS_PSK_WITH_AES_128_CCM', 'PSK-AES128-CCM'],
  ['TLS_PSK_WITH_AES_128_GCM_SHA256', 'PSK-AES128-GCM-SHA256'],
];

const secrets = (cipher: string): string[] => ['-dtls1_2', '-psk', toHex(key), '-psk_identity', fromUtf8(identity), '-cipher', cipher];

/** Read lines until one has this in it. */
async function lineWith(process: Background, part: string): Promise<string> {
  for (;;) {
    const line = await process.line();
    if (line.includes(part)) return line;
  }
}

async function openSslServer(t: TestContext, ...args: string[]): Promise<{ readonly port: number; readonly process: Background }> {
  const port = await freePort();
  const process = new Background(t, 'openssl', ['s_server', '-accept', `127.0.0.1:${port}`, ...args]);
  await lineWith(process, 'ACCEPT');
  return { port, process };
}

for (const [suite, cipher] of suites) {
  for (const more of [[], ['-listen']]) {
    test(`our client -> openssl s_server ${more.join(' ')}: ${suite}`, 'handshake', async (t) => {
      const { port, process } = await openSslServer(t, '-nocert', ...secrets(cipher), ...more);
      const client = await dtlsClient(t, port, { suites: [suite], psk: { identity, key } });
      const connected = await client.next('connected');
      assert.equal(connected.suite, suite);
      assert.ok(connected.extendedMasterSecret);
      client.connection.send(utf8('hello openssl\n'));
      await lineWith(process, 'hello openssl');
      process.write('hello back');
      assert.equal(fromUtf8((await client.next('data')).data), 'hello back\n');
    });
  }

  test(`openssl s_client -> our server: ${suite}`, 'handshake', async (t) => {
    const server = await dtlsServer(t, { suites: [suite], psk: {} }, (event) => {
      if (event.type === 'psk-identity') event.connection.providePsk(key);
      if (event.type === 'data') event.connection.send(event.data);
    });
    const client = new Background(t, 'openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, ...secrets(cipher)]);
    await until(() => server.events.some(({ type }) => type === 'connected'));
    client.write('hello ours');
    await lineWith(client, 'hello ours');
    const [asked] = server.events.filter((event) => event.type === 'psk-identity');
    assert.deepEqual(asked?.identity, identity);
    // The end of its input: close_notify.
    client.child.stdin!.end();
    await until(() => server.events.some(({ type }) => type === 'closed'));
    const [closed] = server.events.filter((event) => event.type === 'closed');
    assert.equal(closed?.error, undefined);
  });
}

for (const [suite, cipher] of suites) {
  test(`our client -> openssl s_server: ${suite}, resumption`, ['handshake', 'resumption'], async (t) => {
    const { port, process } = await openSslServer(t, '-nocert', ...secrets(cipher), '-no_ticket');
    const config = { suites: [suite], psk: { identity, key } };
    const first = await dtlsClient(t, port, config);
    assert.ok(!(await first.next('connected')).isResumed);
    const session = first.connection.session!;
    first.connection.send(utf8('first\n'));
    await lineWith(process, 'first');
    first.connection.close();
    const second = await dtlsClient(t, port, { ...config, session });
    assert.ok((await second.next('connected')).isResumed);
    second.connection.send(utf8('second\n'));
    await lineWith(process, 'second');
    process.write('hello back');
    assert.equal(fromUtf8((await second.next('data')).data), 'hello back\n');
  });

  test(`openssl s_client -> our server: ${suite}, resumption, and a server name`, ['handshake', 'resumption'], async (t) => {
    const server = await dtlsServer(t, { suites: [suite], psk: {} }, (event) => {
      if (event.type === 'psk-identity') event.connection.providePsk(key);
      if (event.type === 'data') event.connection.send(event.data);
    });
    const file = join(scratch(t), 'session');
    for (const [index, option] of ['-sess_out', '-sess_in'].entries()) {
      const names = ['-servername', 'node.example', '-no_ticket', option, file];
      const client = new Background(t, 'openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, ...secrets(cipher), ...names]);
      await until(() => server.events.filter(({ type }) => type === 'connected').length > index);
      const connected = server.events.filter((event) => event.type === 'connected')[index]!;
      assert.equal(connected.isResumed, index === 1);
      assert.equal(connected.serverName, 'node.example');
      client.write('hello ours');
      await lineWith(client, 'hello ours');
      client.child.stdin!.end();
      await until(() => server.events.filter(({ type }) => type === 'closed').length > index);
    }
  });
}

test('openssl s_client -> our server: a wrong key ends with decrypt_error, as an unknown identity does', 'errors', async (t) => {
  for (const known of [true, false]) {
    const server = await dtlsServer(t, { suites: ['TLS_PSK_WITH_AES_128_CCM_8'], psk: {} }, (event) => {
      if (event.type !== 'psk-identity') return;
      if (known) event.connection.providePsk(utf8('another key'));
      else event.connection.rejectPsk();
    });
    const client = new Background(t, 'openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, ...secrets('PSK-AES128-CCM8')]);
    await until(() => server.events.some(({ type }) => type === 'closed'));
    for (let i = 0; i < 50 && !client.errors.includes('decrypt error'); i++) await pause(100);
    assert.match(client.errors, /decrypt error/);
  }
});

/** What OpenSSL calls the suites with certificates, and the curve of their keys. */
const certificateSuites: readonly (readonly [CipherSuiteName, string, string])[] = [
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'P-384'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM', 'ECDHE-ECDSA-AES128-CCM', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'ECDHE-ECDSA-AES128-CCM8', 'P-256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'Ed25519'],
];

/** By the curve of the key: a certificate of a server, one of a client, and what stands above them. */
const families: Readonly<
  Record<string, { readonly server: readonly [string, ...string[]]; readonly client: readonly [string, ...string[]]; readonly root: string }>
> = {
  'P-256': { server: ['deep-server', 'intermediate'], client: ['deep-client', 'intermediate'], root: 'root' },
  'P-384': { server: ['p384-server'], client: ['client'], root: 'root' },
  Ed25519: { server: ['ed-server'], client: ['ed-client'], root: 'ed-root' },
};

/** The options of openssl for a certificate, and for the root that it trusts. */
function certificateFiles(t: TestContext, [name, ...above]: readonly [string, ...string[]], root: string): string[] {
  const folder = scratch(t);
  const file = (ending: string, text: string): string => {
    writeFileSync(join(folder, ending), text);
    return join(folder, ending);
  };
  const ours = pemOf(name);
  const higher = above.map((one) => pemOf(one).certificate).join('');
  return [
    ...['-cert', file('own.pem', ours.certificate), '-key', file('own.key', ours.key)],
    ...(higher === '' ? [] : ['-cert_chain', file('chain.pem', higher)]),
    ...['-CAfile', file('root.pem', pemOf(root).certificate), '-verify_return_error'],
  ];
}

for (const [suite, cipher, curve] of certificateSuites) {
  const { server: ofServer, client: ofClient, root } = families[curve]!;
  const roots = [certificate(root)];

  for (const mutual of [false, true]) {
    const name = `${suite}, certificates with ${curve}, ${mutual ? 'of both' : 'of the server'}`;
    // The DTLS server of OpenSSL 3.0 does not use a key of Ed25519, with its own client neither.
    if (curve !== 'Ed25519')
      test(`our client -> openssl s_server: ${name}`, { security: 'DTLS X.509', feature: 'handshake' }, async (t) => {
        const files = certificateFiles(t, ofServer, root);
        const { port, process } = await openSslServer(t, '-dtls1_2', '-cipher', cipher, ...files, ...(mutual ? ['-Verify', '3'] : []));
        const client = await dtlsClient(t, port, {
          suites: [suite],
          certificate: { roots, host: 'server.example', ...(mutual ? { own: own(...ofClient) } : {}) },
        });
        const { peerIdentity } = await client.next('connected');
        assert.equal(peerIdentity.type === 'certificate' ? peerIdentity.chain.length : 0, ofServer.length + 1);
        client.connection.send(utf8('hello openssl\n'));
        await lineWith(process, 'hello openssl');
      });

    test(`openssl s_client -> our server: ${name}`, { security: 'DTLS X.509', feature: 'handshake' }, async (t) => {
      const server = await dtlsServer(t, { suites: [suite], certificate: { own: own(...ofServer), roots, client: mutual ? 'require' : 'none' } }, (event) => {
        if (event.type === 'peer-certificate') event.connection.acceptPeer();
        if (event.type === 'data') event.connection.send(event.data);
      });
      const files = mutual ? certificateFiles(t, ofClient, root) : certificateFiles(t, ofClient, root).slice(-3);
      const args = ['-dtls1_2', '-cipher', cipher, ...files, '-verify_hostname', 'server.example', '-servername', 'server.example'];
      const client = new Background(t, 'openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, ...args]);
      await until(() => server.events.some(({ type }) => type === 'connected' || type === 'closed'));
      const [connected] = server.events.filter((event) => event.type === 'connected');
      assert.equal(connected?.peerIdentity.type, mutual ? 'certificate' : 'anonymous');
      client.write('hello ours');
      await lineWith(client, 'hello ours');
    });
  }
}

test('openssl refuses what we refuse: a certificate of another root, and our alert comes through', {
  role: 'server',
  security: 'DTLS X.509',
  feature: 'errors',
}, async (t) => {
  const suites = ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'] as const;
  const { port } = await openSslServer(t, '-dtls1_2', ...certificateFiles(t, ['server'], 'root'), '-Verify', '3');
  const stranger = await dtlsClient(t, port, { suites, certificate: { roots: [certificate('root')], host: 'server.example', own: own('pinned') } });
  await assert.rejects(() => stranger.next('connected'), /unknown_ca/);
  const server = await dtlsServer(t, { suites, certificate: { own: own('untrusted'), client: 'none' } }, () => {});
  const client = new Background(t, 'openssl', [
    's_client',
    '-connect',
    `127.0.0.1:${server.port}`,
    '-dtls1_2',
    ...certificateFiles(t, ['client'], 'root').slice(-3),
  ]);
  await until(() => server.events.some(({ type }) => type === 'closed'));
  const [closed] = server.events.filter((event) => event.type === 'closed');
  assert.match(closed!.error!.message, /the peer ended the association/);
  assert.ok(client.child.pid !== undefined);
});
