import { equalBytes, toHex } from '../core/bytes.ts';
import { contextTag, DerReader, DerTag } from '../core/der.ts';
import { ProtocolError } from '../core/errors.ts';
import { type AlgorithmIdentifier, type CertificateFields, ExtensionOid } from './certificate.ts';
import type { Finding } from './finding.ts';
import { advice, common, fault, none, oidText, type Rule } from './rule.ts';

/** Signature algorithms of X.509 (RFC 4055, RFC 5758, RFC 8410), by object identifier in hexadecimal. */
const signatures: Readonly<Record<string, { readonly name: string; readonly hash: string; readonly scheme: 'pkcs1' | 'pss' | 'ecdsa' | 'eddsa' }>> = {
  '2a864886f70d010102': { name: 'md2WithRSAEncryption', hash: 'MD2', scheme: 'pkcs1' },
  '2a864886f70d010104': { name: 'md5WithRSAEncryption', hash: 'MD5', scheme: 'pkcs1' },
  '2a864886f70d010105': { name: 'sha1WithRSAEncryption', hash: 'SHA-1', scheme: 'pkcs1' },
  '2a864886f70d01010e': { name: 'sha224WithRSAEncryption', hash: 'SHA-224', scheme: 'pkcs1' },
  '2a864886f70d01010b': { name: 'sha256WithRSAEncryption', hash: 'SHA-256', scheme: 'pkcs1' },
  '2a864886f70d01010c': { name: 'sha384WithRSAEncryption', hash: 'SHA-384', scheme: 'pkcs1' },
  '2a864886f70d01010d': { name: 'sha512WithRSAEncryption', hash: 'SHA-512', scheme: 'pkcs1' },
  '2a864886f70d01010a': { name: 'RSASSA-PSS', hash: '', scheme: 'pss' },
  '2a8648ce3d0401': { name: 'ecdsa-with-SHA1', hash: 'SHA-1', scheme: 'ecdsa' },
  '2a8648ce3d040301': { name: 'ecdsa-with-SHA224', hash: 'SHA-224', scheme: 'ecdsa' },
  '2a8648ce3d040302': { name: 'ecdsa-with-SHA256', hash: 'SHA-256', scheme: 'ecdsa' },
  '2a8648ce3d040303': { name: 'ecdsa-with-SHA384', hash: 'SHA-384', scheme: 'ecdsa' },
  '2a8648ce3d040304': { name: 'ecdsa-with-SHA512', hash: 'SHA-512', scheme: 'ecdsa' },
  '2b6570': { name: 'Ed25519', hash: 'SHA-512', scheme: 'eddsa' },
};

/** Hash algorithms in the parameters of RSASSA-PSS. */
const hashes: Readonly<Record<string, string>> = {
  '2b0e03021a': 'SHA-1',
  '608648016503040204': 'SHA-224',
  '608648016503040201': 'SHA-256',
  '608648016503040202': 'SHA-384',
  '608648016503040203': 'SHA-512',
};

const goodHashes = ['SHA-256', 'SHA-384', 'SHA-512'];

const rsaEncryption = '2a864886f70d010101';
const rsaPss = '2a864886f70d01010a';
const ecPublicKey = '2a8648ce3d0201';
const ed25519 = '2b6570';
const goodCurves: readonly string[] = ['2a8648ce3d030107', '2b81040022'];
const shortestRsa = 2048;
const adviceRsa = 3072;

const version: Rule = (certificate) => (certificate.version === 3 ? none : fault('version', common, '3', String(certificate.version)));

/** RFC 5280, Section 4.1.2.2: positive, and of at most 20 bytes. */
const serialNumber: Rule = ({ serial }) => {
  const [first = 0x80] = serial;
  const clause = 'RFC 5280, 4.1.2.2';
  if (first >= 0x80 || serial.every((byte) => byte === 0)) return fault('serialNumber', clause, 'a positive number', 'another');
  return serial.length <= 20 ? none : fault('serialNumber', clause, 'at most 20 bytes', `${serial.length}`);
};

/** The hash of RSASSA-PSS is SHA-1 where its parameters name none (RFC 4055, Section 3.1). */
function pssHash({ parameters }: AlgorithmIdentifier): string {
  try {
    if (parameters.length === 0) return 'SHA-1';
    const named = new DerReader(new DerReader(parameters).take(DerTag.SEQUENCE)).optional(contextTag(0));
    if (named === undefined) return 'SHA-1';
    const oid = toHex(new DerReader(new DerReader(named).take(DerTag.SEQUENCE)).take(DerTag.OBJECT_IDENTIFIER));
    return hashes[oid] ?? oidText(oid);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return 'parameters that cannot be read';
  }
}

