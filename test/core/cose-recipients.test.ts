import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborMap, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import { recipientAlgorithms } from '../../src/core/cose/algorithms.ts';
import {
  Algorithm,
  algorithmNames,
  CoseError,
  type CoseKey,
  Curve,
  coseKeyMap,
  decrypt,
  type EncryptOptions,
  encrypt,
  KeyOperation,
  mac,
  mac0,
  type Recipient,
  type RecipientKey,
  RecipientLabel,
  readEncrypt,
  readMac,
  readMac0,
  verifyMac,
  verifyMac0,
} from '../../src/core/cose/index.ts';
import { agree, CryptoError, cbcMac, hkdfAesMac, keyPair, unwrapKey, wrapKey } from '../../src/core/crypto/index.ts';
import { SeededRandom } from '../support/random.ts';
import { oneIn } from '../support/scale.ts';
import { publicPart } from './fresh-keys.ts';

const source = new SeededRandom('cose recipients');
const random = (length: number): Uint8Array => Uint8Array.from({ length }, () => source.uint32() & 0xff);

const kid = Uint8Array.of(7);
const plaintext = Uint8Array.of(1, 2, 3);
const externalAad = Uint8Array.of(9);
const symmetric = (length: number): CoseKey => ({ kty: 4, kid, k: random(length) });

const curves = { P256: Curve.P256, P384: Curve.P384, P521: Curve.P521, X25519: Curve.X25519, X448: Curve.X448 } as const;
const pairOf = (crv: number): CoseKey => ({ kty: crv === Curve.X25519 || crv === Curve.X448 ? 1 : 2, kid, ...keyPair(crv, random) });

interface Family {
  readonly name: string;
  readonly recipient: Recipient;
  readonly opens: RecipientKey;
  readonly wrong: RecipientKey;
  readonly covered: boolean;
}

function familyOf(algorithm: number, crv: number, contentLength: number): Family {
  const { sender, kdf, secretLength } = recipientAlgorithms.get(algorithm)!;
  const name = `${algorithmNames.get(algorithm)}`;
  if (sender === undefined) {
    const length = secretLength ?? (kdf === undefined ? contentLength : 32);
    const key = symmetric(length);
    return { name, recipient: { algorithm, key, kid }, opens: { key }, wrong: { key: symmetric(length) }, covered: kdf !== undefined };
  }
  const key = pairOf(crv);
  const own = pairOf(crv);
  const recipient = { algorithm, key: publicPart(key), kid, ...(sender === 'static' ? { sender: own } : {}) };
  return { name, recipient, opens: { key }, wrong: { key: pairOf(crv) }, covered: true };
}

const encrypted = (recipients: readonly Recipient[], more: Partial<EncryptOptions> = {}): Tagged =>
  encrypt({ algorithm: Algorithm.A128GCM, plaintext, nonce: new Uint8Array(12), externalAad, recipients, random, ...more });

/** Whether an error is one that hostile bytes may make. */
const isRefusal = (error: unknown): boolean => error instanceof CoseError || error instanceof CborError;

/** Every single-bit flip: refused, but in headers of recipients that nothing covers, where what is covered stays as it was. */
function flipAll(bytes: Uint8Array, covered: boolean, open: (bytes: Uint8Array) => Uint8Array, content: Uint8Array): void {
  let accepted = 0;
  for (let at = 0; at < bytes.length * 8; at += oneIn(211, 'the single-bit flips of COSE_Mac and COSE_Encrypt', 13)) {
    const changed = bytes.slice();
    changed[at >> 3]! ^= 1 << (at & 7);
    try {
      assert.deepEqual(open(changed), content);
      accepted++;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.ok(isRefusal(error), `byte ${at >> 3}, bit ${at & 7}: ${error}`);
    }
  }
  // The label of the kid (8 bits) and nothing else.
  assert.ok(covered ? accepted === 0 : accepted <= 8, `${accepted} accepted`);
}

