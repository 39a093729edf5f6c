import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { Cookies } from '../../src/dtls/cookie.ts';
import { decodeFragments, encodeHandshake } from '../../src/dtls/handshake.ts';
import { clientConnection } from '../../src/dtls/index.ts';
import { decodeClientHello, encodeClientHello } from '../../src/dtls/messages.ts';
import { decodeRecords, encodePlaintextRecord, lastSequence } from '../../src/dtls/record.ts';
import { scale } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';
import { ClientParty, clientAddress, configsOf, expectSameKeys, identity, nothingHeld, parties, port, psk, ServerParty, serverAddress } from './parties.ts';

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const to = `${serverAddress}:${port}`;
const from = `${clientAddress}:${port}`;

/** The datagrams that the client sent: the ClientHello without a cookie, and the one with it. */
async function hellos(sim: Simulator): Promise<readonly Uint8Array[]> {
  const { client } = parties(sim, suite);
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  return sim.wire.filter((packet) => packet.from === from && packet.datagram[13] === 1).map(({ datagram }) => datagram);
}

const answersTo = (sim: Simulator, since: number): readonly Uint8Array[] =>
  sim.wire.slice(since).flatMap((packet) => (packet.from === to ? [packet.datagram] : []));

test('RFC 6347 4.2.1: a ClientHello without a cookie is answered by less than it is, and leaves no state', async () => {
  const [hello] = await hellos(new Simulator());
  const sim = new Simulator();
  const { server } = new ServerParty(sim, configsOf(suite).server);
  const count = scale === 'full' ? 100_000 : 2_000;
  for (let i = 0; i < count; i++) sim.inject(hello!, `10.1.${(i >> 8) & 255}.${i & 255}:${1024 + (i % 60_000)}`, to);
  await sim.run();
  assert.deepEqual(server.stats(), nothingHeld);
  const answers = answersTo(sim, 0);
  assert.equal(answers.length, count);
  for (const answer of answers) assert.ok(answer.length < hello!.length, `${answer.length} for ${hello!.length} bytes`);
  const shortest = encodeClientHello({ ...decodeClientHello(hello!.subarray(25)), suites: [0xc0a8], extensions: new Map() });
  assert.ok(answers[0]!.length < 25 + shortest.length, 'the shortest ClientHello that there can be');
});

test('RFC 6347 4.2.1: the record and the message of a HelloVerifyRequest have the numbers of their ClientHello', async () => {
  const [hello] = await hellos(new Simulator());
  const sim = new Simulator();
  new ServerParty(sim, configsOf(suite).server);
  const message = { type: 1, sequence: 3, body: hello!.subarray(25) };
  sim.inject(encodePlaintextRecord(22, 0x0a0b, encodeHandshake(message)), from, to);
  await sim.run();
  const { records } = decodeRecords(answersTo(sim, 0)[0]!);
  assert.deepEqual([records[0]!.version, records[0]!.epoch, records[0]!.sequence], [0xfeff, 0, 0x0a0b]);
  assert.equal(decodeFragments(records[0]!.fragment)![0]!.sequence, 3);
});

test('RFC 6347 4.2.1: a cookie is of one address and of one hello', async () => {
  const sim = new Simulator();
  const [, hello] = await hellos(sim);
  const started = async (datagram: Uint8Array, source: string): Promise<boolean> => {
    const before = sim.wire.length;
    sim.inject(datagram, source, to);
    await sim.sleep(100);
    const [answer] = answersTo(sim, before);
    return answer !== undefined && answer[13] === 2;
  };
  assert.ok(!(await started(hello!, '10.0.0.3:5684')), 'another address');
  assert.ok(!(await started(hello!, `${clientAddress}:5685`)), 'another port');
  const change = (at: number): Uint8Array => {
    const changed = hello!.slice();
    changed[at]! ^= 1;
    return changed;
  };
  assert.ok(!(await started(change(27), from)), 'another random');
  assert.ok(!(await started(change(25 + 35 + 10), from)), 'another cookie');
});

