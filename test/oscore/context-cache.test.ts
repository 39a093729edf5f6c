import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Code,
  Endpoint,
  echo,
  findOption,
  Method,
  OptionNumber,
  opaqueOption,
  pathOptions,
  type Request,
  type Response,
  Router,
} from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { ContextTable, deriveContext, oscore, protectRequest, type SecurityContext, type StoredContext, unprotectResponse } from '../../src/oscore/index.ts';
import { Simulator } from '../support/simulator.ts';
import { answering, FakeStore, mirrored, parameters, request, Side, settle, Wire } from './support.ts';
import { partialIvs } from './wire.ts';

const idOf = (index: number): Uint8Array => Uint8Array.of(0xc0, index);

function client(index: number): SecurityContext {
  return deriveContext({ ...parameters, senderId: idOf(index) });
}

function server(index: number): StoredContext {
  return { parameters: mirrored({ ...parameters, senderId: idOf(index) }) };
}

/** A store with the contexts of all clients, which says nothing of their windows. */
class Stored extends FakeStore {
  loaded = 0;

  load(kid: Uint8Array): StoredContext | undefined {
    this.loaded++;
    return kid[0] === 0xc0 ? server(kid[1]!) : undefined;
  }
}

function derived(index: number): SecurityContext {
  return deriveContext(server(index).parameters);
}

test('context table: of those that a look-up found, the one that was used least recently leaves', () => {
  const table = new ContextTable({ cached: 4 });
  const removed: SecurityContext[] = [];
  table.onRemoved((context) => removed.push(context));
  const [a, b, c, d, e, f] = Array.from({ length: 6 }, (_, i) => derived(i)) as [SecurityContext, ...SecurityContext[]];
  for (const context of [a, b!, c!, d!]) {
    assert.equal(table.cache(context), context);
    table.use(context);
  }
  table.use(a);
  table.cache(e!);
  assert.deepEqual(removed, [b]);
  table.use(e!);
  table.use(c!);
  table.cache(f!);
  assert.deepEqual(removed, [b, d]);
  assert.equal(table.size, 4);
  assert.equal(table.cached, 4);
  table.use(b!);
  assert.ok(!table.has(b!), 'one that is not there does not come back');
});

test('context table: those that never received anything new share a quarter of the places', () => {
  const table = new ContextTable({ cached: 8 });
  const used = Array.from({ length: 8 }, (_, i) => derived(i));
  for (const context of used) {
    table.cache(context);
    table.use(context);
  }
  for (let i = 8; i < 200; i++) table.cache(derived(i));
  assert.equal(table.size, 8);
  assert.deepEqual(
    used.map((context) => table.has(context)),
    [false, false, false, true, true, true, true, true],
  );
});

test('context table: what was added stays, and takes the place of what was found', () => {
  const table = new ContextTable({ limit: 3, cached: 8 });
  const added = derived(0);
  table.add(added);
  for (let i = 1; i < 10; i++) table.cache(derived(i));
  assert.ok(table.has(added));
  assert.equal(table.size, 3);
  assert.equal(table.cache(derived(0)), added, 'what is there counts');
  const found = table.find(idOf(9))!;
  const again = derived(9);
  table.add(again);
  assert.equal(table.find(idOf(9)), again);
  assert.ok(!table.has(found));
  const kept = table.find(idOf(8))!;
  table.add(kept);
  assert.equal(table.cached, 0);
  for (const context of [added, again, kept]) assert.ok(table.has(context));
  assert.throws(() => table.cache(derived(1)), { code: 'ERR_OSCORE_LIMIT' });
  assert.throws(() => table.add(derived(1)), { code: 'ERR_OSCORE_LIMIT' });
  assert.throws(() => table.add(derived(0)), { code: 'ERR_OSCORE_COLLISION' });
});

test('RFC 8613 B.1.2: a context that left and is looked up again has lost its window: no replay passes', async () => {
  const store = new Stored();
  const side = new Side([], store);
  const contexts = new ContextTable({ cached: 1 });
  const seen: Request[] = [];
  const layer = oscore({ contexts, store, env: new Simulator().env(), emit: (event) => side.events.push(event) });
  const wire = new Wire(new Side([]).layer, layer, answering('ok', seen));
  const [one, two] = [client(1), client(2)];
  const numbers: (number | undefined)[] = [];
  const inject = async (message: Request): Promise<Response> => {
    const answers = wire.inject(message);
    await settle();
    assert.equal(answers.length, 1);
    return answers[0]!;
  };
  /** Sends a request that is challenged, then the same with the Echo. Returns what a listener on the wire has recorded. */
  const exchange = async (from: SecurityContext, sequence: number): Promise<Request[]> => {
    const first = protectRequest(request(from), from, sequence);
    const challenge = unprotectResponse(await inject(first.message), from, first.binding);
    assert.equal(challenge.response.code, Code.Unauthorized);
    if (from === one) numbers.push(challenge.sequence);
    const value = findOption(challenge.response.options, OptionNumber.Echo)!.value;
    const second = protectRequest(request(from, Method.GET, [opaqueOption(OptionNumber.Echo, value)]), from, sequence + 1);
    assert.equal(unprotectResponse(await inject(second.message), from, second.binding).response.code, Code.Content);
    return [first.message, second.message];
  };

  const recorded: Request[] = [];
  for (let round = 0; round < 5; round++) {
    recorded.push(...(await exchange(one, 10 * round)));
    const executed = seen.length;
    await exchange(two, 10 * round);
    assert.equal(contexts.size, 1);
    for (const message of recorded) {
      await inject(message);
      assert.equal(seen.length, executed + 1, 'the recorded request is not executed');
    }
  }
  assert.equal(seen.length, 10);
  assert.equal(new Set(numbers).size, numbers.length, 'sender sequence numbers come from the store, never from what was in memory');
  assert.ok(store.loaded >= 10);
});

