import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyBytes, fromHex, utf8 } from '../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import {
  Algorithm,
  type CoseKey,
  Curve,
  countersign,
  countersign0,
  countersignaturesOf,
  decrypt0,
  encrypt0,
  KeyOperation,
  legacyCountersignaturesOf,
  mac0,
  readCountersignature,
  readEncrypt0,
  readSign,
  readSign1,
  sign,
  sign1,
  verifyCountersignature,
  verifyCountersignature0,
  verifyLegacyCountersignature,
  verifyLegacyCountersignature0,
  verifySign1,
  withCountersignature0,
  withCountersignatures,
} from '../../src/core/cose/index.ts';
import { sign as rawSign } from '../../src/core/crypto/index.ts';
import { freshKey, publicPart } from './fresh-keys.ts';

const payload = utf8('This is the content.');

const edKey = (): CoseKey => ({ ...freshKey(Curve.Ed25519), alg: Algorithm.EdDSA });
const [signer, notary, witness] = [freshKey(Curve.P256), edKey(), freshKey(Curve.P256)];
const secret: CoseKey = { kty: 4, k: new Uint8Array(32).fill(7) };
const aes: CoseKey = { kty: 4, k: new Uint8Array(16).fill(7) };
const nonce = new Uint8Array(13);
const algorithm = Algorithm.EdDSA;

const targets: readonly (readonly [string, CborValue])[] = [
  ['COSE_Sign1', sign1({ key: signer, algorithm: Algorithm.ES256, payload })],
  ['COSE_Sign', sign({ payload, signers: [{ key: signer, algorithm: Algorithm.ES256 }] })],
  ['COSE_Mac0', mac0({ key: secret, algorithm: Algorithm.HMAC_256, payload })],
  ['COSE_Encrypt0', encrypt0({ key: aes, algorithm: 10, plaintext: payload, nonce })],
];

/** The same structure with a part changed. */
function changed(target: CborValue, index: number, value: CborValue): CborValue {
  const { tag, value: parts } = target as Tagged;
  return new Tagged(
    tag,
    (parts as readonly CborValue[]).map((part, at) => (at === index ? value : part)),
  );
}

