import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { type ConnectionEvent, DtlsError, type DtlsServerConfig, decodeSession, encodeSession, importConnection } from '../../src/dtls/index.ts';
import { decodeRecords } from '../../src/dtls/record.ts';
import { Simulator } from '../support/simulator.ts';
import {
  allSuites,
  ClientParty,
  clientKey,
  configsOf,
  nothingHeld,
  type Parties,
  parties,
  port,
  psk,
  ServerParty,
  serverAddress,
  serverKey,
} from './parties.ts';

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const to = `${serverAddress}:${port}`;

function isImportError(error: unknown): boolean {
  return error instanceof DtlsError && error.code === 'ERR_DTLS_IMPORT';
}

async function connect(sim: Simulator, both: Parties): Promise<Parties> {
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 5000);
  await sim.sleep(100);
  return both;
}

interface Saved {
  readonly state: Uint8Array;
  readonly peer: Peer;
}

/** What a server writes down before its process ends. */
async function shutDown(server: ServerParty): Promise<readonly Saved[]> {
  const saved = [...server.server.connections()].map(({ connection, peer }) => ({ state: connection.export(), peer }));
  assert.deepEqual(server.server.stats(), nothingHeld);
  await server.close();
  return saved;
}

function restart(sim: Simulator, saved: readonly Saved[], config: DtlsServerConfig): ServerParty {
  const server = new ServerParty(sim, config);
  for (const { state, peer } of saved) server.server.import(state, peer);
  return server;
}

for (const name of allSuites) {
  for (const idLength of [undefined, 8]) {
    test(`${name}${idLength === undefined ? '' : ', connection IDs'}: a server restarts, and its client notices nothing`, async () => {
      const sim = new Simulator();
      const ids = idLength === undefined ? {} : { connectionIdLength: idLength };
      const { client, server } = await connect(sim, parties(sim, name, ids, ids));
      const config = { ...configsOf(name).server, ...ids };
      const { connection } = server.all('connected')[0]!;
      const { agreement } = connection;
      const material = connection.exportKeyingMaterial('EXPORTER-x', 16);
      let current = server;
      for (let round = 0; round < 3; round++) {
        const before = sim.wire.length;
        const saved = await shutDown(current);
        assert.equal(current.all('closed').at(-1)!.error?.code, 'ERR_DTLS_EXPORTED');
        current = restart(sim, saved, config);
        assert.equal(sim.wire.length, before, 'nothing is sent for it');
        const { connection: imported } = [...current.server.connections()][0]!;
        assert.deepEqual(imported.agreement, agreement);
        assert.deepEqual(imported.exportKeyingMaterial('EXPORTER-x', 16), material);
        client.connection.send(utf8(`round ${round}`));
        await sim.run(() => client.data.length > round, 5000);
        assert.deepEqual(client.data.at(-1), utf8(`round ${round}`));
        assert.deepEqual(current.server.stats(), { ...nothingHeld, connections: 1, addresses: 1, connectionIds: idLength === undefined ? 0 : 1 });
      }
      client.connection.close();
      await sim.run();
      assert.equal(current.end, '');
      assert.deepEqual(current.server.stats(), nothingHeld);
      assert.equal(sim.pending, 0);
    });
  }
}