for (const algorithm of recipientAlgorithms.keys()) {
  const ecdh = recipientAlgorithms.get(algorithm)!.sender !== undefined;
  for (const [curve, crv] of ecdh ? Object.entries(curves) : ([['', 0]] as const)) {
    const family = familyOf(algorithm, crv, 16);
    test(`RFC 9053 6: COSE_Encrypt with ${family.name} ${curve}`, () => {
      const object = readEncrypt(decode(encode(encrypted([family.recipient]))));
      assert.deepEqual(decrypt(object, { ...family.opens, externalAad }), plaintext);
      assert.throws(() => decrypt(object, family.opens), { code: 'ERR_COSE_VERIFY' });
      assert.throws(() => decrypt(object, { ...family.wrong, externalAad }), { code: 'ERR_COSE_VERIFY' });
      const kids = object.recipients.map(({ headers }) => headers.kid);
      assert.deepEqual(kids, [kid]);
      assert.equal(object.recipients[0]!.protectedBytes.length > 0, family.covered);
    });
  }

  test(`RFC 9053 6: COSE_Mac with ${algorithmNames.get(algorithm)}; no single-bit flip of COSE_Mac or COSE_Encrypt verifies`, () => {
    const crv = ecdh ? Curve.P256 : 0;
    const forMac = familyOf(algorithm, crv, 32);
    const made = encode(mac({ algorithm: Algorithm.HMAC_256, payload: plaintext, recipients: [forMac.recipient], random }));
    const verify = (bytes: Uint8Array): Uint8Array => verifyMac(readMac(decode(bytes)), forMac.opens);
    assert.deepEqual(verify(made), plaintext);
    assert.throws(() => verifyMac(readMac(decode(made)), forMac.wrong), { code: 'ERR_COSE_VERIFY' });
    flipAll(made, forMac.covered, verify, plaintext);
    const { recipient, opens, covered } = familyOf(algorithm, crv, 16);
    flipAll(encode(encrypted([recipient])), covered, (bytes) => decrypt(readEncrypt(decode(bytes)), { ...opens, externalAad }), plaintext);
  });
}

test('RFC 9052 5.1: each of several recipients opens, nested ones too', () => {
  const [first, second, third] = [symmetric(16), pairOf(Curve.X25519), { ...pairOf(Curve.P256), kid: Uint8Array.of(8) }];
  const object = readEncrypt(
    encrypted([
      { algorithm: Algorithm.A128KW, key: first, kid },
      { algorithm: Algorithm.ECDH_ES_A256KW, key: publicPart(second), kid },
      { algorithm: Algorithm.A192KW, recipients: [{ algorithm: Algorithm.ECDH_ES_HKDF_256, key: publicPart(third), kid: Uint8Array.of(8) }] },
    ]),
  );
  for (const key of [first, second, third]) assert.deepEqual(decrypt(object, { key, externalAad }), plaintext);
  assert.throws(() => decrypt(object, { key: { ...first, kid: Uint8Array.of(6) }, externalAad }), { code: 'ERR_COSE_ALGORITHM' });
  // Without a kid every recipient is tried.
  const { kid: _, ...unnamed } = third;
  assert.deepEqual(decrypt(object, { key: unnamed, externalAad }), plaintext);
});

test('RFC 9052 8.5: a recipient whose algorithm is not known leaves the others', () => {
  const key = symmetric(16);
  const { value } = encrypted([{ algorithm: Algorithm.A128KW, key, kid }]) as unknown as { value: CborValue[] };
  const other: CborValue = [new Uint8Array(0), new Map<CborKey, CborValue>([[1, -42]]), random(40)];
  const object = readEncrypt([...value.slice(0, 3), [other, ...(value[3] as CborValue[])]]);
  assert.deepEqual(decrypt(object, { key, externalAad }), plaintext);
});

test('RFC 9053 5.2: party information, salt, SuppPubInfo other and SuppPrivInfo all make another key', () => {
  const key = symmetric(32);
  const identity = Uint8Array.of(1);
  const info = { partyU: { identity, nonce: 5, other: identity }, partyV: { identity }, suppPubOther: identity, suppPrivInfo: identity };
  for (const algorithm of [Algorithm.direct_HKDF_SHA_256, Algorithm.direct_HKDF_SHA_512, Algorithm.direct_HKDF_AES_256]) {
    const object = readEncrypt(decode(encode(encrypted([{ algorithm, key, kid, salt: Uint8Array.of(3), info }]))));
    const options = { key, externalAad, info };
    assert.deepEqual(decrypt(object, options), plaintext);
    const { suppPrivInfo: _, ...withoutPrivate } = info;
    const { suppPubOther: __, ...withoutPublic } = info;
    for (const wrong of [withoutPrivate, withoutPublic, { ...info, suppPrivInfo: Uint8Array.of(2) }, { ...info, partyV: { identity: Uint8Array.of(2) } }])
      assert.throws(() => decrypt(object, { ...options, info: wrong }), { code: 'ERR_COSE_VERIFY' });
    // What the message says need not be said again.
    assert.deepEqual(decrypt(object, { ...options, info: { suppPubOther: identity, suppPrivInfo: identity } }), plaintext);
  }
});

