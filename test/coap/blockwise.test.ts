import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BlockwiseOptions, blockwise } from '../../src/coap/blockwise.ts';
import { Code, Method } from '../../src/coap/code.ts';
import type { Handler, Request } from '../../src/coap/layer.ts';
import { OptionNumber, opaqueOption, uintOption } from '../../src/coap/option.ts';
import { concat, fromHex, toHex } from '../../src/core/bytes.ts';
import { Simulator } from '../support/simulator.ts';
import { ask, association, type block, block1, block2, body, brief, Listener, option, peer, request, response, type TestReply, Wire } from './harness.ts';

/** A client and a server, each with the layer, on a wire that loses nothing. */
function pair(handler: Handler, clientOptions: BlockwiseOptions = {}, serverOptions: BlockwiseOptions = {}) {
  const sim = new Simulator();
  const client = blockwise(clientOptions, sim.env('client'));
  const server = blockwise(serverOptions, sim.env('server'));
  const wire = new Wire(server.inbound(handler));
  const requester = client.outbound(wire.requester);
  const fetch = (message: Request): Listener => {
    const listener = new Listener();
    requester(message, listener);
    return listener;
  };
  return { sim, client, server, wire, requester, fetch };
}

function serverOnly(handler: Handler, options: BlockwiseOptions = {}) {
  const sim = new Simulator();
  const layer = blockwise(options, sim.env());
  const inbound = layer.inbound(handler);
  return { sim, layer, inbound, ask: (message: Request) => ask(inbound, message).last };
}

function clientOnly(handler: Handler, options: BlockwiseOptions = {}) {
  const sim = new Simulator();
  const layer = blockwise(options, sim.env());
  const wire = new Wire(handler);
  const requester = layer.outbound(wire.requester);
  const fetch = (message: Request): Listener => {
    const listener = new Listener();
    requester(message, listener);
    return listener;
  };
  return { sim, layer, wire, requester, fetch };
}

const echoBody: Handler = (message, reply) => reply.respond(response(Code.Changed, message.payload));
const serve =
  (payload: Uint8Array, options = [] as ReturnType<typeof opaqueOption>[]): Handler =>
  (_message, reply) =>
    reply.respond(response(Code.Content, payload, options));

describe('small messages', () => {
  test('pass as they are, in both directions', () => {
    let seen: Request | undefined;
    const answer = response(Code.Content, 'hello');
    const { inbound } = serverOnly((message, reply) => {
      seen = message;
      reply.respond(answer);
    });
    const message = request(Method.GET, 'a');
    const reply = ask(inbound, message);
    assert.equal(seen, message);
    assert.equal(reply.last, answer);

    const { wire, fetch } = clientOnly(echoBody);
    const sent = request(Method.POST, 'a', { payload: body(1024) });
    assert.equal(toHex(fetch(sent).only.payload), toHex(body(1024)));
    assert.equal(wire.requests[0], sent);
  });

  test('a request payload above the limit is refused without Block options too', () => {
    const { ask } = serverOnly(echoBody, { maxBody: 100 });
    assert.equal(brief(ask(request(Method.PUT, 'a', { payload: body(101) }))), '4.13');
  });
});