test('RFC 6347 4.1: no sequence number comes twice, and what was received before is received no more, over exports of both sides', async () => {
  const sim = new Simulator();
  const both = await connect(sim, parties(sim, suite));
  const config = configsOf(suite);
  const events: ConnectionEvent[] = [];
  let server = both.server;
  let connection = both.client.connection;
  for (let round = 0; round < 4; round++) {
    const saved = connection.export();
    assert.throws(() => connection.send(utf8('late')), { code: 'ERR_DTLS_STATE' });
    assert.throws(() => connection.export(), { code: 'ERR_DTLS_STATE' });
    if (round === 0) await both.client.close();
    const transport = sim.transport('10.0.0.2', port);
    const emit = (event: ConnectionEvent): void => void events.push(event);
    connection = importConnection(saved, config.client, sim.env('client'), {
      send: (datagram) => transport.send(datagram, sim.peer(serverAddress, port)),
      emit,
    });
    transport.start((datagram) => connection.receive(datagram));
    server = restart(sim, await shutDown(server), config.server);
    connection.send(utf8('one'));
    connection.send(utf8('two'));
    await sim.sleep(100);
    await transport.close();
  }
  assert.equal(events.filter(({ type }) => type === 'data').length, 8);
  for (const source of ['10.0.0.2:5684', to]) {
    const numbers = sim.wire
      .filter(({ from }) => from === source)
      .flatMap(({ datagram }) => decodeRecords(datagram).records)
      .filter(({ epoch }) => epoch === 1)
      .map(({ sequence }) => sequence);
    assert.equal(new Set(numbers).size, numbers.length);
  }
  const delivered = server.all('data').length;
  for (const { from, datagram } of [...sim.wire]) if (from !== to) sim.inject(datagram, from, to);
  await sim.sleep(100);
  assert.equal(server.all('data').length, delivered);
});

test('RFC 6347 4.2.4: a server that restarts before its last flight has arrived sends it again', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite);
  let finished = 0;
  sim.filter = ({ from, datagram }) => from !== to || datagram[0] !== 20 || finished++ > 0;
  both.client.connection.start();
  await sim.run(() => both.server.all('connected').length > 0, 5000);
  const server = restart(sim, await shutDown(both.server), configsOf(suite).server);
  await sim.run(() => both.client.connection.isConnected, 5000);
  assert.equal(finished, 2);
  both.client.connection.send(utf8('after'));
  await sim.sleep(100);
  assert.deepEqual(
    server.all('data').map(({ data }) => data),
    [utf8('after')],
  );
});

test('RFC 9146 6: a connection that was imported is known by its connection ID from another address', async () => {
  const sim = new Simulator();
  const both = await connect(sim, parties(sim, suite, { connectionIdLength: 0 }, { connectionIdLength: 8 }));
  const server = restart(sim, await shutDown(both.server), { ...configsOf(suite).server, connectionIdLength: 8 });
  const { client } = both;
  sim.filter = (packet) => {
    if (packet.to === to) sim.inject(packet.datagram, '10.9.9.9:1', to);
    return packet.to !== to;
  };
  client.connection.send(utf8('from elsewhere'));
  await sim.sleep(100);
  sim.filter = undefined;
  assert.equal(server.all('moved').length, 1);
  assert.equal(server.all('data').length, 1);
});

test('bytes that are cut or changed, and connections that do not fit, are refused, and nothing is left behind', async () => {
  const sim = new Simulator();
  const ids = { connectionIdLength: 4 };
  const both = await connect(sim, parties(sim, suite, ids, ids));
  both.client.connection.send(utf8('answered by a record'));
  await sim.sleep(100);
  const { server: config, client: clientConfig } = configsOf(suite);
  const [saved] = (await shutDown(both.server)) as [Saved];
  const fresh = new ServerParty(sim, { ...config, ...ids });
  const { state, peer } = saved;
  for (let i = 0; i < state.length; i++) {
    const changed = state.slice();
    changed[i]! ^= 1 << (i % 8);
    for (const bytes of [changed, state.subarray(0, i), new Uint8Array([...state, 0])]) assert.throws(() => fresh.server.import(bytes, peer), isImportError);
  }
  assert.deepEqual(fresh.server.stats(), nothingHeld);
  const port = { send: () => {}, emit: () => {} };
  assert.throws(() => importConnection(state, { ...clientConfig, ...ids }, sim.env(), port), isImportError, 'of the other side');
  await fresh.close();
  const lenient = { ...config, ...ids };
  for (const other of [
    { ...lenient, suites: ['TLS_PSK_WITH_AES_128_CCM'] },
    { ...lenient, connectionIdLength: 5 },
    { ...lenient, maxRecords: 2 },
    { ...lenient, maxLifetime: 50 },
  ] satisfies DtlsServerConfig[]) {
    const server = new ServerParty(sim, other);
    assert.throws(() => server.server.import(state, peer), isImportError);
    assert.deepEqual(server.server.stats(), nothingHeld);
    await server.close();
  }
  const server = restart(sim, [saved], lenient);
  assert.throws(() => server.server.import(state, peer), isImportError, 'it is here already');
  both.client.connection.send(utf8('still here'));
  await sim.sleep(100);
  assert.deepEqual(both.client.data.at(-1), utf8('still here'));
});

