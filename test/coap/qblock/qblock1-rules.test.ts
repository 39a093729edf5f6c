import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, decodeMessage, Endpoint, encodeMessage, findOption, MessageType, Method, OptionNumber, pathOptions, uintOf } from '../../../src/coap/index.ts';
import { decodeMissingBlocks, missingBlocksResponse } from '../../../src/coap/qblock/option.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { body, response } from '../harness.ts';
import { empty, lose, put, q1, qBlockPair, quick, rawPair, size1, tag } from './harness.ts';

describe('RFC 9177 4.3: Q-Block1', () => {
  test('without Request-Tag or Size1: 4.00', async () => {
    const parts = rawPair();
    assert.deepEqual(await parts.ask(...put(0, 1, 16, size1(32))), ['NON 4.00']);
    assert.deepEqual(await parts.ask(...put(0, 1, 16, tag(1))), ['NON 4.00']);
    await empty(parts);
  });

  test('the client sends Request-Tag and Size1 in each payload, each with a token of its own, and no two bodies share a Request-Tag', async () => {
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Changed)));
    const sent = () => pair.sim.wire.filter(({ from }) => from === '10.0.0.2:5683').map(({ datagram }) => decodeMessage(datagram));
    for (let i = 0; i < 2; i++) {
      await pair.sim.finish(pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(3000), nonConfirmable: true }));
    }
    const messages = sent();
    assert.equal(messages.length, 6);
    assert.equal(new Set(messages.map(({ token }) => toHex(token))).size, 6);
    const tags = messages.map(({ options }) => toHex(findOption(options, OptionNumber.RequestTag)!.value));
    assert.deepEqual([new Set(tags.slice(0, 3)).size, new Set(tags.slice(3)).size, new Set(tags).size], [1, 1, 2]);
    assert.deepEqual(
      messages.map(({ options }) => uintOf(options, OptionNumber.Size1)),
      new Array(6).fill(3000),
    );
    await pair.isEmpty();
  });

  test('bodies with different Request-Tags are collected beside each other', async () => {
    const parts = rawPair();
    await parts.ask(...put(0, 1, 16, size1(20), tag(1)));
    await parts.ask(...put(0, 1, 16, size1(21), tag(2)));
    assert.deepEqual(await parts.ask(...put(1, 0, 4, size1(20), tag(1))), ['NON 2.04']);
    assert.deepEqual(await parts.ask(...put(1, 0, 5, size1(21), tag(2))), ['NON 2.04']);
    assert.deepEqual(
      parts.seen.map(({ payload }) => payload.length),
      [20, 21],
    );
    assert.equal(findOption(parts.seen[0]!.options, OptionNumber.RequestTag), undefined);
    await empty(parts);
  });

  test('a duplicate block: its payload is ignored, and it is answered as if it came for the first time', async () => {
    const parts = rawPair();
    await parts.ask(...put(0, 1, 16, size1(20), tag(1)));
    await parts.ask(Method.PUT, [q1(0, 1, 16), size1(20), tag(1)], new Uint8Array(16));
    assert.deepEqual(await parts.ask(...put(1, 0, 4, size1(20), tag(1))), ['NON 2.04']);
    assert.equal(toHex(parts.seen[0]!.payload.subarray(0, 16)), toHex(body(16)));
    assert.deepEqual(await parts.ask(...put(1, 0, 4, size1(20), tag(1))), ['NON 2.04'], 'the response again');
    assert.equal(parts.seen.length, 1, 'and no second effect');
    await empty(parts);
  });

  test('2.31 is sent for a whole MAX_PAYLOADS_SET, not for each payload, and again when its last payload comes again', async () => {
    const parts = rawPair(undefined, { ...quick, qBlock: { maxPayloads: 3 } });
    const block = (num: number) => parts.ask(...put(num, 1, 16, size1(100), tag(1)));
    assert.deepEqual(await block(0), []);
    assert.deepEqual(await block(2), []);
    assert.deepEqual(await block(1), ['NON 2.31 QB1:2/1/16']);
    assert.deepEqual(await block(2), ['NON 2.31 QB1:2/1/16']);
    await empty(parts);
  });

  test('Confirmable payloads are acknowledged at once, hear no 2.31 and no list, and the response comes when the body is whole', async () => {
    const parts = rawPair(undefined, { ...quick, qBlock: { maxPayloads: 2 } });
    const block = (num: number, more = 1, length = 16) => parts.ask(...put(num, more, length, size1(84), tag(1)), MessageType.CON);
    for (const num of [0, 1, 2, 4]) assert.deepEqual(await block(num), ['ACK 0.00']);
    await parts.sim.sleep(60_000);
    assert.deepEqual(parts.heard(), []);
    assert.deepEqual(await block(5, 0, 4), ['ACK 0.00']);
    assert.deepEqual(await block(3), ['ACK 2.04']);
    assert.equal(parts.seen.length, 1);
    await empty(parts);
  });

  test('4.08 after NON_RECEIVE_TIMEOUT; a Reset to it deletes the partial body', async () => {
    const parts = rawPair();
    await parts.ask(...put(0, 1, 16, size1(50), tag(1)));
    await parts.ask(...put(2, 1, 16, size1(50), tag(1)));
    await parts.sim.sleep(3800);
    assert.deepEqual(parts.heard(), []);
    await parts.sim.sleep(200);
    assert.deepEqual(parts.heard(), ['NON 4.08 [1,3]']);
    assert.equal(parts.endpoint.stats()['qBlock.uploads'], 1);
    const { id, token } = decodeMessage(fromHex(parts.raw.received.at(-1)!));
    assert.equal(toHex(token), '02', 'the token of the last payload');
    parts.raw.send(toHex(encodeMessage({ type: MessageType.RST, code: 0, id, token: new Uint8Array(0), options: [], payload: new Uint8Array(0) })));
    await parts.sim.sleep(100);
    assert.equal(parts.endpoint.stats()['qBlock.uploads'], 0);
    await empty(parts);
  });

  test('a client that stops forgets its tokens, so that a 4.08 hears a Reset', async () => {
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Changed)), {}, quick, quick);
    lose(pair.sim, (_text, index) => index === 1);
    const abort = new AbortController();
    const asked = pair.client.request(
      { code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(3000), nonConfirmable: true },
      { signal: abort.signal },
    );
    asked.catch(() => {});
    await pair.sim.sleep(1000);
    abort.abort();
    await assert.rejects(pair.sim.finish(asked), { code: 'ERR_COAP_ABORTED' });
    await pair.sim.sleep(5000);
    assert.deepEqual(pair.log().slice(-2), ['< NON 4.08 [1]', '> RST 0.00']);
    assert.equal(pair.server.stats()['qBlock.uploads'], 0);
    await pair.isEmpty();
  });

  test('4.13 with Size1 for a body that is larger than the server takes; a smaller SZX in it is a hint to try with that', async () => {
    const parts = rawPair(undefined, { ...quick, qBlock: { maxBody: 100 } });
    assert.deepEqual(await parts.ask(...put(0, 1, 16, size1(101), tag(1))), ['NON 4.13']);
    assert.equal(uintOf(decodeMessage(fromHex(parts.raw.received.at(-1)!)).options, OptionNumber.Size1), 100);
    await empty(parts);

    const lengths: number[] = [];
    const sim = new Simulator();
    const stingy = new Endpoint({
      transport: sim.transport('10.0.0.1', 5683),
      env: sim.env('server'),
      layers: [
        {
          name: 'stingy',
          outbound: (next) => next,
          inbound: (next) => (message, reply) =>
            message.payload.length > 64 ? reply.respond({ ...response(Code.RequestEntityTooLarge, '', [q1(0, 0, 64)]), qBlock: 'NON' }) : next(message, reply),
        },
      ],
      handler: (message, reply) => {
        lengths.push(message.payload.length);
        reply.respond(response(Code.Changed));
      },
      ...quick,
    });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), ...quick });
    const given = { code: Method.PUT, peer: sim.peer('10.0.0.1', 5683), options: pathOptions(['a']), payload: body(3000), nonConfirmable: true };
    assert.equal((await sim.finish(client.request(given))).code, Code.Changed);
    assert.deepEqual(lengths, [3000]);
    await client.close();
    await stingy.close();
  });

  test('a payload that contradicts the size of the body is answered with 4.00', async () => {
    const parts = rawPair();
    await parts.ask(...put(0, 1, 16, size1(40), tag(1)));
    for (const [num, more, length, size] of [
      [1, 1, 15, 40],
      [1, 0, 16, 40],
      [2, 1, 16, 40],
      [2, 0, 9, 40],
      [3, 0, 1, 40],
      [1, 1, 16, 41],
    ] as const) {
      assert.deepEqual(await parts.ask(...put(num, more, length, size1(size), tag(1))), ['NON 4.00']);
    }
    await empty(parts);
  });

  test('unfinished bodies are bounded in number, for each peer and in bytes, and each peer keeps its newest', async () => {
    const parts = rawPair(undefined, { ...quick, qBlock: { maxTransfersPerPeer: 3, maxBytes: 20_000 } });
    for (let i = 0; i < 10; i++) await parts.ask(...put(0, 1, 16, size1(1000), tag(i)));
    assert.equal(parts.endpoint.stats()['qBlock.uploads'], 3);
    await parts.ask(...put(0, 1, 16, size1(19_000), tag(99)));
    assert.equal(parts.endpoint.stats()['qBlock.uploads'], 1);
    assert.ok(parts.endpoint.stats()['qBlock.uploadBytes']! <= 20_000);
    await empty(parts);
  });

  test('a flood of first payloads of large bodies, each from another address, stays within the bounds and is gone afterwards', async () => {
    const sim = new Simulator();
    const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), ...quick });
    const options = [...pathOptions(['a']), q1(0, 1, 16), size1(60_000), tag(1)].sort((a, b) => a.number - b.number);
    for (let i = 0; i < 3000; i++) {
      const datagram = encodeMessage({ type: MessageType.NON, code: Method.PUT, id: i, token: Uint8Array.of(1), options, payload: body(16) });
      sim.inject(datagram, `127.${i >> 8}.${i & 255}.1:5683`, '10.0.0.1:5683');
    }
    await sim.sleep(100);
    const stats = endpoint.stats();
    assert.ok(stats['qBlock.uploads']! <= 256 && stats['qBlock.uploadBytes']! <= 0x40_0000, JSON.stringify(stats));
    assert.ok(stats['replies']! <= 256, 'a body that is evicted holds no reply');
    await empty({ sim, endpoint });
  });
});

