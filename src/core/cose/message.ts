import { emptyBytes } from '../bytes.ts';
import { type CborKey, type CborMap, type CborValue, decode, encode, Tagged } from '../cbor.ts';
import { ProtocolError } from '../errors.ts';
import { CoseError } from './errors.ts';
import { HeaderLabel } from './labels.ts';
import { type CertificateHeaders, certificateHeaderEntries, readCertificateHeaders } from './x509.ts';

/** The headers of a COSE object, both buckets in one; labels of the two never overlap. */
export interface Headers extends CertificateHeaders {
  readonly alg?: number | string;
  readonly kid?: Uint8Array;
  readonly iv?: Uint8Array;
  readonly partialIv?: Uint8Array;
  readonly contentType?: number | string;
  /** Labels that this stack does not understand; none of them is critical. */
  readonly unknown: CborMap;
}

/** A COSE object with one recipient or none, taken apart and not yet verified. */
export interface CoseObject {
  readonly tag: number | undefined;
  /** As received: what signatures, MACs and AAD cover (RFC 9052 Section 3). */
  readonly protectedBytes: Uint8Array;
  readonly protectedLabels: ReadonlySet<unknown>;
  readonly headers: Headers;
  /** `null`: detached. */
  readonly payload: Uint8Array | null;
  /** The signature or tag of a three-part object; absent for COSE_Encrypt0. */
  readonly seal?: Uint8Array;
}

const badFormat = (message: string, cause?: unknown): CoseError => new CoseError('ERR_COSE_FORMAT', message, { cause });

const understood: ReadonlySet<unknown> = new Set(Object.values(HeaderLabel));
const noLabels: ReadonlySet<unknown> = new Set();

function bytesHeader(map: CborMap, label: number, name: string): Uint8Array | undefined {
  const value = map.get(label);
  if (value !== undefined && !(value instanceof Uint8Array)) throw badFormat(`header ${label} (${name}): expected byte string, got another type`);
  return value;
}

function textOrInt(map: CborMap, label: number, name: string): number | string | undefined {
  const value = map.get(label);
  if (value !== undefined && !Number.isSafeInteger(value) && typeof value !== 'string')
    throw badFormat(`header ${label} (${name}): expected text or integer, got another type`);
  return value as number | string | undefined;
}

function checkLabels(map: CborMap): void {
  for (const label of map.keys()) {
    if (typeof label !== 'string' && typeof label !== 'number' && typeof label !== 'bigint')
      throw badFormat('headers: expected integer or text labels, got a byte string');
  }
}

/** `crit` lists labels that must be understood; each must be there, and protected (RFC 9052 Section 3.1). */
function checkCritical(protectedMap: CborMap, unprotectedMap: CborMap, understoodToo: ReadonlySet<unknown>): void {
  if (unprotectedMap.has(HeaderLabel.crit)) throw badFormat('header 2 (crit): expected among the protected headers, got it unprotected');
  const crit = protectedMap.get(HeaderLabel.crit);
  if (crit === undefined) return;
  if (!Array.isArray(crit) || crit.length === 0) throw badFormat('header 2 (crit): expected an array of at least one label, got none');
  for (const label of crit as CborValue[]) {
    if (!Number.isSafeInteger(label) && typeof label !== 'string') throw badFormat('header 2 (crit): expected labels, got another type');
    if (!protectedMap.has(label as number | string)) throw badFormat(`header 2 (crit): expected label ${label} among the protected headers, it is not`);
    if (!understood.has(label) && !understoodToo.has(label)) throw badFormat(`header 2 (crit): expected labels that are understood, got ${label}`);
  }
}

/** Both buckets as one; a label in both is refused (RFC 9052 Section 3). */
function readHeaders(protectedMap: CborMap, unprotectedMap: CborMap, understoodToo: ReadonlySet<unknown>): Headers {
  checkLabels(protectedMap);
  checkLabels(unprotectedMap);
  for (const label of unprotectedMap.keys())
    if (protectedMap.has(label)) throw badFormat(`headers: expected label ${String(label)} once, got it in both buckets`);
  checkCritical(protectedMap, unprotectedMap, understoodToo);
  const all = unprotectedMap.size === 0 ? protectedMap : new Map([...protectedMap, ...unprotectedMap]);
  const alg = textOrInt(all, HeaderLabel.alg, 'alg');
  const contentType = textOrInt(all, HeaderLabel.contentType, 'content type');
  if (typeof contentType === 'number' && !(Number.isSafeInteger(contentType) && contentType >= 0))
    throw badFormat(`header 3 (content type): expected text or unsigned integer, got ${contentType}`);
  const kid = bytesHeader(all, HeaderLabel.kid, 'kid');
  const iv = bytesHeader(all, HeaderLabel.iv, 'IV');
  const partialIv = bytesHeader(all, HeaderLabel.partialIv, 'Partial IV');
  if (iv !== undefined && partialIv !== undefined) throw badFormat('headers: expected IV or Partial IV, got both');
  // Field by field: spreading objects and filtering a copy took two thirds of the time that opening a COSE_Encrypt0 took.
  const headers = readCertificateHeaders(all) as { -readonly [K in keyof Headers]: Headers[K] };
  headers.unknown = unknownHeaders(all);
  if (alg !== undefined) headers.alg = alg;
  if (kid !== undefined) headers.kid = kid;
  if (iv !== undefined) headers.iv = iv;
  if (partialIv !== undefined) headers.partialIv = partialIv;
  if (contentType !== undefined) headers.contentType = contentType;
  return headers;
}

