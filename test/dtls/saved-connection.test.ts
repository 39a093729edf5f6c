import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { type ConnectionEvent, DtlsError, type DtlsServerConfig, importConnection } from '../../src/dtls/index.ts';
import { decodeRecords } from '../../src/dtls/record.ts';
import { Simulator } from '../support/simulator.ts';
import { allSuites, configsOf, nothingHeld, type Parties, parties, port, ServerParty, serverAddress } from './parties.ts';

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
