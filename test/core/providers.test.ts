import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../../src/core/bytes.ts';
import { cipherParameters } from '../../src/core/crypto/aead-parameters.ts';
import { curves } from '../../src/core/crypto/curves.ts';
import {
  aead,
  affineY,
  agree,
  type CryptoName,
  type CurveKey,
  cbcMac,
  hkdf,
  hkdfAesMac,
  isPrivateKeyOf,
  isValidPublicKey,
  keyPair,
  publicKeyFrom,
  sign,
  unwrapKey,
  useCrypto,
  verify,
  wrapKey,
} from '../../src/core/crypto/index.ts';
import { provider as node } from '../../src/core/crypto/node.ts';
import { provider as portable } from '../../src/core/crypto/portable.ts';
import { SeededRandom } from '../support/random.ts';
import { scale } from '../support/scale.ts';
import { bothWays, outcome, pairOf } from './provider-support.ts';

after(() => useCrypto('node'));

const numRuns = scale === 'full' ? 2_000 : 100;
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const upTo = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const hash = fc.constantFrom('sha256' as const, 'sha384' as const, 'sha512' as const);

/** What TLS 1.2 has and COSE has not: a nonce of 12 bytes for AES-CCM (RFC 6655, Section 3). */
const tlsCipherParameters = [
  ['TLS AES_128_CCM_8', { mode: 'ccm', keyLength: 16, nonceLength: 12, tagLength: 8 }],
  ['TLS AES_128_CCM', { mode: 'ccm', keyLength: 16, nonceLength: 12, tagLength: 16 }],
] as const;

for (const [id, parameters] of [...cipherParameters, ...tlsCipherParameters]) {
  test(`providers: what one seals with AEAD ${id} the other opens, and both refuse it changed`, () => {
    fc.assert(
      fc.property(bytes(parameters.keyLength), bytes(parameters.nonceLength), upTo(80), upTo(300), fc.nat(), (key, nonce, aad, plaintext, at) => {
        for (const [from, to] of bothWays) {
          const receiver = to.aead(parameters, key);
          const sealed = from.aead(parameters, key).seal(nonce, aad, plaintext);
          assert.equal(toHex(receiver.seal(nonce, aad, plaintext)), toHex(sealed));
          assert.deepEqual(receiver.open(nonce, aad, sealed), plaintext);
          sealed[at % sealed.length]! ^= 1 << (at % 8);
          assert.throws(() => receiver.open(nonce, aad, sealed), { code: 'ERR_CRYPTO_OPEN' });
        }
      }),
      { seed: typeof id === 'number' ? id : 1, numRuns },
    );
  });
}

test('providers: AES-CCM with AAD and messages at the bounds of their length fields', () => {
  const random = new SeededRandom(3);
  for (const id of [10, 12, 31, 33]) {
    const parameters = cipherParameters.get(id)!;
    const key = random.bytes(parameters.keyLength);
    const nonce = random.bytes(parameters.nonceLength);
    for (const [aadLength, length] of [
      [0xfeff, 1],
      [0xff00, 1],
      [0x1_0001, 0],
      [0, 0xffff],
    ] as const) {
      const [aad, plaintext] = [random.bytes(aadLength), random.bytes(length)];
      const sealed = portable.aead(parameters, key).seal(nonce, aad, plaintext);
      assert.deepEqual(sealed, node.aead(parameters, key).seal(nonce, aad, plaintext), `${id}: ${aadLength}, ${length}`);
      assert.deepEqual(portable.aead(parameters, key).open(nonce, aad, sealed), plaintext);
    }
    for (const length of [0x1_0000, 0x1_0007]) {
      const seals = [node, portable].map((provider) => outcome(() => provider.aead(parameters, key).seal(nonce, nonce, new Uint8Array(length))));
      const opens = [node, portable].map((provider) =>
        outcome(() => provider.aead(parameters, key).open(nonce, nonce, new Uint8Array(length + parameters.tagLength))),
      );
      assert.equal(seals[0], seals[1]);
      assert.equal(opens[0], 'ERR_CRYPTO_OPEN: decryption failed');
      assert.equal(opens[1], opens[0]);
    }
  }
});

