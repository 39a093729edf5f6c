import { BytesError, fromBase64Url, toBase64Url, utf8 } from '../../../src/core/bytes.ts';
import type { CborMap, CborValue } from '../../../src/core/cbor.ts';
import { JsonError, readJson, writeJson } from '../../../src/core/json.ts';
import { formatErrorCode } from './error-code.ts';
import {
  broken,
  type KmRepresentation,
  type KmRequest,
  type KmResponse,
  kmFields,
  type ReadableIdentities,
  requestMap,
  requestOf,
  responseMap,
  responseOf,
  textsOf,
} from './message.ts';

/** The longest KM Request in JSON that is read, in bytes. */
export const longestKmRequestJson = 4096;

/**
 * A KM Request as JSON, for a KM-UU over HTTPS. TS 33.434 gives its fields names and no encoding; the members of JSON are this project's. Nothing is checked: a
 * tester may send what is wrong.
 *
 * @see https://www.3gpp.org/dynareport/33434.htm Table 5.3.2-1
 */
export function encodeKmRequestJson(request: KmRequest): Uint8Array {
  return encodeMap(requestMap(request));
}

/** As `decodeKmRequest`, of JSON. @throws {KeyManagementError} `ERR_KM_FORMAT` */
export function decodeKmRequestJson(bytes: Uint8Array): KmRequest {
  return requestOf(decodeMap('KM request', bytes));
}

/** An ErrorCode is two hexadecimal digits, a Payload base64url. @throws {KeyManagementError} `ERR_KM_FORMAT` for a payload beside an error code */
export function encodeKmResponseJson(response: KmResponse): Uint8Array {
  return encodeMap(responseMap(response));
}

/** As `decodeKmResponse`, of JSON. @throws {KeyManagementError} `ERR_KM_FORMAT` */
export function decodeKmResponseJson(bytes: Uint8Array): KmResponse {
  return responseOf(decodeMap('KM response', bytes));
}

function readableIdentities(bytes: Uint8Array): ReadableIdentities {
  const map = bytes.length > longestKmRequestJson ? undefined : readable(bytes);
  return textsOf((name) => map?.get(name));
}

function readable(bytes: Uint8Array): CborMap | undefined {
  try {
    const value = readJson(bytes);
    return value instanceof Map ? value : undefined;
  } catch (error) {
    if (!isUnread(error)) throw error;
    return undefined;
  }
}

/** JSON, as over HTTPS. */
export const kmJson: KmRepresentation = { longestRequest: longestKmRequestJson, decodeRequest: decodeKmRequestJson, readableIdentities };

const names: ReadonlyMap<unknown, string> = new Map(Object.entries(kmFields).map(([name, { label }]) => [label, name]));
const labels: ReadonlyMap<unknown, number> = new Map([...names].map(([label, name]) => [name, label as number]));

function encodeMap(fields: CborMap): Uint8Array {
  return utf8(
    writeJson(new Map([...fields].map(([label, value]) => [names.get(label)!, label === kmFields.errorCode.label ? formatErrorCode(value as number) : value]))),
  );
}

/** The members of an object, by the keys that they have in CBOR. */
function decodeMap(what: string, bytes: Uint8Array): CborMap {
  try {
    const value = readJson(bytes);
    if (!(value instanceof Map)) throw broken(`${what}: expected an object, got another value`);
    const members = [...(value as CborMap)];
    const others = members.filter(([name]) => !labels.has(name)).length;
    if (others > 0) throw broken(`${what}: expected no other members than the fields of the table, got ${others} more`);
    return new Map(members.map(([name, member]) => [labels.get(name)!, readValue(what, name as string, member)]));
  } catch (cause) {
    if (!isUnread(cause)) throw cause;
    throw broken(`${what}: ${cause.message}`, cause);
  }
}

/** What JSON has no type for. */
function readValue(what: string, name: string, value: CborValue): CborValue {
  if (name === 'errorCode') {
    if (typeof value === 'string' && /^[0-9A-F]{2}$/.test(value)) return Number.parseInt(value, 16);
    throw broken(`${what}: ErrorCode: expected two hexadecimal digits, got something else`);
  }
  if (name !== 'payload') return value;
  if (typeof value !== 'string') throw broken(`${what}: Payload: expected base64url, got something else`);
  const bytes = fromBase64Url(value);
  // One form for each payload.
  if (toBase64Url(bytes) !== value) throw broken(`${what}: Payload: expected base64url without padding, got another form`);
  return bytes;
}

function isUnread(error: unknown): error is JsonError | BytesError {
  return error instanceof JsonError || error instanceof BytesError;
}
