import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { echo, type Freshness } from '../../../src/coap/echo/layer.ts';
import { EchoCounter, type EchoMethod, EchoRandomValues, EchoTimestamps } from '../../../src/coap/echo/value.ts';
import type { Request } from '../../../src/coap/layer.ts';
import { Code, Method } from '../../../src/coap/message/code.ts';
import { OptionNumber, opaqueOption, optionDefinition } from '../../../src/coap/message/option.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, association, option, peer, request, response } from '../harness.ts';

const x = { peer: peer(1), association: association('x') };
const y = { peer: peer(1), association: association('y') };
const plain = { peer: peer(1) };

/** The lock of Section 2.3 behind a freshness layer: the handler may say what happens when it moves. */
function lock(sim: Simulator, fields: Omit<Freshness, 'required'>, moved: () => void = () => {}) {
  const layer = echo({ freshness: { required: (message) => message.code !== Method.GET, ...fields } }, sim.env());
  let moves = 0;
  const handler = layer.inbound((_message, reply) => {
    moves++;
    moved();
    reply.respond(response(Code.Changed));
  });
  const put = (value?: string, more: Partial<Request> = x) => {
    const options = value === undefined ? [] : [opaqueOption(OptionNumber.Echo, fromHex(value))];
    const answer = ask(handler, request(Method.PUT, 'lock', { options, payload: Uint8Array.of(0x30), ...more })).last;
    return [answer.code, option(answer, OptionNumber.Echo)] as const;
  };
  return { layer, put, moves: () => moves };
}

describe('RFC 9175 2.3: the figures', () => {
  test('time-based freshness: a T that changes holds for values that were made before too', async () => {
    const sim = new Simulator();
    let window = 5000;
    const { put } = lock(sim, { window: () => window });
    const [, value] = put();
    await sim.sleep(2000);
    assert.equal(put(value)[0], Code.Changed);
    window = 1000;
    assert.equal(put(value)[0], Code.Unauthorized);
  });

  test('time-based freshness: t1 - t0 < T', async () => {
    const sim = new Simulator();
    const { put, moves } = lock(sim, { window: 5000 });
    const [code, value] = put();
    assert.deepEqual([code, moves()], [Code.Unauthorized, 0]);
    assert.equal(value?.length, 24);
    await sim.sleep(1000);
    assert.deepEqual(put(value), [Code.Changed, undefined]);
    assert.equal(moves(), 1);
  });

  test('event-based freshness: the number of operations on the lock, and a preemptive value for the next', () => {
    const sim = new Simulator();
    let count = 5;
    const counter = { read: () => count, increment: () => count++ };
    const method = new EchoCounter(sim.env(), counter);
    const { put } = lock(sim, { method, preemptive: true }, () => method.event());
    assert.deepEqual(put(), [Code.Unauthorized, '05']);
    assert.deepEqual(put('05'), [Code.Changed, '06']);
    assert.deepEqual(put('05'), [Code.Unauthorized, '06']);
    assert.deepEqual(put('06'), [Code.Changed, '07']);
  });
});

describe('RFC 9175 2.2.1: the option', () => {
  test('252 is elective, safe to forward, no part of the cache key, not repeatable, 1 to 40 bytes', () => {
    const definition = optionDefinition(OptionNumber.Echo);
    assert.equal(OptionNumber.Echo & 1, 0);
    assert.equal(OptionNumber.Echo & 2, 0);
    assert.equal(OptionNumber.Echo & 0x1e, 0x1c);
    assert.deepEqual([definition?.repeatable, definition?.min, definition?.max], [false, 1, 40]);
  });

  test('every method gives values of 1 to 40 bytes', () => {
    const env = new Simulator().env();
    const counters = [0, 1, 255, 256, 2 ** 40].map((count) => new EchoCounter(env, { read: () => count, increment: () => {} }));
    for (const method of [new EchoTimestamps(env, 1000), new EchoRandomValues(env, { window: 1000 }), new EchoCounter(env), ...counters]) {
      const { length } = method.issue(x)!;
      assert.ok(length >= 1 && length <= 40);
    }
  });
});

