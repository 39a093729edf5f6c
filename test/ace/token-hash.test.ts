import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import { tokenHash, tokenHashes, tokenHashText } from '../../src/ace/index.ts';
import { fromHex, toBase64Url, toHex, utf8 } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import { Algorithm, Curve, KeyType } from '../../src/core/cose/index.ts';
import { digest, keyPair } from '../../src/core/crypto/index.ts';
import { openCwt, protectCwt, type TokenKey } from '../../src/core/cwt.ts';
import { encryptKey, macKey } from '../as/support.ts';
import { SeededRandom } from '../support/random.ts';

const random = (length: number): Uint8Array => new SeededRandom('tokens').bytes(length);
const claims = { aud: 'rs1', exp: 1_800_000_000, scope: 'r_temp', cnf: { kid: Uint8Array.of(1) } };
/** The token of Figures 2 and 3. */
const example = fromHex(
  'd83dd0835820a3010a044c53796d6d65747269633132' +
    '38054d99a0d7846e762c49ffe8a63e0ba05858b918a11fd81e438b7f973d9e2e119bcb22424ba0f38a80f27562f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428fff157444d45f7e6afcda1aae5f6495830c58627087fc5b4974f319a8707a635dd643b',
);

function parts(token: Uint8Array): { readonly tag: number; readonly array: CborValue[] } {
  const { tag, value } = (decode(token) as Tagged).value as Tagged;
  return { tag: tag as number, array: [...(value as readonly CborValue[])] };
}

const tagged = (tag: number, array: readonly CborValue[]): Uint8Array => encode(new Tagged(61, new Tagged(tag, array)));

test('RFC 9770 4.2.1 and 4.4: the hash is over the base64url text, in the binary form of RFC 6920 with suite 1 for sha-256', () => {
  const text = toBase64Url(example);
  assert.equal(toHex(tokenHash(example)), `01${toHex(digest('sha256', utf8(text)))}`);
  assert.equal(tokenHash(example).length, 33);
  assert.equal(tokenHashText(example), toBase64Url(tokenHash(example)));
  assert.deepEqual(tokenHashes(example), [tokenHashText(example)]);
});

test('RFC 9770 3: what this stack makes has one form, with each kind of protection', () => {
  for (const key of [encryptKey(1), macKey(2)]) assert.equal(tokenHashes(protectCwt(claims, key, random))?.length, 1);
});

test('RFC 9770 11.1: an unprotected header, another tag, no tag, one tag too many, or a longer form of a tag: no hash', () => {
  const token = protectCwt(claims, encryptKey(1), random);
  const { tag, array } = parts(token);
  const [protectedBytes, , ciphertext] = array;
  const variants: Record<string, Uint8Array> = {
    'an unprotected header': tagged(tag, [protectedBytes, new Map([[4, Uint8Array.of(1)]]), ciphertext]),
    'the tag of another object': tagged(96, array),
    'no tag 61': encode(new Tagged(tag, array)),
    'no tag of COSE': encode(new Tagged(61, array)),
    'a third tag': encode(new Tagged(61, new Tagged(61, new Tagged(tag, array)))),
    'a tag around': encode(new Tagged(55_799, new Tagged(61, new Tagged(tag, array)))),
    'tag 16 in two bytes': new Uint8Array([...token.subarray(0, 2), 0xd8, 0x10, ...token.subarray(3)]),
    'a byte more': new Uint8Array([...token, 0]),
    'the wrong number of parts': tagged(tag, [...array, null]),
    'protected headers as a map that is empty': tagged(tag, [Uint8Array.of(0xa0), new Map(), ciphertext]),
    nothing: new Uint8Array(),
  };
  for (const [what, bytes] of Object.entries(variants)) assert.equal(tokenHashes(bytes), undefined, what);
});

test('RFC 9770 14.6: a signature by ECDSA has a second form that verifies too; a token counts by the hashes of both', () => {
  for (const [algorithm, curve] of [
    [Algorithm.ES256, Curve.P256],
    [Algorithm.ES384, Curve.P384],
    [Algorithm.ES512, Curve.P521],
  ] as const) {
    const key: TokenKey = { use: 'sign1', algorithm, key: { kty: KeyType.EC2, ...keyPair(curve, random) } };
    const token = protectCwt(claims, key, random);
    const hashes = tokenHashes(token)!;
    assert.equal(hashes.length, 2);
    const { tag, array } = parts(token);
    const signature = (array[3] as Uint8Array).slice();
    const half = signature.length / 2;
    const orders: Record<number, string> = {
      [Curve.P256]: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
      [Curve.P384]: 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
      [Curve.P521]: '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
    };
    const s = BigInt(`0x${toHex(signature.subarray(half))}`);
    const other = (BigInt(`0x${orders[curve]}`) - s).toString(16).padStart(2 * half, '0');
    signature.set(fromHex(other), half);
    const twin = tagged(tag, [array[0], array[1], array[2], signature]);
    assert.equal(openCwt(twin, [key]).claims.aud, 'rs1', 'the other signature verifies');
    assert.deepEqual(hashes, [tokenHashText(token), tokenHashText(twin)]);
    assert.deepEqual(new Set(tokenHashes(twin)), new Set(hashes));
  }
  const d = random(32);
  const edwards: TokenKey = { use: 'sign1', algorithm: Algorithm.EdDSA, key: { kty: KeyType.OKP, crv: Curve.Ed25519, x: ed25519.getPublicKey(d), d } };
  assert.equal(tokenHashes(protectCwt(claims, edwards, random))?.length, 1);
});
