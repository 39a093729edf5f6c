import { BytesError, fromUtf8, toHex } from '../core/bytes.ts';
import { boolean, contextTag, DerReader, DerTag, smallInteger } from '../core/der.ts';
import { type CertificateFields, ExtensionOid } from './certificate.ts';
import type { Finding } from './finding.ts';
import { advice, extensionOf, type fault, none, understood } from './rule.ts';

/** Bits of keyUsage (RFC 5280, Section 4.2.1.3), as they stand in its first byte. */
export const KeyUsage = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const;

/** The first byte of keyUsage; the one bit of the second is `decipherOnly`. */
export function keyUsageOf(value: Uint8Array): number {
  const outer = new DerReader(value);
  // The first byte says how many bits of the last are not used.
  const usage = outer.take(DerTag.BIT_STRING)[1] ?? 0;
  outer.end();
  return usage;
}

/** Whether a certificate is one of an authority, and how many others may stand between it and the last one. */
export function basicConstraintsOf(value: Uint8Array): { readonly isAuthority: boolean; readonly pathLength: number | undefined } {
  const outer = new DerReader(value);
  const fields = new DerReader(outer.take(DerTag.SEQUENCE));
  outer.end();
  const authority = fields.optional(DerTag.BOOLEAN);
  const length = fields.optional(DerTag.INTEGER);
  fields.end();
  return { isAuthority: authority !== undefined && boolean(authority), pathLength: length === undefined ? undefined : smallInteger(length) };
}

/** RFC 5280, Section 4.2.1.12, in hexadecimal. */
export const serverAuth = '2b06010505070301';
export const clientAuth = '2b06010505070302';

/** Object identifiers of extKeyUsage, in hexadecimal. */
export function purposesOf(value: Uint8Array): readonly string[] {
  const outer = new DerReader(value);
  const list = new DerReader(outer.take(DerTag.SEQUENCE));
  outer.end();
  const purposes: string[] = [];
  while (!list.isAtEnd) purposes.push(toHex(list.take(DerTag.OBJECT_IDENTIFIER)));
  return purposes;
}

const uriTag = 0x86;

/** The URIs of the first name of each distribution point (RFC 5280, Section 4.2.1.13). */
function distributionUrisOf(value: Uint8Array): readonly string[] {
  const outer = new DerReader(value);
  const points = new DerReader(outer.take(DerTag.SEQUENCE));
  outer.end();
  const uris: string[] = [];
  while (!points.isAtEnd) {
    const name = new DerReader(points.take(DerTag.SEQUENCE)).optional(contextTag(0));
    const full = name === undefined ? undefined : new DerReader(name).optional(contextTag(0));
    const uri = full === undefined ? undefined : new DerReader(full).optional(uriTag);
    if (uri !== undefined) uris.push(fromUtf8(uri));
  }
  if (uris.length === 0) throw new BytesError('ERR_BYTES_DER', 'expected a distribution point with a URI, got none');
  return uris;
}

/** Where the list of revoked certificates is: over HTTP or LDAP. */
export function distributionPoints(certificate: CertificateFields, clause: string, make: typeof fault): readonly Finding[] {
  const field = 'cRLDistributionPoints';
  const expected = 'the address of a list of revoked certificates, by http or ldap';
  const extension = extensionOf(certificate, ExtensionOid.cRLDistributionPoints);
  if (extension === undefined) return make(field, clause, expected, 'no such extension');
  const uris = understood(extension, distributionUrisOf);
  if (!uris?.some((uri) => /^(?:http|ldap)s?:\/\/./i.test(uri))) return make(field, clause, expected, 'none');
  // Who is to learn whether a certificate holds would need another one for that.
  return uris.some((uri) => /^(?:http|ldap):/i.test(uri))
    ? none
    : advice(field, 'RFC 5280, 8', 'an address by http or ldap', 'one that needs a certificate itself');
}
