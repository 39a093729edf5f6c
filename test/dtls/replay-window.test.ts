import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplayWindow, replayWindowSize } from '../../src/dtls/replay-window.ts';
import { SeededRandom } from '../support/random.ts';
import { scale } from '../support/scale.ts';

const last = 2 ** 48 - 1;

function receive(window: ReplayWindow, sequence: number): boolean {
  const fresh = window.accepts(sequence);
  if (fresh) window.commit(sequence);
  return fresh;
}

test('RFC 6347 4.1.2.6: the edges of the window', () => {
  for (const right of [100, 2 ** 31, 2 ** 32, 2 ** 32 + 5, last]) {
    const window = new ReplayWindow();
    assert.ok(receive(window, right));
    assert.ok(!window.accepts(right));
    assert.ok(!window.accepts(right - replayWindowSize), 'left of the window');
    for (const below of [1, 31, 32, 33, 63]) {
      assert.ok(receive(window, right - below), `${below} below`);
      assert.ok(!window.accepts(right - below), `${below} below, again`);
    }
  }
});

test('RFC 6347 4.1.2.6: to look does not move the window', () => {
  const window = new ReplayWindow();
  window.commit(10);
  assert.ok(window.accepts(last));
  assert.equal(window.highest, 10);
  assert.ok(window.accepts(9));
});

test('RFC 6347 4.1.2.6: the same as a set of numbers, in disorder', () => {
  const random = new SeededRandom(41);
  for (const base of [0, 2 ** 31 - 500, 2 ** 32 - 500, 2 ** 47]) {
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let highest = -1;
    for (let i = 0; i < (scale === 'full' ? 200_000 : 5_000); i++) {
      const sequence = Math.max(0, base + Math.floor(i / 3) + random.below(random.chance(0.05) ? 150 : 80) - 40);
      const fresh = sequence > highest || (sequence > highest - replayWindowSize && !seen.has(sequence));
      assert.equal(receive(window, sequence), fresh, `${sequence} with ${highest}`);
      if (fresh) seen.add(sequence);
      highest = Math.max(highest, sequence);
      assert.equal(window.highest, highest);
    }
  }
});
