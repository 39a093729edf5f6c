import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, Endpoint, type Handler, Method, OptionNumber, pathOptions, uintOf, uintOption } from '../../../src/coap/index.ts';
import { emptyBytes, toHex } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, block1, block2, body, brief, request, response } from '../harness.ts';
import { clientOnly, echoBody, pair, serve, serverOnly } from './harness.ts';

function endpoints(handler: Handler, server: object = {}) {
  const sim = new Simulator();
  const a = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, ...server });
  const b = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client') });
  return { sim, server: a, client: b, common: { peer: sim.peer('10.0.0.1', 5683), options: pathOptions(['a']) } };
}

describe('RFC 7959 2.2: payloads and sizes', () => {
  test('a final block that is larger than its SZX says is answered with 4.00, the first as any other', () => {
    const { ask, layer } = serverOnly(echoBody);
    assert.equal(brief(ask(request(Method.PUT, 'a', { options: [block1(0, 0, 16)], payload: body(17) }))), '4.00');
    ask(request(Method.PUT, 'a', { options: [block1(0, 1, 16)], payload: body(16) }));
    assert.equal(brief(ask(request(Method.PUT, 'a', { options: [block1(1, 0, 16)], payload: body(17) }))), '4.00');
    assert.equal(layer.stats().uploads, 1);
    assert.equal(
      toHex(ask(request(Method.PUT, 'a', { options: [block1(1, 0, 16)], payload: body(4) })).payload),
      toHex(new Uint8Array([...body(16), ...body(4)])),
    );
  });

  test('a final block may be empty, in both directions', () => {
    const { ask: put } = serverOnly(echoBody);
    put(request(Method.PUT, 'a', { options: [block1(0, 1, 16)], payload: body(16) }));
    assert.equal(toHex(put(request(Method.PUT, 'a', { options: [block1(1, 0, 16)], payload: emptyBytes })).payload), toHex(body(16)));

    const { fetch } = clientOnly((message, reply) => {
      const later = message.options.some(({ number }) => number === OptionNumber.Block2);
      reply.respond(response(Code.Content, later ? emptyBytes : body(16), [later ? block2(1, 0, 16) : block2(0, 1, 16)]));
    });
    assert.equal(toHex(fetch(request(Method.GET, 'a')).only.payload), toHex(body(16)));
  });

  test('more blocks than 2^20 are refused before the first is sent', () => {
    const { wire, fetch } = clientOnly(echoBody, { szx: 0, maxBody: 0x200_0000 });
    const listener = fetch(request(Method.PUT, 'a', { payload: new Uint8Array(16 * 0x10_0000 + 1) }));
    assert.deepEqual([listener.errors.map(({ code }) => code), wire.requests.length], [['ERR_COAP_BODY_SIZE'], 0]);
  });
});

describe('RFC 7959 2.3, 2.5: negotiation of the size', () => {
  test('2.31 with a smaller SZX: the client goes on from the right byte; a larger one changes nothing', () => {
    for (const [answered, log] of [
      [16, ['0.03 1:0/1/64', '0.03 1:4/1/16', '0.03 1:5/1/16', '0.03 1:6/0/16']],
      [1024, ['0.03 1:0/1/64', '0.03 1:1/0/64']],
    ] as const) {
      let at = 0;
      const { wire, fetch } = clientOnly(
        (message, reply) => {
          const more = brief(message).includes('/1/');
          const number = at === 0 ? 0 : Number(/1:(\d+)/.exec(brief(message))![1]);
          at++;
          reply.respond(response(more ? Code.Continue : Code.Changed, '', [block1(number, more ? 1 : 0, number === 0 ? answered : Math.min(answered, 64))]));
        },
        { szx: 2, threshold: 16 },
      );
      assert.equal(fetch(request(Method.PUT, 'a', { payload: body(100) })).only.code, Code.Changed);
      assert.deepEqual(
        wire.requests.map((message) => brief(message)),
        log,
      );
    }
  });

  test('2.9.3: a 4.13 whose SZX is not smaller is the outcome', () => {
    for (const size of [64, 1024]) {
      const { wire, fetch } = clientOnly((_message, reply) => reply.respond(response(Code.RequestEntityTooLarge, '', [block1(0, 0, size)])), { szx: 2 });
      assert.equal(fetch(request(Method.PUT, 'a', { payload: body(100) })).only.code, Code.RequestEntityTooLarge);
      assert.equal(wire.requests.length, 1);
    }
  });
});

