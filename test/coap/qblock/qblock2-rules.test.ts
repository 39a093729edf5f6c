import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeMessage,
  findOption,
  type Handler,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  pathOptions,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { equalBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { body, response } from '../harness.ts';
import { assumed, empty, lose, q2, qBlockPair, quick, rawPair } from './harness.ts';

describe('RFC 9177 4.4: Q-Block2', () => {
  const large =
    (length = 100): Handler =>
    (_message, reply) =>
      reply.respond(response(Code.Content, body(length)));

  test('M unset: that block; M set: the rest of its MAX_PAYLOADS_SET; NUM 0 with M: the whole body', async () => {
    const parts = rawPair(large(), { ...quick, qBlock: { maxPayloads: 4 } });
    const numbers = async (...options: Option[]) => (await parts.ask(Method.GET, options)).map((line) => line.replace('NON 2.05 QB2:', ''));
    assert.deepEqual(await numbers(q2(0, 1, 16)), ['0/1/16', '1/1/16', '2/1/16', '3/1/16']);
    assert.deepEqual(await numbers(q2(4, 1, 16)), ['4/1/16', '5/1/16', '6/0/16']);
    assert.deepEqual(await numbers(q2(2, 0, 16)), ['2/1/16']);
    assert.deepEqual(await numbers(q2(1, 1, 16)), ['1/1/16', '2/1/16', '3/1/16']);
    assert.deepEqual(await numbers(q2(1, 0, 16), q2(6, 0, 16)).then((first) => first), ['1/1/16'], 'one set at a time');
    await parts.sim.sleep(3000);
    assert.deepEqual(parts.heard(), ['NON 2.05 QB2:6/0/16'], 'the other after NON_TIMEOUT_RANDOM');
    assert.equal(parts.seen.length, 1, 'all from the body that is kept');
    await empty(parts);
  });

  test('a block that is asked for more than once is sent once', async () => {
    const parts = rawPair(large());
    await parts.ask(Method.GET, [q2(0, 1, 16)]);
    assert.deepEqual(
      await parts.ask(Method.GET, [q2(2, 1, 16), q2(4, 0, 16)]),
      [2, 3, 4, 5, 6].map((n) => `NON 2.05 QB2:${n}/${n < 6 ? 1 : 0}/16`),
    );
    await empty(parts);
  });

  test('block numbers that do not rise are answered with 4.00, as is one beyond the body', async () => {
    const parts = rawPair(large());
    assert.deepEqual(await parts.ask(Method.GET, [q2(2, 0, 16), q2(1, 0, 16)]), ['NON 4.00']);
    assert.deepEqual(await parts.ask(Method.GET, [q2(2, 0, 16), q2(2, 0, 16)]), ['NON 4.00']);
    assert.deepEqual(await parts.ask(Method.GET, [q2(7, 0, 16)]), ['NON 4.00']);
    await empty(parts);
  });

  test('all payloads of a body have the same ETag and the exact Size2, and another body another ETag', async () => {
    let version = 0;
    const parts = rawPair((_message, reply) => reply.respond(response(Code.Content, body(100, version++))));
    const etags = async (): Promise<string[]> => {
      const before = parts.raw.received.length;
      await parts.ask(Method.GET, [q2(0, 1, 16)]);
      return parts.raw.received.slice(before).map((hex) => {
        const { options } = decodeMessage(fromHex(hex));
        return `${toHex(findOption(options, OptionNumber.ETag)!.value)} ${uintOf(options, OptionNumber.Size2)}`;
      });
    };
    const one = await etags();
    const other = await etags();
    assert.deepEqual([one.length, new Set(one).size, new Set(other).size, one[0] === other[0]], [7, 1, 1, false]);
    assert.match(one[0]!, / 100$/);
    await empty(parts);
  });

  test('a body that is not kept any more is answered from the latest representation; a POST is not made twice', async () => {
    const parts = rawPair(large());
    assert.deepEqual(await parts.ask(Method.GET, [q2(3, 0, 16)]), ['NON 2.05 QB2:3/1/16']);
    assert.equal(parts.seen.length, 1);
    assert.deepEqual(await parts.ask(Method.POST, [q2(3, 0, 16)]), ['NON 4.08']);
    assert.equal(parts.seen.length, 1);
    await empty(parts);
  });

  test('a body that changes while it comes: the payloads of two representations are never put together', async () => {
    let calls = 0;
    const handler: Handler = (_message, reply) => reply.respond(response(Code.Content, body(30_000, Math.min(calls++, 2))));
    // So short a time that no body is kept for its later payloads.
    const pair = qBlockPair(handler, {}, quick, { ...quick, qBlock: { discovery: 'assume', nonPartialTimeout: 1 } });
    const answer = await pair.sim.finish(pair.client.request({ peer: pair.peer, options: pathOptions(['a']), nonConfirmable: true }));
    assert.equal(toHex(answer.payload), toHex(body(30_000, 2)));
    assert.ok(calls > 2);
    await pair.isEmpty();
  });

  test('requests at the same time that only their bodies tell apart get their own answers, whatever of them is lost', async () => {
    const handler: Handler = (message, reply) => reply.respond(response(Code.Content, body(3000, message.payload[0])));
    for (const code of [Method.FETCH, Method.POST, Method.PUT]) {
      for (const nonConfirmable of [false, true]) {
        for (let seed = 1; seed <= 5; seed++) {
          const half = { qBlock: { discovery: 'assume', szx: 4 }, parameters: { nstart: 4 } } as const;
          const { sim, client, peer, isEmpty } = qBlockPair(handler, { seed, loss: 0.1 }, half, half);
          const options = [uintOption(OptionNumber.ContentFormat, 0)];
          const send = (first: number) => client.request({ peer, code, options, payload: Uint8Array.of(first), nonConfirmable });
          const outcomes = await sim.finish(Promise.allSettled([1, 2, 3].map(send)));
          const what = `${code} ${nonConfirmable ? 'NON' : 'CON'} ${seed}`;
          for (const [index, outcome] of outcomes.entries())
            if (outcome.status === 'fulfilled') assert.ok(equalBytes(outcome.value.payload, body(3000, index + 1)), what);
          // A POST that is lost is not sent again.
          if (!nonConfirmable)
            assert.ok(
              outcomes.every(({ status }) => status === 'fulfilled'),
              what,
            );
          await isEmpty();
        }
      }
    }
  });

  test('a partial body is given up after NON_MAX_RETRANSMIT questions without an answer', async () => {
    const pair = qBlockPair(large(3000), {}, quick, quick);
    lose(pair.sim, (_text, index) => index === 2 || index > 3);
    await assert.rejects(pair.sim.finish(pair.client.request({ peer: pair.peer, options: pathOptions(['a']), nonConfirmable: true })), {
      code: 'ERR_COAP_TIMEOUT',
    });
    const questions = pair.sim.wire.filter(({ from }) => from === '10.0.0.2:5683').map(({ time }) => time - 20);
    assert.deepEqual(questions.slice(1), [4000, 12_000, 28_000, 60_000]);
    await pair.isEmpty();
  });

  test('the question has neither Observe nor ETag nor a payload', async () => {
    const pair = qBlockPair(large(3000), {}, quick, quick);
    lose(pair.sim, (_text, index) => index === 2);
    const etag = opaqueOption(OptionNumber.ETag, utf8('old'));
    await pair.sim.finish(pair.client.request({ peer: pair.peer, options: [etag, ...pathOptions(['a'])], nonConfirmable: true }));
    const question = pair.sim.wire.filter(({ from }) => from === '10.0.0.2:5683').map(({ datagram }) => decodeMessage(datagram))[1]!;
    assert.deepEqual(
      [question.payload.length, findOption(question.options, OptionNumber.ETag), findOption(question.options, OptionNumber.Observe)],
      [0, undefined, undefined],
    );
    await pair.isEmpty();
  });

  test('Confirmable: the first payload on the acknowledgement, the others as Confirmable responses', async () => {
    const pair = qBlockPair(large(3500), {}, { ...assumed, parameters: { nstart: 3 } }, { ...assumed, parameters: { nstart: 3 } });
    assert.equal((await pair.sim.finish(pair.client.request({ peer: pair.peer, options: pathOptions(['a']) }))).payload.length, 3500);
    await pair.isEmpty();
    assert.deepEqual(pair.log(), [
      '> CON 0.01 QB2:0/1/1024',
      '< ACK 2.05 QB2:0/1/1024',
      '< CON 2.05 QB2:1/1/1024',
      '< CON 2.05 QB2:2/1/1024',
      '< CON 2.05 QB2:3/0/1024',
      '> ACK 0.00',
      '> ACK 0.00',
      '> ACK 0.00',
    ]);
  });

  test('a body that is announced larger than the client takes is refused', async () => {
    const pair = qBlockPair(large(3000), {}, { qBlock: { discovery: 'assume', maxBody: 2999 } });
    await assert.rejects(pair.sim.finish(pair.client.request({ peer: pair.peer, options: pathOptions(['a']), nonConfirmable: true })), {
      code: 'ERR_COAP_BODY_SIZE',
    });
    await pair.isEmpty();
  });
});
