import { compactVerify, errors } from 'jose';
import { toBase64Url, utf8 } from '../../../../src/core/bytes.ts';
import { digest, type HashName } from '../../../../src/core/crypto/index.ts';
import { valClaims } from '../../val-claims.ts';
import { BearerError } from '../guard/bearer-error.ts';
import type { IssuerKeys } from '../guard/issuer-keys.ts';
import type { JsonObject } from '../guard/strict-json.ts';
import { jsonObject, OpenIdError } from './openid-error.ts';

/** What an ID token is checked against. */
export interface IdTokenChecks {
  readonly issuer: string;
  readonly clientId: string;
  /** Of the authorization request. */
  readonly nonce: string;
  /** What came with it. */
  readonly accessToken: string;
  readonly keys: IssuerKeys;
  /** Seconds since 1970. */
  readonly now: number;
  /** Seconds, at most 30. */
  readonly leeway: number;
  /** After a refresh, the one of the login: it stays the same, and there need be no nonce (OpenID Connect Core, Section 12.2). */
  readonly subject?: string;
}

/** No `none`, and none whose key is a secret. Each with the hash of its `at_hash`. */
const algorithms: Readonly<Record<string, HashName>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  EdDSA: 'sha512',
  Ed25519: 'sha512',
  PS256: 'sha256',
  RS256: 'sha256',
};

/** Bytes of `sub` (TS 33.434, A.2.1.2). */
const longestSubject = 255;

function wrong(what: string): OpenIdError {
  return new OpenIdError('ERR_OPENID_ID_TOKEN', `ID token: ${what}`);
}

/**
 * Validate an ID token, and give its claims.
 *
 * @throws {OpenIdError} `ERR_OPENID_ID_TOKEN`
 * @see https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
 */
export async function validateIdToken(idToken: string, checks: IdTokenChecks): Promise<JsonObject> {
  const { all, alg } = await verified(idToken, checks.keys);
  const { iss, sub, aud, azp, exp, iat, nonce, at_hash: atHash } = all;
  const { issuer, clientId, now, leeway, subject } = checks;
  if (iss !== issuer) throw wrong('iss: expected the issuer that was asked, got another');
  if (typeof sub !== 'string' || sub === '' || utf8(sub).length > longestSubject) throw wrong(`sub: expected 1 to ${longestSubject} bytes, got others`);
  if (subject !== undefined && sub !== subject) throw wrong('sub: expected the one of the login, got another');
  const audiences = typeof aud === 'string' ? [aud] : aud;
  if (!isTexts(audiences) || !audiences.includes(clientId)) throw wrong('aud: expected the client among them, got others');
  // Core §3.1.3.7, steps 4 and 5.
  if (azp !== undefined ? azp !== clientId : audiences.length > 1) throw wrong('azp: expected the client, got another, or none beside several audiences');
  if (!isTime(exp) || now >= exp + leeway) throw wrong('exp: expected a time to come, got another');
  if (!isTime(iat) || iat > now + leeway) throw wrong('iat: expected a time that is past, got another');
  if (nonce !== checks.nonce && !(nonce === undefined && subject !== undefined)) throw wrong('nonce: expected the one that was sent, got another');
  if (atHash !== undefined && atHash !== halfHash(algorithms[alg]!, checks.accessToken)) throw wrong('at_hash: expected that of the access token, got another');
  return all;
}

/** The VAL services that a user may use (TS 33.434, Table 5.2.3-1). */
export function valServiceIdsOf(claims: JsonObject): readonly string[] {
  const services = claims[valClaims.valServiceIds.name];
  return isTexts(services) ? services : [];
}

async function verified(idToken: string, keys: IssuerKeys): Promise<{ readonly all: JsonObject; readonly alg: string }> {
  const result = await compactVerify(idToken, (header) => keys.find(header), { algorithms: Object.keys(algorithms) }).catch((cause: unknown) => {
    if (cause instanceof BearerError && cause.reason === 'unavailable') throw new OpenIdError('ERR_OPENID_METADATA', cause.message, { cause });
    if (!(cause instanceof BearerError || cause instanceof errors.JOSEError)) throw cause;
    throw new OpenIdError('ERR_OPENID_ID_TOKEN', 'ID token: expected one that the SIM-S has signed, got another', { cause });
  });
  const { crit, alg } = result.protectedHeader;
  // RFC 7797 §7: a JWT has no b64, and there is nothing else that would have to be understood.
  if (crit !== undefined) throw wrong('crit: expected none, got some');
  return { all: jsonObject('ERR_OPENID_ID_TOKEN', 'ID token', result.payload), alg };
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

/** Core §3.1.3.6. */
function halfHash(hash: HashName, text: string): string {
  const bytes = digest(hash, utf8(text));
  return toBase64Url(bytes.subarray(0, bytes.length / 2));
}