test('RFC 9053 6.1.2, 6.3: where the secret is not fresh, a nonce or a salt is in the message', () => {
  const key = symmetric(32);
  const nonceOf = (recipient: Recipient): unknown => readEncrypt(encrypted([recipient])).recipients[0]!.parameters.get(RecipientLabel.partyUNonce);
  assert.equal((nonceOf({ algorithm: Algorithm.direct_HKDF_SHA_256, key }) as Uint8Array).length, 16);
  assert.equal(nonceOf({ algorithm: Algorithm.direct_HKDF_SHA_256, key, salt: kid }), undefined);
  assert.equal((nonceOf({ algorithm: Algorithm.direct_HKDF_AES_256, key, salt: kid }) as Uint8Array).length, 16);
  assert.equal(nonceOf({ algorithm: Algorithm.direct_HKDF_AES_256, key, info: { partyU: { nonce: 3 } } }), 3);
  const [own, other] = [pairOf(Curve.P256), pairOf(Curve.P256)];
  assert.equal((nonceOf({ algorithm: Algorithm.ECDH_SS_HKDF_256, key: publicPart(other), sender: own }) as Uint8Array).length, 16);
  assert.equal(nonceOf({ algorithm: Algorithm.ECDH_ES_HKDF_256, key: publicPart(other) }), undefined);
});

test('RFC 9053 6.3: ECDH-SS with the static key or its id, of the sender that is expected', () => {
  const [own, other, third] = [pairOf(Curve.P384), pairOf(Curve.P384), pairOf(Curve.P384)];
  const recipient: Recipient = { algorithm: Algorithm.ECDH_SS_A128KW, key: publicPart(other), sender: own };
  const open = (made: Tagged, sender?: CoseKey): Uint8Array =>
    decrypt(readEncrypt(made), { key: other, externalAad, ...(sender === undefined ? {} : { sender }) });
  const embedded = encrypted([recipient]);
  assert.deepEqual(open(embedded), plaintext);
  assert.deepEqual(open(embedded, publicPart(own)), plaintext);
  assert.throws(() => open(embedded, publicPart(third)), { code: 'ERR_COSE_ALGORITHM' });
  const named = encrypted([{ ...recipient, senderKeyId: kid }]);
  assert.deepEqual(open(named, publicPart(own)), plaintext);
  assert.throws(() => open(named), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => open(named, { ...publicPart(own), kid: Uint8Array.of(1) }), { code: 'ERR_COSE_ALGORITHM' });
  assert.throws(() => open(named, publicPart(third)), { code: 'ERR_COSE_VERIFY' });
});

