import { Code } from '../coap/index.ts';
import { type CborMap, decode, encode } from '../core/cbor.ts';
import { type Confirmation, decodeConfirmation, encodeConfirmation } from '../core/cwt.ts';
import { type Known, readKnownMap, writeKnownMap } from '../core/known-map.ts';
import { AceError, refuseBadFormat, refuseTextKeys } from './error.ts';
import { tokenParameters } from './params.ts';
import type { Scope } from './scope.ts';

/** A request to the token endpoint. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.1 */
export interface TokenRequest {
  /** Absent: client_credentials. */
  readonly grantType?: number;
  readonly audience?: string;
  readonly scope?: Scope;
  readonly reqCnf?: Confirmation;
  /** `null`: "tell me the profile". */
  readonly aceProfile?: number | null;
  readonly cnonce?: Uint8Array;
  readonly clientId?: string;
  readonly clientSecret?: Uint8Array;
  readonly code?: Uint8Array;
  readonly redirectUri?: string;
  readonly refreshToken?: Uint8Array;
  readonly username?: string;
  readonly password?: string;
  /** Parameters that the registry does not have, or that have no meaning in a request. */
  readonly unknown?: CborMap;
}

const requestSpec = {
  grantType: tokenParameters.grantType,
  audience: tokenParameters.audience,
  scope: tokenParameters.scope,
  reqCnf: tokenParameters.reqCnf,
  aceProfile: tokenParameters.aceProfile,
  cnonce: tokenParameters.cnonce,
  clientId: tokenParameters.clientId,
  clientSecret: tokenParameters.clientSecret,
  code: tokenParameters.code,
  redirectUri: tokenParameters.redirectUri,
  refreshToken: tokenParameters.refreshToken,
  username: tokenParameters.username,
  password: tokenParameters.password,
} as const;

const requestForms = { reqCnf: encodeConfirmation } as const;

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.1 */
export function encodeTokenRequest(request: TokenRequest): Uint8Array {
  return encode(withUnknown(writeKnownMap(requestSpec, request, requestForms), request.unknown));
}

/**
 * Read a token request. Unknown parameters are kept apart, as OAuth wants them ignored (RFC 6749, Section 3.2); a wrong type or a text key is refused.
 *
 * @throws {AceError} `ERR_ACE_FORMAT`, 4.00 with invalid_request
 */
export function decodeTokenRequest(payload: Uint8Array): TokenRequest {
  return refuseBadFormat(() => {
    const { known, unknown } = readKnownMap('token request', requestSpec, refuseTextKeys('token request', decode(payload)));
    if (known.reqCnf === undefined && unknown.size === 0) return known as TokenRequest;
    const { reqCnf, ...fields } = known;
    return { ...fields, ...(reqCnf === undefined ? {} : { reqCnf: decodeConfirmation(reqCnf) }), ...(unknown.size === 0 ? {} : { unknown }) };
  });
}

/** The access information that the AS answers with. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.2 */
export interface TokenResponse {
  readonly accessToken: Uint8Array;
  /** Seconds. */
  readonly expiresIn?: number;
  /** Present where it differs from what was asked. */
  readonly scope?: Scope;
  readonly cnf?: Confirmation;
  readonly rsCnf?: Confirmation;
  /** Absent: PoP. */
  readonly tokenType?: number;
  readonly aceProfile?: number;
  readonly refreshToken?: Uint8Array;
  readonly state?: string;
  readonly unknown?: CborMap;
}

/** Access information with the token or, where the RS has that already, without it. */
export type AccessInformation = Omit<TokenResponse, 'accessToken'> & Partial<Pick<TokenResponse, 'accessToken'>>;

const informationSpec = {
  accessToken: tokenParameters.accessToken,
  expiresIn: tokenParameters.expiresIn,
  scope: tokenParameters.scope,
  cnf: tokenParameters.cnf,
  rsCnf: tokenParameters.rsCnf,
  tokenType: tokenParameters.tokenType,
  // null means "tell me" and stands in requests only (RFC 9200, Section 5.8.4.3).
  aceProfile: { ...tokenParameters.aceProfile, type: 'int' },
  refreshToken: tokenParameters.refreshToken,
  state: tokenParameters.state,
} as const;
const responseSpec = { ...informationSpec, accessToken: { ...tokenParameters.accessToken, required: true } } as const;

const informationForms = { cnf: encodeConfirmation, rsCnf: encodeConfirmation } as const;

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.2 */
export function encodeTokenResponse(response: AccessInformation): Uint8Array {
  return encode(withUnknown(writeKnownMap(informationSpec, response, informationForms), response.unknown));
}

/** @throws {AceError} `ERR_ACE_FORMAT` */
export function decodeTokenResponse(payload: Uint8Array): TokenResponse {
  return refuseBadFormat(() => {
    const { known, unknown } = readKnownMap('token response', responseSpec, refuseTextKeys('token response', decode(payload)));
    return informationOf(known, unknown);
  });
}

/** A token response that may be without a token. @throws {AceError} `ERR_ACE_FORMAT` */
export function decodeAccessInformation(payload: Uint8Array): AccessInformation {
  return refuseBadFormat(() => {
    const { known, unknown } = readKnownMap('token response', informationSpec, refuseTextKeys('token response', decode(payload)));
    return informationOf(known, unknown);
  });
}

/** @throws {AceError} `ERR_ACE_FORMAT` where there is no token */
export function tokenResponseOf({ accessToken, ...information }: AccessInformation): TokenResponse {
  if (accessToken !== undefined) return { accessToken, ...information };
  throw new AceError('ERR_ACE_FORMAT', 'token response: expected access_token, got none', { responseCode: Code.Created });
}

function informationOf<T extends Known<typeof informationSpec>>(
  { cnf, rsCnf, ...fields }: T,
  unknown: CborMap,
): Omit<T, 'cnf' | 'rsCnf'> & Pick<TokenResponse, 'cnf' | 'rsCnf' | 'unknown'> {
  return {
    ...fields,
    ...(cnf === undefined ? {} : { cnf: decodeConfirmation(cnf) }),
    ...(rsCnf === undefined ? {} : { rsCnf: decodeConfirmation(rsCnf) }),
    ...(unknown.size === 0 ? {} : { unknown }),
  };
}

/** The map with the parameters that only the sender knows; the encoder puts the keys in order. */
export function withUnknown(map: CborMap, unknown: CborMap | undefined): CborMap {
  return unknown === undefined || unknown.size === 0 ? map : new Map([...map, ...unknown]);
}
