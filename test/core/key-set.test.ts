import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { type CborKey, type CborMap, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import {
  Algorithm,
  type CoseKey,
  Curve,
  certificateHash,
  coseKeyMap,
  decodeCoseKeySet,
  encodeCoseKeySet,
  KeyOperation,
  keysFor,
  parseThumbprintUri,
  readSign1,
  sign1,
  thumbprint,
  thumbprintUri,
  verifySign1,
} from '../../src/core/cose/index.ts';
import { decodeConfirmation, encodeConfirmation, openCwt, protectCwt, symmetricKey } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import { freshKey, publicPart } from './fresh-keys.ts';

const p256 = freshKey(Curve.P256);
const ed25519 = publicPart(freshKey(Curve.Ed25519));
const secret: CoseKey = { kty: 4, k: new Uint8Array(32).fill(1) };

test('RFC 9052 7: a COSE_KeySet and back', () => {
  const keys: readonly CoseKey[] = [{ ...p256, kid: Uint8Array.of(1) }, { ...ed25519, alg: Algorithm.EdDSA, keyOps: [KeyOperation.verify] }, secret];
  assert.deepEqual(decodeCoseKeySet(decode(encodeCoseKeySet(keys))), { keys, skipped: [] });
  assert.throws(() => encodeCoseKeySet([]), { code: 'ERR_COSE_KEY' });
  for (const value of [[], null, coseKeyMap(p256), 'x']) assert.throws(() => decodeCoseKeySet(value), { code: 'ERR_COSE_KEY' });
});

test('RFC 9052 7: a key that is malformed or unknown is skipped, and the others stand', () => {
  const broken: readonly CborValue[] = [
    new Map([[1, 5]]),
    new Map([[1, 'OKP']]),
    new Map(),
    1,
    null,
    new Map<CborKey, CborValue>([...coseKeyMap(p256), [-3, new Uint8Array(32)]]),
    new Map<CborKey, CborValue>([...coseKeyMap(p256), [-1, 99]]),
    new Map<CborKey, CborValue>([...coseKeyMap(secret), [4, []]]),
  ];
  const { keys, skipped } = decodeCoseKeySet([coseKeyMap(secret), ...broken, coseKeyMap(ed25519)]);
  assert.deepEqual(keys, [secret, ed25519]);
  assert.equal(skipped.length, broken.length);
  for (const { code } of skipped) assert.match(code, /^ERR_(COSE_KEY|CBOR_MAP)$/);
  assert.ok(!JSON.stringify(skipped.map(({ message }) => message)).includes(toHex(p256.d!)));
  assert.deepEqual(decodeCoseKeySet([null]).keys, []);
});

test('RFC 9052 7.1: the keys of a set for a use: kty, curve, alg, key_ops, kid', () => {
  const one = { ...p256, kid: Uint8Array.of(1) };
  const set: readonly CoseKey[] = [
    one,
    { ...p256, alg: Algorithm.ES384 },
    { ...p256, keyOps: [KeyOperation.verify], kid: Uint8Array.of(2) },
    ed25519,
    { ...secret, alg: Algorithm.HMAC_256 },
    { ...secret, keyOps: [KeyOperation.wrap] },
  ];
  const verify = { algorithm: Algorithm.ES256, operation: KeyOperation.verify };
  assert.deepEqual(keysFor(set, verify), [set[0], set[2]]);
  assert.deepEqual(keysFor(set, { ...verify, operation: KeyOperation.sign }), [set[0]]);
  assert.deepEqual(keysFor(set, { ...verify, kid: Uint8Array.of(2) }), [set[2]]);
  assert.deepEqual(keysFor(set, { ...verify, kid: Uint8Array.of(3) }), []);
  assert.deepEqual(keysFor(set, { ...verify, algorithm: Algorithm.EdDSA, kid: Uint8Array.of(9) }), [ed25519]);
  assert.deepEqual(keysFor(set, { ...verify, algorithm: Algorithm.ES256K }), []);
  assert.deepEqual(keysFor(set, { algorithm: Algorithm.HMAC_256, operation: KeyOperation.macVerify }), [set[4]]);
  assert.deepEqual(keysFor(set, { algorithm: Algorithm.A128GCM, operation: KeyOperation.wrap }), [set[5]]);
  assert.deepEqual(keysFor(set, { algorithm: -5, operation: KeyOperation.wrap }), [set[0], ed25519, set[5]]);
});

const rfcKey: CoseKey = {
  kty: 2,
  kid: utf8('meriadoc.brandybuck@buckland.example'),
  crv: Curve.P256,
  x: fromHex('65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d'),
  y: fromHex('1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c'),
};
const rfcThumbprint = '496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec';

test('RFC 9679 6: the thumbprint of its example, and the URI', () => {
  assert.equal(toHex(thumbprint(rfcKey)), rfcThumbprint);
  const uri = 'urn:ietf:params:oauth:ckt:sha-256:SWvYr63zB-WwjGSwQhv53AFSijRKQ72oj63RZp2iU-w';
  assert.equal(thumbprintUri(rfcKey), uri);
  assert.deepEqual(parseThumbprintUri(uri), { hash: 'sha256', thumbprint: fromHex(rfcThumbprint) });
});

test('RFC 9679 3: kid, alg, key_ops, private part and compression change nothing', () => {
  const { y: _, ...rest } = rfcKey;
  for (const key of [
    { ...rest, y: false },
    { ...rfcKey, alg: -7, keyOps: [1], baseIv: new Uint8Array(2) },
  ])
    assert.equal(toHex(thumbprint(key)), rfcThumbprint);
  assert.notEqual(toHex(thumbprint({ ...rest, y: true })), rfcThumbprint);
  const { d: __, ...publicKey } = p256;
  assert.deepEqual(thumbprint(p256), thumbprint(publicKey));
});

test('RFC 9679 4: OKP and symmetric keys, other hashes, keys without what is required', () => {
  assert.deepEqual(thumbprint(ed25519).length, 32);
  assert.equal(thumbprint(ed25519, 'sha384').length, 48);
  assert.match(thumbprintUri(secret, 'sha512'), /^urn:ietf:params:oauth:ckt:sha-512:[\w-]{86}$/);
  assert.equal(parseThumbprintUri(thumbprintUri(secret, 'sha384')).hash, 'sha384');
  for (const key of [
    { kty: 3 },
    { kty: 4 },
    { kty: 1, crv: 6 },
    { kty: 2, crv: 1, x: rfcKey.x! },
    { kty: 2, crv: 1, x: new Uint8Array(32).fill(255), y: true },
  ])
    assert.throws(() => thumbprint(key), { code: 'ERR_COSE_KEY' });
  const prefix = 'urn:ietf:params:oauth:ckt:';
  for (const uri of ['', prefix, `${prefix}sha-256`, `${prefix}sha-256:`, `${prefix}sha-256:AA`, `${prefix}md5:AA`, `${prefix}sha-256:****`])
    assert.throws(() => parseThumbprintUri(uri), { code: 'ERR_COSE_KEY' });
  assert.throws(() => parseThumbprintUri(`${thumbprintUri(rfcKey)}:x`), { code: 'ERR_COSE_KEY' });
  assert.throws(() => parseThumbprintUri(thumbprintUri(rfcKey).replace('oauth:ckt', 'oauth:jwk-thumbprint')), { code: 'ERR_COSE_KEY' });
});

test('RFC 9679 5.6: the confirmation method ckt', () => {
  const ckt = thumbprint(rfcKey);
  assert.deepEqual(encodeConfirmation({ ckt }), new Map([[5, ckt]]));
  assert.deepEqual(decodeConfirmation(new Map([[5, ckt]])), { ckt });
  assert.throws(() => decodeConfirmation(new Map([[5, ckt.subarray(1)]])), { code: 'ERR_CWT_CLAIMS' });
  assert.throws(() => decodeConfirmation(new Map([[5, 'text']])), { code: 'ERR_CBOR_MAP' });
  const key = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(3));
  assert.deepEqual(openCwt(protectCwt({ cnf: { ckt } }, key, systemEnv.random), [key]).claims.cnf, { ckt });
});

