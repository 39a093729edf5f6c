import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Holder, Shares } from '../../src/core/shares.ts';

class Owner implements Holder {
  place = -1;
  share = 0;
}

test('shares: whoever is found holds more than half of what the greatest holder has', () => {
  const steps = fc.array(fc.tuple(fc.nat(7), fc.oneof(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -100_000, max: 100_000 }))), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (taken) => {
      const shares = new Shares<Owner>();
      const owners = Array.from({ length: 8 }, () => new Owner());
      for (const [index, by] of taken) {
        const owner = owners[index]!;
        shares.change(owner, Math.max(by, -owner.share));
        const most = Math.max(...owners.map(({ share }) => share));
        assert.equal(shares.size, owners.filter(({ share }) => share > 0).length);
        const { greatest } = shares;
        if (most === 0) {
          assert.equal(greatest, undefined);
          continue;
        }
        assert.ok(greatest!.share > most / 2);
        for (const one of owners) {
          const above = shares.above(one.share);
          assert.ok(above === undefined || above.share > one.share);
          if (one.share <= most / 2 && one.share > 0) assert.ok(above !== undefined);
        }
      }
    }),
  );
});

test('shares: more than 2^31 bytes of one holder are still the greatest share', () => {
  const shares = new Shares<Owner>();
  const [large, small] = [new Owner(), new Owner()];
  shares.change(small, 1000);
  shares.change(large, 2 ** 33);
  assert.equal(shares.greatest, large);
  shares.change(large, -(2 ** 33));
  assert.equal(shares.greatest, small);
});
