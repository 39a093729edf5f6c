import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { encodeTokenRequest } from '../../src/ace/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent } from '../../src/as/index.ts';
import { ContentFormat, Endpoint, echo, formatCode, Method, OptionNumber, pathOptions, uintOption } from '../../src/coap/index.ts';
import type { Env } from '../../src/core/env.ts';
import { ContextTable, deriveContext, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { clients, rs1, rs2 } from '../as/support.ts';
import { type Packet, Simulator } from '../support/simulator.ts';
import { auditWire } from './wire-audit.ts';

/** Seconds. */
const lease = 5;
const addresses = { a: '10.0.0.1', b: '10.0.0.2' } as const;
type Name = keyof typeof addresses;

/** Two processes of one AS with one store, and a client with one security context, whose requests go now to one and now to the other. */
class World {
  readonly sim = new Simulator({ seed: 4 });
  readonly store: Store = memoryStore({ env: this.sim.env() });
  readonly events: { readonly server: Name; readonly event: AuthorizationServerEvent }[] = [];
  readonly servers = new Map<Name, AuthorizationServer>();
  readonly context: SecurityContext;
  readonly #client: Endpoint;
  /** Milliseconds that the clock of a process is behind. */
  readonly #behind: Record<Name, () => number> = { a: () => 0, b: () => 0 };
  #messageId = 1;

  constructor() {
    const { masterSecret, senderId, recipientId } = clients[0]!.credentials as Record<string, Uint8Array>;
    this.context = deriveContext({ masterSecret: masterSecret!, senderId: recipientId!, recipientId: senderId! });
    const contexts = new ContextTable();
    contexts.add(this.context);
    const numbers = memoryStore();
    const env = this.sim.env('client');
    const layer = oscore({ contexts, store: { reserve: (id, count) => numbers.increment(id, count) }, env });
    this.#client = new Endpoint({ transport: this.sim.transport('10.0.0.3', 40_000), env, layers: [echo({}, env), layer] });
  }

  async start(name: Name): Promise<void> {
    const env = this.sim.env(`${name} ${this.sim.now}`);
    const behind = (): number => this.#behind[name]();
    const own: Env = { ...env, now: () => env.now() - behind(), epoch: () => env.epoch() - behind() / 1000 };
    const emit = (event: AuthorizationServerEvent): void => void this.events.push({ server: name, event });
    const server = new AuthorizationServer({ store: this.store, lease, profiles: [oscoreProfile], clients, resourceServers: [rs1, rs2], env: own, emit });
    await server.listen(this.sim.transport(addresses[name], 5684));
    this.servers.set(name, server);
  }

  /** From now on the clock of this process stands still. */
  pause(name: Name): void {
    const { now } = this.sim;
    this.#behind[name] = () => this.sim.now - now;
  }

  async token(name: Name): Promise<string> {
    const options = [...pathOptions(['token']), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
    const payload = encodeTokenRequest({ audience: 'rs1', scope: 'r_temp' });
    const peer = this.sim.peer(addresses[name], 5684);
    return formatCode((await this.sim.finish(this.#client.request({ code: Method.POST, peer, options, payload, association: this.context }))).code);
  }

  /** Tokens that a process gave. */
  issued(name: Name): number {
    return this.events.filter(({ server, event }) => server === name && event.type === 'token-issued').length;
  }

  /** Send to a process whatever protected requests went to the other, or to itself, under message IDs that it has not seen. */
  async replay(from: Name, to: Name): Promise<void> {
    const source = `${addresses[from]}:5684`;
    const requests = this.sim.wire.filter((packet: Packet) => packet.to === source && packet.datagram[1] === Method.POST);
    assert.ok(requests.length > 0, 'there is something to replay');
    for (const { datagram, from: client } of requests) {
      const copy = datagram.slice();
      new DataView(copy.buffer).setUint16(2, this.#messageId++);
      this.sim.inject(copy, client, `${addresses[to]}:5684`);
    }
    await this.sim.sleep(2 * 1000 * lease);
  }

  /** Nothing that is replayed to either is carried out. */
  async replayAll(): Promise<void> {
    const before = [this.issued('a'), this.issued('b')];
    for (const from of ['a', 'b'] as const) for (const to of ['a', 'b'] as const) await this.replay(from, to);
    assert.deepEqual([this.issued('a'), this.issued('b')], before, 'nothing is carried out twice');
  }

  /** No number protected two messages, whoever sent them. */
  audit(): void {
    auditWire(this.sim.wire, [this.context], ({ datagram }) => datagram.length === 0);
  }

  async close(): Promise<void> {
    await this.#client.close();
    for (const server of this.servers.values()) await server.close();
  }
}

async function twoServers(): Promise<World> {
  const world = new World();
  await world.start('a');
  await world.start('b');
  return world;
}

test('RFC 8613 B.1.2: a context moves from one process to another once its lease has ended, and the other asks for proof of freshness', async () => {
  const world = await twoServers();
  assert.equal(await world.token('a'), '2.01');
  const asked = world.sim.now;
  assert.equal(await world.token('b'), '2.01');
  const waited = world.sim.now - asked;
  assert.ok(waited >= (lease - 1) * 1000 && waited < 30_000, `${waited} ms`);
  const restored = world.events.filter(({ event }) => event.type === 'profile' && event.event.type === 'oscore-restored').map(({ server }) => server);
  assert.deepEqual(restored, ['a', 'b']);
  await world.replayAll();
  assert.equal(await world.token('a'), '2.01', 'and back');
  await world.replayAll();
  world.audit();
  await world.close();
});

test('RFC 8613 B.1.2: while one process serves a context, the other carries nothing of it out', async () => {
  const world = await twoServers();
  assert.equal(await world.token('a'), '2.01');
  for (let i = 0; i < 4; i++) {
    await world.replay('a', 'b');
    // Requests keep the lease alive.
    for (let j = 0; j < 8; j++) {
      assert.equal(await world.token('a'), '2.01');
      await world.sim.sleep(500);
    }
  }
  assert.equal(world.issued('b'), 0);
  await world.close();
});

test('RFC 8613 B.1.2: a process whose clock stands still does not process what it no longer serves', async () => {
  const world = await twoServers();
  assert.equal(await world.token('a'), '2.01');
  world.pause('a');
  assert.equal(await world.token('b'), '2.01');
  assert.equal(await world.token('b'), '2.01');
  // To the clock of A its lease is alive, and none of these numbers is in its window.
  await world.replay('b', 'a');
  await world.replayAll();
  assert.equal(world.issued('a'), 1);
  assert.equal(await world.token('b'), '2.01');
  world.audit();
  await world.close();
});

test('a process that is closed gives its contexts up: the other need not wait', async () => {
  const world = await twoServers();
  assert.equal(await world.token('a'), '2.01');
  await world.servers.get('a')!.close();
  const asked = world.sim.now;
  assert.equal(await world.token('b'), '2.01');
  assert.ok(world.sim.now - asked < 1000);
  await world.close();
});

test('a request that was not made with the keys of a context takes no lease', async () => {
  const world = await twoServers();
  assert.equal(await world.token('a'), '2.01');
  await world.sim.sleep(2 * 1000 * lease);
  const packet = world.sim.wire.find(({ datagram }) => datagram[1] === Method.POST)!;
  const forged = packet.datagram.slice();
  forged[forged.length - 1]! ^= 1;
  world.sim.inject(forged, packet.from, `${addresses.b}:5684`);
  await world.sim.sleep(1000);
  const asked = world.sim.now;
  assert.equal(await world.token('a'), '2.01', 'A still has it');
  assert.ok(world.sim.now - asked < 1000);
  const restored = world.events.filter(({ event }) => event.type === 'profile' && event.event.type === 'oscore-restored');
  assert.equal(restored.length, 1, 'with its window');
  await world.close();
});

test('a store that does not answer is 5.03, and nothing is carried out', async () => {
  const world = await twoServers();
  assert.equal(await world.token('a'), '2.01');
  const { get } = world.store;
  world.store.get = () => Promise.reject(new Error('gone'));
  assert.equal(await world.token('a'), '5.03');
  world.store.get = get;
  assert.equal(await world.token('a'), '2.01');
  assert.equal(world.issued('a'), 2);
  assert.equal(world.servers.get('a')!.stats()['profile2.leaseRequests'], 0);
  await world.close();
});