describe('RFC 7959 2.2: structure of a Block option', () => {
  test('the reserved SZX 7 is answered with 4.00', () => {
    const { ask } = serverOnly(echoBody);
    for (const number of [OptionNumber.Block1, OptionNumber.Block2]) {
      assert.equal(ask(request(Method.PUT, 'a', { options: [uintOption(number, 7)], payload: body(16) })).code, Code.BadRequest);
    }
  });

  test('a block that is shorter or longer than its SZX says, with M set, is answered with 4.00', () => {
    const { ask, layer } = serverOnly(echoBody);
    for (const length of [0, 15, 17]) {
      assert.equal(ask(request(Method.PUT, 'a', { options: [block1(0, 1, 16)], payload: body(length) })).code, Code.BadRequest);
    }
    assert.equal(layer.stats().uploads, 0);
  });

  test('wrong use: szx above 6', () => {
    assert.throws(() => blockwise({ szx: 7 }, new Simulator().env()), RangeError);
  });
});

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
    const etag = (options = [] as ReturnType<typeof block>[]) => option(ask(request(Method.GET, 'a', { options })), OptionNumber.ETag);
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

  test('a body that changes all the time ends with an error', () => {
    let calls = 0;
    const { fetch, layer } = clientOnly((message, reply) => {
      const num = brief(message).includes('2:1') ? 1 : 0;
      reply.respond(response(Code.Content, body(16), [block2(num, 1, 16), opaqueOption(OptionNumber.ETag, Uint8Array.of(calls++))]));
    });
    const { errors, responses } = fetch(request(Method.GET, 'a'));
    assert.deepEqual([errors.map(({ code }) => code), responses.length], [['ERR_COAP_REPRESENTATION_CHANGED'], 0]);
    assert.equal(calls, 8);
    assert.equal(layer.stats().operations, 0);
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
      const { fetch, layer } = clientOnly((_message, reply) => reply.respond(response(Code.Content, payload, [option2])));
      assert.deepEqual(
        fetch(request(Method.GET, 'a')).errors.map(({ code }) => code),
        ['ERR_COAP_BLOCK'],
      );
      assert.equal(layer.stats().operations, 0);
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

describe('RFC 7959 2.5, 3.2: Block1', () => {
  test('Figure 7: simple atomic block-wise PUT', () => {
    const seen: Request[] = [];
    const { wire, fetch, server, client } = pair(
      (message, reply) => {
        seen.push(message);
        reply.respond(response(Code.Changed));
      },
      { szx: 3 },
    );
    const answer = fetch(request(Method.PUT, 'options', { payload: body(300) })).only;
    assert.deepEqual(wire.log, ['0.03 1:0/1/128', '  2.31 1:0/1/128', '0.03 1:1/1/128', '  2.31 1:1/1/128', '0.03 1:2/0/128', '  2.04 1:2/0/128']);
    assert.equal(brief(answer), '2.04');
    assert.equal(seen.length, 1);
    assert.equal(toHex(seen[0]!.payload), toHex(body(300)));
    assert.equal(brief(seen[0]!), '0.03');
    assert.deepEqual([server.stats().uploads, client.stats().operations], [0, 0]);
  });

  test('Figure 9: the server asks for smaller blocks', () => {
    const { wire, fetch } = pair(echoBody, { szx: 3 }, { szx: 1, threshold: 1024 });
    assert.equal(toHex(fetch(request(Method.PUT, 'options', { payload: body(200) })).only.payload), toHex(body(200)));
    assert.deepEqual(wire.log, [
      '0.03 1:0/1/128',
      '  2.31 1:0/1/32',
      '0.03 1:4/1/32',
      '  2.31 1:4/1/32',
      '0.03 1:5/1/32',
      '  2.31 1:5/1/32',
      '0.03 1:6/0/32',
      '  2.04 1:6/0/32',
    ]);
  });

  test('Size1 announces the length with the first block; If-None-Match stands there only (2.10)', () => {
    const ifNoneMatch = opaqueOption(OptionNumber.IfNoneMatch, new Uint8Array(0));
    let seen: Request | undefined;
    const { wire, fetch } = pair(
      (message, reply) => {
        seen = message;
        reply.respond(response(Code.Changed));
      },
      { szx: 0 },
    );
    fetch(request(Method.PUT, 'a', { options: [ifNoneMatch], payload: body(40) }));
    assert.deepEqual(
      wire.requests.map((message) => [option(message, OptionNumber.Size1), option(message, OptionNumber.IfNoneMatch)]),
      [
        ['28', ''],
        [undefined, undefined],
        [undefined, undefined],
      ],
    );
    assert.equal(option(seen!, OptionNumber.IfNoneMatch), '');
    assert.equal(option(seen!, OptionNumber.Size1), undefined);
  });

  test('gaps, repetitions and blocks of an unknown transfer: 4.08, and the handler hears nothing', () => {
    const { ask } = serverOnly(() => assert.fail('not whole'));
    const put = (num: number, more: number) => ask(request(Method.PUT, 'a', { options: [block1(num, more, 16)], payload: body(16) }));
    assert.equal(brief(put(1, 0)), '4.08');
    assert.equal(brief(put(0xfffff, 0)), '4.13');
    assert.equal(brief(put(0, 1)), '2.31 1:0/1/16');
    assert.equal(brief(put(2, 1)), '4.08');
    assert.equal(brief(put(3, 0)), '4.08');
    assert.equal(brief(put(1, 1)), '2.31 1:1/1/16');
    assert.equal(brief(put(1, 1)), '4.08');
  });

  test('another Content-Format is not of the same body', () => {
    const { ask } = serverOnly(() => assert.fail('mixed'));
    const put = (num: number, more: number, format: number) =>
      ask(request(Method.PUT, 'a', { options: [uintOption(OptionNumber.ContentFormat, format), block1(num, more, 16)], payload: body(16) }));
    assert.equal(brief(put(0, 1, 60)), '2.31 1:0/1/16');
    assert.equal(brief(put(1, 0, 50)), '4.08');
  });

  test('a new first block replaces what there is', () => {
    const { ask, layer } = serverOnly(echoBody);
    const put = (num: number, more: number, start: number) => ask(request(Method.PUT, 'a', { options: [block1(num, more, 16)], payload: body(16, start) }));
    put(0, 1, 1);
    put(1, 1, 1);
    put(0, 1, 2);
    assert.equal(layer.stats().uploads, 1);
    assert.equal(toHex(put(1, 0, 3).payload), toHex(concat(body(16, 2), body(16, 3))));
  });

  test('endpoints and associations are kept apart, whatever address they come from', () => {
    const { inbound } = serverOnly(echoBody);
    const put = (num: number, more: number, start: number, fields: Partial<Request>) =>
      ask(inbound, request(Method.PUT, 'a', { options: [block1(num, more, 16)], payload: body(16, start), ...fields })).last;
    put(0, 1, 1, { peer: peer(1) });
    put(0, 1, 2, { peer: peer(2) });
    put(0, 1, 3, { peer: peer(1), association: association('x') });
    put(0, 1, 4, { peer: peer(1), association: association('y') });
    assert.equal(put(1, 0, 9, { peer: peer(3) }).code, Code.RequestEntityIncomplete);
    assert.equal(toHex(put(1, 0, 9, { peer: peer(2) }).payload), toHex(concat(body(16, 2), body(16, 9))));
    assert.equal(toHex(put(1, 0, 9, { peer: peer(7), association: association('x') }).payload), toHex(concat(body(16, 3), body(16, 9))));
    assert.equal(toHex(put(1, 0, 9, { peer: peer(1) }).payload), toHex(concat(body(16, 1), body(16, 9))));
  });

  test('the assembled request keeps the association of the blocks', () => {
    let seen: Request | undefined;
    const owner = association('x');
    const { fetch } = pair((message, reply) => {
      seen = message;
      reply.respond(response(Code.Changed));
    });
    fetch(request(Method.POST, 'a', { payload: body(3000), association: owner }));
    assert.equal(seen?.association, owner);
    assert.equal(seen?.payload.length, 3000);
  });

  test('4.13 with Size1, by what came and by what is announced', () => {
    const { ask, layer } = serverOnly(() => assert.fail('too large'), { maxBody: 40 });
    const put = (num: number, options = [] as ReturnType<typeof uintOption>[]) =>
      ask(request(Method.PUT, 'a', { options: [block1(num, 1, 16), ...options], payload: body(16) }));
    put(0);
    put(1);
    const tooLarge = put(2);
    assert.equal(brief(tooLarge), '4.13');
    assert.equal(option(tooLarge, OptionNumber.Size1), '28');
    assert.equal(brief(put(0, [uintOption(OptionNumber.Size1, 41)])), '4.13');
    assert.equal(layer.stats().uploads, 0);
  });

  test('unfinished uploads are bounded: for one endpoint, in all, in bytes; the longest unused goes', () => {
    const { inbound, layer } = serverOnly(echoBody, { maxTransfers: 4, maxTransfersPerPeer: 2, maxBytes: 2000 });
    const put = (port: number, path: string, num: number, more: number, size = 16) =>
      brief(ask(inbound, request(Method.PUT, path, { peer: peer(port), options: [block1(num, more, size)], payload: body(size) })).last);
    for (const path of ['a', 'b', 'c']) put(1, path, 0, 1);
    assert.equal(layer.stats().uploads, 2);
    assert.equal(put(1, 'a', 1, 1), '4.08');
    assert.equal(put(1, 'b', 1, 1), '2.31 1:1/1/16');
    for (let port = 2; port < 100; port++) put(port, 'a', 0, 1);
    assert.equal(layer.stats().uploads, 4);
    for (let port = 2; port < 100; port++) put(port, 'a', 0, 1, 1024);
    assert.equal(layer.stats().uploads, 1);
    assert.ok(layer.stats().uploadBytes <= 2000);
  });

  test('what is unfinished goes when its lifetime ends, by one timer for all', async () => {
    const { sim, inbound, layer } = serverOnly(echoBody, { lifetime: 10_000 });
    assert.equal(sim.pending, 0);
    const put = (port: number, num: number) => ask(inbound, request(Method.PUT, 'a', { peer: peer(port), options: [block1(num, 1, 16)], payload: body(16) }));
    for (let port = 1; port < 50; port++) put(port, 0);
    assert.equal(sim.pending, 1);
    await sim.sleep(6_000);
    put(1, 1);
    await sim.sleep(4_001);
    assert.equal(layer.stats().uploads, 1);
    await sim.sleep(10_000);
    assert.deepEqual([layer.stats().uploads, layer.stats().uploadBytes, sim.pending], [0, 0, 0]);
  });

  test('a client that gets 4.08 in the middle starts again, once', () => {
    let lost = 0;
    const { fetch, wire } = clientOnly(
      continuing(() => lost++ < 1),
      { szx: 0 },
    );
    assert.equal(fetch(request(Method.PUT, 'a', { payload: body(48) })).only.code, Code.Changed);
    assert.deepEqual(wire.requests.map(brief), ['0.03 1:0/1/16', '0.03 1:1/1/16', '0.03 1:0/1/16', '0.03 1:1/1/16', '0.03 1:2/0/16']);
  });

  test('a client that gets 4.13 with a smaller SZX tries with that', () => {
    const { fetch, wire } = pair(echoBody, { szx: 2 });
    const inbound = wire.handler;
    wire.handler = (message, reply) => {
      if (brief(message) === '0.03 1:0/1/64') reply.respond(response(Code.RequestEntityTooLarge, '', [block1(0, 1, 32)]));
      else inbound(message, reply);
    };
    assert.equal(toHex(fetch(request(Method.PUT, 'a', { payload: body(80) })).only.payload), toHex(body(80)));
    assert.deepEqual(wire.requests.slice(0, 3).map(brief), ['0.03 1:0/1/64', '0.03 1:0/1/32', '0.03 1:1/1/32']);
  });

  test('4.13 without a hint is the outcome', () => {
    const { fetch, wire } = pair(echoBody, { szx: 2 }, { maxBody: 70 });
    assert.equal(fetch(request(Method.PUT, 'a', { payload: body(80) })).only.code, Code.RequestEntityTooLarge);
    assert.equal(wire.requests.length, 1);
  });

  test('2.3: a server that acts on each block; the last response counts', () => {
    const { fetch, wire } = clientOnly(
      (message, reply) => reply.respond(response(Code.Changed, '', message.options.filter(({ number }) => number === OptionNumber.Block1).map(withoutMore))),
      { szx: 0 },
    );
    assert.equal(fetch(request(Method.PUT, 'a', { payload: body(40) })).only.code, Code.Changed);
    assert.equal(wire.requests.length, 3);
  });

  test('an acknowledgement of another block is an error', () => {
    const { fetch, layer } = clientOnly((_message, reply) => reply.respond(response(Code.Continue, '', [block1(5, 1, 16)])), { szx: 0 });
    assert.deepEqual(
      fetch(request(Method.PUT, 'a', { payload: body(40) })).errors.map(({ code }) => code),
      ['ERR_COAP_BLOCK'],
    );
    assert.equal(layer.stats().operations, 0);
  });

  test('2.31 to the last block is an error', () => {
    const { fetch } = clientOnly(
      continuing(() => false, true),
      { szx: 0 },
    );
    assert.deepEqual(
      fetch(request(Method.PUT, 'a', { payload: body(20) })).errors.map(({ code }) => code),
      ['ERR_COAP_BLOCK'],
    );
  });

  test('a body above the limit is not begun', () => {
    const { fetch, wire } = clientOnly(echoBody, { maxBody: 2000 });
    assert.deepEqual(
      fetch(request(Method.PUT, 'a', { payload: body(2001) })).errors.map(({ code }) => code),
      ['ERR_COAP_BODY_SIZE'],
    );
    assert.equal(wire.requests.length, 0);
  });

  test('an answer from outside the association moves nothing', () => {
    const { fetch, wire } = clientOnly(
      (message, reply) =>
        reply.respond({ ...response(Code.RequestEntityTooLarge, '', [block1(0, 1, 16)]), association: association(`not ${message.association?.id}`) }),
      { szx: 1 },
    );
    assert.equal(fetch(request(Method.PUT, 'a', { payload: body(40), association: association('x') })).only.code, Code.RequestEntityTooLarge);
    assert.equal(wire.requests.length, 1);
  });

  test('cancel ends what is under way below', () => {
    const { requester, wire, layer } = clientOnly(() => {}, { szx: 0 });
    const listener = new Listener();
    const cancel = requester(request(Method.PUT, 'a', { payload: body(40) }), listener);
    assert.equal(layer.stats().operations, 1);
    cancel();
    cancel();
    assert.deepEqual([wire.cancelled, listener.responses.length + listener.errors.length, layer.stats().operations], [1, 0, 0]);
  });

  test('what the layer below throws for a later block goes to the listener', () => {
    const { fetch, wire } = clientOnly(echoBody, { szx: 0 });
    wire.handler = (message, reply) => {
      if (brief(message) !== '0.03 1:0/1/16') throw new Error('closed');
      continuing(() => false)(message, reply);
    };
    assert.deepEqual(
      fetch(request(Method.PUT, 'a', { payload: body(40) })).errors.map(({ code }) => code),
      ['ERR_COAP_REQUEST'],
    );
  });
});

describe('RFC 7959 2.7, 3.3: Block1 and Block2 together', () => {
  test('Figure 10: atomic block-wise POST with block-wise response', () => {
    let calls = 0;
    const { wire, fetch, server } = pair(
      (message, reply) => {
        calls++;
        reply.respond(response(Code.Changed, concat(message.payload, message.payload)));
      },
      { szx: 3 },
      { szx: 3 },
    );
    const answer = fetch(request(Method.POST, 'soap', { payload: body(300) })).only;
    assert.equal(toHex(answer.payload), toHex(concat(body(300), body(300))));
    assert.deepEqual(wire.log, [
      '0.02 1:0/1/128',
      '  2.31 1:0/1/128',
      '0.02 1:1/1/128',
      '  2.31 1:1/1/128',
      '0.02 1:2/0/128 2:0/0/128',
      '  2.04 1:2/0/128 2:0/1/128',
      '0.02 2:1/0/128',
      '  2.04 2:1/1/128',
      '0.02 2:2/0/128',
      '  2.04 2:2/1/128',
      '0.02 2:3/0/128',
      '  2.04 2:3/1/128',
      '0.02 2:4/0/128',
      '  2.04 2:4/0/128',
    ]);
    assert.deepEqual(
      wire.requests.slice(3).map(({ payload }) => payload.length),
      [0, 0, 0, 0],
    );
    assert.equal(calls, 1);
    assert.equal(server.stats().uploads, 0);
  });

  test('a later block of an answer that is gone does not act again: 4.08', () => {
    const { ask } = serverOnly(() => assert.fail('acted again'));
    for (const code of [Method.POST, Method.PUT, Method.DELETE, Method.PATCH, Method.iPATCH, Method.FETCH]) {
      assert.equal(brief(ask(request(code, 'a', { options: [block2(1, 0, 16)] }))), '4.08');
    }
  });

  test('RFC 8132 2.5: FETCH with a body and a large response', () => {
    const { fetch } = pair((message, reply) => reply.respond(response(Code.Content, concat(message.payload, body(100)))), {}, { szx: 1 });
    assert.equal(toHex(fetch(request(Method.FETCH, 'a', { payload: body(10) })).only.payload), toHex(concat(body(10), body(100))));
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

function withoutMore(value: { number: number; value: Uint8Array }) {
  const bytes = value.value.slice();
  if (bytes.length > 0) bytes[bytes.length - 1]! &= 0xf7;
  return { number: value.number, value: bytes };
}

/** Acknowledges blocks of 16 bytes, loses the transfer where `lose` says so, and answers the last with 2.04, or with 2.31 against the rules. */
function continuing(lose: () => boolean, always = false): Handler {
  return (message, reply) => {
    const [, num, more] = /1:(\d+)\/(\d)/.exec(brief(message))!.map(Number) as [number, number, number];
    if (num === 1 && lose()) reply.respond(response(Code.RequestEntityIncomplete));
    else if (more === 1 || always) reply.respond(response(Code.Continue, '', [block1(num, 1, 16)]));
    else reply.respond(response(Code.Changed, '', [block1(num, 0, 16)]));
  };
}
