import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CoapError, Code, Endpoint, Method, type Reply, type TransmissionParameters } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';

const seeds = { quick: 15, full: 500 };
const requests = 20;

interface Outcome {
  readonly [name: string]: number;
  readonly answered: number;
  readonly timeouts: number;
  /** The mean and the variance of the timeouts, as the network's chances have it. */
  readonly mean: number;
  readonly variance: number;
}

/**
 * POSTs one after the other over a network that loses up to 40 %, doubles up to 30 % and lets some overtake others. Each is executed at most once and ends in
 * its own response or in a timeout.
 */
async function round(seed: number, parameters: Partial<TransmissionParameters>, attempts: number): Promise<Outcome> {
  const random = new SeededRandom(`loss ${seed}`);
  const loss = random.between(0, 0.4);
  const duplication = random.between(0, 0.3);
  // A way and back takes less than the first timeout, so that the attempts do not depend on each other.
  const sim = new Simulator({ seed, loss, duplication, delay: [5, 90], reorder: 0.1 });
  const executed = new Map<string, number>();
  const execute = (name: string, reply: Reply): void => {
    executed.set(name, (executed.get(name) ?? 0) + 1);
    reply.respond({ code: Code.Changed, options: [], payload: utf8(name) });
  };
  const server = new Endpoint({
    transport: sim.transport('10.0.0.1', 5683),
    env: sim.env('server'),
    parameters,
    handler: (request, reply) => execute(fromUtf8(request.payload), reply),
  });
  const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), parameters });
  const peer = sim.peer('10.0.0.1', 5683);
  let answered = 0;
  let timeouts = 0;
  for (let i = 0; i < requests; i++) {
    try {
      const response = await sim.finish(client.request({ peer, code: Method.POST, payload: utf8(`${i}`) }));
      assert.equal(fromUtf8(response.payload), `${i}`, `seed ${seed}: the response to another request`);
      answered++;
    } catch (error) {
      assert.ok(error instanceof CoapError && error.code === 'ERR_COAP_TIMEOUT', String(error));
      timeouts++;
    }
    const count = executed.get(`${i}`) ?? 0;
    assert.ok(count <= 1, `seed ${seed}: POST ${i} was executed ${count} times`);
  }
  assert.equal([...executed.values()].filter((count) => count !== 1).length, 0);
  // One attempt fails unless the request arrives, and then the acknowledgement of one of its copies.
  const acknowledged = (1 - duplication) * (1 - loss) + duplication * (1 - loss ** 2);
  const failure = (1 - (1 - loss) * acknowledged) ** attempts;
  await client.close();
  await server.close();
  return { answered, timeouts, executed: executed.size, mean: requests * failure, variance: requests * failure * (1 - failure) };
}

test('loss up to 40 %, duplication, reordering: at most once; each request ends in its own response or a timeout, and timeouts are as many as chance has it', async () => {
  const totals = await repeat('coap-loss', seeds, (seed) => round(seed, {}, 5));
  const { answered, timeouts, mean, variance } = totals as Outcome;
  assert.ok(answered > 0 && timeouts > 0);
  // Less than one sound run in 100,000 strays that far; the seeds are fixed.
  const bound = 4.5 * Math.sqrt(variance) + 1;
  assert.ok(Math.abs(timeouts - mean) <= bound, `expected ${mean.toFixed(1)} timeouts, give or take ${bound.toFixed(1)}, got ${timeouts}`);
});

test('the same with MAX_RETRANSMIT 20: exactly once, and every response finds its request', async () => {
  const totals = await repeat('coap-loss-20', seeds, (seed) => round(seed, { maxRetransmit: 20 }, 21));
  assert.equal(totals['timeouts'], 0);
  assert.equal(totals['executed'], totals['answered']);
});
