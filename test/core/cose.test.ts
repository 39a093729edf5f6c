import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { type CborKey, type CborValue, encode, Tagged } from '../../src/core/cbor.ts';
import {
  Algorithm,
  algorithmNames,
  algorithmOf,
  type CoseKey,
  CoseTag,
  Curve,
  decrypt0,
  encrypt0,
  KeyOperation,
  mac0,
  macAlgorithms,
  readEncrypt0,
  readMac0,
  readSign1,
  sign1,
  verifyMac0,
  verifySign1,
} from '../../src/core/cose/index.ts';
import { aead, aeadParameters } from '../../src/core/crypto/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { freshKey, publicPart } from './fresh-keys.ts';

const { random } = systemEnv;
const payload = utf8('This is the content.');
const aeadIds = [...algorithmNames.keys()].filter((id) => aeadParameters(id) !== undefined);

const aesKey: CoseKey = { kty: 4, k: random(16) };
const p256 = freshKey(Curve.P256);
const hmacKey: CoseKey = { kty: 4, k: random(32) };

/** An untagged COSE_Encrypt0 under `aesKey` with headers of the test's choice. */
function encrypted(protectedHeaders: ReadonlyMap<CborKey, CborValue> | Uint8Array, unprotected: ReadonlyMap<CborKey, CborValue>, nonce: Uint8Array): CborValue {
  const protectedBytes = protectedHeaders instanceof Uint8Array ? protectedHeaders : protectedHeaders.size === 0 ? emptyBytes : encode(protectedHeaders);
  const covered = toHex(protectedBytes) === 'a0' ? emptyBytes : protectedBytes;
  return [protectedBytes, unprotected, aead(10, aesKey.k!).seal(nonce, encode(['Encrypt0', covered, emptyBytes]), payload)];
}

for (const algorithm of aeadIds) {
  test(`RFC 9052 5.3: COSE_Encrypt0 with ${algorithmNames.get(algorithm)}`, () => {
    const { keyLength, nonceLength, tagLength } = aeadParameters(algorithm)!;
    const key: CoseKey = { kty: 4, k: random(keyLength) };
    const nonce = random(nonceLength);
    const object = readEncrypt0(encrypt0({ key, algorithm, plaintext: payload, nonce, kid: Uint8Array.of(7), contentType: 61, externalAad: Uint8Array.of(1) }));
    assert.deepEqual([...object.protectedMap.keys()].sort(), [1, 3, 4, 5]);
    assert.deepEqual(object.headers, { alg: algorithm, kid: Uint8Array.of(7), iv: nonce, contentType: 61, unknown: new Map() });
    assert.equal(object.payload!.length, payload.length + tagLength);
    assert.deepEqual(decrypt0(object, { key, externalAad: Uint8Array.of(1) }), payload);
    assert.throws(() => decrypt0(object, { key }), { code: 'ERR_COSE_VERIFY' });
    assert.throws(() => decrypt0(object, { key: { kty: 4, k: random(keyLength) }, externalAad: Uint8Array.of(1) }), { code: 'ERR_COSE_VERIFY' });
    assert.throws(() => encrypt0({ key, algorithm, plaintext: payload, nonce: random(nonceLength + 1) }), { code: 'ERR_COSE_ALGORITHM' });
    assert.throws(() => encrypt0({ key: { kty: 4, k: random(keyLength + 1) }, algorithm, plaintext: payload, nonce }), { code: 'ERR_COSE_ALGORITHM' });
  });
}

