import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, Endpoint, Method, OptionNumber, pathOptions, type Reply, uintOption } from '../../../src/coap/index.ts';
import { uintOf } from '../../../src/coap/message/option.ts';
import { Simulator } from '../../support/simulator.ts';
import { block1, body, response } from '../harness.ts';
import { assumed, empty, put, q1, q2, qBlockPair, quick, rawPair, size1, tag } from './harness.ts';

const first = [size1(40), tag(1)];

describe('Endpoint.adjust: robust transfer (RFC 9177)', () => {
  test('of a server that offers none, until it does', async () => {
    const raw = rawPair(undefined, { ...quick, qBlock: { offered: false } });
    assert.deepEqual(await raw.ask(...put(0, 1, 16, ...first)), ['NON 4.02']);
    assert.deepEqual(await raw.ask(Method.GET, [q2(0, 1, 16)]), ['NON 4.02']);
    assert.deepEqual(await raw.ask(Method.GET, []), ['NON 2.05']);
    raw.endpoint.adjust({ qBlock: true });
    assert.deepEqual(await raw.ask(...put(0, 1, 16, ...first)), []);
    assert.deepEqual(await raw.ask(...put(1, 1, 16, ...first)), []);
    assert.deepEqual(await raw.ask(...put(2, 0, 8, ...first)), ['NON 2.04']);
    await empty(raw);
  });

  test('of a server that offers it no more: what has begun goes on, what begins anew gets 4.02', async () => {
    const raw = rawPair((message, reply) => reply.respond(message.code === Method.GET ? response(Code.Content, body(40)) : response(Code.Changed)), quick);
    assert.deepEqual(await raw.ask(...put(0, 1, 16, ...first)), []);
    assert.deepEqual(await raw.ask(Method.GET, [q2(0, 1, 16)]), ['NON 2.05 QB2:0/1/16', 'NON 2.05 QB2:1/1/16', 'NON 2.05 QB2:2/0/16']);
    raw.endpoint.adjust({ qBlock: false });
    assert.deepEqual(await raw.ask(Method.GET, [q2(1, 0, 16)]), ['NON 2.05 QB2:1/1/16'], 'a payload that got lost');
    assert.deepEqual(await raw.ask(...put(1, 1, 16, ...first)), []);
    assert.deepEqual(await raw.ask(...put(2, 0, 8, ...first)), ['NON 2.04']);
    assert.deepEqual(await raw.ask(Method.GET, [q2(0, 1, 16)]), ['NON 4.02']);
    assert.deepEqual(await raw.ask(Method.PUT, [q1(0, 1, 16), size1(40), tag(2)], body(16)), ['NON 4.02']);
    await empty(raw);
  });

  test('a client that has found it there before goes on by Block1', async () => {
    const bodies: number[] = [];
    const pair = qBlockPair(
      (message, reply) => {
        if (message.code === Method.PUT) bodies.push(message.payload.length);
        reply.respond(message.code === Method.PUT ? response(Code.Changed) : response(Code.Content, body(20)));
      },
      {},
      { qBlock: {} },
    );
    const send = () => pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(3000), nonConfirmable: true });
    assert.equal((await pair.sim.finish(send())).code, Code.Changed);
    assert.match(pair.log().join(), /QB1:2\/0/);
    pair.server.adjust({ qBlock: false });
    assert.equal((await pair.sim.finish(send())).code, Code.Changed);
    assert.match(pair.log().join(), / B1:2\/0/);
    assert.deepEqual(bodies, [3000, 3000]);
  });

  test('an observation that has begun by it goes on', async () => {
    let observer: Reply | undefined;
    const pair = qBlockPair((_message, reply) => {
      observer = reply;
      reply.notify(response(Code.Content, body(3000), [uintOption(OptionNumber.Observe, 0)]));
    });
    const heard: number[] = [];
    const loop = (async () => {
      for await (const { payload } of pair.client.observe({ peer: pair.peer, options: pathOptions(['a']), nonConfirmable: true })) {
        heard.push(payload.length);
        if (heard.length === 2) break;
      }
    })();
    await pair.sim.sleep(100);
    pair.server.adjust({ qBlock: false });
    observer!.notify(response(Code.Content, body(4000), [uintOption(OptionNumber.Observe, 0)]));
    await pair.sim.finish(loop);
    assert.deepEqual(heard, [3000, 4000]);
  });

  test('an endpoint asks by it no more, and again', async () => {
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Changed)), {}, assumed);
    const send = () => pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(2000), nonConfirmable: true });
    for (const [isOffered, expected] of [
      [false, / B1:1\/0/],
      [true, /QB1:1\/0/],
    ] as const) {
      pair.client.adjust({ qBlock: isOffered });
      await pair.sim.finish(send());
      assert.match(pair.log().join(), expected);
    }
  });
});

describe('Endpoint.adjust: the longest body', () => {
  test('RFC 7959 2.9.3: from then on 4.13 with the new Size1 for what is longer, by each way; one under way ends', async () => {
    const raw = rawPair(undefined, { ...quick, blockwise: { maxBody: 48 }, qBlock: {} });
    assert.deepEqual(await raw.ask(Method.PUT, [block1(0, 1, 16)], body(16)), ['NON 2.31 B1:0/1/16']);
    raw.endpoint.adjust({ maxBody: 20 });
    assert.deepEqual(await raw.ask(Method.PUT, [block1(1, 1, 16)], body(16)), ['NON 4.13']);
    assert.deepEqual(await raw.ask(Method.PUT, [], body(21)), ['NON 4.13']);
    assert.deepEqual(await raw.ask(Method.PUT, [], body(20)), ['NON 2.04']);
    assert.deepEqual(await raw.ask(...put(0, 1, 16, ...first)), ['NON 4.13']);
    raw.endpoint.adjust({ maxBody: 40 });
    assert.deepEqual(await raw.ask(...put(0, 1, 16, ...first)), []);
    assert.deepEqual(await raw.ask(Method.PUT, [], body(40)), ['NON 2.04']);
    await empty(raw);
  });

  test('a bound of its own for robust transfer stays; the answer says the new one', async () => {
    const raw = rawPair(undefined, { ...quick, qBlock: { maxBody: 100 } });
    raw.endpoint.adjust({ maxBody: 20 });
    assert.deepEqual(await raw.ask(...put(0, 1, 16, ...first)), []);
    const sim = new Simulator();
    const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), amplification: 'unlimited' });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client') });
    server.adjust({ maxBody: 20 });
    const refused = await sim.finish(client.request({ code: Method.PUT, peer: sim.peer('10.0.0.1', 5683), payload: body(21) }));
    assert.deepEqual([refused.code, uintOf(refused.options, OptionNumber.Size1)], [Code.RequestEntityTooLarge, 20]);
  });
});

describe('RFC 9177 4.1: what waits for the answer of a probe', () => {
  test('is sent as it was given, whatever its bytes are used for meanwhile', async () => {
    const seen: Uint8Array[] = [];
    const pair = qBlockPair(
      (request, reply) => {
        if (request.code === Method.PUT) seen.push(request.payload.slice());
        reply.respond(response(Code.Changed));
      },
      {},
      { qBlock: { discovery: 'probe' } },
    );
    const payload = body(2000);
    const request = pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['t']), payload, nonConfirmable: true });
    payload.fill(0);
    assert.equal((await pair.sim.finish(request)).code, Code.Changed);
    assert.deepEqual(seen, [body(2000)]);
    await pair.isEmpty();
  });
});
