import { createCipheriv, createDecipheriv, createECDH, diffieHellman } from 'node:crypto';
import { concat, constantTimeEqual, emptyBytes, fromBase64Url } from '../bytes.ts';
import { CryptoError, type CurveKey, curves, derivedPublic, privateKeyOf, publicKeyOf } from './node.ts';

const block = 16;

/** The initial value of RFC 3394 Section 2.2.3.1. */
const wrapIv = new Uint8Array(8).fill(0xa6);

const wrapCipher = (kek: Uint8Array): string => {
  if (kek.length !== 16 && kek.length !== 24 && kek.length !== 32)
    throw new CryptoError('ERR_CRYPTO_KEY', `expected a key of 16, 24 or 32 bytes, got ${kek.length}`);
  return `id-aes${kek.length * 8}-wrap`;
};

/**
 * AES Key Wrap. @see https://www.rfc-editor.org/rfc/rfc3394#section-2.2.1
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, `ERR_CRYPTO_LENGTH` when the key is not of two or more blocks of 8 bytes
 */
export function wrapKey(kek: Uint8Array, key: Uint8Array): Uint8Array {
  const name = wrapCipher(kek);
  if (key.length < 16 || key.length % 8 !== 0) throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a multiple of 8 bytes from 16 on, got ${key.length}`);
  const cipher = createCipheriv(name, kek, wrapIv);
  return concat(cipher.update(key), cipher.final());
}

/**
 * AES Key Unwrap. @see https://www.rfc-editor.org/rfc/rfc3394#section-2.2.2
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, `ERR_CRYPTO_OPEN`, the same whatever is wrong with what was wrapped
 */
export function unwrapKey(kek: Uint8Array, wrapped: Uint8Array): Uint8Array {
  const name = wrapCipher(kek);
  if (wrapped.length < 24 || wrapped.length % 8 !== 0) throw new CryptoError('ERR_CRYPTO_OPEN', 'unwrapping failed');
  try {
    const cipher = createDecipheriv(name, kek, wrapIv);
    return concat(cipher.update(wrapped), cipher.final());
  } catch {
    throw new CryptoError('ERR_CRYPTO_OPEN', 'unwrapping failed');
  }
}

/**
 * AES-CBC-MAC with a zero IV over data padded with zeros, 16 bytes.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9053#section-3.2
 */
export function cbcMac(key: Uint8Array, data: Uint8Array): Uint8Array {
  if (key.length !== 16 && key.length !== 32) throw new CryptoError('ERR_CRYPTO_KEY', `expected a key of 16 or 32 bytes, got ${key.length}`);
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, new Uint8Array(block)).setAutoPadding(false);
  const padded = new Uint8Array(Math.max(1, Math.ceil(data.length / block)) * block);
  padded.set(data);
  return Uint8Array.from(cipher.update(padded).subarray(padded.length - block));
}

/**
 * HKDF with AES-CBC-MAC as its PRF: there is no extract, so the secret is the key of the PRF.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, `ERR_CRYPTO_LENGTH` when more than 255 blocks are asked for
 * @see https://www.rfc-editor.org/rfc/rfc9053#section-5.1
 */
export function hkdfAesMac(secret: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const most = 255 * block;
  if (!Number.isInteger(length) || length < 0 || length > most)
    throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a length from 0 to ${most}, got ${length}`);
  const out = new Uint8Array(Math.ceil(length / block) * block);
  let last = emptyBytes;
  for (let offset = 0, counter = 1; offset < length; offset += block, counter++) {
    last = cbcMac(secret, concat(last, info, Uint8Array.of(counter)));
    out.set(last, offset);
  }
  return out.subarray(0, length);
}

/**
 * The secret that a private and a public key of one curve agree on: the x-coordinate, or what X25519 and X448 give.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY` for keys of different curves, a point that is not on the curve, and a secret of zeros from X25519 or X448
 * @see https://www.rfc-editor.org/rfc/rfc7748#section-6
 */
export function agree(privateKey: CurveKey, publicKey: CurveKey): Uint8Array {
  const curve = curves.get(publicKey.crv ?? 0);
  if (curve === undefined || privateKey.crv !== publicKey.crv || curve.crv.startsWith('Ed') || curve.crv === 'secp256k1')
    throw new CryptoError('ERR_CRYPTO_KEY', 'expected two keys of one curve for ECDH, got others');
  let secret: Uint8Array;
  try {
    secret = Uint8Array.from(diffieHellman({ privateKey: privateKeyOf(privateKey), publicKey: publicKeyOf(publicKey) }));
  } catch (cause) {
    throw cause instanceof CryptoError ? cause : new CryptoError('ERR_CRYPTO_KEY', 'expected keys that agree on a secret, got others');
  }
  // X25519 and X448 give zeros for a point of small order; on the other curves zero is an x-coordinate like any other.
  if (curve.ecdh === undefined && constantTimeEqual(secret, new Uint8Array(secret.length)))
    throw new CryptoError('ERR_CRYPTO_KEY', 'expected keys that agree on a secret, got others');
  return secret;
}

interface PairShape {
  readonly length: number;
  /** The bits of the first byte that the order of the curve leaves. */
  readonly mask: number;
}

/** Private parts, by COSE curve. */
const pairs: ReadonlyMap<number, PairShape> = new Map([
  [1, { length: 32, mask: 0xff }],
  [2, { length: 48, mask: 0xff }],
  [3, { length: 66, mask: 0x01 }],
  [4, { length: 32, mask: 0xff }],
  [5, { length: 56, mask: 0xff }],
]);

/** A key of an elliptic curve with its private part. */
export interface CurveKeyPair {
  readonly crv: number;
  readonly x: Uint8Array;
  readonly y?: Uint8Array;
  readonly d: Uint8Array;
}

/**
 * The key pair of a private part.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY` when it is none of the curve: of another length, zero, or not below the order
 */
export function publicKeyFrom(crv: number, d: Uint8Array): CurveKeyPair {
  const shape = pairs.get(crv);
  if (shape === undefined || d.length !== shape.length) throw new CryptoError('ERR_CRYPTO_KEY', 'expected a private part of a curve for ECDH, got another');
  const { crv: name, ecdh } = curves.get(crv)!;
  const own = Uint8Array.from(d);
  try {
    if (ecdh === undefined) return { crv, x: fromBase64Url(derivedPublic({ crv, d: own }, name)), d: own };
    const pair = createECDH(ecdh);
    pair.setPrivateKey(own);
    const point = Uint8Array.from(pair.getPublicKey());
    return { crv, x: point.slice(1, 1 + shape.length), y: point.slice(1 + shape.length), d: own };
  } catch {
    throw new CryptoError('ERR_CRYPTO_KEY', 'expected a private part of a curve for ECDH, got another');
  }
}

/** The order of P-256 is above 255/256 of 2^256: so many misses in turn come of no source of randomness. */
const mostTries = 64;

/**
 * A new key pair from `random`, by rejection (FIPS 186-5 A.2.2).
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY` for a curve that is not for ECDH, and when `random` gives nothing that is a private part
 */
export function keyPair(crv: number, random: (length: number) => Uint8Array): CurveKeyPair {
  const shape = pairs.get(crv);
  if (shape === undefined) throw new CryptoError('ERR_CRYPTO_KEY', `expected a curve for ECDH, got ${crv}`);
  for (let tries = 1; ; tries++) {
    const d = Uint8Array.from(random(shape.length));
    d[0]! &= shape.mask;
    try {
      return publicKeyFrom(crv, d);
    } catch (error) {
      if (tries === mostTries) throw error;
    }
  }
}
