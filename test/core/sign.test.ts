import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, emptyBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import {
  Algorithm,
  CoseError,
  type CoseKey,
  type CoseSign,
  Curve,
  coseKeyMap,
  decodeCoseKey,
  KeyOperation,
  readSign,
  readSign1,
  sign,
  sign1,
  verifySign,
  verifySign1,
} from '../../src/core/cose/index.ts';
import { sigStructure } from '../../src/core/cose/sign1.ts';
import { signatureOf } from '../../src/core/cose/signature.ts';
import { sign as rawSign } from '../../src/core/crypto/index.ts';
import { freshKey, publicPart } from './fresh-keys.ts';

const payload = utf8('This is the content.');

const p256 = freshKey(Curve.P256);
const k256 = freshKey(Curve.secp256k1);
const ed25519 = freshKey(Curve.Ed25519);
const kid = Uint8Array.of(1);

/** Signed by three, each with an algorithm of its own. */
const signedByThree = sign({
  payload,
  contentType: 60,
  signers: [
    { key: p256, algorithm: Algorithm.ES256, kid },
    { key: ed25519, algorithm: Algorithm.EdDSA, externalAad: Uint8Array.of(9) },
    { key: k256, algorithm: Algorithm.ES256K },
  ],
});

test('RFC 9052 4.1: COSE_Sign with three signers', () => {
  const object = readSign(decode(encode(signedByThree)));
  assert.equal(object.tag, 98);
  assert.equal(object.headers.contentType, 60);
  const [first, second, third] = object.signers;
  assert.ok(first && second && third);
  assert.equal(object.signers.length, 3);
  assert.deepEqual(first.headers.kid, kid);
  assert.deepEqual(verifySign(object, first, { key: publicPart(p256) }), payload);
  assert.deepEqual(verifySign(object, second, { key: publicPart(ed25519), externalAad: Uint8Array.of(9) }), payload);
  assert.deepEqual(verifySign(object, third, { key: publicPart(k256) }), payload);
  assert.throws(() => verifySign(object, second, { key: ed25519 }), { code: 'ERR_COSE_VERIFY' });
  assert.throws(() => verifySign(object, first, { key: freshKey(Curve.P256) }), { code: 'ERR_COSE_VERIFY' });
  assert.throws(() => verifySign(object, first, { key: ed25519 }), { code: 'ERR_COSE_ALGORITHM' });
  const other = readSign(sign({ payload, signers: [{ key: p256, algorithm: Algorithm.ES256 }] }));
  assert.equal(other.protectedBytes.length, 0);
  assert.throws(() => verifySign(object, other.signers[0]!, { key: p256 }), { code: 'ERR_COSE_FORMAT' });
});

test('RFC 9052 4.4: a signature covers the body, its own headers and its place', () => {
  const object = readSign(signedByThree);
  const signer = object.signers[0]!;
  const changed: readonly Partial<CoseSign>[] = [{ payload: utf8('Another content.') }, { protectedBytes: emptyBytes }];
  for (const change of changed) assert.throws(() => verifySign({ ...object, ...change }, signer, { key: p256 }), { code: 'ERR_COSE_VERIFY' });
  const bare = { ...signer, protectedBytes: fromHex('a10126') };
  assert.throws(() => verifySign({ ...object, signers: [bare] }, bare, { key: p256 }), { code: 'ERR_COSE_VERIFY' });
  // A signature of a COSE_Sign1 is none of a COSE_Sign, and the other way round.
  const single = readSign1(sign1({ key: p256, algorithm: Algorithm.ES256, payload }));
  const moved = { ...single, payload: single.seal! };
  assert.throws(() => verifySign({ ...object, protectedBytes: emptyBytes, signers: [moved] }, moved, { key: p256 }), { code: 'ERR_COSE_VERIFY' });
});

test('RFC 9052 4.1: detached payload', () => {
  const [body, unprotected, , signatures] = signedByThree.value as readonly CborValue[];
  const object = readSign([body, unprotected, null, signatures]);
  const signer = object.signers[0]!;
  assert.deepEqual(verifySign(object, signer, { key: p256, detached: payload }), payload);
  assert.throws(() => verifySign(object, signer, { key: p256 }), { code: 'ERR_COSE_FORMAT' });
  assert.throws(() => verifySign(object, signer, { key: p256, detached: kid }), { code: 'ERR_COSE_VERIFY' });
});

