import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode } from '../../src/core/cbor.ts';
import { type CoseKey, Curve, coseKeyMap, decodeCoseKey, encodeCoseKey } from '../../src/core/cose/index.ts';
import { freshKey } from './fresh-keys.ts';

const ecNames: readonly (readonly [number, string])[] = [
  [Curve.P256, 'P-256'],
  [Curve.P384, 'P-384'],
  [Curve.P521, 'P-521'],
];

/** The map of a key with other values; `undefined` takes an entry out. */
function altered(key: CoseKey, changes: Readonly<Record<number, CborValue>>): ReadonlyMap<CborKey, CborValue> {
  const map = new Map(coseKeyMap(key));
  for (const [label, value] of Object.entries(changes)) {
    if (value === undefined) map.delete(Number(label));
    else map.set(Number(label), value);
  }
  return map;
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length - 1]! ^= 1;
  return copy;
}

for (const [crv, name] of ecNames) {
  test(`RFC 9053 7.1.1: EC2 key on ${name}`, () => {
    const key = freshKey(crv);
    assert.deepEqual(decodeCoseKey(decode(encodeCoseKey(key))), key);
    const { d: _, ...publicKey } = key;
    assert.deepEqual(decodeCoseKey(coseKeyMap(publicKey)), publicKey);
    const sign = (key.y as Uint8Array).at(-1)! % 2 === 1;
    assert.deepEqual(decodeCoseKey(altered(key, { [-3]: sign })), { ...key, y: sign });
    assert.throws(() => decodeCoseKey(altered(key, { [-3]: !sign })), { code: 'ERR_COSE_KEY' }, 'd of the other point');
    assert.throws(() => decodeCoseKey(altered(publicKey, { [-3]: flipped(key.y as Uint8Array) })), { code: 'ERR_COSE_KEY' }, 'not on the curve');
    assert.throws(() => decodeCoseKey(altered(publicKey, { [-2]: new Uint8Array(key.x!.length), [-3]: new Uint8Array(key.x!.length) })), {
      code: 'ERR_COSE_KEY',
    });
    assert.throws(() => decodeCoseKey(altered(publicKey, { [-2]: new Uint8Array(key.x!.length).fill(255) })), { code: 'ERR_COSE_KEY' }, 'x above the prime');
    assert.throws(() => decodeCoseKey(altered(key, { [-4]: freshKey(crv).d! })), { code: 'ERR_COSE_KEY' }, "another key's d");
    assert.throws(() => decodeCoseKey(altered(key, { [-4]: new Uint8Array(key.d!.length) })), { code: 'ERR_COSE_KEY' }, 'd = 0');
    for (const label of [-2, -3, -4]) {
      const bytes = coseKeyMap(key).get(label) as Uint8Array;
      assert.throws(() => decodeCoseKey(altered(key, { [label]: bytes.subarray(1) })), { code: 'ERR_COSE_KEY' }, 'leading octets are kept');
      assert.throws(() => decodeCoseKey(altered(key, { [label]: Uint8Array.of(0, ...bytes) })), { code: 'ERR_COSE_KEY' });
    }
    for (const label of [-1, -2, -3]) assert.throws(() => decodeCoseKey(altered(key, { [label]: undefined })), { code: 'ERR_CBOR_MAP' });
    assert.throws(() => decodeCoseKey(altered(key, { [-3]: 'y' })), { code: 'ERR_COSE_KEY' });
    assert.throws(() => decodeCoseKey(altered(key, { [-1]: Curve.Ed25519 })), { code: 'ERR_COSE_KEY' });
    assert.throws(() => decodeCoseKey(altered(key, { [-1]: 99 })), { code: 'ERR_COSE_KEY' });
  });
}

for (const crv of [Curve.Ed25519, Curve.Ed448, Curve.X25519, Curve.X448]) {
  test(`RFC 9053 7.2: OKP key on curve ${crv}`, () => {
    const key = freshKey(crv);
    assert.deepEqual(decodeCoseKey(decode(encodeCoseKey(key))), key);
    assert.throws(() => decodeCoseKey(altered(key, { [-4]: freshKey(crv).d! })), { code: 'ERR_COSE_KEY' });
    assert.throws(() => decodeCoseKey(altered(key, { [-2]: key.x!.subarray(1) })), { code: 'ERR_COSE_KEY' });
    assert.throws(() => decodeCoseKey(altered(key, { [-4]: key.d!.subarray(1) })), { code: 'ERR_COSE_KEY' });
    assert.throws(() => decodeCoseKey(altered(key, { [-1]: Curve.P256 })), { code: 'ERR_COSE_KEY' });
  });
}

