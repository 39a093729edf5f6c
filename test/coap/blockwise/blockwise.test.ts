import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { blockwise } from '../../../src/coap/blockwise/layer.ts';
import type { Handler, Request } from '../../../src/coap/layer.ts';
import { Code, Method } from '../../../src/coap/message/code.ts';
import { type Option, OptionNumber, opaqueOption, uintOption } from '../../../src/coap/message/option.ts';
import { concat, toHex } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, association, block1, block2, body, brief, Listener, option, peer, request, response } from '../harness.ts';
import { clientOnly, echoBody, pair, serverOnly } from './harness.ts';

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
    const put = (num: number, options = [] as Option[]) => ask(request(Method.PUT, 'a', { options: [block1(num, 1, 16), ...options], payload: body(16) }));
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

  test('a second 4.08 is the outcome', () => {
    const { fetch, wire } = clientOnly(
      continuing(() => true),
      { szx: 0 },
    );
    assert.equal(fetch(request(Method.PUT, 'a', { payload: body(48) })).only.code, Code.RequestEntityIncomplete);
    assert.equal(wire.requests.length, 4);
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

  test('2.9.3: a 4.13 with a Block1 option to a request without one is a hint to try it', () => {
    const { fetch, wire } = pair(echoBody);
    const inbound = wire.handler;
    wire.handler = (message, reply) => {
      if (brief(message) === '0.03') reply.respond(response(Code.RequestEntityTooLarge, '', [block1(0, 0, 32)]));
      else inbound(message, reply);
    };
    assert.equal(toHex(fetch(request(Method.PUT, 'a', { payload: body(80) })).only.payload), toHex(body(80)));
    assert.deepEqual(wire.requests.slice(0, 2).map(brief), ['0.03', '0.03 1:0/1/32']);
  });

  test('what the caller does to its bytes after the call changes nothing', () => {
    const { fetch, wire } = clientOnly(
      continuing(() => false),
      { szx: 0 },
    );
    const hold = wire.handler;
    const waiting: (() => void)[] = [];
    wire.handler = (message, reply) => waiting.push(() => hold(message, reply));
    const payload = body(40);
    fetch(request(Method.PUT, 'a', { payload }));
    payload.fill(0xff);
    while (waiting.length > 0) waiting.shift()!();
    assert.equal(toHex(concat(...wire.requests.map((message) => message.payload))), toHex(body(40)));
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
    const { fetch, client } = clientOnly((_message, reply) => reply.respond(response(Code.Continue, '', [block1(5, 1, 16)])), { szx: 0 });
    assert.deepEqual(
      fetch(request(Method.PUT, 'a', { payload: body(40) })).errors.map(({ code }) => code),
      ['ERR_COAP_BLOCK'],
    );
    assert.equal(client.stats().operations, 0);
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
    const { requester, wire, client } = clientOnly(() => {}, { szx: 0 });
    const listener = new Listener();
    const cancel = requester(request(Method.PUT, 'a', { payload: body(40) }), listener);
    assert.equal(client.stats().operations, 1);
    cancel();
    cancel();
    assert.deepEqual([wire.cancelled, listener.responses.length + listener.errors.length, client.stats().operations], [1, 0, 0]);
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
