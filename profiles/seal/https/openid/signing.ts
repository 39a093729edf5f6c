import { createPrivateKey, type JsonWebKey, sign } from 'node:crypto';
import type { TimedTokenKey } from '../../../../src/as/index.ts';
import { toBase64Url, utf8 } from '../../../../src/core/bytes.ts';
import { Algorithm, type CoseKey, Curve } from '../../../../src/core/cose/index.ts';
import { affineY, digest } from '../../../../src/core/crypto/index.ts';

/** Signature algorithms of tokens: by COSE, the names that JWS has for them (RFC 7518, RFC 8037). */
const algorithms: ReadonlyMap<number, { readonly alg: string; readonly hash: string | null }> = new Map([
  [Algorithm.ES256, { alg: 'ES256', hash: 'sha256' }],
  [Algorithm.ES384, { alg: 'ES384', hash: 'sha384' }],
  [Algorithm.EdDSA, { alg: 'EdDSA', hash: null }],
]);
const curves: ReadonlyMap<number, { readonly kty: string; readonly crv: string }> = new Map([
  [Curve.P256, { kty: 'EC', crv: 'P-256' }],
  [Curve.P384, { kty: 'EC', crv: 'P-384' }],
  [Curve.Ed25519, { kty: 'OKP', crv: 'Ed25519' }],
]);

/** A key that signs JWTs. */
export interface JwtKey {
  readonly alg: string;
  /** As it is published. Its `kid` is its thumbprint (RFC 7638). */
  readonly publicJwk: JsonWebKey;
  readonly privateJwk: JsonWebKey;
  /** A JWT in compact form (RFC 7515, Section 7.1). @param type - `undefined`: its header names none */
  sign(type: string | undefined, claims: object): string;
}

const made = new WeakMap<CoseKey, JwtKey>();

/** Whether a token key can sign JWTs: it signs, by an algorithm that JWS has, and its private part is there. */
export function signsJwt({ use, algorithm, key }: TimedTokenKey): boolean {
  return use === 'sign1' && algorithms.has(algorithm) && curves.has(key.crv ?? 0) && key.d !== undefined;
}

/** The same key as JOSE has it; made once. */
export function jwtKeyOf({ algorithm, key }: TimedTokenKey): JwtKey {
  const known = made.get(key);
  if (known !== undefined) return known;
  const { alg, hash } = algorithms.get(algorithm)!;
  const { kty, crv } = curves.get(key.crv!)!;
  const coordinates = { x: toBase64Url(key.x!), ...(kty === 'EC' ? { y: toBase64Url(affineY(key)) } : {}) };
  // RFC 7638 §3.2: the required members, by name.
  const kid = toBase64Url(digest('sha256', utf8(JSON.stringify({ crv, kty, ...coordinates }))));
  const publicJwk = { kty, crv, ...coordinates, use: 'sig', alg, kid };
  const privateJwk = { ...publicJwk, d: toBase64Url(key.d!) };
  const headers = new Map<string | undefined, string>();
  const headerOf = (typ: string | undefined): string => {
    const header = headers.get(typ) ?? encodeJson({ alg, typ, kid });
    headers.set(typ, header);
    return header;
  };
  const signing = { key: createPrivateKey({ key: privateJwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
  const result: JwtKey = {
    alg,
    publicJwk,
    privateJwk,
    sign(type, claims) {
      const input = `${headerOf(type)}.${encodeJson(claims)}`;
      return `${input}.${toBase64Url(sign(hash, utf8(input), signing))}`;
    },
  };
  made.set(key, result);
  return result;
}

const encodeJson = (value: object): string => toBase64Url(utf8(JSON.stringify(value)));