test('a connection does not live longer because the clock was set back while nobody had it', async () => {
  const day = 86_400;
  const sim = new Simulator();
  const both = await connect(sim, parties(sim, suite));
  const { server: config } = configsOf(suite);
  const saved = await shutDown(both.server);
  sim.clockSet = -8 * day;
  const late = new ServerParty(sim, config);
  for (const { state, peer } of saved) assert.throws(() => late.server.import(state, peer), isImportError);
  await late.close();
  sim.clockSet = -6 * day;
  const server = restart(sim, saved, config);
  await sim.sleep(1000 * day + 1000);
  both.client.connection.send(utf8('within seven days, and six of them are over'));
  await sim.sleep(100);
  assert.equal(server.end, 'ERR_DTLS_EXPIRED');
});

test('RFC 6066 3: a connection goes on by the credentials of the name that its client asked for', async () => {
  const sim = new Simulator();
  const ofKeys = { rawPublicKey: { own: serverKey, client: 'require' } } as const;
  const named = { psk: {}, serverNames: { 'keys.example': ofKeys } };
  const both = {
    server: new ServerParty(sim, named),
    client: new ClientParty(sim, { rawPublicKey: { own: clientKey }, serverName: 'keys.example' }),
  };
  await connect(sim, both);
  const saved = await shutDown(both.server);
  const unnamed = new ServerParty(sim, { ...ofKeys, serverNames: { 'keys.example': { psk: {} } } });
  for (const { state, peer } of saved) assert.throws(() => unnamed.server.import(state, peer), isImportError);
  await unnamed.close();
  const server = restart(sim, saved, named);
  const { connection } = [...server.server.connections()][0]!;
  assert.ok(server.server.trusts(connection));
  both.client.connection.send(utf8('still here'));
  await sim.sleep(100);
  assert.deepEqual(both.client.data.at(-1), utf8('still here'));
});

test('what is exported is a connection: not a handshake, and not what has ended', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim, suite);
  server.answers = false;
  client.connection.start();
  await sim.run(() => server.all('psk-identity').length > 0, 5000);
  const { connection } = server.all('psk-identity')[0]!;
  for (const one of [client.connection, connection]) {
    assert.throws(() => one.export(), { code: 'ERR_DTLS_STATE' });
    one.close();
    assert.throws(() => one.export(), { code: 'ERR_DTLS_STATE' });
  }
});

