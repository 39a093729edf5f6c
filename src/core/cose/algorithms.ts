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
