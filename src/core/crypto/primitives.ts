import { provider as initial } from '#crypto/default';
import { named } from '#crypto/named';
import { concat, constantTimeEqual, emptyBytes, equalBytes } from '../bytes.ts';
import { cipherParameters } from './aead-parameters.ts';
import { type CurveShape, curveOf, curves } from './curves.ts';
import { isEdwardsPoint } from './edwards.ts';
import {
  type Aead,
  type CipherParameters,
  CryptoError,
  type CryptoName,
  type CryptoProvider,
  type CurveKey,
  type CurveKeyPair,
  type HashName,
  type ScryptCost,
  type X509,
} from './provider.ts';

let provider: CryptoProvider = initial;
let calls = 0;

/**
 * Take the primitives of the whole process from another provider: `node` is node:crypto, `portable` is JavaScript alone and signs ECDSA deterministically
 * (RFC 6979). It is loaded when it is first asked for. An `Aead` that was made before stays with its provider; where two calls overlap, the later one decides.
 *
 * Without a call it is the one of the package.json condition: `node` on Node, `portable` elsewhere and with `node -C portable`.
 *
 * ```ts
 * await useCrypto('portable');
 * ```
 *
 * @throws {CryptoError} `ERR_CRYPTO_PROVIDER` for a name that is none, or not in this build
 */
export async function useCrypto(name: CryptoName): Promise<void> {
  const load = named.get(name);
  if (load === undefined) {
    throw new CryptoError('ERR_CRYPTO_PROVIDER', `expected a crypto provider of this build (${[...named.keys()].join(', ')}), got ${String(name)}`);
  }
  const call = ++calls;
  const loaded = await load();
  if (call === calls) provider = loaded;
}

/** The name of the provider that is in use. */
export function cryptoInUse(): CryptoName {
  return provider.name;
}

/**
 * An AEAD with a key, by its COSE identifier. The key is copied.
 *
 * @throws {CryptoError} `ERR_CRYPTO_ALGORITHM`, `ERR_CRYPTO_KEY` when the key has another length
 */
export function aead(algorithm: number, key: Uint8Array): Aead {
  const found = cipherParameters.get(algorithm);
  if (found === undefined) throw new CryptoError('ERR_CRYPTO_ALGORITHM', `expected a COSE AEAD algorithm, got ${algorithm}`);
  return cipher(found, key);
}

/**
 * An AEAD with a key, by its parameters: TLS has combinations that COSE gives no identifier. The key is copied.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY` when the key has another length
 */
export function cipher(parameters: CipherParameters, key: Uint8Array): Aead {
  const { keyLength } = parameters;
  if (key.length !== keyLength) throw new CryptoError('ERR_CRYPTO_KEY', `expected a key of ${keyLength} bytes, got ${key.length}`);
  return provider.aead(parameters, new Uint8Array(key));
}

const hashLengths: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** @throws {CryptoError} `ERR_CRYPTO_LENGTH` */
function checkLength(length: number, block: number): void {
  const most = 255 * block;
  if (!Number.isInteger(length) || length < 0 || length > most)
    throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a length from 0 to ${most}, got ${length}`);
}

/**
 * HKDF, extract and expand. @see https://www.rfc-editor.org/rfc/rfc5869
 *
 * @throws {CryptoError} `ERR_CRYPTO_LENGTH` when more than 255 hash lengths are asked for
 */
export function hkdf(hash: HashName, secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  checkLength(length, hashLengths[hash]);
  return length === 0 ? new Uint8Array(0) : provider.hkdf(hash, secret, salt, info, length);
}

/** The whole tag, as long as the hash (RFC 2104). */
export function hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  return provider.hmac(hash, key, data);
}

/** P_hash, of which the pseudorandom function of TLS 1.2 is made: so many bytes. @see https://www.rfc-editor.org/rfc/rfc5246#section-5 */
export function pHash(hash: HashName, secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  return provider.pHash(hash, secret, seed, length);
}

/** The whole hash; not for secrets that somebody could guess. */
export function digest(hash: HashName, data: Uint8Array): Uint8Array {
  return provider.digest(hash, data);
}

/** 256 MiB: what is asked for more would take the memory of others. */
const mostScryptMemory = 268_435_456;

/**
 * A key from a password, by much work and memory. @see https://www.rfc-editor.org/rfc/rfc7914#section-6
 *
 * @throws {CryptoError} `ERR_CRYPTO_LENGTH` for a cost that is none, or of more than 256 MiB or 64 turns, and for a length that is not 16 to 64 bytes
 */
export async function scrypt(password: Uint8Array, salt: Uint8Array, cost: ScryptCost, length: number): Promise<Uint8Array> {
  const { N, r, p } = cost;
  const isPower = Number.isInteger(N) && N >= 2 && N <= 2 ** 24 && (N & (N - 1)) === 0;
  const fits = Number.isInteger(r) && r >= 1 && Number.isInteger(p) && p >= 1 && p <= 64 && 128 * N * r <= mostScryptMemory;
  if (!isPower || !fits) throw new CryptoError('ERR_CRYPTO_LENGTH', 'expected a cost of scrypt of at most 256 MiB and 64 turns, got another');
  if (!Number.isInteger(length) || length < 16 || length > 64) throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a length from 16 to 64, got ${length}`);
  return provider.scrypt(password, salt, cost, length);
}

