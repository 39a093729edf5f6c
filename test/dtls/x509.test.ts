import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, emptyBytes } from '../../src/core/bytes.ts';
import { CryptoError, useCrypto } from '../../src/core/crypto/index.ts';
import { decodeCertificate } from '../../src/dtls/certificate.ts';
import { decodeFragments, encodeHandshake, type HandshakeMessage, HandshakeType } from '../../src/dtls/handshake.ts';
import {
  type ClientConfig,
  type ConnectionEvent,
  clientConnection,
  DtlsError,
  type DtlsServerConfig,
  decodeSession,
  encodeSession,
  type PeerIdentity,
} from '../../src/dtls/index.ts';
import { decodeClientHello, decodeServerHello, encodeCertificates, encodeRawPublicKey } from '../../src/dtls/messages.ts';
import { decodeRecords, encodePlaintextRecord } from '../../src/dtls/record.ts';
import { Simulator } from '../support/simulator.ts';
import { certificate, own, pem } from './certificates.ts';
import { ClientParty, clientAddress, clientKey, expectSameKeys, nothingHeld, type Parties, port, ServerParty, serverAddress, serverKey } from './parties.ts';

const suite = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';
const roots = [certificate('root')];
const host = 'server.example';
const ofServer: DtlsServerConfig = { suites: [suite], certificate: { own: own('server') } };
const ofClient: ClientConfig = { suites: [suite], certificate: { roots, host } };
const mutualServer: DtlsServerConfig = { suites: [suite], certificate: { own: own('server'), client: 'require', roots } };
const mutualClient: ClientConfig = { suites: [suite], certificate: { roots, host, own: own('client') } };

const from = `${clientAddress}:${port}`;
const to = `${serverAddress}:${port}`;

function accepting(client: ClientParty, server: ServerParty): Parties {
  client.onEvent = (event) => {
    if (event.type === 'peer-certificate') client.connection.acceptPeer();
  };
  server.onEvent = (event) => {
    if (event.type === 'peer-certificate') event.connection.acceptPeer();
  };
  return { client, server };
}

function parties(sim: Simulator, client: ClientConfig = ofClient, server: DtlsServerConfig = ofServer): Parties {
  return accepting(new ClientParty(sim, client), new ServerParty(sim, server));
}

async function connect(client: ClientConfig, server: DtlsServerConfig, epoch?: number): Promise<Parties & { readonly sim: Simulator }> {
  const sim = new Simulator(epoch === undefined ? {} : { epoch });
  const both = parties(sim, client, server);
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected || (both.client.connection.isClosed && both.server.end !== undefined), 10_000);
  return { ...both, sim };
}

const identityOf = (events: readonly { readonly peerIdentity: PeerIdentity }[]): PeerIdentity => events[0]!.peerIdentity;

/** The handshake succeeds, and each side knows the other by this. */
async function expectConnected(client: ClientConfig, server: DtlsServerConfig, serverIs: string, clientIs: string): Promise<void> {
  const both = await connect(client, server);
  await expectSameKeys(both.sim, both);
  assert.equal(identityOf(both.client.all('connected')).type, serverIs);
  assert.equal(identityOf(both.server.all('connected')).type, clientIs);
}

/** The handshake fails, by this alert of this side, and leaves nothing. */
async function expectRefused(client: ClientConfig, server: DtlsServerConfig, by: 'client' | 'server', reason: RegExp, epoch?: number): Promise<void> {
  const both = await connect(client, server, epoch);
  assert.match(both[by].error!.message, reason);
  assert.match(both[by === 'client' ? 'server' : 'client'].error!.message, /the peer ended the association/);
  assert.equal(both.client.all('connected').length + both.server.all('connected').length, 0);
  assert.deepEqual(both.server.server.stats(), nothingHeld);
}

test('a server with a certificate: the client learns who it is by name and by path, the server nothing of the client', async () => {
  const both = await connect(ofClient, ofServer);
  await expectSameKeys(both.sim, both);
  const identity = identityOf(both.client.all('connected'));
  assert.ok(identity.type === 'certificate');
  assert.equal(identity.subject, 'CN=ace-coap test server');
  assert.equal(identity.subjectAltName, 'DNS:server.example, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1');
  assert.deepEqual(identity.chain, [certificate('server'), certificate('root')]);
  const { d: _, ...key } = own('server').key;
  assert.deepEqual(identity.key, key);
  assert.deepEqual(identityOf(both.server.all('connected')), { type: 'anonymous' });
});