test('RFC 9052 4.1: every changed bit of a COSE_Sign is refused by COSE or CBOR, or does not concern this signature', () => {
  const bytes = encode(sign({ payload, signers: [{ key: ed25519, algorithm: Algorithm.EdDSA, kid }] }));
  const key = publicPart(ed25519);
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << bit;
      assert.throws(
        () => {
          const object = readSign(decode(changed));
          verifySign(object, object.signers[0]!, { key });
        },
        (error: unknown) => error instanceof CoseError || error instanceof CborError,
        `byte ${at}, bit ${bit}`,
      );
    }
  }
  for (let end = 0; end < bytes.length; end++) assert.throws(() => readSign(decode(bytes.subarray(0, end))), CborError);
});

test('RFC 9052 4.1: what is no COSE_Sign', () => {
  const map = new Map();
  const b = emptyBytes;
  const signer: CborValue = [b, map, b];
  const bad: readonly CborValue[] = [
    null,
    [],
    [b, map, b],
    [b, map, b, b],
    [b, map, b, []],
    [b, map, b, [signer], b],
    [b, map, b, [[b, map]]],
    [b, map, b, [[b, map, null]]],
    [b, map, b, [new Tagged(98, signer)]],
    [b, map, b, [signer, 1]],
    [b, map, 1, [signer]],
    [map, map, b, [signer]],
    new Tagged(18, [b, map, b, [signer]]),
  ];
  for (const value of bad) assert.throws(() => readSign(value), { code: 'ERR_COSE_FORMAT' });
  assert.throws(() => sign({ payload, signers: [] }), { code: 'ERR_COSE_FORMAT' });
});

test('RFC 9052 3.1: an unknown critical header of the body or of a signer is refused', () => {
  const critical = encode(
    new Map<CborKey, CborValue>([
      [1, -7],
      [2, [99]],
      [99, 0],
    ]),
  );
  const map = new Map();
  assert.throws(() => readSign([critical, map, payload, [[emptyBytes, map, emptyBytes]]]), { code: 'ERR_COSE_FORMAT' });
  assert.throws(() => readSign([emptyBytes, map, payload, [[critical, map, emptyBytes]]]), { code: 'ERR_COSE_FORMAT' });
  assert.throws(() => readSign([emptyBytes, map, payload, [[fromHex('a10126'), new Map([[1, -7]]), emptyBytes]]]), { code: 'ERR_COSE_FORMAT' });
});

test('RFC 8812 3.2: ES256K with secp256k1, compressed too', () => {
  const object = readSign1(sign1({ key: k256, algorithm: Algorithm.ES256K, payload }));
  const { y } = k256;
  const compressed = decodeCoseKey(coseKeyMap({ ...publicPart(k256), y: ((y as Uint8Array)[31]! & 1) === 1 }));
  for (const key of [publicPart(k256), decodeCoseKey(coseKeyMap(k256)), compressed]) assert.deepEqual(verifySign1(object, { key }), payload);
  assert.throws(() => sign1({ key: k256, algorithm: Algorithm.ES256, payload }), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => sign1({ key: p256, algorithm: Algorithm.ES256K, payload }), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => decodeCoseKey(coseKeyMap({ ...publicPart(k256), y: (y as Uint8Array).map((byte) => byte ^ 1) })), { code: 'ERR_COSE_KEY' });
  assert.throws(() => decodeCoseKey(coseKeyMap({ ...publicPart(k256), crv: Curve.P256 })), { code: 'ERR_COSE_KEY' });
});

