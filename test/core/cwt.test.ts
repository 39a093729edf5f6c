import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyBytes, fromHex, toHex } from '../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import { coseKeyMap, decrypt0, encrypt0, mac0, readEncrypt0, sign1 } from '../../src/core/cose/index.ts';
import { aeadParameters } from '../../src/core/crypto/index.ts';
import {
  type ClaimsSet,
  type Confirmation,
  CwtError,
  decodeClaims,
  decodeConfirmation,
  encodeClaims,
  encodeConfirmation,
  openCwt,
  protectCwt,
  type TokenKey,
} from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import { freshKey } from './fresh-keys.ts';

const { random } = systemEnv;

const encryption: TokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: random(16) }, kid: Uint8Array.of(1) };
const mac: TokenKey = { use: 'mac0', algorithm: 5, key: { kty: 4, k: random(32) } };
const signature: TokenKey = { use: 'sign1', algorithm: -7, key: freshKey(1) };

const claims: ClaimsSet = {
  iss: 'as',
  aud: ['rs1', 'rs2'],
  exp: 1_900_000_000.5,
  scope: fromHex('8182616101'),
  aceProfile: 2,
  cnonce: random(8),
  exi: 60,
  cti: random(4),
};

for (const key of [encryption, mac, signature, { ...encryption, algorithm: 31, key: { kty: 4, k: random(32) } } as TokenKey]) {
  test(`CWT: protected by ${key.use} with algorithm ${key.algorithm}, every header protected`, () => {
    const token = protectCwt(claims, key, random);
    const tag = { encrypt0: 'd0', mac0: 'd1', sign1: 'd2' }[key.use];
    assert.equal(toHex(token.subarray(0, 3)), `d83d${tag}`);
    const array = ((decode(token) as Tagged).value as Tagged).value as CborValue[];
    assert.deepEqual(array[1], new Map());
    assert.deepEqual(openCwt(token, [key]), { claims, key });
    assert.deepEqual(openCwt(token.subarray(2), [key]).claims, claims, 'without tag 61');
    assert.throws(() => openCwt(encode(array), [key]), { code: 'ERR_CWT_FORMAT' }, 'without COSE tag');
    assert.throws(() => openCwt(encode(new Tagged(61, array)), [key]), { code: 'ERR_CWT_FORMAT' }, 'tag 61 without COSE tag');
    assert.throws(() => openCwt(encode(new Tagged(61, new Tagged(61, (decode(token) as Tagged).value))), [key]), { code: 'ERR_CWT_FORMAT' });
    for (let at = 0; at < token.length; at++) {
      const changed = token.slice();
      changed[at]! ^= 1 << (at % 8);
      assert.throws(
        () => openCwt(changed, [key]),
        (error: unknown) => error instanceof CwtError && error.code !== 'ERR_CWT_CLAIMS',
        `byte ${at}`,
      );
    }
  });
}

for (const tagged of [encryption, mac, signature]) {
  test(`RFC 8392 7.2, step 3: ${tagged.use} without tags, by a key that is told so`, () => {
    const key: TokenKey = { ...tagged, untagged: true };
    const token = protectCwt(claims, key, random);
    assert.deepEqual(openCwt(token, [key]), { claims, key });
    assert.deepEqual(openCwt(token, [encryption, mac, signature, key]).key, key, 'beside keys whose tokens have tags');
    // One form for each key: what has tags was made by another one, or changed.
    const own = { encrypt0: 16, mac0: 17, sign1: 18 }[tagged.use];
    const array = decode(token);
    for (const changed of [new Tagged(own, array), new Tagged(61, new Tagged(own, array))])
      assert.throws(() => openCwt(encode(changed), [key]), { code: 'ERR_CWT_KEY' });
    assert.throws(() => openCwt(encode(new Tagged(61, array)), [key]), { code: 'ERR_CWT_FORMAT' });
    assert.throws(() => openCwt(token, [tagged]), { code: 'ERR_CWT_FORMAT' });
    assert.throws(
      () => openCwt(encode([...(array as CborValue[]), 1]), [key]),
      (error: unknown) => error instanceof CwtError,
    );
  });
}

test('RFC 8392 7.2, step 3: without tags, MACs and signatures are told apart by their keys', () => {
  const keys: readonly TokenKey[] = [mac, signature].map((key) => ({ ...key, untagged: true }));
  for (const key of keys) assert.equal(openCwt(protectCwt(claims, key, random), keys).key, key);
});

