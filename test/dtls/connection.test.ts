import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, emptyBytes, fromHex, utf8 } from '../../src/core/bytes.ts';
import { digest } from '../../src/core/crypto/index.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { decodeFragments, encodeHandshake, HandshakeType } from '../../src/dtls/handshake.ts';
import { type ConnectionKeys, connectionKeys, extendedMasterSecret, keyBlock, pskPremaster } from '../../src/dtls/key-schedule.ts';
import { decodeRecords } from '../../src/dtls/record.ts';
import { Simulator } from '../support/simulator.ts';
import { allSuites, clientAddress, clientKey, expectSameKeys, identity, nothingHeld, parties, port, psk, serverAddress, serverKey } from './parties.ts';

for (const suite of allSuites) {
  test(`${suite}: a handshake, data both ways, close_notify`, async () => {
    const sim = new Simulator();
    const both = parties(sim, suite);
    const { client, server } = both;
    client.connection.start();
    await sim.run(() => client.connection.isConnected, 5000);
    const [agreed] = client.all('connected');
    const [accepted] = server.all('connected');
    assert.equal(agreed?.suite, suite);
    assert.equal(accepted?.suite, suite);
    assert.ok(agreed.extendedMasterSecret && accepted.extendedMasterSecret);
    const psk = suite.includes('PSK');
    const keyOf = (id: typeof agreed.peerIdentity): unknown => (id.type === 'psk' ? id.identity : id.type === 'raw-public-key' ? id.key : undefined);
    const publicPart = ({ crv, x, y }: typeof serverKey): unknown => ({ crv, x, y });
    assert.deepEqual(keyOf(agreed.peerIdentity), psk ? identity : publicPart(serverKey));
    assert.deepEqual(keyOf(accepted.peerIdentity), psk ? identity : publicPart(clientKey));
    await expectSameKeys(sim, both);
    accepted.connection.send(utf8('from the server'));
    await sim.run(() => client.data.length === 2, 1000);
    client.connection.close();
    await sim.run();
    assert.equal(client.end, '');
    assert.equal(server.end, '');
    assert.deepEqual(server.server.stats(), nothingHeld);
    assert.equal(sim.pending, 0);
    assert.deepEqual(
      [...client.all('discarded'), ...server.all('discarded')].map(({ reason }) => reason),
      ['closed'],
    );
  });
}

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const clientAt = `${clientAddress}:${port}`;
const serverAt = `${serverAddress}:${port}`;

/** The keys of a handshake with `suite` that was not split, from what stood on the wire and the PSK. */
function keysOf(sim: Simulator): ConnectionKeys {
  const fragments = sim.wire
    .flatMap(({ datagram }) => decodeRecords(datagram).records)
    .filter(({ epoch, type }) => epoch === 0 && type === 22)
    .flatMap(({ fragment }) => decodeFragments(fragment)!)
    .filter(({ type }) => type !== HandshakeType.hello_verify_request)
    .slice(1);
  const messages = concat(...fragments.map(({ type, sequence, bytes }) => encodeHandshake({ type, sequence, body: bytes })));
  const master = extendedMasterSecret('sha256', pskPremaster(psk), digest('sha256', messages));
  const randoms = { client: fragments[0]!.bytes.slice(2, 34), server: fragments[1]!.bytes.slice(2, 34) };
  const cipherSuite = suitesOf([suite])[0]!;
  return connectionKeys(cipherSuite, keyBlock(cipherSuite, master, randoms));
}

test('RFC 6347 4.2.4: who sent the last flight sends it again when the last flight of the peer comes again', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  const { client, server } = both;
  let lost = 0;
  sim.filter = (packet) => {
    // The flight of the server that begins with ChangeCipherSpec, three times.
    const isLast = packet.from.startsWith('10.0.0.1') && packet.datagram[0] === 20;
    if (isLast) lost++;
    return !isLast || lost > 3;
  };
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 60_000);
  assert.equal(lost, 4);
  assert.equal(server.all('connected').length, 1);
  await expectSameKeys(sim, both);
});

