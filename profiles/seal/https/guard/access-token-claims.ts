import { utf8 } from '../../../../src/core/bytes.ts';
import { valClaims } from '../../val-claims.ts';
import { BearerError } from './bearer-error.ts';
import type { JsonObject } from './strict-json.ts';

/**
 * The claims of an access token that is a JWT (TS 33.434, A.2.2; RFC 9068), named as they stand in it. Times are seconds since 1970.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-2.2
 */
export interface AccessTokenClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  readonly jti: string;
  /** Names with one space between two. */
  readonly scope: string;
  readonly client_id: string;
  readonly val_user_id?: string;
  readonly val_ue_id?: string;
  readonly val_service_ids?: readonly string[];
  readonly val_system_id?: string;
  /** The bearer may provision key material (TS 33.434 v19, Table A.2.2.3-1). */
  readonly SKeyProv?: boolean;
  /** With it the token is for whoever has this certificate (RFC 8705, Section 3.1). */
  readonly cnf?: { readonly 'x5t#S256': string };
  /** The resource owner who agreed (TS 33.122, RNAA). */
  readonly resOwnerId?: string;
}

type Test = (value: unknown) => boolean;

/** Characters that a text may have, so that it can stand in a log. */
const printable = /^[^\p{Cc}\p{Cs}]+$/u;
/** RFC 6749, Section 3.3. */
const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const thumbprintForm = /^[\w-]{43}$/;
/** Bytes of a name (TS 33.434, A.2.1.2, of `sub`). */
const longestName = 255;

const isName: Test = (value) => typeof value === 'string' && printable.test(value) && utf8(value).length <= longestName;
const isNames: Test = (value) => Array.isArray(value) && value.length > 0 && value.every(isName);
/** A fraction of a second is of no use, and one more form to get wrong. */
const isTime: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isScope: Test = (value) => typeof value === 'string' && scopeForm.test(value);
/** A token that is bound to something else as well is none that a certificate alone opens. */
const isCertificate: Test = (value) => isOnly(value, 'x5t#S256') && thumbprintForm.test(String(value['x5t#S256']));

const required: Readonly<Record<string, Test>> = {
  iss: isName,
  sub: isName,
  aud: (value) => isName(value) || isNames(value),
  exp: isTime,
  iat: isTime,
  jti: isName,
  scope: isScope,
  client_id: isName,
};

const optional: Readonly<Record<string, Test>> = {
  nbf: isTime,
  [valClaims.valUserId.name]: isName,
  [valClaims.valUeId.name]: isName,
  [valClaims.valServiceIds.name]: (value) => isNames(value) || (Array.isArray(value) && value.length === 0),
  [valClaims.valSystemId.name]: isName,
  [valClaims.sKeyProv.name]: (value) => typeof value === 'boolean',
  cnf: isCertificate,
  resOwnerId: isName,
};

/** Which claims a token has to have: those of RFC 9068, or those of a core function of CAPIF (TS 33.122, C.2.2; TS 29.222, AccessTokenClaims). */
export type TokenProfile = 'rfc9068' | 'capif';

const needed: Readonly<Record<TokenProfile, readonly string[]>> = { rfc9068: Object.keys(required), capif: ['iss', 'exp', 'client_id', 'scope'] };

/**
 * The claims of a token, each of its type; what else stands in it is passed over. A token of CAPIF that names no subject is the client's, and one that names no
 * audience has an empty one: its scope names the AEFs.
 *
 * @throws {BearerError} `claims`
 */
export function accessTokenClaims(all: JsonObject, profile: TokenProfile = 'rfc9068'): AccessTokenClaims {
  const claims: Record<string, unknown> = profile === 'capif' ? { sub: all['client_id'], aud: [], iat: 0, jti: '' } : {};
  for (const [name, test] of Object.entries({ ...required, ...optional })) {
    const value = Object.hasOwn(all, name) ? all[name] : undefined;
    if (value === undefined && !needed[profile].includes(name)) continue;
    if (!test(value)) throw new BearerError('claims', `${name}: expected ${value === undefined ? 'one, got none' : 'another form than the token has'}`);
    claims[name] = value;
  }
  return claims as unknown as AccessTokenClaims;
}

function isOnly<Name extends string>(value: unknown, name: Name): value is Readonly<Record<Name, unknown>> {
  return typeof value === 'object' && value !== null && Object.keys(value).join() === name && Object.hasOwn(value, name);
}
