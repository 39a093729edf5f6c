import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Code,
  Endpoint,
  type EndpointOptions,
  Method,
  OptionNumber,
  type Peer,
  pathOptions,
  type Reply,
  type Response,
  Router,
  uintOf,
} from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { SeededRandom } from '../support/random.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { repeat } from '../support/scale.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';

const content: Response = { code: Code.Content, options: [], payload: utf8('ok') };

function pair(network: SimulatorOptions = {}, server: Omit<EndpointOptions, 'transport'> = {}, client: Omit<EndpointOptions, 'transport'> = {}) {
  const sim = new Simulator(network);
  const a = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), ...server });
  const b = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), ...client });
  const peer: Peer = sim.peer('10.0.0.1', 5683);
  const isEmpty = async (): Promise<void> => {
    await sim.run();
    for (const endpoint of [a, b]) {
      assert.deepEqual(
        Object.entries(endpoint.stats()).filter(([, count]) => count !== 0),
        [],
      );
    }
    assert.equal(sim.pending, 0);
  };
  return { sim, server: a, client: b, peer, isEmpty };
}

test('a request and its response; without a code it is a GET', async () => {
  let method = 0;
  const { sim, client, peer, isEmpty } = pair(
    {},
    {
      handler: (request, reply) => {
        method = request.code;
        reply.respond(content);
      },
    },
  );
  const response = await sim.finish(client.request({ peer, options: pathOptions(['a']) }));
  assert.equal(method, Method.GET);
  assert.deepEqual([response.code, fromUtf8(response.payload), response.peer?.key], [Code.Content, 'ok', peer.key]);
  assert.equal(sim.wire.length, 2);
  assert.equal(sim.now, 20);
  await isEmpty();
});

test('RFC 7252 4.5: at most once under loss, duplication and reordering: every POST has one effect', async () => {
  const totals = await repeat('coap-at-most-once', { quick: 50, full: 2000 }, async (seed) => {
    const random = new SeededRandom(seed);
    const effects = new Map<string, number>();
    const handle = (name: string, reply: Reply): void => {
      effects.set(name, (effects.get(name) ?? 0) + 1);
      reply.respond({ ...content, code: Code.Changed, payload: utf8(name) });
    };
    const network = { seed, loss: 0.25, duplication: 0.25, delay: [5, 400], reorder: 0.1 } as const;
    const { sim, client, peer, server, isEmpty } = pair(network, {
      handler: (request, reply) => {
        const name = fromUtf8(request.payload);
        // Some answers come late enough to travel separately.
        const delay = random.pick([0, 0, 200, 1500]);
        if (delay === 0) handle(name, reply);
        else env.schedule(delay, () => handle(name, reply));
      },
    });
    const env = sim.env();
    const outcomes = await sim.finish(
      Promise.allSettled(
        Array.from({ length: 20 }, (_, i) =>
          client.request({ peer, code: Method.POST, payload: utf8(`${i}`), nonConfirmable: i % 5 === 4 }, { timeout: 600_000 }),
        ),
      ),
    );
    let answered = 0;
    for (const [i, outcome] of outcomes.entries()) {
      const count = effects.get(`${i}`) ?? 0;
      assert.ok(count <= 1, `seed ${seed}: POST ${i} had ${count} effects`);
      if (outcome.status === 'fulfilled') {
        answered++;
        assert.equal(count, 1);
        assert.equal(fromUtf8(outcome.value.payload), `${i}`, `seed ${seed}: the response to another request`);
      }
    }
    assert.equal(server.stats()['requests'], 0);
    await isEmpty();
    return { answered };
  });
  // 16 Confirmable ones of 20 hardly ever fail at this loss.
  assert.ok(totals['answered']! > 50 * 14, JSON.stringify(totals));
});

test('the same seed gives the same datagrams at the same times', async () => {
  const trace = async (): Promise<string> => {
    const { sim, client, peer } = pair({ seed: 42, loss: 0.2, duplication: 0.2, delay: [1, 300] }, { handler: (_request, reply) => reply.respond(content) });
    await sim.finish(Promise.allSettled(Array.from({ length: 10 }, () => client.request({ peer }))));
    return JSON.stringify(sim.wire.map(({ time, from, datagram, arrivals }) => [time, from, [...datagram], arrivals]));
  };
  assert.equal(await trace(), await trace());
});

test('timeout: ERR_COAP_TIMEOUT, and no retransmission after it', async () => {
  const { sim, client, peer, isEmpty } = pair({ loss: 1 });
  await assert.rejects(sim.finish(client.request({ peer }, { timeout: 1000 })), { code: 'ERR_COAP_TIMEOUT' });
  assert.equal(sim.now, 1000);
  await isEmpty();
  assert.equal(sim.wire.length, 1);
});

test('without a timeout the message layer decides', async () => {
  const { sim, client, peer, isEmpty } = pair({ loss: 1 });
  await assert.rejects(sim.finish(client.request({ peer })), { code: 'ERR_COAP_TIMEOUT' });
  assert.ok(sim.now >= 62_000 && sim.now <= 93_010);
  assert.equal(sim.wire.length, 5);
  await isEmpty();
});

