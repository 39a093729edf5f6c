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
  /** The protected headers, decoded. */
  readonly protectedMap: CborMap;
  readonly headers: Headers;
  /** `null`: detached. */
  readonly payload: Uint8Array | null;
  /** The signature or tag of a three-part object; absent for COSE_Encrypt0. */
  readonly seal?: Uint8Array;
}

const badFormat = (message: string, cause?: unknown): CoseError => new CoseError('ERR_COSE_FORMAT', message, { cause });

/** What a reader of COSE takes beyond the labels that it knows. */
export interface ReadOptions {
  /** Labels that the caller reads among the `unknown` headers, so that they may be critical. */
  readonly understood?: ReadonlySet<number | string>;
}

const understood: ReadonlySet<unknown> = new Set(Object.values(HeaderLabel));

/** `crit` lists labels that must be understood; each must be there, and protected (RFC 9052 Section 3.1). */
function checkCritical(crit: CborValue, protectedMap: CborMap, options: ReadOptions): void {
  if (!Array.isArray(crit) || crit.length === 0) throw badFormat('header 2 (crit): expected an array of at least one label, got none');
  for (const label of crit as CborValue[]) {
    if (typeof label !== 'string' && (typeof label !== 'number' || !Number.isSafeInteger(label)))
      throw badFormat('header 2 (crit): expected labels, got another type');
    if (!protectedMap.has(label)) throw badFormat(`header 2 (crit): expected label ${label} among the protected headers, it is not`);
    if (!understood.has(label) && options.understood?.has(label) !== true)
      throw badFormat(`header 2 (crit): expected labels that are understood, got ${label}`);
  }
}

const bytesOf = (value: CborValue, label: number, name: string): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw badFormat(`header ${label} (${name}): expected byte string, got another type`);
  return value;
};

const textOrInt = (value: CborValue, label: number, name: string): number | string => {
  if (typeof value !== 'string' && (typeof value !== 'number' || !Number.isSafeInteger(value)))
    throw badFormat(`header ${label} (${name}): expected text or integer, got another type`);
  return value;
};

function contentTypeOf(value: CborValue): number | string {
  const contentType = textOrInt(value, HeaderLabel.contentType, 'content type');
  if (typeof contentType === 'number' && contentType < 0) throw badFormat(`header 3 (content type): expected text or unsigned integer, got ${contentType}`);
  return contentType;
}

/** The headers of both buckets, in one look at each entry; a label in both is refused (RFC 9052 Section 3). */
class HeaderReader {
  readonly protectedMap: CborMap;
  readonly options: ReadOptions;
  alg: number | string | undefined;
  kid: Uint8Array | undefined;
  iv: Uint8Array | undefined;
  partialIv: Uint8Array | undefined;
  contentType: number | string | undefined;
  readonly unknown: Map<CborKey, CborValue> = new Map();
  certificates: Map<CborKey, CborValue> | undefined;

  constructor(protectedMap: CborMap, options: ReadOptions) {
    this.protectedMap = protectedMap;
    this.options = options;
  }

  read(bucket: CborMap): void {
    const isProtected = bucket === this.protectedMap;
    for (const [label, value] of bucket) {
      if (!isProtected && this.protectedMap.has(label)) throw badFormat(`headers: expected label ${String(label)} once, got it in both buckets`);
      switch (label) {
        case HeaderLabel.alg:
          this.alg = textOrInt(value, label, 'alg');
          break;
        case HeaderLabel.crit:
          if (!isProtected) throw badFormat('header 2 (crit): expected among the protected headers, got it unprotected');
          checkCritical(value, bucket, this.options);
          break;
        case HeaderLabel.contentType:
          this.contentType = contentTypeOf(value);
          break;
        case HeaderLabel.kid:
          this.kid = bytesOf(value, label, 'kid');
          break;
        case HeaderLabel.iv:
          this.iv = bytesOf(value, label, 'IV');
          break;
        case HeaderLabel.partialIv:
          this.partialIv = bytesOf(value, label, 'Partial IV');
          break;
        default:
          this.other(label, value);
      }
    }
  }

  other(label: CborKey, value: CborValue): void {
    if (typeof label === 'object') throw badFormat('headers: expected integer or text labels, got a byte string');
    if (!understood.has(label)) this.unknown.set(label, value);
    else (this.certificates ??= new Map()).set(label, value);
  }

  /** Field by field: spreading objects took more time than the rest of the reading. */
  headers(): Headers {
    const { alg, kid, iv, partialIv, contentType, certificates } = this;
    if (iv !== undefined && partialIv !== undefined) throw badFormat('headers: expected IV or Partial IV, got both');
    const headers: { -readonly [K in keyof Headers]: Headers[K] } =
      certificates === undefined ? { unknown: this.unknown } : { ...readCertificateHeaders(certificates), unknown: this.unknown };
    if (alg !== undefined) headers.alg = alg;
    if (kid !== undefined) headers.kid = kid;
    if (iv !== undefined) headers.iv = iv;
    if (partialIv !== undefined) headers.partialIv = partialIv;
    if (contentType !== undefined) headers.contentType = contentType;
    return headers;
  }
}

