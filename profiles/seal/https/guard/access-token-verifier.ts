import { compactVerify, errors } from 'jose';
import { jwtHashes, tokenHashText } from '../../../../src/ace/index.ts';
import { fromBase64Url, toBase64Url } from '../../../../src/core/bytes.ts';
import type { Env } from '../../../../src/core/env.ts';
import { longestLeeway } from '../../seal-server.ts';
import { type AccessTokenClaims, accessTokenClaims, type TokenProfile } from './access-token-claims.ts';
import { BearerError } from './bearer-error.ts';
import { IssuerKeys, type KeySource } from './issuer-keys.ts';
import { type JsonObject, strictJsonObject } from './strict-json.ts';

/** Tells good access tokens from others. */
export interface AccessTokenVerifier {
  /** @throws {BearerError} what is wrong with it */
  verify(token: string): Promise<AccessTokenClaims>;
}

/** What access tokens are verified against. */
export interface AccessTokenVerifierOptions {
  readonly issuer: string;
  /** This resource server, as the tokens name it. */
  readonly audience: string;
  /** With it, tokens are to be of this VAL system. */
  readonly valSystem?: string;
  /** Public keys of the issuer. Those that have to be asked for are kept for ten minutes, and asked for anew when a token names another. */
  readonly keys: KeySource;
  /** Seconds by which clocks may differ, at most 30 (TS 33.434, A.2.2.2); none when absent. */
  readonly leeway?: number;
  /** `rfc9068` when absent. Tokens of `capif` need less: a type, an audience and an identifier of theirs count where they are there. */
  readonly profile?: TokenProfile;
  readonly env: Pick<Env, 'now' | 'epoch'>;
  /** Whether a token with this hash, as `tokenHashText` makes it, was revoked. */
  readonly isRevoked?: (tokenHash: string) => boolean | Promise<boolean>;
}

/**
 * A verifier of access tokens that are JWTs (TS 33.434, A.7.2; RFC 9068): signed with ES256, ES384 or EdDSA by a key of the issuer, and of type `at+jwt`. Those of
 * the profile `capif` may be signed with PS256 or RS256.
 *
 * @throws {RangeError} for a leeway that is longer
 * @throws {TypeError} for keys that are none
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-4
 */
export function accessTokenVerifier(options: AccessTokenVerifierOptions): AccessTokenVerifier {
  return new Verifier(options);
}

/** None whose key is a secret, and not `none`. */
const elliptic = ['ES256', 'ES384', 'EdDSA'];
/** TS 33.122 names none; core functions sign with RSA too. */
const algorithmsOf: Readonly<Record<TokenProfile, readonly string[]>> = { rfc9068: elliptic, capif: [...elliptic, 'PS256', 'RS256'] };
const types = ['at+jwt', 'application/at+jwt'];
/** A key of the token's own choice, what is critical or not signed as it stands, and what is no claims set (RFC 8725, Sections 3.1 to 3.11). */
const unwanted = ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'cty', 'enc', 'zip'];
/** Characters of a token. */
const longestToken = 8192;
/** Tokens whose signature need not be verified again. */
const mostSeen = 1024;

/** What a signature vouches for. */
interface Seen {
  readonly claims: AccessTokenClaims;
  readonly hashes: readonly string[];
}

class Verifier implements AccessTokenVerifier {
  readonly #options: AccessTokenVerifierOptions;
  readonly #leeway: number;
  readonly #keys: IssuerKeys;
  /** By token hash, the one that was used last at the end. When keys change it is another map, so that what an old key vouches for meanwhile is not kept. */
  #seen = new Map<string, Seen>();