function checkWrappingKey(kek: Uint8Array): void {
  if (kek.length !== 16 && kek.length !== 24 && kek.length !== 32)
    throw new CryptoError('ERR_CRYPTO_KEY', `expected a key of 16, 24 or 32 bytes, got ${kek.length}`);
}

/**
 * AES Key Wrap. @see https://www.rfc-editor.org/rfc/rfc3394#section-2.2.1
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, `ERR_CRYPTO_LENGTH` when the key is not of two or more blocks of 8 bytes
 */
export function wrapKey(kek: Uint8Array, key: Uint8Array): Uint8Array {
  checkWrappingKey(kek);
  if (key.length < 16 || key.length % 8 !== 0) throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a multiple of 8 bytes from 16 on, got ${key.length}`);
  return provider.wrapKey(kek, key);
}

/**
 * AES Key Unwrap. @see https://www.rfc-editor.org/rfc/rfc3394#section-2.2.2
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, `ERR_CRYPTO_OPEN`, the same whatever is wrong with what was wrapped
 */
export function unwrapKey(kek: Uint8Array, wrapped: Uint8Array): Uint8Array {
  checkWrappingKey(kek);
  const key = wrapped.length < 24 || wrapped.length % 8 !== 0 ? undefined : provider.unwrapKey(kek, wrapped);
  if (key === undefined) throw new CryptoError('ERR_CRYPTO_OPEN', 'unwrapping failed');
  return key;
}

const block = 16;

/**
 * AES-CBC-MAC with a zero IV over data padded with zeros, 16 bytes.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9053#section-3.2
 */
export function cbcMac(key: Uint8Array, data: Uint8Array): Uint8Array {
  if (key.length !== 16 && key.length !== 32) throw new CryptoError('ERR_CRYPTO_KEY', `expected a key of 16 or 32 bytes, got ${key.length}`);
  return provider.cbcMac(key, data);
}

/**
 * HKDF with AES-CBC-MAC as its PRF: there is no extract, so the secret is the key of the PRF.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, `ERR_CRYPTO_LENGTH` when more than 255 blocks are asked for
 * @see https://www.rfc-editor.org/rfc/rfc9053#section-5.1
 */
export function hkdfAesMac(secret: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  checkLength(length, block);
  const out = new Uint8Array(Math.ceil(length / block) * block);
  let last = emptyBytes;
  for (let offset = 0, counter = 1; offset < length; offset += block, counter++) {
    last = cbcMac(secret, concat(last, info, Uint8Array.of(counter)));
    out.set(last, offset);
  }
  return out.subarray(0, length);
}

/** Whether the public part is a point on its curve, and not of small order. */
export function isValidPublicKey(key: CurveKey): boolean {
  return provider.isValidPublicKey(key) && (!curves.get(key.crv!)!.crv.startsWith('Ed') || isEdwardsPoint(key.crv!, key.x!));
}

/**
 * The y coordinate, where the point is compressed too, as long as x.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`
 */
export function affineY(key: CurveKey): Uint8Array {
  if (curves.get(key.crv ?? 0)?.kty !== 'EC') throw new CryptoError('ERR_CRYPTO_KEY', 'expected a key of a curve with two coordinates, got another');
  return provider.affineY(key);
}

/** Whether the private part belongs to the public part. */
export function isPrivateKeyOf(key: CurveKey): boolean {
  const { crv = 0, x, d } = key;
  const curve = curves.get(crv);
  if (curve === undefined || x === undefined || d?.length !== curve.length) return false;
  try {
    const own = provider.publicPart(crv, d);
    return equalBytes(own.x, x) && (own.y === undefined || equalBytes(own.y, affineY(key)));
  } catch {
    return false;
  }
}

// Deriving the public part costs as much as signing. By private part: the key that was made or found right, in copies of a key object too.
const rightKeys = new WeakMap<Uint8Array, CurveKey>();

/** Older versions of Node take both parts of a key without comparing them. @throws {CryptoError} `ERR_CRYPTO_KEY` */
function checkPrivateKey(key: CurveKey): void {
  const right = key.d && rightKeys.get(key.d);
  if (right !== undefined && right.crv === key.crv && right.x === key.x && right.y === key.y) return;
  curveOf(key, 'private');
  if (!isPrivateKeyOf(key)) throw new CryptoError('ERR_CRYPTO_KEY', 'expected a private part that belongs to the public part, got another');
  rightKeys.set(key.d!, key);
}

const noAgreement = (): CryptoError => new CryptoError('ERR_CRYPTO_KEY', 'expected keys that agree on a secret, got others');

/**
 * The secret that a private and a public key of one curve agree on: the x-coordinate, or what X25519 and X448 give.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY` for keys of different curves, a private part that belongs to another public part, a point that is not on the curve, and a secret of zeros from X25519 or X448
 * @see https://www.rfc-editor.org/rfc/rfc7748#section-6
 */
export function agree(privateKey: CurveKey, publicKey: CurveKey): Uint8Array {
  const curve = curves.get(publicKey.crv ?? 0);
  if (curve?.agreement === undefined || privateKey.crv !== publicKey.crv)
    throw new CryptoError('ERR_CRYPTO_KEY', 'expected two keys of one curve for ECDH, got others');
  checkPrivateKey(privateKey);
  let secret: Uint8Array;
  try {
    secret = provider.agree(privateKey, publicKey);
  } catch (cause) {
    throw cause instanceof CryptoError ? cause : noAgreement();
  }
  // X25519 and X448 give zeros for a point of small order; on the other curves zero is an x-coordinate like any other.
  if (curve.kty === 'OKP' && constantTimeEqual(secret, new Uint8Array(secret.length))) throw noAgreement();
  return secret;
}

/** The curve and, by its mask, how a private part for key agreement is drawn. */
function agreementCurve(crv: number): (CurveShape & { readonly agreement: number }) | undefined {
  const curve = curves.get(crv);
  return curve?.agreement === undefined ? undefined : { ...curve, agreement: curve.agreement };
}

/**
 * The key pair of a private part.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY` when it is none of the curve: of another length, zero, or not below the order
 */
export function publicKeyFrom(crv: number, d: Uint8Array): CurveKeyPair {
  try {
    if (d.length === agreementCurve(crv)?.length) {
      const own = Uint8Array.from(d);
      const pair: CurveKeyPair = { crv, ...provider.publicPart(crv, own), d: own };
      rightKeys.set(pair.d, pair);
      return pair;
    }
  } catch {
    // What a library says of a private part may quote it.
  }
  throw new CryptoError('ERR_CRYPTO_KEY', 'expected a private part of a curve for ECDH, got another');
}

/** The order of P-256 is above 255/256 of 2^256: so many misses in turn come of no source of randomness. */
const mostTries = 64;

/**
 * A new key pair from `random`, by rejection (FIPS 186-5 A.2.2).
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY` for a curve that is not for ECDH, and when `random` gives nothing that is a private part
 */
export function keyPair(crv: number, random: (length: number) => Uint8Array): CurveKeyPair {
  const curve = agreementCurve(crv);
  if (curve === undefined) throw new CryptoError('ERR_CRYPTO_KEY', `expected a curve for ECDH, got ${crv}`);
  for (let tries = 1; ; tries++) {
    const d = Uint8Array.from(random(curve.length));
    d[0]! &= curve.agreement;
    try {
      return publicKeyFrom(crv, d);
    } catch (error) {
      if (tries === mostTries) throw error;
    }
  }
}

/**
 * Sign; ECDSA as R||S of fixed length (RFC 9053 Section 2.1), EdDSA where `hash` is absent.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, also for a private part that belongs to another public part
 */
export function sign(hash: HashName | undefined, key: CurveKey, data: Uint8Array): Uint8Array {
  checkPrivateKey(key);
  return provider.sign(hash, key, data);
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY` */
export function verify(hash: HashName | undefined, key: CurveKey, data: Uint8Array, signature: Uint8Array): boolean {
  return provider.verify(hash, key, data, signature);
}

/** A certificate in DER; `undefined` for what is none. @throws {CryptoError} `ERR_CRYPTO_PROVIDER` where the provider in use reads none */
export function x509(der: Uint8Array): X509 | undefined {
  return provider.x509(der);
}
