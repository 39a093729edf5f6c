import { type CryptoKey, exportJWK, generateKeyPair, type JSONWebKeySet, type JWTHeaderParameters, SignJWT } from 'jose';
import type { AccessTokenClaims, AccessTokenVerifierOptions } from '../../../../../profiles/seal/https/index.ts';

export const issuer = 'https://sims.val.example';
export const audience = 'lm';
/** Seconds since 1970. */
export const start = 1_800_000_000;

export type Algorithm = 'ES256' | 'ES384' | 'EdDSA';
/** Claims that a token has, and those that it has not: `undefined`. */
export type Changes = { readonly [Name in keyof AccessTokenClaims]?: unknown };

/** An issuer: keys of one algorithm, and tokens signed with them. */
export class TokenLab {
  readonly keys: JSONWebKeySet;
  readonly #key: CryptoKey;
  readonly #algorithm: Algorithm;
  readonly kid: string;

  private constructor(keys: JSONWebKeySet, key: CryptoKey, algorithm: Algorithm, kid: string) {
    this.keys = keys;
    this.#key = key;
    this.#algorithm = algorithm;
    this.kid = kid;
  }

  static async make(algorithm: Algorithm = 'ES256', kid = 'k1'): Promise<TokenLab> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm);
    return new TokenLab({ keys: [{ ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' }] }, privateKey, algorithm, kid);
  }

  /** A good token, but for what is changed. */
  token(changes: Changes = {}, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
    return new SignJWT({ ...claims(start), ...changes } as never)
      .setProtectedHeader({ alg: this.#algorithm, typ: 'at+jwt', kid: this.kid, ...header })
      .sign(this.#key);
  }

  /** Signed as they stand, whatever they say. */
  async signed(header: string, payload: string): Promise<string> {
    const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`;
    const signature = await crypto.subtle.sign(this.#algorithm === 'EdDSA' ? 'Ed25519' : { name: 'ECDSA', hash: 'SHA-256' }, this.#key, Buffer.from(input));
    return `${input}.${Buffer.from(signature).toString('base64url')}`;
  }

  options(more: Partial<AccessTokenVerifierOptions> = {}): AccessTokenVerifierOptions {
    return { issuer, audience, keys: this.keys, env: { now: () => 0, epoch: () => start }, ...more };
  }
}

/** Those of a token that was issued a minute ago, for five minutes. */
export function claims(now: number): AccessTokenClaims {
  return {
    iss: issuer,
    sub: 'val-a',
    aud: audience,
    exp: now + 240,
    iat: now - 60,
    jti: 'j1',
    scope: 'location key-management',
    client_id: 'val-a.example',
    val_service_ids: ['v2x'],
  };
}
