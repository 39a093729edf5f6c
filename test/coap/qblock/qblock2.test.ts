import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, type Handler, Method, OptionNumber, pathOptions, type Reply, type Request, type Response, uintOption } from '../../../src/coap/index.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { body, response } from '../harness.ts';
import { lose, type QBlockPair, qBlockPair, quick } from './harness.ts';

function get({ client, peer }: QBlockPair, fields: Partial<Request> = {}) {
  return client.request({ peer, options: pathOptions(['path']), nonConfirmable: true, ...fields });
}

const serves =
  (length: number): Handler =>
  (_message, reply) =>
    reply.respond(response(Code.Content, body(length)));

const qb2 = (number: number, more: number): string => `< NON 2.05 QB2:${number}/${more}/1024`;
const qb2o = (number: number, more: number): string => `< NON 2.05 O QB2:${number}/${more}/1024`;
const many = (from: number, to: number, line: (number: number, more: number) => string): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => line(from + i, 1));

/** A resource that is observed, and an observer of it. */
async function observed(length: number, seed = 1) {
  const replies: Reply[] = [];
  let version = 0;
  const state = (): Response => response(Code.Content, body(length, version++));
  const pair = qBlockPair(
    (message, reply) => {
      if (message.options.some(({ number, value }) => number === OptionNumber.Observe && value.length === 0)) {
        replies.push(reply);
        reply.notify(state());
      } else reply.respond(state());
    },
    { seed },
    quick,
    quick,
  );
  const heard: Response[] = [];
  const stream = pair.client.observe({ peer: pair.peer, options: pathOptions(['path']), nonConfirmable: true });
  const done = (async () => {
    for await (const item of stream) heard.push(item);
  })();
  await pair.sim.run(() => heard.length === 1);
  const end = async (): Promise<void> => {
    await stream.return?.();
    await done;
  };
  return { pair, heard, end, trigger: () => replies[0]!.notify(state()) };
}

describe('RFC 9177 10.2: Q-Block2', () => {
  test('10.2.1: a simple example', async () => {
    const { pair, heard, trigger, end } = await observed(3500);
    assert.deepEqual(pair.log(), ['> NON 0.01 O QB2:0/1/1024', ...many(0, 2, qb2o), qb2o(3, 0)]);
    await pair.sim.sleep(5000);
    trigger();
    await pair.sim.run(() => heard.length === 2);
    assert.deepEqual(pair.log(), [...many(0, 2, qb2o), qb2o(3, 0)]);
    assert.deepEqual(
      heard.map(({ payload }) => toHex(payload)),
      [toHex(body(3500)), toHex(body(3500, 1))],
    );
    await end();
    await pair.isEmpty();
  });

  test('10.2.2: handling MAX_PAYLOADS limits', async () => {
    const { pair, heard, trigger, end } = await observed(10_500);
    const body11 = [...many(0, 9, qb2o), '> NON 0.01 QB2:10/1/1024', qb2o(10, 0)];
    assert.deepEqual(pair.log(), ['> NON 0.01 O QB2:0/1/1024', ...body11]);
    await pair.sim.sleep(5000);
    trigger();
    await pair.sim.run(() => heard.length === 2);
    assert.deepEqual(pair.log(), body11);
    await end();
    await pair.isEmpty();
  });

  test('10.2.3: handling MAX_PAYLOADS with recovery', async () => {
    const { pair, heard, trigger, end } = await observed(10_500);
    await pair.sim.sleep(5000);
    pair.log();
    lose(pair.sim, (_text, index) => index === 1 || index === 9 || index === 12);
    trigger();
    await pair.sim.run(() => heard.length === 2);
    assert.deepEqual(pair.log(), [
      qb2o(0, 1),
      `${qb2o(1, 1)} X`,
      ...many(2, 8, qb2o),
      `${qb2o(9, 1)} X`,
      qb2o(10, 0),
      '> NON 0.01 QB2:1/0/1024 QB2:9/0/1024',
      `${qb2(1, 1)} X`,
      qb2(9, 1),
      '> NON 0.01 QB2:1/0/1024',
      qb2(1, 1),
    ]);
    assert.equal(toHex(heard[1]!.payload), toHex(body(10_500, 1)));
    await end();
    await pair.isEmpty();
  });

  test('10.2.4: handling recovery using the M bit', async () => {
    const { pair, heard, trigger, end } = await observed(10_500);
    await pair.sim.sleep(5000);
    pair.log();
    lose(pair.sim, (_text, index) => index >= 2 && index <= 10);
    trigger();
    await pair.sim.run(() => heard.length === 2);
    assert.deepEqual(pair.log().slice(11), ['> NON 0.01 QB2:2/1/1024', ...many(2, 9, qb2), '> NON 0.01 QB2:10/1/1024', qb2(10, 0)]);
    assert.equal(toHex(heard[1]!.payload), toHex(body(10_500, 1)));
    await end();
    await pair.isEmpty();
  });
});

describe('RFC 9177 10.3: Q-Block1 and Q-Block2', () => {
  const fetch = (pair: QBlockPair, length: number) =>
    get(pair, { code: Method.FETCH, payload: body(length), options: [...pathOptions(['path']), uintOption(OptionNumber.ContentFormat, 42)] });
  const qb1 = (number: number, more: number): string => `> NON 0.05 QB1:${number}/${more}/1024`;

  test('10.3.1, 10.3.2: a FETCH whose body and response take more than MAX_PAYLOADS', async () => {
    const seen: Uint8Array[] = [];
    const pair = qBlockPair((message, reply) => {
      seen.push(message.payload);
      reply.respond(response(Code.Content, body(10_500, 3)));
    });
    const whole = await pair.sim.finish(fetch(pair, 10_500));
    assert.deepEqual(pair.log(), [...many(0, 9, qb1), '< NON 2.31 QB1:9/1/1024', qb1(10, 0), ...many(0, 9, qb2), '> NON 0.05 QB2:10/1/1024', qb2(10, 0)]);
    assert.deepEqual([seen.map(toHex), toHex(whole.payload)], [[toHex(body(10_500))], toHex(body(10_500, 3))]);
    await pair.isEmpty();
  });

  test('10.3.3: handling recovery, with the Request-Tag of the body and no payload in the question', async () => {
    const pair = qBlockPair(serves(3500), {}, quick, quick);
    lose(pair.sim, (text, index) => index === 1 || index === 2 || text === qb2(1, 1) || (text === qb2(3, 0) && index < 12));
    const asked = fetch(pair, 3500);
    await pair.sim.sleep(9000);
    pair.sim.filter = undefined;
    assert.equal(toHex((await pair.sim.finish(asked)).payload), toHex(body(3500)));
    const log = pair.log();
    assert.deepEqual(log.slice(0, 13), [
      qb1(0, 1),
      `${qb1(1, 1)} X`,
      `${qb1(2, 1)} X`,
      qb1(3, 0),
      '< NON 4.08 [1,2]',
      qb1(1, 1),
      qb1(2, 1),
      qb2(0, 1),
      `${qb2(1, 1)} X`,
      qb2(2, 1),
      `${qb2(3, 0)} X`,
      '> NON 0.05 QB2:1/0/1024 QB2:3/0/1024',
      `${qb2(1, 1)} X`,
    ]);
    assert.deepEqual(log.slice(13), [qb2(3, 0), '> NON 0.05 QB2:1/0/1024', qb2(1, 1)]);
    await pair.isEmpty();
  });
});