function readHeaders(protectedMap: CborMap, unprotectedMap: CborMap, options: ReadOptions): Headers {
  const reader = new HeaderReader(protectedMap, options);
  if (protectedMap.size > 0) reader.read(protectedMap);
  if (unprotectedMap.size > 0) reader.read(unprotectedMap);
  return reader.headers();
}

function readProtected(protectedBytes: Uint8Array): CborMap {
  if (protectedBytes.length === 0) return new Map();
  let map: CborValue;
  try {
    map = decode(protectedBytes);
  } catch (error) {
    if (error instanceof ProtocolError) throw badFormat(`COSE: protected headers: ${error.message}`, error);
    throw error;
  }
  if (!(map instanceof Map)) throw badFormat('COSE: expected a map of protected headers, got another type');
  return map;
}

/**
 * Take a COSE object apart.
 *
 * @param value the decoded item, tagged or not
 * @param tag the tag that it must have if it has one; `undefined`: it must have none
 * @param parts 3 for COSE_Encrypt0 and COSE_Signature, 4 for COSE_Mac0 and COSE_Sign1
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function readCose(value: CborValue, tag: number | undefined, parts: 3 | 4, options: ReadOptions = {}): CoseObject {
  const tagged = value instanceof Tagged;
  if (tagged && value.tag !== tag) throw badFormat(`COSE: expected ${tag === undefined ? 'no tag' : `tag ${tag}`}, got ${value.tag}`);
  const array = tagged ? value.value : value;
  if (!Array.isArray(array) || array.length !== parts)
    throw badFormat(`COSE: expected an array of ${parts}, got ${Array.isArray(array) ? `one of ${array.length}` : 'another type'}`);
  const [protectedBytes, unprotectedMap, payload, seal] = array as CborValue[];
  if (!(protectedBytes instanceof Uint8Array)) throw badFormat('COSE: expected protected headers in a byte string, got another type');
  if (!(unprotectedMap instanceof Map)) throw badFormat('COSE: expected a map of unprotected headers, got another type');
  if (payload !== null && !(payload instanceof Uint8Array)) throw badFormat('COSE: expected a byte string or nil as payload, got another type');
  const protectedMap = readProtected(protectedBytes);
  const object: { -readonly [K in keyof CoseObject]: CoseObject[K] } = {
    tag: tagged ? tag : undefined,
    // RFC 9052 Section 4.4: an empty map, however it was sent, is covered as a zero-length string.
    protectedBytes: protectedBytes.length === 1 && protectedBytes[0] === 0xa0 ? emptyBytes : protectedBytes,
    protectedMap,
    headers: readHeaders(protectedMap, unprotectedMap, options),
    payload,
  };
  if (parts === 4) {
    if (!(seal instanceof Uint8Array)) throw badFormat('COSE: expected a byte string as signature or tag, got another type');
    object.seal = seal;
  }
  return object;
}

/**
 * An object without its content, and the content, to be sent by other means. What covered the content still does.
 *
 * @param object of any of the six structures, tagged
 * @throws {CoseError} `ERR_COSE_FORMAT` when it has no content
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-2
 */
export function detach(object: Tagged): { readonly object: Tagged; readonly content: Uint8Array } {
  const [protectedBytes, unprotected, content, ...rest] = Array.isArray(object.value) ? (object.value as readonly CborValue[]) : [];
  if (!(content instanceof Uint8Array)) throw badFormat('COSE: expected an object with its content, got one without');
  return { object: new Tagged(object.tag, [protectedBytes, unprotected, null, ...rest]), content };
}

/** Headers that a sender chooses; all become protected. */
export interface SenderHeaders extends CertificateHeaders {
  readonly kid?: Uint8Array;
  readonly contentType?: number | string;
}

/** `{1: algorithm}`, all that most objects have, without a map in between; `undefined` for a number that takes more than one byte. */
function algorithmAlone(algorithm: number): Uint8Array | undefined {
  if (!Number.isInteger(algorithm) || algorithm < -24 || algorithm >= 24) return undefined;
  return Uint8Array.of(0xa1, HeaderLabel.alg, algorithm < 0 ? 0x20 | (-1 - algorithm) : algorithm);
}

function hasHeaders({ kid, contentType, x5bag, x5chain, x5t, x5u }: SenderHeaders): boolean {
  return (kid ?? contentType ?? x5bag ?? x5chain ?? x5t ?? x5u) !== undefined;
}

/** The protected bucket of what we make: all headers are in it, so that an object has one form only and can be revoked by its hash (RFC 9770). */
export function protectedHeaders(algorithm: number | undefined, headers: SenderHeaders, iv?: Uint8Array): Uint8Array {
  if (algorithm !== undefined && iv === undefined && !hasHeaders(headers)) {
    const alone = algorithmAlone(algorithm);
    if (alone !== undefined) return alone;
  }
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
