import { fromBase64Url } from './bytes.ts';

/** The certificates of a PEM text, in DER, in their order (RFC 7468, Section 5). @throws {BytesError} `ERR_BYTES_BASE64URL` */
export function certificatesOfPem(text: string): readonly Uint8Array[] {
  return blocksOf(text.matchAll(/^-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----/gm));
}

/** The same for lists of revoked certificates (Section 6). */
export function crlsOfPem(text: string): readonly Uint8Array[] {
  return blocksOf(text.matchAll(/^-----BEGIN X509 CRL-----\s+([A-Za-z0-9+/=\s]+?)-----END X509 CRL-----/gm));
}

function blocksOf(blocks: Iterable<RegExpMatchArray>): readonly Uint8Array[] {
  return [...blocks].map(([, base64]) => fromBase64Url(base64!.replace(/\s+/g, '').replaceAll('+', '-').replaceAll('/', '_')));
}
