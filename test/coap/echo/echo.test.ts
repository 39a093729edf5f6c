import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type EchoOptions, echo } from '../../../src/coap/echo/layer.ts';
import type { Handler, Request } from '../../../src/coap/layer.ts';
import { Code, Method } from '../../../src/coap/message/code.ts';
import { OptionNumber, opaqueOption, uintOption } from '../../../src/coap/message/option.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, association, block1, block2, Listener, option, peer, request, response, TestReply, Wire } from '../harness.ts';

const echoOption = (hex: string) => opaqueOption(OptionNumber.Echo, fromHex(hex));

function client(handler: Handler, options: EchoOptions = {}) {
  const sim = new Simulator();
  const layer = echo({ name: 'outer', ...options }, sim.env());
  const wire = new Wire(handler);
  const requester = layer.outbound(wire.requester);
  const fetch = (message: Request): Listener => {
    const listener = new Listener();
    requester(message, listener);
    return listener;
  };
  const sent = () => wire.requests.map((message) => option(message, OptionNumber.Echo));
  return { sim, layer, wire, requester, fetch, sent };
}

describe('RFC 9175 2.3: the client', () => {
  const put = (fields: Partial<Request> = {}) => request(Method.PUT, 'lock', { payload: Uint8Array.of(0), ...fields });

  test('answers 4.01 with Echo by the same request with that Echo', () => {
    const { wire, fetch, sent } = client((message, reply) => {
      if (option(message, OptionNumber.Echo) === undefined) reply.respond(response(Code.Unauthorized, '', [echoOption('0a0b')]));
      else reply.respond(response(Code.Changed));
    });
    assert.equal(fetch(put()).only.code, Code.Changed);
    assert.deepEqual(sent(), [undefined, '0a0b']);
    assert.deepEqual(wire.requests[1]!.payload, wire.requests[0]!.payload);
  });

  test('what is sent again is what was given, whatever the caller did to its bytes meanwhile', () => {
    const { wire, fetch } = client(() => {});
    const message = put({ payload: Uint8Array.of(1, 2, 3) });
    fetch(message);
    message.payload.fill(0);
    message.options[0]!.value.fill(0);
    wire.replies[0]!.respond(response(Code.Unauthorized, '', [echoOption('77')]));
    assert.deepEqual([toHex(wire.requests[1]!.payload), option(wire.requests[1]!, OptionNumber.UriPath)], ['010203', '6c6f636b']);
  });

  test('resends once only', () => {
    let n = 0;
    const { fetch, sent } = client((_message, reply) => reply.respond(response(Code.Unauthorized, '', [opaqueOption(OptionNumber.Echo, Uint8Array.of(++n))])));
    assert.equal(fetch(put()).only.code, Code.Unauthorized);
    assert.deepEqual(sent(), [undefined, '01']);
  });

  test('4.01 without Echo, and with one of a length that is not allowed, is the outcome', () => {
    for (const options of [[], [echoOption('')], [echoOption('00'.repeat(41))]]) {
      const { fetch, sent } = client((_message, reply) => reply.respond(response(Code.Unauthorized, '', options)));
      assert.equal(fetch(put()).only.code, Code.Unauthorized);
      assert.equal(sent().length, 1);
    }
  });

  test('takes the Echo of another response along in the next request to the same endpoint, once', () => {
    let answers = 0;
    const { fetch, sent, layer } = client((_message, reply) => reply.respond(response(Code.Changed, '', answers++ === 0 ? [echoOption('2233')] : [])));
    for (let i = 0; i < 3; i++) fetch(put());
    assert.deepEqual(sent(), [undefined, '2233', undefined]);
    assert.equal(layer.stats().values, 0);
  });

  test('a stale value that was taken along is replaced by the new one', () => {
    const { fetch, sent } = client((message, reply) => {
      const value = option(message, OptionNumber.Echo);
      if (value === undefined) reply.respond(response(Code.Changed, '', [echoOption('01')]));
      else if (value === '01') reply.respond(response(Code.Unauthorized, '', [echoOption('02')]));
      else reply.respond(response(Code.Changed));
    });
    fetch(put());
    assert.equal(fetch(put()).only.code, Code.Changed);
    assert.deepEqual(sent(), [undefined, '01', '02']);
  });

  test('a value goes back only to the association that it came from', () => {
    const { fetch, sent } = client((_message, reply) => reply.respond(response(Code.Changed, '', [echoOption('77')])));
    fetch(put({ association: association('x') }));
    fetch(put({ association: association('y') }));
    fetch(put());
    fetch(put({ peer: peer(9) }));
    fetch(put({ association: association('x'), peer: peer(9) }));
    assert.deepEqual(sent(), [undefined, undefined, undefined, undefined, '77']);
  });

  test('an unprotected 4.01 with Echo makes no protected request be sent again', () => {
    const { fetch, sent, layer } = client((_message, reply) =>
      reply.respond({ ...response(Code.Unauthorized, '', [echoOption('77')]), association: association('none') }),
    );
    assert.equal(fetch(put({ association: association('x') })).only.code, Code.Unauthorized);
    assert.equal(sent().length, 1);
    assert.equal(layer.stats().values, 0);
  });

  test('the Echo of the caller stays', () => {
    const { fetch, sent } = client((_message, reply) => reply.respond(response(Code.Changed, '', [echoOption('01')])));
    fetch(put());
    fetch(put({ options: [echoOption('ffff')] }));
    assert.deepEqual(sent(), [undefined, 'ffff']);
  });

  test('values are bounded and go when their lifetime ends', async () => {
    const { sim, fetch, layer } = client((_message, reply) => reply.respond(response(Code.Changed, '', [echoOption('01')])), { maxValues: 3, lifetime: 1000 });
    for (let port = 1; port < 10; port++) fetch(put({ peer: peer(port) }));
    assert.equal(layer.stats().values, 3);
    await sim.sleep(1001);
    assert.deepEqual([layer.stats().values, sim.pending], [0, 0]);
  });

  test('2.4, item 3: a first block that is smaller than was asked for, with an Echo: asks anew, unless one block more is all that is left', () => {
    const cases: readonly [Partial<Request>, code: number, size2: number | undefined, szx: number, again: boolean][] = [
      [{}, Method.GET, 300, 64, true],
      [{}, Method.GET, undefined, 64, true],
      [{}, Method.FETCH, 300, 64, true],
      [{}, Method.GET, 128, 64, false],
      [{}, Method.GET, 3000, 1024, false],
      [{}, Method.POST, 300, 64, false],
      [{ options: [block2(0, 0, 64)] }, Method.GET, 300, 64, false],
      [{ options: [block2(0, 0, 256)] }, Method.GET, 300, 64, true],
      [{ options: [block2(3, 0, 256)] }, Method.GET, 300, 64, false],
      [{ options: [uintOption(OptionNumber.Observe, 0)] }, Method.GET, 300, 64, false],
    ];
    for (const [fields, code, size2, szx, again] of cases) {
      const { fetch, sent } = client((_message, reply) => {
        const size = size2 === undefined ? [] : [uintOption(OptionNumber.Size2, size2)];
        reply.respond(response(Code.Content, 'x'.repeat(szx), [block2(0, 1, szx), ...size, echoOption('77')]));
      });
      assert.equal(fetch(request(code, 'a', fields)).only.code, Code.Content);
      assert.deepEqual(sent(), again ? [undefined, '77'] : [undefined], JSON.stringify([code, size2, szx]));
    }
  });

  test('2.3: a request that is forwarded for a client is left alone: its challenge is for that client, and no kept value goes with it', () => {
    const { fetch, sent, layer } = client((_message, reply) => reply.respond(response(Code.Unauthorized, '', [echoOption('77')])));
    const answer = fetch(put({ forwarded: true })).only;
    assert.deepEqual([answer.code, option(answer, OptionNumber.Echo), sent().length, layer.stats().values], [Code.Unauthorized, '77', 1, 0]);
    fetch(put());
    assert.equal(layer.stats().values, 1);
    fetch(put({ forwarded: true }));
    assert.deepEqual(sent(), [undefined, undefined, '77', undefined]);
  });

  test('6: with no room for values nobody is tracked by preemptive ones', () => {
    const { fetch, sent } = client((_message, reply) => reply.respond(response(Code.Changed, '', [echoOption('77')])), { maxValues: 0 });
    fetch(put());
    fetch(put());
    assert.deepEqual(sent(), [undefined, undefined]);
  });

  test('2.2: the inner place looks at protected exchanges only', () => {
    const challenge: Handler = (message, reply) => {
      if (option(message, OptionNumber.Echo) === undefined) reply.respond(response(Code.Unauthorized, '', [echoOption('77')]));
      else reply.respond(response(Code.Changed));
    };
    const { fetch, sent } = client(challenge, { name: 'inner' });
    assert.equal(fetch(put()).only.code, Code.Unauthorized);
    assert.equal(fetch(put({ association: association('x') })).only.code, Code.Changed);
    assert.deepEqual(sent(), [undefined, undefined, '77']);
  });

  test('cancel ends the second exchange too, and nothing is heard', () => {
    const { wire, requester } = client((message, reply) => {
      if (option(message, OptionNumber.Echo) === undefined) reply.respond(response(Code.Unauthorized, '', [echoOption('01')]));
    });
    const listener = new Listener();
    const cancel = requester(put(), listener);
    cancel();
    wire.replies[1]!.respond(response(Code.Changed));
    assert.deepEqual([wire.cancelled, listener.responses.length], [1, 0]);
  });
});