for (const [name, target] of targets) {
  test(`RFC 9338 3.1: countersignatures of ${name}`, () => {
    const first = countersign(target, { key: notary, algorithm, kid: Uint8Array.of(1) });
    const second = countersign(target, { key: witness, algorithm: Algorithm.ES256, externalAad: Uint8Array.of(5) });
    for (const list of [[first], [first, second]]) {
      const received = decode(encode(withCountersignatures(target, list)));
      const found = countersignaturesOf(received);
      assert.equal(found.length, list.length);
      assert.deepEqual(readCountersignature(found[0]).headers.kid, Uint8Array.of(1));
      verifyCountersignature(received, found[0], { key: publicPart(notary) });
      if (found.length === 2) verifyCountersignature(received, found[1], { key: publicPart(witness), externalAad: Uint8Array.of(5) });
      assert.throws(() => verifyCountersignature(received, found[0], { key: edKey() }), { code: 'ERR_COSE_VERIFY' });
      assert.throws(() => verifyCountersignature(received, found[0], { key: witness }), { code: 'ERR_COSE_ALGORITHM' });
      assert.throws(() => verifyCountersignature(received, found[0], { key: notary, externalAad: Uint8Array.of(5) }), { code: 'ERR_COSE_VERIFY' });
      assert.deepEqual(legacyCountersignaturesOf(received), []);
    }
    // It covers the protected headers, the content and the byte strings after it, and not the unprotected headers.
    const parts = (target as Tagged).value as readonly CborValue[];
    verifyCountersignature(changed(target, 1, new Map([['note', 1]])), first, { key: notary });
    for (const [index, part] of parts.entries()) {
      if (!(part instanceof Uint8Array)) continue;
      const other = index === 0 ? fromHex('a1012a') : part.map((byte) => byte ^ 1);
      assert.throws(() => verifyCountersignature(changed(target, index, other), first, { key: notary }), { code: 'ERR_COSE_VERIFY' }, `part ${index}`);
    }
  });

  test(`RFC 9338 3.2: abbreviated countersignature of ${name}`, () => {
    const signature = countersign0(target, { key: notary, algorithm });
    const received = decode(encode(withCountersignature0(target, signature)));
    verifyCountersignature0(received, { key: publicPart(notary) });
    assert.throws(() => verifyCountersignature0(received, { key: edKey() }), { code: 'ERR_COSE_VERIFY' });
    assert.throws(() => verifyCountersignature0(target, { key: notary }), { code: 'ERR_COSE_FORMAT' });
    const { alg: _, ...noAlgorithm } = notary;
    assert.throws(() => verifyCountersignature0(received, { key: noAlgorithm }), { code: 'ERR_COSE_ALGORITHM' });
    for (let at = 0; at < signature.length; at++) {
      const bent = signature.slice();
      bent[at]! ^= 1 << (at % 8);
      assert.throws(() => verifyCountersignature0(withCountersignature0(target, bent), { key: notary }), { code: 'ERR_COSE_VERIFY' });
    }
    // One form is never taken for the other.
    assert.throws(() => verifyLegacyCountersignature0(received, { key: notary }), { code: 'ERR_COSE_FORMAT' });
    assert.throws(() => verifyCountersignature(target, [emptyBytes, new Map([[1, -8]]), signature], { key: notary }), { code: 'ERR_COSE_VERIFY' });
  });

  test(`RFC 9338 3: ${name} with countersignatures still opens by whoever ignores them`, () => {
    const received = withCountersignature0(withCountersignatures(target, [countersign(target, { key: notary, algorithm })]), new Uint8Array(64));
    if (name === 'COSE_Sign1') assert.deepEqual(verifySign1(readSign1(received), { key: signer }), payload);
    if (name === 'COSE_Encrypt0') assert.deepEqual(decrypt0(readEncrypt0(received), { key: aes }), payload);
    assert.equal(countersignaturesOf(received).length, 1);
  });
}

test('RFC 9338 3: countersignatures of countersignatures and of one signer of a COSE_Sign', () => {
  const target = targets[0]![1];
  const first = countersign(target, { key: notary, algorithm });
  const upper = countersign(first, { key: witness, algorithm: Algorithm.ES256 });
  const received = decode(encode(withCountersignatures(target, [withCountersignatures(first, [upper])])));
  const [lower] = countersignaturesOf(received);
  verifyCountersignature(received, lower, { key: notary });
  verifyCountersignature(lower, countersignaturesOf(lower)[0], { key: witness });
  assert.throws(() => verifyCountersignature(received, countersignaturesOf(lower)[0], { key: witness }), { code: 'ERR_COSE_VERIFY' });

  const [body, unprotected, content, signatures] = (targets[1]![1] as Tagged).value as readonly CborValue[];
  const [signature] = signatures as readonly CborValue[];
  const item = withCountersignatures(signature, [countersign(signature, { key: notary, algorithm })]);
  const object = readSign([body, unprotected, content, [item]]);
  assert.equal(object.signers.length, 1);
  verifyCountersignature(item, countersignaturesOf(item)[0], { key: notary });
});

test('RFC 9338 3.3: a detached content, and a standalone countersignature with its tag', () => {
  const target = targets[3]![1] as Tagged;
  const [, , ciphertext] = target.value as readonly CborValue[];
  const countersignature = countersign(target, { key: notary, algorithm });
  const detached = changed(target, 2, null);
  verifyCountersignature(detached, new Tagged(19, countersignature), { key: notary, detached: ciphertext as Uint8Array });
  assert.throws(() => verifyCountersignature(detached, countersignature, { key: notary }), { code: 'ERR_COSE_FORMAT' });
  assert.deepEqual(countersign(detached, { key: notary, algorithm, detached: ciphertext as Uint8Array }), countersignature);
  assert.throws(() => countersign(detached, { key: notary, algorithm }), { code: 'ERR_COSE_FORMAT' });
});

