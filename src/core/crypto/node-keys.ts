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

/** A curve with two coordinates as node:crypto's ECDH has it. */
class EcdhCurve {
  readonly name: string;
  // By private part. A pair that is made to agree once is not read again where it was written a moment before.
  readonly #made = new WeakMap<Uint8Array, ECDH>();

  constructor(name: string) {
    this.name = name;
  }

  /** Throws for a private part that is none. */
  of(d: Uint8Array): ECDH {
    let made = this.#made.get(d);
    if (made === undefined) {
      made = createECDH(this.name);
      made.setPrivateKey(d);
      this.#made.set(d, made);
    }
    return made;
  }
}

const ecdhCurves: Readonly<Record<string, EcdhCurve>> = {
  'P-256': new EcdhCurve('prime256v1'),
  'P-384': new EcdhCurve('secp384r1'),
  'P-521': new EcdhCurve('secp521r1'),
  secp256k1: new EcdhCurve('secp256k1'),
};
/** The last byte of the object identifiers of RFC 8410 Section 3. */
const okpIdentifiers: Readonly<Record<string, number>> = { X25519: 0x6e, X448: 0x6f, Ed25519: 0x70, Ed448: 0x71 };

const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');

function jwkOf(key: CurveKey, part: 'public' | 'private'): JsonWebKey {
  const { kty, crv } = curveOf(key, part);
  let x = key.x!;
  let { y } = key;
  if (kty === 'EC' && typeof y === 'boolean') {
    const full = ECDH.convertKey(pointOf(key), ecdhCurves[crv]!.name, undefined, undefined, 'uncompressed') as Buffer;
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
function ofKeys<T>(make: () => T): T {
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
    made = ofKeys(() => createPublicKey({ key: jwkOf(key, 'public'), format: 'jwk' }));
    publicKeys.set(key, made);
  }
  return made;
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY` */
function privateKeyOf(key: CurveKey): KeyObject {
  let made = privateKeys.get(key);
  if (made === undefined) {
    made = ofKeys(() => createPrivateKey({ key: jwkOf(key, 'private'), format: 'jwk' }));
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

/** Compressed (RFC 9053 Section 7.1.1): 02 or 03, then x; or 04, x, y. */
function pointOf({ x, y }: CurveKey): Buffer {
  return typeof y === 'boolean' ? Buffer.concat([Uint8Array.of(y ? 3 : 2), x!]) : Buffer.concat([Uint8Array.of(4), x!, y!]);
}

/** The private key of X25519, X448, Ed25519 or Ed448 as a JWK without its public part: older versions of Node take it so, in a tenth of the time of DER. */
function okpByJwk(crv: string, d: Uint8Array): KeyObject | undefined {
  try {
    return createPrivateKey({ key: { kty: 'OKP', crv, x: '', d: base64Url(d) }, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** PKCS#8 of RFC 8410 Section 7: version, algorithm, the private part as OCTET STRING in OCTET STRING. */
function okpByDer(crv: string, d: Uint8Array): KeyObject {
  const head = [0x30, 14 + d.length, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, okpIdentifiers[crv]!, 4, d.length + 2, 4, d.length];
  return createPrivateKey({ key: Buffer.concat([Buffer.from(head), d]), format: 'der', type: 'pkcs8' });
}

export function publicPart(crv: number, d: Uint8Array): PublicPart {
  const { kty, crv: name, length } = curves.get(crv)!;
  if (kty === 'EC') {
    // An uncompressed point: 04, x, y.
    const point = Uint8Array.from(ecdhCurves[name]!.of(d).getPublicKey());
    return { x: point.slice(1, 1 + length), y: point.slice(1 + length) };
  }
  const key = okpByJwk(name, d) ?? okpByDer(name, d);
  return { x: fromBase64Url(key.export({ format: 'jwk' }).x!) };
}

export function agree(privateKey: CurveKey, publicKey: CurveKey): Uint8Array {
  const { kty, crv } = curveOf(publicKey, 'public');
  if (kty === 'EC') return new Uint8Array(ofKeys(() => ecdhCurves[crv]!.of(privateKey.d!).computeSecret(pointOf(publicKey))));
  return new Uint8Array(diffieHellman({ privateKey: privateKeyOf(privateKey), publicKey: publicKeyOf(publicKey) }));
}

export function sign(hash: HashName | undefined, key: CurveKey, data: Uint8Array): Uint8Array {
  return new Uint8Array(nodeSign(hash, data, { key: privateKeyOf(key), dsaEncoding: 'ieee-p1363' }));
}

export function verify(hash: HashName | undefined, key: CurveKey, data: Uint8Array, signature: Uint8Array): boolean {
  return nodeVerify(hash, data, { key: publicKeyOf(key), dsaEncoding: 'ieee-p1363' }, signature);
}
