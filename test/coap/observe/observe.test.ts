import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoapError } from '../../../src/coap/errors.ts';
import type { Handler, Reply, Request } from '../../../src/coap/layer.ts';
import { Code, Method } from '../../../src/coap/message/code.ts';
import { OptionNumber, opaqueOption, stringOption, uintOption } from '../../../src/coap/message/option.ts';
import { observe } from '../../../src/coap/observe/layer.ts';
import type { ObserveOptions } from '../../../src/coap/observe/limits.ts';
import { isNewer } from '../../../src/coap/observe/reordering.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, association, block2, brief, Listener, option, peer, request, response, text, Wire } from '../harness.ts';

const register = uintOption(OptionNumber.Observe, 0);
const numbered = (n: number) => uintOption(OptionNumber.Observe, n);
const maxAge = (seconds: number) => uintOption(OptionNumber.MaxAge, seconds);
const content = (payload: string, ...options: ReturnType<typeof numbered>[]) => response(Code.Content, payload, options);
const get = (fields: Partial<Request> = {}) => request(Method.GET, 't', { ...fields, options: [register, ...(fields.options ?? [])] });

function client(handler: Handler) {
  const sim = new Simulator();
  const layer = observe({}, sim.env());
  const wire = new Wire(handler);
  const requester = layer.outbound(wire.requester);
  const watch = (message: Request) => {
    const listener = new Listener();
    const cancel = requester(message, listener);
    return { listener, cancel };
  };
  const observes = () => wire.requests.map((message) => option(message, OptionNumber.Observe));
  return { sim, layer, wire, watch, observes };
}

function server(options: ObserveOptions = {}) {
  const sim = new Simulator();
  const layer = observe(options, sim.env());
  const replies: Reply[] = [];
  const requests: Request[] = [];
  const handler = layer.inbound((message, reply) => {
    requests.push(message);
    replies.push(reply);
    if (option(message, OptionNumber.Observe) === '') reply.notify(content('first'));
    else reply.respond(content('plain'));
  });
  return { sim, layer, replies, requests, ask: (message: Request) => ask(handler, message) };
}