test('RFC 9052 8.5: recipients whose parts do not fit their method are refused', () => {
  const map = (...entries: (readonly [number, CborValue])[]): CborMap => new Map<CborKey, CborValue>(entries);
  const none = new Uint8Array(0);
  const epk = coseKeyMap(publicPart({ ...pairOf(Curve.P256), kid: none }));
  const direct: CborValue = [none, map([1, -6]), none];
  const wrap: CborValue = [none, map([1, -3]), random(24)];
  const es = (headers: CborMap, ciphertext = none): CborValue => [encode(headers), map(), ciphertext];
  const bad: readonly (readonly [string, CborValue])[] = [
    ['no recipients', []],
    ['no array', map()],
    ['direct twice', [direct, direct]],
    ['direct beside key wrap', [wrap, direct]],
    ['direct with a ciphertext', [[none, map([1, -6]), random(1)]]],
    ['direct with protected headers', [[encode(map([1, -6])), map(), none]]],
    ['direct with recipients', [[none, map([1, -6]), none, [direct]]]],
    ['direct + HKDF with a ciphertext', [[encode(map([1, -10])), map(), random(1)]]],
    ['direct + HKDF beside another', [[encode(map([1, -10])), map(), none], wrap]],
    ['key wrap with protected headers', [[encode(map([1, -3])), map(), random(24)]]],
    ['key wrap with empty recipients', [[none, map([1, -3]), random(24), []]]],
    ['a ciphertext of nil', [[none, map([1, -3]), null]]],
    ['no algorithm', [[none, map(), none]]],
    ['five parts', [[none, map([1, -6]), none, [], []]]],
    ['a tag', [new Tagged(96, [none, map([1, -6]), none])]],
    ['a label in both buckets', [[encode(map([1, -10])), map([1, -10]), none]]],
    ['crit that is not understood', [[encode(map([1, -10], [2, [99]], [99, 0])), map(), none]]],
    ['ECDH-ES without ephemeral key', [es(map([1, -25]))]],
    ['ECDH-ES with a private key', [es(map([1, -25], [-1, coseKeyMap(pairOf(Curve.P256))]))]],
    ['ECDH-ES with a key that is none', [es(map([1, -25], [-1, kid]))]],
    ['ECDH-ES with recipients', [[encode(map([1, -25], [-1, epk])), map(), none, [wrap]]]],
    ['ECDH-SS with key and id', [es(map([1, -27], [-2, epk], [-3, kid]))]],
    ['a salt that is no byte string', [es(map([1, -10], [-20, 1]))]],
    ['an identity that is no byte string', [es(map([1, -10], [-21, 1]))]],
    ['a nonce that is a text', [es(map([1, -10], [-22, 'x']))]],
    ['33 recipients', Array.from({ length: 33 }, () => wrap)],
  ];
  const head = [encode(map([1, 1], [5, new Uint8Array(12)])), map(), random(20)] as const;
  for (const [name, recipients] of bad) {
    assert.throws(() => readEncrypt([...head, recipients]), { code: 'ERR_COSE_FORMAT' }, name);
    assert.throws(() => readMac([...head, kid, recipients]), { code: 'ERR_COSE_FORMAT' }, name);
  }
  assert.equal(readEncrypt([...head, [es(map([1, -25], [2, [-1]], [-1, epk]))]]).recipients.length, 1);
  for (const value of [[...head], new Tagged(97, [...head, [wrap]]), 1, map()]) assert.throws(() => readEncrypt(value), { code: 'ERR_COSE_FORMAT' });
});

test('RFC 9053 6.3: points that are not on the curve and results of zeros are refused', () => {
  const key = pairOf(Curve.P256);
  const x25519 = pairOf(Curve.X25519);
  const head = [encode(new Map([[1, 1]])), new Map<CborKey, CborValue>([[5, new Uint8Array(12)]]), random(20)] as const;
  const withEphemeral = (epk: CborMap): CborValue => [
    ...head,
    [
      [
        encode(
          new Map<CborKey, CborValue>([
            [1, -25],
            [-1, epk],
          ]),
        ),
        new Map(),
        new Uint8Array(0),
      ],
    ],
  ];
  const offCurve = coseKeyMap({ kty: 2, crv: Curve.P256, x: key.x!, y: key.x! });
  assert.throws(() => readEncrypt(withEphemeral(offCurve)), { code: 'ERR_COSE_KEY' });
  for (const first of [0, 1]) {
    const low = coseKeyMap({ kty: 1, crv: Curve.X25519, x: Uint8Array.of(first, ...new Uint8Array(31)) });
    assert.throws(() => readEncrypt(withEphemeral(low)), { code: 'ERR_COSE_KEY' });
    const lowKey: CoseKey = { kty: 1, crv: Curve.X25519, x: Uint8Array.of(first, ...new Uint8Array(31)) };
    assert.throws(() => encrypted([{ algorithm: Algorithm.ECDH_ES_HKDF_256, key: lowKey }]), { code: 'ERR_COSE_KEY' });
  }
  // A key of another curve than the ephemeral key's.
  assert.throws(() => decrypt(readEncrypt(withEphemeral(coseKeyMap({ ...publicPart(x25519) }))), { key }), { code: 'ERR_COSE_KEY' });
});