test('providers: digests, HMAC, P_hash, HKDF, AES-MAC and AES Key Wrap give the same bytes', () => {
  fc.assert(
    fc.property(hash, upTo(200), upTo(80), upTo(1100), fc.integer({ min: 1, max: 500 }), (name, data, salt, info, length) => {
      assert.deepEqual(portable.digest(name, data), node.digest(name, data));
      assert.deepEqual(portable.hmac(name, salt, data), node.hmac(name, salt, data));
      // Secrets longer than a block, and seeds longer than what is hashed at one go.
      assert.deepEqual(portable.pHash(name, data, info, length), node.pHash(name, data, info, length));
      assert.deepEqual(portable.hkdf(name, data, salt, info, length), node.hkdf(name, data, salt, info, length));
    }),
    { seed: 1, numRuns },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(16, 24, 32).chain(bytes),
      fc.integer({ min: 2, max: 9 }).chain((blocks) => bytes(8 * blocks)),
      upTo(100),
      (key, secret, data) => {
        if (key.length !== 24) assert.deepEqual(portable.cbcMac(key, data), node.cbcMac(key, data));
        const wrapped = node.wrapKey(key, secret);
        assert.deepEqual(portable.wrapKey(key, secret), wrapped);
        for (const { unwrapKey: unwrap } of [node, portable]) {
          assert.deepEqual(unwrap(key, wrapped), secret);
          assert.equal(
            unwrap(
              key,
              wrapped.map((byte, at) => (at === data.length % wrapped.length ? byte ^ 1 : byte)),
            ),
            undefined,
          );
        }
      },
    ),
    { seed: 2, numRuns },
  );
});

test('RFC 5869 2.3: HKDF on node:crypto takes an info of any length', () => {
  for (const length of [1024, 1025, 70_000]) {
    const info = new SeededRandom(length).bytes(length);
    for (const size of [1, 32, 33, 255 * 32])
      assert.deepEqual(
        node.hkdf('sha256', info.subarray(0, 9), info.subarray(0, 5), info, size),
        portable.hkdf('sha256', info.subarray(0, 9), info.subarray(0, 5), info, size),
      );
  }
});