test('abort: ERR_COAP_ABORTED with the reason as cause', async () => {
  const { sim, client, peer, isEmpty } = pair({ loss: 1 });
  const controller = new AbortController();
  const promise = client.request({ peer }, { signal: controller.signal });
  await sim.sleep(2500);
  controller.abort('enough');
  await assert.rejects(promise, { code: 'ERR_COAP_ABORTED', cause: 'enough' });
  await assert.rejects(client.request({ peer }, { signal: controller.signal }), { code: 'ERR_COAP_ABORTED' });
  await isEmpty();
});

test('RFC 7252 4.3: ping is answered by a Reset; silence is a timeout', async () => {
  const { sim, client, peer, isEmpty } = pair();
  await sim.finish(client.ping(peer));
  await assert.rejects(sim.finish(client.ping(sim.peer('10.9.9.9', 1), { timeout: 500 })), { code: 'ERR_COAP_TIMEOUT' });
  await isEmpty();
});

test('close: outstanding requests, observations and pings fail with ERR_COAP_CLOSED, later ones too', async () => {
  const { sim, client, peer } = pair({ loss: 1 });
  const outcomes = [client.request({ peer }), client.request({ peer }), client.ping(peer), client.observe({ peer }).next()].map((promise) =>
    promise.then(
      () => 'fulfilled',
      (error: { code: string }) => error.code,
    ),
  );
  await sim.sleep(1000);
  const sent = sim.wire.length;
  const closed = client.close();
  assert.equal(client.close(), closed);
  await sim.finish(closed);
  assert.deepEqual(await Promise.all(outcomes), Array(4).fill('ERR_COAP_CLOSED'));
  await assert.rejects(client.request({ peer }), { code: 'ERR_COAP_CLOSED' });
  await assert.rejects(client.ping(peer), { code: 'ERR_COAP_CLOSED' });
  await assert.rejects(client.observe({ peer }).next(), { code: 'ERR_COAP_CLOSED' });
  await sim.run();
  assert.equal(sim.wire.length, sent);
  assert.equal(sim.pending, 0);
});

test('layers stand between block-wise transfer and tokens, application side first', async () => {
  const order: string[] = [];
  const layer = (name: string) => ({
    name,
    outbound:
      (next: Endpoint['requester']): Endpoint['requester'] =>
      (request, listener) => {
        order.push(`out ${name}`);
        return next(request, listener);
      },
    inbound:
      (next: NonNullable<EndpointOptions['handler']>): NonNullable<EndpointOptions['handler']> =>
      (request, reply) => {
        order.push(`in ${name}`);
        next(request, reply);
      },
  });
  const layers = [layer('guard'), layer('oscore')];
  const { sim, client, peer } = pair({}, { layers, handler: (_request, reply) => reply.respond(content) }, { layers });
  await sim.finish(client.request({ peer }));
  assert.deepEqual(order, ['out guard', 'out oscore', 'in oscore', 'in guard']);
  order.length = 0;
  // Each block passes the layers.
  await sim.finish(client.request({ peer, code: Method.PUT, payload: new Uint8Array(2000) }));
  assert.deepEqual(order, ['out guard', 'out oscore', 'in oscore', 'in guard', 'out guard', 'out oscore', 'in oscore', 'in guard']);
});

function observable() {
  const router = new Router();
  let value = 0;
  const handle = router.resource('/value', { get: () => String(value), observable: true });
  const set = (next: number): void => {
    value = next;
    handle.changed();
  };
  return { router, handle, set };
}

test('RFC 7641: observe yields the answer to the registration, then each notification; leaving the loop deregisters', async () => {
  const { router, handle, set } = observable();
  const { sim, client, peer, isEmpty } = pair({}, { handler: router.handler });
  const seen: string[] = [];
  const loop = (async () => {
    for await (const response of client.observe({ peer, options: pathOptions(['value']) })) {
      seen.push(fromUtf8(response.payload));
      assert.notEqual(uintOf(response.options, OptionNumber.Observe), undefined);
      if (seen.length === 3) break;
    }
  })();
  await sim.run(() => seen.length === 1);
  assert.equal(handle.observers, 1);
  set(1);
  await sim.run(() => seen.length === 2);
  set(2);
  await sim.finish(loop);
  assert.deepEqual(seen, ['0', '1', '2']);
  await sim.sleep(100);
  assert.equal(handle.observers, 0);
  // RFC 7641 §3.6: the deregistration carries the token of the registration.
  const requests = sim.wire.filter(({ from, datagram }) => from === '10.0.0.2:5683' && datagram[1] === Method.GET).map(({ datagram }) => datagram);
  assert.equal(requests.length, 2);
  const token = (datagram: Uint8Array): Uint8Array => datagram.subarray(4, 4 + (datagram[0]! & 15));
  assert.deepEqual(token(requests[0]!), token(requests[1]!));
  await isEmpty();
});

