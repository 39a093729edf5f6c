import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as nodeTest, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromBase64Url, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import type { CurveKeyPair } from '../../src/core/crypto/index.ts';
import { type CipherSuiteName, type ClientConfig, encodeSpki, type GroupName, type Session } from '../../src/dtls/index.ts';
import { certificate, own, pemOf } from '../dtls/certificates.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { dtlsClient, dtlsServer } from './dtls-ours.ts';
import { declareAll, testsWith } from './matrix.ts';
import { Background, runCommand, scratch } from './processes.ts';

const test = testsWith({ peer: 'GnuTLS', transport: 'UDP', security: 'DTLS PSK' });

const key = utf8('a key of sixteen');
const binaryIdentity = Uint8Array.of(0x0a, 0x00, 0xff, 0x80);

const groupNames: Readonly<Record<GroupName, string>> = { secp256r1: 'SECP256R1', secp384r1: 'SECP384R1', x25519: 'X25519' };

function priority(cipher: string, exchange: string, group: GroupName = 'secp256r1'): string {
  const signatures = '+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SHA384:+SIGN-EDDSA-ED25519';
  // GnuTLS wants the group of the key of the certificate too.
  const groups = group === 'secp256r1' ? '+GROUP-SECP256R1' : `+GROUP-${groupNames[group]}:+GROUP-SECP256R1`;
  return `NONE:+VERS-DTLS1.2:+${cipher}:+AEAD:${signatures}:${groups}:+COMP-NULL:${exchange}`;
}

interface KeyFiles {
  readonly pair: CurveKeyPair;
  readonly privateFile: string;
  readonly publicFile: string;
}

/** A raw key pair of openssl, for both sides. */
async function keyFiles(t: TestContext, name: string, ...generate: string[]): Promise<KeyFiles> {
  const folder = scratch(t);
  const privateFile = join(folder, `${name}.pem`);
  const publicFile = join(folder, `${name}.pub`);
  const made = await runCommand('openssl', ['genpkey', ...generate, '-out', privateFile]);
  assert.equal(made.status, 0, made.stderr);
  const { stdout } = await runCommand('openssl', ['pkey', '-in', privateFile]);
  const privateKey = createPrivateKey(stdout);
  writeFileSync(publicFile, createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }));
  const jwk = privateKey.export({ format: 'jwk' });
  const crv = { 'P-256': 1, 'P-384': 2, Ed25519: 6 }[jwk.crv!]!;
  const part = (text: string): Uint8Array => fromBase64Url(text);
  return { privateFile, publicFile, pair: { crv, x: part(jwk.x!), ...(jwk.y === undefined ? {} : { y: part(jwk.y) }), d: part(jwk.d!) } };
}

const p256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const p384 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'];
const ed25519 = ['-algorithm', 'ED25519'];

async function lineWith(process: Background, part: string): Promise<void> {
  while (!(await process.line()).includes(part));
}

async function gnutlsServer(t: TestContext, ...args: string[]): Promise<number> {
  const port = await freePort();
  const process = new Background(t, 'gnutls-serv', ['--udp', '-p', `${port}`, '--echo', ...args]);
  await until(() => process.errors.includes('IPv6'));
  return port;
}

async function echoes(t: TestContext, port: number, config: ClientConfig): Promise<void> {
  const client = await dtlsClient(t, port, config);
  const connected = await client.next('connected');
  assert.deepEqual([connected.suite, connected.extendedMasterSecret], [config.suites![0], true]);
  client.connection.send(utf8('hello gnutls'));
  assert.equal(fromUtf8((await client.next('data')).data), 'hello gnutls');
}

const pskSuites: readonly (readonly [CipherSuiteName, string])[] = [
  ['TLS_PSK_WITH_AES_128_CCM_8', 'AES-128-CCM-8'],
  ['TLS_PSK_WITH_AES_128_CCM', 'AES-128-CCM'],
  ['TLS_PSK_WITH_AES_128_GCM_SHA256', 'AES-128-GCM'],
];
const ecdsaSuites: readonly (readonly [CipherSuiteName, string])[] = [
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'AES-128-CCM-8'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM', 'AES-128-CCM'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'AES-128-GCM'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'AES-256-GCM'],
];
const rawExchange = '+ECDHE-ECDSA:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK';

const certificateExchange = '+ECDHE-ECDSA:+CTYPE-X509';

/** A certificate, and those that stand above it. */
type Names = readonly [string, ...string[]];

/** By the curve of the keys: who certifies whom. */
const families: Readonly<Record<'P-256' | 'P-384' | 'Ed25519', { readonly server: Names; readonly client: Names; readonly root: string }>> = {
  'P-256': { server: ['deep-server', 'intermediate'], client: ['deep-client', 'intermediate'], root: 'root' },
  'P-384': { server: ['p384-server'], client: ['client'], root: 'root' },
  Ed25519: { server: ['ed-server'], client: ['ed-client'], root: 'ed-root' },
};

