import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { Algorithm, type CoseKey, Curve, coseKeyMap, decodeCoseKey, KeyType, readSign1, sign1, verifySign1 } from '../../src/core/cose/index.ts';
import { agree, hkdf, keyPair } from '../../src/core/crypto/index.ts';
import { systemEnv } from '../../src/core/env.ts';

const p25519 = 2n ** 255n - 19n;
const p448 = 2n ** 448n - 2n ** 224n - 1n;
const edwards8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;

function littleEndian(value: bigint, length: number, topBit = false): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  if (topBit) bytes[length - 1]! |= 0x80;
  return bytes;
}

/** By curve: the coordinates of all points of small order, and their forms that are not reduced as far as the field's size lets them be written. */
const small: readonly (readonly [number, number, readonly bigint[]])[] = [
  [Curve.Ed25519, 32, [0n, 1n, p25519 - 1n, p25519, p25519 + 1n, edwards8, p25519 - edwards8]],
  [Curve.Ed448, 57, [0n, 1n, p448 - 1n, p448, p448 + 1n]],
  [
    Curve.X25519,
    32,
    [
      0n,
      1n,
      325606250916557431795983626356110631294008115727848805560023387167927233504n,
      39382357235489614581723060781553021112529911719440698176882885853963445705823n,
      p25519 - 1n,
      p25519,
      p25519 + 1n,
    ],
  ],
  [Curve.X448, 56, [0n, 1n, p448 - 1n, p448, p448 + 1n]],
];

for (const [crv, length, coordinates] of small) {
  test(`RFC 7748 6, RFC 8032: public keys of small order are no keys, curve ${crv}`, () => {
    for (const coordinate of coordinates) {
      for (const topBit of crv === Curve.X448 ? [false] : [false, true]) {
        const key: CoseKey = { kty: KeyType.OKP, crv, x: littleEndian(coordinate, length, topBit) };
        assert.throws(() => decodeCoseKey(coseKeyMap(key)), { name: 'CoseError', code: 'ERR_COSE_KEY' }, toHex(key.x!));
      }
    }
    const nine: CoseKey = { kty: KeyType.OKP, crv, x: littleEndian(9n, length) };
    if (crv === Curve.X25519 || crv === Curve.X448) assert.deepEqual(decodeCoseKey(coseKeyMap(nine)), nine);
  });
}

test('RFC 8032 5.1.7: a key of small order, under which one signature fits any message, is refused', () => {
  const x = littleEndian(1n, 32);
  const seal = concat(x, new Uint8Array(32));
  const payload = utf8('anything');
  const object = readSign1([fromHex('a10127'), new Map(), payload, seal]);
  assert.throws(() => verifySign1(object, { key: { kty: KeyType.OKP, crv: Curve.Ed25519, x } }), { name: 'CoseError', code: 'ERR_COSE_KEY' });
});

test('COSE: keys that never went through decodeCoseKey end in a CoseError too', () => {
  const payload = utf8('x');
  const offCurve: CoseKey = { kty: KeyType.EC2, crv: Curve.P256, x: new Uint8Array(32).fill(1), y: new Uint8Array(32).fill(2), d: new Uint8Array(32).fill(3) };
  const bad: readonly CoseKey[] = [
    offCurve,
    { ...offCurve, y: true, x: new Uint8Array(32).fill(255) },
    { ...offCurve, x: new Uint8Array(5) },
    { kty: KeyType.EC2, crv: Curve.P256, d: new Uint8Array(32) },
  ];
  for (const key of bad) {
    assert.throws(() => sign1({ key, algorithm: Algorithm.ES256, payload }), { name: 'CoseError', code: 'ERR_COSE_KEY' });
    const object = readSign1([fromHex('a10126'), new Map(), payload, new Uint8Array(64).fill(1)]);
    assert.throws(() => verifySign1(object, { key }), { name: 'CoseError', code: 'ERR_COSE_KEY' });
  }
});

test('COSE: a private part under the public part of another key neither signs nor agrees', () => {
  for (const crv of [Curve.P256, Curve.X25519]) {
    const [one, two] = [keyPair(crv, systemEnv.random), keyPair(crv, systemEnv.random)];
    assert.deepEqual(agree(one, two), agree({ ...two }, one));
    for (const mixed of [
      { ...one, d: two.d },
      { ...one, d: Uint8Array.from(two.d) },
      { ...two, x: one.x },
    ])
      assert.throws(() => agree(mixed, one), { name: 'CryptoError', code: 'ERR_CRYPTO_KEY' });
    if (crv !== Curve.P256) continue;
    const mixed: CoseKey = { kty: KeyType.EC2, ...one, d: two.d };
    assert.throws(() => sign1({ key: mixed, algorithm: Algorithm.ES256, payload: utf8('x') }), { name: 'CoseError', code: 'ERR_COSE_KEY' });
  }
});

test('RFC 9052 3.1: a content type is text or an unsigned integer, an algorithm an integer or text, no float', () => {
  const read = (protectedHex: string): unknown => readSign1([fromHex(protectedHex), new Map(), null, new Uint8Array(64)]).headers;
  assert.deepEqual(read('a2012603183d'), { alg: -7, contentType: 61, unknown: new Map() });
  for (const hex of ['a2012603 20', 'a20126 03f93e00', 'a101f93e00', 'a301260281f93e00 0300', 'a101fb7e37e43c8800759c'])
    assert.throws(() => read(hex), { name: 'CoseError', code: 'ERR_COSE_FORMAT' }, hex);
});

test('RFC 5869 2.3: HKDF gives 255 hash lengths and no more', () => {
  const some = Uint8Array.of(1);
  assert.equal(hkdf('sha256', some, some, some, 255 * 32).length, 255 * 32);
  assert.equal(hkdf('sha512', some, some, some, 0).length, 0);
  for (const length of [255 * 32 + 1, -1, 1.5])
    assert.throws(() => hkdf('sha256', some, some, some, length), { name: 'CryptoError', code: 'ERR_CRYPTO_LENGTH' });
});