const certificate = fromHex('30820100');

test('RFC 9360 2: x5bag, x5chain, x5t and x5u that we send are protected', () => {
  const headers = {
    x5bag: [certificate, Uint8Array.of(1)],
    x5chain: [certificate],
    x5t: certificateHash(certificate, -43),
    x5u: 'coaps://as.example/cert',
  };
  const bytes = encode(sign1({ key: p256, algorithm: Algorithm.ES256, payload: certificate, ...headers }));
  const object = readSign1(decode(bytes));
  assert.deepEqual(object.headers, { alg: -7, ...headers, unknown: new Map() });
  assert.ok([32, 33, 34, 35].every((label) => object.protectedMap.has(label)));
  assert.deepEqual(verifySign1(object, { key: p256 }), certificate);
  const none = readSign1(sign1({ key: p256, algorithm: Algorithm.ES256, payload: certificate, x5bag: [] }));
  assert.deepEqual(none.headers, { alg: -7, unknown: new Map() });
  assert.throws(() => certificateHash(certificate, -14), { code: 'ERR_COSE_ALGORITHM' });
});

test('RFC 9360 2: certificate headers of another type are refused', () => {
  const read = (label: number, value: CborValue): unknown => readSign1([new Uint8Array(0), new Map([[label, value]]), certificate, certificate]);
  const wrong: readonly (readonly [number, CborValue])[] = [
    ...[32, 33].flatMap((label): (readonly [number, CborValue])[] => [
      [label, null],
      [label, []],
      [label, [certificate]],
      [label, [certificate, 1]],
      [label, new Uint8Array(0)],
      [label, 'pem'],
    ]),
    [34, certificate],
    [34, [-16]],
    [34, [-16, 'hash']],
    [34, [1.5, certificate]],
    [34, [-16, certificate, 1]],
    [35, 'https://example.org/'],
    [35, new Tagged(32, certificate)],
    [35, new Tagged(33, 'https://example.org/')],
  ];
  for (const [label, value] of wrong) assert.throws(() => read(label, value), { code: 'ERR_COSE_FORMAT' }, `${label}`);
  const critical: CborMap = new Map<CborKey, CborValue>([
    [1, -7],
    [2, [33]],
    [33, certificate],
  ]);
  assert.deepEqual(readSign1([encode(critical), new Map(), certificate, certificate]).headers.x5chain, [certificate]);
});

test('RFC 8392 7.2: a token with a certificate in its headers is refused', () => {
  const key = { use: 'sign1', algorithm: Algorithm.ES256, key: p256 } as const;
  const payload = encode(new Map([[1, 'as']]));
  const token = (headers: object): Uint8Array => encode(sign1({ key: p256, algorithm: Algorithm.ES256, payload, ...headers }));
  assert.equal(openCwt(token({}), [key]).claims.iss, 'as');
  for (const headers of [{ x5chain: [certificate] }, { x5bag: [certificate] }, { x5t: certificateHash(certificate) }, { x5u: 'coaps://as.example/cert' }])
    assert.throws(() => openCwt(token(headers), [key]), { code: 'ERR_CWT_FORMAT' });
});
