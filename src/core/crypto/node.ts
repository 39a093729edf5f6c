import { createCipheriv, createDecipheriv, hkdfSync, scrypt as nodeScrypt } from 'node:crypto';
import { concat, emptyBytes } from '../bytes.ts';
import { aead } from './node-aead.ts';
import { digest, hmac, pHash } from './node-hash.ts';
import { affineY, agree, isValidPublicKey, publicPart, sign, verify } from './node-keys.ts';
import { x509 } from './node-x509.ts';
import type { CryptoProvider, HashName, ScryptCost } from './provider.ts';

const block = 16;

/** The initial value of RFC 3394 Section 2.2.3.1. */
const wrapIv = new Uint8Array(8).fill(0xa6);

/** The longest `info` that Node's own HKDF takes. */
const longestInfo = 1024;

function hkdf(hash: HashName, secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (info.length <= longestInfo) return new Uint8Array(hkdfSync(hash, secret, salt, info, length));
  const prk = hmac(hash, salt, secret);
  const out = new Uint8Array(length);
  let last = emptyBytes;
  for (let offset = 0, counter = 1; offset < length; offset += last.length, counter++) {
    last = hmac(hash, prk, concat(last, info, Uint8Array.of(counter)));
    out.set(last.subarray(0, length - offset), offset);
  }
  return out;
}

/** In a thread of the pool. */
function scrypt(password: Uint8Array, salt: Uint8Array, { N, r, p }: ScryptCost, length: number): Promise<Uint8Array> {
  // What OpenSSL counts is a little more than the memory that the RFC needs.
  const maxmem = 128 * r * (N + p + 2) + 65_536;
  return new Promise((resolve, reject) => {
    nodeScrypt(password, salt, length, { N, r, p, maxmem }, (error, key) => (error === null ? resolve(new Uint8Array(key)) : reject(error)));
  });
}

/** The primitives of node:crypto. */
export const provider: CryptoProvider = {
  name: 'node',
  aead,
  hkdf,
  hmac,
  pHash,
  digest,
  scrypt,
  cbcMac: (key, data) => {
    const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, new Uint8Array(block)).setAutoPadding(false);
    const padded = new Uint8Array(Math.max(1, Math.ceil(data.length / block)) * block);
    padded.set(data);
    return Uint8Array.from(cipher.update(padded).subarray(padded.length - block));
  },
  wrapKey: (kek, key) => {
    const cipher = createCipheriv(`id-aes${kek.length * 8}-wrap`, kek, wrapIv);
    return concat(cipher.update(key), cipher.final());
  },
  unwrapKey: (kek, wrapped) => {
    try {
      const cipher = createDecipheriv(`id-aes${kek.length * 8}-wrap`, kek, wrapIv);
      return concat(cipher.update(wrapped), cipher.final());
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
  x509,
};