describe('RFC 9177 5: 4.08 with a list of missing blocks', () => {
  test('is a CBOR sequence of unsigned integers, with its Content-Format', () => {
    const { options, payload, code } = missingBlocksResponse([1, 9, 300]);
    assert.deepEqual([code, uintOf(options, OptionNumber.ContentFormat), toHex(payload)], [136, 272, '010919012c']);
    assert.deepEqual(decodeMissingBlocks(payload), [1, 9, 300]);
  });

  test('a client ignores duplicates, and drops what is empty, does not rise or is no sequence of unsigned integers', () => {
    assert.deepEqual(decodeMissingBlocks(fromHex('0101 02 02')), [1, 2]);
    for (const hex of ['', '0201', '20', '80', 'f4', '19', '8101', '6131', 'fb3ff0000000000000'])
      assert.equal(decodeMissingBlocks(fromHex(hex)), undefined, hex);
  });

  test('no more blocks are listed than MAX_PAYLOADS', async () => {
    const parts = rawPair();
    await parts.ask(...put(0, 1, 16, size1(16 * 100), tag(1)));
    await parts.ask(...put(50, 1, 16, size1(16 * 100), tag(1)));
    assert.deepEqual(parts.raw.received.length, 1);
    assert.deepEqual(decodeMissingBlocks(decodeMessage(fromHex(parts.raw.received[0]!)).payload), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await empty(parts);
  });

  test('without the Content-Format it is the one of RFC 7959: the client begins anew, once', async () => {
    let refused = 0;
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Changed)), {}, quick, {
      ...quick,
      layers: [
        {
          name: 'forgetful',
          outbound: (next) => next,
          inbound: (next) => (message, reply) => {
            if (refused++ > 0) next(message, reply);
            else reply.respond({ ...response(Code.RequestEntityIncomplete), qBlock: 'NON' });
          },
        },
      ],
    });
    const answer = await pair.sim.finish(
      pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(2000), nonConfirmable: true }),
    );
    assert.equal(answer.code, Code.Changed);
    await pair.isEmpty();
  });
});
