import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, emptyBytes, fromHex, toHex } from '../../src/core/bytes.ts';
import { digest } from '../../src/core/crypto/index.ts';
import { type AlertName, HandshakeFailure } from '../../src/dtls/alert.ts';
import type { ClientConfig, ServerConfig } from '../../src/dtls/config.ts';
import { decodeU16s, ExtensionType, encodeU8s, encodeU16s } from '../../src/dtls/extensions.ts';
import { encodeHandshake, type HandshakeMessage, HandshakeType } from '../../src/dtls/handshake.ts';
import { extendedMasterSecret, masterSecret, pskPremaster, verifyData } from '../../src/dtls/key-schedule.ts';
import {
  type ClientHello,
  decodeCertificateRequest,
  decodeClientHello,
  decodeServerHello,
  decodeServerKeyExchange,
  encodeClientHello,
  encodeClientKeyExchange,
  encodeServerHello,
  type ServerHello,
} from '../../src/dtls/messages.ts';
import { Simulator } from '../support/simulator.ts';
import { clientKey, identity, parties, psk, serverKey } from './parties.ts';
import { clientSide, give, type Side, serverSide } from './sides.ts';

const pskClient: ClientConfig = { psk: { identity, key: psk } };
const pskServer: ServerConfig = { psk: {} };
const keyClient: ClientConfig = { rawPublicKey: {} };
const keyServer: ServerConfig = { rawPublicKey: { own: serverKey } };

type Change<T> = (hello: T) => T;
const same = <T>(hello: T): T => hello;

/** A server that has got the changed ClientHello of a client. */
function greet(client: ClientConfig, server: ServerConfig, change: Change<ClientHello> = same): { readonly client: Side; readonly server: Side } {
  const here = clientSide(client);
  here.handshake.start();
  const hello = change(decodeClientHello(here.sent[0]!.body));
  const there = serverSide(server, { ...here.sent[0]!, body: encodeClientHello(hello) });
  there.handshake.start();
  return { client: here, server: there };
}

/** A client that has got the changed ServerHello. */
function answer(client: ClientConfig, server: ServerConfig, change: Change<ServerHello>): void {
  const both = greet(client, server);
  const [hello] = both.server.sent;
  give(both.client, { ...hello!, body: encodeServerHello(change(decodeServerHello(hello!.body))) });
}

const withExtension = <T extends ClientHello | ServerHello>(hello: T, type: number, data: Uint8Array | undefined): T => {
  const extensions = new Map(hello.extensions);
  if (data === undefined) extensions.delete(type);
  else extensions.set(type, data);
  return { ...hello, extensions };
};

const failsWith = (alert: AlertName, run: () => unknown): void =>
  assert.throws(run, (error) => {
    assert.ok(error instanceof HandshakeFailure, String(error));
    assert.equal(error.alert, alert, error.message);
    return true;
  });

const serverHelloOf = ({ server }: { readonly server: Side }): ServerHello => decodeServerHello(server.sent[0]!.body);
const types = (messages: readonly HandshakeMessage[]): number[] => messages.map(({ type }) => type);

