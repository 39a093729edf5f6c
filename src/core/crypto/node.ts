import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  ECDH,
  hkdfSync,
  type JsonWebKey,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto';
import { ProtocolError } from '../errors.ts';
import { isEdwardsPoint } from './edwards.ts';
import { HotCcm } from './hot-ccm.ts';
import { isSmallOrder } from './small-order.ts';

/** A primitive that refuses. All failures to open share one code. */
export class CryptoError extends ProtocolError {}

export type HashName = 'sha256' | 'sha384' | 'sha512';

export interface AeadParameters {
  readonly keyLength: number;
  readonly nonceLength: number;
  readonly tagLength: number;
}

export interface Aead {
  readonly nonceLength: number;
  readonly tagLength: number;
  /** Ciphertext and tag. @throws {CryptoError} `ERR_CRYPTO_NONCE`, `ERR_CRYPTO_LENGTH` for a message that the algorithm cannot hold */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext. @throws {CryptoError} `ERR_CRYPTO_OPEN`, the same whatever is wrong */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array;
}

interface CipherParameters extends AeadParameters {
  readonly cipher: string;
}

/** COSE AEAD algorithms (RFC 9053 Section 4), IANA registry as of 2026-11. */
const parameters: ReadonlyMap<number, CipherParameters> = new Map([
  [1, { cipher: 'aes-128-gcm', keyLength: 16, nonceLength: 12, tagLength: 16 }],
  [2, { cipher: 'aes-192-gcm', keyLength: 24, nonceLength: 12, tagLength: 16 }],
  [3, { cipher: 'aes-256-gcm', keyLength: 32, nonceLength: 12, tagLength: 16 }],
  [10, { cipher: 'aes-128-ccm', keyLength: 16, nonceLength: 13, tagLength: 8 }],
  [11, { cipher: 'aes-256-ccm', keyLength: 32, nonceLength: 13, tagLength: 8 }],
  [12, { cipher: 'aes-128-ccm', keyLength: 16, nonceLength: 7, tagLength: 8 }],
  [13, { cipher: 'aes-256-ccm', keyLength: 32, nonceLength: 7, tagLength: 8 }],
  [24, { cipher: 'chacha20-poly1305', keyLength: 32, nonceLength: 12, tagLength: 16 }],
  [30, { cipher: 'aes-128-ccm', keyLength: 16, nonceLength: 13, tagLength: 16 }],
  [31, { cipher: 'aes-256-ccm', keyLength: 32, nonceLength: 13, tagLength: 16 }],
  [32, { cipher: 'aes-128-ccm', keyLength: 16, nonceLength: 7, tagLength: 16 }],
  [33, { cipher: 'aes-256-ccm', keyLength: 32, nonceLength: 7, tagLength: 16 }],
]);

export function aeadParameters(algorithm: number): AeadParameters | undefined {
  return parameters.get(algorithm);
}

/** Most keys whose cipher objects (about 1.5 KB each) are kept. */
const mostHotKeys = 1024;
/** A key is hot from its third message on. */
const coldUses = 2;

/** AES-CCM of one key: OpenSSL's own for the first messages and for large ones, kept cipher objects in between. */
class CcmAead implements Aead {
  static readonly #hot: Set<CcmAead> = new Set();
  readonly #key: Uint8Array;
  readonly #cold: Aead;
  readonly nonceLength: number;
  readonly tagLength: number;
  #uses = 0;
  #recent = false;
  #ccm: HotCcm | undefined;

  constructor(cold: Aead, key: Uint8Array) {
    this.#cold = cold;
    this.#key = key;
    this.nonceLength = cold.nonceLength;
    this.tagLength = cold.tagLength;
  }