for (const [algorithm, { keyLength, tagLength }] of macAlgorithms) {
  test(`RFC 9052 6.3: COSE_Mac0 with ${algorithmNames.get(algorithm)}`, () => {
    const key: CoseKey = { kty: 4, k: random(keyLength) };
    const object = readMac0(mac0({ key, algorithm, payload, kid: Uint8Array.of(7) }));
    assert.equal(object.seal!.length, tagLength);
    assert.deepEqual(verifyMac0(object, { key }), payload);
    assert.throws(() => verifyMac0(object, { key: { kty: 4, k: random(keyLength) } }), { code: 'ERR_COSE_VERIFY' });
    assert.throws(() => verifyMac0({ ...object, seal: object.seal!.subarray(1) }, { key }), { code: 'ERR_COSE_VERIFY' });
    assert.throws(() => verifyMac0({ ...object, seal: emptyBytes }, { key }), { code: 'ERR_COSE_VERIFY' });
    assert.throws(() => mac0({ key: { kty: 4, k: random(keyLength - 1) }, algorithm, payload }), { code: 'ERR_COSE_ALGORITHM' });
    for (const k of [random(keyLength - 1), Uint8Array.of(1)]) assert.throws(() => verifyMac0(object, { key: { kty: 4, k } }), { code: 'ERR_COSE_ALGORITHM' });
    assert.throws(() => verifyMac0(object, { key: { kty: 4 } }), { code: 'ERR_COSE_ALGORITHM' });
  });
}

const signers: readonly (readonly [string, number, CoseKey])[] = [
  ['ES256', Algorithm.ES256, p256],
  ['ES384', Algorithm.ES384, freshKey(Curve.P384)],
  ['ES512', Algorithm.ES512, freshKey(Curve.P521)],
  ['EdDSA with Ed25519', Algorithm.EdDSA, freshKey(Curve.Ed25519)],
  ['EdDSA with Ed448', Algorithm.EdDSA, freshKey(Curve.Ed448)],
];
for (const [name, algorithm, key] of signers) {
  test(`RFC 9052 4.4: COSE_Sign1 with ${name}`, () => {
    const object = readSign1(sign1({ key, algorithm, payload, kid: Uint8Array.of(7), externalAad: Uint8Array.of(1) }));
    const options = { key: publicPart(key), externalAad: Uint8Array.of(1) };
    assert.deepEqual(verifySign1(object, options), payload);
    assert.throws(() => verifySign1(object, { key }), { code: 'ERR_COSE_VERIFY' });
    const { length } = object.seal!;
    for (const seal of [emptyBytes, object.seal!.subarray(1), Uint8Array.of(0, ...object.seal!), new Uint8Array(length), new Uint8Array(length).fill(255)]) {
      assert.throws(() => verifySign1({ ...object, seal }, options), { code: 'ERR_COSE_VERIFY' }, `${seal.length} bytes`);
    }
    assert.throws(() => sign1({ key: publicPart(key), algorithm, payload }), { code: 'ERR_COSE_ALGORITHM' });
  });
}

test('RFC 9053 2.1: r = 0 or s = 0 never verifies', () => {
  const object = readSign1(sign1({ key: p256, algorithm: Algorithm.ES256, payload }));
  for (const half of [0, 32])
    assert.throws(() => verifySign1({ ...object, seal: object.seal!.slice().fill(0, half, half + 32) }, { key: p256 }), { code: 'ERR_COSE_VERIFY' });
  assert.throws(() => verifySign1({ ...object, seal: new Uint8Array(64) }, { key: p256 }), { code: 'ERR_COSE_VERIFY' });
});

