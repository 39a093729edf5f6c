import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Tally } from '../../src/core/tally.ts';

test('tally: counts each key, never below none, and lists those of which there are some', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('add', 'remove', 'clear'), fc.constantFrom('a', 'b', '__proto__')), { maxLength: 100 }), (taken) => {
      const tally = new Tally();
      let model: string[] = [];
      for (const [step, key] of taken) {
        if (step === 'add') model.push(key);
        else if (step === 'clear') model = [];
        else if (model.includes(key)) model.splice(model.indexOf(key), 1);
        tally[step](key);
        const counted = new Map([...new Set(model)].map((one) => [one, model.filter((other) => other === one).length]));
        assert.deepEqual(new Map(tally), counted);
        assert.equal(tally.of(key), counted.get(key) ?? 0);
      }
    }),
  );
});
