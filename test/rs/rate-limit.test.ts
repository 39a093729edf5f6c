import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from '../../src/rs/rate-limit.ts';
import { Simulator } from '../support/simulator.ts';

test('rate limit: a burst, then so many per second, for each address by itself', async () => {
  const simulator = new Simulator();
  const limit = new RateLimit(simulator.env(), { burst: 2, rate: 0.5, addresses: 10 });
  assert.deepEqual([limit.take('a'), limit.take('a'), limit.take('a'), limit.take('b')], [0, 0, 2, 0]);
  await simulator.sleep(2000);
  assert.deepEqual([limit.take('a'), limit.take('a')], [0, 2]);
  assert.equal(limit.size, 1);
  await simulator.sleep(4000);
  assert.equal(limit.size, 0);
});

test('rate limit: addresses are bounded', () => {
  const limit = new RateLimit(new Simulator().env(), { burst: 1, rate: 1, addresses: 3 });
  for (let i = 0; i < 10; i++) assert.equal(limit.take(`10.0.0.${i}`), 0);
  assert.equal(limit.size, 3);
});