test('both with certificates, in DER and in PEM, with intermediates', async () => {
  await expectConnected(mutualClient, mutualServer, 'certificate', 'certificate');
  const text = (...names: readonly string[]): string => names.map((name) => pem('CERTIFICATE', certificate(name))).join('');
  const client = { certificate: { roots: text('root'), host, own: { ...own('deep-client'), chain: text('deep-client', 'intermediate') } } };
  const server = { certificate: { own: own('deep-server', 'intermediate', 'root'), client: 'require', roots: text('other-root', 'root') } } as const;
  await expectConnected(client, server, 'certificate', 'certificate');
});

test('keys on P-384 and Ed25519', async () => {
  await expectConnected(ofClient, { suites: [suite], certificate: { own: own('p384-server') } }, 'certificate', 'anonymous');
  const ed: ClientConfig = { suites: [suite], certificate: { roots: [certificate('ed-root')], host: '127.0.0.1' } };
  await expectConnected(ed, { suites: [suite], certificate: { own: own('ed-server') } }, 'certificate', 'anonymous');
});

test('a certificate over many datagrams of 200 bytes, a third of them lost', async () => {
  const sim = new Simulator({ loss: 0.3, seed: 3 });
  const client = { ...mutualClient, mtu: 200, retransmission: { maxRetransmissions: 20 }, handshakeTimeout: 3_600_000 };
  const server = { ...mutualServer, mtu: 200, retransmission: { maxRetransmissions: 20 }, handshakeTimeout: 3_600_000 };
  const both = parties(sim, client, server);
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 3_600_000);
});

test('RFC 7250 4: keys and certificates on both sides: the client says which it would rather have', async () => {
  const client: ClientConfig = { suites: [suite], rawPublicKey: { own: clientKey }, certificate: { roots, host, own: own('client') } };
  const server: DtlsServerConfig = {
    suites: [suite],
    rawPublicKey: { own: serverKey, client: 'request' },
    certificate: { own: own('server'), client: 'require', roots },
  };
  const keys: DtlsServerConfig = { suites: [suite], rawPublicKey: { own: serverKey, client: 'require' } };
  await expectConnected(client, server, 'raw-public-key', 'raw-public-key');
  await expectConnected(client, keys, 'raw-public-key', 'raw-public-key');
  await expectConnected(client, mutualServer, 'certificate', 'certificate');
  await expectConnected(mutualClient, server, 'certificate', 'certificate');
  await expectConnected({ suites: [suite], rawPublicKey: { own: clientKey } }, server, 'raw-public-key', 'raw-public-key');
  // Each direction by itself.
  const { own: _, ...noOwn } = client.certificate!;
  await expectConnected({ ...client, certificate: noOwn }, mutualServerOf('request'), 'certificate', 'anonymous');
  await expectConnected({ suites: [suite], rawPublicKey: {}, certificate: { roots, host, own: own('client') } }, server, 'raw-public-key', 'certificate');
});

function mutualServerOf(client: 'request' | 'none'): DtlsServerConfig {
  return { suites: [suite], certificate: { own: own('server'), client, roots } };
}

test('RFC 7250 4.1: a client with X.509 alone sends no certificate types, and gets none back', async () => {
  const both = await connect(mutualClient, mutualServer);
  const hello = decodeClientHello(both.sim.wire[0]!.datagram.subarray(25));
  const types = [19, 20];
  for (const type of types) assert.ok(!hello.extensions.has(type));
  const answer = both.sim.wire.find(({ datagram }) => datagram[13] === HandshakeType.server_hello)!;
  const { extensions } = decodeServerHello(decodeFragments(decodeRecords(answer.datagram).records[0]!.fragment)![0]!.bytes);
  for (const type of types) assert.ok(!extensions.has(type));
});

test('RFC 7250 4.2: no certificate type in common: unsupported_certificate', async () => {
  const keys: ClientConfig = { suites: [suite], rawPublicKey: { own: clientKey } };
  await expectRefused(keys, ofServer, 'server', /unsupported_certificate/);
  await expectRefused(ofClient, { suites: [suite], rawPublicKey: { own: serverKey } }, 'server', /unsupported_certificate/);
  const wantsKey: DtlsServerConfig = { ...ofServer, rawPublicKey: { own: serverKey, client: 'require' } };
  await expectRefused(mutualClient, wantsKey, 'server', /unsupported_certificate/);
});

