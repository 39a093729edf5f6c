import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplayWindow } from '../../src/oscore/index.ts';

const last = 2 ** 40 - 1;

function receive(window: ReplayWindow, sequence: number): boolean {
  const fresh = window.accepts(sequence);
  if (fresh) window.commit(sequence);
  return fresh;
}

for (const size of [1, 2, 31, 32, 33, 64, 100, 1024]) {
  test(`RFC 8613 7.4: edges of a window of ${size}`, () => {
    const window = new ReplayWindow(size);
    const right = 5000;
    assert.ok(receive(window, right));
    assert.ok(!window.accepts(right), 'the right edge, again');
    assert.ok(!window.accepts(right - size), 'one past the left edge');
    if (size > 1) {
      assert.ok(window.accepts(right - size + 1), 'the left edge');
      assert.ok(receive(window, right - size + 1));
      assert.ok(!window.accepts(right - size + 1), 'the left edge, again');
    }
    assert.ok(window.accepts(right + 1));
    assert.ok(window.accepts(last));
  });
}

test('RFC 8613 3.2.2: the window begins with nothing received', () => {
  const window = new ReplayWindow(32);
  assert.equal(window.highest, -1);
  for (const sequence of [0, 1, 31, 32, last]) assert.ok(window.accepts(sequence));
  assert.ok(receive(window, 0));
  assert.ok(!receive(window, 0));
});

test('RFC 8613 7.4: to look does not move the window', () => {
  const window = new ReplayWindow(32);
  window.commit(10);
  for (let i = 0; i < 3; i++) assert.ok(window.accepts(last));
  assert.equal(window.highest, 10);
  assert.ok(window.accepts(9));
});

test('RFC 8613 7.2.1: Partial IVs near 2^40 and around 2^31 and 2^32', () => {
  for (const base of [2 ** 31, 2 ** 32, 2 ** 32 + 2 ** 31, 2 ** 40 - 40]) {
    const window = new ReplayWindow(32);
    for (let sequence = base - 20; sequence < base + 20; sequence++) assert.ok(receive(window, sequence), `${sequence}`);
    for (let sequence = base - 20; sequence < base + 20; sequence++) assert.ok(!receive(window, sequence), `${sequence} again`);
  }
  const window = new ReplayWindow(32);
  assert.ok(receive(window, last));
  assert.ok(receive(window, last - 31));
  assert.ok(!receive(window, last - 32));
  assert.ok(!receive(window, last - 2 ** 32), 'a number that is equal in 32 bits');
});

test('RFC 8613 7.4: the same as a set of numbers, for 20,000 numbers in disorder', () => {
  for (const size of [1, 32, 50, 1024]) {
    const window = new ReplayWindow(size);
    const seen = new Set<number>();
    let highest = -1;
    let state = size;
    for (let i = 0; i < 5000; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      const sequence = Math.max(0, highest + 3 - ((state >>> 8) % (2 * size + 6)) + (state % 97 === 0 ? 3 * size : 0));
      const expected = sequence > highest || (sequence > highest - size && !seen.has(sequence));
      assert.equal(receive(window, sequence), expected);
      if (expected) {
        seen.add(sequence);
        highest = Math.max(highest, sequence);
      }
    }
    assert.equal(window.highest, highest);
  }
});

test('RFC 8613 B.1.2: the number of the fresh request is the lower limit', () => {
  const window = new ReplayWindow(32);
  window.restore(100);
  assert.ok(!window.accepts(100));
  assert.ok(!window.accepts(99));
  assert.ok(!window.accepts(69));
  assert.ok(window.accepts(101));
  window.commit(110);
  assert.ok(window.accepts(101));
  assert.ok(!window.accepts(99));
});

test('RFC 8613 B.1.2: what proves to be fresh may be below the lower limit, once and inside the window', () => {
  const window = new ReplayWindow(32);
  window.restore(100);
  assert.ok(window.accepts(98, true));
  window.commit(98);
  assert.ok(!window.accepts(98, true));
  assert.ok(!window.accepts(100, true));
  assert.ok(!window.accepts(68, true));
  assert.ok(window.accepts(69, true));
});