test('RFC 6347 4.2.1: a cookie holds for one to two times of its secret', async () => {
  const sim = new Simulator();
  const cookies = new Cookies(60_000, sim.env());
  const hello = decodeClientHello((await hellos(new Simulator()))[0]!.subarray(25));
  await sim.sleep(59_000);
  const withCookie = { ...hello, cookie: cookies.create(hello, from) };
  for (const [after, isTaken] of [
    [0, true],
    [2_000, true],
    [58_000, true],
    [2_000, false],
  ] as const) {
    await sim.sleep(after);
    assert.equal(cookies.accepts(withCookie, from), isTaken, `at ${sim.now}`);
  }
  const late = { ...hello, cookie: cookies.create(hello, from) };
  await sim.sleep(500_000);
  assert.ok(!cookies.accepts(late, from), 'after a rest');
});

test('RFC 6347 4.2.1: the server begins with the numbers of the ClientHello that it takes', async () => {
  const sim = new Simulator();
  await hellos(sim);
  const [hello] = sim.wire.filter((packet) => packet.from === from && packet.datagram[13] === 1).slice(-1);
  const answer = sim.wire.find((packet) => packet.from === to && packet.datagram[13] === 2)!;
  assert.equal(decodeRecords(answer.datagram).records[0]!.sequence, decodeRecords(hello!.datagram).records[0]!.sequence);
  assert.equal(decodeFragments(decodeRecords(answer.datagram).records[0]!.fragment)![0]!.sequence, 1);
});

test('RFC 6347 4.1: a ClientHello whose numbers are so high that those of the server would wrap begins nothing', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim, suite);
  // The one with a cookie does not arrive as it is.
  sim.filter = ({ datagram }) => datagram[13] !== 1 || datagram[60] === 0;
  client.connection.start();
  await sim.sleep(100);
  const [hello] = sim.wire.filter(({ from: sender }) => sender === from).slice(-1);
  const body = hello!.datagram.subarray(25);
  const numbered = (record: number, sequence: number): Uint8Array => encodePlaintextRecord(22, record, encodeHandshake({ type: 1, sequence, body }));
  for (const datagram of [numbered(lastSequence, 1), numbered(1, 0xffff)]) sim.inject(datagram, from, to);
  await sim.sleep(1);
  assert.deepEqual(server.server.stats(), nothingHeld);
  sim.inject(numbered(1, 1), from, to);
  await sim.sleep(1);
  assert.equal(server.server.stats().handshakes, 1);
});

test('RFC 6347 4.2.8: a new ClientHello of a live peer takes its place once it is finished, and not before', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  const { client, server } = both;
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  // The client restarts on the same port, and stops after each number of its datagrams.
  for (const datagrams of [1, 2]) {
    await client.close();
    const restarted = new ClientParty(sim, configsOf(suite).client, clientAddress, `restarted ${datagrams}`);
    let count = 0;
    sim.filter = (packet) => packet.from !== from || ++count <= datagrams;
    restarted.connection.start();
    await sim.sleep(500);
    sim.filter = undefined;
    restarted.connection.replace();
    await restarted.close();
    const { connections, handshakes } = server.server.stats();
    assert.equal(connections - handshakes, 1);
    assert.equal(server.all('closed').filter(({ error }) => error?.code === 'ERR_DTLS_REPLACED').length, 0, 'a handshake that stops here replaces nothing');
    // The old association still works, from the address that it had.
    const transport = sim.transport(clientAddress, port);
    transport.start((datagram) => client.connection.receive(datagram));
    const before = client.data.length;
    const sealed: Uint8Array[] = [];
    sim.filter = (packet) => {
      sealed.push(packet.datagram);
      return true;
    };
    server.all('connected')[0]!.connection.send(utf8('still here'));
    await sim.run(() => client.data.length > before, 1000);
    sim.filter = undefined;
    await transport.close();
  }
  const restarted = new ClientParty(sim, configsOf(suite).client, clientAddress, 'restarted');
  restarted.connection.start();
  await sim.run(() => restarted.connection.isConnected, 5000);
  const replaced = server.all('closed').filter(({ error }) => error?.code === 'ERR_DTLS_REPLACED');
  assert.ok(replaced.some(({ connection }) => connection === server.all('connected')[0]!.connection));
  assert.equal(server.server.stats().connections, 1);
  await expectSameKeys(sim, { client: restarted, server });
});

test('RFC 6347 4.2.8: a copy of the ClientHello of a live association begins nothing', async () => {
  const sim = new Simulator();
  const [, hello] = await hellos(sim);
  const before = sim.wire.length;
  for (let i = 0; i < 5; i++) sim.inject(hello!, from, to);
  await sim.sleep(100);
  assert.deepEqual(answersTo(sim, before), []);
});

