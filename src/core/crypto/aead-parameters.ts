import { type AeadParameters, type CipherParameters, CryptoError } from './provider.ts';

/** COSE AEAD algorithms (RFC 9053 Section 4), IANA registry as of 2026-11. */
export const cipherParameters: ReadonlyMap<number, CipherParameters> = new Map<number, CipherParameters>([
  [1, { mode: 'gcm', keyLength: 16, nonceLength: 12, tagLength: 16 }],
  [2, { mode: 'gcm', keyLength: 24, nonceLength: 12, tagLength: 16 }],
  [3, { mode: 'gcm', keyLength: 32, nonceLength: 12, tagLength: 16 }],
  [10, { mode: 'ccm', keyLength: 16, nonceLength: 13, tagLength: 8 }],
  [11, { mode: 'ccm', keyLength: 32, nonceLength: 13, tagLength: 8 }],
  [12, { mode: 'ccm', keyLength: 16, nonceLength: 7, tagLength: 8 }],
  [13, { mode: 'ccm', keyLength: 32, nonceLength: 7, tagLength: 8 }],
  [24, { mode: 'chacha20-poly1305', keyLength: 32, nonceLength: 12, tagLength: 16 }],
  [30, { mode: 'ccm', keyLength: 16, nonceLength: 13, tagLength: 16 }],
  [31, { mode: 'ccm', keyLength: 32, nonceLength: 13, tagLength: 16 }],
  [32, { mode: 'ccm', keyLength: 16, nonceLength: 7, tagLength: 16 }],
  [33, { mode: 'ccm', keyLength: 32, nonceLength: 7, tagLength: 16 }],
]);

/** Lengths of an AEAD by its number in the registry "COSE Algorithms"; `undefined`: it is none that we have. */
export function aeadParameters(algorithm: number): AeadParameters | undefined {
  return cipherParameters.get(algorithm);
}

/** Refuse what an AEAD cannot seal. @throws {CryptoError} `ERR_CRYPTO_NONCE`, `ERR_CRYPTO_LENGTH` */
export function checkSealing({ mode, nonceLength }: CipherParameters, nonce: Uint8Array, plaintext: Uint8Array): void {
  if (nonce.length !== nonceLength) throw new CryptoError('ERR_CRYPTO_NONCE', `expected a nonce of ${nonceLength} bytes, got ${nonce.length}`);
  // RFC 3610 Section 2.1: what the nonce leaves of 15 bytes holds the length.
  if (mode === 'ccm' && plaintext.length >= 2 ** (8 * (15 - nonceLength)))
    throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a message below ${2 ** (8 * (15 - nonceLength))} bytes, got ${plaintext.length}`);
}

export const openingFailed = (): CryptoError => new CryptoError('ERR_CRYPTO_OPEN', 'decryption failed');
