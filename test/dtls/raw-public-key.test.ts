import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign as nodeSign, verify as nodeVerify } from 'node:crypto';
import { test } from 'node:test';
import { fromBase64Url, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import type { CurveKeyPair } from '../../src/core/crypto/index.ts';
import { HandshakeFailure } from '../../src/dtls/alert.ts';
import { decodeSpki, encodeSpki } from '../../src/dtls/raw-public-key.ts';
import { checkSigned, decodeEcdsaSignature, digitallySign, encodeEcdsaSignature, schemeFor, signatureSchemes } from '../../src/dtls/signature.ts';
import { SeededRandom } from '../support/random.ts';

/** A key pair of node:crypto, as ours, with its SubjectPublicKeyInfo. */
function made(curve: 'P-256' | 'P-384' | 'Ed25519'): {
  readonly pair: CurveKeyPair;
  readonly spki: Uint8Array;
  readonly keys: ReturnType<typeof generateKeyPairSync>;
} {
  const keys = curve === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: curve });
  const { x, y, d } = keys.privateKey.export({ format: 'jwk' });
  const crv = { 'P-256': 1, 'P-384': 2, Ed25519: 6 }[curve];
  const pair = { crv, x: fromBase64Url(x!), ...(y === undefined ? {} : { y: fromBase64Url(y) }), d: fromBase64Url(d!) };
  return { pair, spki: new Uint8Array(keys.publicKey.export({ format: 'der', type: 'spki' })), keys };
}

for (const curve of ['P-256', 'P-384', 'Ed25519'] as const) {
  test(`RFC 7250 3: SubjectPublicKeyInfo of ${curve}, as OpenSSL writes it`, () => {
    const { pair, spki } = made(curve);
    assert.equal(toHex(encodeSpki(pair)!), toHex(spki));
    const { d: _, ...publicKey } = pair;
    assert.deepEqual(decodeSpki(spki), publicKey);
    for (let length = 0; length < spki.length; length++) assert.equal(decodeSpki(spki.subarray(0, length)), undefined);
    assert.equal(decodeSpki(Uint8Array.from([...spki, 0])), undefined);
    const changed = spki.slice();
    changed[7]! ^= 1;
    assert.equal(decodeSpki(changed), undefined, 'another algorithm');
  });

  test(`RFC 5246 4.7: signatures of ${curve} are what OpenSSL verifies, and the other way`, () => {
    const { pair, spki, keys } = made(curve);
    const data = utf8('signed');
    for (const scheme of signatureSchemes.filter((id) => schemeFor(pair, [id]) !== undefined)) {
      const hash = scheme === 0x0807 ? null : scheme === 0x0403 ? 'sha256' : 'sha384';
      const signed = digitallySign(scheme, pair, data);
      assert.ok(nodeVerify(hash, data, createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }), signed.signature));
      checkSigned({ scheme, signature: new Uint8Array(nodeSign(hash, data, keys.privateKey)) }, decodeSpki(spki)!, data);
      assert.throws(
        () => checkSigned(signed, pair, utf8('another')),
        (error) => error instanceof HandshakeFailure && error.alert === 'decrypt_error',
      );
    }
    const wrong = curve === 'Ed25519' ? 0x0403 : 0x0807;
    assert.throws(
      () => checkSigned({ scheme: wrong, signature: new Uint8Array(64) }, pair, data),
      (error) => error instanceof HandshakeFailure && error.alert === 'illegal_parameter',
    );
  });
}

test('RFC 7250 3: a point that is not on its curve is no key', () => {
  const { spki } = made('P-256');
  const off = spki.slice();
  off[off.length - 1]! ^= 1;
  assert.equal(decodeSpki(off), undefined);
});

test('the scheme of a key is that of its curve, where the peer takes it', () => {
  const { pair } = made('P-384');
  assert.equal(schemeFor(pair, [0x0403, 0x0503]), 0x0503);
  assert.equal(schemeFor(pair, [0x0403]), 0x0403);
  assert.equal(schemeFor(pair, [0x0807, 0x0401]), undefined);
});

test('RFC 3279 2.2.3: ECDSA signatures in DER, both ways, with and without leading zeros', () => {
  const random = new SeededRandom(3279);
  for (const half of [32, 48]) {
    for (let round = 0; round < 300; round++) {
      const raw = random.bytes(2 * half);
      raw.fill(0, 0, random.below(4));
      raw.fill(0, half, half + random.below(half));
      assert.deepEqual(decodeEcdsaSignature(encodeEcdsaSignature(raw), half), raw);
    }
  }
  assert.equal(toHex(encodeEcdsaSignature(fromHex('0080007f'))), '300702020080' + '02017f');
  assert.equal(decodeEcdsaSignature(fromHex('3008020200800202007f'), 2), undefined, 'a number in more bytes than it needs');
  assert.equal(decodeEcdsaSignature(fromHex('3007020300808002' + '00'), 2), undefined);
});
