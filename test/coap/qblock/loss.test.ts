import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CoapError, Code, type Handler, Method, OptionNumber, pathOptions, type Request, uintOption } from '../../../src/coap/index.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { digest } from '../../../src/core/crypto/index.ts';
import { SeededRandom } from '../../support/random.ts';
import { repeat } from '../../support/scale.ts';
import type { SimulatorOptions } from '../../support/simulator.ts';
import { body, response } from '../harness.ts';
import { assumed, type Half, qBlockPair } from './harness.ts';

/** NON_PARTIAL_TIMEOUT of Table 3. */
const partialTimeout = 247_000;
const mark = (bytes: Uint8Array): string => `${bytes.length} bytes ${toHex(digest('sha256', bytes))}`;
const format = uintOption(OptionNumber.ContentFormat, 42);

/** Every body arrives as it was sent or not at all, at most once, and nothing is left. Returns the successes and the failures. */
async function round(name: string, seed: number, network: SimulatorOptions, half: Half, fields: (random: SeededRandom) => Partial<Request>) {
  const random = new SeededRandom(`${name} ${seed}`);
  const requests = new Map<string, number>();
  const answerLength = random.pick([0, 20, 1024, 1025, 9000, 30_000]);
  const handler: Handler = (message, reply) => {
    const key = mark(message.payload);
    requests.set(key, (requests.get(key) ?? 0) + 1);
    reply.respond(response(message.code === Method.PUT ? Code.Changed : Code.Content, body(answerLength, message.payload.length % 251)));
  };
  const pair = qBlockPair(handler, { seed, ...network }, half, half);
  const given = { peer: pair.peer, options: [...pathOptions(['path']), format], ...fields(random) };
  const payload = given.payload ?? new Uint8Array(0);
  const totals = { succeeded: 0, failed: 0 };
  try {
    const answer = await pair.sim.finish(pair.client.request(given));
    assert.ok(requests.size >= 1);
    // Asked for the rest of an answer after so long that it is gone, the server has nothing else to say.
    const forgotten = answer.code === Code.RequestEntityIncomplete && pair.sim.now > partialTimeout;
    if (!forgotten) assert.equal(mark(answer.payload), mark(body(answerLength, payload.length % 251)));
    totals[forgotten ? 'failed' : 'succeeded']++;
  } catch (error) {
    if (!(error as CoapError).code?.startsWith('ERR_COAP_')) throw error;
    assert.equal((error as CoapError).code, 'ERR_COAP_TIMEOUT');
    totals.failed++;
  }
  for (const [key, count] of requests) {
    assert.equal(key, mark(payload));
    // What only reads may be served again.
    if (given.code === Method.PUT) assert.equal(count, 1);
  }
  await pair.isEmpty();
  return totals;
}

const heavy: SimulatorOptions = { loss: 0.4, duplication: 0.2, delay: [5, 400], reorder: 0.1 };
const some: SimulatorOptions = { loss: 0.1, duplication: 0.1, delay: [5, 200], reorder: 0.05 };
/** So that no wait is longer than its exponential backoff, and long enough that a body has a chance at a loss of 40 %. */
const patient: Half = { ...assumed, parameters: { probingRate: 1e6 }, qBlock: { discovery: 'assume', nonMaxRetransmit: 10 } };

const put = (random: SeededRandom): Partial<Request> => ({ code: Method.PUT, payload: body(random.pick([1025, 5000, 11_000, 40_000])), nonConfirmable: true });
const fetch = (random: SeededRandom): Partial<Request> => ({ ...put(random), code: Method.FETCH });
const get = (): Partial<Request> => ({ code: Method.GET, nonConfirmable: true });

describe('RFC 9177 3, 7.2: recovery of lost payloads, reordering, duplicates', () => {
  for (const [method, fields] of Object.entries({ put, fetch, get })) {
    test(`Non-confirmable ${method}, loss 40 %: whole and once, or a timeout`, async () => {
      const { succeeded, failed } = await repeat(`qblock-${method}-40`, { quick: 40, full: 500 }, (seed) => round(method, seed, heavy, patient, fields));
      assert.ok(succeeded! > 5 * failed!, `${succeeded} succeeded, ${failed} failed`);
    });

    test(`Non-confirmable ${method}, loss 10 %, with the parameters of Table 3`, async () => {
      const { succeeded, failed } = await repeat(`qblock-${method}-10`, { quick: 40, full: 500 }, (seed) => round(method, seed, some, assumed, fields));
      assert.ok(succeeded! > 20 * failed!, `${succeeded} succeeded, ${failed} failed`);
    });
  }

  test('Confirmable put, with NSTART 3, loss 20 %', async () => {
    const half: Half = { ...assumed, parameters: { nstart: 3 } };
    const network = { ...heavy, loss: 0.2 };
    const confirmable = (random: SeededRandom): Partial<Request> => ({ ...put(random), nonConfirmable: false });
    const { succeeded, failed } = await repeat('qblock-con-20', { quick: 20, full: 300 }, (seed) => round('con', seed, network, half, confirmable));
    assert.ok(succeeded! > failed!, `${succeeded} succeeded, ${failed} failed`);
  });
});
