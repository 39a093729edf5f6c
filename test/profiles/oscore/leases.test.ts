import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoredLeases } from '../../../profiles/oscore/leases.ts';
import { deriveContext, type SecurityContext } from '../../../src/oscore/index.ts';
import { memoryStore } from '../../../src/store/index.ts';
import { Simulator } from '../../support/simulator.ts';

const seconds = 10;

function contextOf(number: number): SecurityContext {
  const masterSecret = new Uint8Array(16).fill(number);
  return deriveContext({ masterSecret, senderId: Uint8Array.of(0), recipientId: Uint8Array.of(1) });
}

/** Two processes on one store. */
function lab() {
  const simulator = new Simulator({ seed: 1 });
  const env = simulator.env('as');
  const store = memoryStore({ env });
  return { simulator, one: new StoredLeases(store, env, seconds), other: new StoredLeases(store, env, seconds) };
}

const yes = (): boolean => true;

test('a lease that has ended is remembered no longer, however many contexts there are', async () => {
  const { simulator, one } = lab();
  for (let number = 0; number < 200; number++) {
    assert.equal(await one.claim(contextOf(number), yes), 'taken');
    await simulator.sleep(1000);
  }
  assert.equal(one.size, seconds);
  await one.close();
  assert.equal(one.size, 0);
});

test('one process serves a context; a lease is prolonged while requests come, and given up at the end', async () => {
  const { simulator, one, other } = lab();
  const [first, second] = [contextOf(1), contextOf(2)];
  assert.equal(await one.claim(first, () => false), 'unproven');
  assert.equal(await one.claim(first, yes), 'taken');
  assert.equal(await one.claim(second, yes), 'taken');
  for (let i = 0; i < 4; i++) {
    await simulator.sleep(4000);
    assert.equal(await one.claim(first, () => false), 'held');
  }
  assert.equal(typeof (await other.claim(first, yes)), 'object', 'prolonged');
  assert.equal(await other.claim(second, yes), 'taken', 'ended');
  await one.close();
  assert.equal(await other.claim(first, yes), 'taken', 'given up');
});