const orders: readonly (readonly [string, number, CoseKey, string])[] = [
  ['P-256', Algorithm.ES256, p256, 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'],
  ['P-384', Algorithm.ES384, freshKey(Curve.P384), `${'f'.repeat(48)}c7634d81f4372ddf581a0db248b0a77aecec196accc52973`],
  ['P-521', Algorithm.ES512, freshKey(Curve.P521), `1${'f'.repeat(64)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`],
  ['secp256k1', Algorithm.ES256K, k256, 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'],
];
for (const [name, algorithm, key, order] of orders) {
  test(`RFC 9053 2.1: r or s that is 0, n or more never verifies (${name})`, () => {
    const object = readSign1(sign1({ key, algorithm, payload }));
    const n = BigInt(`0x${order}`);
    const half = object.seal!.length / 2;
    const limit = 2n ** BigInt(8 * half);
    const bytes = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(2 * half, '0'));
    const [r, s] = [object.seal!.subarray(0, half), object.seal!.subarray(half)];
    const numberOf = (part: Uint8Array): bigint => BigInt(`0x${toHex(part)}`);
    for (const value of [0n, n, n + 1n, limit - 1n]) {
      for (const seal of [concat(bytes(value), s), concat(r, bytes(value)), concat(bytes(value), bytes(value))])
        assert.throws(() => verifySign1({ ...object, seal }, { key }), { code: 'ERR_COSE_VERIFY' });
    }
    // Shifted by n, where it still fits into as many bytes.
    for (const part of [r, s]) {
      if (numberOf(part) + n >= limit) continue;
      const shifted = bytes(numberOf(part) + n);
      assert.throws(() => verifySign1({ ...object, seal: part === r ? concat(shifted, s) : concat(r, shifted) }, { key }), { code: 'ERR_COSE_VERIFY' });
    }
    assert.deepEqual(verifySign1(object, { key }), payload);
  });
}

test('RFC 9053 2.1: any of the three curves with any hash, for whoever asks for it; secp256k1 stays with ES256K', () => {
  const [p384, p521] = [orders[1]![2], orders[2]![2]];
  const none = emptyBytes;
  for (const [algorithm, hash] of [
    [Algorithm.ES256, 'sha256'],
    [Algorithm.ES384, 'sha384'],
    [Algorithm.ES512, 'sha512'],
  ] as const) {
    const bucket = encode(new Map([[1, algorithm]]));
    for (const key of [p256, p384, p521]) {
      const object = readSign1([bucket, new Map(), payload, rawSign(hash, key, sigStructure(bucket, none, payload))]);
      assert.deepEqual(verifySign1(object, { key, anyCurve: true }), payload);
      const changed = { ...object, payload: utf8('This is another content.') };
      assert.throws(() => verifySign1(changed, { key, anyCurve: true }), { code: 'ERR_COSE_VERIFY' });
      const suggested = key === { [Algorithm.ES256]: p256, [Algorithm.ES384]: p384, [Algorithm.ES512]: p521 }[algorithm];
      if (suggested) assert.deepEqual(verifySign1(object, { key }), payload);
      else assert.throws(() => verifySign1(object, { key }), { code: 'ERR_COSE_ALGORITHM' });
    }
    const object = readSign1([bucket, new Map(), payload, rawSign(hash, k256, sigStructure(bucket, none, payload))]);
    assert.throws(() => verifySign1(object, { key: k256, anyCurve: true }), { code: 'ERR_COSE_ALGORITHM' });
  }
  const object = readSign1(sign1({ key: k256, algorithm: Algorithm.ES256K, payload }));
  assert.deepEqual(verifySign1(object, { key: k256, anyCurve: true }), payload);
  assert.throws(() => verifySign1(object, { key: p256, anyCurve: true }), { code: 'ERR_COSE_ALGORITHM' });
});

test('RFC 9052 7.1: a signer whose key is for something else is refused', () => {
  const object = readSign(signedByThree);
  const signer = object.signers[0]!;
  const wrong: readonly Partial<CoseKey>[] = [
    { kty: 1 },
    { kty: 4 },
    { alg: Algorithm.ES384 },
    { alg: 'ES256' },
    { keyOps: [KeyOperation.sign] },
    { keyOps: [] },
    { crv: Curve.P384 },
    { crv: Curve.secp256k1 },
  ];
  for (const change of wrong) {
    assert.throws(() => verifySign(object, signer, { key: { ...p256, ...change } }), { code: 'ERR_COSE_ALGORITHM' });
    if (change.keyOps?.length !== 1) assert.throws(() => signatureOf(Algorithm.ES256, { ...p256, ...change }, payload), { code: 'ERR_COSE_ALGORITHM' });
  }
  assert.throws(() => sign({ payload, signers: [{ key: publicPart(p256), algorithm: Algorithm.ES256 }] }), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => sign({ payload, signers: [{ key: p256, algorithm: Algorithm.HMAC_256 }] }), { code: 'ERR_COSE_ALGORITHM' });
  assert.deepEqual(verifySign(object, signer, { key: { ...p256, alg: -7, keyOps: [KeyOperation.verify] } }), payload);
});
