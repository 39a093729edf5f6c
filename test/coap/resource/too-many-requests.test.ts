import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type BackOffOptions,
  backOff,
  Code,
  type Handler,
  Method,
  OptionNumber,
  type Request,
  Router,
  requestRate,
  TooManyRequestsError,
  tooManyRequests,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, association, Listener, peer, request, response, Wire } from '../harness.ts';

describe('RFC 8516 3: the server', () => {
  test('a resource function answers 4.29 with Max-Age, with or without problem details', () => {
    const router = new Router();
    router.resource('/a', { get: () => tooManyRequests(7) });
    router.resource('/b', { get: () => tooManyRequests(7, { title: 'slowly' }) });
    for (const [path, format] of [
      ['a', undefined],
      ['b', 257],
    ] as const) {
      const { last } = ask(router.handler, request(Method.GET, path));
      assert.equal(last.code, Code.TooManyRequests);
      assert.equal(uintOf(last.options, OptionNumber.MaxAge), 7);
      assert.equal(uintOf(last.options, OptionNumber.ContentFormat), format);
    }
  });

  const ok: Handler = (_request, reply) => reply.respond(response(Code.Content));

  test('only who asks too often hears it; Max-Age is the time until the next request; then silence', async () => {
    const sim = new Simulator();
    const layer = requestRate({ burst: 2, rate: 0.5 }, sim.env('x'));
    const handler = layer.inbound(ok);
    const codes = (from: Partial<Request>, count: number) => Array.from({ length: count }, () => ask(handler, request(Method.GET, 'a', from)).last);
    const first = codes({ peer: peer(1) }, 8);
    assert.deepEqual(
      first.map(({ code, suppress }) => (suppress ? 0 : code)),
      [Code.Content, Code.Content, 157, 157, 157, 157, 0, 0],
    );
    assert.equal(uintOf(first[2]!.options, OptionNumber.MaxAge), 2);
    // The same address on another port is the same client; an association is another one.
    assert.equal(codes({ peer: peer(2) }, 1)[0]!.suppress, true);
    assert.equal(codes({ peer: peer(1), association: association('a') }, 1)[0]!.code, Code.Content);
    assert.equal(codes({ peer: { key: 'y', address: 'y', port: 1 } }, 1)[0]!.code, Code.Content);
    await sim.sleep(2000);
    assert.deepEqual(
      codes({ peer: peer(1) }, 2).map(({ code, suppress }) => (suppress ? 0 : code)),
      [Code.Content, 157],
    );
    await sim.sleep(4000);
    assert.equal(layer.stats().clients, 0);
  });

  test('clients are bounded', () => {
    const layer = requestRate({ burst: 1, rate: 1, clients: 10 }, new Simulator().env('x'));
    const handler = layer.inbound(ok);
    for (let i = 0; i < 1000; i++) ask(handler, request(Method.GET, 'a', { peer: { key: `${i}`, address: `${i}`, port: 1 } }));
    assert.equal(layer.stats().clients, 10);
    assert.throws(() => requestRate({ burst: 0, rate: 1 }, new Simulator().env('x')), { code: 'ERR_COAP_PARAMETER' });
  });
});

/** A client behind the layer, and a server that answers as `handler` says. */
function clientOf(handler: Handler, options: BackOffOptions = {}) {
  const sim = new Simulator();
  const wire = new Wire(handler);
  const layer = backOff(options, sim.env('client'));
  const requester = layer.outbound(wire.requester);
  const send = (message: Request): Listener => {
    const listener = new Listener();
    requester(message, listener);
    return listener;
  };
  return { sim, wire, layer, send, requester };
}

