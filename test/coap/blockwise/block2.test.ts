import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, Method } from '../../../src/coap/message/code.ts';
import { type Option, OptionNumber, opaqueOption, uintOption } from '../../../src/coap/message/option.ts';
import { concat, fromHex, toHex } from '../../../src/core/bytes.ts';
import { ask, block2, body, brief, Listener, option, request, response, type TestReply } from '../harness.ts';
import { clientOnly, pair, serve, serverOnly } from './harness.ts';

describe('RFC 7959 3.1: Block2', () => {
  test('Figure 2: simple block-wise GET', () => {
    const { wire, fetch } = pair(serve(body(333)), {}, { szx: 3 });
    assert.equal(toHex(fetch(request(Method.GET, 'status')).only.payload), toHex(body(333)));
    assert.deepEqual(wire.log, ['0.01', '  2.05 2:0/1/128', '0.01 2:1/0/128', '  2.05 2:1/1/128', '0.01 2:2/0/128', '  2.05 2:2/0/128']);
  });

  test('Figure 3: early negotiation', () => {
    const { wire, fetch } = pair(serve(body(130)), { szx: 2 });
    const whole = fetch(request(Method.GET, 'status')).only;
    assert.equal(toHex(whole.payload), toHex(body(130)));
    assert.deepEqual(wire.log, ['0.01 2:0/0/64', '  2.05 2:0/1/64', '0.01 2:1/0/64', '  2.05 2:1/1/64', '0.01 2:2/0/64', '  2.05 2:2/0/64']);
    assert.equal(brief(whole), '2.05', 'the layer above sees no Block option');
  });

  test('Figure 4: late negotiation, the client asks for smaller blocks from the second on', () => {
    const { ask } = serverOnly(serve(body(200)), { szx: 3 });
    const ids = [block2(2, 0, 64), block2(3, 0, 64)];
    assert.equal(brief(ask(request(Method.GET, 'status'))), '2.05 2:0/1/128');
    const blocks = ids.map((id) => ask(request(Method.GET, 'status', { options: [id] })));
    assert.deepEqual(blocks.map(brief), ['2.05 2:2/1/64', '2.05 2:3/0/64']);
    assert.equal(toHex(concat(...blocks.map(({ payload }) => payload))), toHex(body(200).subarray(128)));
  });

  test('a later block that is asked for in a larger size than ours comes in ours, from the same byte', () => {
    const { ask } = serverOnly(serve(body(1000)), { szx: 2 });
    ask(request(Method.GET, 'a'));
    const answer = ask(request(Method.GET, 'a', { options: [block2(1, 0, 512)] }));
    assert.equal(brief(answer), '2.05 2:8/1/64');
    assert.equal(toHex(answer.payload), toHex(body(1000).subarray(512, 576)));
  });

  test('a response that fits is marked as the only block when the client asked for a size', () => {
    const { ask } = serverOnly(serve(body(64)));
    assert.equal(brief(ask(request(Method.GET, 'a', { options: [block2(0, 0, 64)] }))), '2.05 2:0/0/64');
    assert.equal(brief(ask(request(Method.GET, 'a', { options: [block2(0, 0, 32)] }))), '2.05 2:0/1/32');
  });

  test('Size2 stands on the first block only', () => {
    const { ask } = serverOnly(serve(body(100)), { szx: 1 });
    assert.equal(option(ask(request(Method.GET, 'a')), OptionNumber.Size2), '64');
    assert.equal(option(ask(request(Method.GET, 'a', { options: [block2(1, 0, 32)] })), OptionNumber.Size2), undefined);
  });

  test('the client follows a server that makes blocks smaller on the way', () => {
    const payload = body(96);
    const { wire, fetch } = clientOnly((message, reply) => {
      const asked = brief(message);
      if (asked === '0.01') reply.respond(response(Code.Content, payload.subarray(0, 64), [block2(0, 1, 64)]));
      else if (asked === '0.01 2:1/0/64') reply.respond(response(Code.Content, payload.subarray(64, 80), [block2(4, 1, 16)]));
      else reply.respond(response(Code.Content, payload.subarray(80), [block2(5, 0, 16)]));
    });
    assert.equal(toHex(fetch(request(Method.GET, 'a')).only.payload), toHex(payload));
    assert.deepEqual(wire.requests.map(brief), ['0.01', '0.01 2:1/0/64', '0.01 2:5/0/16']);
  });

  test('random access: a caller that asks for one block gets that one', () => {
    const { fetch, wire } = pair(serve(body(100)), {}, { szx: 1 });
    const one = fetch(request(Method.GET, 'a', { options: [block2(2, 0, 32)] })).only;
    assert.equal(toHex(one.payload), toHex(body(100).subarray(64, 96)));
    assert.equal(brief(one), '2.05 2:2/1/32');
    assert.equal(wire.requests.length, 1);
  });

  test('a block behind the end is answered with 4.00; block 2^20-1 allocates nothing', () => {
    const { ask, layer } = serverOnly(serve(body(100)), { szx: 1 });
    assert.equal(brief(ask(request(Method.GET, 'a', { options: [block2(4, 0, 32)] }))), '4.00');
    assert.equal(brief(ask(request(Method.GET, 'a', { options: [block2(0xfffff, 0, 1024)] }))), '4.00');
    assert.ok(layer.stats().representationBytes < 1000);
    const even = serverOnly(serve(body(96)), { szx: 1 });
    assert.equal(brief(even.ask(request(Method.GET, 'a', { options: [block2(2, 0, 32)] }))), '2.05 2:2/0/32');
    assert.equal(brief(even.ask(request(Method.GET, 'a', { options: [block2(3, 0, 32)] }))), '4.00');
  });
});