describe('RFC 7641 4: the server', () => {
  test('4.4: each notification has a larger number of 24 bits; a final response has none', async () => {
    const { sim, layer, replies, ask } = server();
    const reply = ask(get());
    for (let i = 0; i < 50; i++) {
      replies[0]!.notify(content(`${i}`));
      if (i % 10 === 0) await sim.sleep(100);
    }
    const numbers = reply.sent.map((sent) => Number.parseInt(option(sent, OptionNumber.Observe) || '0', 16));
    assert.ok(numbers.every((n) => n < 2 ** 24));
    for (let i = 1; i < reply.sent.length; i++) assert.ok(isNewer(reply.sent[i - 1]!, reply.sent[i]!));
    replies[0]!.respond(content('end'));
    assert.equal(option(reply.last, OptionNumber.Observe), undefined);
    assert.deepEqual([layer.stats().observers, reply.over], [0, true]);
  });

  test('4.4: a later process goes on with larger numbers', async () => {
    const sim = new Simulator();
    const first = ask(
      observe({}, sim.env()).inbound((_message, reply) => reply.notify(content('a'))),
      get(),
    );
    await sim.sleep(1000);
    // A clock whose zero is the start of the process, as performance.now() has it.
    const started = sim.now;
    const env = { ...sim.env(), now: () => sim.now - started };
    const second = ask(
      observe({}, env).inbound((_message, reply) => reply.notify(content('b'))),
      get(),
    );
    assert.ok(isNewer(first.last, second.last));
  });

  test('4.2: an error ends the registration, has no number, and the handler hears that nobody waits', () => {
    const { layer, replies, ask } = server();
    const reply = ask(get());
    let ended = 0;
    replies[0]!.onCancel(() => ended++);
    replies[0]!.notify(response(Code.NotFound));
    replies[0]!.notify(content('more'));
    assert.deepEqual([reply.sent.map(brief), reply.finals, ended, layer.stats().observers], [['2.05', '4.04'], [false, true], 1, 0]);
    assert.equal(option(reply.last, OptionNumber.Observe), undefined);
  });

  test('4.5: a Reset, or any cancel from below, ends it', () => {
    const { layer, replies, ask } = server();
    const reply = ask(get());
    let ended = 0;
    replies[0]!.onCancel(() => ended++);
    reply.cancel();
    replies[0]!.notify(content('more'));
    assert.deepEqual([ended, layer.stats().observers, reply.sent.length], [1, 0, 1]);
  });

  test('4.1: a handler that only responds made no registration', () => {
    const sim = new Simulator();
    const layer = observe({}, sim.env());
    const reply = ask(
      layer.inbound((_message, answer) => answer.respond(content('x'))),
      get(),
    );
    assert.deepEqual([option(reply.last, OptionNumber.Observe), layer.stats().observers, sim.pending], [undefined, 0, 0]);
  });

  test('4.1: one observer too many is answered like a plain GET, without Observe', () => {
    const { layer, requests, ask } = server({ maxObservers: 3, maxObserversPerPeer: 2 });
    const from = (port: number, path: string) => ask(request(Method.GET, path, { peer: peer(port), options: [register] })).last;
    assert.deepEqual(
      [text(from(1, 'a')), text(from(1, 'b')), text(from(1, 'c')), text(from(2, 'a')), text(from(3, 'a'))],
      ['first', 'first', 'plain', 'first', 'plain'],
    );
    assert.equal(option(requests[2]!, OptionNumber.Observe), undefined);
    assert.equal(layer.stats().observers, 3);
  });

  test('4.1: a renewal is none too many', () => {
    const { ask } = server({ maxObserversPerPeer: 1 });
    const first = ask(get());
    assert.equal(text(ask(get()).last), 'first');
    first.cancel();
    assert.equal(text(ask(get()).last), 'first');
  });

  test('a client that registers for one target again and again, each time with a new token, takes nobody else the place', () => {
    const { layer, ask } = server({ maxObservers: 5, maxObserversPerPeer: 2 });
    const other = ask(get({ peer: peer(9) }));
    for (let i = 0; i < 20; i++) ask(get({ peer: peer(1) }));
    assert.equal(layer.stats().observers, 4);
    assert.equal(other.over, false);
  });

  test('bounds count by association where there is one', () => {
    const { ask } = server({ maxObserversPerPeer: 1 });
    const from = (port: number, id: string, path: string) =>
      text(ask(request(Method.GET, path, { peer: peer(port), association: association(id), options: [register] })).last);
    assert.deepEqual([from(1, 'x', 'a'), from(1, 'y', 'a'), from(2, 'x', 'b')], ['first', 'first', 'plain']);
  });

  test('Observe 1, unknown values and other methods are plain requests', () => {
    const { layer, ask, sim } = server();
    assert.equal(text(ask(request(Method.GET, 't', { options: [numbered(1)] })).last), 'plain');
    assert.equal(text(ask(request(Method.GET, 't', { options: [numbered(2)] })).last), 'plain');
    assert.equal(ask(request(Method.PUT, 't', { options: [register] })).finals[0], false);
    assert.deepEqual([layer.stats().observers, sim.pending], [0, 0]);
  });

  test('an observer that is sent nothing for a day is let go', async () => {
    const { sim, layer, replies, ask } = server();
    const idle = ask(get({ peer: peer(1) }));
    const used = ask(get({ peer: peer(2) }));
    assert.equal(sim.pending, 1);
    await sim.sleep(80_000_000);
    replies[1]!.notify(content('news'));
    await sim.sleep(7_000_000);
    assert.deepEqual([idle.sent.map(brief), used.sent.map(brief), layer.stats().observers], [['2.05', '5.03'], ['2.05', '2.05'], 1]);
    await sim.sleep(86_400_000);
    assert.deepEqual([layer.stats().observers, sim.pending], [0, 0]);
  });

  test('close stops the timer', () => {
    const { sim, layer, ask } = server();
    ask(get());
    layer.close();
    assert.deepEqual([layer.stats().observers, sim.pending], [0, 0]);
  });
});

