import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeliveryEnd, type DeliveryJob, DeliveryQueue } from '../../../../../profiles/seal/https/t8/delivery-queue.ts';
import type { DeviceAnswer } from '../../../../../profiles/seal/https/t8/index.ts';
import { Simulator } from '../../../../support/simulator.ts';
import { taken } from './lab.ts';

const unreachable: DeviceAnswer = { outcome: 'unreachable' };

/** A queue, and what its jobs heard and when, in seconds. */
function lab(answers: readonly DeviceAnswer[], failures = 0) {
  const sim = new Simulator({ seed: 1 });
  const env = sim.env('gateway');
  const queue = new DeliveryQueue({ env, attemptTimeout: 1000, atOnce: 4 });
  const attempts: number[] = [];
  const heard: (readonly [time: number, outcome: DeliveryEnd['outcome']])[] = [];
  const states: ReturnType<typeof queue.state>[] = [];
  const add = (seconds: number, more: Partial<DeliveryJob> = {}): void =>
    queue.add({
      id: 'job',
      scsAsId: 'app',
      device: 'meter',
      priority: 0,
      expiresAt: env.epoch() + seconds,
      attempt: async () => {
        attempts.push(sim.now / 1000);
        return answers[Math.min(attempts.length, answers.length) - 1]!;
      },
      ended: async ({ outcome }) => {
        heard.push([sim.now / 1000, outcome]);
        states.push(queue.state('job'));
        if (heard.length <= failures) throw new Error('not kept');
      },
      ...more,
    });
  return { sim, queue, attempts, heard, states, add };
}

test('a device that sleeps is tried after pauses that double, until it answers', async () => {
  const { sim, queue, attempts, heard, add } = lab([unreachable, unreachable, unreachable, taken()]);
  add(60);
  await sim.run();
  assert.deepEqual([attempts, heard, queue.size], [[0, 2, 6, 14], [[14, 'taken']], 0]);
});

test('what is added again under its name takes the place of the one before, which is not sent beside it', async () => {
  const { sim, queue, attempts, add } = lab([taken()]);
  const sent: string[] = [];
  const job = (text: string): void =>
    add(60, {
      attempt: async () => {
        sent.push(text);
        return taken();
      },
    });
  add(60, { id: 'another' });
  for (const text of ['one', 'two']) job(text);
  await sim.run();
  assert.deepEqual([sent, attempts.length, queue.size], [['two'], 1, 0]);
});

test('what is added once the queue is closed is not sent: the next run takes it up', async () => {
  const { sim, queue, attempts, add } = lab([unreachable]);
  queue.close();
  add(60);
  await sim.run();
  assert.deepEqual([attempts, queue.size, sim.pending], [[], 0, 0]);
});

test('one that never answers: the end comes when its time is over', async () => {
  const { sim, queue, attempts, heard, add } = lab([unreachable]);
  add(10);
  await sim.run();
  assert.deepEqual([attempts, heard, queue.size], [[0, 2, 6], [[10, 'expired']], 0]);
});

test('an end that is not kept is told again after pauses that double, and until then nothing can be put in the place of what has left', async () => {
  for (const [answers, seconds, times] of [
    [[taken()], 60, [0, 2, 6, 14]],
    [[unreachable], 1, [1, 3, 7, 15]],
  ] as const) {
    const { sim, queue, attempts, heard, states, add } = lab(answers, 3);
    add(seconds);
    await sim.run();
    assert.deepEqual(
      heard.map(([time]) => time),
      times,
    );
    assert.deepEqual([new Set(states), attempts, queue.size], [new Set(['sending']), [0], 0]);
  }
});

test('whoever takes a job back hears no more of it, and a queue that is closed leaves no timer', async () => {
  for (const end of ['remove', 'close'] as const) {
    const { sim, queue, heard, add } = lab([taken()], 100);
    add(60);
    await sim.sleep(3000);
    assert.deepEqual(heard, [
      [0, 'taken'],
      [2, 'taken'],
    ]);
    if (end === 'remove') queue.remove('job');
    else queue.close();
    await sim.run();
    assert.deepEqual([heard.length, queue.size, sim.now], [2, 0, 3000]);
  }
});

test('an SCS/AS whose devices do not answer holds up no other, whatever priority it gives them', async () => {
  const { sim, queue, attempts, add } = lab([taken()]);
  const never = (): Promise<DeviceAnswer> => new Promise(() => undefined);
  for (let number = 0; number < 8; number++) add(60, { id: `dead ${number}`, device: `dead ${number}`, priority: 1, attempt: never });
  add(60, { scsAsId: 'another' });
  await sim.run();
  assert.deepEqual(attempts, [0]);
  queue.close();
});
