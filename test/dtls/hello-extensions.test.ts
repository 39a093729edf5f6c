import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { type Extensions, ExtensionType } from '../../src/dtls/extensions.ts';
import { decodeFragments, encodeHandshake, HandshakeType } from '../../src/dtls/handshake.ts';
import { type ClientConfig, type DtlsServerConfig, isServerName } from '../../src/dtls/index.ts';
import { decodeClientHello, decodeServerHello, encodeClientHello, encodeServerHello } from '../../src/dtls/messages.ts';
import { decodeRecords, encodePlaintextRecord } from '../../src/dtls/record.ts';
import { decodeConnection, encodeConnection } from '../../src/dtls/saved-connection.ts';
import { decodeServerName, encodeServerName } from '../../src/dtls/server-name.ts';
import { Simulator } from '../support/simulator.ts';
import { ClientParty, clientKey, configsOf, expectSameKeys, identity, type Parties, parties, psk, ServerParty, serverKey } from './parties.ts';
import { clientSide, serverSide } from './sides.ts';

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const rawSuite = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';

async function run(sim: Simulator, client: Partial<ClientConfig>, server: Partial<DtlsServerConfig>): Promise<Parties> {
  const both = parties(sim, suite, client, server);
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected || both.client.connection.isClosed, 5000);
  await sim.sleep(100);
  return both;
}

function hellosOf(sim: Simulator): { readonly client: Extensions; readonly server: Extensions } {
  const messages = sim.wire
    .flatMap(({ datagram }) => decodeRecords(datagram).records)
    .filter(({ type, epoch }) => type === 22 && epoch === 0)
    .flatMap(({ fragment }) => decodeFragments(fragment) ?? []);
  const body = (wanted: number): Uint8Array => messages.find(({ type }) => type === wanted)!.bytes;
  return { client: decodeClientHello(body(HandshakeType.client_hello)).extensions, server: decodeServerHello(body(HandshakeType.server_hello)).extensions };
}

test('RFC 8449 4: each side tells the largest record that it takes, and the other sends none that is larger', async () => {
  for (const connectionIdLength of [undefined, 4]) {
    const sim = new Simulator();
    const ids = connectionIdLength === undefined ? {} : { connectionIdLength };
    const { client, server } = await run(sim, { recordSizeLimit: 64, ...ids }, { recordSizeLimit: 100, ...ids });
    const { connection } = server.all('connected')[0]!;
    // RFC 9146 §4: the type is protected too.
    const more = connectionIdLength === undefined ? 0 : 1;
    assert.equal(client.connection.largestData, 100 - more);
    assert.equal(connection.largestData, 64 - more);
    server.answers = false;
    client.connection.send(new Uint8Array(100 - more));
    connection.send(new Uint8Array(64 - more));
    assert.throws(() => client.connection.send(new Uint8Array(101 - more)), { code: 'ERR_DTLS_SIZE' });
    assert.throws(() => connection.send(new Uint8Array(65 - more)), { code: 'ERR_DTLS_SIZE' });
    await sim.sleep(100);
    assert.equal(server.all('data').at(-1)!.data.length, 100 - more);
    assert.equal(client.data.at(-1)!.length, 64 - more);
  }
});

test('RFC 8449 4: it is told by who takes records of every size too, and a server answers who tells it', async () => {
  const sim = new Simulator();
  const { client } = await run(sim, {}, {});
  const hellos = hellosOf(sim);
  assert.deepEqual([...hellos.client.get(ExtensionType.record_size_limit)!], [0x40, 0]);
  assert.deepEqual([...hellos.server.get(ExtensionType.record_size_limit)!], [0x40, 0]);
  assert.equal(client.connection.largestData, 16_384);
});

interface Changed {
  readonly client?: (extensions: Map<number, Uint8Array>) => void;
  readonly server?: (extensions: Map<number, Uint8Array>) => void;
}

/** Let a hello of one side arrive with other extensions. The keys differ then, so it ends before Finished or by it: the alert says which. */
async function alertFor({ client, server }: Changed, serverConfig: Partial<DtlsServerConfig> = {}): Promise<string | undefined> {
  const sim = new Simulator();
  sim.filter = ({ from: source, to: target, datagram }) => {
    const type = datagram[0] === 22 ? datagram[13] : undefined;
    const change = type === HandshakeType.client_hello ? client : type === HandshakeType.server_hello ? server : undefined;
    if (change === undefined) return true;
    const records = decodeRecords(datagram).records.map(({ sequence, fragment }) => {
      const messages = decodeFragments(fragment)!;
      const [message] = messages as [(typeof messages)[0]];
      if (message.type !== type) return encodePlaintextRecord(22, sequence, fragment);
      const decoded = type === HandshakeType.client_hello ? decodeClientHello(message.bytes) : decodeServerHello(message.bytes);
      const extensions = new Map(decoded.extensions);
      change(extensions);
      const changed = { ...decoded, extensions };
      const body = 'cookie' in changed ? encodeClientHello(changed) : encodeServerHello(changed);
      return encodePlaintextRecord(22, sequence, encodeHandshake({ type, sequence: message.sequence, body }));
    });
    for (const record of records) sim.inject(record, source, target);
    return false;
  };
  const both = await run(sim, {}, serverConfig);
  const error = [both.client.error, both.server.error].find((one) => one?.code === 'ERR_DTLS_HANDSHAKE');
  return error === undefined ? undefined : /^\w+/.exec(error.message)![0];
}

