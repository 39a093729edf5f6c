import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines, Task } from '../../src/coap/deadline.ts';
import { SeededRandom } from '../support/random.ts';
import { Simulator } from '../support/simulator.ts';

test('deadlines expire in order of time, whatever the order in which they are set, moved and cleared', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const sim = new Simulator();
    const deadlines = new Deadlines(sim.env());
    const random = new SeededRandom(seed);
    const expected = new Map<number, number>();
    const expired: [number, number][] = [];
    const tasks = Array.from({ length: 200 }, (_, i) => new Task(() => expired.push([i, sim.now])));
    for (let step = 0; step < 600; step++) {
      const i = random.below(tasks.length);
      if (random.chance(0.3)) {
        deadlines.clear(tasks[i]!);
        expected.delete(i);
      } else {
        const delay = random.below(10_000);
        deadlines.set(tasks[i]!, delay);
        expected.set(i, delay);
      }
      assert.equal(deadlines.size, expected.size);
    }
    await sim.run();
    assert.deepEqual(new Map(expired), expected);
    assert.ok(expired.every(([, at], i) => i === 0 || at >= expired[i - 1]![1]));
    assert.equal(deadlines.size, 0);
  }
});

test('with no deadline left nothing is scheduled', () => {
  const sim = new Simulator();
  const deadlines = new Deadlines(sim.env());
  const task = new Task(() => {});
  deadlines.set(task, 100);
  assert.equal(sim.pending, 1);
  deadlines.clear(task);
  deadlines.clear(task);
  assert.equal(sim.pending, 0);
  deadlines.set(task, 100);
  deadlines.clearAll();
  assert.equal(sim.pending, 0);
});

test('a deadline may set itself again, and an earlier one moves the timer', async () => {
  const sim = new Simulator();
  const deadlines = new Deadlines(sim.env());
  const times: number[] = [];
  const again: Task = new Task(() => {
    times.push(sim.now);
    if (times.length < 3) deadlines.set(again, 50);
  });
  deadlines.set(new Task(() => times.push(sim.now)), 1000);
  deadlines.set(again, 10);
  await sim.run();
  assert.deepEqual(times, [10, 60, 110, 1000]);
});