test('providers: the same refusals, word by word', async () => {
  const random = new SeededRandom(9);
  const [p256, x25519, ed] = [pairOf(1, random), pairOf(4, random), pairOf(6, random)];
  const order = curves.get(1)!.order!;
  const largest = Uint8Array.of(...order.subarray(0, 31), order[31]! - 1);
  const zeros = new Uint8Array(32);
  const ones = new Uint8Array(32).fill(0xff);
  const offCurve: CurveKey = { crv: 1, x: new Uint8Array(32).fill(1), y: new Uint8Array(32).fill(2), d: zeros.map(() => 3) };
  const keys: readonly CurveKey[] = [
    {},
    { crv: 99, x: zeros },
    { crv: 1 },
    { crv: 1, x: p256.x },
    { crv: 1, x: p256.x.subarray(1), y: p256.y!, d: p256.d },
    { crv: 1, x: p256.x, y: (p256.y as Uint8Array).subarray(1), d: p256.d },
    { crv: 1, x: ones, y: p256.y!, d: p256.d },
    { crv: 1, x: zeros, y: zeros, d: p256.d },
    { crv: 1, x: zeros, y: true },
    { crv: 1, x: ones, y: false },
    offCurve,
    ...[p256.d.subarray(1), concat(Uint8Array.of(0), p256.d), zeros, order, ones, x25519.d].map((d) => ({ ...p256, d })),
    { ...p256, d: largest },
    { ...p256, d: pairOf(1, random).d },
    { ...x25519, d: pairOf(4, random).d },
    { ...ed, d: pairOf(6, random).d },
    { crv: 8, x: p256.x, y: p256.y!, d: p256.d },
    { crv: 4, x: zeros, d: x25519.d },
    { crv: 4, x: x25519.x.subarray(1), d: x25519.d },
    { ...x25519, d: x25519.d.subarray(1) },
    { crv: 4, x: ones },
    { crv: 5, x: new Uint8Array(56), d: new Uint8Array(56) },
    { crv: 6, x: zeros, d: ed.d },
    { crv: 6, x: ones, d: ed.d },
    { crv: 6, x: ed.x.subarray(1), d: ed.d },
    { ...ed, d: ed.d.subarray(1) },
    { crv: 7, x: new Uint8Array(57), d: new Uint8Array(57) },
    { crv: 7, x: new Uint8Array(57).fill(7), d: new Uint8Array(57) },
  ];
  const runs: (() => unknown)[] = [];
  for (const key of keys) {
    const fresh = (): CurveKey => ({ ...key });
    const hashed = key.crv === 6 || key.crv === 7 ? undefined : ('sha256' as const);
    const signs = key.crv !== 4 && key.crv !== 5;
    if (signs)
      runs.push(
        () => verify(hashed, fresh(), zeros, new Uint8Array(64)),
        () => sign(hashed, fresh(), zeros).length,
      );
    runs.push(
      () => isValidPublicKey(fresh()),
      () => isPrivateKeyOf(fresh()),
      () => affineY(fresh()),
      () => agree(p256, fresh()),
      () => agree(fresh(), p256),
      () => agree(x25519, fresh()),
      () => agree(fresh(), x25519),
      () => agree(fresh(), fresh()),
    );
  }
  for (const crv of [0, ...curves.keys(), 99]) {
    for (const d of [new Uint8Array(0), zeros, ones, order, largest, new Uint8Array(48), new Uint8Array(56), new Uint8Array(66), new Uint8Array(66).fill(0xff)])
      runs.push(() => publicKeyFrom(crv, d));
    runs.push(() => keyPair(crv, (length) => new Uint8Array(length)));
  }
  for (const length of [0, 15, 16, 17, 24, 32, 33]) {
    const key = new Uint8Array(length);
    runs.push(
      () => cbcMac(key, zeros),
      () => cbcMac(key, new Uint8Array(0)),
      () => hkdfAesMac(key, zeros, 40),
    );
    for (const size of [0, 8, 16, 20, 24, 32])
      runs.push(
        () => wrapKey(key, new Uint8Array(size)),
        () => unwrapKey(key, new Uint8Array(size)),
      );
  }
  for (const length of [-1, 0, 0.5, 255 * 32, 255 * 32 + 1, Number.NaN])
    runs.push(
      () => hkdf('sha256', zeros, zeros, zeros, length).length,
      () => hkdfAesMac(zeros, zeros, length).length,
    );
  for (const id of [0, 4, ...cipherParameters.keys()]) {
    runs.push(() => aead(id, new Uint8Array(5)));
    const parameters = cipherParameters.get(id);
    if (parameters === undefined) continue;
    const cipher = (): ReturnType<typeof aead> => aead(id, new Uint8Array(parameters.keyLength));
    for (const size of [0, 6, 7, 8, 12, 13, 14, 16]) {
      runs.push(
        () => cipher().seal(new Uint8Array(size), zeros, zeros),
        () => cipher().open(new Uint8Array(size), zeros, zeros),
      );
    }
    for (const size of [0, 7, 8, 15, 16]) runs.push(() => cipher().open(new Uint8Array(parameters.nonceLength), zeros, new Uint8Array(size)));
  }
  const said = new Map<CryptoName, readonly string[]>();
  for (const name of ['node', 'portable'] as const) {
    await useCrypto(name);
    said.set(name, runs.map(outcome));
  }
  const [first, second] = [said.get('node')!, said.get('portable')!];
  assert.ok(first.filter((text) => text.startsWith('ERR_')).length > 200);
  for (const [at, text] of first.entries()) assert.equal(second[at], text, String(runs[at]));
});