describe('RFC 9175 Appendix A', () => {
  const methods: readonly [string, (sim: Simulator) => EchoMethod][] = [
    ['1, cached random values', (sim) => new EchoRandomValues(sim.env('a'), { window: 1000 })],
    ['2, integrity protected timestamps', (sim) => new EchoTimestamps(sim.env('a'), 1000)],
    ['3, persistent counter', (sim) => new EchoCounter(sim.env('a'))],
  ];

  for (const [name, make] of methods) {
    test(`item ${name}: a value shows freshness until an event; one of anybody else never does`, async () => {
      const sim = new Simulator();
      const method = make(sim);
      const value = method.issue(x)!;
      assert.ok(method.verify(value, x));
      assert.ok(method.verify(value, x), 'in several requests');
      for (let i = 0; i < value.length; i++) {
        const altered = value.slice();
        altered[i]! ^= 1;
        assert.equal(method.verify(altered, x), false);
      }
      assert.equal(method.verify(value.subarray(1), x), false);
      assert.equal(method.verify(new Uint8Array(0), x), false);
      method.event();
      assert.equal(method.verify(value, x), false);
      await sim.sleep(1);
      assert.ok(method.verify(method.issue(x)!, x));
      method.close();
      assert.equal(sim.pending, 0);
    });
  }

  test('items 1 and 2: a value is good for the endpoint that it was given to, and for the window', async () => {
    for (const [, make] of methods.slice(0, 2)) {
      const sim = new Simulator();
      const method = make(sim);
      const value = method.issue(x)!;
      assert.deepEqual([method.verify(value, y), method.verify(value, plain)], [false, false]);
      await sim.sleep(600);
      assert.ok(method.verify(value, x));
      await sim.sleep(399);
      assert.ok(method.verify(value, x), 'a look does not shorten it');
      await sim.sleep(1);
      assert.equal(method.verify(value, x), false, 'nor lengthen it');
    }
  });

  test('item 1: random values of 72 bits, bounded, of one endpoint too; gone with their window', async () => {
    const sim = new Simulator();
    const method = new EchoRandomValues(sim.env(), { window: 1000, entries: 64 });
    const first = method.issue(x);
    assert.equal(first.length, 9);
    for (let i = 0; i < 100; i++) method.issue(y);
    assert.equal(method.size, 5);
    assert.ok(method.verify(first, x), 'who asks for many takes nobody else the place');
    for (let i = 0; i < 1000; i++) method.issue({ peer: peer(i) });
    assert.equal(method.size, 64);
    await sim.sleep(1001);
    assert.deepEqual([method.size, sim.pending], [0, 0]);
  });

  test('2.5.1: an event whenever a value is used makes it single-use', () => {
    const method = new EchoRandomValues(new Simulator().env(), { window: 1000, once: true });
    const value = method.issue(x);
    assert.deepEqual([method.verify(value, y), method.verify(value, x), method.verify(value, x)], [false, true, false]);
  });

  test('item 2: another process has another key, and the timestamp does not tell how long the process runs', () => {
    const sim = new Simulator();
    const [a, b] = [new EchoTimestamps(sim.env('a'), 1000), new EchoTimestamps(sim.env('b'), 1000)];
    const value = a.issue(x);
    assert.equal(b.verify(value, x), false);
    assert.notEqual(toHex(value.subarray(0, 4)), '00000000');
    assert.notEqual(toHex(value.subarray(0, 4)), toHex(b.issue(x).subarray(0, 4)));
  });

  test('item 2: used for reachability, the MAC covers the address', () => {
    const method = new EchoTimestamps(new Simulator().env(), 1000);
    const value = method.issue({ peer: peer(1) });
    assert.deepEqual([method.verify(value, { peer: peer(1) }), method.verify(value, { peer: peer(2) })], [true, false]);
  });

  test('item 3 and 5: a value that can be guessed is neither given nor taken without protection', () => {
    const sim = new Simulator();
    const method = new EchoCounter(sim.env(), { read: () => 7, increment: () => {} });
    const { put, moves } = lock(sim, { method });
    assert.deepEqual(put(undefined, plain), [Code.Unauthorized, undefined]);
    assert.deepEqual(put('07', plain), [Code.Unauthorized, undefined]);
    assert.equal(moves(), 0);
    assert.deepEqual(put('07'), [Code.Changed, undefined]);
  });

  test('item 3: without a counter of the application, values of an earlier process do not hold', () => {
    const sim = new Simulator();
    const value = new EchoCounter(sim.env('a')).issue(x)!;
    assert.equal(new EchoCounter(sim.env('b')).verify(value, x), false);
  });

  test('5: the server rejects what it gave before its clock began anew', async () => {
    const sim = new Simulator();
    const value = new EchoTimestamps(sim.env('a'), 1000).issue(x);
    // A process that starts anew: the same clock, other randomness.
    assert.equal(new EchoTimestamps(sim.env('a again'), 1000).verify(value, x), false);
  });
});

test('RFC 9175 2.4, item 1: a client that sends several requests in a row is given a value with each success', async () => {
  const sim = new Simulator();
  const { put, moves } = lock(sim, { window: 1000, preemptive: true });
  let [, value] = put();
  for (let i = 0; i < 10; i++) {
    await sim.sleep(900);
    const answer = put(value);
    assert.equal(answer[0], Code.Changed);
    value = answer[1];
  }
  assert.equal(moves(), 10);
});
