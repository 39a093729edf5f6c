import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ends, Expiry } from '../../src/ace/index.ts';
import { Clock } from './clock.ts';

test('expiry: each key ends once, at its time, and no timer stays', async () => {
  const clock = new Clock();
  const ended: [string, number][] = [];
  const expiry = new Expiry(clock, (key) => ended.push([key, Math.round(clock.epoch() - 1_700_000_000)]));
  expiry.set('b', 1_700_000_200);
  expiry.set('a', 1_700_000_100);
  expiry.set('c', 1_700_000_300);
  assert.equal(expiry.size, 3);
  await clock.advance(150);
  assert.deepEqual(ended, [['a', 100]]);
  assert.equal(expiry.has('a'), false);
  assert.equal(expiry.has('b'), true);
  expiry.set('b', 1_700_000_400);
  assert.equal(expiry.delete('c'), true);
  assert.equal(expiry.delete('c'), false);
  await clock.advance(1000);
  assert.deepEqual(ended, [
    ['a', 100],
    ['b', 400],
  ]);
  assert.equal(expiry.size, 0);
  assert.equal(clock.timers, 0);
});

test('ends: each entry is told once, in order of the ends, also one that is added or put in the place of others meanwhile', async () => {
  const clock = new Clock();
  const now = clock.epoch();
  const ended: string[] = [];
  const ends = new Ends<{ readonly at: number; readonly name: string }>(clock, ({ name }) => {
    ended.push(name);
    if (name === 'b') ends.add({ at: now + 25, name: 'again' });
  });
  for (const [name, after] of Object.entries({ c: 30, a: 10, b: 20 })) ends.add({ at: now + after, name });
  assert.equal(ends.size, 3);
  await clock.advance(15);
  assert.deepEqual(ended, ['a']);
  await clock.advance(100);
  assert.deepEqual(ended, ['a', 'b', 'again', 'c']);
  assert.equal(clock.timers, 0);
  ends.add({ at: now + 500, name: 'gone' });
  ends.replace([
    { at: now + 300, name: 'e' },
    { at: now + 200, name: 'd' },
  ]);
  assert.equal(ends.size, 2);
  await clock.advance(250);
  assert.deepEqual(ended.slice(4), ['d', 'e']);
  ends.add({ at: now + 900, name: 'never' });
  ends.close();
  assert.deepEqual([ends.size, clock.timers], [0, 0]);
});

test('expiry: has is exact between timers', async () => {
  const clock = new Clock();
  const expiry = new Expiry(clock, () => {});
  expiry.set('a', clock.epoch() + 0.005);
  assert.equal(expiry.has('a'), true);
  await clock.advance(0.005);
  assert.equal(expiry.has('a'), false);
  assert.equal(expiry.size, 1);
  expiry.close();
  assert.equal(expiry.size, 0);
  assert.equal(clock.timers, 0);
});

test('expiry: a key that is set again and again ends at the last time only', async () => {
  const clock = new Clock();
  let ended = 0;
  const expiry = new Expiry(clock, () => ended++);
  for (let i = 1; i <= 1000; i++) expiry.set('a', clock.epoch() + i);
  await clock.advance(999);
  assert.equal(ended, 0);
  await clock.advance(2);
  assert.equal(ended, 1);
});

test('expiry: what is left is what a plain map says, for any order of sets and deletes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 500 })), { maxLength: 200 }), async (steps) => {
      const clock = new Clock(0);
      const model = new Map<string, number>();
      const ended = new Set<string>();
      const expiry = new Expiry(clock, (key) => ended.add(key));
      for (const [key, at] of steps) {
        if (at === 0) {
          expiry.delete(`${key}`);
          model.delete(`${key}`);
        } else {
          expiry.set(`${key}`, at);
          model.set(`${key}`, at);
        }
      }
      await clock.advance(250.5);
      const expected = [...model].filter(([, at]) => at <= 250).map(([key]) => key);
      assert.deepEqual([...ended].sort(), expected.sort());
      assert.equal(expiry.size, model.size - expected.length);
      expiry.close();
    }),
    { numRuns: 50 },
  );
});
