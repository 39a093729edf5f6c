import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  ECDH,
  type JsonWebKey,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto';
import { fromBase64Url } from '../bytes.ts';
import { badCurveKey, curveOf, curves } from './curves.ts';
import { CryptoError, type CurveKey, type HashName, type PublicPart } from './provider.ts';

/** The names that node:crypto's ECDH has for the curves with two coordinates. */
const ecdhNames: Readonly<Record<string, string>> = { 'P-256': 'prime256v1', 'P-384': 'secp384r1', 'P-521': 'secp521r1', secp256k1: 'secp256k1' };
/** The last byte of the object identifiers of RFC 8410 Section 3. */
const okpIdentifiers: Readonly<Record<string, number>> = { X25519: 0x6e, X448: 0x6f, Ed25519: 0x70, Ed448: 0x71 };

const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');

function jwkOf(key: CurveKey, part: 'public' | 'private'): JsonWebKey {
  const { kty, crv } = curveOf(key, part);
  let x = key.x!;
  let { y } = key;
  if (kty === 'EC' && typeof y === 'boolean') {
    // A compressed point (RFC 9053 Section 7.1.1): 02 or 03, then x.
    const full = ECDH.convertKey(Buffer.concat([Uint8Array.of(y ? 3 : 2), x]), ecdhNames[crv]!, undefined, undefined, 'uncompressed') as Buffer;
    x = full.subarray(1, 1 + x.length);
    y = full.subarray(1 + x.length);
  }
  return {
    kty,
    crv,
    x: base64Url(x),
    ...(kty === 'EC' ? { y: base64Url(y as Uint8Array) } : {}),
    ...(part === 'private' ? { d: base64Url(key.d!) } : {}),
  };
}

// Making a KeyObject costs more than verifying with it; a key object of ours keeps its own.
const publicKeys = new WeakMap<CurveKey, KeyObject>();
const privateKeys = new WeakMap<CurveKey, KeyObject>();

/** What OpenSSL says of a key that it does not take depends on its version, and may quote the key. */
function keyObject(make: () => KeyObject): KeyObject {
  try {
    return make();
  } catch (error) {
    throw error instanceof CryptoError ? error : badCurveKey();
  }
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY`, also for a public key of small order */
function publicKeyOf(key: CurveKey): KeyObject {
  let made = publicKeys.get(key);
  if (made === undefined) {
    made = keyObject(() => createPublicKey({ key: jwkOf(key, 'public'), format: 'jwk' }));
    publicKeys.set(key, made);
  }
  return made;
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY` */
function privateKeyOf(key: CurveKey): KeyObject {
  let made = privateKeys.get(key);
  if (made === undefined) {
    made = keyObject(() => createPrivateKey({ key: jwkOf(key, 'private'), format: 'jwk' }));
    privateKeys.set(key, made);
  }
  return made;
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
  return fromBase64Url(publicKeyOf(key).export({ format: 'jwk' }).y!);
}

export function publicPart(crv: number, d: Uint8Array): PublicPart {
  const { kty, crv: name, length } = curves.get(crv)!;
  if (kty === 'EC') {
    const pair = createECDH(ecdhNames[name]!);
    pair.setPrivateKey(d);
    // An uncompressed point: 04, x, y.
    const point = Uint8Array.from(pair.getPublicKey());
    return { x: point.slice(1, 1 + length), y: point.slice(1 + length) };
  }
  // PKCS#8 of RFC 8410 Section 7: version, algorithm, the private part as OCTET STRING in OCTET STRING.
  const head = [0x30, 14 + d.length, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, okpIdentifiers[name]!, 4, d.length + 2, 4, d.length];
  const der = Buffer.concat([Buffer.from(head), d]);
  return { x: fromBase64Url(createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' }).x!) };
}

export function agree(privateKey: CurveKey, publicKey: CurveKey): Uint8Array {
  return new Uint8Array(diffieHellman({ privateKey: privateKeyOf(privateKey), publicKey: publicKeyOf(publicKey) }));
}

export function sign(hash: HashName | undefined, key: CurveKey, data: Uint8Array): Uint8Array {
  return new Uint8Array(nodeSign(hash, data, { key: privateKeyOf(key), dsaEncoding: 'ieee-p1363' }));
}

export function verify(hash: HashName | undefined, key: CurveKey, data: Uint8Array, signature: Uint8Array): boolean {
  return nodeVerify(hash, data, { key: publicKeyOf(key), dsaEncoding: 'ieee-p1363' }, signature);
}