test('which suites are offered follows what is configured', async () => {
  const sim = new Simulator();
  const client = new ClientParty(sim, { certificate: { roots, host } });
  client.connection.start();
  await sim.run(() => sim.wire.length > 0, 1000);
  assert.deepEqual(decodeClientHello(sim.wire[0]!.datagram.subarray(25)).suites, [0xc02c, 0xc02b, 0xc0ac, 0xc0ae]);
});

const refusedServers: readonly (readonly [string, string, RegExp])[] = [
  ['an authority that is not trusted', 'untrusted', /unknown_ca/],
  ['another name', 'other-name', /bad_certificate/],
  ['a name in the subject alone', 'name-only', /bad_certificate/],
  ['a time that is over', 'expired', /certificate_expired/],
  ['a time to come', 'early', /certificate_expired/],
  ['a key that is for key agreement alone', 'no-signature', /unsupported_certificate/],
  ['a critical extension that nobody knows', 'unknown-critical', /unsupported_certificate/],
];
for (const [what, name, reason] of refusedServers) {
  test(`the certificate of a server: ${what}: ${reason.source}`, () =>
    expectRefused(ofClient, { suites: [suite], certificate: { own: own(name) } }, 'client', reason));
}

const refusedClients: readonly (readonly [string, string, RegExp])[] = [
  ['an authority that is not trusted', 'pinned', /unknown_ca/],
  ['the purpose of a server', 'server', /unsupported_certificate/],
  ['a time that is over', 'expired', /certificate_expired/],
];
for (const [what, name, reason] of refusedClients) {
  test(`the certificate of a client: ${what}: ${reason.source}`, () =>
    expectRefused({ suites: [suite], certificate: { roots, host, own: own(name) } }, mutualServer, 'server', reason));
}

test('validity is that of the time of the environment', () => expectRefused(ofClient, ofServer, 'client', /certificate_expired/, 1_500_000_000));

test('RFC 5246 7.4.6: a client without a certificate goes on as nobody where it is asked, and ends with handshake_failure where it must have one', async () => {
  await expectConnected(ofClient, mutualServerOf('request'), 'certificate', 'anonymous');
  await expectConnected(mutualClient, mutualServerOf('none'), 'certificate', 'anonymous');
  await expectRefused(ofClient, mutualServer, 'server', /handshake_failure/);
});

test('RFC 5246 7.4.2: no certificate that is signed in a way that the client does not take', async () => {
  const sim = new Simulator();
  const both = parties(sim, ofClient, { suites: [suite], certificate: { own: own('p384-server') } });
  // Without ecdsa_secp384r1_sha384, which signed the certificate.
  const offered = Uint8Array.of(0, 13, 0, 8, 0, 6, 4, 3, 5, 3, 8, 7);
  sim.filter = (packet) => {
    const text = Buffer.from(packet.datagram);
    const at = packet.from === from ? text.indexOf(offered) : -1;
    if (at >= 0) text[at + 9] = 1;
    if (at < 0) return true;
    sim.inject(new Uint8Array(text), packet.from, packet.to);
    return false;
  };
  both.client.connection.start();
  await sim.run(() => both.client.connection.isClosed, 10_000);
  assert.match(both.server.error!.message, /handshake_failure/);
});

test('the application refuses: a certificate that is revoked, at once or later, by certificate_revoked', async () => {
  for (const delay of [0, 500]) {
    for (const side of ['client', 'server'] as const) {
      const sim = new Simulator();
      const both = parties(sim, mutualClient, mutualServer);
      const env = sim.env('application');
      const refuse = (reject: () => void): void => {
        if (delay === 0) reject();
        else env.schedule(delay, reject);
      };
      if (side === 'client') {
        both.client.onEvent = (event) => {
          if (event.type === 'peer-certificate') refuse(() => both.client.connection.rejectPeer('certificate_revoked'));
        };
      } else {
        both.server.onEvent = (event) => {
          if (event.type === 'peer-certificate') refuse(() => event.connection.rejectPeer('certificate_revoked'));
        };
      }
      both.client.connection.start();
      await sim.run(() => both.client.connection.isClosed && both.server.end !== undefined, 10_000);
      assert.match(both[side].error!.message, /certificate_revoked/);
      assert.match(both[side === 'client' ? 'server' : 'client'].error!.message, /certificate_revoked/);
    }
  }
});

