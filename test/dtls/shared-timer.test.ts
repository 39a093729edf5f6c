import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedTimer } from '../../src/dtls/shared-timer.ts';
import { Simulator } from '../support/simulator.ts';

test('shared timer: each wait ends at its time, in order; one that is cancelled does not', async () => {
  const sim = new Simulator();
  const timer = new SharedTimer(sim.env());
  const ended: [string, number][] = [];
  const wait = (name: string, delay: number): (() => void) => timer.schedule(delay, () => ended.push([name, sim.now]));
  wait('late', 70);
  wait('early', 5);
  const cancel = wait('never', 6);
  wait('same', 5);
  cancel();
  cancel();
  await sim.run();
  assert.deepEqual(ended, [
    ['early', 5],
    ['same', 5],
    ['late', 70],
  ]);
  assert.equal(sim.pending, 0);
});

test('shared timer: however many waits come and go, the host has one timer, which runs out once', async () => {
  const sim = new Simulator();
  const env = sim.env();
  let set = 0;
  const timer = new SharedTimer({
    ...env,
    schedule: (delay, task) => {
      set++;
      return env.schedule(delay, task);
    },
  });
  for (let i = 0; i < 1000; i++) timer.schedule(1000 + 100 * i, () => assert.fail('it was cancelled'))();
  assert.equal(sim.pending, 1);
  assert.equal(set, 1);
  await sim.run();
  assert.equal(sim.pending, 0);
  assert.equal(set, 1);
});

test('shared timer: it is given back when nothing waits, and only then', async () => {
  const sim = new Simulator();
  const timer = new SharedTimer(sim.env());
  let ended = 0;
  const cancel = timer.schedule(10, () => ended++);
  timer.rest();
  assert.equal(sim.pending, 1);
  cancel();
  timer.rest();
  assert.equal(sim.pending, 0);
  timer.schedule(10, () => ended++);
  await sim.run();
  assert.equal(ended, 1);
});

test('shared timer: with nothing to wait for it is not left for long', async () => {
  const sim = new Simulator();
  const timer = new SharedTimer(sim.env());
  const [soon, late] = [10, 60_000].map((delay) => timer.schedule(delay, () => {}));
  soon!();
  late!();
  assert.equal(sim.pending, 1, 'until the first of them was to be');
  await sim.run();
  assert.equal(sim.now, 10);
  const another = timer.schedule(60_000, () => {});
  assert.equal(sim.pending, 1);
  another();
  assert.equal(sim.pending, 0);
});

test('shared timer: a wait may cancel one that is due with it, begin another, and fail', async () => {
  const sim = new Simulator();
  const env = sim.env();
  const failures: unknown[] = [];
  const timer = new SharedTimer({
    ...env,
    schedule: (delay, task) =>
      env.schedule(delay, () => {
        try {
          task();
        } catch (error) {
          failures.push(error);
        }
      }),
  });
  const ended: [string, number][] = [];
  timer.schedule(5, () => {
    cancel();
    timer.schedule(3, () => ended.push(['another', sim.now]));
  });
  const cancel = timer.schedule(5, () => ended.push(['cancelled', sim.now]));
  timer.schedule(6, () => {
    throw new Error('of the task');
  });
  timer.schedule(6, () => ended.push(['beside', sim.now]));
  await sim.run();
  assert.deepEqual(ended, [
    ['beside', 6],
    ['another', 8],
  ]);
  assert.deepEqual(failures, [new Error('of the task')]);
});
