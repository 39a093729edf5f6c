import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLeewayCap, leewayOf, timeOf } from '../../src/core/cwt-times.ts';

test('RFC 8392 3.1.4, 3.1.5: exp is the first moment that is too late, nbf the first that is not too early', () => {
  assert.equal(timeOf({}, 1000), 'valid');
  assert.equal(timeOf({ exp: 1000 }, 999.999), 'valid');
  assert.equal(timeOf({ exp: 1000 }, 1000), 'expired');
  assert.equal(timeOf({ exp: 1000.5 }, 1000.4), 'valid');
  assert.equal(timeOf({ nbf: 1000 }, 999.999), 'not-yet');
  assert.equal(timeOf({ nbf: 1000 }, 1000), 'valid');
  assert.equal(timeOf({ nbf: 2000, exp: 1000 }, 1500), 'expired');
});

test('RFC 7519 4.1.4: a leeway moves both ends', () => {
  assert.equal(timeOf({ exp: 1000 }, 1059, { leeway: 60 }), 'valid');
  assert.equal(timeOf({ exp: 1000 }, 1060, { leeway: 60 }), 'expired');
  assert.equal(timeOf({ nbf: 1000 }, 940, { leeway: 60 }), 'valid');
  assert.equal(timeOf({ nbf: 1000 }, 939, { leeway: 60 }), 'not-yet');
});

test('a leeway cannot exceed its cap, which is 300 seconds unless it is configured', () => {
  assert.equal(defaultLeewayCap, 300);
  assert.equal(leewayOf({}), 0);
  assert.equal(leewayOf({ leeway: 300 }), 300);
  assert.equal(leewayOf({ leeway: 900, leewayCap: 900 }), 900);
  assert.throws(() => leewayOf({ leeway: 300.5 }), { name: 'CwtError', code: 'ERR_CWT_LEEWAY', message: 'leeway: expected 0 to 300 seconds, got 300.5' });
  assert.throws(() => leewayOf({ leeway: 1, leewayCap: 0 }), { code: 'ERR_CWT_LEEWAY' });
  assert.throws(() => timeOf({ exp: 1 }, 1_000_000, { leeway: 1e9 }), { code: 'ERR_CWT_LEEWAY' });
  for (const wrong of [Number.NaN, -1, Number.POSITIVE_INFINITY, '60' as never]) {
    assert.throws(() => leewayOf({ leeway: wrong }), { code: 'ERR_CWT_LEEWAY' }, String(wrong));
    assert.throws(() => leewayOf({ leewayCap: wrong }), { code: 'ERR_CWT_LEEWAY' }, String(wrong));
  }
});