test('an identity of 65,535 bytes, and the answer after a while', async () => {
  const sim = new Simulator();
  const long = new Uint8Array(65_535).fill(0xa5);
  const server = new ServerParty(sim, { suites: [suite], psk: {} });
  server.answers = false;
  server.onEvent = (event) => {
    if (event.type !== 'psk-identity') return;
    assert.ok(equalBytes(event.identity, long));
    sim.env().schedule(4000, () => event.connection.providePsk(psk));
  };
  const client = new ClientParty(sim, { suites: [suite], psk: { identity: long, key: psk } });
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 30_000);
  assert.equal(server.all('psk-identity').length, 1, 'asked once, whatever the client sends again');
  assert.deepEqual(server.all('connected')[0]!.peerIdentity, { type: 'psk', identity: long });
  assert.equal(server.server.stats().handshakeBytes, 0);
});

test('RFC 7925 6: an unknown identity and a wrong key end alike, by decrypt_error', async () => {
  const flows: string[][] = [];
  for (const client of [
    { identity: utf8('nobody'), key: psk },
    { identity, key: utf8('a wrong key') },
  ]) {
    const sim = new Simulator();
    const both = parties(sim, suite, { psk: client });
    both.client.connection.start();
    await sim.run(() => both.client.connection.isClosed, 5000);
    assert.equal(both.client.error?.code, 'ERR_DTLS_ALERT');
    assert.match(both.client.error!.message, /decrypt_error/);
    assert.equal(both.server.error?.code, 'ERR_DTLS_HANDSHAKE');
    assert.deepEqual(both.server.server.stats(), nothingHeld);
    flows.push(answersTo(sim, 0).map((datagram) => `${datagram.length} ${toHex(datagram.subarray(0, 1))}`));
  }
  assert.deepEqual(flows[0], flows[1]);
});

test('RFC 9202 3.3.2: the answer to an identity may be an alert at once', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  both.server.answers = false;
  both.server.onEvent = (event) => {
    if (event.type === 'psk-identity') event.connection.rejectPsk('illegal_parameter');
  };
  both.client.connection.start();
  await sim.run(() => both.client.connection.isClosed, 5000);
  assert.match(both.client.error!.message, /illegal_parameter/);
});

test('a key that is refused, by either side', async () => {
  for (const refuses of ['client', 'server'] as const) {
    const sim = new Simulator();
    const both = parties(sim, 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8');
    if (refuses === 'client') {
      both.client.acceptsPeer = false;
      both.client.onEvent = (event) => {
        if (event.type === 'peer-key') both.client.connection.rejectPeer();
      };
    } else {
      both.server.answers = false;
      both.server.onEvent = (event) => {
        if (event.type === 'peer-key') event.connection.rejectPeer();
      };
    }
    both.client.connection.start();
    await sim.run(() => both.client.connection.isClosed, 5000);
    await sim.run();
    const [here, there] = refuses === 'client' ? [both.client, both.server] : [both.server, both.client];
    assert.equal(here.error?.code, 'ERR_DTLS_HANDSHAKE');
    assert.match(there.error!.message, /handshake_failure/);
    assert.equal(both.server.all('connected').length + both.client.all('connected').length, 0);
  }
});

test('answers that nobody asked for are errors of the caller; those that come too late are not', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 5000);
  const { connection } = both.server.all('connected')[0]!;
  for (const answer of [() => connection.providePsk(psk), () => connection.rejectPsk(), () => connection.acceptPeer(), () => connection.rejectPeer()])
    assert.throws(answer, { code: 'ERR_DTLS_STATE' });
  connection.close();
  connection.providePsk(psk);
  connection.rejectPeer();
  assert.throws(() => connection.send(psk), { code: 'ERR_DTLS_STATE' });
  assert.throws(() => connection.exportKeyingMaterial('EXPORTER-x', 16), { code: 'ERR_DTLS_STATE' });
});

