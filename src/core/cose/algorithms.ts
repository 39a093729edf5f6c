import type { HashName } from '../crypto/index.ts';
import { Curve, KeyType } from './labels.ts';

/** COSE Algorithms, IANA registry as of 2026-11, as far as this stack offers them. */
export const Algorithm = {
  A128GCM: 1,
  A192GCM: 2,
  A256GCM: 3,
  HMAC_256_64: 4,
  HMAC_256: 5,
  HMAC_384: 6,
  HMAC_512: 7,
  AES_CCM_16_64_128: 10,
  AES_CCM_16_64_256: 11,
  AES_CCM_64_64_128: 12,
  AES_CCM_64_64_256: 13,
  ChaCha20_Poly1305: 24,
  AES_CCM_16_128_128: 30,
  AES_CCM_16_128_256: 31,
  AES_CCM_64_128_128: 32,
  AES_CCM_64_128_256: 33,
  ES256: -7,
  EdDSA: -8,
  ES384: -35,
  ES512: -36,
  ES256K: -47,
  AES_MAC_128_64: 14,
  AES_MAC_256_64: 15,
  AES_MAC_128_128: 25,
  AES_MAC_256_128: 26,
  A128KW: -3,
  A192KW: -4,
  A256KW: -5,
  direct: -6,
  direct_HKDF_SHA_256: -10,
  direct_HKDF_SHA_512: -11,
  direct_HKDF_AES_128: -12,
  direct_HKDF_AES_256: -13,
  ECDH_ES_HKDF_256: -25,
  ECDH_ES_HKDF_512: -26,
  ECDH_SS_HKDF_256: -27,
  ECDH_SS_HKDF_512: -28,
  ECDH_ES_A128KW: -29,
  ECDH_ES_A192KW: -30,
  ECDH_ES_A256KW: -31,
  ECDH_SS_A128KW: -32,
  ECDH_SS_A192KW: -33,
  ECDH_SS_A256KW: -34,
} as const;
export type Algorithm = (typeof Algorithm)[keyof typeof Algorithm];

/** Names as the registry writes them. */
export const algorithmNames: ReadonlyMap<number, string> = new Map([
  [1, 'A128GCM'],
  [2, 'A192GCM'],
  [3, 'A256GCM'],
  [4, 'HMAC 256/64'],
  [5, 'HMAC 256/256'],
  [6, 'HMAC 384/384'],
  [7, 'HMAC 512/512'],
  [10, 'AES-CCM-16-64-128'],
  [11, 'AES-CCM-16-64-256'],
  [12, 'AES-CCM-64-64-128'],
  [13, 'AES-CCM-64-64-256'],
  [24, 'ChaCha20/Poly1305'],
  [30, 'AES-CCM-16-128-128'],
  [31, 'AES-CCM-16-128-256'],
  [32, 'AES-CCM-64-128-128'],
  [33, 'AES-CCM-64-128-256'],
  [-7, 'ES256'],
  [-8, 'EdDSA'],
  [-35, 'ES384'],
  [-36, 'ES512'],
  [-47, 'ES256K'],
  [14, 'AES-MAC 128/64'],
  [15, 'AES-MAC 256/64'],
  [25, 'AES-MAC 128/128'],
  [26, 'AES-MAC 256/128'],
  [-3, 'A128KW'],
  [-4, 'A192KW'],
  [-5, 'A256KW'],
  [-6, 'direct'],
  [-10, 'direct+HKDF-SHA-256'],
  [-11, 'direct+HKDF-SHA-512'],
  [-12, 'direct+HKDF-AES-128'],
  [-13, 'direct+HKDF-AES-256'],
  [-25, 'ECDH-ES + HKDF-256'],
  [-26, 'ECDH-ES + HKDF-512'],
  [-27, 'ECDH-SS + HKDF-256'],
  [-28, 'ECDH-SS + HKDF-512'],
  [-29, 'ECDH-ES + A128KW'],
  [-30, 'ECDH-ES + A192KW'],
  [-31, 'ECDH-ES + A256KW'],
  [-32, 'ECDH-SS + A128KW'],
  [-33, 'ECDH-SS + A192KW'],
  [-34, 'ECDH-SS + A256KW'],
]);

/** The identifier of a name in the registry. */
export function algorithmOf(name: string): number | undefined {
  for (const [id, known] of algorithmNames) if (known === name) return id;
  return undefined;
}

export interface MacAlgorithm {
  readonly hash: HashName;
  readonly keyLength: number;
  readonly tagLength: number;
}

/** HMAC (RFC 9053 Table 3): the key is as long as the hash value. */
export const macAlgorithms: ReadonlyMap<number, MacAlgorithm> = new Map([
  [Algorithm.HMAC_256_64, { hash: 'sha256', keyLength: 32, tagLength: 8 }],
  [Algorithm.HMAC_256, { hash: 'sha256', keyLength: 32, tagLength: 32 }],
  [Algorithm.HMAC_384, { hash: 'sha384', keyLength: 48, tagLength: 48 }],
  [Algorithm.HMAC_512, { hash: 'sha512', keyLength: 64, tagLength: 64 }],
]);

