import { Code } from '../coap/index.ts';
import { type CborMap, decode, encode } from '../core/cbor.ts';
import { type Confirmation, decodeConfirmation, encodeConfirmation } from '../core/cwt.ts';
import { readKnownMap, writeKnownMap } from '../core/known-map.ts';
import { AceError, AceErrorCode, refuseBadFormat, refuseTextKeys } from './error.ts';
import { introspectionParameters } from './params.ts';
import type { Scope } from './scope.ts';
import { withUnknown } from './token.ts';

/** A request to the introspection endpoint. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9.1 */
export interface IntrospectionRequest {
  readonly token: Uint8Array;
  /** A number as in Figure 9, or a text as in Table 6. */
  readonly tokenTypeHint?: number | string;
  readonly unknown?: CborMap;
}

const requestSpec = {
  token: { ...introspectionParameters.token, required: true },
  tokenTypeHint: introspectionParameters.tokenTypeHint,
} as const;

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9.1 */
export function encodeIntrospectionRequest(request: IntrospectionRequest): Uint8Array {
  const { unknown, ...fields } = request;
  return encode(withUnknown(writeKnownMap(requestSpec, fields), unknown));
}

/** @throws {AceError} `ERR_ACE_FORMAT`, 4.00 with invalid_request */
export function decodeIntrospectionRequest(payload: Uint8Array): IntrospectionRequest {
  return refuseBadFormat(() => {
    const { known, unknown } = readKnownMap('introspection request', requestSpec, refuseTextKeys('introspection request', decode(payload)));
    return { ...known, ...(unknown.size === 0 ? {} : { unknown }) };
  });
}

/** What the AS says of a token. Only `active` is there when it is not. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9.2 */
export interface IntrospectionResponse {
  readonly active: boolean;
  readonly iss?: string;
  readonly sub?: string;
  readonly aud?: string | readonly string[];
  /** Seconds since 1970. */
  readonly exp?: number;
  readonly nbf?: number;
  readonly iat?: number;
  readonly cti?: Uint8Array;
  readonly cnf?: Confirmation;
  readonly scope?: Scope;
  readonly clientId?: string;
  readonly tokenType?: number;
  readonly username?: string;
  readonly aceProfile?: number;
  readonly cnonce?: Uint8Array;
  /** Seconds. */
  readonly exi?: number;
  readonly unknown?: CborMap;
}

const responseSpec = {
  active: { ...introspectionParameters.active, required: true },
  iss: introspectionParameters.iss,
  sub: introspectionParameters.sub,
  aud: introspectionParameters.aud,
  exp: introspectionParameters.exp,
  nbf: introspectionParameters.nbf,
  iat: introspectionParameters.iat,
  cti: introspectionParameters.cti,
  cnf: introspectionParameters.cnf,
  scope: introspectionParameters.scope,
  clientId: introspectionParameters.clientId,
  tokenType: introspectionParameters.tokenType,
  username: introspectionParameters.username,
  aceProfile: introspectionParameters.aceProfile,
  cnonce: introspectionParameters.cnonce,
  exi: introspectionParameters.exi,
} as const;

const responseForms = { cnf: encodeConfirmation } as const;

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9.2 */
export function encodeIntrospectionResponse(response: IntrospectionResponse): Uint8Array {
  return encode(withUnknown(writeKnownMap(responseSpec, response, responseForms), response.unknown));
}

/** @throws {AceError} `ERR_ACE_FORMAT` */
export function decodeIntrospectionResponse(payload: Uint8Array): IntrospectionResponse {
  return refuseBadFormat(() => {
    const { known, unknown } = readKnownMap('introspection response', responseSpec, refuseTextKeys('introspection response', decode(payload)));
    const { cnf, aud, ...fields } = known;
    return {
      ...fields,
      ...(aud === undefined ? {} : { aud: readAudience(aud) }),
      ...(cnf === undefined ? {} : { cnf: decodeConfirmation(cnf) }),
      ...(unknown.size === 0 ? {} : { unknown }),
    };
  });
}

function readAudience(aud: unknown): string | readonly string[] {
  if (typeof aud === 'string') return aud;
  if (Array.isArray(aud) && aud.every((one) => typeof one === 'string')) return aud;
  throw new AceError('ERR_ACE_FORMAT', 'introspection response: key 3 (aud): expected text or an array of texts', {
    responseCode: Code.BadRequest,
    error: AceErrorCode.invalid_request,
  });
}
