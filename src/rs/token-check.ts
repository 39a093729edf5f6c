import { AceError, AceErrorCode, type Permissions, type Scope } from '../ace/index.ts';
import { Code } from '../coap/index.ts';
import { type ClaimsSet, openCwt, type TokenKey } from '../core/cwt.ts';
import { timeOf } from '../core/cwt-times.ts';
import { ProtocolError } from '../core/errors.ts';
import type { ClientNonces } from './client-nonce.ts';
import type { Scopes } from './scopes.ts';

/** An AS that may issue tokens for this RS. */
export interface IssuerRegistration {
  /** What an `iss` claim has to say. Absent: the `uri`. */
  readonly issuer?: string;
  /** Absolute URI of the token endpoint, as clients are told it. */
  readonly uri: string;
  /** What protects its tokens. A key that is here for one issuer must not be here for another. */
  readonly tokenKeys: readonly (TokenKey & {
    /** Seconds since 1970 from which on it opens no token any more: the end of the last one that was made with it. Absent: never. */
    readonly until?: number;
  })[];
  /** The profile of the channel to it; the first of the RS when absent. */
  readonly profile?: number;
  /** What that profile takes as credentials of an AS. Needed where it uploads tokens itself (experiment `token-upload`). */
  readonly credentials?: unknown;
}

/** Throws `AceError` with the response code for claims that are not enough. */
export type TokenDemand = (claims: ClaimsSet, issuer: string) => void;

export interface TokenCheckOptions {
  /** Those of the moment. */
  readonly issuers: () => readonly IssuerRegistration[];
  readonly audiences: ReadonlySet<string>;
  readonly scopes: Scopes;
  /** Whether a scope of bytes is read as AIF (RFC 9237). */
  readonly aif: boolean;
  /** Seconds by which the clocks of an issuer and this RS may differ. */
  readonly leeway: number;
  /** Present: a token needs a fresh cnonce (RFC 9200, Section 5.3.1). */
  readonly nonces: ClientNonces | undefined;
  /** What a deployment demands beyond RFC 9200. */
  readonly demand: TokenDemand | undefined;
}

export interface OpenToken {
  readonly claims: ClaimsSet;
  /** The name of the issuer. */
  readonly issuer: string;
}

export interface CheckedToken {
  readonly claims: ClaimsSet;
  /** The name of the issuer. */
  readonly issuer: string;
  readonly scope: Scope;
  readonly permissions: Permissions;
}

export function issuerName(registration: IssuerRegistration): string {
  return registration.issuer ?? registration.uri;
}

function refuse(code: string, responseCode: number, message: string, error?: number): AceError {
  return new AceError(code, message, { responseCode, ...(error === undefined ? {} : { error }) });
}

/** Where the security wrapper fails it is 4.01; where the bytes are no token, or hold no claims that can be read, 4.00. */
const wrapperCodes: ReadonlyMap<string, number> = new Map([
  ['ERR_CWT_KEY', Code.Unauthorized],
  ['ERR_CWT_PROTECTION', Code.Unauthorized],
]);

/**
 * Check the claims of an access token, in the order and with the codes of RFC 9200, Section 5.10.1.1; its protection is checked before.
 *
 * Stricter than the RFC: a token that never ends (neither `exp` nor `exi`) or that is for nobody in particular (no `aud`) is refused as one that has expired
 * or is for another. What a deployment demands comes first, as claims that are not there cannot be
 * checked. Whether the key in `cnf` fits is left to the profile, and `exi` to whoever counts.
 *
 * @throws {AceError} `ERR_RS_ISSUER`, `ERR_RS_EXPIRED`, `ERR_RS_NOT_YET`, `ERR_RS_AUDIENCE`, `ERR_RS_SCOPE`, `ERR_RS_CNONCE`
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.10.1.1
 */
export function checkClaims({ claims, issuer }: OpenToken, epoch: number, options: TokenCheckOptions): CheckedToken {
  options.demand?.(claims, issuer);
  if (claims.iss !== undefined && claims.iss !== issuer) {
    throw refuse('ERR_RS_ISSUER', Code.Unauthorized, 'expected iss to be the AS whose key protects the token, got another');
  }
  if (claims.exp === undefined && claims.exi === undefined)
    throw refuse('ERR_RS_EXPIRED', Code.Unauthorized, 'expected a token that ends, got neither exp nor exi');
  const time = timeOf(claims, epoch, { leeway: options.leeway, leewayCap: options.leeway });
  if (time === 'expired') throw refuse('ERR_RS_EXPIRED', Code.Unauthorized, 'the token has expired');
  if (time === 'not-yet') throw refuse('ERR_RS_NOT_YET', Code.Unauthorized, 'the token is not valid yet');
  const audiences = typeof claims.aud === 'string' ? [claims.aud] : (claims.aud ?? []);
  if (!audiences.some((audience) => options.audiences.has(audience))) throw refuse('ERR_RS_AUDIENCE', Code.Forbidden, 'the token is for another audience');
  const { scope, permissions } = readScope(claims.scope, options);
  if (options.nonces !== undefined && (claims.cnonce === undefined || !options.nonces.isFresh(claims.cnonce))) {
    throw refuse('ERR_RS_CNONCE', Code.Unauthorized, 'expected a fresh cnonce');
  }
  return { claims, issuer, scope, permissions };
}

/**
 * The claims of a token, and whose key protects it.
 *
 * @throws {AceError} `ERR_RS_TOKEN_FORMAT`, 4.00; `ERR_RS_TOKEN_PROTECTION`, 4.01
 */
export function openToken(token: Uint8Array, epoch: number, issuers: readonly IssuerRegistration[]): OpenToken {
  try {
    const keys = issuers.flatMap((issuer) => issuer.tokenKeys).filter(({ until = Number.POSITIVE_INFINITY }) => epoch < until);
    const { claims, key } = openCwt(token, keys);
    return { claims, issuer: issuerName(issuers.find((issuer) => issuer.tokenKeys.includes(key))!) };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const responseCode = wrapperCodes.get(error.code);
    if (responseCode !== undefined) {
      throw new AceError('ERR_RS_TOKEN_PROTECTION', 'expected a token that an AS of this resource server protects', { responseCode, cause: error });
    }
    throw new AceError('ERR_RS_TOKEN_FORMAT', error.message, { responseCode: Code.BadRequest, error: AceErrorCode.invalid_request, cause: error });
  }
}

function readScope(scope: Scope | undefined, options: TokenCheckOptions): { readonly scope: Scope; readonly permissions: Permissions } {
  if (scope === undefined) throw refuse('ERR_RS_SCOPE', Code.BadRequest, 'expected a scope, got none', AceErrorCode.invalid_scope);
  if (typeof scope !== 'string' && !options.aif) {
    throw refuse('ERR_RS_SCOPE', Code.BadRequest, 'expected a scope of names, got bytes', AceErrorCode.invalid_scope);
  }
  try {
    return { scope: typeof scope === 'string' ? scope : scope.slice(), permissions: options.scopes.permissionsOf(scope) };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new AceError('ERR_RS_SCOPE', error.message, { responseCode: Code.BadRequest, error: AceErrorCode.invalid_scope, cause: error });
  }
}