  constructor(options: AccessTokenVerifierOptions) {
    const { leeway = 0, keys, env } = options;
    if (!(leeway >= 0 && leeway <= longestLeeway)) {
      throw new RangeError(`leeway: expected 0 to ${longestLeeway} seconds (TS 33.434, A.2.2.2), got ${leeway}`);
    }
    this.#options = options;
    this.#leeway = leeway;
    this.#keys = new IssuerKeys(keys, env, () => {
      this.#seen = new Map();
    });
  }

  async verify(token: string): Promise<AccessTokenClaims> {
    const { claims, hashes } = await this.#signed(token);
    this.#check(claims);
    for (const hash of hashes) if (await this.#isRevoked(hash)) throw new BearerError('revoked', 'the token was revoked');
    return claims;
  }

  async #signed(token: string): Promise<Seen> {
    if (token.length > longestToken) throw new BearerError('malformed', `expected at most ${longestToken} characters, got ${token.length}`);
    const hash = tokenHashText(token);
    // What a key has vouched for counts for no longer than the key.
    if (this.#seen.has(hash)) await this.#keys.refresh();
    const all = this.#seen;
    const seen = all.get(hash) ?? (await this.#open(token));
    all.delete(hash);
    all.set(hash, seen);
    if (all.size > mostSeen) all.delete(all.keys().next().value!);
    return seen;
  }

  async #open(token: string): Promise<Seen> {
    const parts = token.split('.');
    if (parts.length === 5) throw new BearerError('algorithm', 'expected a token that is signed, got one that is encrypted');
    if (parts.length !== 3) throw new BearerError('malformed', `expected three parts, got ${parts.length}`);
    const [head, body] = parts.map(bytesOf) as [Uint8Array, Uint8Array, Uint8Array];
    const { alg, kid } = headerOf(strictJsonObject(head), this.#options.profile);
    const all = strictJsonObject(body);
    if (all === undefined) throw new BearerError('malformed', 'claims: expected an object in JSON that has each of its members once, got something else');
    const key = await this.#keys.find({ alg, ...(kid === undefined ? {} : { kid }) });
    try {
      await compactVerify(token, key, { algorithms: [alg] });
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause;
      throw new BearerError('signature', 'expected the signature of the issuer, got another', { cause });
    }
    return { claims: accessTokenClaims(all, this.#options.profile), hashes: jwtHashes(token, alg) };
  }

  #check({ iss, aud, exp, iat, nbf = iat, val_system_id: valSystemId }: AccessTokenClaims): void {
    const { issuer, audience, valSystem, env, profile } = this.#options;
    const now = env.epoch();
    if (iss !== issuer) throw new BearerError('issuer', 'iss: expected the issuer of this resource server, got another');
    const hasAudience = profile !== 'capif' || aud.length > 0;
    if (hasAudience && (typeof aud === 'string' ? aud !== audience : !aud.includes(audience)))
      throw new BearerError('audience', 'aud: expected this resource server, got another');
    if (now >= exp + this.#leeway) throw new BearerError('expired', 'the token has expired');
    if (Math.max(iat, nbf) > now + this.#leeway) throw new BearerError('claims', 'iat, nbf: expected a time that is past, got one to come');
    if (valSystem !== undefined && valSystemId !== valSystem) throw new BearerError('claims', 'val_system_id: expected this VAL system, got another, or none');
  }

  async #isRevoked(hash: string): Promise<boolean> {
    try {
      return (await this.#options.isRevoked?.(hash)) ?? false;
    } catch (cause) {
      throw new BearerError('unavailable', 'expected to learn whether the token was revoked, got no answer', { cause });
    }
  }
}

/** Bytes have one base64url, so that a token that was revoked has no second form. */
function bytesOf(part: string): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = fromBase64Url(part);
  } catch {
    // Said below.
  }
  if (bytes === undefined || toBase64Url(bytes) !== part) throw new BearerError('malformed', 'expected base64url in its one form, got something else');
  return bytes;
}

function headerOf(header: JsonObject | undefined, profile: TokenProfile = 'rfc9068'): { readonly alg: string; readonly kid: string | undefined } {
  if (header === undefined) throw new BearerError('malformed', 'header: expected an object in JSON that has each of its members once, got something else');
  const { alg, typ, kid } = header;
  const algorithms = algorithmsOf[profile];
  if (typeof alg !== 'string' || !algorithms.includes(alg)) throw new BearerError('algorithm', `alg: expected ${algorithms.join(', ')}, got another`);
  const isPlain = profile === 'capif' && (typ === undefined || (typeof typ === 'string' && typ.toUpperCase() === 'JWT'));
  if (!isPlain && (typeof typ !== 'string' || !types.includes(typ.toLowerCase()))) throw new BearerError('malformed', 'typ: expected at+jwt, got another');
  const found = unwanted.find((name) => Object.hasOwn(header, name));
  if (found !== undefined) throw new BearerError('malformed', `${found}: expected none in the header, got one`);
  if (kid !== undefined && typeof kid !== 'string') throw new BearerError('malformed', 'kid: expected a text, got something else');
  return { alg, kid };
}
