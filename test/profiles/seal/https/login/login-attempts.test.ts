import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptDecision, LoginAttempts, type LoginAttemptsOptions } from '../../../../../profiles/seal/https/login/login-attempts.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';

class Bench {
  now = 1_700_000_000;
  readonly env = { epoch: (): number => this.now, random: systemEnv.random };
  readonly store: Store = memoryStore({ env: this.env });

  attempts(options: Partial<LoginAttemptsOptions> = {}): LoginAttempts {
    return new LoginAttempts({ store: this.store, env: this.env, ...options });
  }

  async entries(folder: string): Promise<number> {
    let count = 0;
    for await (const _ of this.store.scan(`seal/login/${folder}/`)) count++;
    return count;
  }
}

const anna = { username: 'anna', isKnown: true, address: '10.0.0.1' };
const waits = (decision: AttemptDecision): number => (decision.permit ? 0 : decision.wait);
const lockOf = (decision: AttemptDecision): number | undefined => (decision.permit ? decision.locks[0]?.seconds : undefined);

test('five attempts, and then each that fails makes the next wait twice as long, up to 15 minutes', async () => {
  const bench = new Bench();
  const attempts = bench.attempts();
  const locks: (number | undefined)[] = [];
  for (let times = 0; times < 12; times++) {
    const decision = await attempts.begin(anna);
    assert.ok(decision.permit);
    const lock = lockOf(decision);
    locks.push(lock);
    if (lock === undefined) continue;
    assert.equal(waits(await attempts.begin(anna)), lock);
    bench.now += lock - 1;
    assert.equal(waits(await attempts.begin(anna)), 1);
    bench.now += 1;
  }
  assert.deepEqual(locks.slice(0, 9), [undefined, undefined, undefined, undefined, 30, 60, 120, 240, 480]);
  assert.ok(
    locks.slice(9).every((lock) => lock! >= 480 && lock! <= 900),
    String(locks),
  );
});

test('twenty at once: five are looked at', async () => {
  const bench = new Bench();
  const processes = [bench.attempts(), bench.attempts()];
  const decisions = await Promise.all(Array.from({ length: 20 }, (_, index) => processes[index % 2]!.begin(anna)));
  assert.ok(decisions.filter(({ permit }) => permit).length <= 5);
  assert.ok(waits(await bench.attempts().begin(anna)) > 0);
});

test('a success begins anew; the count of the address keeps the failures of others', async () => {
  const bench = new Bench();
  const attempts = bench.attempts({ address: { failures: 6, forgetting: 36 } });
  for (let times = 0; times < 4; times++) assert.ok((await attempts.begin(anna)).permit);
  const bert = { ...anna, username: 'bert' };
  assert.ok((await attempts.begin(bert)).permit);
  await attempts.succeeded(bert);
  assert.ok((await attempts.begin(anna)).permit);
  await attempts.succeeded(anna);
  assert.ok((await attempts.begin(anna)).permit);
  assert.deepEqual(await attempts.begin(bert), { permit: true, locks: [{ by: 'address', seconds: 30 }] });
  assert.equal(waits(await attempts.begin({ ...anna, username: 'carl' })), 30);
  assert.ok((await attempts.begin({ ...anna, address: '10.0.0.2' })).permit);
});

test('what another process, or a process before, has counted counts', async () => {
  const bench = new Bench();
  for (let times = 0; times < 5; times++) assert.ok((await bench.attempts().begin(anna)).permit);
  assert.equal(waits(await bench.attempts().begin(anna)), 30);
});

test('names that nobody has are locked as others are, and share a fixed number of counts', async () => {
  const bench = new Bench();
  const attempts = bench.attempts({ places: 8, user: { failures: 2, forgetting: 720 } });
  const nobody = { username: 'nobody', isKnown: false, address: '10.0.0.1' };
  for (let times = 0; times < 2; times++) assert.ok((await attempts.begin(nobody)).permit);
  assert.equal(waits(await attempts.begin(nobody)), 30);
  for (let number = 0; number < 100; number++) await attempts.begin({ username: `n${number}`, isKnown: false, address: `10.1.0.${number}` });
  assert.equal(await bench.entries('nobody'), 8);
  assert.equal(await bench.entries('address'), 8);
  assert.ok((await attempts.begin(anna)).permit || (await bench.entries('user')) === 0);
});

test('a count goes away by itself', async () => {
  const bench = new Bench();
  const attempts = bench.attempts({ user: { failures: 5, forgetting: 10 } });
  for (let times = 0; times < 4; times++) await attempts.begin(anna);
  bench.now += 20;
  // Two of four are forgotten.
  for (const lock of [undefined, undefined, 30]) assert.equal(lockOf(await attempts.begin(anna)), lock);
});

test('a clock that is set back ends a lock, and no failure is forgotten', async () => {
  const bench = new Bench();
  const attempts = bench.attempts();
  for (let times = 0; times < 5; times++) await attempts.begin(anna);
  bench.now -= 50_000;
  assert.equal(lockOf(await attempts.begin(anna)), 60);
  // Two machines that share a store may differ a little.
  bench.now -= 5;
  assert.equal(waits(await attempts.begin(anna)), 65);
});

test('an IPv6 address counts as its /64', async () => {
  const bench = new Bench();
  const attempts = bench.attempts({ address: { failures: 3, forgetting: 36 } });
  for (let number = 1; number <= 3; number++)
    assert.ok((await attempts.begin({ username: `u${number}`, isKnown: true, address: `2001:db8::${number}` })).permit);
  assert.equal(waits(await attempts.begin({ username: 'u4', isKnown: true, address: '2001:db8::99' })), 30);
});
