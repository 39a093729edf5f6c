import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CoapError,
  Code,
  Endpoint,
  type EndpointOptions,
  type Layer,
  Method,
  type Peer,
  pathOptions,
  type Reply,
  type Request,
  Router,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';

/** Chunks of 4,096 ids: all but the one that was begun first and the one that is kept for what has begun. */
const withoutReserve = 14 * 4096;
const lifetime = 247_000;
const client = '10.0.0.2';

/** A client, and a server that tells where requests came from. */
function network(sources: number, options: Partial<EndpointOptions> = {}, clientOptions: Partial<EndpointOptions> = {}) {
  const sim = new Simulator({ seed: 3, delay: 1, record: false });
  const served: Request[] = [];
  const server = new Endpoint({
    transport: sim.transport('10.0.0.1', 5683),
    env: sim.env('server'),
    handler: (request, reply) => {
      served.push(request);
      reply.respond({ code: Code.Content, options: [], payload: utf8(request.peer.key) });
    },
    ...options,
  });
  const endpoint = new Endpoint({ transport: sim.transport(client, 5683, sources), env: sim.env('client'), ...clientOptions });
  const peer = sim.peer('10.0.0.1', 5683);
  return { sim, server, endpoint, peer, served, from: () => served.map(({ peer: { port } }) => port) };
}

/** A layer that shows requests as they come in. */
function passing(look: (request: Request) => void): Layer {
  return {
    name: 'look',
    outbound: (next) => next,
    inbound: (next) => (request, reply) => {
      look(request);
      next(request, reply);
    },
  };
}

/** Take so many message ids for a peer, with messages that get lost. */
function take(sim: Simulator, endpoint: Endpoint, peer: Peer, count: number): void {
  sim.filter = () => false;
  // Messages of a robust transfer wait for no others.
  const message: Request = { code: Method.GET, options: [], payload: emptyBytes, peer, nonConfirmable: true, qBlock: true };
  for (let i = 0; i < count; i++) endpoint.requester(message, { response: () => {}, error: () => {} })();
  sim.filter = undefined;
}

test('RFC 7252 4.4: as message ids run short, operations leave from another source port, and from the first again a lifetime later', async () => {
  const { sim, endpoint, peer, from } = network(16);
  const ask = () => sim.finish(endpoint.request({ peer }));
  assert.equal((await ask()).peer?.key, peer.key);
  take(sim, endpoint, peer, withoutReserve + 4096);
  const response = await ask();
  assert.deepEqual(from(), [5683, 40_001]);
  assert.equal(response.peer?.key, peer.key, 'who asks sees one peer');
  assert.equal(endpoint.stats()['sources'], 1);
  take(sim, endpoint, peer, withoutReserve + 4096);
  await ask();
  assert.deepEqual(from(), [5683, 40_001, 40_002]);
  await sim.sleep(lifetime + 1);
  await ask();
  assert.deepEqual(from(), [5683, 40_001, 40_002, 40_002]);
  await sim.sleep(2 * lifetime);
  const { sources, peers, deadlines } = endpoint.stats();
  assert.deepEqual({ sources, peers, deadlines }, { sources: 0, peers: 0, deadlines: 0 }, 'what is not used is closed');
  await ask();
  assert.equal(from().at(-1), 5683);
});

test('RFC 7252 4.4: another peer has ids of its own, from the first source port', async () => {
  const { sim, endpoint, peer } = network(16);
  take(sim, endpoint, peer, withoutReserve + 4096);
  const other = network(1).sim.peer('10.0.0.7', 5683);
  const seen: string[] = [];
  sim.filter = ({ from, to }) => {
    if (to === '10.0.0.7:5683') seen.push(from);
    return false;
  };
  endpoint.requester({ code: Method.GET, options: [], payload: emptyBytes, peer: other }, { response: () => {}, error: () => {} });
  assert.deepEqual(seen, [`${client}:5683`]);
});

test('with all source ports short of ids, what is left goes out, and then requests fail at once with ERR_COAP_BUSY, until ids are free', async () => {
  const { sim, endpoint, peer, from } = network(2);
  take(sim, endpoint, peer, 2 * (withoutReserve + 4096));
  await sim.finish(endpoint.request({ peer }));
  assert.deepEqual(from(), [5683]);
  let busy = 0;
  let said = '';
  for (let i = 0; i < 3 * 4096; i++) {
    sim.filter = () => false;
    endpoint.requester(
      { code: Method.GET, options: [], payload: emptyBytes, peer, nonConfirmable: true, qBlock: true },
      {
        response: () => {},
        error: (error) => {
          busy++;
          said = `${error.code}: ${error.message}`;
        },
      },
    );
    sim.filter = undefined;
  }
  sim.rush(1);
  assert.ok(busy >= 4096 && busy < 3 * 4096, String(busy));
  assert.equal(said, 'ERR_COAP_BUSY: expected a message id for 10.0.0.1 port 5683 that was not used for 247 s, got none');
  await assert.rejects(sim.finish(endpoint.request({ peer })), (error) => error instanceof CoapError && error.code === 'ERR_COAP_BUSY');
  await sim.sleep(lifetime);
  assert.equal((await sim.finish(endpoint.request({ peer }))).code, Code.Content);
});

