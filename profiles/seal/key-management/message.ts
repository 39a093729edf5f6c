import { equalBytes } from '../../../src/core/bytes.ts';
import { CborError, type CborMap, type CborValue, decode, encode } from '../../../src/core/cbor.ts';
import { type Known, type MapSpec, readKnownMap, writeKnownMap } from '../../../src/core/known-map.ts';
import { KeyManagementError } from './error.ts';

/** The version of SEAL KM Requests (TS 33.434, 5.3.2). */
export const kmVersion = '1.0.0';

/** The longest KM Request that is read, in bytes: seven fields of some 250 bytes each. */
export const longestKmRequest = 2048;

/**
 * The fields of SEAL KM Request and SEAL KM Response. TS 33.434 gives them names and no encoding; the keys of CBOR are this project's.
 *
 * @see https://www.3gpp.org/dynareport/33434.htm Tables 5.3.2-1 and 5.3.3-1
 */
export const kmFields = {
  version: { label: 1, type: 'tstr', name: 'Version' },
  sKmsUri: { label: 2, type: 'tstr', name: 'SKmsUri' },
  serviceId: { label: 3, type: 'tstr', name: 'ServiceID' },
  clientId: { label: 4, type: 'tstr', name: 'ClientID' },
  deviceId: { label: 5, type: 'tstr', name: 'DeviceID' },
  userId: { label: 6, type: 'tstr', name: 'UserID' },
  dateTime: { label: 7, type: 'uint', name: 'Date/Time' },
  userUri: { label: 8, type: 'tstr', name: 'UserUri' },
  sKmsId: { label: 9, type: 'tstr', name: 'SKmsID' },
  errorCode: { label: 10, type: 'uint', name: 'ErrorCode' },
  payload: { label: 11, type: 'bstr', name: 'Payload', secret: true },
} as const;

const requestSpec = {
  version: { ...kmFields.version, required: true },
  sKmsUri: { ...kmFields.sKmsUri, required: true },
  serviceId: { ...kmFields.serviceId, required: true },
  clientId: kmFields.clientId,
  deviceId: kmFields.deviceId,
  userId: kmFields.userId,
  dateTime: { ...kmFields.dateTime, required: true },
} as const;

const responseSpec = {
  userUri: { ...kmFields.userUri, required: true },
  sKmsUri: { ...kmFields.sKmsUri, required: true },
  serviceId: { ...kmFields.serviceId, required: true },
  sKmsId: kmFields.sKmsId,
  clientId: kmFields.clientId,
  deviceId: kmFields.deviceId,
  userId: kmFields.userId,
  dateTime: { ...kmFields.dateTime, required: true },
  errorCode: kmFields.errorCode,
  payload: kmFields.payload,
} as const;

/** The identities of which a request names at most one: a VAL client, a VAL UE or a VAL user. */
export const identityKinds = ['clientId', 'deviceId', 'userId'] as const;
/** Which identity a KM message names. */
export type IdentityKind = (typeof identityKinds)[number];
/** The identities that a message names, by kind. */
export type Identities = { readonly [K in IdentityKind]?: string };

/** A SEAL KM Request as it stands on the wire, whether or not it says what it should. */
export interface KmRequest extends Identities {
  readonly version: string;
  /** The URI of the SKM-S that is asked. */
  readonly sKmsUri: string;
  /** VAL service ID. */
  readonly serviceId: string;
  /** Seconds since 1970. */
  readonly dateTime: number;
}

/** A SEAL KM Response: with a payload, or with an error code and without. */
export interface KmResponse extends Identities {
  readonly userUri: string;
  readonly sKmsUri: string;
  readonly serviceId: string;
  readonly sKmsId?: string;
  /** Seconds since 1970. */
  readonly dateTime: number;
  readonly errorCode?: number;
  /** Key material, as the operator of the VAL service gave it. */
  readonly payload?: Uint8Array;
}

/** The fields of a request by their keys. */
export function requestMap(request: KmRequest): CborMap {
  return writeKnownMap(requestSpec, request);
}

/** The fields of a response by their keys. @throws {KeyManagementError} `ERR_KM_FORMAT` for a payload beside an error code */
export function responseMap(response: KmResponse): CborMap {
  checkOutcome(response);
  return writeKnownMap(responseSpec, response);
}

/** The reverse of `requestMap`. @throws {KeyManagementError} `ERR_KM_FORMAT` */
export function requestOf(value: CborValue): KmRequest {
  const request = fieldsOf('KM request', requestSpec, value);
  for (const name of ['serviceId', ...identityKinds] as const)
    if (request[name] === '') throw broken(`KM request: ${kmFields[name].name}: expected text, got an empty one`);
  return request;
}