export interface AesMacAlgorithm {
  readonly keyLength: number;
  readonly tagLength: number;
}

/** AES-CBC-MAC (RFC 9053 Table 4). One key is for messages of one length only, so tokens do not use it. */
export const aesMacAlgorithms: ReadonlyMap<number, AesMacAlgorithm> = new Map([
  [Algorithm.AES_MAC_128_64, { keyLength: 16, tagLength: 8 }],
  [Algorithm.AES_MAC_256_64, { keyLength: 32, tagLength: 8 }],
  [Algorithm.AES_MAC_128_128, { keyLength: 16, tagLength: 16 }],
  [Algorithm.AES_MAC_256_128, { keyLength: 32, tagLength: 16 }],
]);

/** Bytes of the key of AES Key Wrap (RFC 9053 Table 13). */
export const keyWrapLengths: ReadonlyMap<number, number> = new Map([
  [Algorithm.A128KW, 16],
  [Algorithm.A192KW, 24],
  [Algorithm.A256KW, 32],
]);

/** How a recipient comes to the key of the layer above it (RFC 9053 Section 6). */
export interface RecipientAlgorithm {
  /** Key agreement: which key of the sender takes part. Absent: the secret is a symmetric key. */
  readonly sender?: 'ephemeral' | 'static';
  /** What turns the secret into a key. Absent: the secret is the key. */
  readonly kdf?: HashName | 'aes-mac';
  /** Bytes that the symmetric key must have, where the algorithm says it. */
  readonly secretLength?: number;
  /** The key wrap that carries the key. Absent: the key is the one agreed or shared (direct). */
  readonly wrap?: number;
}

const es = 'ephemeral';
const ss = 'static';

export const recipientAlgorithms: ReadonlyMap<number, RecipientAlgorithm> = new Map<number, RecipientAlgorithm>([
  [Algorithm.direct, {}],
  [Algorithm.direct_HKDF_SHA_256, { kdf: 'sha256' }],
  [Algorithm.direct_HKDF_SHA_512, { kdf: 'sha512' }],
  [Algorithm.direct_HKDF_AES_128, { kdf: 'aes-mac', secretLength: 16 }],
  [Algorithm.direct_HKDF_AES_256, { kdf: 'aes-mac', secretLength: 32 }],
  [Algorithm.A128KW, { wrap: Algorithm.A128KW, secretLength: 16 }],
  [Algorithm.A192KW, { wrap: Algorithm.A192KW, secretLength: 24 }],
  [Algorithm.A256KW, { wrap: Algorithm.A256KW, secretLength: 32 }],
  [Algorithm.ECDH_ES_HKDF_256, { sender: es, kdf: 'sha256' }],
  [Algorithm.ECDH_ES_HKDF_512, { sender: es, kdf: 'sha512' }],
  [Algorithm.ECDH_SS_HKDF_256, { sender: ss, kdf: 'sha256' }],
  [Algorithm.ECDH_SS_HKDF_512, { sender: ss, kdf: 'sha512' }],
  [Algorithm.ECDH_ES_A128KW, { sender: es, kdf: 'sha256', wrap: Algorithm.A128KW }],
  [Algorithm.ECDH_ES_A192KW, { sender: es, kdf: 'sha256', wrap: Algorithm.A192KW }],
  [Algorithm.ECDH_ES_A256KW, { sender: es, kdf: 'sha256', wrap: Algorithm.A256KW }],
  [Algorithm.ECDH_SS_A128KW, { sender: ss, kdf: 'sha256', wrap: Algorithm.A128KW }],
  [Algorithm.ECDH_SS_A192KW, { sender: ss, kdf: 'sha256', wrap: Algorithm.A192KW }],
  [Algorithm.ECDH_SS_A256KW, { sender: ss, kdf: 'sha256', wrap: Algorithm.A256KW }],
]);

export interface SignatureAlgorithm {
  readonly kty: number;
  readonly curves: readonly number[];
  /** Absent: the algorithm hashes for itself (EdDSA). */
  readonly hash?: HashName;
}

/** Signatures (RFC 9053 Section 2). ES256 with P-256 and so on, as Section 2.1 recommends, so that hash and curve are of one strength; ES256K (RFC 8812 Section 3.2). */
export const signatureAlgorithms: ReadonlyMap<number, SignatureAlgorithm> = new Map([
  [Algorithm.ES256, { kty: KeyType.EC2, curves: [Curve.P256], hash: 'sha256' }],
  [Algorithm.ES384, { kty: KeyType.EC2, curves: [Curve.P384], hash: 'sha384' }],
  [Algorithm.ES512, { kty: KeyType.EC2, curves: [Curve.P521], hash: 'sha512' }],
  [Algorithm.ES256K, { kty: KeyType.EC2, curves: [Curve.secp256k1], hash: 'sha256' }],
  [Algorithm.EdDSA, { kty: KeyType.OKP, curves: [Curve.Ed25519, Curve.Ed448] }],
]);