test('RFC 6347 4.2.4.1: no answer at all ends the handshake of a client', async () => {
  const sim = new Simulator();
  const { client } = parties(sim, suite);
  sim.filter = () => false;
  client.connection.start();
  await sim.run();
  assert.equal(client.end, 'ERR_DTLS_TIMEOUT');
  assert.equal(sim.now, 63_000, '1, 2, 4, 8, 16 and 32 s');
});

test('RFC 6347 4.2.4: a flight whose answer is there is not sent again, however long the application takes to judge the peer', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim, 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', {}, { retransmission: { maxRetransmissions: 10 } });
  client.acceptsPeer = false;
  client.onEvent = (event) => {
    if (event.type === 'peer-key') sim.env().schedule(70_000, () => client.connection.acceptPeer());
  };
  client.connection.start();
  await sim.run(() => client.connection.isConnected || client.connection.isClosed);
  assert.ok(client.connection.isConnected, client.error?.message);
  assert.equal(server.all('connected').length, 1);
  const hellos = sim.wire.filter(({ datagram }) => datagram[0] === 22 && datagram[13] === HandshakeType.client_hello);
  assert.equal(hellos.length, 2, 'without a cookie and with it');
});

test('a question that nobody answers ends with the time that a handshake may take', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim, suite, {}, { handshakeTimeout: 10_000 });
  server.answers = false;
  client.connection.start();
  await sim.run();
  assert.equal(server.end, 'ERR_DTLS_TIMEOUT');
  assert.equal(client.end, 'ERR_DTLS_TIMEOUT');
  assert.deepEqual(server.server.stats(), nothingHeld);
  assert.equal(sim.pending, 0);
});

test('the time that a handshake may take begins when it is started', async () => {
  const sim = new Simulator();
  const { client } = parties(sim, suite, { handshakeTimeout: 10_000 });
  await sim.sleep(20_000);
  client.connection.start();
  await sim.run(() => client.connection.isConnected || client.connection.isClosed);
  assert.ok(client.connection.isConnected, client.error?.message);
});

test('RFC 7925 17: HelloRequest, and a ClientHello under protection, are answered by no_renegotiation, and change nothing', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim, suite);
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  const keys = keysOf(sim);
  for (const [protection, type, from, to] of [
    [keys.server, HandshakeType.hello_request, serverAt, clientAt],
    [keys.client, HandshakeType.client_hello, clientAt, serverAt],
  ] as const) {
    const before = sim.wire.length;
    sim.inject(protection.seal(22, 1, 20, encodeHandshake({ type, sequence: 0, body: emptyBytes })), from, to);
    await sim.sleep(50);
    const answer = sim.wire.slice(before).find((packet) => packet.from === to);
    const other = protection === keys.server ? keys.client : keys.server;
    assert.deepEqual(other.open(decodeRecords(answer!.datagram).records[0]!), { type: 21, content: fromHex('0164') });
  }
  assert.ok(client.connection.isConnected);
  await expectSameKeys(sim, { client, server });
});

test('data is one record: as much as a record holds, and not before or after its time', async () => {
  const sim = new Simulator();
  const { client } = parties(sim, suite);
  assert.throws(() => client.connection.send(utf8('early')), { code: 'ERR_DTLS_STATE' });
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  assert.throws(() => client.connection.send(new Uint8Array(16_385)), { code: 'ERR_DTLS_SIZE' });
  const largest = new Uint8Array(16_384).fill(3);
  client.connection.send(largest);
  await sim.run(() => client.data.length === 1, 1000);
  assert.deepEqual(client.data[0], largest);
  assert.equal(sim.wire.at(-1)!.datagram.length, largest.length + client.connection.expansion);
  client.connection.close();
  client.connection.close();
  assert.equal(client.all('closed').length, 1);
  assert.throws(() => client.connection.send(utf8('late')), { code: 'ERR_DTLS_STATE' });
});

test('a client that gives up while it shakes hands tells the server', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim, suite);
  server.answers = false;
  client.connection.start();
  await sim.run(() => server.all('psk-identity').length > 0, 5000);
  client.connection.close();
  await sim.run();
  assert.equal(server.server.stats().connections, 0);
  assert.equal(sim.pending, 0);
});