function unknownHeaders(all: CborMap): CborMap {
  const unknown = new Map<CborKey, CborValue>();
  for (const [label, value] of all) if (!understood.has(label)) unknown.set(label, value);
  return unknown;
}

/**
 * Take a COSE object apart.
 *
 * @param value the decoded item, tagged or not
 * @param tag the tag that it must have if it has one; `undefined`: it must have none
 * @param parts 3 for COSE_Encrypt0 and COSE_Signature, 4 for COSE_Mac0 and COSE_Sign1
 * @param understoodToo labels that the caller reads among the `unknown` headers, so that they may be critical
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function readCose(value: CborValue, tag: number | undefined, parts: 3 | 4, understoodToo: ReadonlySet<unknown> = noLabels): CoseObject {
  const tagged = value instanceof Tagged;
  if (tagged && value.tag !== tag) throw badFormat(`COSE: expected ${tag === undefined ? 'no tag' : `tag ${tag}`}, got ${value.tag}`);
  const array = tagged ? value.value : value;
  if (!Array.isArray(array) || array.length !== parts)
    throw badFormat(`COSE: expected an array of ${parts}, got ${Array.isArray(array) ? `one of ${array.length}` : 'another type'}`);
  const [protectedBytes, unprotectedMap, payload, seal] = array as CborValue[];
  if (!(protectedBytes instanceof Uint8Array)) throw badFormat('COSE: expected protected headers in a byte string, got another type');
  if (!(unprotectedMap instanceof Map)) throw badFormat('COSE: expected a map of unprotected headers, got another type');
  if (payload !== null && !(payload instanceof Uint8Array)) throw badFormat('COSE: expected a byte string or nil as payload, got another type');
  if (parts === 4 && !(seal instanceof Uint8Array)) throw badFormat('COSE: expected a byte string as signature or tag, got another type');
  let protectedMap: CborValue = new Map();
  if (protectedBytes.length > 0) {
    try {
      protectedMap = decode(protectedBytes);
    } catch (error) {
      if (error instanceof ProtocolError) throw badFormat(`COSE: protected headers: ${error.message}`, error);
      throw error;
    }
    if (!(protectedMap instanceof Map)) throw badFormat('COSE: expected a map of protected headers, got another type');
  }
  return {
    tag: tagged ? tag : undefined,
    // RFC 9052 Section 4.4: an empty map, however it was sent, is covered as a zero-length string.
    protectedBytes: protectedBytes.length === 1 && protectedBytes[0] === 0xa0 ? emptyBytes : protectedBytes,
    protectedLabels: new Set((protectedMap as CborMap).keys()),
    headers: readHeaders(protectedMap as CborMap, unprotectedMap, understoodToo),
    payload,
    ...(parts === 4 ? { seal: seal as Uint8Array } : {}),
  };
}

/** Headers that a sender chooses; all become protected. */
export interface SenderHeaders extends CertificateHeaders {
  readonly kid?: Uint8Array;
  readonly contentType?: number | string;
}

/** The protected bucket of what we make: all headers are in it, so that an object has one form only and can be revoked by its hash (RFC 9770). */
export function protectedHeaders(algorithm: number | undefined, headers: SenderHeaders, iv?: Uint8Array): Uint8Array {
  const map = new Map<number, CborValue>();
  if (algorithm !== undefined) map.set(HeaderLabel.alg, algorithm);
  if (headers.contentType !== undefined) map.set(HeaderLabel.contentType, headers.contentType);
  if (headers.kid !== undefined) map.set(HeaderLabel.kid, headers.kid);
  if (iv !== undefined) map.set(HeaderLabel.iv, iv);
  for (const [label, value] of certificateHeaderEntries(headers)) map.set(label, value);
  return map.size === 0 ? emptyBytes : encode(map);
}

/** The algorithm of an object, from its headers or, where they have none, from the key's own `alg`. */
export function algorithmFor(object: CoseObject, keyAlgorithm: number | string | undefined): number {
  const algorithm = object.headers.alg ?? keyAlgorithm;
  if (typeof algorithm !== 'number')
    throw new CoseError('ERR_COSE_ALGORITHM', `expected an algorithm by its number, got ${algorithm === undefined ? 'none' : 'a text'}`);
  return algorithm;
}
