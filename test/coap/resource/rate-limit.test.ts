import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf, RateLimit } from '../../../src/coap/index.ts';
import { Simulator } from '../../support/simulator.ts';

test('rate limit: a burst, then so many per second, for each key by itself', async () => {
  const simulator = new Simulator();
  const limit = new RateLimit(simulator.env(), { burst: 2, rate: 0.5, entries: 10 });
  assert.deepEqual([limit.take('a'), limit.take('a'), limit.take('a'), limit.take('b')], [0, 0, 2, 0]);
  await simulator.sleep(2000);
  assert.deepEqual([limit.take('a'), limit.take('a')], [0, 2]);
  assert.equal(limit.size, 1);
  await simulator.sleep(4000);
  assert.equal(limit.size, 0);
});

test('rate limit: refusals in a row are counted', async () => {
  const simulator = new Simulator();
  const limit = new RateLimit(simulator.env(), { burst: 1, rate: 1, entries: 10 });
  for (let i = 0; i < 4; i++) limit.take('a');
  assert.equal(limit.refusals('a'), 3);
  assert.equal(limit.refusals('b'), 0);
  await simulator.sleep(1000);
  limit.take('a');
  assert.equal(limit.refusals('a'), 0);
});

test('rate limit: keys are bounded', () => {
  const limit = new RateLimit(new Simulator().env(), { burst: 1, rate: 1, entries: 3 });
  for (let i = 0; i < 10; i++) assert.equal(limit.take(`10.0.0.${i}`), 0);
  assert.equal(limit.size, 3);
});

test('rate limit: an IPv6 address counts as its /64, an IPv4 address as itself', () => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0DB8:0:0:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ] as const) {
    assert.equal(networkOf(address), network, address);
  }
});
