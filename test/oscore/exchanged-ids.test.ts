import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../../src/core/bytes.ts';
import { decodeExchangedId, encodeExchangedId, HmacKey } from '../../src/oscore/exchanged-ids.ts';
import { fakeEnv } from './support.ts';

const r3 = fromHex('0102030405060708');

test('RFC 8613 B.2: an ID is wrapped in a CBOR byte string, and back', () => {
  for (const length of [0, 8, 23, 24, 200]) {
    const id = new Uint8Array(length).fill(7);
    assert.deepEqual(decodeExchangedId(encodeExchangedId(id)), id);
  }
  assert.equal(toHex(encodeExchangedId(r3)), '480102030405060708');
  for (const other of ['', '01', '684142434445464748', '4801', '480102030405060708ff', '5f4401020304ff', '58080102030405060708'])
    assert.equal(decodeExchangedId(fromHex(other)), undefined, other);
});

test('RFC 8613 B.2.1: R2 is S2 || HMAC(K_HMAC, S2), truncated to 8 bytes', () => {
  const drawn: Uint8Array[] = [];
  const fake = fakeEnv();
  const env = {
    ...fake,
    random: (length: number) => {
      drawn.push(fake.random(length));
      return drawn.at(-1)!;
    },
  };
  const r2 = new HmacKey().makeR2(env, 8);
  const [key, s2] = drawn;
  assert.deepEqual([key!.length, s2!.length, r2.length], [32, 8, 16]);
  const tag = createHmac('sha256', key!).update(s2!).digest();
  assert.equal(toHex(r2), toHex(s2!) + tag.subarray(0, 8).toString('hex'));
});

test('RFC 8613 B.2.1: an R2 is recognised in R2 || R3 and in nothing else, until the key is erased', () => {
  const key = new HmacKey();
  const env = fakeEnv();
  assert.equal(key.recognises(concat(new Uint8Array(16), r3), env, 8), false, 'no key yet');
  const r2 = key.makeR2(env, 8);
  const other = key.makeR2(env, 8);
  assert.notEqual(toHex(r2), toHex(other));
  for (const each of [r2, other]) assert.ok(key.recognises(concat(each, r3), env, 8));
  assert.ok(key.recognises(concat(r2, r3, r3), env, 8), 'an R3 that is longer');
  assert.equal(key.recognises(concat(r2, r3.subarray(1)), env, 8), false, 'an R3 of 7 bytes');
  assert.equal(key.recognises(concat(r3, r2), env, 8), false);
  for (let bit = 0; bit < 128; bit++) {
    const flipped = r2.slice();
    flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
    assert.equal(key.recognises(concat(flipped, r3), env, 8), false, `bit ${bit}`);
  }
  assert.equal(new HmacKey().recognises(concat(r2, r3), env, 8), false, 'after a restart');
  key.erase();
  assert.equal(key.recognises(concat(r2, r3), env, 8), false);
});

test('RFC 8613 B.2.1: K_HMAC expires, and an R2 outlasts EXCHANGE_LIFETIME whenever it was made', () => {
  let now = 0;
  const env = { ...fakeEnv(), now: () => now };
  const key = new HmacKey();
  const made: { readonly at: number; readonly r2: Uint8Array }[] = [];
  for (; now < 2_000_000; now += 13_000) {
    made.push({ at: now, r2: key.makeR2(env, 8) });
    for (const { at, r2 } of made) {
      if (now - at <= 247_000) assert.ok(key.recognises(concat(r2, r3), env, 8), `made at ${at}, now ${now}`);
      if (now - at > 494_000) assert.equal(key.recognises(concat(r2, r3), env, 8), false, `made at ${at}, now ${now}`);
    }
  }
  const last = made.at(-1)!;
  now = last.at + 600_000;
  assert.equal(key.recognises(concat(last.r2, r3), env, 8), false, 'though no other was made since');
});
