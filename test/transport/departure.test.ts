import assert from 'node:assert/strict';
import { test } from 'node:test';
import { departure } from '../../src/transport/index.ts';

const most = 8;

/** The order in which so many answers leave, and where among them the turn of the event loop ends. */
async function orderOf(count: number): Promise<readonly string[]> {
  const seen: string[] = [];
  const answers = Array.from({ length: count }, (_, index) => departure().then(() => seen.push(`answer ${index}`)));
  const turn = new Promise<void>((resolve) => setImmediate(resolve)).then(() => seen.push('end of turn'));
  for (let i = 0; i < 4 * most; i++) await Promise.resolve();
  seen.push('later in the turn');
  await Promise.all([...answers, turn]);
  return seen;
}

const named = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, index) => `answer ${from + index}`);

test('departure: answers of one turn of the event loop leave together at its end', async () => {
  assert.deepEqual(await orderOf(1), ['later in the turn', 'answer 0', 'end of turn']);
  assert.deepEqual(await orderOf(3), ['later in the turn', ...named(0, 3), 'end of turn']);
});

test('departure: eight answers wait for no more, and those behind them leave at the end of the turn', async () => {
  assert.deepEqual(await orderOf(most), [...named(0, most), 'later in the turn', 'end of turn']);
  assert.deepEqual(await orderOf(most + 2), [...named(0, most), 'later in the turn', ...named(most, most + 2), 'end of turn']);
});