test('RFC 9053 6: a key of another type, length, algorithm or operation is refused', () => {
  const aes = symmetric(16);
  const pair = pairOf(Curve.P256);
  const wrapped = readEncrypt(encrypted([{ algorithm: Algorithm.A128KW, key: aes, kid }]));
  const agreed = readEncrypt(encrypted([{ algorithm: Algorithm.ECDH_ES_A128KW, key: publicPart(pair), kid }]));
  const direct = readEncrypt(encrypted([{ algorithm: Algorithm.direct, key: aes, kid }]));
  const derived = readEncrypt(encrypted([{ algorithm: Algorithm.direct_HKDF_AES_128, key: aes, kid }]));
  const refused = { code: 'ERR_COSE_ALGORITHM' };
  for (const [object, key] of [
    [wrapped, pair],
    [wrapped, symmetric(32)],
    [wrapped, { ...aes, alg: Algorithm.A256KW }],
    [wrapped, { ...aes, keyOps: [KeyOperation.wrap] }],
    [agreed, aes],
    [agreed, publicPart(pair)],
    [agreed, { ...pair, alg: Algorithm.ECDH_ES_A256KW }],
    [agreed, { ...pair, keyOps: [KeyOperation.sign] }],
    [agreed, { ...pair, crv: Curve.Ed25519 }],
    [direct, { ...aes, keyOps: [KeyOperation.unwrap] }],
    [direct, { ...aes, alg: Algorithm.direct }],
    [direct, symmetric(32)],
    [derived, symmetric(32)],
    [derived, { ...aes, keyOps: [KeyOperation.decrypt] }],
  ] as const)
    assert.throws(() => decrypt(object, { key, externalAad }), refused);
  for (const keyOps of [[KeyOperation.unwrap], [KeyOperation.decrypt]]) assert.deepEqual(decrypt(wrapped, { key: { ...aes, keyOps }, externalAad }), plaintext);
  for (const keyOps of [[KeyOperation.deriveKey], [KeyOperation.deriveBits]])
    assert.deepEqual(decrypt(agreed, { key: { ...pair, keyOps }, externalAad }), plaintext);
  const bad: readonly (readonly Recipient[])[] = [
    [],
    [{ algorithm: Algorithm.ES256, key: pair }],
    [{ algorithm: Algorithm.A128KW }],
    [{ algorithm: Algorithm.A128KW, key: aes, recipients: [{ algorithm: Algorithm.direct, key: aes }] }],
    [{ algorithm: Algorithm.direct, recipients: [{ algorithm: Algorithm.direct, key: aes }] }],
    [
      { algorithm: Algorithm.direct, key: aes },
      { algorithm: Algorithm.A128KW, key: aes },
    ],
    [{ algorithm: Algorithm.A128KW, key: symmetric(24) }],
    [{ algorithm: Algorithm.A128KW, key: { ...aes, keyOps: [KeyOperation.unwrap] } }],
    [{ algorithm: Algorithm.ECDH_ES_A128KW, key: aes }],
    [{ algorithm: Algorithm.ECDH_ES_A128KW, key: { ...publicPart(pair), keyOps: [KeyOperation.deriveKey] } }],
    [{ algorithm: Algorithm.ECDH_SS_A128KW, key: publicPart(pair) }],
    [{ algorithm: Algorithm.ECDH_SS_A128KW, key: publicPart(pair), sender: publicPart(pair) }],
  ];
  for (const recipients of bad) assert.throws(() => encrypted(recipients), refused);
  assert.throws(() => encrypted([{ algorithm: Algorithm.A128KW, key: aes }], { algorithm: Algorithm.ES256 }), refused);
});

