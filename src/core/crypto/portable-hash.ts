import { hkdf as nobleHkdf } from '@noble/hashes/hkdf.js';
import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { pHashBy } from './p-hash.ts';
import type { HashName } from './provider.ts';

const hashes = { sha256, sha384, sha512 } as const;

export function digest(hash: HashName, data: Uint8Array): Uint8Array {
  return hashes[hash](data);
}

export function hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  return nobleHmac(hashes[hash], key, data);
}

export function pHash(hash: HashName, secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  return pHashBy(hmac, hash, secret, seed, length);
}

export function hkdf(hash: HashName, secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return nobleHkdf(hashes[hash], secret, salt, info, length);
}