test('the application is asked once, with the whole path, and only when the key is proved', async () => {
  const both = await connect(mutualClient, mutualServer);
  const [asked, ...more] = both.server.all('peer-certificate');
  assert.deepEqual(more, []);
  assert.deepEqual(asked!.chain, [certificate('client'), certificate('root')]);
  assert.equal(asked!.subject, 'CN=00-15-5D-FF-FE-00-00-01');
  assert.deepEqual(
    both.client.all('peer-certificate').map(({ chain }) => chain),
    [[certificate('server'), certificate('root')]],
  );
});

type Change = (message: HandshakeMessage) => HandshakeMessage;

/** Change the messages of one type, in epoch 0 and first in their record, that go one way. */
function rewrite(sim: Simulator, source: string, type: number, change: Change): void {
  sim.filter = (packet) => {
    if (packet.from !== source) return true;
    let at = 0;
    let isChanged = false;
    const parts = decodeRecords(packet.datagram).records.map((record) => {
      const original = packet.datagram.subarray(at, (at += 13 + record.fragment.length));
      const fragment = record.epoch === 0 && record.type === 22 ? decodeFragments(record.fragment)?.[0] : undefined;
      if (fragment?.type !== type) return original;
      isChanged = true;
      return encodePlaintextRecord(22, record.sequence, encodeHandshake(change({ type, sequence: fragment.sequence, body: fragment.bytes })));
    });
    if (isChanged) sim.inject(concat(...parts), packet.from, packet.to);
    return !isChanged;
  };
}

/** With one message changed on its way, nobody is connected. */
async function expectForgeryRefused(source: string, type: number, change: Change, reason: RegExp): Promise<Parties> {
  const sim = new Simulator();
  // Each message in one piece.
  const both = parties(sim, { ...mutualClient, mtu: 4000 }, { ...mutualServer, mtu: 4000 });
  const refusing = source === from ? both.server : both.client;
  rewrite(sim, source, type, change);
  both.client.connection.start();
  await sim.run(() => refusing.end !== undefined, 60_000);
  assert.equal(both.client.all('connected').length + both.server.all('connected').length, 0);
  assert.match(refusing.error!.message, reason);
  return both;
}

const withBody =
  (change: (body: Uint8Array) => Uint8Array): Change =>
  (message) => ({ ...message, body: change(message.body) });

test('a client certificate without CertificateVerify, or with a wrong one, is not accepted', async () => {
  const wrong = withBody((body) => Uint8Array.from(body, (byte, i) => (i === body.length - 1 ? byte ^ 1 : byte)));
  // Some other message has to stand in its place, or those after it would wait for it.
  const none: Change = (message) => ({ ...message, type: HandshakeType.client_key_exchange });
  for (const [change, reason] of [
    [wrong, /decrypt_error/],
    [none, /unexpected_message/],
  ] as const) {
    const both = await expectForgeryRefused(from, HandshakeType.certificate_verify, change, reason);
    assert.equal(both.server.all('peer-certificate').length, 0, 'nobody is asked about a key that is not proved');
  }
});

test("a client certificate with another client's signature is not accepted", async () => {
  await expectRefusedKey('client');
});

test("a server certificate with another server's signature is not accepted", async () => {
  await expectRefusedKey('server');
});

/** The certificate is one that is trusted, the key is not that of the certificate. */
async function expectRefusedKey(side: 'client' | 'server'): Promise<void> {
  const source = side === 'client' ? from : to;
  const other = encodeCertificates([certificate(side === 'client' ? 'deep-client' : 'deep-server'), certificate('intermediate')]);
  const both = await expectForgeryRefused(
    source,
    HandshakeType.certificate,
    withBody(() => other),
    /decrypt_error/,
  );
  const asked: readonly ConnectionEvent[] = side === 'client' ? both.server.all('peer-certificate') : both.client.all('peer-certificate');
  assert.equal(asked.length, 0, 'nobody is asked about a key that is not proved');
}

test('RFC 5246 7.4.2: a Certificate that cannot be read, is empty, or is a key where a certificate is awaited', async () => {
  await expectForgeryRefused(
    to,
    HandshakeType.certificate,
    withBody((body) => body.subarray(0, -1)),
    /decode_error/,
  );
  await expectForgeryRefused(
    to,
    HandshakeType.certificate,
    withBody((body) => concat(body, Uint8Array.of(0))),
    /decode_error/,
  );
  await expectForgeryRefused(
    to,
    HandshakeType.certificate,
    withBody(() => encodeCertificates([])),
    /illegal_parameter/,
  );
  await expectForgeryRefused(
    to,
    HandshakeType.certificate,
    withBody(() => encodeCertificates([emptyBytes])),
    /bad_certificate/,
  );
  await expectForgeryRefused(
    to,
    HandshakeType.certificate,
    withBody(() => encodeRawPublicKey(certificate('server'))),
    /decode_error|bad_certificate/,
  );
  await expectForgeryRefused(
    from,
    HandshakeType.certificate,
    withBody(() => encodeCertificates([])),
    /handshake_failure/,
  );
});