  #warm(): HotCcm | undefined {
    this.#recent = true;
    if (this.#ccm !== undefined) return this.#ccm;
    if (this.#uses++ < coldUses) return undefined;
    this.#ccm = new HotCcm(this.#key.length * 8, this.#key, this.nonceLength, this.tagLength);
    CcmAead.#hot.add(this);
    while (CcmAead.#hot.size > mostHotKeys) CcmAead.#coolOne();
    return this.#ccm;
  }

  /** Second chance: the oldest that was not used since it was last looked at. */
  static #coolOne(): void {
    for (const candidate of CcmAead.#hot) {
      CcmAead.#hot.delete(candidate);
      if (candidate.#recent) {
        candidate.#recent = false;
        CcmAead.#hot.add(candidate);
      } else {
        candidate.#ccm = undefined;
        candidate.#uses = 0;
        return;
      }
    }
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const hot = HotCcm.fits(aad, plaintext.length) && nonce.length === this.nonceLength ? this.#warm() : undefined;
    return (hot ?? this.#cold).seal(nonce, aad, plaintext);
  }

  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const fits = HotCcm.fits(aad, ciphertext.length) && ciphertext.length >= this.tagLength && nonce.length === this.nonceLength;
    const hot = fits ? this.#warm() : undefined;
    if (hot === undefined) return this.#cold.open(nonce, aad, ciphertext);
    const plaintext = hot.open(nonce, aad, ciphertext);
    if (plaintext === undefined) throw new CryptoError('ERR_CRYPTO_OPEN', 'decryption failed');
    return plaintext;
  }
}

// An empty array may have no memory behind it; OpenSSL's CCM takes that for the announcement of a length, not for a message.
const nothing = Buffer.alloc(1).subarray(0, 0);
const inMemory = (bytes: Uint8Array): Uint8Array => (bytes.length === 0 ? nothing : bytes);

function opensslAead({ cipher, nonceLength, tagLength }: CipherParameters, key: Uint8Array): Aead {
  const name = cipher as CipherGCMTypes;
  return {
    nonceLength,
    tagLength,
    seal: (nonce, aad, plaintext) => {
      if (nonce.length !== nonceLength) throw new CryptoError('ERR_CRYPTO_NONCE', `expected a nonce of ${nonceLength} bytes, got ${nonce.length}`);
      // RFC 3610 Section 2.1: what the nonce leaves of 15 bytes holds the length.
      if (cipher.endsWith('ccm') && plaintext.length >= 2 ** (8 * (15 - nonceLength)))
        throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a message below ${2 ** (8 * (15 - nonceLength))} bytes, got ${plaintext.length}`);
      const sealing = createCipheriv(name, key, nonce, { authTagLength: tagLength });
      sealing.setAAD(inMemory(aad), { plaintextLength: plaintext.length });
      const sealed = new Uint8Array(plaintext.length + tagLength);
      sealed.set(sealing.update(inMemory(plaintext)));
      sealing.final();
      sealed.set(sealing.getAuthTag(), plaintext.length);
      return sealed;
    },
    open: (nonce, aad, ciphertext) => {
      const length = ciphertext.length - tagLength;
      if (length < 0 || nonce.length !== nonceLength) throw new CryptoError('ERR_CRYPTO_OPEN', 'decryption failed');
      try {
        const opening = createDecipheriv(name, key, nonce, { authTagLength: tagLength });
        opening.setAuthTag(ciphertext.subarray(length));
        opening.setAAD(inMemory(aad), { plaintextLength: length });
        const plaintext = Uint8Array.from(opening.update(inMemory(ciphertext.subarray(0, length))));
        opening.final();
        return plaintext;
      } catch {
        // CCM refuses in update, the others in final: one error for all of them.
        throw new CryptoError('ERR_CRYPTO_OPEN', 'decryption failed');
      }
    },
  };
}

/**
 * An AEAD with a key, by its COSE identifier. The key is copied.
 *
 * @throws {CryptoError} `ERR_CRYPTO_ALGORITHM`, `ERR_CRYPTO_KEY` when the key has another length
 */
export function aead(algorithm: number, key: Uint8Array): Aead {
  const found = parameters.get(algorithm);
  if (found === undefined) throw new CryptoError('ERR_CRYPTO_ALGORITHM', `expected a COSE AEAD algorithm, got ${algorithm}`);
  if (key.length !== found.keyLength) throw new CryptoError('ERR_CRYPTO_KEY', `expected a key of ${found.keyLength} bytes, got ${key.length}`);
  const own = Uint8Array.from(key);
  const cold = opensslAead(found, own);
  return found.cipher.endsWith('ccm') ? new CcmAead(cold, own) : cold;
}

const hashLengths: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/**
 * HKDF, extract and expand. @see https://www.rfc-editor.org/rfc/rfc5869
 *
 * @throws {CryptoError} `ERR_CRYPTO_LENGTH` when more than 255 hash lengths are asked for
 */
export function hkdf(hash: HashName, secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const most = 255 * hashLengths[hash];
  if (!Number.isInteger(length) || length < 0 || length > most)
    throw new CryptoError('ERR_CRYPTO_LENGTH', `expected a length from 0 to ${most}, got ${length}`);
  if (length === 0) return new Uint8Array(0);
  return new Uint8Array(hkdfSync(hash, secret, salt, info, length));
}

export function hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  return Uint8Array.from(createHmac(hash, key).update(data).digest());
}

export function digest(hash: HashName, data: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash(hash).update(data).digest());
}

/** A key of an elliptic curve, in the fields of COSE_Key. */
export interface CurveKey {
  readonly crv?: number;
  readonly x?: Uint8Array;
  readonly y?: Uint8Array | boolean;
  readonly d?: Uint8Array;
}

export interface CurveName {
  readonly kty: 'EC' | 'OKP';
  readonly crv: string;
  /** The name that node:crypto's ECDH has for it. */
  readonly ecdh?: string;
}

export const curves: ReadonlyMap<number, CurveName> = new Map([
  [1, { kty: 'EC', crv: 'P-256', ecdh: 'prime256v1' }],
  [2, { kty: 'EC', crv: 'P-384', ecdh: 'secp384r1' }],
  [3, { kty: 'EC', crv: 'P-521', ecdh: 'secp521r1' }],
  [4, { kty: 'OKP', crv: 'X25519' }],
  [5, { kty: 'OKP', crv: 'X448' }],
  [6, { kty: 'OKP', crv: 'Ed25519' }],
  [7, { kty: 'OKP', crv: 'Ed448' }],
  [8, { kty: 'EC', crv: 'secp256k1', ecdh: 'secp256k1' }],
]);

const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');

function jwkOf(key: CurveKey, withPrivate: boolean): JsonWebKey {
  const curve = curves.get(key.crv ?? 0);
  if (curve === undefined || key.x === undefined) throw new CryptoError('ERR_CRYPTO_KEY', 'expected a key of a known curve, got another one');
  let { x, y } = key;
  if (typeof y === 'boolean') {
    // A compressed point (RFC 9053 Section 7.1.1): 02 or 03, then x.
    const full = ECDH.convertKey(Buffer.concat([Uint8Array.of(y ? 3 : 2), x]), curve.ecdh!, undefined, undefined, 'uncompressed') as Buffer;
    x = full.subarray(1, 1 + x.length);
    y = full.subarray(1 + x.length);
  }
  return {
    kty: curve.kty,
    crv: curve.crv,
    x: base64Url(x),
    ...(y === undefined ? {} : { y: base64Url(y) }),
    ...(withPrivate && key.d !== undefined ? { d: base64Url(key.d) } : {}),
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
    throw error instanceof CryptoError ? error : new CryptoError('ERR_CRYPTO_KEY', 'expected a key of its curve, got another');
  }
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY`, also for a public key of small order */
export function publicKeyOf(key: CurveKey): KeyObject {
  let made = publicKeys.get(key);
  if (made === undefined) {
    if (key.x !== undefined && isSmallOrder(key.crv ?? 0, key.x)) throw new CryptoError('ERR_CRYPTO_KEY', 'expected a public key of large order, got another');
    made = keyObject(() => createPublicKey({ key: jwkOf(key, false), format: 'jwk' }));
    publicKeys.set(key, made);
  }
  return made;
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY` */
export function privateKeyOf(key: CurveKey): KeyObject {
  let made = privateKeys.get(key);
  if (made === undefined) {
    made = keyObject(() => createPrivateKey({ key: jwkOf(key, true), format: 'jwk' }));
    privateKeys.set(key, made);
  }
  return made;
}

/** Whether the public part is a point on its curve. */
export function isValidPublicKey(key: CurveKey): boolean {
  try {
    publicKeyOf(key);
    return curves.get(key.crv!)!.crv.startsWith('Ed') ? isEdwardsPoint(key.crv!, key.x!) : true;
  } catch {
    return false;
  }
}

/**
 * The y coordinate, where the point is compressed too, as long as x.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`
 */
export function affineY(key: CurveKey): Uint8Array {
  const { y } = publicKeyOf(key).export({ format: 'jwk' });
  if (y === undefined) throw new CryptoError('ERR_CRYPTO_KEY', 'expected a key of a curve with two coordinates, got another');
  return Uint8Array.from(Buffer.from(y, 'base64url'));
}

/** Whether the private part belongs to the public part: OpenSSL takes both from a JWK without comparing them. */
export function isPrivateKeyOf(key: CurveKey): boolean {
  try {
    const wanted = publicKeyOf(key).export({ format: 'jwk' });
    const curve = curves.get(key.crv!)!;
    if (curve.ecdh === undefined) return derivedPublic(key, curve.crv) === wanted.x;
    const ecdh = createECDH(curve.ecdh);
    ecdh.setPrivateKey(Buffer.from(key.d!));
    // An uncompressed point: 04, x, y.
    const point = ecdh.getPublicKey();
    const half = 1 + key.x!.length;
    return base64Url(point.subarray(1, half)) === wanted.x && base64Url(point.subarray(half)) === wanted.y;
  } catch {
    return false;
  }
}

/** The public part that OpenSSL makes of a raw OKP private part, base64url. */
export function derivedPublic(key: CurveKey, curve: string): string {
  const identifiers: Readonly<Record<string, string>> = { X25519: '6e', X448: '6f', Ed25519: '70', Ed448: '71' };
  const d = key.d!;
  // PKCS#8 of RFC 8410 Section 7: version, algorithm, the private part as OCTET STRING in OCTET STRING.
  const der = Buffer.concat([
    Buffer.from([0x30, 14 + d.length, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, Number.parseInt(identifiers[curve]!, 16), 4, d.length + 2, 4, d.length]),
    d,
  ]);
  return createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' }).x!;
}

/**
 * Sign; ECDSA as R||S of fixed length (RFC 9053 Section 2.1), EdDSA where `hash` is absent.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`
 */
export function sign(hash: HashName | undefined, key: CurveKey, data: Uint8Array): Uint8Array {
  return Uint8Array.from(nodeSign(hash, data, { key: privateKeyOf(key), dsaEncoding: 'ieee-p1363' }));
}

/** @throws {CryptoError} `ERR_CRYPTO_KEY` */
export function verify(hash: HashName | undefined, key: CurveKey, data: Uint8Array, signature: Uint8Array): boolean {
  return nodeVerify(hash, data, { key: publicKeyOf(key), dsaEncoding: 'ieee-p1363' }, signature);
}