test('handshakes are bounded: the address with most of them makes room, and the others finish', async () => {
  const sim = new Simulator();
  const server = new ServerParty(sim, { suites: [suite], psk: {}, maxHandshakes: 4 });
  server.answers = false;
  const flood = Array.from({ length: 8 }, (_, i) => {
    const transport = sim.transport('10.9.9.9', 6000 + i);
    return { transport, i };
  });
  // Eight clients of one address begin, and never answer flight 4.
  for (const { transport, i } of flood) {
    let sent = 0;
    const connection = clientConnection(configsOf(suite).client, sim.env(`flood ${i}`), {
      send: (datagram) => {
        if (sent++ < 2) transport.send(datagram, sim.peer(serverAddress, port));
      },
      emit: () => {},
    });
    transport.start((datagram) => connection.receive(datagram));
    connection.start();
  }
  await sim.sleep(200);
  assert.equal(server.server.stats().handshakes, 4);
  server.answers = true;
  const client = new ClientParty(sim, configsOf(suite).client);
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  const evicted = server.all('closed').filter(({ error }) => error?.code === 'ERR_DTLS_EVICTED');
  assert.ok(evicted.length >= 5 && evicted.every(({ peer }) => peer.address === '10.9.9.9'));
  await sim.sleep(200_000);
  assert.deepEqual(server.server.stats(), { ...nothingHeld, connections: 1, addresses: 1 });
});

test('associations are bounded: the one that was quiet for longest goes', async () => {
  const sim = new Simulator();
  const server = new ServerParty(sim, { suites: [suite], psk: {}, maxConnections: 3 });
  const clients = [2, 3, 4, 5].map((n) => new ClientParty(sim, configsOf(suite).client, `10.0.0.${n}`));
  for (const client of clients.slice(0, 3)) {
    client.connection.start();
    await sim.run(() => client.connection.isConnected, 5000);
  }
  clients[0]!.connection.send(utf8('busy'));
  await sim.sleep(100);
  clients[3]!.connection.start();
  await sim.run(() => clients[3]!.connection.isConnected, 5000);
  assert.deepEqual(
    server.all('closed').map(({ peer }) => peer.address),
    ['10.0.0.3'],
  );
  assert.equal(server.server.stats().connections, 3);
});

test('close ends all associations, and the peers hear of it', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 5000);
  both.server.server.close();
  await sim.run();
  assert.equal(both.client.end, '');
  assert.deepEqual(both.server.server.stats(), nothingHeld);
  assert.equal(sim.pending, 0);
});

test('a configuration that cannot be is refused, and says what is wrong', () => {
  const sim = new Simulator();
  const make =
    (config: object): (() => unknown) =>
    () =>
      new ServerParty(new Simulator(), config).server;
  for (const config of [
    {},
    { psk: {}, suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'] },
    { psk: {}, mtu: 63 },
    { psk: {}, mtu: Number.NaN },
    { psk: {}, mtu: 1200.5 },
    { psk: {}, connectionIdLength: 4.5 },
    { psk: {}, recordSizeLimit: 512.5 },
    { psk: {}, retransmission: { maxRetransmissions: 2.5 } },
    { psk: {}, groups: [] },
    { psk: {}, groups: ['secp521r1'] },
    { psk: {}, retransmission: { maxTimeout: 59_999 } },
    { rawPublicKey: { own: { crv: 1, x: fromHex('00'), y: fromHex('00'), d: fromHex('00') } } },
    { psk: {}, maxHandshakes: 0 },
  ])
    assert.throws(make(config), { code: 'ERR_DTLS_CONFIG' }, JSON.stringify(config));
  assert.throws(() => new ClientParty(sim, { psk: { identity, key: new Uint8Array(0) } }), { code: 'ERR_DTLS_CONFIG' });
  assert.throws(() => new ClientParty(sim, { psk: { identity: new Uint8Array(65_536), key: psk } }, '10.0.0.9'), { code: 'ERR_DTLS_CONFIG' });
});

test('a server that drains takes part in no handshake that begins, answers none, and goes on with those that have begun', async () => {
  const [hello] = await hellos(new Simulator());
  const sim = new Simulator();
  const { server, client } = parties(sim, suite);
  client.connection.start();
  // Its ClientHello with the cookie has arrived.
  await sim.run(() => server.server.stats().handshakes === 1, 5000);
  server.server.drain();
  await sim.run(() => client.connection.isConnected, 5000);
  assert.equal(client.connection.isConnected, true);
  const before = sim.wire.length;
  for (const source of ['10.9.9.9:5684', from]) sim.inject(hello!, source, to);
  await sim.run(undefined, 5000);
  assert.deepEqual(answersTo(sim, before), []);
  assert.equal(server.server.stats().connections, 1);
});