test('RFC 9052 7.1: a key of another type, algorithm, operation or curve is refused', () => {
  const nonce = random(13);
  const good = { key: aesKey, algorithm: Algorithm.AES_CCM_16_64_128, plaintext: payload, nonce };
  const object = readEncrypt0(encrypt0(good));
  const wrong: readonly Partial<CoseKey>[] = [
    { kty: 2 },
    { alg: 11 },
    { alg: 'AES' },
    { keyOps: [KeyOperation.macCreate, KeyOperation.macVerify] },
    { keyOps: [] },
  ];
  for (const change of wrong) {
    assert.throws(() => encrypt0({ ...good, key: { ...aesKey, ...change } }), { code: 'ERR_COSE_ALGORITHM' });
    assert.throws(() => decrypt0(object, { key: { ...aesKey, ...change } }), { code: 'ERR_COSE_ALGORITHM' });
  }
  assert.throws(() => decrypt0(object, { key: { ...aesKey, keyOps: [KeyOperation.encrypt] } }), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => encrypt0({ ...good, key: { ...aesKey, keyOps: [KeyOperation.decrypt] } }), { code: 'ERR_COSE_ALGORITHM' });
  assert.deepEqual(decrypt0(object, { key: { ...aesKey, alg: 10, keyOps: [KeyOperation.decrypt] } }), payload);

  const mac = readMac0(mac0({ key: hmacKey, algorithm: 5, payload }));
  for (const change of [{ kty: 1 }, { alg: 4 }, { keyOps: [KeyOperation.macCreate] }]) {
    assert.throws(() => verifyMac0(mac, { key: { ...hmacKey, ...change } }), { code: 'ERR_COSE_ALGORITHM' });
  }
  assert.throws(() => mac0({ key: { ...hmacKey, keyOps: [KeyOperation.macVerify] }, algorithm: 5, payload }), { code: 'ERR_COSE_ALGORITHM' });

  const signature = readSign1(sign1({ key: p256, algorithm: Algorithm.ES256, payload }));
  for (const change of [{ kty: 4 }, { kty: 1 }, { alg: Algorithm.ES384 }, { keyOps: [KeyOperation.sign] }, { crv: Curve.P384 }]) {
    assert.throws(() => verifySign1(signature, { key: { ...p256, ...change } }), { code: 'ERR_COSE_ALGORITHM' });
  }
  assert.throws(() => sign1({ key: { ...p256, keyOps: [KeyOperation.verify] }, algorithm: Algorithm.ES256, payload }), { code: 'ERR_COSE_ALGORITHM' });
});

test('COSE: an algorithm of another kind is refused', () => {
  assert.throws(() => encrypt0({ key: hmacKey, algorithm: 5, plaintext: payload, nonce: random(13) }), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => mac0({ key: aesKey, algorithm: 10, payload }), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => sign1({ key: p256, algorithm: 10, payload }), { code: 'ERR_COSE_ALGORITHM' });
  for (const alg of [5, -7, 999]) {
    assert.throws(() => decrypt0(readEncrypt0(encrypted(new Map([[1, alg]]), new Map([[5, random(13)]]), random(13))), { key: aesKey }), {
      code: 'ERR_COSE_ALGORITHM',
    });
  }
  for (const alg of ['A128GCM', undefined]) {
    const headers = new Map<CborKey, CborValue>(alg === undefined ? [] : [[1, alg]]);
    assert.throws(() => decrypt0(readEncrypt0(encrypted(headers, new Map([[5, random(13)]]), random(13))), { key: aesKey }), { code: 'ERR_COSE_ALGORITHM' });
  }
});

test('RFC 9052 3: an empty protected bucket is covered as a zero-length string, however it was sent', () => {
  const nonce = random(13);
  const unprotected = new Map<CborKey, CborValue>([
    [1, 10],
    [5, nonce],
  ]);
  for (const bucket of [emptyBytes, Uint8Array.of(0xa0)])
    assert.deepEqual(decrypt0(readEncrypt0(encrypted(bucket, unprotected, nonce)), { key: aesKey }), payload);
});

test('RFC 9052 3: protected bytes are covered as received, in any order of keys', () => {
  const nonce = random(13);
  const unsorted = fromHex(`a2054d${toHex(nonce)}010a`);
  assert.deepEqual(decrypt0(readEncrypt0(encrypted(unsorted, new Map(), nonce)), { key: aesKey }), payload);
});

