import assert from 'node:assert/strict';
import type { Peer } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { cryptoInUse, useCrypto } from '../../src/core/index.ts';
import { type CipherSuiteName, type Connection, clientConnection, DtlsServer } from '../../src/dtls/index.ts';
import { clientAddress, configsOf, nothingHeld, parties, port, psk, serverAddress, serverKey } from '../dtls/parties.ts';
import type { SeededRandom } from '../support/random.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { mutateBytes } from './mutate.ts';
import type { Target } from './target.ts';

export const suites: readonly CipherSuiteName[] = ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'];

/** What a client and a server send each other, from the first hello to the goodbye. */
async function record(suite: CipherSuiteName): Promise<readonly Packet[]> {
  // Of other keys than those of the association that is attacked.
  const sim = new Simulator({ seed: 2 });
  const { client } = parties(sim, suite, { connectionIdLength: 4 }, { connectionIdLength: 4 });
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 10_000);
  client.connection.send(psk);
  await sim.run(() => client.data.length > 0, 1000);
  client.connection.close();
  await sim.run();
  return sim.wire;
}

/** That of each suite, with the provider whose signatures are the same in each run. */
async function recordAll(): Promise<ReadonlyMap<CipherSuiteName, readonly Packet[]>> {
  const used = cryptoInUse();
  await useCrypto('portable');
  const wires = new Map<CipherSuiteName, readonly Packet[]>();
  for (const suite of suites) wires.set(suite, await record(suite));
  await useCrypto(used);
  return wires;
}

let recording: ReturnType<typeof recordAll> | undefined;

/** The datagrams of one side of a suite's handshake. */
export async function datagramsOf(suite: CipherSuiteName, from: string): Promise<Uint8Array[]> {
  recording ??= recordAll();
  return (await recording)
    .get(suite)!
    .filter((packet) => packet.from === `${from}:${port}`)
    .map(({ datagram }) => datagram);
}

/** A datagram with one of its records changed: its header keeps its form more often than chance would let it. */
function mutateRecord(random: SeededRandom, datagram: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  if (random.chance(0.5)) return mutateBytes(random, datagram, others);
  const changed = datagram.slice();
  const set = (at: number, value: number): void => {
    if (at < changed.length) changed[at] = value;
  };
  if (random.chance(0.2)) set(0, 20 + random.below(6));
  if (random.chance(0.2)) set(4, random.below(3));
  if (random.chance(0.5)) set(10, random.below(256));
  if (random.chance(0.3)) set(13, random.pick([0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 20, 99]));
  if (random.chance(0.3)) set(18, random.below(6));
  if (random.chance(0.3)) set(14 + random.below(11), random.below(256));
  if (random.chance(0.3)) set(25 + random.below(Math.max(1, changed.length - 25)), random.below(256));
  return changed;
}

/** A server that gets mutated flights of clients: from an address with a live association, and from others. It has to serve a well-behaved client all the while. */
export async function dtlsServerTarget(): Promise<Target> {
  const sim = new Simulator({ record: false });
  const seeds = (await Promise.all(suites.map((suite) => datagramsOf(suite, clientAddress)))).flat();
  const both = parties(sim, suites[0]!, {}, { suites: [...suites], rawPublicKey: { own: serverKey, client: 'request' }, connectionIdLength: 4 });
  const { client, server } = both;
  client.connection.start();
  await sim.run(() => client.connection.isConnected, 10_000);
  const live = sim.peer(clientAddress, port);
  const addresses = Array.from({ length: 8 }, (_, i) => sim.peer(`10.0.1.${i}`, port));
  let count = 0;
  return {
    name: 'DTLS server',
    seeds,
    mutate: mutateRecord,
    run: (input) => {
      count++;
      server.server.receive(input, count % 4 === 0 ? live : addresses[count % addresses.length]!);
    },
    settle: async () => {
      const before = client.data.length;
      client.connection.send(psk);
      await sim.run(() => client.data.length > before, 60_000);
      assert.ok(server.server.stats().connections <= 1 + addresses.length);
      for (const event of server.all('data')) assert.deepEqual(event.data, psk, toHex(event.data));
      server.events.length = 0;
      client.events.length = 0;
      assert.equal(client.connection.isConnected, true);
    },
    close: async () => {
      client.connection.close();
      await sim.run();
      assert.deepEqual(server.server.stats(), nothingHeld);
    },
  };
}

