import { ProtocolError } from '../errors.ts';

/** A primitive that refuses. All failures to open share one code. */
export class CryptoError extends ProtocolError {}

/** Hash functions of SHA-2 (RFC 6234). */
export type HashName = 'sha256' | 'sha384' | 'sha512';

/** What one derivation by scrypt costs: 128 * N * r bytes of memory, p times (RFC 7914, Section 2). */
export interface ScryptCost {
  /** A power of two. */
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** Lengths in bytes. */
export interface AeadParameters {
  readonly keyLength: number;
  readonly nonceLength: number;
  readonly tagLength: number;
}

/** An AEAD with its key. The nonce is an argument: whoever calls sees to it that none is used twice for `seal`. */
export interface Aead {
  readonly nonceLength: number;
  readonly tagLength: number;
  /** Ciphertext and tag. @throws {CryptoError} `ERR_CRYPTO_NONCE`, `ERR_CRYPTO_LENGTH` for a message that the algorithm cannot hold */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext. @throws {CryptoError} `ERR_CRYPTO_OPEN`, the same whatever is wrong */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array;
}

/** An AEAD by the family that it is of; the key length chooses the cipher. */
export interface CipherParameters extends AeadParameters {
  readonly mode: 'gcm' | 'ccm' | 'chacha20-poly1305';
}

/** A key of an elliptic curve, in the fields of COSE_Key. */
export interface CurveKey {
  readonly crv?: number;
  readonly x?: Uint8Array;
  readonly y?: Uint8Array | boolean;
  readonly d?: Uint8Array;
}

/** The public part of a key, a point in full: `y` on the curves that have it. */
export interface PublicPart {
  readonly x: Uint8Array;
  readonly y?: Uint8Array;
}

/** A key of an elliptic curve with its private part. */
export interface CurveKeyPair extends PublicPart {
  readonly crv: number;
  readonly d: Uint8Array;
}

/** An X.509 certificate that was read. What it says is its own word until its issuer is trusted. */
export interface X509 {
  /** The distinguished name, an attribute on each line. */
  readonly subject: string;
  /** The names of the extension, as in `DNS:node.example, IP Address:192.0.2.1`; `undefined` without it. */
  readonly subjectAltName: string | undefined;
  /** Whether this host, a domain name or an address, is one of the names of the extension; the subject and wildcards do not count. */
  isFor(host: string): boolean;
  /** Whether the subject of the other certificate signed this one, and may sign certificates: names, key identifiers, key usage and signature. */
  isIssuedBy(issuer: X509): boolean;
}

/** `node` is node:crypto; `portable` is JavaScript alone and runs wherever that does. */
export type CryptoName = 'node' | 'portable';

/**
 * What a library of primitives gives. Lengths and names are checked before it is called (`primitives.ts`), so that all providers refuse alike.
 *
 * A key object of an elliptic curve is not written to after its first use: providers keep what they made of it.
 */
export interface CryptoProvider {
  readonly name: CryptoName;
  /** The key is of the right length, and is the provider's to keep. What comes back stays with this provider. */
  aead(parameters: CipherParameters, key: Uint8Array): Aead;
  /** Extract and expand, for a length from 1 to 255 hash lengths. */
  hkdf(hash: HashName, secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array;
  /** P_hash of TLS (RFC 5246, Section 5): so many bytes. */
  pHash(hash: HashName, secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array;
  digest(hash: HashName, data: Uint8Array): Uint8Array;
  /** For costs and lengths that are checked. It lets others run meanwhile. */
  scrypt(password: Uint8Array, salt: Uint8Array, cost: ScryptCost, length: number): Promise<Uint8Array>;
  /** AES-CBC-MAC with a zero IV over data padded with zeros, 16 bytes, for a key of 16 or 32 bytes. */
  cbcMac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** AES Key Wrap, for lengths that it takes. */
  wrapKey(kek: Uint8Array, key: Uint8Array): Uint8Array;
  /** The key, or `undefined` when the integrity check fails. */
  unwrapKey(kek: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined;
  /** The public part of a private part of any of our curves. Throws, whatever it be, when it is none. */
  publicPart(crv: number, d: Uint8Array): PublicPart;
  /** Whether the public part is a point on its curve, and not of small order; on Ed25519 and Ed448 whether it may be one. */
  isValidPublicKey(key: CurveKey): boolean;
  /** The y coordinate of a key of a curve that has two, as long as x. @throws {CryptoError} `ERR_CRYPTO_KEY` */
  affineY(key: CurveKey): Uint8Array;
  /** The secret of two keys of one curve for ECDH. Throws, whatever it be, when they agree on none. */
  agree(privateKey: CurveKey, publicKey: CurveKey): Uint8Array;
  /** ECDSA as R||S, EdDSA where `hash` is absent. @throws {CryptoError} `ERR_CRYPTO_KEY` */
  sign(hash: HashName | undefined, key: CurveKey, data: Uint8Array): Uint8Array;
  /** @throws {CryptoError} `ERR_CRYPTO_KEY` */
  verify(hash: HashName | undefined, key: CurveKey, data: Uint8Array, signature: Uint8Array): boolean;
  /** A certificate in DER, or `undefined` when it is none. @throws {CryptoError} `ERR_CRYPTO_PROVIDER` from a provider that knows none */
  x509(der: Uint8Array): X509 | undefined;
}
