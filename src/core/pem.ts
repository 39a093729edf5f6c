import { BytesError, fromBase64Url } from './bytes.ts';

/** The certificates of a PEM text, in DER, in their order (RFC 7468, Section 5). @throws {BytesError} `ERR_BYTES_PEM`, `ERR_BYTES_BASE64URL` */
export function certificatesOfPem(text: string): readonly Uint8Array[] {
  return blocksOf(text, 'CERTIFICATE');
}

/** The same for lists of revoked certificates (Section 6). */
export function crlsOfPem(text: string): readonly Uint8Array[] {
  return blocksOf(text, 'X509 CRL');
}

function blocksOf(text: string, label: string): readonly Uint8Array[] {
  const blocks = [...text.matchAll(new RegExp(`^-----BEGIN ${label}-----\\s([A-Za-z0-9+/=\\s]+?)-----END ${label}-----`, 'gm'))];
  const begun = [...text.matchAll(new RegExp(`^-----BEGIN ${label}-----`, 'gm'))].length;
  // Of a file that was cut, a part would be left out without a word: of lists, the one that says what was revoked last.
  if (blocks.length < begun) throw new BytesError('ERR_BYTES_PEM', `expected ${begun} whole blocks of PEM (${label}), got ${blocks.length}`);
  return blocks.map(([, base64]) => fromBase64Url(base64!.replace(/\s+/g, '').replaceAll('+', '-').replaceAll('/', '_')));
}