test('RFC 8392 7.2, step 7: in a token without tags, the one inside has its tag', () => {
  const outer: TokenKey = { ...encryption, untagged: true };
  const token = protectCwt(claims, [{ ...signature, untagged: true }, outer], random);
  assert.equal(Array.isArray(decode(token)), true);
  assert.deepEqual(openCwt(token, [outer, signature]), { claims, key: signature });
  const bare = sign1({ key: signature.key, algorithm: -7, payload: encodeClaims(claims) }).value;
  const inside = encode(encrypt0({ key: outer.key, algorithm: 10, plaintext: encode(bare), nonce: random(13) }).value);
  assert.throws(() => openCwt(inside, [outer, { ...signature, untagged: true }]), { code: 'ERR_CWT_CLAIMS' });
});

test('CWT: a token of the smallest OSCORE deployment fits 90 bytes', () => {
  const osc = new Map<CborKey, CborValue>([
    [0, Uint8Array.of(1)],
    [2, random(16)],
    [5, emptyBytes],
  ]);
  const scope = encode([['temp', 1]]);
  assert.equal(scope.length, 8);
  const token = protectCwt({ aud: 'rs1', exp: 1_900_000_000, scope, cnf: { osc } }, encryption, random);
  assert.ok(token.length <= 90, `${token.length}`);
});

test('CWT: which key is tried', () => {
  const token = protectCwt(claims, encryption, random);
  const other: TokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: random(16) } };
  assert.equal(openCwt(token, [other, mac, encryption]).key, encryption, 'a key without kid is tried and passed over');
  assert.throws(() => openCwt(token, []), { code: 'ERR_CWT_KEY' });
  assert.throws(() => openCwt(token, [{ ...encryption, kid: Uint8Array.of(2) }]), { code: 'ERR_CWT_KEY' });
  assert.throws(() => openCwt(token, [{ ...encryption, algorithm: 30 }]), { code: 'ERR_CWT_KEY' });
  assert.throws(() => openCwt(token, [{ ...encryption, use: 'mac0' }]), { code: 'ERR_CWT_KEY' });
  assert.throws(() => openCwt(token, [other]), { code: 'ERR_CWT_PROTECTION' });
  const { kid: _, ...withoutKid } = encryption;
  assert.equal(openCwt(token, [withoutKid]).key, withoutKid);
  assert.equal(openCwt(protectCwt(claims, withoutKid, random), [encryption]).key, encryption);
});

test('CWT: a key is used with the algorithm that it is configured for only', () => {
  // HMAC 256/64 and 256/256 take the same key: a token with the shorter tag must not pass where the longer one is configured.
  const shortTag: TokenKey = { ...mac, algorithm: 4 };
  assert.throws(() => openCwt(protectCwt(claims, shortTag, random), [mac]), { code: 'ERR_CWT_KEY' });
  assert.throws(() => protectCwt(claims, { ...mac, key: { ...mac.key, alg: 4 } }, random), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => protectCwt(claims, { ...encryption, key: { ...encryption.key, keyOps: [4] } }, random), { code: 'ERR_COSE_ALGORITHM' });
});

test('CWT: a nonce is fresh for each token and has the length of the algorithm', () => {
  const asked: number[] = [];
  const nonces = [1, 2].map((fill) =>
    toHex(
      protectCwt(claims, encryption, (length) => {
        asked.push(length);
        return new Uint8Array(length).fill(fill);
      }),
    ),
  );
  assert.notEqual(nonces[0], nonces[1]);
  assert.deepEqual(asked, [13, 13]);
  assert.equal(aeadParameters(10)!.nonceLength, 13);
});

/** A CWT whose plaintext is any bytes. */
function tokenAround(plaintext: Uint8Array): Uint8Array {
  return encode(new Tagged(61, encrypt0({ key: encryption.key, algorithm: 10, plaintext, nonce: random(13) })));
}

test('CWT: claims that cannot be read', () => {
  const bad: readonly (readonly [CborKey, CborValue])[] = [
    [1, 1],
    [2, Uint8Array.of(1)],
    [3, 5],
    [3, ['rs1', 2]],
    [4, 'soon'],
    [4, new Tagged(1, 1_900_000_000)],
    [4, Number.NaN],
    [4, Number.POSITIVE_INFINITY],
    [5, Number.NEGATIVE_INFINITY],
    [6, null],
    [7, 'cti'],
    [8, []],
    [8, new Map([[1, new Map([[1, 9]])]])],
    [8, new Map([[3, 'kid']])],
    [9, 3],
    [38, 'coap_oscore'],
    [39, 1],
    [40, -1],
    [40, 1.5],
  ];
  for (const claim of bad)
    assert.throws(() => openCwt(tokenAround(encode(new Map([claim]))), [encryption]), { name: 'CwtError', code: 'ERR_CWT_CLAIMS' }, String(claim[0]));
  for (const plaintext of [emptyBytes, encode([]), encode('x'), fromHex('a1'), fromHex('a20101 0101'), fromHex('a10100ff'), fromHex('bf0461ff')])
    assert.throws(() => openCwt(tokenAround(plaintext), [encryption]), { code: 'ERR_CWT_CLAIMS' });
});

