import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { clientCredentials, serverCredentials } from '../../src/cli/credentials.ts';
import { Endpoint, Method, pathOptions } from '../../src/coap/index.ts';
import { fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import type { SessionCredentials } from '../../src/dtls/index.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { dtls, udp } from '../../src/transport/index.ts';
import { Relay } from '../support/relay.ts';
import { ace, aceExits, Server } from './lab.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-dtls-'));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return join(folder, name);
};

/** A key pair in two files. */
function keys(name: string, curve: 'P-256' | 'ed25519'): { readonly own: string; readonly shown: string } {
  const { publicKey, privateKey } = curve === 'P-256' ? generateKeyPairSync('ec', { namedCurve: curve }) : generateKeyPairSync(curve);
  return {
    own: file(`${name}.pem`, privateKey.export({ type: 'pkcs8', format: 'pem' })),
    shown: file(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' })),
  };
}

const server = keys('server', 'P-256');
const client = keys('client', 'ed25519');
const psk = ['--psk-identity', 'hex:00ff0a80', '--psk', 'sesame'] as const;

after(() => rmSync(folder, { recursive: true, force: true }));

test('who names keys for a URI that they do not protect hears so, and nothing leaves', async () => {
  const heard: Uint8Array[] = [];
  const plain = await udp();
  plain.start((datagram) => heard.push(datagram));
  try {
    const at = `127.0.0.1:${plain.local.port}/led`;
    for (const flags of [psk, ['--peer-key', server.shown], ['--rpk', client.own, '--peer-key', server.shown]]) {
      for (const scheme of ['coap', 'coap+tcp', 'coap+ws', 'coaps+tcp']) {
        const { stderr } = await aceExits(2, ['put', `${scheme}://${at}`, '-d', 'secret', ...flags]);
        assert.match(
          stderr,
          new RegExp(`^error: ${flags[0]}: expected a URI of coaps, whose sessions it is for, got one of ${scheme.replace('+', '.')} `),
          scheme,
        );
      }
    }
    await aceExits(2, ['observe', `coap://${at}`, ...psk]);
    await aceExits(2, ['ping', `coap://${at}`, ...psk]);
    assert.equal(heard.length, 0);
  } finally {
    await plain.close();
  }
});

describe('ace-coap serve and get over coaps', () => {
  let serving: Server;
  const at = (path: string): string => `${serving.urls[1]}${path}`;

  before(async () => {
    const listen = ['--listen', 'coap://127.0.0.1:0', '--listen', 'coaps://127.0.0.1:0'];
    serving = new Server('serve', ...listen, '--value', '/led=off', ...psk, '--rpk', server.own, '--peer-key', client.shown, '--connection-id', '6');
    await serving.start();
  });
  after(() => serving.stop());

  test('a pre-shared key from the command line, and from a file and the environment', async () => {
    assert.match((await aceExits(0, ['put', at('/led'), '-d', 'on', ...psk])).stderr, /^2\.04 Changed .*protected by DTLS$/m);
    const env = { ACE_COAP_PSK_IDENTITY: `@${file('identity', fromHex('00ff0a80'))}`, ACE_COAP_PSK: `@${file('key', 'text:sesame\n')}` };
    assert.equal((await aceExits(0, ['get', at('/led')], { env })).stdout.trim(), 'on');
    assert.equal((await aceExits(0, ['get', `${serving.urls[0]}/led`])).stdout.trim(), 'on', 'plain CoAP beside it');
  });

  test('SSLKEYLOGFILE: the keys of a session go to a file of its owner, with a warning; without it, and over plain CoAP, there is none', async () => {
    const keys = join(folder, 'keys.log');
    const env = { SSLKEYLOGFILE: keys };
    assert.doesNotMatch((await aceExits(0, ['get', `${serving.urls[0]}/led`], { env })).stderr, /SSLKEYLOGFILE/);
    assert.ok(!existsSync(keys));
    for (let run = 1; run <= 2; run++) {
      const { stderr } = await aceExits(0, ['get', at('/led'), ...psk], { env });
      assert.match(stderr, /^SSLKEYLOGFILE: .*keys\.log; who has the file can read all of it$/m);
      assert.match(readFileSync(keys, 'utf8'), new RegExp(`^(?:CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n){${run}}$`));
    }
    assert.equal(statSync(keys).mode & 0o777, 0o600);
    const refused = await aceExits(2, ['get', at('/led'), ...psk], { env: { SSLKEYLOGFILE: join(folder, 'no', 'keys.log') } });
    assert.match(refused.stderr, /SSLKEYLOGFILE: .* cannot be written \(ENOENT\)/);
  });

  test('raw public keys of both, observed and in the log', async () => {
    const rpk = ['--rpk', client.own, '--peer-key', server.shown];
    const { stdout, stderr } = await aceExits(0, ['observe', at('/led'), '--count', '1', '-v', ...rpk]);
    assert.equal(stdout.trim(), 'on');
    assert.match(stderr, /GET {2}id \d+ {2}token/, 'messages are shown in the clear');
    const asked = serving.log().filter(({ msg }) => msg === 'request');
    assert.match(String(asked.at(-1)!['dtls']), /^spki:/);
    assert.equal(asked[0]!['dtls'], 'hex:00ff0a80');
  });

  test('--suites: a list by its name, or suites by theirs; the answer says what was agreed on', async () => {
    const suiteBy = async (suites: string): Promise<unknown> => {
      const { stdout, stderr } = await aceExits(0, ['get', at('/led'), ...psk, '--suites', suites, '--json']);
      assert.equal(stderr, '');
      return (JSON.parse(stdout) as Record<string, unknown>)['suite'];
    };
    assert.equal(await suiteBy('iot'), 'TLS_PSK_WITH_AES_128_CCM_8');
    assert.equal(await suiteBy('seal-strict'), 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256');
    assert.equal(await suiteBy('TLS_PSK_WITH_AES_128_CCM, TLS_PSK_WITH_AES_128_CCM_8'), 'TLS_PSK_WITH_AES_128_CCM');
    assert.match((await aceExits(0, ['get', at('/led'), ...psk, '--suites', 'iot'])).stderr, /TLS_PSK_WITH_AES_128_CCM_8, protected by DTLS$/m);
    assert.match(
      (await aceExits(2, ['get', at('/led'), ...psk, '--suites', 'tls13'])).stderr,
      /expected a list of suites \(default, iot, seal-strict\), got tls13/,
    );
  });

  test('--mtu: datagrams of a handshake are no longer, but for the ClientHello, which a server takes whole', async () => {
    const relay = await Relay.open('serve', Number(new URL(serving.urls[1]!.replace('coaps', 'http')).port));
    try {
      const rpk = ['--rpk', client.own, '--peer-key', server.shown];
      await aceExits(0, ['get', `coaps://127.0.0.1:${relay.port}/led`, ...rpk, '--mtu', '128']);
      const sent = relay.wire.filter(({ to, datagram }) => to === 'serve' && datagram[0] === 22 && datagram[13] !== 1).map(({ datagram }) => datagram.length);
      assert.ok(Math.max(...sent) <= 128, `${sent}`);
      assert.ok(sent.length > 2, `${sent}`);
    } finally {
      relay.close();
    }
  });

  test('--session: a later run resumes the session of an earlier one; the file is for its owner', async () => {
    const kept = join(folder, 'session');
    const get = async (...words: readonly string[]): Promise<unknown> => {
      const { stdout } = await aceExits(0, ['get', at('/led'), '--session', kept, '--json', ...words]);
      return (JSON.parse(stdout) as Record<string, unknown>)['resumed'];
    };
    assert.equal(await get(...psk), undefined);
    assert.equal(statSync(kept).mode & 0o777, 0o600);
    assert.equal(await get(...psk), true);
    assert.equal(await get('--rpk', client.own, '--peer-key', server.shown), undefined, 'of other credentials');
    assert.equal(await get('--rpk', client.own, '--peer-key', server.shown), true);
    chmodSync(kept, 0o644);
    assert.match(
      (await aceExits(2, ['get', at('/led'), ...psk, '--session', kept])).stderr,
      /--session: .*: expected a file that its owner alone may use, got mode 644/,
    );
    const other = file('not-a-session', 'something else');
    assert.match(
      (await aceExits(2, ['get', at('/led'), ...psk, '--session', other])).stderr,
      /--session: .*not-a-session: expected .*; another name keeps the file/,
    );
    assert.equal(readFileSync(other, 'utf8'), 'something else');
  });

  test('--connection-id: a client that its NAT has given another address goes on in its session', async () => {
    const relay = await Relay.open('serve', Number(new URL(serving.urls[1]!.replace('coaps', 'http')).port));
    const transport = await dtls({ credentials: { psk: { identity: fromHex('00ff0a80'), key: utf8('sesame') } } });
    const endpoint = new Endpoint({ transport });
    try {
      const peer = await endpoint.resolve('127.0.0.1', relay.port);
      const get = async (): Promise<string> => fromUtf8((await endpoint.request({ peer, code: Method.GET, options: pathOptions(['led']) })).payload);
      assert.equal(await get(), 'on');
      const before = relay.wire.length;
      relay.move();
      assert.equal(await get(), 'on');
      assert.ok(
        relay.wire.slice(before).every(({ datagram }) => datagram[0] !== 22),
        'without another handshake',
      );
    } finally {
      await endpoint.close();
      relay.close();
    }
  });

  test('a wrong key is a no, of a pre-shared key and of a raw public key', async () => {
    const run = await aceExits(1, ['get', at('/led'), '--psk-identity', 'hex:00ff0a80', '--psk', 'wrong']);
    assert.match(run.stderr, /decrypt_error/);
    assert.match((await ace(['get', at('/led'), '--rpk', client.own, '--peer-key', client.shown])).stderr, /handshake_failure/);
  });
});

test('certificates over coaps, and --crl of either side: what is on a list is refused, and what no list says anything of', async () => {
  const authority = await LabAuthority.make('lab', systemEnv);
  const issue = async (name: string, usage: 'server' | 'client'): Promise<{ readonly cert: string; readonly words: readonly string[] }> => {
    const made = await authority.issue({ commonName: name, names: [{ type: 'ip', value: '127.0.0.1' }], usage: [usage] });
    return { cert: made.cert, words: ['--cert', file(`${name}.crt`, made.cert), '--key', file(`${name}.key`, made.key)] };
  };
  const [own, good, bad] = await Promise.all([issue('own', 'server'), issue('good', 'client'), issue('bad', 'client')]);
  const ca = file('ca.pem', authority.cert);
  const lists = {
    clients: file('clients.crl', await authority.crl([bad.cert])),
    servers: file('servers.crl', await authority.crl([own.cert])),
    others: file('others.crl', await (await LabAuthority.make('others', systemEnv)).crl()),
  };
  const serving = new Server('serve', '--listen', 'coaps://127.0.0.1:0', '--value', '/led=off', ...own.words, '--client-ca', ca, '--crl', lists.clients);
  await serving.start();
  try {
    const words = (who: typeof good, ...more: readonly string[]): readonly string[] => ['get', `${serving.urls[0]}/led`, '--ca', ca, ...who.words, ...more];
    assert.equal((await aceExits(0, words(good))).stdout.trim(), 'off');
    assert.match((await aceExits(1, words(bad))).stderr, /certificate_revoked/);
    assert.equal((await aceExits(0, words(good, '--crl', lists.clients))).stdout.trim(), 'off', 'the server is not on it');
    assert.match((await aceExits(1, words(good, '--crl', lists.servers))).stderr, /certificate_revoked/);
    assert.match((await aceExits(1, words(good, '--crl', lists.others))).stderr, /certificate_unknown/);
    assert.match((await aceExits(2, words(good, '--crl', ca))).stderr, /--crl: .*ca\.pem: expected lists of revoked certificates in PEM, got none/);
    assert.match((await aceExits(2, ['get', `${serving.urls[0]}/led`, ...psk, '--crl', lists.servers])).stderr, /--crl: expected --ca with it/);
    const refused = serving.log().filter(({ msg }) => msg === 'handshake-failed');
    assert.match(String(refused[0]!['reason']), /certificate_revoked/);
  } finally {
    await serving.stop();
  }
});

describe('credentials of the command line', () => {
  const pskOf = async (flags: { readonly pskIdentity: string; readonly psk: string }): Promise<string> => {
    const { psk } = (await (await clientCredentials(flags))!('h', 1)) as Extract<SessionCredentials, { readonly psk: object }>;
    return `${toHex(psk.identity)} ${toHex(psk.key)}`;
  };

  test('text, hex:, text:, and files of each', async () => {
    const [a, b] = [toHex(utf8('id')), toHex(utf8('key'))];
    assert.equal(await pskOf({ pskIdentity: 'id', psk: 'key' }), `${a} ${b}`);
    assert.equal(await pskOf({ pskIdentity: 'text:id', psk: 'hex:00 FF' }), `${a} 00ff`);
    assert.equal(await pskOf({ pskIdentity: 'text:hex:', psk: `@${file('hex', 'hex:00ff10\n')}` }), `${toHex(utf8('hex:'))} 00ff10`);
    assert.equal(await pskOf({ pskIdentity: 'id', psk: `@${file('raw', 'as it is\n')}` }), `${a} ${toHex(utf8('as it is\n'))}`);
    assert.equal(await pskOf({ pskIdentity: 'id', psk: `@${file('binary', fromHex('ff0010'))}` }), `${a} ff0010`);
  });

  const rejects = (flags: Parameters<typeof clientCredentials>[0], message: RegExp): Promise<void> =>
    assert.rejects(clientCredentials(flags), { code: 'ERR_CLI_USAGE', message });

  test('what is none is wrong use, and no secret is in the message', async () => {
    await rejects({ psk: 'sesame' }, /^--psk-identity and --psk \(or ACE_COAP_PSK_IDENTITY and ACE_COAP_PSK\): expected both or neither, got one$/);
    await rejects({ pskIdentity: 'a', psk: 'hex:123' }, /^--psk: expected an even number of hexadecimal digits after hex:, got something else$/);
    await rejects({ pskIdentity: 'a', psk: '' }, /^--psk: expected a key of one byte at least, got none$/);
    await rejects({ pskIdentity: 'a', psk: '@no-such-file' }, /no-such-file: cannot be read/);
    await rejects({ rpk: client.own }, /--rpk: expected --peer-key/);
    await rejects({ peerKey: file('none.pem', 'nothing') }, /--peer-key: expected a key on P-256, P-384, Ed25519 in PEM, got what is none/);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });
    await rejects({ peerKey: file('rsa.pem', rsa as string) }, /--peer-key: expected a key on P-256, .*, got another/);
    const twice = { pskIdentity: ['a', 'b'], psk: ['c'] };
    await assert.rejects(serverCredentials(twice), { code: 'ERR_CLI_USAGE', message: /expected as many of each, got 2 and 1/ });
    await assert.rejects(serverCredentials({ peerKey: [client.shown] }), { code: 'ERR_CLI_USAGE', message: /expected --rpk with it/ });
    assert.equal(await serverCredentials({}), undefined);
    assert.equal(await clientCredentials({}), undefined);
  });
});