test('with one source port a peer is sent what its ids allow', async () => {
  const { sim, endpoint, peer } = network(1);
  take(sim, endpoint, peer, 0x1_0000);
  await assert.rejects(sim.finish(endpoint.request({ peer })), { code: 'ERR_COAP_BUSY' });
});

test('RFC 7252 4.7: NSTART counts what is outstanding from all source ports', async () => {
  const held: { readonly reply: Reply; readonly port: number }[] = [];
  const handler: EndpointOptions['handler'] = ({ peer: { port } }, reply) => held.push({ reply, port });
  const { sim, endpoint, peer } = network(16, { handler, parameters: { ackDelay: 60_000 } });
  const answers = [endpoint.request({ peer })];
  await sim.sleep(10);
  take(sim, endpoint, peer, withoutReserve + 4096);
  answers.push(endpoint.request({ peer }), endpoint.request({ peer }));
  await sim.sleep(10);
  assert.equal(endpoint.stats()['sources'], 1);
  assert.equal(endpoint.stats()['queued'], 2);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual([held.length, endpoint.stats()['outstanding']], [i + 1, 1]);
    held[i]!.reply.respond({ code: Code.Content, options: [], payload: emptyBytes });
    await sim.finish(answers[i]!);
    await sim.sleep(10);
  }
  assert.deepEqual(
    held.map(({ port }) => port),
    [5683, 40_001, 40_001],
  );
});

test('RFC 7959 2.4 and 2.5: the blocks of a body leave from the source port where its transfer began', async () => {
  const resource = new Router({});
  const bodies: number[] = [];
  const ports: number[] = [];
  resource.resource('/big', { get: () => ({ payload: new Uint8Array(5000) }), put: ({ payload }) => void bodies.push(payload.length) });
  const { sim, endpoint, peer } = network(16, {
    handler: (request, reply) => resource.handler(request, reply),
    layers: [passing((request) => ports.push(request.peer.port))],
  });
  const options = pathOptions(['big']);
  take(sim, endpoint, peer, withoutReserve - 4096);
  const sent = endpoint.request({ peer, code: Method.PUT, options, payload: new Uint8Array(4000) });
  await sim.run(() => ports.length === 2);
  take(sim, endpoint, peer, 2 * 4096);
  assert.equal((await sim.finish(sent)).code, Code.Changed);
  assert.equal((await sim.finish(endpoint.request({ peer, options }))).payload.length, 5000);
  assert.deepEqual(bodies, [4000]);
  // RFC 9175 §2.4: an endpoint that is new to the server is asked for an Echo first.
  assert.deepEqual(ports, [5683, 5683, 5683, 5683, 40_001, 40_001, 40_001, 40_001, 40_001, 40_001]);
});

test('RFC 7641 3.6: an observation stays where it began, which is open as long as it lasts, and is cancelled from there', async () => {
  const resource = new Router({});
  let value = 0;
  const clock = resource.resource('/clock', { get: () => String(value), observable: true });
  const { sim, endpoint, peer } = network(16, { handler: (request, reply) => resource.handler(request, reply) });
  take(sim, endpoint, peer, withoutReserve + 4096);
  const seen = endpoint.observe({ peer, options: pathOptions(['clock']) });
  let latest = '';
  const listening = (async () => {
    for await (const { payload } of seen) latest = fromUtf8(payload);
  })();
  for (let hour = 0; hour < 3; hour++) {
    await sim.sleep(3_600_000);
    value++;
    clock.changed();
    await sim.sleep(1000);
    assert.deepEqual([latest, clock.observers, endpoint.stats()['sources']], [String(value), 1, 1]);
  }
  await seen.return?.();
  await listening;
  await sim.sleep(2 * lifetime);
  assert.deepEqual([clock.observers, endpoint.stats()['sources']], [0, 0]);
});

test('RFC 8974 3: a stateless request is answered to the source port that it left from', async () => {
  const states: string[] = [];
  const { sim, endpoint, peer, from } = network(
    16,
    { extendedTokens: {} },
    { extendedTokens: {}, stateless: { supported: true, response: (_response, state) => states.push(fromUtf8(state)) } },
  );
  take(sim, endpoint, peer, withoutReserve + 4096);
  endpoint.requestStateless({ peer }, utf8('state'));
  await sim.sleep(10);
  assert.deepEqual([from(), states], [[40_001], ['state']]);
});
