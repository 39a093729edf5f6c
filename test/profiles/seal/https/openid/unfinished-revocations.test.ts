import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Revocation, UnfinishedRevocations } from '../../../../../profiles/seal/https/openid/unfinished-revocations.ts';
import { Simulator } from '../../../../support/simulator.ts';

const of = (grantId: string): Revocation => ({ grantId, reason: undefined, client: undefined });

function inTime() {
  const sim = new Simulator();
  const tried: [at: number, grant: string][] = [];
  const faults: unknown[] = [];
  const failing = new Set<string>();
  const unfinished = new UnfinishedRevocations(
    sim.env(),
    async ({ grantId }) => {
      tried.push([sim.now / 1000, grantId]);
      if (failing.has(grantId)) throw new Error(`not ${grantId}`);
    },
    (error) => faults.push(error),
  );
  return { sim, tried, faults, failing, unfinished };
}

test('what cannot be revoked is tried again with growing pauses of five minutes at most, and keeps none of the others', async () => {
  const { sim, tried, faults, failing, unfinished } = inTime();
  failing.add('a');
  for (const grant of ['a', 'b']) unfinished.add(of(grant));
  await sim.sleep(2_000_000);
  const times = tried.filter(([, grant]) => grant === 'a').map(([at]) => at);
  assert.deepEqual(
    times.slice(0, 11).map((at, index) => at - (times[index - 1] ?? 0)),
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
  );
  assert.equal(tried.filter(([, grant]) => grant === 'b').length, 1);
  assert.equal(faults.length, times.length);
  failing.clear();
  await sim.run();
  assert.deepEqual([unfinished.size, sim.pending], [0, 0]);
  // Once all is done, the next failure begins with a short pause.
  const from = sim.now / 1000;
  unfinished.add(of('c'));
  await sim.run();
  assert.deepEqual(tried.at(-1), [from + 1, 'c']);
});

test('it ends with the server, also while an attempt is under way, and remembers a bounded number', async () => {
  const { sim, failing, unfinished } = inTime();
  for (let i = 0; i < 2000; i++) {
    failing.add(`${i}`);
    unfinished.add(of(`${i}`));
  }
  assert.equal(unfinished.size, 1024);
  unfinished.add(of('0'));
  await sim.sleep(1000);
  await unfinished.close();
  unfinished.add(of('late'));
  assert.deepEqual([unfinished.size, sim.pending], [0, 0]);
});
