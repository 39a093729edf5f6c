import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, Endpoint, echo, Method, type Option, pathOptions, type ResourceHandle, Router } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { ContextTable, deriveContext, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { Simulator } from '../support/simulator.ts';
import { FakeStore, mirrored, parameters } from './support.ts';
import { partialIvs } from './wire.ts';

const large = 'x'.repeat(5000);

interface Running {
  readonly endpoint: Endpoint;
  readonly layer: ReturnType<typeof oscore>;
  readonly contexts: ContextTable;
  readonly temperature: ResourceHandle;
  value: string;
  options: readonly Option[];
}

function startServer(sim: Simulator, context: SecurityContext, store: FakeStore, name: string): Running {
  const env = sim.env(name);
  const router = new Router();
  const contexts = new ContextTable();
  contexts.add(context);
  const layer = oscore({ contexts, store, env });
  const running: Running = {
    endpoint: new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env, handler: router.handler, layers: [layer], parameters: { maxRetransmit: 8 } }),
    layer,
    contexts,
    temperature: router.resource('/temperature', { observable: true, get: () => ({ payload: running.value, options: running.options }) }),
    value: '21',
    options: [],
  };
  router.resource('/large', { get: () => large, put: (request) => `${request.payload.length}` });
  return running;
}

function startClient(sim: Simulator, context: SecurityContext, store: FakeStore, address = '10.0.0.2') {
  const env = sim.env(address);
  const contexts = new ContextTable();
  contexts.add(context);
  const layer = oscore({ contexts, store, env });
  const again = echo({}, env);
  const endpoint = new Endpoint({ transport: sim.transport(address, 5683), env, layers: [again, layer], parameters: { maxRetransmit: 8 } });
  return { endpoint, layer };
}

for (const [seed, network] of [
  [1, {}],
  [2, { loss: 0.2, duplication: 0.2, reorder: 0.2 }],
  [3, { loss: 0.2, duplication: 0.2, reorder: 0.2 }],
  [4, { loss: 0.2, duplication: 0.2, reorder: 0.2 }],
] as const) {
  test(`the whole stack with OSCORE, network ${seed}: small, large both ways, observation, restart of the server`, async () => {
    const sim = new Simulator({ seed, ...network });
    const stores = { client: new FakeStore(), server: new FakeStore() };
    const context = deriveContext(parameters);
    const client = startClient(sim, context, stores.client);
    let server = startServer(sim, deriveContext(mirrored(parameters)), stores.server, 'first');
    const peer = await client.endpoint.resolve('10.0.0.1', 5683);
    const ask = (path: string, code: number = Method.GET, payload = '') =>
      sim.finish(client.endpoint.request({ code, options: pathOptions([path]), payload: utf8(payload), peer, association: context }));

    const small = await ask('temperature');
    assert.equal(small.code, Code.Content);
    assert.equal(small.association, context);
    assert.equal(fromUtf8(small.payload), '21');
    assert.equal(fromUtf8((await ask('large')).payload), large);
    assert.equal(fromUtf8((await ask('large', Method.PUT, large)).payload), '5000');
    assert.equal((await ask('nothing')).code, Code.NotFound);

    const observation = client.endpoint.observe({ options: pathOptions(['temperature']), peer, association: context });
    const next = async (): Promise<string> => fromUtf8((await sim.finish(observation.next())).value!.payload);
    assert.equal(await next(), '21');
    for (const value of ['22', '23', '24']) {
      server.value = value;
      server.temperature.changed();
      assert.equal(await next(), value);
    }
    await observation.return?.();
    await sim.run();

    await server.endpoint.close();
    server = startServer(sim, deriveContext(mirrored(parameters), { window: 'unverified' }), stores.server, 'second');
    const results = await Promise.all(['temperature', 'large', 'temperature'].map((path) => ask(path)));
    assert.deepEqual(
      results.map(({ code }) => code),
      [Code.Content, Code.Content, Code.Content],
    );
    await sim.run();
    const used = partialIvs(sim);
    assert.equal(new Set(used).size, used.length, 'no Partial IV protects two messages');
    for (const { layer } of [client, server]) assert.equal(layer.stats()['exchanges'], 0);
    await client.endpoint.close();
    await server.endpoint.close();
  });
}

for (const [what, code, isProtected, prepare] of [
  ['its context left', Code.Unauthorized, false, ({ contexts }) => contexts.remove([...contexts][0]!)],
  ['there is no number for a notification', Code.ServiceUnavailable, false, (_running, store) => (store.failing = true)],
  ['a notification cannot be encoded', Code.InternalServerError, true, (running) => (running.options = [{ number: 0x1_0000, value: utf8('') }])],
] as const satisfies readonly (readonly [string, number, boolean, (running: Running, store: FakeStore) => unknown])[]) {
  test(`RFC 7641 4.2: an observation that ends because ${what} leaves no observer behind`, async () => {
    const sim = new Simulator();
    const store = new FakeStore();
    const context = deriveContext(parameters);
    const client = startClient(sim, context, new FakeStore());
    const server = startServer(sim, deriveContext(mirrored(parameters)), store, 'server');
    const peer = await client.endpoint.resolve('10.0.0.1', 5683);
    const stream = client.endpoint.observe({ peer, association: context, options: pathOptions(['temperature']) });
    assert.equal((await sim.finish(stream.next())).value?.code, Code.Content);
    prepare(server, store);
    server.temperature.changed();
    const last = await sim.finish(stream.next());
    assert.deepEqual([last.value?.code, last.value?.association === context], [code, isProtected]);
    assert.equal(server.temperature.observers, 0);
    assert.equal(server.endpoint.stats()['observe.observers'], 0);
    await client.endpoint.close();
    await server.endpoint.close();
  });
}

test('a request that waits for a context which another process serves leaves no timer behind when nobody waits for its answer', async () => {
  const sim = new Simulator();
  const context = deriveContext(parameters);
  const contexts = new ContextTable();
  contexts.add(deriveContext(mirrored(parameters)));
  const env = sim.env('server');
  const leases = { claim: () => Promise.resolve({ until: env.epoch() + 25 }) };
  const layer = oscore({ contexts, store: new FakeStore(), env, leases });
  const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env, layers: [layer] });
  const client = startClient(sim, context, new FakeStore());
  const answer = client.endpoint.request({ peer: sim.peer('10.0.0.1', 5683), association: context });
  const failed = assert.rejects(answer, { code: 'ERR_COAP_CLOSED' });
  await sim.sleep(1000);
  assert.equal(layer.stats()['leaseRequests'], 1);
  await client.endpoint.close();
  await server.close();
  await failed;
  assert.deepEqual([layer.stats()['leaseRequests'], sim.pending], [0, 0]);
});