describe('RFC 7959 2.4 and RFC 9175 3.8: blocks of one representation', () => {
  test('later blocks come from what is kept: the handler is called once', () => {
    let calls = 0;
    const { fetch } = pair((_message, reply) => reply.respond(response(Code.Content, body(100, calls++))), {}, { szx: 0 });
    assert.equal(toHex(fetch(request(Method.GET, 'a')).only.payload), toHex(body(100)));
    assert.equal(calls, 1);
  });

  test('each block has the same ETag, another representation another one, the same one again the same', () => {
    let version = 0;
    const { ask } = serverOnly((_message, reply) => reply.respond(response(Code.Content, body(40, version))), { szx: 1 });
    const etag = (options = [] as Option[]) => option(ask(request(Method.GET, 'a', { options })), OptionNumber.ETag);
    const first = etag();
    assert.match(first ?? '', /^[0-9a-f]{16}$/);
    assert.equal(etag([block2(1, 0, 32)]), first);
    version = 1;
    const second = etag();
    assert.notEqual(second, first);
    version = 0;
    assert.equal(etag(), first);
  });

  test('an ETag of the handler stays', () => {
    const { ask } = serverOnly(serve(body(40), [opaqueOption(OptionNumber.ETag, fromHex('0102'))]), { szx: 1 });
    assert.equal(option(ask(request(Method.GET, 'a')), OptionNumber.ETag), '0102');
  });

  test('without kept state the handler is asked again, and the ETag tells that it is the same', async () => {
    let calls = 0;
    const { ask, sim, layer } = serverOnly(
      (message, reply) => {
        calls++;
        assert.equal(brief(message), '0.01');
        reply.respond(response(Code.Content, body(100)));
      },
      { szx: 1, lifetime: 1000 },
    );
    const first = ask(request(Method.GET, 'a'));
    await sim.sleep(1001);
    assert.equal(layer.stats().representations, 0);
    const second = ask(request(Method.GET, 'a', { options: [block2(1, 0, 32)] }));
    assert.equal(calls, 2);
    assert.equal(brief(second), '2.05 2:1/1/32');
    assert.equal(option(second, OptionNumber.ETag), option(first, OptionNumber.ETag));
  });

  test('a body that changes on the way is fetched anew, never put together', () => {
    let calls = 0;
    // A server that keeps nothing and whose representation changes at the second and the third request.
    const { fetch, wire } = clientOnly((message, reply) => {
      const version = Math.min(2, calls++);
      const num = Number(/2:(\d+)/.exec(brief(message))?.[1] ?? 0);
      const etag = opaqueOption(OptionNumber.ETag, Uint8Array.of(version));
      reply.respond(response(Code.Content, body(48, version).subarray(num * 16, num * 16 + 16), [block2(num, num < 2 ? 1 : 0, 16), etag]));
    });
    assert.equal(toHex(fetch(request(Method.GET, 'a')).only.payload), toHex(body(48, 2)));
    assert.deepEqual(wire.requests.map(brief), ['0.01', '0.01 2:1/0/16', '0.01 2:0/0/16', '0.01 2:1/0/16', '0.01 2:2/0/16']);
  });

  test('RFC 7252 5.10.6.2: a request with an ETag, which a server takes for that of the block that is wanted', () => {
    const etag = (value: number): Option => opaqueOption(OptionNumber.ETag, Uint8Array.of(value));
    const { fetch, wire } = clientOnly((message, reply) => {
      const num = Number(/2:(\d+)/.exec(brief(message))?.[1] ?? 0);
      const lost = num > 0 && option(message, OptionNumber.ETag) !== undefined;
      reply.respond(response(Code.Content, body(32).subarray(num * 16, num * 16 + 16), [block2(num, num === 0 ? 1 : 0, 16), ...(lost ? [] : [etag(7)])]));
    });
    assert.equal(toHex(fetch(request(Method.GET, 'a', { options: [etag(1)] })).only.payload), toHex(body(32)));
    assert.deepEqual(
      wire.requests.map((one) => [brief(one), option(one, OptionNumber.ETag)]),
      [
        ['0.01', '01'],
        ['0.01 2:1/0/16', '01'],
        ['0.01 2:0/0/16', undefined],
        ['0.01 2:1/0/16', undefined],
      ],
    );
  });

  test('a client that leaves its ETags out of later requests gets blocks of the body that it was sent', () => {
    let calls = 0;
    const { ask } = serverOnly((_message, reply) => reply.respond(response(Code.Content, body(40, calls++))), { szx: 1 });
    const first = ask(request(Method.GET, 'a', { options: [opaqueOption(OptionNumber.ETag, Uint8Array.of(1))] }));
    const second = ask(request(Method.GET, 'a', { options: [block2(1, 0, 32)] }));
    assert.equal(option(second, OptionNumber.ETag), option(first, OptionNumber.ETag));
    assert.equal(calls, 1);
  });

  test('a body that changes all the time ends with an error', () => {
    let calls = 0;
    const { fetch, client } = clientOnly((message, reply) => {
      const num = brief(message).includes('2:1') ? 1 : 0;
      reply.respond(response(Code.Content, body(16), [block2(num, 1, 16), opaqueOption(OptionNumber.ETag, Uint8Array.of(calls++))]));
    });
    const { errors, responses } = fetch(request(Method.GET, 'a'));
    assert.deepEqual([errors.map(({ code }) => code), responses.length], [['ERR_COAP_REPRESENTATION_CHANGED'], 0]);
    assert.equal(calls, 8);
    assert.equal(client.stats().operations, 0);
  });

  test('an ETag that is there on one block only does not match', () => {
    const { fetch } = clientOnly((message, reply) => {
      const num = brief(message).includes('2:1') ? 1 : 0;
      const etag = num === 0 ? [opaqueOption(OptionNumber.ETag, Uint8Array.of(1))] : [];
      reply.respond(response(Code.Created, body(16), [block2(num, 1 - num, 16), ...etag]));
    });
    assert.deepEqual(
      fetch(request(Method.POST, 'a')).errors.map(({ code }) => code),
      ['ERR_COAP_REPRESENTATION_CHANGED'],
    );
  });

  test('what a client asks anew after a 4.00 to a later block', () => {
    let gone = true;
    const { fetch } = clientOnly((message, reply) => {
      const first = !brief(message).includes('2:1');
      if (first) reply.respond(response(Code.Content, body(16), [block2(0, 1, 16)]));
      else if (gone) {
        gone = false;
        reply.respond(response(Code.BadRequest));
      } else reply.respond(response(Code.Content, body(4), [block2(1, 0, 16)]));
    });
    assert.equal(fetch(request(Method.GET, 'a')).only.payload.length, 20);
  });

  for (const [name, option2, payload] of [
    ['does not start at 0', block2(1, 1, 16), body(16)],
    ['is shorter than its size', block2(0, 1, 16), body(15)],
    ['is longer than its size', block2(0, 1, 16), body(17)],
    ['has the reserved size', uintOption(OptionNumber.Block2, 15), body(16)],
  ] as const) {
    test(`a first block that ${name} is an error`, () => {
      const { fetch, client } = clientOnly((_message, reply) => reply.respond(response(Code.Content, payload, [option2])));
      assert.deepEqual(
        fetch(request(Method.GET, 'a')).errors.map(({ code }) => code),
        ['ERR_COAP_BLOCK'],
      );
      assert.equal(client.stats().operations, 0);
    });
  }

  test('a block that is not the one that was asked for is an error', () => {
    const { fetch } = clientOnly((_message, reply) => reply.respond(response(Code.Content, body(16), [block2(0, 1, 16)])));
    assert.deepEqual(
      fetch(request(Method.GET, 'a')).errors.map(({ code }) => code),
      ['ERR_COAP_BLOCK'],
    );
  });

  test('a body above the limit is given up, by Size2 at once', () => {
    const { fetch, wire } = pair(serve(body(200)), { maxBody: 100 }, { szx: 1 });
    assert.deepEqual(
      fetch(request(Method.GET, 'a')).errors.map(({ code }) => code),
      ['ERR_COAP_BODY_SIZE'],
    );
    assert.equal(wire.requests.length, 1);
    const endless = clientOnly((message, reply) => {
      const num = Number(/2:(\d+)/.exec(brief(message))?.[1] ?? 0);
      reply.respond(response(Code.Content, body(1024), [block2(num, 1, 1024)]));
    });
    assert.deepEqual(
      endless.fetch(request(Method.GET, 'a')).errors.map(({ code }) => code),
      ['ERR_COAP_BODY_SIZE'],
    );
    assert.equal(endless.wire.requests.length, 64);
  });

  test('an error in the middle is the outcome', () => {
    const { fetch } = clientOnly((message, reply) => {
      if (brief(message) === '0.01') reply.respond(response(Code.Content, body(16), [block2(0, 1, 16)]));
      else reply.respond(response(Code.Forbidden));
    });
    assert.equal(fetch(request(Method.GET, 'a')).only.code, Code.Forbidden);
  });
});