const limit = (value: number) => (extensions: Map<number, Uint8Array>) =>
  void extensions.set(ExtensionType.record_size_limit, Uint8Array.of(value >>> 8, value));

test('RFC 8449 4: a limit below 64 is illegal_parameter; the server takes one above 16,384, as it takes max_fragment_length for nothing', async () => {
  for (const value of [0, 63]) {
    assert.equal(await alertFor({ client: limit(value) }), 'illegal_parameter');
    assert.equal(await alertFor({ server: limit(value) }), 'illegal_parameter');
  }
  assert.equal(await alertFor({ client: (extensions) => void extensions.set(28, Uint8Array.of(1, 2, 3)) }), 'decode_error');
  // Finished is over another hello.
  assert.equal(await alertFor({ client: limit(0xffff) }), 'decrypt_error');
  assert.equal(await alertFor({ client: (extensions) => void extensions.set(1, Uint8Array.of(1)) }), 'decrypt_error');
  assert.equal(await alertFor({ server: (extensions) => void extensions.set(1, Uint8Array.of(1)) }), 'unsupported_extension');
});

test('RFC 8449 4: without an answer the client sends records of any size', () => {
  const client = clientSide({ suites: [suite], psk: { identity, key: psk }, recordSizeLimit: 64 });
  client.handshake.start();
  const [hello] = client.sent as [(typeof client.sent)[0]];
  const decoded = decodeClientHello(hello.body);
  const extensions = new Map([...decoded.extensions].filter(([type]) => type !== ExtensionType.record_size_limit));
  const server = serverSide({ suites: [suite], psk: {} }, { ...hello, body: encodeClientHello({ ...decoded, extensions }) });
  server.handshake.start();
  assert.ok(!decodeServerHello(server.sent[0]!.body).extensions.has(ExtensionType.record_size_limit));
});

test('RFC 8449 4: a record over our limit is dropped, and the association goes on', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite, { recordSizeLimit: 64 }, {});
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 5000);
  await sim.sleep(100);
  // A server that has forgotten what it was told.
  const { connection, peer } = both.server.all('connected')[0]!;
  const saved = decodeConnection(connection.export());
  await both.server.close();
  const server = new ServerParty(sim, configsOf(suite).server);
  const sizes = { send: 16_384, receive: 16_384 };
  const forgetful = server.server.import(encodeConnection({ ...saved, records: { ...saved.records, sizes } }), peer);
  for (const length of [65, 64]) forgetful.send(new Uint8Array(length));
  await sim.sleep(100);
  assert.deepEqual(
    both.client.data.map(({ length }) => length),
    [64],
  );
  assert.deepEqual(
    both.client.all('discarded').map(({ reason }) => reason),
    ['full'],
  );
});

test('RFC 6066 3: a host name goes in the hello, in lower case; the server tells of it and of no use', async () => {
  const sim = new Simulator();
  const { client, server } = await run(sim, { serverName: 'Node.Example' }, {});
  assert.deepEqual(hellosOf(sim).client.get(ExtensionType.server_name), encodeServerName('node.example'));
  assert.ok(!hellosOf(sim).server.has(ExtensionType.server_name));
  assert.equal(server.all('psk-identity')[0]!.serverName, 'node.example');
  assert.equal(server.all('connected')[0]!.serverName, 'node.example');
  assert.equal(client.connection.agreement!.serverName, 'node.example');
});

test('RFC 6066 3: addresses and what is no name do not go into the hello', () => {
  for (const host of [
    '192.0.2.1',
    '2001:db8::1',
    'node.example.',
    '',
    'a..b',
    '-a',
    'a-',
    `${'a'.repeat(64)}.example`,
    'ä.example',
    '1',
    `${'a.'.repeat(127)}a`,
  ]) {
    assert.ok(!isServerName(host), host);
    assert.throws(() => clientSide({ psk: { identity, key: psk }, serverName: host }), { code: 'ERR_DTLS_CONFIG' });
  }
  for (const host of ['node', 'xn--bcher-kva.example', '1.example', '192.0.2.1.example', '_coap.example']) assert.ok(isServerName(host), host);
});

