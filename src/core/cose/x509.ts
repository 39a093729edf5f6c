import { constantTimeEqual } from '../bytes.ts';
import { type CborMap, type CborValue, Tagged } from '../cbor.ts';
import { digest, type HashName } from '../crypto/index.ts';
import { CoseError } from './errors.ts';
import { HeaderLabel } from './labels.ts';

/** `x5t`: which certificate, by the hash of its DER. */
export interface CertificateHash {
  /** COSE algorithm identifier of the hash (RFC 9054), -16 for SHA-256. */
  readonly algorithm: number | string;
  readonly hash: Uint8Array;
}

/**
 * Header parameters that carry X.509 certificates, DER, or lead to them. Nothing here says that a certificate is to be trusted: whoever uses one validates its path.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9360#section-2
 */
export interface CertificateHeaders {
  /** In any order. */
  readonly x5bag?: readonly Uint8Array[];
  /** The end entity's first, then the one of whoever signed it, and so on. */
  readonly x5chain?: readonly Uint8Array[];
  readonly x5t?: CertificateHash;
  /** A URI. It is not fetched. */
  readonly x5u?: string;
}

/** CBOR tag of a URI (RFC 8949 Section 3.4.5.3). */
const uriTag = 32;

/** Hash algorithms (RFC 9054 Table 2) and the bytes that are kept of them. SHA-1 is none of them. */
const hashes: ReadonlyMap<unknown, { readonly name: HashName; readonly length: number }> = new Map<
  unknown,
  { readonly name: HashName; readonly length: number }
>([
  [-15, { name: 'sha256', length: 8 }],
  [-16, { name: 'sha256', length: 32 }],
  [-43, { name: 'sha384', length: 48 }],
  [-44, { name: 'sha512', length: 64 }],
]);

/** Names of the hash algorithms as the registry writes them. */
export const hashNames: ReadonlyMap<number, string> = new Map([
  [-15, 'SHA-256/64'],
  [-16, 'SHA-256'],
  [-43, 'SHA-384'],
  [-44, 'SHA-512'],
]);

const sha256 = -16;

const bad = (label: number, name: string, expected: string): CoseError =>
  new CoseError('ERR_COSE_FORMAT', `header ${label} (${name}): expected ${expected}, got another item`);

/** COSE_X509: a byte string, or an array of at least two. */
function readCertificates(map: CborMap, label: number, name: string): readonly Uint8Array[] | undefined {
  const value = map.get(label);
  if (value === undefined && !map.has(label)) return undefined;
  const list = Array.isArray(value) && value.length >= 2 ? (value as readonly CborValue[]) : [value];
  if (!list.every((item) => item instanceof Uint8Array && item.length > 0)) throw bad(label, name, 'a certificate or an array of at least two');
  return list as readonly Uint8Array[];
}

/** The certificate headers among these. @throws {CoseError} `ERR_COSE_FORMAT` */
export function readCertificateHeaders(map: CborMap): CertificateHeaders {
  const x5bag = readCertificates(map, HeaderLabel.x5bag, 'x5bag');
  const x5chain = readCertificates(map, HeaderLabel.x5chain, 'x5chain');
  const result: { x5bag?: readonly Uint8Array[]; x5chain?: readonly Uint8Array[]; x5t?: CertificateHash; x5u?: string } = {};
  if (x5bag !== undefined) result.x5bag = x5bag;
  if (x5chain !== undefined) result.x5chain = x5chain;
  if (map.has(HeaderLabel.x5t)) {
    const value = map.get(HeaderLabel.x5t);
    const [algorithm, hash, ...more] = Array.isArray(value) ? (value as readonly CborValue[]) : [];
    if ((!Number.isSafeInteger(algorithm) && typeof algorithm !== 'string') || !(hash instanceof Uint8Array) || more.length > 0)
      throw bad(HeaderLabel.x5t, 'x5t', 'an algorithm and a byte string');
    result.x5t = { algorithm: algorithm as number | string, hash };
  }
  if (map.has(HeaderLabel.x5u)) {
    const value = map.get(HeaderLabel.x5u);
    if (!(value instanceof Tagged) || value.tag !== uriTag || typeof value.value !== 'string') throw bad(HeaderLabel.x5u, 'x5u', 'a URI with tag 32');
    result.x5u = value.value;
  }
  return result;
}

/** The entries of a header map; without a certificate in it a list has no form on the wire and is left out. */
export function certificateHeaderEntries(headers: CertificateHeaders): readonly (readonly [number, CborValue])[] {
  const entries: (readonly [number, CborValue])[] = [];
  const put = (label: number, list: readonly Uint8Array[] | undefined): void => {
    if (list !== undefined && list.length > 0) entries.push([label, list.length === 1 ? list[0] : list]);
  };
  put(HeaderLabel.x5bag, headers.x5bag);
  put(HeaderLabel.x5chain, headers.x5chain);
  if (headers.x5t !== undefined) entries.push([HeaderLabel.x5t, [headers.x5t.algorithm, headers.x5t.hash]]);
  if (headers.x5u !== undefined) entries.push([HeaderLabel.x5u, new Tagged(uriTag, headers.x5u)]);
  return entries;
}

/**
 * The `x5t` of a certificate.
 *
 * @param certificate DER
 * @param algorithm SHA-256 (-16), SHA-256/64 (-15), SHA-384 (-43) or SHA-512 (-44)
 * @throws {CoseError} `ERR_COSE_ALGORITHM`
 */
export function certificateHash(certificate: Uint8Array, algorithm: number | string = sha256): CertificateHash {
  const found = hashes.get(algorithm);
  if (found === undefined) throw new CoseError('ERR_COSE_ALGORITHM', `expected a hash algorithm for x5t, got ${algorithm}`);
  return { algorithm, hash: digest(found.name, certificate).subarray(0, found.length) };
}

/**
 * Whether `x5t` is of this certificate, DER.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM` when its hash algorithm is not one of ours
 */
export function isCertificateHash(x5t: CertificateHash, certificate: Uint8Array): boolean {
  return constantTimeEqual(certificateHash(certificate, x5t.algorithm).hash, x5t.hash);
}
