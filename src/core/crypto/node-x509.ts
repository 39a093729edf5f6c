import { X509Certificate } from 'node:crypto';
import type { X509 } from './provider.ts';

/** RFC 9525 §6.3, §6.4: names stand in subjectAltName; RFC 7925 §4.4.1: without wildcards. */
const names = { subject: 'never', wildcards: false, partialWildcards: false } as const;

/** An address, by its form: no domain name has a colon, or a last label of digits alone. */
const address = /:|(?:^|\.)\d+$/;

class NodeX509 implements X509 {
  readonly #certificate: X509Certificate;

  constructor(der: Uint8Array) {
    this.#certificate = new X509Certificate(der);
  }

  get subject(): string {
    return this.#certificate.subject;
  }

  get subjectAltName(): string | undefined {
    return this.#certificate.subjectAltName;
  }

  isFor(host: string): boolean {
    // OpenSSL takes it for all names that end so.
    if (host.startsWith('.')) return false;
    try {
      return (address.test(host) ? this.#certificate.checkIP(host) : this.#certificate.checkHost(host, names)) !== undefined;
    } catch {
      // Neither a name nor an address.
      return false;
    }
  }

  isIssuedBy(issuer: X509): boolean {
    if (!(issuer instanceof NodeX509)) return false;
    const own = this.#certificate;
    const other = issuer.#certificate;
    try {
      return own.checkIssued(other) && own.verify(other.publicKey);
    } catch {
      // A key that OpenSSL does not take signs nothing.
      return false;
    }
  }
}

export function x509(der: Uint8Array): X509 | undefined {
  // OpenSSL reads PEM too.
  if (der[0] !== 0x30) return undefined;
  try {
    return new NodeX509(der);
  } catch {
    return undefined;
  }
}