describe('RFC 7959 2.4: random access', () => {
  test('requestBlock reads one block, the first too, and tells what it says of itself', async () => {
    const { sim, client, common } = endpoints(serve(body(100)));
    const first = await sim.finish(client.requestBlock(common, { number: 0, szx: 1 }));
    assert.deepEqual([first.block, first.size, toHex(first.payload)], [{ number: 0, more: true, szx: 1 }, 100, toHex(body(100).subarray(0, 32))]);
    const last = await sim.finish(client.requestBlock(common, { number: 3, szx: 1 }));
    assert.deepEqual([last.block.more, last.payload.length], [false, 4]);
    assert.equal(sim.wire.length, 4);
    const behind = await sim.finish(client.requestBlock(common, { number: 4, szx: 1 }));
    assert.equal(behind.code, Code.BadRequest);
    await client.close();
  });

  test('who reads one block again and again sees that the body has changed; who goes on to the next has as long as before', async () => {
    let calls = 0;
    const { sim, ask } = serverOnly((_message, reply) => reply.respond(response(Code.Content, body(64, calls++))), { szx: 0, lifetime: 1000 });
    const read = (number: number): string => toHex(ask(request(Method.GET, 'a', { options: [block2(number, 0, 16)] })).payload);
    assert.equal(read(1), toHex(body(64).subarray(16, 32)));
    for (const number of [2, 3]) {
      await sim.sleep(900);
      assert.equal(read(number), toHex(body(64).subarray(16 * number, 16 * number + 16)));
    }
    await sim.sleep(900);
    assert.equal(read(1), toHex(body(64).subarray(16, 32)));
    await sim.sleep(900);
    assert.equal(read(1), toHex(body(64, 1).subarray(16, 32)));
  });

  test('a server takes a smaller size, from the same byte; block 2^20-1 is a number like another', async () => {
    const { sim, client, common } = endpoints(serve(body(3000)), { blockwise: { szx: 2 } });
    const { block, payload } = await sim.finish(client.requestBlock(common, { number: 1, szx: 6 }));
    assert.deepEqual([block, toHex(payload)], [{ number: 16, more: true, szx: 2 }, toHex(body(3000).subarray(1024, 1088))]);
    assert.equal((await sim.finish(client.requestBlock(common, { number: 0xf_ffff, szx: 6 }))).code, Code.BadRequest);
    await assert.rejects(client.requestBlock(common, { number: 0x10_0000, szx: 6 }), { code: 'ERR_COAP_BLOCK' });
    await client.close();
  });

  test('a size exponent that is none is refused, and nothing leaves', async () => {
    const { sim, client, common } = endpoints(serve(body(100)));
    for (const szx of [7, 9, -1, 1.5, Number.NaN])
      await assert.rejects(sim.finish(client.requestBlock(common, { number: 0, szx })), { name: 'CoapError', code: 'ERR_COAP_BLOCK' }, String(szx));
    assert.equal(sim.wire.length, 0);
    await client.close();
  });

  test('another block than the one that was asked for is an error', async () => {
    const { sim, client, common } = endpoints((_message, reply) => reply.respond(response(Code.Content, body(16), [block2(2, 1, 16)])));
    await assert.rejects(sim.finish(client.requestBlock(common, { number: 1, szx: 0 })), { code: 'ERR_COAP_BLOCK' });
    await client.close();
  });
});

describe('RFC 7959 3.3: Block options where they say little', () => {
  test('Block2 beside a Block1 that is not the last waits for the whole request', () => {
    const { ask } = serverOnly((_message, reply) => reply.respond(response(Code.Changed, body(40))));
    const both = (more: number, num: number) => ask(request(Method.POST, 'a', { options: [block1(num, more, 16), block2(0, 0, 16)], payload: body(16) }));
    assert.equal(brief(both(1, 0)), '2.31 1:0/1/16');
    assert.equal(brief(both(0, 1)), '2.04 1:1/0/16 2:0/1/16');
  });

  test('Block1 on a request without a payload is an empty body', () => {
    const { ask } = serverOnly(serve(body(4)));
    assert.equal(brief(ask(request(Method.GET, 'a', { options: [block1(0, 0, 16)] }))), '2.05 1:0/0/16');
  });

  test('Block2 in an error response, and Block1 in a response to a request without one, move nothing', () => {
    for (const answer of [response(Code.NotFound, 'gone', [block2(0, 1, 16)]), response(Code.Content, 'here', [block1(0, 1, 16)])]) {
      const { wire, fetch } = clientOnly((_message, reply) => reply.respond(answer));
      assert.equal(fetch(request(Method.GET, 'a')).only.code, answer.code);
      assert.equal(wire.requests.length, 1);
    }
  });
});

describe('RFC 7959 4: Size1 and Size2', () => {
  test('Size2 in a request asks for the length, at any block', () => {
    const { ask } = serverOnly(serve(body(100)));
    const sizeAt = (num: number, ...more: ReturnType<typeof uintOption>[]) =>
      uintOf(ask(request(Method.GET, 'a', { options: [block2(num, 0, 16), ...more] })).options, OptionNumber.Size2);
    assert.deepEqual(
      [sizeAt(0), sizeAt(1), sizeAt(1, uintOption(OptionNumber.Size2, 0)), sizeAt(6, uintOption(OptionNumber.Size2, 0))],
      [100, undefined, 100, 100],
    );
  });

  test('atomic: a body of which a block is missing never reaches the handler', () => {
    let calls = 0;
    const { inbound } = serverOnly((_message, reply) => {
      calls++;
      reply.respond(response(Code.Changed));
    });
    for (const num of [0, 1, 3, 4]) ask(inbound, request(Method.PUT, 'a', { options: [block1(num, num === 4 ? 0 : 1, 16)], payload: body(16) }));
    assert.equal(calls, 0);
    const { fetch } = pair(echoBody, { szx: 0 });
    assert.equal(fetch(request(Method.PUT, 'a', { payload: body(80) })).only.payload.length, 80);
  });
});
