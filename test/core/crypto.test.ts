import assert from 'node:assert/strict';
import { type CipherCCMTypes, createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { aead, aeadParameters, CryptoError, hkdf, hmac } from '../../src/core/crypto/index.ts';
import { systemEnv } from '../../src/core/env.ts';

const { random } = systemEnv;

/** AES-CCM as node:crypto does it, one cipher object a message. */
function referenceCcm(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, authTagLength: number): string {
  const cipher = createCipheriv(`aes-${key.length * 8}-ccm` as CipherCCMTypes, key, nonce, { authTagLength });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([sealed, cipher.getAuthTag()]).toString('hex');
}

for (const algorithm of [10, 11, 12, 13, 30, 31, 32, 33]) {
  test(`RFC 9053 Section 4.2: AES-CCM algorithm ${algorithm} equals node:crypto's on messages and AAD of all lengths`, () => {
    const { keyLength, nonceLength, tagLength } = aeadParameters(algorithm)!;
    const key = random(keyLength);
    const cipher = aead(algorithm, key);
    const lengths = [...Array.from({ length: 300 }, (_, i) => i), 1023, 2000, 2047, 2048, 2049, 5000];
    for (const length of lengths) {
      const nonce = random(nonceLength);
      const aad = random(length % 7 === 0 ? 0 : (length * 13) % 90);
      const plaintext = random(length);
      const sealed = cipher.seal(nonce, aad, plaintext);
      assert.equal(toHex(sealed), referenceCcm(key, nonce, aad, plaintext, tagLength), `${length} bytes`);
      assert.deepEqual(cipher.open(nonce, aad, sealed), plaintext);
      sealed[(length * 31) % sealed.length]! ^= 1 << (length % 8);
      assert.throws(() => cipher.open(nonce, aad, sealed), { name: 'CryptoError', code: 'ERR_CRYPTO_OPEN' });
    }
    for (const aadLength of [0xfeff, 0xff00, 70_000]) {
      const nonce = random(nonceLength);
      const aad = random(aadLength);
      assert.equal(toHex(cipher.seal(nonce, aad, key)), referenceCcm(key, nonce, aad, key, tagLength));
    }
  });
}

test('AEAD: more keys than those whose round keys are kept seal and open in turn', () => {
  const nonce = new Uint8Array(13);
  const ciphers = Array.from({ length: 1300 }, () => aead(10, random(16)));
  for (let round = 0; round < 4; round++) {
    for (const cipher of ciphers) assert.equal(toHex(cipher.open(nonce, nonce, cipher.seal(nonce, nonce, Uint8Array.of(round)))), `0${round}`);
  }
});

test('AEAD: every refusal to open is the same error', () => {
  for (const algorithm of [1, 2, 3, 10, 11, 12, 13, 24, 30, 31, 32, 33]) {
    const { keyLength, nonceLength, tagLength } = aeadParameters(algorithm)!;
    const cipher = aead(algorithm, random(keyLength));
    const nonce = random(nonceLength);
    for (let use = 0; use < 5; use++) {
      for (const bad of [new Uint8Array(0), new Uint8Array(tagLength - 1), new Uint8Array(tagLength), random(40)]) {
        assert.throws(
          () => cipher.open(nonce, nonce, bad),
          (error: unknown) => error instanceof CryptoError && error.code === 'ERR_CRYPTO_OPEN' && error.message === 'decryption failed',
        );
      }
      assert.throws(() => cipher.open(nonce.subarray(1), nonce, random(40)), { code: 'ERR_CRYPTO_OPEN' });
      assert.throws(() => cipher.seal(nonce.subarray(1), nonce, random(40)), { code: 'ERR_CRYPTO_NONCE' });
    }
  }
});

test('AEAD: a key of a wrong length and an unknown algorithm are refused', () => {
  assert.throws(() => aead(10, new Uint8Array(15)), { code: 'ERR_CRYPTO_KEY' });
  assert.throws(() => aead(99, new Uint8Array(16)), { code: 'ERR_CRYPTO_ALGORITHM' });
});

test('RFC 5869 Appendix A.1: HKDF with SHA-256', () => {
  const okm = hkdf('sha256', new Uint8Array(22).fill(0x0b), fromHex('000102030405060708090a0b0c'), fromHex('f0f1f2f3f4f5f6f7f8f9'), 42);
  assert.equal(toHex(okm), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
});

test('RFC 4231 Section 4.3: HMAC with SHA-256', () => {
  const mac = hmac('sha256', new TextEncoder().encode('Jefe'), new TextEncoder().encode('what do ya want for nothing?'));
  assert.equal(toHex(mac), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
});
