import { equalBytes } from '../core/bytes.ts';
import type { CurveKey } from '../core/crypto/index.ts';
import { HandshakeFailure } from './alert.ts';
import { type Certificate, decodeCertificate } from './certificate.ts';

/** What the key of the last certificate is for: object identifiers of RFC 5280, Section 4.2.1.12. */
const purposes = { server: '2b06010505070301', client: '2b06010505070302' } as const;
const anyPurpose = '551d2500';

/** Bits of the first byte of KeyUsage (RFC 5280, Section 4.2.1.3). */
const KeyUsage = { digitalSignature: 0x80, keyCertSign: 0x04 } as const;

/** RFC 7925, Section 4.4.4 asks for 3 at least. */
const mostCertificates = 10;

export interface PathRules {
  /** Whose key the first certificate has. */
  readonly of: 'client' | 'server';
  /** In seconds since 1970-01-01T00:00:00Z. */
  readonly epoch: number;
  /** A domain name or an address that the first certificate has to bear. */
  readonly host?: string;
}

const isValid = ({ notBefore, notAfter }: Certificate, epoch: number): boolean => notBefore <= epoch && epoch <= notAfter;

function checkValidity(certificate: Certificate, epoch: number): void {
  if (!isValid(certificate, epoch)) throw new HandshakeFailure('certificate_expired', 'expected certificates that are valid now, got another');
}

function checkLimits({ hasUnknownLimits, purposes: listed }: Certificate, { of }: PathRules): void {
  if (hasUnknownLimits) throw new HandshakeFailure('unsupported_certificate', 'expected no critical extension that we do not know, got one');
  // Of an authority too, as others have it: it limits what it signs.
  if (listed !== undefined && !listed.includes(purposes[of]) && !listed.includes(anyPurpose))
    throw new HandshakeFailure('unsupported_certificate', `expected a certificate for the purpose of a ${of}, got one for others`);
}

/** RFC 5280, Section 6.1.4 (k) to (n), of one that has so many others below it. */
function checkAuthority({ isAuthority, pathLength, keyUsage, key }: Certificate, below: number): void {
  if (!isAuthority) throw new HandshakeFailure('bad_certificate', 'expected an issuer that may sign certificates, got another');
  if (keyUsage !== undefined && (keyUsage & KeyUsage.keyCertSign) === 0)
    throw new HandshakeFailure('bad_certificate', 'expected an issuer whose key may sign certificates, got another');
  if (pathLength !== undefined && below > pathLength)
    throw new HandshakeFailure('bad_certificate', `expected at most ${pathLength} certificates below an issuer, got ${below}`);
  if (key === undefined) throw new HandshakeFailure('unsupported_certificate', 'expected an issuer with a key on P-256, P-384 or Ed25519, got another');
}

/** The certificates from the first one to one that is trusted: each signed the one before. */
function pathTo(roots: readonly Certificate[], chain: readonly Certificate[], epoch: number): readonly Certificate[] {
  const path: Certificate[] = [];
  for (const [index, certificate] of chain.entries()) {
    path.push(certificate);
    if (roots.some(({ der }) => equalBytes(der, certificate.der))) return path;
    // RFC 5246 §7.4.2: signed in a way that was offered. How one is signed that is trusted does not count.
    if (certificate.scheme === undefined)
      throw new HandshakeFailure(
        'unsupported_certificate',
        'expected certificates that are signed by ECDSA with SHA-256 or SHA-384 or by Ed25519, got another',
      );
    // An authority may have one that has ended beside the one that followed it.
    const isIssuer = ({ x509 }: Certificate): boolean => certificate.x509.isIssuedBy(x509);
    const root = roots.find((one) => isValid(one, epoch) && isIssuer(one)) ?? roots.find(isIssuer);
    if (root !== undefined) return [...path, root];
    const next = chain[index + 1];
    if (next !== undefined && !certificate.x509.isIssuedBy(next.x509))
      throw new HandshakeFailure('bad_certificate', 'expected each certificate to be signed by the next one, got another');
  }
  throw new HandshakeFailure('unknown_ca', 'expected a chain to a certificate that is trusted, got another');
}

/**
 * Verify that a chain, the certificate of the peer first, leads to one of the roots, and that it is for this use. Whether one of them is revoked is for the
 * application to know.
 *
 * A root may be any certificate that is trusted: that of an authority, or that of the peer itself. The result is the certificate of the peer, its key, and the
 * path from it to the root, in DER.
 *
 * @throws {HandshakeFailure} `bad_certificate`, `unsupported_certificate`, `certificate_expired`, `unknown_ca`
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-6.1
 */
export function verifyPath(chain: readonly Uint8Array[], roots: readonly Certificate[], rules: PathRules): [Certificate, CurveKey, readonly Uint8Array[]] {
  if (chain.length > mostCertificates) throw new HandshakeFailure('bad_certificate', `expected at most ${mostCertificates} certificates, got ${chain.length}`);
  const path = pathTo(
    roots,
    chain.map((der) => decodeCertificate(der.slice())),
    rules.epoch,
  );
  let below = 0;
  for (const [index, certificate] of path.entries()) {
    checkValidity(certificate, rules.epoch);
    checkLimits(certificate, rules);
    if (index === 0) continue;
    checkAuthority(certificate, below);
    if (!certificate.isSelfIssued) below++;
  }
  const [certificate] = path as [Certificate, ...Certificate[]];
  const { key, keyUsage, x509 } = certificate;
  if (key === undefined) throw new HandshakeFailure('unsupported_certificate', 'expected a certificate with a key on P-256, P-384 or Ed25519, got another');
  if (keyUsage !== undefined && (keyUsage & KeyUsage.digitalSignature) === 0)
    throw new HandshakeFailure('unsupported_certificate', 'expected a certificate whose key may sign handshakes, got another');
  // RFC 9525 §6.
  if (rules.host !== undefined && !x509.isFor(rules.host))
    throw new HandshakeFailure('bad_certificate', `expected a certificate for ${rules.host}, got one for other names`);
  return [certificate, key, path.map(({ der }) => der)];
}