describe('RFC 9175 2.3, Appendix A.2: the server', () => {
  function server(window?: number) {
    const sim = new Simulator();
    const required = (message: Request): boolean => message.code !== Method.GET;
    const layer = echo({ freshness: window === undefined ? { required } : { required, window } }, sim.env());
    let calls = 0;
    const handler = layer.inbound((message, reply) => {
      calls++;
      // It has done what it is for.
      assert.equal(option(message, OptionNumber.Echo), undefined);
      reply.respond(response(Code.Changed));
    });
    const put = (value?: string, fields: Partial<Request> = { association: association('x') }) =>
      ask(handler, request(Method.PUT, 'lock', { options: value === undefined ? [] : [echoOption(value)], ...fields })).last;
    return { sim, layer, handler, put, calls: () => calls };
  }

  test('a request that must be fresh and does not show it: 4.01 with an Echo of 12 bytes, and the handler hears nothing', () => {
    const { put, calls } = server();
    const answer = put();
    assert.equal(answer.code, Code.Unauthorized);
    assert.match(option(answer, OptionNumber.Echo) ?? '', /^[0-9a-f]{24}$/);
    assert.equal(calls(), 0);
  });

  test('with the value it passes, as often as the window allows', async () => {
    const { sim, put, calls } = server(5_000);
    const value = option(put(), OptionNumber.Echo)!;
    assert.equal(put(value).code, Code.Changed);
    await sim.sleep(4_999);
    assert.equal(put(value).code, Code.Changed);
    await sim.sleep(1);
    const again = put(value);
    assert.equal(again.code, Code.Unauthorized);
    assert.notEqual(option(again, OptionNumber.Echo), value);
    assert.equal(calls(), 2);
  });

  test('a value that is altered in any byte, is shorter or longer, or was made for another endpoint does not', () => {
    const { put } = server();
    const value = option(put(), OptionNumber.Echo)!;
    for (let i = 0; i < 12; i++) {
      const bytes = fromHex(value);
      bytes[i]! ^= 1;
      assert.equal(put(toHex(bytes)).code, Code.Unauthorized);
    }
    assert.equal(put(value.slice(2)).code, Code.Unauthorized);
    assert.equal(put(`${value}00`).code, Code.Unauthorized);
    assert.equal(put(value, { association: association('y') }).code, Code.Unauthorized);
    assert.equal(put(value, {}).code, Code.Unauthorized);
  });

  test('a value does not become valid again when its 32 bits of time wrap around', async () => {
    const { sim, put } = server();
    const value = option(put(), OptionNumber.Echo)!;
    await sim.sleep(2 ** 32);
    assert.equal(put(value).code, Code.Unauthorized);
  });

  test('a server that starts anew has another key', () => {
    const value = option(server().put(), OptionNumber.Echo)!;
    const sim = new Simulator({ seed: 2 });
    const layer = echo({ freshness: { required: () => true } }, sim.env());
    const handler = layer.inbound((_message, reply) => reply.respond(response(Code.Changed)));
    assert.equal(ask(handler, request(Method.PUT, 'lock', { options: [echoOption(value)], association: association('x') })).last.code, Code.Unauthorized);
  });

  test('requests that need not be fresh pass', () => {
    const { handler } = server();
    assert.equal(ask(handler, request(Method.GET, 'lock')).last.code, Code.Changed);
  });

  test('a preemptive value for the next block comes with 2.31, and with nothing else', async () => {
    const { sim, layer, put } = server(1000);
    const handler = layer.inbound((_message, reply) => reply.respond(response(Code.Continue)));
    const ask1 = (more: number, value: string | undefined) => {
      const options = [block1(0, more, 16), ...(value === undefined ? [] : [echoOption(value)])];
      return ask(handler, request(Method.PUT, 'lock', { options, association: association('x') })).last;
    };
    const challenge = option(ask1(1, undefined), OptionNumber.Echo);
    await sim.sleep(900);
    const continued = ask1(1, challenge);
    assert.equal(continued.code, Code.Continue);
    await sim.sleep(900);
    assert.equal(ask1(1, challenge).code, Code.Unauthorized);
    const final = ask1(0, option(continued, OptionNumber.Echo));
    assert.deepEqual([final.code, option(final, OptionNumber.Echo)], [Code.Continue, undefined]);
    assert.equal(option(put(option(put(), OptionNumber.Echo)), OptionNumber.Echo), undefined);
  });

  test('RFC 9177 4.3: with preemptive values a payload is acknowledged and dismissed all the same', () => {
    const layer = echo({ freshness: { required: () => true, preemptive: true } }, new Simulator().env());
    const handler = layer.inbound((_message, reply) => {
      reply.acknowledge?.();
      reply.dismiss?.();
    });
    const post = (value?: string) => request(Method.POST, 'lock', { options: value === undefined ? [] : [echoOption(value)], association: association('x') });
    const heard: string[] = [];
    const reply = Object.assign(new TestReply(), { acknowledge: () => heard.push('acknowledge'), dismiss: () => heard.push('dismiss') });
    handler(post(option(ask(handler, post()).last, OptionNumber.Echo)), reply);
    assert.deepEqual(heard, ['acknowledge', 'dismiss']);
  });

  test('without protection the challenge is not to be cached', () => {
    const { put } = server();
    assert.equal(option(put(undefined, {}), OptionNumber.MaxAge), '');
    assert.equal(option(put(), OptionNumber.MaxAge), undefined);
  });

  test('no state is kept, and client and server fit together', () => {
    const { sim, handler, layer } = server();
    const asks = client(handler);
    assert.equal(asks.fetch(request(Method.POST, 'lock', { options: [uintOption(OptionNumber.ContentFormat, 0)] })).only.code, Code.Changed);
    assert.deepEqual([layer.stats().values, asks.layer.stats().values, sim.pending], [0, 0, 0]);
  });
});