test('RFC 9338 3.3: a0 and a zero-length string are the same protected bucket', () => {
  const target: CborValue = [emptyBytes, new Map(), payload];
  const countersignature = countersign(target, { key: notary, algorithm });
  verifyCountersignature([Uint8Array.of(0xa0), new Map(), payload], countersignature, { key: notary });
});

test('RFC 8152 4.5: a legacy countersignature covers no tag, and is none of RFC 9338', () => {
  const target = targets[2]![1] as Tagged;
  const [body] = target.value as readonly CborValue[];
  const own = fromHex('a10127');
  const legacy: CborValue = [own, new Map(), rawSign(undefined, notary, encode(['CounterSignature', body, own, emptyBytes, payload]))];
  verifyLegacyCountersignature(target, legacy, { key: notary });
  verifyLegacyCountersignature(changed(target, 3, emptyBytes), legacy, { key: notary });
  assert.throws(() => verifyCountersignature(target, legacy, { key: notary }), { code: 'ERR_COSE_VERIFY' });
  const full = countersign(target, { key: notary, algorithm });
  assert.throws(() => verifyLegacyCountersignature(target, full, { key: notary }), { code: 'ERR_COSE_VERIFY' });
});

test('RFC 9052 7.1: a countersigner whose key is for something else is refused', () => {
  const target = targets[0]![1];
  const countersignature = countersign(target, { key: notary, algorithm });
  for (const change of [{ kty: 2 }, { crv: Curve.Ed448 + 1 }, { alg: Algorithm.ES256 }, { keyOps: [KeyOperation.sign] }]) {
    const key = { ...notary, ...change };
    assert.throws(() => verifyCountersignature(target, countersignature, { key }), { code: 'ERR_COSE_ALGORITHM' });
  }
  for (const key of [{ ...notary, keyOps: [KeyOperation.verify] }, publicPart(notary), secret]) {
    assert.throws(() => countersign(target, { key, algorithm }), { code: 'ERR_COSE_ALGORITHM' });
    assert.throws(() => countersign0(target, { key, algorithm }), { code: 'ERR_COSE_ALGORITHM' });
  }
});

test('RFC 9338 3.1: what is no countersignature, and no target', () => {
  const target = targets[0]![1];
  const map = new Map();
  const b = emptyBytes;
  const bad: readonly CborValue[] = [null, 1, b, [], [b], [[b]], [b, map, null], [b, b, b], [[b, map, b], 1], [b, map, b, b]];
  for (const value of bad) assert.throws(() => countersignaturesOf(changed(target, 1, new Map([[11, value]]))), { code: 'ERR_COSE_FORMAT' });
  for (const value of [null, [b], 'x'])
    assert.throws(() => verifyCountersignature0(changed(target, 1, new Map([[12, value]])), { key: notary }), { code: 'ERR_COSE_FORMAT' });
  const critical = encode(
    new Map<CborKey, CborValue>([
      [1, -8],
      [2, [99]],
      [99, 0],
    ]),
  );
  assert.throws(() => verifyCountersignature(target, [critical, map, b], { key: notary }), { code: 'ERR_COSE_FORMAT' });
  for (const value of [null, b, [], [b, map], [map, map, b], new Tagged(18, b)]) {
    assert.throws(() => countersign(value, { key: notary, algorithm }), { code: 'ERR_COSE_FORMAT' });
    assert.throws(() => countersignaturesOf(value), { code: 'ERR_COSE_FORMAT' });
  }
  assert.throws(() => withCountersignatures(target, []), { code: 'ERR_COSE_FORMAT' });
});
