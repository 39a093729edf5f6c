import { BytesError, equalBytes, toHex } from '../core/bytes.ts';
import { type CurveKey, type X509, x509 } from '../core/crypto/index.ts';
import { boolean, contextTag, DerReader, DerTag, smallInteger, takeTime } from '../core/der.ts';
import { HandshakeFailure } from './alert.ts';
import { decodeSpki } from './raw-public-key.ts';

/** An X.509 certificate (RFC 5280, Section 4.1), with what the verification of a path asks of it. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly x509: X509;
  readonly spki: Uint8Array;
  /** On P-256, P-384 or Ed25519; `undefined` for another. */
  readonly key: CurveKey | undefined;
  /** TLS SignatureScheme with which it is signed; `undefined` for one that we have not. */
  readonly scheme: number | undefined;
  /** In seconds since 1970-01-01T00:00:00Z. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whether it bears one name twice, as issuer and as subject. */
  readonly isSelfIssued: boolean;
  /** Whether it may sign certificates, and how many others may stand between it and the last one. */
  readonly isAuthority: boolean;
  readonly pathLength: number | undefined;
  /** The first byte of KeyUsage; `undefined` without the extension. */
  readonly keyUsage: number | undefined;
  /** Object identifiers of ExtKeyUsage, in hexadecimal; `undefined` without the extension. */
  readonly purposes: readonly string[] | undefined;
  /** Whether an extension limits it in a way that we do not follow. */
  readonly hasUnknownLimits: boolean;
}

/** RFC 5758 Section 3.2 and RFC 8410 Section 3: object identifiers of AlgorithmIdentifiers without parameters. */
const schemes: ReadonlyMap<string, number> = new Map([
  ['06082a8648ce3d040302', 0x0403],
  ['06082a8648ce3d040303', 0x0503],
  ['06032b6570', 0x0807],
]);

/** RFC 5280, Section 4.2.1: object identifiers, in hexadecimal. */
const Extension = { keyUsage: '551d0f', subjectAltName: '551d11', basicConstraints: '551d13', nameConstraints: '551d1e', extKeyUsage: '551d25' } as const;
/** Of no consequence for a path, where any policy does. */
const certificatePolicies = '551d20';

interface Extensions {
  isAuthority: boolean;
  pathLength: number | undefined;
  keyUsage: number | undefined;
  purposes: readonly string[] | undefined;
  hasUnknownLimits: boolean;
}

function readExtension(extensions: Extensions, id: string, critical: boolean, value: Uint8Array): void {
  const outer = new DerReader(value);
  switch (id) {
    case Extension.basicConstraints: {
      const fields = new DerReader(outer.take(DerTag.SEQUENCE));
      const authority = fields.optional(DerTag.BOOLEAN);
      const length = fields.optional(DerTag.INTEGER);
      fields.end();
      extensions.isAuthority = authority !== undefined && boolean(authority);
      extensions.pathLength = length === undefined ? undefined : smallInteger(length);
      break;
    }
    case Extension.keyUsage:
      // The first byte says how many bits of the last are not used.
      extensions.keyUsage = outer.take(DerTag.BIT_STRING)[1] ?? 0;
      break;
    case Extension.extKeyUsage: {
      const fields = new DerReader(outer.take(DerTag.SEQUENCE));
      const purposes: string[] = [];
      while (!fields.isAtEnd) purposes.push(toHex(fields.take(DerTag.OBJECT_IDENTIFIER)));
      extensions.purposes = purposes;
      break;
    }
    case Extension.subjectAltName:
    case certificatePolicies:
      return;
    default:
      // RFC 5280 §4.2: who does not know a critical one refuses the certificate. Constraints of names bind whether they are said to be critical or not.
      if (critical || id === Extension.nameConstraints) extensions.hasUnknownLimits = true;
      return;
  }
  outer.end();
}

function readExtensions(block: Uint8Array | undefined): Extensions {
  const extensions: Extensions = { isAuthority: false, pathLength: undefined, keyUsage: undefined, purposes: undefined, hasUnknownLimits: false };
  if (block === undefined) return extensions;
  const outer = new DerReader(block);
  const list = new DerReader(outer.take(DerTag.SEQUENCE));
  outer.end();
  const seen = new Set<string>();
  while (!list.isAtEnd) {
    const fields = new DerReader(list.take(DerTag.SEQUENCE));
    const id = toHex(fields.take(DerTag.OBJECT_IDENTIFIER));
    const critical = fields.optional(DerTag.BOOLEAN);
    const value = fields.take(DerTag.OCTET_STRING);
    fields.end();
    if (seen.has(id)) throw new BytesError('ERR_BYTES_DER', 'expected each extension once, got one twice');
    seen.add(id);
    readExtension(extensions, id, critical !== undefined && boolean(critical), value);
  }
  return extensions;
}

function readFields(der: Uint8Array, read: X509): Certificate {
  const outer = new DerReader(der);
  const certificate = new DerReader(outer.take(DerTag.SEQUENCE));
  outer.end();
  const fields = new DerReader(certificate.take(DerTag.SEQUENCE));
  const algorithm = certificate.take(DerTag.SEQUENCE);
  certificate.take(DerTag.BIT_STRING);
  certificate.end();
  const version = fields.optional(contextTag(0));
  fields.take(DerTag.INTEGER);
  const signature = fields.take(DerTag.SEQUENCE);
  const issuer = fields.take(DerTag.SEQUENCE);
  const validity = new DerReader(fields.take(DerTag.SEQUENCE));
  const notBefore = takeTime(validity);
  const notAfter = takeTime(validity);
  validity.end();
  const subject = fields.take(DerTag.SEQUENCE);
  const spki = fields.whole(DerTag.SEQUENCE).slice();
  // Unique identifiers, of version 2, have other tags, and nobody writes them.
  const extensions = fields.optional(contextTag(3));
  fields.end();
  if (!equalBytes(algorithm, signature)) throw new BytesError('ERR_BYTES_DER', 'expected one signature algorithm, got two');
  if (extensions !== undefined && smallInteger(new DerReader(version ?? new Uint8Array(0)).take(DerTag.INTEGER)) !== 2)
    throw new BytesError('ERR_BYTES_DER', 'expected version 3 with extensions, got another');
  return {
    der,
    x509: read,
    spki,
    key: decodeSpki(spki),
    scheme: schemes.get(toHex(algorithm)),
    notBefore,
    notAfter,
    isSelfIssued: equalBytes(issuer, subject),
    ...readExtensions(extensions),
  };
}

/** Read a certificate. It is kept. @throws {HandshakeFailure} `bad_certificate` */
export function decodeCertificate(der: Uint8Array): Certificate {
  const read = x509(der);
  try {
    if (read !== undefined) return readFields(der, read);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
  }
  throw new HandshakeFailure('bad_certificate', `expected a certificate of X.509 in DER, got ${der.length} bytes that are none`);
}
