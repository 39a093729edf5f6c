import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnfinishedWork } from '../../src/as/unfinished-work.ts';
import { Simulator } from '../support/simulator.ts';

function inTime() {
  const sim = new Simulator();
  const tried: [at: number, name: string][] = [];
  const faults: unknown[] = [];
  const failing = new Set<string>();
  const unfinished = new UnfinishedWork(sim.env(), (error) => faults.push(error));
  const attempt = (name: string): Promise<void> =>
    unfinished.attempt(name, async () => {
      tried.push([sim.now / 1000, name]);
      if (failing.has(name)) throw new Error(`not ${name}`);
    });
  return { sim, tried, faults, failing, unfinished, attempt };
}

test('what cannot be done is tried again with growing pauses of five minutes at most, and keeps none of the others', async () => {
  const { sim, tried, faults, failing, unfinished, attempt } = inTime();
  for (const name of ['a', 'b']) {
    failing.add(name);
    await assert.rejects(attempt(name), { message: `not ${name}` });
  }
  failing.delete('b');
  await sim.sleep(2_000_000);
  const times = tried.filter(([, name]) => name === 'a').map(([at]) => at);
  assert.deepEqual(
    times.slice(1, 12).map((at, index) => at - times[index]!),
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
  );
  assert.equal(tried.filter(([, name]) => name === 'b').length, 2);
  assert.equal(faults.length, times.length - 1);
  failing.clear();
  await sim.run();
  assert.deepEqual([unfinished.size, sim.pending], [0, 0]);
  // Once all is done, the next failure begins with a short pause.
  const from = sim.now / 1000;
  failing.add('c');
  await assert.rejects(attempt('c'));
  failing.clear();
  await sim.run();
  assert.deepEqual(tried.at(-1), [from + 1, 'c']);
});

test('what somebody else has done meanwhile is not tried again', async () => {
  const { sim, tried, failing, unfinished, attempt } = inTime();
  failing.add('a');
  await assert.rejects(attempt('a'));
  failing.clear();
  await attempt('a');
  assert.equal(unfinished.size, 0);
  await sim.run();
  assert.equal(tried.length, 2);
});

test('it ends with the server, also while an attempt is under way, and remembers a bounded number', async () => {
  const { sim, failing, unfinished, attempt } = inTime();
  for (let i = 0; i < 2000; i++) {
    failing.add(`${i}`);
    await assert.rejects(attempt(`${i}`));
  }
  assert.equal(unfinished.size, 1024);
  await assert.rejects(attempt('0'));
  await sim.sleep(1000);
  await unfinished.close();
  failing.add('late');
  await assert.rejects(attempt('late'));
  assert.deepEqual([unfinished.size, sim.pending], [0, 0]);
});