test('RFC 8032 5.1.3: bytes that are no point of Ed25519 or Ed448 are refused, all others accepted', () => {
  let refused = 0;
  for (let y = 0; y < 40; y++) {
    // Half of the values of y have a point.
    const x = Uint8Array.of(y + 2, ...new Uint8Array(30), 1);
    try {
      decodeCoseKey(
        new Map<CborKey, CborValue>([
          [1, 1],
          [-1, Curve.Ed25519],
          [-2, x],
        ]),
      );
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'ERR_COSE_KEY');
      refused++;
    }
  }
  assert.ok(refused >= 8 && refused <= 32, `${refused}`);
  // y = p, and y = 1 with the sign of an x that is 0.
  const p = fromHex(`ed${'ff'.repeat(30)}7f`);
  const negativeZero = fromHex(`01${'00'.repeat(30)}80`);
  for (const x of [p, negativeZero])
    assert.throws(
      () =>
        decodeCoseKey(
          new Map<CborKey, CborValue>([
            [1, 1],
            [-1, 6],
            [-2, x],
          ]),
        ),
      { code: 'ERR_COSE_KEY' },
    );
  for (let i = 0; i < 10; i++) for (const crv of [Curve.Ed25519, Curve.Ed448]) decodeCoseKey(coseKeyMap(freshKey(crv)));
});

test('RFC 9053 7.3: symmetric keys, with k and by kid alone', () => {
  const key: CoseKey = { kty: 4, kid: Uint8Array.of(1), alg: 10, keyOps: [3, 4], baseIv: new Uint8Array(13), k: new Uint8Array(16) };
  assert.deepEqual(decodeCoseKey(decode(encodeCoseKey(key))), key);
  assert.deepEqual(
    decodeCoseKey(
      new Map<CborKey, CborValue>([
        [1, 4],
        [2, Uint8Array.of(9)],
      ]),
    ),
    { kty: 4, kid: Uint8Array.of(9) },
  );
  assert.throws(() => decodeCoseKey(altered(key, { [-1]: new Uint8Array(0) })), { code: 'ERR_COSE_KEY' });
  assert.throws(() => decodeCoseKey(altered(key, { [-1]: 'text' })), { code: 'ERR_CBOR_MAP' });
});

test('RFC 9052 7.1: common parameters', () => {
  const key: CoseKey = { kty: 4, k: new Uint8Array(16) };
  for (const kty of [0, 3, 5, 'Symmetric']) assert.throws(() => decodeCoseKey(altered(key, { 1: kty })), { code: 'ERR_COSE_KEY' });
  for (const change of [{ 1: undefined }, { 1: Uint8Array.of(4) }, { 2: 'kid' }, { 3: Uint8Array.of(1) }, { 4: 3 }, { 5: 1 }]) {
    assert.throws(() => decodeCoseKey(altered(key, change)), { code: 'ERR_CBOR_MAP' });
  }
  assert.throws(() => decodeCoseKey(altered(key, { 4: [] })), { code: 'ERR_COSE_KEY' });
  assert.throws(() => decodeCoseKey(altered(key, { 4: [Uint8Array.of(3)] })), { code: 'ERR_COSE_KEY' });
  for (const value of [4, 'key', [1, 4], null]) assert.throws(() => decodeCoseKey(value), { code: 'ERR_CBOR_MAP' });
  assert.deepEqual(decodeCoseKey(altered(key, { 77: 'not understood' })), key);
});

test('COSE_Key: no error message holds key bytes', () => {
  const key = freshKey(Curve.P256);
  const d = toHex(key.d!);
  for (const change of [{ [-2]: flipped(key.x!) }, { [-4]: flipped(key.d!) }, { [-4]: key.d!.subarray(1) }, { 1: 4 }, { 4: [] }]) {
    try {
      decodeCoseKey(altered(key, change));
    } catch (error) {
      const { message } = error as Error;
      assert.ok(!message.includes(d.slice(4, 20)) && !message.includes(String(key.d!.slice(2, 8))), message);
    }
  }
});