test('CWT: what is not even a COSE object', () => {
  for (const hex of ['', '00', 'f6', '43010203', 'd83d00', 'd83dd000', 'd83dd08340a040', 'd83dd8608340a0f680', 'd0', 'ff', '9f', `${'81'.repeat(40)}00`]) {
    assert.throws(
      () => openCwt(fromHex(hex), [encryption]),
      (error: unknown) => error instanceof CwtError,
      hex,
    );
  }
});

test('CWT: detached claims', () => {
  for (const parts of [4, 3]) {
    const object: CborValue[] = [encode(new Map([[1, parts === 4 ? 5 : 10]])), new Map(), null, new Uint8Array(32)];
    assert.throws(() => openCwt(encode(new Tagged(parts === 4 ? 17 : 16, object.slice(0, parts))), [mac, encryption]), { code: 'ERR_CWT_FORMAT' });
  }
});

test('RFC 8392 7.2, step 4: a header parameter that is not understood', () => {
  const nonce = random(13);
  const object = encrypt0({ key: encryption.key, algorithm: 10, plaintext: encodeClaims(claims), nonce }).value as readonly CborValue[];
  const token = encode(new Tagged(16, [object[0], new Map([[99, 0]]), object[2]]));
  assert.throws(() => openCwt(token, [encryption]), { code: 'ERR_CWT_FORMAT' });
});

test('RFC 8392 7.2, step 7: tokens nest once', () => {
  const inner = protectCwt(claims, signature, random);
  assert.deepEqual(openCwt(tokenAround(inner), [encryption, signature]), { claims, key: signature });
  assert.throws(() => openCwt(tokenAround(tokenAround(inner)), [encryption, signature]), { code: 'ERR_CWT_CLAIMS' });
  assert.throws(() => openCwt(tokenAround(inner), [encryption, { ...signature, key: freshKey(1) }]), { code: 'ERR_CWT_PROTECTION' });
});

test('RFC 8392 7.1: a nested CWT is made of two keys: signed or MACed, then encrypted', () => {
  for (const inner of [signature, mac, encryption]) {
    const token = protectCwt(claims, [inner, encryption], random);
    const outer = (decode(token) as Tagged).value as Tagged;
    assert.equal(outer.tag, 16);
    const object = readEncrypt0(outer);
    assert.equal(object.headers.contentType, 61);
    // The message is the tagged object; tag 61 stands outside only.
    const message = decrypt0(object, { key: encryption.key });
    assert.deepEqual((decode(message) as Tagged).tag, { encrypt0: 16, mac0: 17, sign1: 18 }[inner.use]);
    assert.deepEqual(openCwt(token, [encryption, mac, signature]), { claims, key: inner });
    assert.deepEqual(openCwt(message, [encryption, mac, signature]), { claims, key: inner });
    if (inner !== encryption) assert.throws(() => openCwt(token, [encryption]), { code: 'ERR_CWT_KEY' });
  }
  const secret: ClaimsSet = { cnf: { coseKey: { kty: 4, k: random(16) } } };
  assert.deepEqual(openCwt(protectCwt(secret, [signature, encryption], random), [encryption, signature]).claims, secret);
  assert.throws(() => protectCwt(secret, [signature, mac], random), { code: 'ERR_CWT_CLAIMS', message: /got sign1 in mac0/ });
  assert.deepEqual(openCwt(protectCwt(claims, [signature, mac], random), [mac, signature]), { claims, key: signature });
});

test('RFC 8392 7.2: a token with many recipients or signers is none for us, and says so', () => {
  for (const tag of [96, 97, 98])
    assert.throws(() => openCwt(encode(new Tagged(61, new Tagged(tag, [emptyBytes, new Map(), emptyBytes, []]))), [encryption, mac, signature]), {
      code: 'ERR_CWT_FORMAT',
      message: /expected a tagged COSE_Encrypt0, COSE_Mac0 or COSE_Sign1/,
    });
});

