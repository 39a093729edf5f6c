import { BytesError, fromUtf8, toHex } from '../core/bytes.ts';
import { boolean, contextTag, DerReader, DerTag, smallInteger, takeTime } from '../core/der.ts';

/** An algorithm, by its object identifier in hexadecimal. */
export interface AlgorithmIdentifier {
  readonly oid: string;
  /** In DER. */
  readonly parameters: Uint8Array;
  readonly whole: Uint8Array;
}

/** An extension of a certificate, by its object identifier in hexadecimal. */
export interface CertificateExtension {
  readonly oid: string;
  readonly critical: boolean;
  /** In DER. */
  readonly value: Uint8Array;
}

/** What of a certificate its profile is about (RFC 5280, Section 4.1). */
export interface CertificateFields {
  /** 3 for one that has extensions. */
  readonly version: number;
  /** The content of an INTEGER. */
  readonly serial: Uint8Array;
  /** Of the signature; within the certificate it is to be the same. */
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly innerSignatureAlgorithm: AlgorithmIdentifier;
  /** Seconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Names in DER, without the tag. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly keyAlgorithm: AlgorithmIdentifier;
  readonly key: Uint8Array;
  readonly extensions: readonly CertificateExtension[];
}

/**
 * Read a certificate in DER as it is, whatever is wrong with it. The signature is not looked at.
 *
 * @throws {BytesError} `ERR_BYTES_DER`, `ERR_BYTES_END`: it is none
 */
export function readCertificate(der: Uint8Array): CertificateFields {
  const outer = new DerReader(der);
  const certificate = new DerReader(outer.take(DerTag.SEQUENCE));
  outer.end();
  const fields = new DerReader(certificate.take(DerTag.SEQUENCE));
  const signatureAlgorithm = takeAlgorithm(certificate);
  const version = fields.optional(contextTag(0));
  const serial = fields.take(DerTag.INTEGER);
  const innerSignatureAlgorithm = takeAlgorithm(fields);
  const issuer = fields.take(DerTag.SEQUENCE);
  const validity = new DerReader(fields.take(DerTag.SEQUENCE));
  const notBefore = takeTime(validity);
  const notAfter = takeTime(validity);
  const subject = fields.take(DerTag.SEQUENCE);
  const keyInfo = new DerReader(fields.take(DerTag.SEQUENCE));
  const keyAlgorithm = takeAlgorithm(keyInfo);
  const key = keyInfo.take(DerTag.BIT_STRING).subarray(1);
  // Unique identifiers, of version 2.
  fields.optional(0x81);
  fields.optional(0x82);
  const extensions = fields.optional(contextTag(3));
  fields.end();
  return {
    version: version === undefined ? 1 : smallInteger(new DerReader(version).take(DerTag.INTEGER)) + 1,
    serial,
    signatureAlgorithm,
    innerSignatureAlgorithm,
    notBefore,
    notAfter,
    issuer,
    subject,
    keyAlgorithm,
    key,
    extensions: extensions === undefined ? [] : extensionsOf(extensions),
  };
}

function takeAlgorithm(reader: DerReader): AlgorithmIdentifier {
  const whole = reader.take(DerTag.SEQUENCE);
  const oid = new DerReader(whole).take(DerTag.OBJECT_IDENTIFIER);
  return { oid: toHex(oid), parameters: whole.subarray(oid.byteOffset - whole.byteOffset + oid.length), whole };
}

function extensionsOf(block: Uint8Array): readonly CertificateExtension[] {
  const list = new DerReader(new DerReader(block).take(DerTag.SEQUENCE));
  const extensions: CertificateExtension[] = [];
  while (!list.isAtEnd) {
    const fields = new DerReader(list.take(DerTag.SEQUENCE));
    const oid = toHex(fields.take(DerTag.OBJECT_IDENTIFIER));
    const critical = fields.optional(DerTag.BOOLEAN);
    extensions.push({ oid, critical: critical !== undefined && boolean(critical), value: fields.take(DerTag.OCTET_STRING) });
    fields.end();
  }
  return extensions;
}

/** RFC 5280, Section 4.2: object identifiers of extensions, in hexadecimal. */
export const ExtensionOid = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  issuerAltName: '551d12',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  cRLDistributionPoints: '551d1f',
  certificatePolicies: '551d20',
  policyMappings: '551d21',
  authorityKeyIdentifier: '551d23',
  policyConstraints: '551d24',
  extKeyUsage: '551d25',
  inhibitAnyPolicy: '551d36',
} as const;

/** RFC 5280, Section 4.2.1.6: tags of general names. */
const dnsNameTag = 0x82;
const uriTag = 0x86;
const otherTags = [0xa0, 0x81, 0xa3, 0xa4, 0xa5, 0x87, 0x88];

/** The DNS names and URIs of a subjectAltName, as they stand there. */
export function altNamesOf(value: Uint8Array): readonly { readonly type: 'dns' | 'uri'; readonly text: string }[] {
  const outer = new DerReader(value);
  const list = new DerReader(outer.take(DerTag.SEQUENCE));
  outer.end();
  const names: { readonly type: 'dns' | 'uri'; readonly text: string }[] = [];
  while (!list.isAtEnd) {
    const dns = list.optional(dnsNameTag);
    const uri = dns === undefined ? list.optional(uriTag) : undefined;
    if (dns !== undefined) names.push({ type: 'dns', text: fromUtf8(dns) });
    else if (uri !== undefined) names.push({ type: 'uri', text: fromUtf8(uri) });
    else if (!otherTags.some((tag) => list.optional(tag) !== undefined)) throw new BytesError('ERR_BYTES_DER', 'expected a name of RFC 5280, got another');
  }
  return names;
}

const dnsForm = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;
const uriForm = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/;

/**
 * Whom a certificate in DER is for: the DNS names of its subjectAltName, in lower case, and its URIs. What is neither is nobody's name: a wildcard, or text with
 * characters that such names have not. No name of one kind is one of the other.
 *
 * @throws {BytesError} `ERR_BYTES_DER`, `ERR_BYTES_END`, `ERR_BYTES_UTF8`: it is no certificate
 */
export function certificateNames(der: Uint8Array): readonly string[] {
  const extensions = readCertificate(der).extensions.filter(({ oid }) => oid === ExtensionOid.subjectAltName);
  // RFC 5280 §4.2: none stands there twice.
  if (extensions.length !== 1) return [];
  return altNamesOf(extensions[0]!.value).flatMap(({ type, text }) => {
    if (type === 'uri') return uriForm.test(text) ? [text] : [];
    const name = text.toLowerCase();
    return dnsForm.test(name) ? [name] : [];
  });
}
