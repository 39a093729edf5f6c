import { Code, ContentFormat, OptionNumber, type Response, uintOption } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import { type CborValue, decode, encode } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { readKnownMap, writeKnownMap } from '../core/known-map.ts';
import { tokenParameters } from './params.ts';

/** OAuth error codes for CBOR. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.3 */
export const AceErrorCode = {
  invalid_request: 1,
  invalid_client: 2,
  invalid_grant: 3,
  unauthorized_client: 4,
  unsupported_grant_type: 5,
  invalid_scope: 6,
  unsupported_pop_key: 7,
  incompatible_ace_profiles: 8,
} as const;
export type AceErrorCode = (typeof AceErrorCode)[keyof typeof AceErrorCode];

const errorNames: ReadonlyMap<number, string> = new Map(Object.entries(AceErrorCode).map(([name, value]) => [value, name]));

/** The registered name, or `error 4711`. */
export function aceErrorName(error: number): string {
  return errorNames.get(error) ?? `error ${error}`;
}

/** How an ACE error is answered, or how it came. */
export interface AceErrorOptions {
  /** The CoAP code to answer with, or that was received. */
  readonly responseCode: number;
  readonly error?: number;
  /** Seconds until it is worth to try again. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/**
 * A request that ACE refuses, or a peer's refusal. Codes: `ERR_ACE_*`, and those of the roles and profiles that extend it.
 *
 * `responseCode` is the CoAP code of the answer. With `error` the answer carries the error code and, as its description, the message: so a message never
 * holds what the peer must not read.
 */
export class AceError extends ProtocolError {
  readonly responseCode: number;
  readonly error: number | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: string, message: string, options: AceErrorOptions) {
    super(code, message, options.cause === undefined ? undefined : { cause: options.cause });
    this.responseCode = options.responseCode;
    this.error = options.error;
    this.retryAfter = options.retryAfter;
  }
}

/** Run a decoder of peer input; what it throws becomes `ERR_ACE_FORMAT`, 4.00 with invalid_request. */
export function refuseBadFormat<T>(decoder: () => T): T {
  try {
    return decoder();
  } catch (error) {
    if (!(error instanceof ProtocolError) || error instanceof AceError) throw error;
    throw new AceError('ERR_ACE_FORMAT', error.message, { responseCode: Code.BadRequest, error: AceErrorCode.invalid_request, cause: error });
  }
}

/** RFC 9200 leaves no room for text keys in a CBOR map (Sections 5.8.5 and 5.9.4). */
export function refuseTextKeys(what: string, value: CborValue): CborValue {
  if (value instanceof Map) {
    for (const key of value.keys()) {
      if (typeof key !== 'number' && typeof key !== 'bigint') {
        throw new AceError('ERR_ACE_FORMAT', `${what}: expected integer keys, got a ${typeof key === 'string' ? 'text' : 'byte string'} key`, {
          responseCode: Code.BadRequest,
          error: AceErrorCode.invalid_request,
        });
      }
    }
  }
  return value;
}

/** What an error payload says. */
export interface AceErrorBody {
  readonly error: number;
  readonly description?: string;
  readonly uri?: string;
}

const errorSpec = {
  error: { ...tokenParameters.error, required: true },
  errorDescription: tokenParameters.errorDescription,
  errorUri: tokenParameters.errorUri,
} as const;

/**
 * The payload of an error response and its Content-Format.
 *
 * The one place that knows the form: draft-ietf-ace-workflow-and-params moves it to Concise Problem Details.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.3
 */
export function encodeError(body: AceErrorBody): { readonly contentFormat: number; readonly payload: Uint8Array } {
  const fields = {
    error: body.error,
    ...(body.description === undefined ? {} : { errorDescription: body.description }),
    ...(body.uri === undefined ? {} : { errorUri: body.uri }),
  };
  return { contentFormat: ContentFormat.AceCbor, payload: encode(writeKnownMap(errorSpec, fields)) };
}

/** What an error response says; `undefined`: its payload is not an ACE error. */
export function decodeError(contentFormat: number | undefined, payload: Uint8Array): AceErrorBody | undefined {
  if (contentFormat !== ContentFormat.AceCbor || payload.length === 0) return undefined;
  try {
    const { known } = readKnownMap('error response', errorSpec, decode(payload));
    return {
      error: known.error,
      ...(known.errorDescription === undefined ? {} : { description: known.errorDescription }),
      ...(known.errorUri === undefined ? {} : { uri: known.errorUri }),
    };
  } catch {
    return undefined;
  }
}

/** RFC 6749, Section 5.2: an error_description has no quotes, no backslashes and ASCII alone. */
function descriptionOf(message: string): string {
  return message.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/gu, '?');
}

/** The response that an `AceError` asks for: its code, its error payload when it has an error code, and Max-Age when there is a time to wait. */
export function errorResponse(error: AceError): Response {
  const maxAge = error.retryAfter === undefined ? [] : [uintOption(OptionNumber.MaxAge, error.retryAfter)];
  if (error.error === undefined) return { code: error.responseCode, options: maxAge, payload: emptyBytes };
  const { contentFormat, payload } = encodeError({ error: error.error, description: descriptionOf(error.message) });
  return { code: error.responseCode, options: [uintOption(OptionNumber.ContentFormat, contentFormat), ...maxAge], payload };
}