test('RFC 8392 3: claims round trip; the unknown ones are kept', () => {
  const all: ClaimsSet = {
    ...claims,
    sub: 'c',
    nbf: 1,
    iat: -1,
    cnf: { kid: Uint8Array.of(1) },
    unknown: new Map<CborKey, CborValue>([
      ['custom', 1],
      [-70_000, [true]],
    ]),
  };
  assert.deepEqual(decodeClaims(encodeClaims(all)), all);
  assert.deepEqual(decodeClaims(encode(new Map())), {});
});

test('RFC 8747 3.1: confirmation methods', () => {
  const coseKey = signature.key;
  const encryptedCoseKey: CborValue = [emptyBytes, new Map(), emptyBytes];
  const each: readonly Confirmation[] = [
    { coseKey },
    { kid: Uint8Array.of(1) },
    { osc: new Map([[0, Uint8Array.of(1)]]) },
    { encryptedCoseKey },
    { kid: Uint8Array.of(1), unknown: new Map([[77, 'ignored']]) },
  ];
  for (const cnf of each) assert.deepEqual(decodeConfirmation(decode(encode(encodeConfirmation(cnf)))), cnf);
  assert.throws(
    () =>
      decodeConfirmation(
        new Map<CborKey, CborValue>([
          [1, coseKeyMap(coseKey)],
          [2, encryptedCoseKey],
        ]),
      ),
    { code: 'ERR_CWT_CLAIMS' },
  );
  assert.throws(
    () =>
      decodeConfirmation(
        new Map<CborKey, CborValue>([
          [1, coseKeyMap(coseKey)],
          [2, undefined],
        ]),
      ),
    { code: 'ERR_CWT_CLAIMS' },
  );
  for (const value of [undefined, null, 1, emptyBytes, new Map()]) assert.throws(() => decodeConfirmation(new Map([[2, value]])), { code: 'ERR_CWT_CLAIMS' });
  for (const value of [1, 'cnf', [], null]) assert.throws(() => decodeConfirmation(value), { code: 'ERR_CBOR_MAP' });
});

test('RFC 8747 3.1: cnf is of a single key', () => {
  const coseKey = coseKeyMap(signature.key);
  const encrypted: CborValue = [emptyBytes, new Map(), emptyBytes];
  const osc = new Map([[0, Uint8Array.of(1)]]);
  const kid = Uint8Array.of(1);
  const cnf = (...methods: (readonly [number, CborValue])[]) => decodeConfirmation(new Map<CborKey, CborValue>(methods));
  for (const [one, other] of [
    [[1, coseKey] as const, [2, encrypted] as const],
    [[1, coseKey] as const, [4, osc] as const],
    [[2, encrypted] as const, [4, osc] as const],
  ] as const)
    assert.throws(() => cnf(one, other), { code: 'ERR_CWT_CLAIMS' }, `${one[0]} and ${other[0]}`);
  // A name of the key is no second one.
  for (const method of [[1, coseKey] as const, [2, encrypted] as const, [4, osc] as const]) assert.deepEqual(cnf(method, [3, kid]).kid, kid);
});

test('RFC 8747 3.2, RFC 9203 3.2: a secret in cnf goes into encrypted tokens only', () => {
  const secrets: readonly Confirmation[] = [
    { coseKey: { kty: 4, k: random(16) } },
    { coseKey: signature.key },
    {
      osc: new Map<CborKey, CborValue>([
        [0, Uint8Array.of(1)],
        [2, random(16)],
      ]),
    },
  ];
  for (const cnf of secrets) {
    for (const key of [mac, signature]) assert.throws(() => protectCwt({ cnf }, key, random), { code: 'ERR_CWT_CLAIMS' });
    const payload = encodeClaims({ cnf });
    for (const [key, object] of [
      [mac, mac0({ key: mac.key, algorithm: mac.algorithm, payload })],
      [signature, sign1({ key: signature.key, algorithm: signature.algorithm, payload })],
    ] as const) {
      assert.throws(() => openCwt(encode(object), [key]), { name: 'CwtError', code: 'ERR_CWT_CLAIMS' });
      assert.deepEqual(openCwt(tokenAround(encode(object)), [encryption, key]).claims.cnf, cnf);
    }
    assert.deepEqual(openCwt(protectCwt({ cnf }, encryption, random), [encryption]).claims.cnf, cnf);
  }
  const { d: _, ...publicKey } = signature.key;
  for (const cnf of [{ coseKey: publicKey }, { coseKey: { kty: 4, kid: Uint8Array.of(1) } }, { kid: Uint8Array.of(1) }] as Confirmation[]) {
    assert.deepEqual(openCwt(protectCwt({ cnf }, mac, random), [mac]).claims.cnf, cnf);
  }
});