for (const [cached, together] of [
  [1, false],
  [16, true],
] as const) {
  test(`the whole stack with contexts that are looked up, ${cached} of 6 kept: each request is executed once, no Partial IV is used twice`, async () => {
    const sim = new Simulator({ seed: 5, loss: 0.1, duplication: 0.1, reorder: 0.1 });
    const store = Object.assign(new FakeStore(), {
      load: (kid: Uint8Array): Promise<StoredContext | undefined> =>
        new Promise((resolve) => sim.env().schedule(30, () => resolve(kid[0] === 0xc0 ? server(kid[1]!) : undefined))),
    });
    const contexts = new ContextTable({ cached });
    const router = new Router();
    const counts = new Map<string, number>();
    router.resource('/count', {
      post: (asked) => {
        counts.set(asked.text(), (counts.get(asked.text()) ?? 0) + 1);
        return asked.text();
      },
    });
    const env = sim.env('server');
    const layer = oscore({ contexts, store, env });
    const endpoint = new Endpoint({
      transport: sim.transport('10.0.0.1', 5683),
      env,
      handler: router.handler,
      layers: [layer],
      parameters: { maxRetransmit: 8 },
    });
    const clients = Array.from({ length: 6 }, (_, index) => {
      const own = sim.env(`client ${index}`);
      const table = new ContextTable();
      const association = client(index);
      table.add(association);
      const layers = [echo({}, own), oscore({ contexts: table, store: new FakeStore(), env: own })];
      const transport = sim.transport(`10.0.1.${index}`, 5683);
      return { association, endpoint: new Endpoint({ transport, env: own, layers, parameters: { maxRetransmit: 8 } }) };
    });
    const peer = sim.peer('10.0.0.1', 5683);
    const names: string[] = [];
    const ask = async (from: (typeof clients)[number], name: string): Promise<void> => {
      names.push(name);
      const options = pathOptions(['count']);
      const response = await from.endpoint.request({
        code: Method.POST,
        options,
        payload: new TextEncoder().encode(name),
        peer,
        association: from.association,
        // A context that was not in the table wants to see an Echo, also after a retransmission.
        idempotent: true,
      });
      assert.equal(response.code, Code.Changed);
      assert.equal(fromUtf8(response.payload), name);
    };
    for (let round = 0; round < 4; round++) {
      const asked = clients.map((from, index) => () => ask(from, `${index} ${round}`));
      if (together) await sim.finish(Promise.all(asked.map((go) => go())));
      else for (const go of asked) await sim.finish(go());
    }
    await sim.run();
    assert.deepEqual([...counts.entries()].sort(), names.map((name) => [name, 1] as [string, number]).sort());
    const used = partialIvs(sim);
    assert.equal(new Set(used).size, used.length);
    assert.equal(layer.stats()['contexts'], Math.min(cached, 6));
    assert.equal(layer.stats()['lookupRequests'], 0);
    for (const { endpoint: one } of clients) await one.close();
    await endpoint.close();
  });
}

test('an endpoint that is closed while a look-up is under way: nothing stays', async () => {
  const sim = new Simulator();
  const env = sim.env();
  const store = Object.assign(new FakeStore(), { load: (): Promise<StoredContext | undefined> => new Promise(() => {}) });
  const layer = oscore({ contexts: new ContextTable(), store, env });
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env, layers: [layer], handler: () => {} });
  const table = new ContextTable();
  const association = client(1);
  table.add(association);
  const own = sim.env('client');
  const asking = new Endpoint({
    transport: sim.transport('10.0.0.2', 5683),
    env: own,
    layers: [oscore({ contexts: table, store: new FakeStore(), env: own })],
  });
  asking.request({ code: Method.GET, peer: sim.peer('10.0.0.1', 5683), association }).catch(() => {});
  await sim.sleep(100);
  assert.equal(layer.stats()['lookups'], 1);
  await endpoint.close();
  assert.equal(layer.stats()['lookups'], 0);
  assert.equal(layer.stats()['lookupBytes'], 0);
  await asking.close();
  await sim.run();
  assert.equal(sim.pending, 0);
});