const signature: Rule = ({ signatureAlgorithm, innerSignatureAlgorithm }) => {
  const known = signatures[signatureAlgorithm.oid];
  const findings: Finding[] = [];
  if (!equalBytes(signatureAlgorithm.whole, innerSignatureAlgorithm.whole)) {
    findings.push(...fault('signature', 'RFC 5280, 4.1.2.3', 'the algorithm of signatureAlgorithm', 'another'));
  }
  if (known === undefined) {
    const expected = 'RSA or ECDSA with SHA-256 or SHA-384';
    return [...findings, ...fault('signatureAlgorithm', common, expected, oidText(signatureAlgorithm.oid))];
  }
  const hash = known.scheme === 'pss' ? pssHash(signatureAlgorithm) : known.hash;
  if (!goodHashes.includes(hash))
    findings.push(...fault('signatureAlgorithm', common, 'SHA-256 or SHA-384, and never MD2, MD5 or SHA-1', `${known.name} with ${hash}`));
  else if (known.scheme === 'pkcs1') findings.push(...advice('signatureAlgorithm', common, 'ECDSA, or RSA without the padding of PKCS #1 v1.5', known.name));
  else if (known.scheme === 'eddsa') findings.push(...advice('signatureAlgorithm', common, 'RSA or ECDSA, which every peer has', known.name));
  return findings;
};

const publicKey: Rule = (certificate) => {
  const { oid, parameters } = certificate.keyAlgorithm;
  const field = 'subjectPublicKeyInfo';
  if (oid === ecPublicKey) {
    const curve = curveOf(parameters);
    return goodCurves.includes(curve) ? none : fault(field, common, 'the curve P-256 or P-384', curve === '' ? 'parameters that name none' : oidText(curve));
  }
  if (oid === rsaEncryption || oid === rsaPss) {
    const bits = rsaBits(certificate);
    if (bits < shortestRsa) return fault(field, common, `RSA with at least ${shortestRsa} bits`, `${bits} bits`);
    return bits < adviceRsa ? advice(field, common, `RSA with at least ${adviceRsa} bits`, `${bits} bits`) : none;
  }
  if (oid === ed25519) return advice(field, common, 'rsaEncryption or id-ecPublicKey, which every peer has', 'Ed25519');
  return fault(field, common, 'rsaEncryption or id-ecPublicKey', oidText(oid));
};

/** In hexadecimal; empty: it is not named. */
function curveOf(parameters: Uint8Array): string {
  try {
    return toHex(new DerReader(parameters).take(DerTag.OBJECT_IDENTIFIER));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return '';
  }
}

/** Bits of the modulus; 0: it cannot be read. */
function rsaBits({ key }: CertificateFields): number {
  try {
    const modulus = new DerReader(new DerReader(key).take(DerTag.SEQUENCE)).take(DerTag.INTEGER);
    const start = modulus.findIndex((byte) => byte !== 0);
    return start < 0 ? 0 : (modulus.length - start) * 8 - Math.clz32(modulus[start]!) + 24;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return 0;
  }
}

const validity: Rule = ({ notBefore, notAfter }, { now }) => {
  const clause = 'RFC 5280, 4.1.2.5';
  const text = (time: number): string => new Date(time * 1000).toISOString();
  if (notAfter < notBefore) return fault('validity', clause, `an end after ${text(notBefore)}`, text(notAfter));
  if (now < notBefore) return fault('validity.notBefore', clause, 'a time that is past', text(notBefore));
  return now > notAfter ? fault('validity.notAfter', clause, 'a time to come', text(notAfter)) : none;
};

const issuer: Rule = ({ issuer: { length } }) => (length > 0 ? none : fault('issuer', 'RFC 5280, 4.1.2.4', 'a name', 'none'));

const twice: Rule = ({ extensions }) => {
  const oids = extensions.map(({ oid }) => oid);
  return [...new Set(oids.filter((oid, index) => oids.indexOf(oid) !== index))].flatMap((oid) =>
    fault('extensions', 'RFC 5280, 4.2', 'each extension once', `${oidText(oid)} twice`),
  );
};

/** What a receiver has to follow, since it is critical, and no peer of ours can. */
const unknownCritical: Rule = ({ extensions }) => {
  const known: readonly string[] = Object.values(ExtensionOid);
  return extensions.flatMap(({ oid, critical }) =>
    critical && !known.includes(oid) ? fault('extensions', 'RFC 5280, 4.2', 'no critical extension that is unknown', oidText(oid)) : none,
  );
};

/** TS 33.310, Section 6.1.1. */
export const commonRules: readonly Rule[] = [version, serialNumber, signature, issuer, validity, publicKey, twice, unknownCritical];
