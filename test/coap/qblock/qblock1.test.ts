import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, type Handler, Method, pathOptions, type Request } from '../../../src/coap/index.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { body, response } from '../harness.ts';
import { lose, type QBlockPair, qBlockPair, quick } from './harness.ts';

function keeps(bodies: Uint8Array[]): Handler {
  return (message, reply) => {
    bodies.push(message.payload);
    reply.respond(response(Code.Changed));
  };
}

function put({ client, peer }: QBlockPair, payload: Uint8Array, fields: Partial<Request> = {}) {
  return client.request({ code: Method.PUT, peer, options: pathOptions(['path']), payload, nonConfirmable: true, ...fields });
}

const qb1 = (number: number, more: number): string => `> NON 0.03 QB1:${number}/${more}/1024`;

describe('RFC 9177 10.1: Q-Block1', () => {
  test('10.1.1: a simple example', async () => {
    const bodies: Uint8Array[] = [];
    const pair = qBlockPair(keeps(bodies));
    assert.equal((await pair.sim.finish(put(pair, body(3500)))).code, Code.Changed);
    assert.deepEqual(pair.log(), [qb1(0, 1), qb1(1, 1), qb1(2, 1), qb1(3, 0), '< NON 2.04']);
    assert.deepEqual(bodies.map(toHex), [toHex(body(3500))]);
    assert.equal(pair.sim.now, 20);
    await pair.isEmpty();
  });

  test('10.1.2: handling MAX_PAYLOADS limits', async () => {
    const bodies: Uint8Array[] = [];
    const pair = qBlockPair(keeps(bodies));
    await pair.sim.finish(put(pair, body(10_500)));
    assert.deepEqual(pair.log(), [...Array.from({ length: 10 }, (_, i) => qb1(i, 1)), '< NON 2.31 QB1:9/1/1024', qb1(10, 0), '< NON 2.04']);
    assert.equal(pair.sim.now, 40, 'no delay but the way there and back');
    await pair.isEmpty();
  });

  test('10.1.3: handling MAX_PAYLOADS with recovery', async () => {
    const bodies: Uint8Array[] = [];
    const pair = qBlockPair(keeps(bodies), {}, quick, quick);
    // Of the first set blocks 1 and 9, of the second block 10 at its first try.
    lose(pair.sim, (text, index) => (index === 1 && text === qb1(1, 1)) || (index === 9 && text === qb1(9, 1)) || (index === 10 && text === qb1(10, 1)));
    await pair.sim.finish(put(pair, body(12 * 1024 + 100)));
    assert.deepEqual(pair.log().slice(10), [
      `${qb1(10, 1)} X`,
      qb1(11, 1),
      qb1(12, 0),
      '< NON 4.08 [1,9]',
      qb1(1, 1),
      qb1(9, 1),
      '< NON 2.31 QB1:9/1/1024',
      '< NON 4.08 [10]',
      qb1(10, 1),
      '< NON 2.04',
    ]);
    assert.deepEqual(bodies.map(toHex), [toHex(body(12 * 1024 + 100))]);
    await pair.isEmpty();
  });

  test('10.1.4: handling recovery with failure', async () => {
    const bodies: Uint8Array[] = [];
    const pair = qBlockPair(keeps(bodies), {}, quick, quick);
    // Nothing of the client arrives after its first three payloads, one of which is lost.
    lose(pair.sim, (text, index) => index === 1 || (text.startsWith('>') && index > 2));
    await assert.rejects(pair.sim.finish(put(pair, body(2500))), { code: 'ERR_COAP_TIMEOUT' });
    const questions = pair.sim.wire.filter(({ from }) => from === '10.0.0.1:5683').map(({ time }) => time - 10);
    assert.deepEqual(questions, [4000, 12_000, 28_000, 60_000], 'NON_RECEIVE_TIMEOUT, then twice as long each time');
    await pair.sim.sleep(33_000);
    assert.equal(pair.server.stats()['qBlock.uploads'], 0, 'the partial body is released');
    assert.deepEqual(bodies, []);
    await pair.isEmpty();
  });
});
