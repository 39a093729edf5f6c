import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { fuzz } from './target.ts';
import { targets } from './targets.ts';

/** Inputs of one round, for each target. */
const inputs = 1000;
/** 20,000 inputs in all and more, or 1,000,000. */
const rounds = { quick: 1, full: Math.ceil(1_000_000 / inputs / targets.length) };

for (const { name, open } of targets) {
  test(`mutated inputs to ${name}`, async () => {
    const target = await open();
    try {
      // A fault is thrown as a crash.
      const totals = await repeat(`fuzz-${name.toLowerCase().replace(/\W+/g, '-')}`, rounds, (seed) =>
        fuzz(target, new SeededRandom(`${name} ${seed}`), inputs),
      );
      assert.ok(totals['inputs']! >= inputs);
    } finally {
      await target.close?.();
    }
  });
}