test('RFC 9052 3: a label twice, in one bucket or in both, is refused', () => {
  const nonce = random(13);
  assert.throws(() => readEncrypt0(encrypted(fromHex('a2010a010a'), new Map([[5, nonce]]), nonce)), { code: 'ERR_COSE_FORMAT' });
  assert.throws(
    () =>
      readEncrypt0(
        encrypted(
          new Map([[1, 10]]),
          new Map<CborKey, CborValue>([
            [1, 10],
            [5, nonce],
          ]),
          nonce,
        ),
      ),
    { code: 'ERR_COSE_FORMAT' },
  );
  assert.throws(
    () =>
      readEncrypt0(
        encrypted(
          new Map<CborKey, CborValue>([
            [1, 10],
            ['x', 1],
          ]),
          new Map<CborKey, CborValue>([
            ['x', 1],
            [5, nonce],
          ]),
          nonce,
        ),
      ),
    { code: 'ERR_COSE_FORMAT' },
  );
});

test('RFC 9052 3.1: crit', () => {
  const nonce = random(13);
  const open = (headers: ReadonlyMap<CborKey, CborValue>, unprotected: ReadonlyMap<CborKey, CborValue> = new Map()): Uint8Array =>
    decrypt0(readEncrypt0(encrypted(new Map<CborKey, CborValue>([[1, 10], [5, nonce], ...headers]), unprotected, nonce)), { key: aesKey });
  assert.deepEqual(open(new Map([[2, [1]]])), payload);
  assert.deepEqual(open(new Map([[2, [5, 1]]])), payload);
  const refused: readonly ReadonlyMap<CborKey, CborValue>[] = [
    new Map<CborKey, CborValue>([
      [2, [99]],
      [99, 0],
    ]),
    new Map<CborKey, CborValue>([
      [2, ['reserved']],
      ['reserved', false],
    ]),
    new Map<CborKey, CborValue>([
      [2, [1, 99]],
      [99, 0],
    ]),
    new Map([[2, [4]]]),
    new Map([[2, []]]),
    new Map([[2, 1]]),
    new Map([[2, [null]]]),
  ];
  for (const headers of refused) assert.throws(() => open(headers), { code: 'ERR_COSE_FORMAT' });
  assert.throws(() => open(new Map(), new Map([[2, [1]]])), { code: 'ERR_COSE_FORMAT' });
  assert.deepEqual(open(new Map([[99, 'not critical']])), payload);
});

test('RFC 9052 3.1: types of the header parameters', () => {
  const nonce = random(13);
  const changes: readonly (readonly [CborKey, CborValue])[] = [
    [1, Uint8Array.of(10)],
    [1, null],
    [3, Uint8Array.of(1)],
    [4, 'kid'],
    [5, 13],
    [6, 'partial'],
    [6, Uint8Array.of(1)],
    [Uint8Array.of(1), 1],
  ];
  for (const [label, value] of changes) {
    const headers = new Map<CborKey, CborValue>([
      [1, 10],
      [5, nonce],
      [label, value],
    ]);
    assert.throws(() => readEncrypt0(encrypted(headers, new Map(), nonce)), { code: 'ERR_COSE_FORMAT' }, String(label));
    assert.throws(() => readEncrypt0(encrypted(emptyBytes, headers, nonce)), { code: 'ERR_COSE_FORMAT' }, String(label));
  }
});

test('RFC 9052 3.1: nonces from IV, and from Partial IV and Base IV', () => {
  const nonce = random(13);
  const baseIv = nonce.slice();
  baseIv[12]! ^= 0xa7;
  baseIv[11]! ^= 0x61;
  const object = readEncrypt0(
    encrypted(
      new Map<CborKey, CborValue>([
        [1, 10],
        [6, fromHex('61a7')],
      ]),
      new Map(),
      nonce,
    ),
  );
  assert.deepEqual(decrypt0(object, { key: { ...aesKey, baseIv } }), payload);
  assert.throws(() => decrypt0(object, { key: aesKey }), { code: 'ERR_COSE_FORMAT' });
  assert.throws(() => decrypt0(object, { key: { ...aesKey, baseIv: baseIv.subarray(1) } }), { code: 'ERR_COSE_FORMAT' });
  const long = readEncrypt0(
    encrypted(
      new Map<CborKey, CborValue>([
        [1, 10],
        [6, random(14)],
      ]),
      new Map(),
      nonce,
    ),
  );
  assert.throws(() => decrypt0(long, { key: { ...aesKey, baseIv } }), { code: 'ERR_COSE_FORMAT' });
  for (const length of [0, 12, 14]) {
    const other = readEncrypt0(
      encrypted(
        new Map<CborKey, CborValue>([
          [1, 10],
          [5, random(length)],
        ]),
        new Map(),
        nonce,
      ),
    );
    assert.throws(() => decrypt0(other, { key: aesKey }), { code: 'ERR_COSE_FORMAT' });
  }
});

