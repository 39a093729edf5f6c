import type { ECDSA } from '@noble/curves/abstract/weierstrass.js';
import { ed448, x448 } from '@noble/curves/ed448.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, equalBytes } from '../bytes.ts';
import { badCurveKey, curveOf, curves } from './curves.ts';
import { digest } from './portable-hash.ts';
import type { CurveKey, HashName, PublicPart } from './provider.ts';

const weierstrass: Readonly<Record<number, ECDSA>> = { 1: p256, 2: p384, 3: p521, 8: secp256k1 };
const montgomery = { 4: x25519, 5: x448 } as const;
const edwards = { 6: ed25519, 7: ed448 } as const;

const isMontgomery = (crv: number): crv is keyof typeof montgomery => crv in montgomery;
const isEdwards = (crv: number): crv is keyof typeof edwards => crv in edwards;

// Checking that a point is on its curve costs as much as reading it; a key object of ours keeps its own.
const publicKeys = new WeakMap<CurveKey, Uint8Array>();

/** A public key as its curve takes it: an uncompressed point (04, x, y), or x. @throws {CryptoError} `ERR_CRYPTO_KEY` */
function publicKeyOf(key: CurveKey): Uint8Array {
  let made = publicKeys.get(key);
  if (made === undefined) {
    curveOf(key, 'public');
    const x = key.x!;
    const curve = weierstrass[key.crv!];
    made = curve === undefined ? Uint8Array.from(x) : pointOf(curve, x, key.y!);
    publicKeys.set(key, made);
  }
  return made;
}

function pointOf({ Point }: ECDSA, x: Uint8Array, y: Uint8Array | boolean): Uint8Array {
  try {
    // RFC 9053 Section 7.1.1: a compressed point is 02 or 03, then x.
    return Point.fromBytes(typeof y === 'boolean' ? concat(Uint8Array.of(y ? 3 : 2), x) : concat(Uint8Array.of(4), x, y)).toBytes(false);
  } catch {
    throw badCurveKey();
  }
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY` */
function privateKeyOf(key: CurveKey): Uint8Array {
  const { kty } = curveOf(key, 'private');
  if (kty === 'EC') publicKeyOf(key);
  return key.d!;
}

export function isValidPublicKey(key: CurveKey): boolean {
  try {
    publicKeyOf(key);
    return true;
  } catch {
    return false;
  }
}

export function affineY(key: CurveKey): Uint8Array {
  return publicKeyOf(key).slice(1 + key.x!.length);
}

export function publicPart(crv: number, d: Uint8Array): PublicPart {
  if (isMontgomery(crv)) return { x: montgomery[crv].getPublicKey(d) };
  if (isEdwards(crv)) return { x: edwards[crv].getPublicKey(d) };
  const { length } = curves.get(crv)!;
  const point = weierstrass[crv]!.getPublicKey(d, false);
  return { x: point.slice(1, 1 + length), y: point.slice(1 + length) };
}

export function agree(privateKey: CurveKey, publicKey: CurveKey): Uint8Array {
  const crv = publicKey.crv!;
  const d = privateKeyOf(privateKey);
  if (isMontgomery(crv)) return montgomery[crv].getSharedSecret(d, publicKeyOf(publicKey));
  // A compressed point: 02 or 03, then x.
  return weierstrass[crv]!.getSharedSecret(d, publicKeyOf(publicKey), true).slice(1);
}

// The hash is ours. As OpenSSL does, s is taken in both halves of its range.
const ecdsa = { prehash: false, lowS: false } as const;

export function sign(hash: HashName | undefined, key: CurveKey, data: Uint8Array): Uint8Array {
  const d = privateKeyOf(key);
  const crv = key.crv!;
  if (isEdwards(crv)) return edwards[crv].sign(data, d);
  const curve = weierstrass[crv];
  if (curve === undefined || hash === undefined) throw badCurveKey();
  return curve.sign(digest(hash, data), d, ecdsa);
}

/**
 * RFC 8032 Section 5.1.7 lets a verifier multiply both sides by the cofactor or not, and both providers take the same signatures. OpenSSL does on Ed448 and
 * does not on Ed25519; @noble does on both, so the equation stands here: [S]B - [k]A is R.
 */
function verifyEd25519(x: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const { Point } = ed25519;
  if (signature.length !== 64) return false;
  const number = (bytes: Uint8Array): bigint => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const first = signature.subarray(0, 32);
  const s = number(signature.subarray(32));
  if (s >= Point.Fn.ORDER) return false;
  try {
    const k = number(sha512(concat(first, x, data))) % Point.Fn.ORDER;
    const a = Point.fromBytes(x, true);
    return equalBytes(Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k)).toBytes(), first);
  } catch {
    return false;
  }
}

export function verify(hash: HashName | undefined, key: CurveKey, data: Uint8Array, signature: Uint8Array): boolean {
  const publicKey = publicKeyOf(key);
  const crv = key.crv!;
  const curve = weierstrass[crv];
  if (curve !== undefined && hash !== undefined) return signature.length === 2 * key.x!.length && curve.verify(signature, digest(hash, data), publicKey, ecdsa);
  if (crv === 6) return verifyEd25519(publicKey, data, signature);
  if (crv === 7) return signature.length === 114 && ed448.verify(signature, data, publicKey, { zip215: false });
  throw badCurveKey();
}