describe('RFC 7959 2.6, 3.4: Observe and Block2', () => {
  const register = uintOption(OptionNumber.Observe, 0);
  const numbered = (n: number) => uintOption(OptionNumber.Observe, n);

  test('Figure 12: a notification has the first block, a GET without Observe fetches the rest', () => {
    let version = 0;
    const { wire, fetch } = pair(
      (message, reply) => {
        if (option(message, OptionNumber.Observe) === undefined) assert.fail('from what is kept');
        reply.notify(response(Code.Content, body(100, version), [numbered(version)]));
      },
      {},
      { szx: 2 },
    );
    const listener = fetch(request(Method.GET, 'status-icon', { options: [register], observation: {} }));
    version = 1;
    wire.replies[0]!.notify(response(Code.Content));
    assert.equal(listener.responses.length, 2);
    assert.deepEqual(wire.log.slice(0, 4), ['0.01', '  2.05 2:0/1/64', '0.01 2:1/0/64', '  2.05 2:1/0/64']);
    assert.equal(option(wire.requests[1]!, OptionNumber.Observe), undefined);
    assert.equal(option(listener.responses[0]!, OptionNumber.Observe), '');
    assert.equal(toHex(listener.responses[0]!.payload), toHex(body(100)));
    assert.deepEqual(listener.lasts, [false, false]);
  });

  test('Figure 13: the size that the registration asked for holds for notifications', () => {
    const { inbound } = serverOnly((_message, reply) => {
      reply.notify(response(Code.Content, body(100), [numbered(1)]));
      reply.notify(response(Code.Content, body(100, 1), [numbered(2)]));
    });
    const reply = ask(inbound, request(Method.GET, 'a', { options: [register, block2(0, 0, 64)] }));
    assert.deepEqual(reply.sent.map(brief), ['2.05 2:0/1/64', '2.05 2:0/1/64']);
    assert.deepEqual(
      reply.sent.map((sent) => option(sent, OptionNumber.Observe)),
      ['01', '02'],
    );
  });

  test('a registration for a later block is a request for that block only', () => {
    const { ask } = serverOnly((message, reply) => {
      assert.equal(option(message, OptionNumber.Observe), undefined);
      reply.respond(response(Code.Content, body(100)));
    });
    assert.equal(brief(ask(request(Method.GET, 'a', { options: [register, block2(1, 0, 64)] }))), '2.05 2:1/0/64');
  });

  test('a newer notification takes the place of one whose blocks are still coming; an older one does not', () => {
    const { wire, fetch } = clientOnly(() => {});
    const listener = fetch(request(Method.GET, 'a', { options: [register] }));
    const observation = wire.replies[0]!;
    const first = (n: number) => response(Code.Content, body(16, n), [numbered(n), block2(0, 1, 16), opaqueOption(OptionNumber.ETag, Uint8Array.of(n))]);
    observation.notify(first(5));
    observation.notify(first(4));
    observation.notify(first(6));
    assert.deepEqual(wire.requests.map(brief), ['0.01', '0.01 2:1/0/16', '0.01 2:1/0/16']);
    assert.equal(wire.cancelled, 1);
    wire.replies[2]!.respond(response(Code.Content, body(3, 60), [block2(1, 0, 16), opaqueOption(OptionNumber.ETag, Uint8Array.of(6))]));
    assert.equal(toHex(listener.only.payload), toHex(concat(body(16, 6), body(3, 60))));
    assert.equal(option(listener.only, OptionNumber.Observe), '06');
  });

  test('the last response is delivered as the last, also after its blocks came', () => {
    const { fetch } = clientOnly((message, reply) => {
      if (brief(message) === '0.01') reply.respond(response(Code.Content, body(16), [block2(0, 1, 16)]));
      else reply.respond(response(Code.Content, body(1), [block2(1, 0, 16)]));
    });
    const listener = fetch(request(Method.GET, 'a', { options: [register] }));
    assert.deepEqual(listener.lasts, [true]);
  });

  test('the number that a layer below gave stays on the whole', () => {
    const { fetch } = clientOnly((message, reply) => {
      if (brief(message) === '0.01') reply.notify({ ...response(Code.Content, body(16), [numbered(0), block2(0, 1, 16)]), sequence: 7 });
      else reply.respond(response(Code.Content, body(1), [block2(1, 0, 16)]));
    });
    assert.equal(fetch(request(Method.GET, 'a', { options: [register] })).only.sequence, 7);
  });

  test('cancelling an observation ends the fetching too', () => {
    const { requester, wire } = clientOnly(() => {});
    const cancel = requester(request(Method.GET, 'a', { options: [register] }), new Listener());
    wire.replies[0]!.notify(response(Code.Content, body(16), [numbered(1), block2(0, 1, 16)]));
    cancel();
    assert.equal(wire.cancelled, 2);
  });
});

describe('an asynchronous handler', () => {
  test('may answer later with a large body', () => {
    const replies: TestReply[] = [];
    const { inbound } = serverOnly((_message, reply) => replies.push(reply as unknown as TestReply), { szx: 0 });
    const reply = ask(inbound, request(Method.GET, 'a'));
    assert.equal(reply.sent.length, 0);
    replies[0]!.respond(response(Code.Content, body(20)));
    assert.equal(brief(reply.last), '2.05 2:0/1/16');
  });

  test('hears of a cancel through the layer', () => {
    let cancelled = 0;
    const { inbound } = serverOnly((_message, reply) => reply.onCancel(() => cancelled++));
    ask(inbound, request(Method.GET, 'a')).cancel();
    assert.equal(cancelled, 1);
  });
});
