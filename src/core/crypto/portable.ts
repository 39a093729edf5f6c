import { aeskw, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { scryptAsync } from '@noble/hashes/scrypt.js';
import { checkSealing, openingFailed } from './aead-parameters.ts';
import { AesBlocks, block } from './portable-aes.ts';
import { CcmAead } from './portable-ccm.ts';
import { digest, hkdf, hmac, pHash } from './portable-hash.ts';
import { affineY, agree, isValidPublicKey, publicPart, sign, verify } from './portable-keys.ts';
import { type Aead, type CipherParameters, CryptoError, type CryptoProvider } from './provider.ts';

function aead(parameters: CipherParameters, key: Uint8Array): Aead {
  const { mode, nonceLength, tagLength } = parameters;
  if (mode === 'ccm') return new CcmAead(parameters, key);
  const cipher = mode === 'gcm' ? gcm : chacha20poly1305;
  return {
    nonceLength,
    tagLength,
    seal: (nonce, aad, plaintext) => {
      checkSealing(parameters, nonce, plaintext);
      return cipher(key, nonce, aad).encrypt(plaintext);
    },
    open: (nonce, aad, ciphertext) => {
      if (nonce.length !== nonceLength || ciphertext.length < tagLength) throw openingFailed();
      try {
        return cipher(key, nonce, aad).decrypt(ciphertext);
      } catch {
        throw openingFailed();
      }
    },
  };
}

/**
 * The primitives of @noble/curves, @noble/hashes and @noble/ciphers, which need nothing of the host.
 *
 * ECDSA signs deterministically (RFC 6979). JavaScript promises nothing of the time that it takes: where an attacker can measure it on the same machine,
 * `node` is the better one.
 */
export const provider: CryptoProvider = {
  name: 'portable',
  aead,
  hkdf,
  hmac,
  pHash,
  digest,
  scrypt: (password, salt, { N, r, p }, length) => scryptAsync(password, salt, { N, r, p, dkLen: length, maxmem: 128 * r * (N + p + 2) }),
  cbcMac: (key, data) => new AesBlocks(key).cbcMac([data.length === 0 ? new Uint8Array(block) : data]),
  wrapKey: (kek, key) => aeskw(kek).encrypt(key),
  unwrapKey: (kek, wrapped) => {
    try {
      return aeskw(kek).decrypt(wrapped);
    } catch {
      return undefined;
    }
  },
  publicPart,
  isValidPublicKey,
  affineY,
  agree,
  sign,
  verify,
  x509: () => {
    throw new CryptoError('ERR_CRYPTO_PROVIDER', 'expected a crypto provider that reads X.509 certificates (node), got portable');
  },
};