const badClients: readonly (readonly [string, ClientConfig['certificate'], RegExp])[] = [
  ['no roots', { roots: [], host }, /certificate\.roots/],
  ['roots that are none', { roots: [Uint8Array.of(0x30, 0)], host }, /certificate\.roots/],
  ['a PEM text without certificates', { roots: 'nothing', host }, /certificate\.roots/],
  ['no name', { roots, host: '' }, /certificate\.host/],
  ['a name that begins with a dot', { roots, host: '.example' }, /certificate\.host/],
  ['a wildcard', { roots, host: '*.example' }, /certificate\.host/],
  ['a key of another certificate', { roots, host, own: { ...own('client'), key: own('server').key } }, /certificate\.own\.key/],
  ['a chain out of order', { roots, host, own: { ...own('deep-client'), chain: [certificate('deep-client'), certificate('other-root')] } }, /own\.chain/],
  ['a chain that is signed by RSA', { roots, host, own: own('by-rsa') }, /own\.chain/],
];
for (const [what, config, message] of badClients) {
  test(`wrong use: ${what}`, () => {
    const make = (): unknown => clientConnection({ certificate: config! }, new Simulator().env('client'), { send: () => {}, emit: () => {} });
    assert.throws(make, (error) => error instanceof DtlsError && error.code === 'ERR_DTLS_CONFIG' && message.test(error.message));
  });
}

test('wrong use: a server that asks for certificates and trusts none', () => {
  const config: DtlsServerConfig = { certificate: { own: own('server'), client: 'request' } };
  assert.throws(
    () => new ServerParty(new Simulator(), config),
    (error) => error instanceof DtlsError && /certificate\.roots/.test(error.message),
  );
});

test('the portable crypto provider reads no certificates, and says so', async () => {
  await useCrypto('portable');
  try {
    assert.throws(
      () => new ClientParty(new Simulator(), ofClient),
      (error) => error instanceof CryptoError && error.code === 'ERR_CRYPTO_PROVIDER',
    );
  } finally {
    await useCrypto('node');
  }
});

test('RFC 5246 7.3: a session of certificates is resumed while their paths are good, and both sides are asked about them again', async () => {
  const { notAfter } = decodeCertificate(certificate('server'));
  const both = await connect(mutualClient, { ...mutualServer, maxSessions: 10 }, notAfter - 3600);
  const { sim, server } = both;
  const session = decodeSession(encodeSession(both.client.connection.session!));
  assert.deepEqual(session.peerIdentity, identityOf(both.client.all('connected')));
  both.client.connection.close();
  await sim.sleep(100);
  const again = (address: string, config: Partial<ClientConfig> = {}): ClientParty =>
    accepting(new ClientParty(sim, { ...mutualClient, session, ...config }, address), server).client;
  const resumed = again('10.0.0.3');
  resumed.connection.start();
  await sim.run(() => resumed.connection.isConnected, 10_000);
  await sim.sleep(100);
  assert.ok(resumed.connection.agreement!.isResumed);
  await expectSameKeys(sim, { client: resumed, server });
  assert.deepEqual([resumed.all('peer-certificate').length, server.all('peer-certificate').length], [1, 2]);
  const [first, second] = server.all('connected');
  assert.deepEqual(second!.peerIdentity, first!.peerIdentity);
  for (const [address, config, after, reason] of [
    ['10.0.0.4', { certificate: { roots: [certificate('other-root')], host } }, 0, /unknown_ca/],
    ['10.0.0.5', { certificate: { roots, host: 'other.example' } }, 0, /bad_certificate/],
    ['10.0.0.6', {}, 3600_000, /certificate_expired/],
  ] as const) {
    await sim.sleep(after);
    const client = again(address, config);
    client.connection.start();
    await sim.run(() => client.connection.isClosed, 10_000);
    assert.match(client.error!.message, reason);
  }
  assert.equal(server.all('connected').length, 2);
});