test('RFC 6066 3: the name chooses what a server shows, and the ServerHello says so', async () => {
  const sim = new Simulator();
  const other = clientKey;
  const server = new ServerParty(sim, {
    suites: [rawSuite],
    rawPublicKey: { own: serverKey },
    serverNames: { 'Other.example': { rawPublicKey: { own: other } } },
    maxSessions: 10,
  });
  for (const [serverName, key] of [
    [undefined, serverKey],
    ['unknown.example', serverKey],
    ['other.example', other],
  ] as const) {
    sim.wire.length = 0;
    const config = { suites: [rawSuite], rawPublicKey: {}, ...(serverName === undefined ? {} : { serverName }) } as const;
    const client = new ClientParty(sim, config);
    client.connection.start();
    await sim.run(() => client.connection.isConnected, 5000);
    assert.deepEqual(client.all('peer-key')[0]!.key.x, key.x);
    assert.equal(hellosOf(sim).server.has(ExtensionType.server_name), serverName === 'other.example');
    const { session } = client.connection;
    client.connection.close();
    await sim.sleep(100);
    await client.close();
    sim.wire.length = 0;
    const again = new ClientParty(sim, { ...config, session: session! });
    again.connection.start();
    await sim.run(() => again.connection.isConnected, 5000);
    assert.ok(again.connection.agreement!.isResumed);
    assert.ok(!hellosOf(sim).server.has(ExtensionType.server_name), 'not when a session is resumed');
    await sim.sleep(100);
    await expectSameKeys(sim, { client: again, server });
    again.connection.close();
    await sim.sleep(100);
    await again.close();
  }
});

test('RFC 6066 3: no session is resumed under another name', async () => {
  const sim = new Simulator();
  const config = configsOf(suite);
  const server = new ServerParty(sim, { ...config.server, maxSessions: 10 });
  const first = new ClientParty(sim, { ...config.client, serverName: 'one.example' });
  first.connection.start();
  await sim.run(() => first.connection.isConnected, 5000);
  const { session } = first.connection;
  const named = Object.defineProperty(session!, 'serverName', { value: 'two.example' });
  first.connection.close();
  await sim.sleep(100);
  await first.close();
  const client = new ClientParty(sim, { ...config.client, serverName: 'two.example', session: named });
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  assert.ok(!client.connection.agreement!.isResumed);
  assert.equal(server.all('connected').at(-1)!.serverName, 'two.example');
});

test('RFC 6066 3: a name that is not served ends by unrecognized_name if so configured; no name does not', async () => {
  const serverNames = { 'node.example': { psk: {} } };
  for (const [serverName, unknownServerName, ends] of [
    ['other.example', 'refuse', true],
    ['other.example', 'continue', false],
    ['node.example', 'refuse', false],
    [undefined, 'refuse', false],
  ] as const) {
    const { client } = await run(new Simulator(), serverName === undefined ? {} : { serverName }, { serverNames, unknownServerName });
    if (ends) assert.match(client.error!.message, /unrecognized_name/);
    else assert.ok(client.connection.isConnected);
  }
});

test('RFC 6066 3: a list without a name, with two host names, or cut short ends the handshake; other types and what is no name say nothing', async () => {
  const name = encodeServerName('node.example');
  const entry = name.subarray(2);
  const list = (...entries: Uint8Array[]): Uint8Array => {
    const bytes = entries.flatMap((one) => [...one]);
    return Uint8Array.from([bytes.length >>> 8, bytes.length, ...bytes]);
  };
  const set = (data: Uint8Array) => ({ client: (extensions: Map<number, Uint8Array>) => void extensions.set(0, data) });
  assert.equal(await alertFor(set(list())), 'decode_error');
  assert.equal(await alertFor(set(list(Uint8Array.of(0, 0, 0)))), 'decode_error');
  assert.equal(await alertFor(set(list(entry, entry))), 'illegal_parameter');
  for (let length = 0; length < name.length; length++) assert.equal(await alertFor(set(name.subarray(0, length))), 'decode_error');
  assert.equal(await alertFor({ server: (extensions) => void extensions.set(0, Uint8Array.of(0)) }), 'unsupported_extension');
  assert.equal(decodeServerName(list(Uint8Array.of(7, 0, 2, 1, 1), entry)), 'node.example');
  for (const text of ['192.0.2.1', 'a b', 'node.example.']) {
    assert.equal(decodeServerName(encodeServerName(text)), undefined);
    assert.equal(await alertFor(set(encodeServerName(text)), { unknownServerName: 'refuse' }), 'unrecognized_name');
  }
  assert.equal(decodeServerName(list(Uint8Array.of(0, 0, 2, 0xc3, 0xa4))), undefined);
  assert.deepEqual(utf8('node.example'), entry.subarray(3));
});
