import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { decodeRecords } from '../../src/dtls/record.ts';
import { Simulator } from '../support/simulator.ts';
import {
  allSuites,
  ClientParty,
  clientAddress,
  configsOf,
  expectSameKeys,
  nothingHeld,
  type Parties,
  parties,
  port,
  ServerParty,
  serverAddress,
} from './parties.ts';

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const from = `${clientAddress}:${port}`;
const to = `${serverAddress}:${port}`;
const elsewhere = '10.0.0.77:40000';

async function connect(sim: Simulator, both: Parties): Promise<Parties> {
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 5000);
  return both;
}

/** The types of the protected records that went one way. */
const typesFrom = (sim: Simulator, source: string, cidLength: number): Set<number> =>
  new Set(
    sim.wire
      .filter((packet) => packet.from === source)
      .flatMap(({ datagram }) => decodeRecords(datagram, cidLength).records)
      .filter(({ epoch }) => epoch === 1)
      .map(({ type }) => type),
  );

for (const name of allSuites) {
  test(`RFC 9146 3: ${name}: each direction has the connection ID that its receiver asks for`, async () => {
    for (const [ofClient, ofServer] of [
      [0, 0],
      [0, 6],
      [5, 0],
      [5, 6],
      [undefined, 6],
      [5, undefined],
      [32, 32],
    ] as const) {
      const sim = new Simulator();
      const config = (length: number | undefined): { connectionIdLength?: number } => (length === undefined ? {} : { connectionIdLength: length });
      const both = await connect(sim, parties(sim, name, config(ofClient), config(ofServer)));
      await expectSameKeys(sim, both);
      const isOn = ofClient !== undefined && ofServer !== undefined;
      const serverHas = isOn && ofServer > 0;
      const clientHas = isOn && ofClient > 0;
      // Finished is the first protected record.
      if (serverHas) assert.deepEqual([...typesFrom(sim, from, ofServer)], [25]);
      else assert.deepEqual([...typesFrom(sim, from, 0)].sort(), [22, 23]);
      if (clientHas) assert.deepEqual([...typesFrom(sim, to, ofClient)], [25]);
      else assert.deepEqual([...typesFrom(sim, to, 0)].sort(), [22, 23]);
      assert.equal(both.server.server.stats().connectionIds, serverHas ? 1 : 0);
      both.client.connection.close();
      await sim.run();
      assert.deepEqual(both.server.server.stats(), nothingHeld);
    }
  });
}

test('RFC 9146 6: a record from a new address is delivered, and the answer goes there once the application says so', async () => {
  const sim = new Simulator();
  const both = await connect(sim, parties(sim, suite, { connectionIdLength: 0 }, { connectionIdLength: 8 }));
  const { client, server } = both;
  for (const follows of [false, true]) {
    server.onEvent = (event) => {
      if (event.type === 'moved' && follows) server.server.move(event.connection, event.to);
    };
    sim.filter = (packet) => {
      if (packet.from === from) sim.inject(packet.datagram, elsewhere, to);
      return packet.from !== from;
    };
    const before = sim.wire.length;
    const delivered = server.all('data').length;
    client.connection.send(utf8('from elsewhere'));
    await sim.sleep(100);
    assert.equal(server.all('data').length, delivered + 1);
    assert.equal(server.all('moved').at(-1)!.to.key, elsewhere);
    const answers = sim.wire.slice(before).filter((packet) => packet.from === to);
    assert.deepEqual(
      answers.map((packet) => packet.to),
      [follows ? elsewhere : from],
    );
  }
  assert.equal(server.all('data').at(-1)!.peer.key, elsewhere);
  assert.deepEqual(server.server.stats(), { ...nothingHeld, connections: 1, addresses: 1, connectionIds: 1 });
  server.server.close();
  assert.deepEqual(server.server.stats(), nothingHeld);
});

test('RFC 9146 6: neither an older record nor a forged one nor a copy says that the address is another', async () => {
  const sim = new Simulator();
  const { client, server } = await connect(sim, parties(sim, suite, { connectionIdLength: 0 }, { connectionIdLength: 8 }));
  const sealed: Uint8Array[] = [];
  sim.filter = (packet) => {
    if (packet.from === from) sealed.push(packet.datagram);
    return packet.from !== from;
  };
  for (const text of ['one', 'two', 'three']) client.connection.send(utf8(text));
  sim.filter = undefined;
  const [one, two, three] = sealed as [Uint8Array, Uint8Array, Uint8Array];
  sim.inject(two, from, to);
  await sim.sleep(10);
  sim.inject(one, elsewhere, to);
  sim.inject(two, elsewhere, to);
  const forged = three.slice();
  forged[forged.length - 1]! ^= 1;
  sim.inject(forged, elsewhere, to);
  await sim.sleep(10);
  assert.equal(server.all('moved').length, 0);
  assert.equal(server.all('data').length, 2, 'the older one is delivered all the same');
  sim.inject(three, elsewhere, to);
  await sim.sleep(10);
  assert.equal(server.all('moved').length, 1);
});

test('RFC 9146 3: without the connection ID that is expected, with another, or with one that is not, a record is nothing', async () => {
  const sim = new Simulator();
  const { client, server } = await connect(sim, parties(sim, suite, { connectionIdLength: 4 }, { connectionIdLength: 8 }));
  const plain = new Simulator();
  const other = await connect(plain, parties(plain, suite));
  client.connection.send(utf8('data'));
  const sealed = sim.wire.at(-1)!.datagram;
  await sim.sleep(100);
  const count = server.all('data').length;
  const stripped = Uint8Array.from([23, ...sealed.slice(1, 11), ...sealed.slice(19)]);
  const changed = sealed.slice();
  changed[12]! ^= 1;
  sim.inject(stripped, from, to);
  sim.inject(changed, from, to);
  await sim.sleep(10);
  assert.equal(server.all('data').length, count);
  plain.inject(sealed, from, to);
  await plain.sleep(10);
  assert.equal(other.server.all('data').length, 0);
});

test('RFC 9146: two clients behind one address, one after the other, are told apart', async () => {
  const sim = new Simulator();
  const config = configsOf(suite);
  const server = new ServerParty(sim, { ...config.server, connectionIdLength: 8 });
  server.onEvent = (event) => {
    if (event.type === 'moved') server.server.move(event.connection, event.to);
  };
  const first = new ClientParty(sim, { ...config.client, connectionIdLength: 0 }, '10.0.0.10');
  const second = new ClientParty(sim, { ...config.client, connectionIdLength: 0 }, '10.0.0.11');
  for (const client of [first, second]) {
    client.connection.start();
    await sim.run(() => client.connection.isConnected, 5000);
  }
  // The address of the second becomes that of the first too.
  sim.filter = (packet) => {
    if (packet.from.startsWith('10.0.0.10:')) sim.inject(packet.datagram, '10.0.0.11:5684', to);
    return !packet.from.startsWith('10.0.0.10:');
  };
  first.connection.send(utf8('first'));
  await sim.sleep(50);
  second.connection.send(utf8('second'));
  await sim.sleep(50);
  const heard = server.all('data').map(({ connection, data }) => [server.all('connected').findIndex((one) => one.connection === connection), data]);
  assert.deepEqual(heard, [
    [0, utf8('first')],
    [1, utf8('second')],
  ]);
  assert.equal(server.server.stats().connections, 2);
  assert.deepEqual(second.data, [utf8('second')]);
});

test('a connection ID of more than 32 bytes is not asked for', () => {
  assert.throws(() => new ServerParty(new Simulator(), { psk: {}, connectionIdLength: 33 }), { code: 'ERR_DTLS_CONFIG' });
});