for (const [algorithm, keyLength, tagLength] of [
  [Algorithm.AES_MAC_128_64, 16, 8],
  [Algorithm.AES_MAC_256_64, 32, 8],
  [Algorithm.AES_MAC_128_128, 16, 16],
  [Algorithm.AES_MAC_256_128, 32, 16],
] as const) {
  test(`RFC 9053 3.2: COSE_Mac0 and COSE_Mac with ${algorithmNames.get(algorithm)}`, () => {
    const key = symmetric(keyLength);
    const made = encode(mac0({ key, algorithm, payload: plaintext, kid }));
    assert.equal(readMac0(decode(made)).seal!.length, tagLength);
    flipAll(made, true, (bytes) => verifyMac0(readMac0(decode(bytes)), { key }), plaintext);
    for (const length of [keyLength - 1, keyLength + 1])
      assert.throws(() => mac0({ key: symmetric(length), algorithm, payload: plaintext }), { code: 'ERR_COSE_ALGORITHM' });
    const withRecipients = readMac(mac({ algorithm, payload: plaintext, recipients: [{ algorithm: Algorithm.direct, key }], random }));
    assert.deepEqual(verifyMac(withRecipients, { key }), plaintext);
    assert.throws(() => verifyMac({ ...withRecipients, seal: new Uint8Array(0) }, { key }), { code: 'ERR_COSE_VERIFY' });
  });
}

test('RFC 9052 2: detached contents', () => {
  const key = symmetric(16);
  const recipients = [{ algorithm: Algorithm.A128KW, key }];
  const sealed = readEncrypt(encrypted(recipients));
  const object = { ...sealed, payload: null };
  assert.deepEqual(decrypt(object, { key, externalAad, detached: sealed.payload! }), plaintext);
  assert.throws(() => decrypt(object, { key, externalAad }), { code: 'ERR_COSE_FORMAT' });
  const tagged = { ...readMac(mac({ algorithm: Algorithm.HMAC_256, payload: plaintext, recipients, random })), payload: null };
  assert.deepEqual(verifyMac(tagged, { key, detached: plaintext }), plaintext);
  assert.throws(() => verifyMac(tagged, { key }), { code: 'ERR_COSE_FORMAT' });
});

test('new key pairs come of the bytes given, and never of bytes that are no private part', () => {
  for (const crv of Object.values(curves)) {
    const [a, b] = [keyPair(crv, random), keyPair(crv, random)];
    assert.equal(toHex(agree(a, { ...b })), toHex(agree(b, { ...a })));
    const d = random(a.d.length);
    assert.deepEqual(
      keyPair(crv, () => d),
      keyPair(crv, () => d),
    );
  }
  let calls = 0;
  const late = (length: number): Uint8Array => (calls++ < 2 ? new Uint8Array(length).fill(calls === 1 ? 0 : 255) : new Uint8Array(length).fill(1));
  assert.deepEqual(keyPair(Curve.P256, late).d, new Uint8Array(32).fill(1));
  assert.equal(calls, 3);
  assert.throws(() => keyPair(Curve.P256, (length) => new Uint8Array(length)), { code: 'ERR_CRYPTO_KEY' });
  assert.throws(() => keyPair(Curve.Ed25519, random), { code: 'ERR_CRYPTO_KEY' });
});

test('RFC 3394 4.1, 4.6 and limits of the primitives', () => {
  const kek = fromHex('000102030405060708090a0b0c0d0e0f');
  const wrapped = wrapKey(kek, fromHex('00112233445566778899aabbccddeeff'));
  assert.equal(toHex(wrapped), '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5');
  for (let at = 0; at < wrapped.length * 8; at++) {
    const changed = wrapped.slice();
    changed[at >> 3]! ^= 1 << (at & 7);
    assert.throws(() => unwrapKey(kek, changed), { code: 'ERR_CRYPTO_OPEN' });
  }
  assert.throws(() => wrapKey(kek.subarray(1), kek), { code: 'ERR_CRYPTO_KEY' });
  assert.throws(() => cbcMac(kek.subarray(1), kek), { code: 'ERR_CRYPTO_KEY' });
  assert.throws(() => hkdfAesMac(kek, kid, 255 * 16 + 1), { code: 'ERR_CRYPTO_LENGTH' });
  assert.throws(() => hkdfAesMac(kek, kid, -1), CryptoError);
  assert.equal(hkdfAesMac(kek, kid, 0).length, 0);
  // Padding is with zeros to the next block: the same data with a zero more has the same MAC, which the length in a MAC_structure keeps apart.
  assert.deepEqual(cbcMac(kek, kid), cbcMac(kek, Uint8Array.of(7, 0)));
});