/** The reverse of `responseMap`. @throws {KeyManagementError} `ERR_KM_FORMAT` */
export function responseOf(value: CborValue): KmResponse {
  const response: KmResponse = fieldsOf('KM response', responseSpec, value);
  checkOutcome(response);
  return response;
}

/** Deterministic CBOR (TS 33.434, Table 5.3.2-1). Nothing is checked: a tester may send what is wrong. */
export function encodeKmRequest(request: KmRequest): Uint8Array {
  return encode(requestMap(request));
}

/**
 * Read a KM Request. What it says is for the checks of Section 5.3.2: another version, or two identities, are read as they are.
 *
 * @throws {KeyManagementError} `ERR_KM_FORMAT`
 */
export function decodeKmRequest(bytes: Uint8Array): KmRequest {
  return requestOf(itemOf('KM request', bytes));
}

/** @throws {KeyManagementError} `ERR_KM_FORMAT` for a payload beside an error code */
export function encodeKmResponse(response: KmResponse): Uint8Array {
  return encode(responseMap(response));
}

/**
 * Read a KM Response. It has either a payload or an error code, from 1 to 255.
 *
 * @throws {KeyManagementError} `ERR_KM_FORMAT`
 */
export function decodeKmResponse(bytes: Uint8Array): KmResponse {
  return responseOf(itemOf('KM response', bytes));
}

/** How KM messages are written: as CBOR, or as JSON. */
export interface KmRepresentation {
  /** The longest KM Request that is read, in bytes. */
  readonly longestRequest: number;
  /** @throws {KeyManagementError} `ERR_KM_FORMAT` */
  decodeRequest(bytes: Uint8Array): KmRequest;
  /** Whatever texts of a request that breaks the rules can be read, unless it is too long. */
  readableIdentities(bytes: Uint8Array): ReadableIdentities;
}

/** The texts of a request that a response repeats, as far as they can be read. */
export type ReadableIdentities = Identities & { readonly serviceId?: string };

/** Whatever texts of a request that breaks the rules can be read, unless it is too long: its response repeats them. */
export function readableIdentities(bytes: Uint8Array): ReadableIdentities {
  const map = bytes.length > longestKmRequest ? undefined : readable(bytes);
  return textsOf((name) => map?.get(kmFields[name].label));
}

/** The texts among the values of ServiceID and the identities. */
export function textsOf(memberOf: (name: IdentityKind | 'serviceId') => CborValue): ReadableIdentities {
  const found: { -readonly [K in IdentityKind | 'serviceId']?: string } = {};
  for (const name of ['serviceId', ...identityKinds] as const) {
    const value = memberOf(name);
    if (typeof value === 'string') found[name] = value;
  }
  return found;
}

/** CBOR, as over CoAP. */
export const kmCbor: KmRepresentation = { longestRequest: longestKmRequest, decodeRequest: decodeKmRequest, readableIdentities };

function readable(bytes: Uint8Array): CborMap | undefined {
  try {
    const value = decode(bytes, { lenient: true });
    return value instanceof Map ? value : undefined;
  } catch (error) {
    if (!(error instanceof CborError)) throw error;
    return undefined;
  }
}

/** Section 5.3.3: an error comes without a payload, and what is no error with one. */
function checkOutcome({ errorCode, payload }: KmResponse): void {
  if (errorCode !== undefined && payload !== undefined) throw broken('KM response: expected ErrorCode or Payload, got both');
  if (errorCode === undefined && payload === undefined) throw broken('KM response: expected ErrorCode or Payload, got neither');
  if (errorCode !== undefined && (errorCode < 1 || errorCode > 255)) throw broken(`KM response: ErrorCode: expected 1 to 255, got ${errorCode}`);
}

/** The item that bytes of deterministic encoding hold. */
function itemOf(what: string, bytes: Uint8Array): CborValue {
  try {
    const value = decode(bytes);
    // A float that is a whole number passes for an integer in the map.
    if (!equalBytes(encode(value), bytes)) throw broken(`${what}: expected deterministic encoding (RFC 8949, Section 4.2.1), got another`);
    return value;
  } catch (cause) {
    if (!(cause instanceof CborError)) throw cause;
    throw broken(cause.message, cause);
  }
}

/** A map with the known fields, all that are required and no others. */
function fieldsOf<const S extends MapSpec>(what: string, spec: S, value: CborValue): Known<S> {
  try {
    const { known, unknown } = readKnownMap(what, spec, value);
    if (unknown.size > 0) throw broken(`${what}: expected no other keys than those of the table, got ${unknown.size} more`);
    return known;
  } catch (cause) {
    if (!(cause instanceof CborError)) throw cause;
    throw broken(cause.message, cause);
  }
}

export function broken(message: string, cause?: unknown): KeyManagementError {
  return new KeyManagementError('ERR_KM_FORMAT', message, cause === undefined ? {} : { cause });
}