describe('RFC 8516 4: the client', () => {
  const refuse: Handler = (_request, reply) =>
    reply.respond({ code: Code.TooManyRequests, options: [uintOption(OptionNumber.MaxAge, 10)], payload: emptyBytes });
  const get = request(Method.GET, 'a');

  test('a similar request before Max-Age is refused here, with the time that is left', async () => {
    const { sim, wire, layer, send } = clientOf(refuse);
    assert.equal(send(get).only.code, Code.TooManyRequests);
    await sim.sleep(4000);
    const early = send(get);
    await sim.sleep(0);
    const [error] = early.errors;
    assert.ok(error instanceof TooManyRequestsError && error.code === 'ERR_COAP_TOO_MANY_REQUESTS' && error.retryAfter === 6000);
    assert.equal(wire.requests.length, 1);
    await sim.sleep(6000);
    assert.equal(layer.stats().periods, 0);
    send(get);
    assert.equal(wire.requests.length, 2);
  });

  test('another method, path, query or server is not similar', async () => {
    const { wire, send } = clientOf(refuse);
    send(get);
    const query = [{ number: OptionNumber.UriQuery, value: Uint8Array.of(1) }];
    for (const other of [
      request(Method.POST, 'a'),
      request(Method.GET, 'b'),
      request(Method.GET, 'a', { options: query }),
      request(Method.GET, 'a', { peer: peer(9) }),
    ])
      send(other);
    assert.equal(wire.requests.length, 5);
    // Other options do not matter.
    send(request(Method.GET, 'a', { options: [uintOption(OptionNumber.Accept, 0)] }));
    assert.equal(wire.requests.length, 5);
  });

  test('without Max-Age it is 60 seconds; more than the longest is not believed', async () => {
    const { sim, wire, send } = clientOf((_request, reply) => reply.respond(response(Code.TooManyRequests)));
    send(get);
    await sim.sleep(59_999);
    send(get);
    assert.equal(wire.requests.length, 1);
    await sim.sleep(1);
    send(get);
    assert.equal(wire.requests.length, 2);
    const bounded = clientOf(
      (_request, reply) => reply.respond({ code: Code.TooManyRequests, options: [uintOption(OptionNumber.MaxAge, 0xffff_ffff)], payload: emptyBytes }),
      {
        longest: 1000,
      },
    );
    bounded.send(get);
    await bounded.sim.sleep(1000);
    bounded.send(get);
    assert.equal(bounded.wire.requests.length, 2);
  });

  test('or it waits, and can be cancelled; who waits is bounded', async () => {
    let calm = false;
    const { sim, wire, layer, send, requester } = clientOf((message, reply) => (calm ? reply.respond(response(Code.Content)) : refuse(message, reply)), {
      early: 'wait',
      waiting: 2,
    });
    send(get);
    calm = true;
    const waits = send(get);
    const cancel = requester(get, new Listener());
    const over = send(get);
    assert.deepEqual(layer.stats(), { periods: 1, waiting: 2 });
    cancel();
    cancel();
    await sim.sleep(10_000);
    assert.equal(over.errors[0]!.code, 'ERR_COAP_TOO_MANY_REQUESTS');
    assert.equal(waits.only.code, Code.Content);
    assert.equal(wire.requests.length, 2);
    assert.deepEqual(layer.stats(), { periods: 0, waiting: 0 });
  });

  test('5: what nothing protects is not believed about a protected request', () => {
    const { wire, layer, send } = clientOf(refuse);
    const forged = layer.outbound((_request, listener) => {
      listener.response(response(Code.TooManyRequests), true);
      return () => {};
    });
    const safe = request(Method.GET, 'a', { association: association('a') });
    forged(safe, new Listener());
    assert.equal(layer.stats().periods, 0);
    send(safe);
    assert.equal(layer.stats().periods, 1);
    assert.equal(wire.requests.length, 1);
  });

  test('periods are bounded', () => {
    const { layer, send } = clientOf(refuse, { entries: 5 });
    for (let i = 0; i < 50; i++) send(request(Method.GET, `a${i}`));
    assert.equal(layer.stats().periods, 5);
  });
});
