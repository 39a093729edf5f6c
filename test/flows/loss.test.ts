import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AceResponse } from '../../src/client/index.ts';
import { CoapError, type TransmissionParameters } from '../../src/coap/index.ts';
import { repeat } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';
import { Parties, rsUri } from './parties.ts';
import { auditWire } from './wire-audit.ts';

const network = { loss: 0.2, duplication: 0.2, reorder: 0.2, delay: [5, 60] } as const;

/** Seconds; longer than the slowest flow. */
const tokenLifetime = 30_000;

/** Whether the network is to blame: a request that nobody answered, perhaps inside another error. */
function isTimeout(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof CoapError && cause.code === 'ERR_COAP_TIMEOUT') return true;
  return false;
}

/** A deed of the client; `false`: it ended in a clean timeout. */
async function attempt(parties: Parties, expected: string, work: Promise<AceResponse>): Promise<boolean> {
  try {
    assert.equal((await parties.finish(work, 10_000_000)).codeText, expected);
    return true;
  } catch (error) {
    if (!isTimeout(error)) throw error;
    return false;
  }
}

/** Observe, and see that each of three changes arrives. */
async function observe(parties: Parties): Promise<boolean> {
  const stream = parties.client.observe(`${rsUri}/temperature`);
  try {
    for (let change = 0; change <= 3; change++) {
      if (change > 0) {
        parties.temperature.value = `${21 + change}`;
        parties.temperature.changed();
      }
      let value: string | undefined;
      while (value !== parties.temperature.value) {
        const { value: response, done } = await parties.finish(stream.next(), 10_000_000);
        if (done === true) return assert.fail('the observation ended without an error');
        assert.equal(response.codeText, '2.05');
        value = response.text();
      }
    }
    return true;
  } catch (error) {
    if (!isTimeout(error)) throw error;
    return false;
  } finally {
    await parties.finish(stream.return(), 10_000_000);
  }
}

/** Stats of all roles and the engines below them. */
const statsOf = (parties: Parties): readonly Readonly<Record<string, number>>[] => [parties.as.stats(), parties.rs.stats(), parties.client.stats()];

async function flow(seed: number, parameters: Partial<TransmissionParameters>): Promise<Readonly<Record<string, number>>> {
  const simulator = new Simulator({ seed, ...network });
  const parties = await new Parties(simulator, { parameters, tokenLifetime }).start();
  const before = statsOf(parties);
  const { client } = parties;
  const posts = 3;
  const done = [
    await attempt(parties, '2.05', client.fetch(`${rsUri}/temperature`)),
    await attempt(parties, '2.04', client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' })),
    await observe(parties),
  ];
  for (let i = 0; i < posts; i++) done.push(await attempt(parties, '2.01', client.fetch(`${rsUri}/log`, { method: 'POST', payload: `entry ${i}` })));
  done.push(await attempt(parties, '2.04', client.fetch(`${rsUri}/large`, { method: 'PUT', payload: new Uint8Array(2500) })));

  // RFC 7252 4.5, RFC 8613 7.4: POST is not idempotent, whatever the network does.
  for (let i = 0; i < posts; i++) assert.ok(parties.written.filter((entry) => entry === `entry ${i}`).length <= 1);
  const { messages, pairs, repeated } = auditWire(simulator.wire, parties.contexts.values());
  assert.deepEqual(parties.faults(), []);
  assert.ok(simulator.now < tokenLifetime * 1000, 'the token outlives the flow');

  // The lifetime of the token and the rest of its identifiers, and of whatever was exchanged at its end.
  await simulator.sleep((tokenLifetime + 3000) * 1000);
  const [as, rs, ace] = statsOf(parties);
  // The channel between client and AS is configured; it lasts as long as they do, and each end counts its messages.
  const channel = ace!['profile2.servers']!;
  assert.ok(channel <= 1);
  assert.deepEqual(as, { ...before[0], 'profile2.sequences': channel });
  assert.deepEqual(rs, before[1]);
  assert.deepEqual(ace, { ...before[2], 'profile2.servers': channel, 'profile2.contexts': channel, 'profile2.sequences': channel });
  assert.equal(simulator.pending, 0, 'nobody waits for anything');
  await parties.close();
  const failures = done.filter((one) => !one).length;
  return { deeds: done.length, failures, datagrams: simulator.wire.length, messages, pairs, repeated };
}

describe('RFC 7252 4.2, RFC 9203: the flow with 20 % of datagrams lost, duplicated and reordered', () => {
  test('MAX_RETRANSMIT 8: every seed succeeds, and no state is left', async () => {
    const totals = await repeat('flow-loss', { quick: 12, full: 200 }, (seed) => flow(seed, { maxRetransmit: 8 }));
    assert.equal(totals['failures'], 0);
    assert.ok(totals['repeated']! > 100, 'the network was bad');
  });

  test('MAX_RETRANSMIT 4: each request ends in success or a clean timeout, and no state is left', async () => {
    const totals = await repeat('flow-loss-default', { quick: 12, full: 200 }, (seed) => flow(seed, {}));
    assert.ok(totals['failures']! < totals['deeds']! / 5);
  });
});