/** A client that gets a mutated datagram of a server at some moment of its handshake: where both are connected in the end, it is by the same keys. */
export async function dtlsClientTarget(): Promise<Target> {
  const seeds = (await Promise.all(suites.map((suite) => datagramsOf(suite, serverAddress)))).flat();
  const peer: Peer = new Simulator().peer(serverAddress, port);
  let count = 0;
  return {
    name: 'DTLS client',
    seeds,
    mutate: mutateRecord,
    run: (input) => {
      // Signatures take long.
      const suite = suites[count++ % 8 === 0 ? 1 : 0]!;
      const sim = new Simulator({ seed: 1 + (count % 64), record: false });
      const config = configsOf(suite);
      const toClient: Uint8Array[] = [];
      let accepted: Connection | undefined;
      const server = new DtlsServer<Peer>(config.server, sim.env('server'), {
        send: (datagram) => toClient.push(datagram),
        emit: (event) => {
          if (event.type === 'psk-identity') event.connection.providePsk(psk);
          else if (event.type === 'peer-key') event.connection.acceptPeer();
          else if (event.type === 'connected') accepted = event.connection;
        },
      });
      const toServer: Uint8Array[] = [];
      const client = clientConnection(config.client, sim.env('client'), {
        send: (datagram) => toServer.push(datagram),
        emit: (event) => {
          if (event.type === 'peer-key') client.acceptPeer();
        },
      });
      client.start();
      // One foreign datagram, at a moment of its own.
      const at = input.length % 5;
      for (let step = 0; step < 8; step++) {
        if (step === at) client.receive(input);
        for (const datagram of toServer.splice(0)) server.receive(datagram, peer);
        for (const datagram of toClient.splice(0)) client.receive(datagram);
      }
      if (client.isConnected && accepted?.isConnected)
        assert.deepEqual(client.exportKeyingMaterial('EXPORTER-test', 16), accepted.exportKeyingMaterial('EXPORTER-test', 16));
      client.close();
      server.close();
    },
  };
}

interface Flying {
  readonly to: 'client' | 'server';
  readonly datagram: Uint8Array;
}

/** What a network does with the datagram whose turn it is. */
const deeds = ['deliver', 'deliver', 'deliver', 'lose', 'twice', 'later', 'change', 'replay'] as const;

/** A full handshake and a goodbye over a network that does what the input says, byte by byte; once the input is over, it does all well. */
export const dtlsNetworkTarget: Target = {
  name: 'DTLS handshake over a hostile network',
  seeds: [
    new Uint8Array(0),
    Uint8Array.of(0, 3, 0, 3, 0, 3),
    Uint8Array.of(0, 4, 4, 4, 4, 4, 4),
    Uint8Array.of(0, 5, 5, 5, 5, 5),
    Uint8Array.of(0, 6, 14, 1, 6, 60, 255, 7, 1, 7, 2),
  ],
  mutate: mutateBytes,
  run: (input) => {
    let at = 0;
    const next = (): number => input[at++] ?? 0;
    const choice = next();
    // Signatures take long.
    const config = configsOf(suites[choice % 16 === 15 ? 1 : 0]!);
    const ids = (choice & 0x10) === 0 ? {} : { connectionIdLength: 4 };
    const sim = new Simulator({ record: false });
    const flying: Flying[] = [];
    const passed: Flying[] = [];
    let accepted: Connection | undefined;
    const server = new DtlsServer<Peer>({ maxSessions: 0, ...config.server, ...ids }, sim.env('server'), {
      send: (datagram) => flying.push({ to: 'client', datagram: datagram.slice() }),
      emit: (event) => {
        if (event.type === 'psk-identity') event.connection.providePsk(psk);
        else if (event.type === 'peer-key') event.connection.acceptPeer();
        else if (event.type === 'connected') accepted = event.connection;
        else if (event.type === 'data') assert.deepEqual(event.data, psk);
      },
    });
    const client = clientConnection({ ...config.client, ...ids }, sim.env('client'), {
      send: (datagram) => flying.push({ to: 'server', datagram: datagram.slice() }),
      emit: (event) => {
        if (event.type === 'peer-key') client.acceptPeer();
        else if (event.type === 'connected') client.send(psk);
      },
    });
    const peer = sim.peer(clientAddress, port);
    const deliver = ({ to, datagram }: Flying): void => {
      if (to === 'client') client.receive(datagram.slice());
      else server.receive(datagram.slice(), peer);
    };
    const pass = (one: Flying): void => {
      passed.push(one);
      switch (deeds[next() & 7]!) {
        case 'lose':
          break;
        case 'twice':
          deliver(one);
          deliver(one);
          break;
        case 'later':
          flying.push(one);
          break;
        case 'change': {
          const datagram = one.datagram.slice();
          datagram[next() % datagram.length]! ^= next();
          deliver({ ...one, datagram });
          break;
        }
        case 'replay':
          deliver(passed[next() % passed.length]!);
          deliver(one);
          break;
        default:
          deliver(one);
      }
    };
    client.start();
    for (let turn = 0; turn < 300 && !client.isClosed; turn++) {
      const one = flying.shift();
      if (one !== undefined) pass(one);
      else if (client.isConnected && accepted?.isConnected === true) break;
      else sim.rush(2000);
    }
    if (client.isConnected && accepted?.isConnected === true)
      assert.deepEqual(client.exportKeyingMaterial('EXPORTER-test', 16), accepted.exportKeyingMaterial('EXPORTER-test', 16));
    client.close();
    server.close();
    sim.rush(1_000_000);
    assert.deepEqual(server.stats(), nothingHeld);
    assert.equal(sim.pending, 0);
  },
};