test('RFC 7641 2: a server that does not accept the registration answers once', async () => {
  const { sim, client, peer, isEmpty } = pair({}, { handler: (_request, reply) => reply.respond(content) });
  const stream = client.observe({ peer });
  assert.equal((await sim.finish(stream.next())).value?.code, Code.Content);
  assert.deepEqual(await sim.finish(stream.next()), { done: true, value: undefined });
  await isEmpty();
});

test('observe: abort deregisters and ends the loop with ERR_COAP_ABORTED', async () => {
  const { router, handle } = observable();
  const { sim, client, peer, isEmpty } = pair({}, { handler: router.handler });
  const controller = new AbortController();
  const stream = client.observe({ peer, options: pathOptions(['value']) }, { signal: controller.signal });
  await sim.finish(stream.next());
  const next = stream.next();
  controller.abort();
  await assert.rejects(sim.finish(next), { code: 'ERR_COAP_ABORTED' });
  await sim.sleep(100);
  assert.equal(handle.observers, 0);
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
  await isEmpty();
});

test('observe: a failing registration is an error of the loop', async () => {
  const { sim, client, peer, isEmpty } = pair({ loss: 1 });
  await assert.rejects(sim.finish(client.observe({ peer }).next()), { code: 'ERR_COAP_TIMEOUT' });
  await isEmpty();
});

test('observe: what a slow consumer has not taken is bounded, the newest stays', async () => {
  const { router, set } = observable();
  const { sim, client, peer } = pair({}, { handler: router.handler }, { limits: { notifications: 3 } });
  const stream = client.observe({ peer, options: pathOptions(['value']) });
  await sim.sleep(100);
  for (let i = 1; i <= 10; i++) {
    set(i);
    await sim.sleep(100);
  }
  const taken: string[] = [];
  for (let i = 0; i < 4; i++) taken.push(fromUtf8((await stream.next()).value!.payload));
  assert.deepEqual(taken, ['0', '8', '9', '10']);
  await stream.return?.();
});

test('RFC 7641 3.6: a client that has forgotten an observation rejects its notifications', async () => {
  const { router, handle, set } = observable();
  const { sim, client, peer } = pair({}, { handler: router.handler });
  const cancel = client.requester(
    { code: Method.GET, options: [{ number: OptionNumber.Observe, value: new Uint8Array(0) }, ...pathOptions(['value'])], payload: new Uint8Array(0), peer },
    { response: () => {}, error: () => {} },
  );
  await sim.sleep(100);
  assert.equal(handle.observers, 1);
  sim.filter = ({ datagram }) => datagram[1] !== Method.GET;
  cancel();
  set(1);
  await sim.sleep(100);
  assert.equal(handle.observers, 0);
});

test('many peers come and go: nothing of them is left', async () => {
  const sim = new Simulator({ seed: 2 });
  const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler: (_request, reply) => reply.respond(content) });
  const here = sim.peer('10.0.0.1', 5683);
  for (let i = 0; i < 200; i++) new RawPeer(sim, `10.1.0.${i}`, here).send(i % 2 === 0 ? '4101 1234 aa' : '5101 1234 aa');
  await sim.sleep(100);
  assert.equal(server.stats()['peers'], 200);
  await sim.run();
  assert.deepEqual(new Set(Object.values(server.stats())), new Set([0]));
  assert.ok(sim.now < 300_000);
});

test('whatever comes in: nothing throws, and nothing is left of it', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const { router, set } = observable();
    const { sim, client, peer, isEmpty } = pair({ seed }, { handler: router.handler });
    const stream = client.observe({ peer, options: pathOptions(['value']) });
    await sim.finish(stream.next());
    for (let i = 0; i < 300; i++) {
      const known = random.pick(sim.wire).datagram.slice();
      // Flips keep most of the shape; random bytes with a good first byte reach the option parser.
      const datagram = random.chance(0.7) ? known : random.bytes(random.below(40));
      if (datagram.length > 0) datagram[random.below(datagram.length)] = random.below(256);
      if (datagram.length > 0 && random.chance(0.5)) datagram[0] = 0x40 | (datagram[0]! & 0x3f);
      const [from, to] = random.pick([
        ['10.0.0.1:5683', '10.0.0.2:5683'],
        ['10.0.0.2:5683', '10.0.0.1:5683'],
        ['10.0.0.3:1', '10.0.0.1:5683'],
      ] as const);
      sim.inject(datagram, from, to);
      if (random.chance(0.1)) set(i);
      if (random.chance(0.2)) await sim.sleep(random.below(1000));
    }
    await sim.finish(stream.return!());
    await sim.sleep(1000);
    // A forged cancellation may have ended it on one side only; the next change tells the other.
    set(-1);
    await isEmpty();
  }
});

test('requests under way are bounded: ERR_COAP_BUSY beyond', async () => {
  const { sim, client, peer } = pair({ loss: 1 }, {}, { limits: { requests: 2 } });
  const outcomes = [1, 2, 3].map(() => client.request({ peer }, { timeout: 1000 }).catch((error: { code: string }) => error.code));
  assert.deepEqual(await sim.finish(Promise.all(outcomes)), ['ERR_COAP_TIMEOUT', 'ERR_COAP_TIMEOUT', 'ERR_COAP_BUSY']);
});