/** The options of GnuTLS for a certificate with those that stand above it, and for the root that it trusts. */
function certificateFiles(t: TestContext, names: Names, root: string): string[] {
  const folder = scratch(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const chain = names.map((name) => pemOf(name).certificate).join('');
  const options = ['--x509certfile', file('chain.pem', chain), '--x509keyfile', file('own.key', pemOf(names[0]).key)];
  return [...options, '--x509cafile', file('root.pem', pemOf(root).certificate)];
}

function certificateCases(suite: CipherSuiteName, cipher: string, curve: keyof typeof families, mutual: boolean): void {
  const { server: ofServer, client: ofClient, root } = families[curve];
  const group = curve === 'P-384' ? 'secp384r1' : 'x25519';
  const name = `${suite}, certificates with ${curve}, ${mutual ? 'of both' : 'of the server'}`;
  const roots = [certificate(root)];

  test(`our client -> gnutls-serv: ${name}`, { security: 'DTLS X.509', feature: 'handshake' }, async (t) => {
    const options = mutual ? ['--require-client-cert', '--verify-client-cert'] : ['--disable-client-cert'];
    const port = await gnutlsServer(t, ...certificateFiles(t, ofServer, root), ...options, '--priority', priority(cipher, certificateExchange, group));
    await echoes(t, port, { suites: [suite], certificate: { roots, host: 'server.example', ...(mutual ? { own: own(...ofClient) } : {}) } });
  });

  test(`gnutls-cli -> our server: ${name}`, { security: 'DTLS X.509', feature: 'handshake' }, async (t) => {
    const config = { suites: [suite], certificate: { own: own(...ofServer), roots, client: mutual ? 'require' : 'none' } } as const;
    const server = await dtlsServer(t, config, (event) => {
      if (event.type === 'peer-certificate') event.connection.acceptPeer();
      if (event.type === 'data') event.connection.send(event.data);
    });
    const files = mutual ? certificateFiles(t, ofClient, root) : certificateFiles(t, ofClient, root).slice(-2);
    const client = new Background(t, 'gnutls-cli', [
      ...['--udp', '-p', `${server.port}`, '127.0.0.1', ...files, '--verify-hostname', 'server.example'],
      ...['--priority', priority(cipher, certificateExchange, group)],
    ]);
    await until(() => server.events.some(({ type }) => type === 'connected'));
    const [connected] = server.events.filter((event) => event.type === 'connected');
    assert.equal(connected!.peerIdentity.type, mutual ? 'certificate' : 'anonymous');
    client.write('hello ours');
    await lineWith(client, 'hello ours');
  });
}

function cases(): void {
  for (const [suite, cipher] of ecdsaSuites) {
    for (const curve of ['P-256', 'P-384', 'Ed25519'] as const) for (const mutual of [false, true]) certificateCases(suite, cipher, curve, mutual);
  }

  for (const [suite, cipher] of pskSuites) {
    test(`our client -> gnutls-serv: ${suite}, a binary identity`, 'handshake', async (t) => {
      const passwords = join(scratch(t), 'psk.txt');
      writeFileSync(passwords, `#${toHex(binaryIdentity)}:${toHex(key)}\n`);
      const port = await gnutlsServer(t, '--pskpasswd', passwords, '--priority', priority(cipher, '+PSK'));
      await echoes(t, port, { suites: [suite], psk: { identity: binaryIdentity, key } });
    });

    test(`gnutls-cli -> our server: ${suite}`, 'handshake', async (t) => {
      const server = await dtlsServer(t, { suites: [suite], psk: {} }, (event) => {
        if (event.type === 'psk-identity' && fromUtf8(event.identity) === 'gnutls') event.connection.providePsk(key);
        if (event.type === 'data') event.connection.send(event.data);
      });
      const args = ['--udp', '-p', `${server.port}`, '127.0.0.1', '--priority', priority(cipher, '+PSK'), '--pskusername', 'gnutls', '--pskkey', toHex(key)];
      const client = new Background(t, 'gnutls-cli', args);
      await until(() => server.events.some(({ type }) => type === 'connected'));
      client.write('hello ours');
      await lineWith(client, 'hello ours');
    });
  }

  for (const [suite, cipher] of ecdsaSuites) {
    for (const [group, curve] of [
      ['secp256r1', p256],
      ['secp384r1', p384],
      ['x25519', ed25519],
      ['x25519', p256],
    ] as const) {
      const name = `${suite}, ${group}, keys of ${curve.at(-1)}, raw public keys both ways`;
      test(`our client -> gnutls-serv: ${name}`, { security: 'DTLS RPK', feature: 'handshake' }, async (t) => {
        const server = await keyFiles(t, 'server', ...curve);
        const client = await keyFiles(t, 'client', ...curve);
        const files = ['--rawpkkeyfile', server.privateFile, '--rawpkfile', server.publicFile, '--require-client-cert'];
        const port = await gnutlsServer(t, ...files, '--priority', priority(cipher, rawExchange, group));
        await echoes(t, port, { suites: [suite], groups: [group, 'secp256r1'], rawPublicKey: { own: client.pair } });
      });

      test(`gnutls-cli -> our server: ${name}`, { security: 'DTLS RPK', feature: 'handshake' }, async (t) => {
        const own = await keyFiles(t, 'server', ...curve);
        const theirs = await keyFiles(t, 'client', ...curve);
        const config = { suites: [suite], groups: [group, 'secp256r1'], rawPublicKey: { own: own.pair, client: 'require' } } as const;
        const server = await dtlsServer(t, config, (event) => {
          if (event.type === 'peer-key') {
            assert.deepEqual(event.spki, encodeSpki(theirs.pair));
            event.connection.acceptPeer();
          }
          if (event.type === 'data') event.connection.send(event.data);
        });
        const files = ['--rawpkkeyfile', theirs.privateFile, '--rawpkfile', theirs.publicFile, '--no-ca-verification'];
        const client = new Background(t, 'gnutls-cli', [
          ...['--udp', '-p', `${server.port}`, '127.0.0.1', ...files, '--priority', priority(cipher, rawExchange, group)],
        ]);
        await until(() => server.events.some(({ type }) => type === 'connected'));
        client.write('hello ours');
        await lineWith(client, 'hello ours');
      });
    }
  }

  test('our client -> gnutls-serv: resumption, and a record_size_limit', ['handshake', 'resumption'], async (t) => {
    const passwords = join(scratch(t), 'psk.txt');
    writeFileSync(passwords, `#${toHex(binaryIdentity)}:${toHex(key)}\n`);
    const port = await gnutlsServer(t, '--noticket', '--pskpasswd', passwords, '--priority', priority('AES-128-CCM-8', '+PSK'));
    const config: ClientConfig = { suites: 'iot', psk: { identity: binaryIdentity, key }, recordSizeLimit: 600 };
    let session: Session | undefined;
    for (const isResumed of [false, true]) {
      const client = await dtlsClient(t, port, session === undefined ? config : { ...config, session });
      assert.equal((await client.next('connected')).isResumed, isResumed);
      session = client.connection.session;
      client.connection.send(utf8('hello gnutls'));
      assert.equal(fromUtf8((await client.next('data')).data), 'hello gnutls');
      client.connection.close();
    }
  });

  test('gnutls-cli -> our server: resumption', ['handshake', 'resumption'], async (t) => {
    const server = await dtlsServer(t, { suites: 'iot', psk: {} }, (event) => {
      if (event.type === 'psk-identity') event.connection.providePsk(key);
      if (event.type === 'data') event.connection.send(event.data);
    });
    const args = ['--udp', '-p', `${server.port}`, '127.0.0.1', '--priority', priority('AES-128-CCM-8', '+PSK'), '--pskusername', 'gnutls'];
    const client = new Background(t, 'gnutls-cli', [...args, '--pskkey', toHex(key), '--resume', '--noticket']);
    await until(() => server.events.filter(({ type }) => type === 'connected').length > 1);
    assert.deepEqual(
      server.events.filter((event) => event.type === 'connected').map(({ isResumed }) => isResumed),
      [false, true],
    );
    client.write('hello ours');
    await lineWith(client, 'hello ours');
  });

  test('our client -> gnutls-serv: a server that sees a wrong key ends the handshake, or stays silent', 'errors', async (t) => {
    const passwords = join(scratch(t), 'psk.txt');
    writeFileSync(passwords, `#${toHex(binaryIdentity)}:${toHex(key)}\n`);
    const port = await gnutlsServer(t, '--pskpasswd', passwords, '--priority', priority('AES-128-CCM-8', '+PSK'));
    const retransmission = { initialTimeout: 200, maxRetransmissions: 2 };
    const client = await dtlsClient(t, port, { suites: 'iot', psk: { identity: binaryIdentity, key: utf8('another key') }, retransmission });
    const { error } = await client.next('closed');
    assert.match(error!.code, /^ERR_DTLS_(ALERT|TIMEOUT)$/);
  });
}

/** gnutls-serv listens on every address; in a network of its own that is loopback alone. */
const inside = 'ACE_INTEROP_OWN_NETWORK';

if (process.env[inside] === '1') cases();
else {
  nodeTest('DTLS with GnuTLS, in a network of its own', (t) => {
    const probe = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' });
    if (probe.status !== 0) {
      t.skip(`gnutls-serv listens on every address, and this machine gives no network of its own: ${probe.stderr.trim()}`);
      return;
    }
    const script = 'ip link set lo up && exec "$0" --enable-source-maps --test-reporter=tap "$1"';
    const args = ['--net', 'sh', '-c', script, process.execPath, fileURLToPath(import.meta.url)];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', env: { ...env, [inside]: '1' } });
    declareAll(t, stdout);
    console.log(stdout);
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
}