test('a connection that was imported and did nothing since gives the bytes again that it came from, and is known all the same', async () => {
  const sim = new Simulator();
  for (const name of [suite, 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'] as const) {
    const both = parties(sim, name);
    await connect(sim, both);
    const { connection } = both.server.all('connected')[0]!;
    const { agreement } = connection;
    const [saved] = (await shutDown(both.server)) as [Saved];
    const borrowed = { ...saved, state: saved.state.slice() };
    const server = restart(sim, [borrowed], configsOf(name).server);
    borrowed.state.fill(0);
    const { connection: imported } = [...server.server.connections()][0]!;
    assert.deepEqual(imported.agreement, agreement, 'to ask changes nothing');
    assert.equal(imported.isOf(name === suite ? psk : psk.slice(1)), name === suite);
    assert.deepEqual(imported.export(), saved.state);
    assert.deepEqual(server.server.stats(), nothingHeld);
    assert.equal(server.all('closed').at(-1)!.error?.code, 'ERR_DTLS_EXPORTED');
    assert.throws(() => imported.export(), { code: 'ERR_DTLS_STATE' });
    await server.close();
    both.client.connection.replace();
    await both.client.close();
  }
});

test('RFC 5246 7.2.1: the peers of connections that were imported and did nothing since are told of the end, by a record that they take', async () => {
  const sim = new Simulator();
  const both = await connect(sim, parties(sim, suite));
  const server = restart(sim, await shutDown(both.server), configsOf(suite).server);
  server.server.close();
  await sim.run(() => both.client.connection.isClosed, 5000);
  assert.equal(both.client.end, '', 'in order');
  assert.deepEqual(server.server.stats(), nothingHeld);
});

test('connections that were imported and did nothing since end when their time is over, and make room when there is none', async () => {
  const sim = new Simulator();
  const config = { ...configsOf(suite).server, idleLifetime: 10_000, maxConnections: 2, maxSessions: 10 };
  const saved: Saved[] = [];
  for (const address of ['10.0.0.2', '10.0.0.3', '10.0.0.4']) {
    const client = new ClientParty(sim, configsOf(suite).client, address);
    const server = new ServerParty(sim, config);
    client.connection.start();
    await sim.run(() => client.connection.isConnected, 5000);
    saved.push(...[...server.server.connections()].map(({ connection, peer }) => ({ state: connection.export(), peer })));
    await server.close();
  }
  const server = restart(sim, saved, config);
  assert.deepEqual(
    server.all('closed').map(({ error, peer }) => [error?.code, peer.key]),
    [['ERR_DTLS_EVICTED', '10.0.0.2:5684']],
  );
  assert.notEqual(server.all('closed')[0]!.connection.session, undefined, 'it could be resumed');
  await sim.sleep(10_100);
  assert.deepEqual(server.server.stats(), nothingHeld);
  assert.equal(server.all('closed').filter(({ error }) => error?.code === 'ERR_DTLS_EXPIRED').length, 2);
});

test('RFC 5246 7.2.2: a session that a fatal alert ends is resumed no more, though the connection was taken up apart from it', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite, {}, { maxSessions: 10 });
  await connect(sim, both);
  const sessions = [...both.server.server.sessions()].map(encodeSession);
  assert.equal(sessions.length, 1);
  const saved = [...both.server.server.connections()].map(({ connection, peer }) => ({ state: connection.export(), peer }));
  await both.server.close();
  const config = { ...configsOf(suite).server, maxSessions: 10 };
  const server = new ServerParty(sim, { ...config, maxForgeries: 1 });
  for (const session of sessions) server.server.addSession(decodeSession(session));
  for (const { state, peer } of saved) server.server.import(state, peer);
  assert.equal(server.server.stats().sessions, 1);
  sim.filter = (packet) => {
    if (packet.to === to) packet.datagram[packet.datagram.length - 1]! ^= 1;
    return true;
  };
  both.client.connection.send(utf8('forged on its way'));
  await sim.sleep(100);
  assert.equal(server.all('closed')[0]?.error?.code, 'ERR_DTLS_FORGERIES');
  assert.equal(server.server.stats().sessions, 0);
});

test('a session that was kept is resumed by its client at the server that comes after', async () => {
  const sim = new Simulator();
  const both = parties(sim, suite, {}, { maxSessions: 10 });
  await connect(sim, both);
  const sessions = [...both.server.server.sessions()].map(encodeSession);
  const session = both.client.connection.session!;
  both.client.connection.replace();
  await both.client.close();
  await both.server.close();
  const server = new ServerParty(sim, { ...configsOf(suite).server, maxSessions: 10 });
  for (const each of sessions) server.server.addSession(decodeSession(each));
  const client = new ClientParty(sim, { ...configsOf(suite).client, session });
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 5000);
  assert.equal(client.connection.agreement!.isResumed, true);
});