test('RFC 9052 2: what is no COSE object', () => {
  const map = new Map();
  const b = emptyBytes;
  const bad: readonly CborValue[] = [
    null,
    1,
    'x',
    b,
    map,
    [],
    [b, map],
    [b, map, b, b],
    [b, b, b],
    [map, map, b],
    ['a', map, b],
    [b, map, 'x'],
    [b, map, 1],
    [Uint8Array.of(0xff), map, b],
    [Uint8Array.of(0x01), map, b],
    [Uint8Array.of(0xa0, 0), map, b],
  ];
  for (const value of bad) assert.throws(() => readEncrypt0(value), { code: 'ERR_COSE_FORMAT' });
  for (const value of [
    [b, map, b],
    [b, map, b, null],
    [b, map, b, 'x'],
    [b, map, b, b, b],
    [b, map, 0, b],
  ]) {
    assert.throws(() => readMac0(value), { code: 'ERR_COSE_FORMAT' });
    assert.throws(() => readSign1(value), { code: 'ERR_COSE_FORMAT' });
  }
  const sealed = encrypt0({ key: aesKey, algorithm: 10, plaintext: payload, nonce: random(13) });
  for (const tag of [CoseTag.Mac0, CoseTag.Sign1, 96, 61, 995]) assert.throws(() => readEncrypt0(new Tagged(tag, sealed.value)), { code: 'ERR_COSE_FORMAT' });
  assert.deepEqual(decrypt0(readEncrypt0(sealed.value), { key: aesKey }), payload);
});

test('RFC 9052 2: detached content', () => {
  const nonce = random(13);
  const [protectedBytes, unprotected, ciphertext] = encrypt0({ key: aesKey, algorithm: 10, plaintext: payload, nonce }).value as [
    Uint8Array,
    Map<number, CborValue>,
    Uint8Array,
  ];
  const detached = readEncrypt0([protectedBytes, unprotected, null]);
  assert.deepEqual(decrypt0(detached, { key: aesKey, detached: ciphertext }), payload);
  assert.throws(() => decrypt0(detached, { key: aesKey }), { code: 'ERR_COSE_FORMAT' });
  for (const [object, open] of [
    [readMac0(mac0({ key: hmacKey, algorithm: 5, payload })), verifyMac0],
    [readSign1(sign1({ key: p256, algorithm: -7, payload })), verifySign1],
  ] as const) {
    const key = open === verifyMac0 ? hmacKey : p256;
    assert.deepEqual(open({ ...object, payload: null }, { key, detached: payload }), payload);
    assert.throws(() => open({ ...object, payload: null }, { key }), { code: 'ERR_COSE_FORMAT' });
    assert.throws(() => open({ ...object, payload: null }, { key, detached: nonce }), { code: 'ERR_COSE_VERIFY' });
  }
});

test('COSE Algorithms: every algorithm has a name, and the name leads back', () => {
  for (const [id, name] of algorithmNames) assert.equal(algorithmOf(name), id);
  assert.deepEqual(new Set(algorithmNames.keys()), new Set<number>(Object.values(Algorithm)));
  assert.equal(algorithmOf('none'), undefined);
});