describe('RFC 7641 3.4: reordering', () => {
  const newer = (v1: number, v2: number) => isNewer(content('', numbered(v1)), content('', numbered(v2)));

  test('24-bit serial number arithmetic', () => {
    assert.deepEqual([newer(1, 2), newer(2, 1), newer(1, 1)], [true, false, false]);
    assert.deepEqual([newer(0, 2 ** 23 - 1), newer(0, 2 ** 23), newer(2 ** 23, 0)], [true, false, false]);
    assert.deepEqual([newer(2 ** 24 - 1, 0), newer(0, 2 ** 24 - 1), newer(2 ** 23 + 1, 0)], [true, false, true]);
  });

  test('a number from below goes before, and a response without one is the oldest (RFC 8613 4.1.3.5.2)', () => {
    const sequenced = (sequence: number, n: number) => ({ ...content('', numbered(n)), sequence });
    assert.equal(isNewer(sequenced(5, 9), sequenced(6, 1)), true);
    assert.equal(isNewer(sequenced(6, 1), sequenced(5, 9)), false);
    assert.equal(isNewer(sequenced(6, 1), sequenced(6, 9)), false);
    assert.equal(isNewer(sequenced(5, 1), content('', numbered(9))), false);
    assert.equal(isNewer(content('', numbered(9)), sequenced(0, 1)), true);
  });

  test('the client delivers what is fresher, and after 128 s whatever comes', async () => {
    const { sim, wire, watch } = client((_message, reply) => reply.notify(content('a', numbered(10), maxAge(1000))));
    const { listener } = watch(get());
    const send = (payload: string, n: number) => wire.replies[0]!.notify(content(payload, numbered(n), maxAge(1000)));
    send('c', 12);
    send('b', 11);
    send('c again', 12);
    await sim.sleep(128_000);
    send('old', 5);
    await sim.sleep(1);
    send('restarted', 5);
    assert.deepEqual(listener.responses.map(text), ['a', 'c', 'restarted']);
    assert.ok(listener.lasts.every((last) => !last));
  });

  test('the clock does not overrule a number from below', async () => {
    const { sim, wire, watch } = client((_message, reply) => reply.notify({ ...content('a', numbered(0), maxAge(1000)), sequence: 3 }));
    const { listener } = watch(get());
    await sim.sleep(200_000);
    wire.replies[0]!.notify({ ...content('replayed', numbered(0), maxAge(1000)), sequence: 2 });
    wire.replies[0]!.notify({ ...content('b', numbered(0), maxAge(1000)), sequence: 4 });
    assert.deepEqual(listener.responses.map(text), ['a', 'b']);
  });
});