test('RFC 5246 7.4.1.3: the suite is the first of ours that the client has', () => {
  const offered = greet(pskClient, { psk: {}, suites: ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'] });
  assert.equal(serverHelloOf(offered).suite, 0xc0a8);
  failsWith('handshake_failure', () => greet({ ...pskClient, suites: ['TLS_PSK_WITH_AES_128_CCM'] }, { psk: {}, suites: 'iot' }));
  assert.deepEqual(decodeClientHello(offered.client.sent[0]!.body).suites, [0xd001, 0xd003, 0x00a8, 0xc0a4, 0xc0a8], 'only those with credentials');
});

test('RFC 6347 4.1: only DTLS 1.2 and later clients, and only 1.2 servers', () => {
  failsWith('protocol_version', () => greet(pskClient, pskServer, (hello) => ({ ...hello, version: 0xfeff })));
  failsWith('protocol_version', () => greet(pskClient, pskServer, (hello) => ({ ...hello, version: 0x0303 })));
  assert.equal(serverHelloOf(greet(pskClient, pskServer, (hello) => ({ ...hello, version: 0xfefc }))).version, 0xfefd);
  for (const version of [0xfeff, 0xfefc, 0x0303]) failsWith('protocol_version', () => answer(pskClient, pskServer, (hello) => ({ ...hello, version })));
});

test('RFC 5246 7.4.1.2: null compression, and no other', () => {
  failsWith('illegal_parameter', () => greet(pskClient, pskServer, (hello) => ({ ...hello, compressions: Uint8Array.of(1) })));
  failsWith('illegal_parameter', () => answer(pskClient, pskServer, (hello) => ({ ...hello, compression: 1 })));
});

test('a suite, an extension, a group that was not offered is refused', () => {
  failsWith('illegal_parameter', () => answer(pskClient, pskServer, (hello) => ({ ...hello, suite: 0xc02b })));
  failsWith('unsupported_extension', () => answer(pskClient, pskServer, (hello) => withExtension(hello, 35, emptyBytes)));
  const one = { psk: {}, suites: ['TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'] } as const;
  failsWith('handshake_failure', () => greet({ ...pskClient, groups: ['x25519'] }, { ...one, groups: ['secp256r1'] }));
  const both = greet({ ...pskClient, groups: ['secp256r1', 'secp384r1'] }, { ...one, groups: ['x25519', 'secp384r1', 'secp256r1'] });
  const exchange = both.server.sent[1]!;
  assert.equal(decodeServerKeyExchange('ECDHE_PSK', exchange.body).parameters?.group, 24);
  give(both.client, both.server.sent[0]!);
  const other = exchange.body.slice();
  other[4] = 29;
  failsWith('illegal_parameter', () => give(both.client, { ...exchange, body: other }));
});

test('RFC 5746 3.4 and 3.6: an empty renegotiation_info or the signalling suite is answered; one with data is refused', () => {
  const info = ExtensionType.renegotiation_info;
  const asked = (change: Change<ClientHello>): Uint8Array | undefined => serverHelloOf(greet(pskClient, pskServer, change)).extensions.get(info);
  assert.equal(toHex(asked(same)!), '00');
  assert.equal(
    asked((hello) => withExtension(hello, info, undefined)),
    undefined,
  );
  assert.equal(toHex(asked((hello) => ({ ...withExtension(hello, info, undefined), suites: [...hello.suites, 0x00ff] }))!), '00');
  failsWith('handshake_failure', () => greet(pskClient, pskServer, (hello) => withExtension(hello, info, encodeU8s([1]))));
  failsWith('handshake_failure', () => answer(pskClient, pskServer, (hello) => withExtension(hello, info, encodeU8s([1]))));
  answer(pskClient, pskServer, (hello) => withExtension(hello, info, undefined));
});

test('RFC 7627 5: with the extension on both sides the master secret is bound to the handshake; without it is not, unless it is required', () => {
  const extension = ExtensionType.extended_master_secret;
  for (const extended of [true, false]) {
    const one = { ...pskClient, suites: ['TLS_PSK_WITH_AES_128_CCM_8'] } as const;
    const { server } = greet(one, pskServer, (hello) => (extended ? hello : withExtension(hello, extension, undefined)));
    assert.equal(serverHelloOf({ server }).extensions.has(extension), extended);
    const identityMessage = encodeClientKeyExchange('PSK', { identity, point: emptyBytes });
    const exchange = { type: HandshakeType.client_key_exchange, sequence: 1, body: identityMessage };
    give(server, exchange);
    const messages = concat(...[server.hello!, ...server.sent, exchange].map((message) => encodeHandshake(message)));
    const randoms = { client: decodeClientHello(server.hello!.body).random, server: serverHelloOf({ server }).random };
    const premaster = pskPremaster(psk);
    const master = extended ? extendedMasterSecret('sha256', premaster, digest('sha256', messages)) : masterSecret('sha256', premaster, randoms);
    give(server, { type: HandshakeType.finished, sequence: 2, body: verifyData('sha256', master, 'client', digest('sha256', messages)) });
    assert.equal(toHex(server.outcome!.session.master), toHex(master));
    assert.equal(server.outcome!.session.extendedMasterSecret, extended);
  }
  failsWith('handshake_failure', () =>
    greet(pskClient, { ...pskServer, requireExtendedMasterSecret: true }, (hello) => withExtension(hello, extension, undefined)),
  );
  failsWith('handshake_failure', () =>
    answer({ ...pskClient, requireExtendedMasterSecret: true }, pskServer, (hello) => withExtension(hello, extension, undefined)),
  );
  failsWith('decode_error', () => greet(pskClient, pskServer, (hello) => withExtension(hello, extension, Uint8Array.of(0))));
});

test('RFC 8422 5.1.2: point formats without the uncompressed one are refused', () => {
  const formats = ExtensionType.ec_point_formats;
  failsWith('illegal_parameter', () => greet(pskClient, pskServer, (hello) => withExtension(hello, formats, encodeU8s([1]))));
  const suites = ['TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'] as const;
  failsWith('illegal_parameter', () => answer({ ...pskClient, suites }, pskServer, (hello) => withExtension(hello, formats, encodeU8s([1]))));
  assert.ok(!serverHelloOf(greet(pskClient, { psk: {}, suites: 'iot' })).extensions.has(formats), 'not with PSK alone');
});

test('RFC 7250 4: certificate types', () => {
  const server = ExtensionType.server_certificate_type;
  const client = ExtensionType.client_certificate_type;
  const plain = greet(keyClient, keyServer);
  const offered = decodeClientHello(plain.client.sent[0]!.body).extensions;
  assert.equal(toHex(offered.get(server)!), '0102');
  assert.ok(!offered.has(client), 'a client without a key provides none');
  assert.equal(toHex(serverHelloOf(plain).extensions.get(server)!), '02');
  failsWith('unsupported_certificate', () => greet(keyClient, keyServer, (hello) => withExtension(hello, server, undefined)));
  failsWith('unsupported_certificate', () => greet(keyClient, keyServer, (hello) => withExtension(hello, server, encodeU8s([0]))));
  failsWith('unsupported_certificate', () => answer(keyClient, keyServer, (hello) => withExtension(hello, server, undefined)));
  failsWith('decode_error', () => answer(keyClient, keyServer, (hello) => withExtension(hello, server, Uint8Array.of(2, 2))));
  const asking: ServerConfig = { rawPublicKey: { own: serverKey, client: 'request' } };
  const withKey: ClientConfig = { rawPublicKey: { own: clientKey } };
  const asked = greet(withKey, asking);
  assert.equal(toHex(serverHelloOf(asked).extensions.get(client)!), '02');
  assert.deepEqual(types(asked.server.sent), [2, 11, 12, 13, 14]);
  assert.deepEqual([...decodeCertificateRequest(asked.server.sent[3]!.body).types], [64]);
  const unable = greet(keyClient, asking);
  assert.ok(!serverHelloOf(unable).extensions.has(client));
  assert.deepEqual(types(unable.server.sent), [2, 11, 12, 14], 'who cannot is not asked');
  failsWith('unsupported_certificate', () => greet(keyClient, { rawPublicKey: { own: serverKey, client: 'require' } }));
});

test('RFC 5246 7.4.1.4.1 and RFC 8422 5.1: the key of the server suits what the client takes', () => {
  const schemes = ExtensionType.signature_algorithms;
  failsWith('handshake_failure', () => greet(keyClient, keyServer, (hello) => withExtension(hello, schemes, undefined)));
  failsWith('handshake_failure', () => greet(keyClient, keyServer, (hello) => withExtension(hello, schemes, encodeU16s([0x0807, 0x0401]))));
  const sha384 = greet(keyClient, keyServer, (hello) => withExtension(hello, schemes, encodeU16s([0x0503])));
  assert.equal(decodeServerKeyExchange('ECDHE_ECDSA', sha384.server.sent[2]!.body).signed?.scheme, 0x0503);
  failsWith('handshake_failure', () => greet({ ...keyClient, groups: ['x25519'] }, keyServer));
  assert.deepEqual(decodeU16s(decodeClientHello(sha384.client.sent[0]!.body).extensions.get(schemes)!), [0x0403, 0x0503, 0x0807]);
});

test('RFC 4279 5.2: a hint goes out only when there is one, and does not keep a client from its identity', () => {
  const suites = ['TLS_PSK_WITH_AES_128_CCM'] as const;
  assert.deepEqual(types(greet(pskClient, { psk: {}, suites }).server.sent), [2, 14]);
  const { server } = greet(pskClient, { psk: { hint: identity }, suites });
  assert.deepEqual(types(server.sent), [2, 12, 14]);
  assert.deepEqual(decodeServerKeyExchange('PSK', server.sent[1]!.body).hint, identity);
});

test('RFC 5246 7.4.1.4: an extension that comes twice, and one that is cut, are refused', () => {
  const hello = decodeClientHello(greet(pskClient, pskServer).client.sent[0]!.body);
  const base = encodeClientHello({ ...hello, extensions: new Map() });
  const extended = (hex: string): Uint8Array => concat(base, fromHex(hex));
  failsWith('illegal_parameter', () => decodeClientHello(extended('00080017000000170000')));
  failsWith('decode_error', () => decodeClientHello(extended('0004001700000b')));
  assert.throws(() => decodeClientHello(extended('000500170002')), { code: 'ERR_BYTES_END' });
  assert.deepEqual(decodeClientHello(extended('0000')).extensions.size, 0);
});

test('RFC 6347 4.2.1: a client answers new cookies, and gives up in the end', () => {
  const client = clientSide(pskClient);
  client.handshake.start();
  const cookie = (n: number): HandshakeMessage => ({ type: HandshakeType.hello_verify_request, sequence: n, body: Uint8Array.of(0xfe, 0xff, 1, n) });
  for (let n = 0; n < 4; n++) {
    give(client, cookie(n));
    const hello = decodeClientHello(client.sent[n + 1]!.body);
    assert.deepEqual([...hello.cookie], [n]);
    assert.deepEqual({ ...hello, cookie: emptyBytes }, decodeClientHello(client.sent[0]!.body), 'the same parameters');
  }
  failsWith('unexpected_message', () => give(client, cookie(4)));
});

test('RFC 5705 4: no context, an empty one and another give different material; the labels of TLS and what is too long are refused', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim, 'TLS_PSK_WITH_AES_128_CCM_8');
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  const { connection } = server.all('connected')[0]!;
  const contexts = [undefined, emptyBytes, identity];
  const here = contexts.map((context) => toHex(client.connection.exportKeyingMaterial('EXPORTER-one', 40, context)));
  const there = contexts.map((context) => toHex(connection.exportKeyingMaterial('EXPORTER-one', 40, context)));
  assert.deepEqual(here, there);
  assert.equal(new Set(here).size, 3);
  assert.notEqual(toHex(connection.exportKeyingMaterial('EXPORTER-two', 40)), here[0]);
  for (const label of ['client finished', 'server finished', 'master secret', 'key expansion'])
    assert.throws(() => connection.exportKeyingMaterial(label, 16), { code: 'ERR_DTLS_CONFIG' });
  connection.exportKeyingMaterial('EXPORTER-one', 40, new Uint8Array(0xffff));
  assert.throws(() => connection.exportKeyingMaterial('EXPORTER-one', 40, new Uint8Array(0x1_0000)), { code: 'ERR_DTLS_CONFIG' });
});