describe('RFC 7641 3: the client', () => {
  test('3.1: a response without Observe is the only one', () => {
    const { layer, watch, sim } = client((_message, reply) => reply.respond(content('x')));
    assert.deepEqual(watch(get()).listener.lasts, [true]);
    assert.deepEqual([layer.stats().observations, sim.pending], [0, 0]);
  });

  test('3.2: an error is the last', () => {
    const { layer, wire, watch, sim } = client((_message, reply) => reply.notify(content('a', numbered(1))));
    const { listener } = watch(get());
    wire.replies[0]!.respond(response(Code.NotFound));
    assert.deepEqual(
      [listener.responses.map(brief), listener.lasts],
      [
        ['2.05', '4.04'],
        [false, true],
      ],
    );
    assert.deepEqual([layer.stats().observations, sim.pending], [0, 0]);
  });

  test('requests without Observe pass as they are', () => {
    const { wire, watch } = client((_message, reply) => reply.respond(content('x')));
    const plain = request(Method.GET, 't');
    watch(plain);
    assert.equal(wire.requests[0], plain);
  });

  test('3.6: cancel deregisters with Observe 1, the same options and the same observation', () => {
    const { layer, wire, watch, sim } = client((message, reply) => {
      if (option(message, OptionNumber.Observe) === '') reply.notify(content('a', numbered(1)));
      else reply.respond(content('ignored'));
    });
    const { listener, cancel } = watch(get({ options: [stringOption(OptionNumber.UriQuery, 'q')], association: association('x') }));
    cancel();
    cancel();
    const [registration, deregistration] = wire.requests as [Request, Request];
    assert.equal(wire.requests.length, 2);
    assert.equal(option(deregistration, OptionNumber.Observe), '01');
    assert.equal(option(deregistration, OptionNumber.UriQuery), '71');
    assert.equal(deregistration.association, registration.association);
    assert.ok(registration.observation !== undefined && deregistration.observation === registration.observation);
    assert.deepEqual([listener.responses.map(text), wire.cancelled, layer.stats().observations, sim.pending], [['a'], 1, 0, 0]);
  });

  test('cancel before the first response only forgets', () => {
    const { layer, wire, watch } = client(() => {});
    watch(get()).cancel();
    assert.deepEqual([wire.requests.length, wire.cancelled, layer.stats().observations], [1, 1, 0]);
  });

  test('an error from below ends it', () => {
    const sim = new Simulator();
    const layer = observe({}, sim.env());
    let fail: () => void = () => {};
    const requester = layer.outbound((_message, listener) => {
      fail = () => listener.error(new CoapError('ERR_COAP_TIMEOUT', 'expected a response, got none'));
      return () => {};
    });
    const listener = new Listener();
    requester(get(), listener);
    fail();
    assert.deepEqual(
      listener.errors.map(({ code }) => code),
      ['ERR_COAP_TIMEOUT'],
    );
    assert.equal(layer.stats().observations, 0);
  });

  test('what the layer below throws at once goes to the caller, and nothing stays', () => {
    const layer = observe({}, new Simulator().env());
    const requester = layer.outbound(() => {
      throw new CoapError('ERR_COAP_BUSY', 'expected fewer requests');
    });
    assert.throws(() => requester(get(), new Listener()), { code: 'ERR_COAP_BUSY' });
    assert.equal(layer.stats().observations, 0);
  });

  describe('3.3.1: when no notification came for longer than the last one is fresh', () => {
    function renewing(age: number | undefined) {
      let version = 0;
      const all = client((message, reply) => {
        if (option(message, OptionNumber.Observe) !== '') reply.respond(content('bye'));
        else reply.notify(content(`${version++}`, numbered(7), ...(age === undefined ? [] : [maxAge(age)])));
      });
      return all;
    }

    test('it registers anew 5 to 15 seconds later, with the same observation; a smaller number counts', async () => {
      const { sim, wire, watch, observes, layer } = renewing(10);
      const { listener, cancel } = watch(get());
      await sim.sleep(14_999);
      assert.equal(wire.requests.length, 1);
      await sim.sleep(10_001);
      assert.equal(wire.requests.length, 2);
      assert.equal(wire.requests[1]!.observation, wire.requests[0]!.observation);
      assert.deepEqual(observes(), ['', '']);
      assert.deepEqual(listener.responses.map(text), ['0', '1']);
      assert.equal(wire.cancelled, 1, 'what the layers below held of the old registration');
      assert.equal(layer.stats().observations, 1);
      cancel();
      assert.equal(sim.pending, 0);
    });

    test('60 seconds are the default of Max-Age, and a notification starts the time anew', async () => {
      const { sim, wire, watch } = renewing(undefined);
      watch(get());
      await sim.sleep(60_000);
      wire.replies[0]!.notify(content('n', numbered(8)));
      await sim.sleep(64_999);
      assert.equal(wire.requests.length, 1);
      await sim.sleep(10_001);
      assert.equal(wire.requests.length, 2);
    });

    test('a renewal under OSCORE is answered without a Partial IV and counts all the same', async () => {
      let version = 0;
      const { sim, wire, watch } = client((_message, reply) => reply.notify({ ...content(`${version++}`, numbered(0), maxAge(10)), sequence: -1 }));
      const { listener } = watch(get());
      wire.replies[0]!.notify({ ...content('n', numbered(0), maxAge(10)), sequence: 5 });
      await sim.sleep(25_000);
      wire.replies[1]!.notify({ ...content('m', numbered(0), maxAge(10)), sequence: 6 });
      assert.deepEqual(listener.responses.map(text), ['0', 'n', '1', 'm']);
    });

    test('a registration whose answer is lost between the layers is sent again, and so is a renewal', async () => {
      const { sim, wire, watch, layer } = client((_message, reply) => {
        if (wire.requests.length % 2 === 0) reply.notify(content(`${wire.requests.length}`, numbered(7), maxAge(10)));
      });
      const { listener, cancel } = watch(get());
      await sim.sleep(339_000);
      assert.equal(wire.requests.length, 1);
      await sim.sleep(2000);
      assert.deepEqual([wire.requests.length, ...listener.responses.map(text)], [2, '2']);
      // The renewal, and the one after it.
      await sim.sleep(25_000 + 341_000);
      assert.deepEqual([wire.requests.length, ...listener.responses.map(text)], [4, '2', '4']);
      cancel();
      assert.equal(layer.stats().observations, 0);
      assert.equal(sim.pending, 0);
    });

    test('a renewal that cannot be sent is an error', async () => {
      const { sim, wire, watch } = renewing(0);
      const { listener } = watch(get());
      wire.handler = () => {
        throw new CoapError('ERR_COAP_CLOSED', 'the endpoint was closed');
      };
      await sim.sleep(15_000);
      assert.deepEqual(
        listener.errors.map(({ code }) => code),
        ['ERR_COAP_CLOSED'],
      );
    });
  });

  describe('3.1: one registration for one target', () => {
    const handler: Handler = (message, reply) => {
      if (option(message, OptionNumber.Observe) === '') reply.notify(content('a', numbered(1), maxAge(20)));
      else reply.respond(content('bye'));
    };

    test('a second observer hears the latest at once and all that follows', async () => {
      const { sim, wire, watch, layer } = client(handler);
      const first = watch(get({ options: [opaqueOption(OptionNumber.ETag, Uint8Array.of(1))] }));
      const second = watch(get());
      assert.equal(second.listener.responses.length, 0, 'not before it holds its Cancel');
      await sim.sleep(0);
      wire.replies[0]!.notify(content('b', numbered(2), maxAge(20)));
      assert.deepEqual(
        [first.listener.responses.map(text), second.listener.responses.map(text)],
        [
          ['a', 'b'],
          ['a', 'b'],
        ],
      );
      assert.deepEqual([wire.requests.length, layer.stats().observations], [1, 1]);
      first.cancel();
      wire.replies[0]!.notify(content('c', numbered(3), maxAge(20)));
      assert.deepEqual([first.listener.responses.length, second.listener.responses.length, wire.requests.length], [2, 3, 1]);
      second.cancel();
      assert.deepEqual([wire.requests.length, layer.stats().observations], [2, 0]);
    });

    test('when the latest is stale it asks the server', async () => {
      const { sim, wire, watch } = client(handler);
      watch(get());
      await sim.sleep(20_001);
      const { listener } = watch(get());
      await sim.sleep(0);
      assert.deepEqual([listener.responses.map(text), wire.requests.length], [['a'], 2]);
    });

    test('other options, another peer, association or body are other targets', () => {
      const { wire, watch } = client(handler);
      watch(get());
      watch(get({ options: [uintOption(OptionNumber.Accept, 60)] }));
      watch(get({ peer: peer(7) }));
      watch(get({ association: association('x') }));
      for (const payload of [Uint8Array.of(1), Uint8Array.of(2)]) watch(request(Method.FETCH, 't', { options: [register], payload }));
      assert.equal(wire.requests.length, 6);
      watch(get({ options: [block2(0, 0, 64)] }));
      assert.equal(wire.requests.length, 6, 'a block size makes no other target');
    });
  });
});
