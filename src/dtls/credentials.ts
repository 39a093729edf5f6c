import { BytesError, equalBytes } from '../core/bytes.ts';
import type { CurveKey, CurveKeyPair } from '../core/crypto/index.ts';
import { certificatesOfPem } from '../core/pem.ts';
import { HandshakeFailure } from './alert.ts';
import { type Certificate, decodeCertificate } from './certificate.ts';
import { verifyPath } from './certification-path.ts';
import { badConfig } from './errors.ts';
import type { ConnectionEvent, PeerIdentity } from './events.ts';
import { CertificateType } from './extensions.ts';
import { decodeCertificates, decodeRawPublicKey, encodeCertificates, encodeRawPublicKey } from './messages.ts';
import { decodeSpki, encodeSpki } from './raw-public-key.ts';
import { schemeFor } from './signature.ts';

/** Certificates in PEM, or each in DER. */
export type CertificateList = string | readonly Uint8Array[];

/** A certificate of ours: first itself, then those that sign each the one before. The root may be left out. */
export interface OwnCertificate {
  readonly chain: CertificateList;
  readonly key: CurveKeyPair;
}

/** A key of ours and the message that shows it. */
export interface OwnCredential {
  readonly type: CertificateType;
  readonly key: CurveKeyPair;
  /** The body of Certificate. */
  readonly body: Uint8Array;
  /** The schemes that its certificates are signed with. */
  readonly chainSchemes: readonly number[];
}

/** The scheme that we sign with when the peer takes these; `undefined` when it cannot follow the credential (RFC 5246, Section 7.4.2). */
export function signatureSchemeOf({ key, chainSchemes }: OwnCredential, offered: readonly number[]): number | undefined {
  return chainSchemes.every((scheme) => offered.includes(scheme)) ? schemeFor(key, offered) : undefined;
}

function spkiOf(key: CurveKeyPair): Uint8Array {
  const spki = encodeSpki(key as CurveKey);
  if (spki === undefined || !(key.d instanceof Uint8Array)) throw badConfig('a private key on P-256, P-384 or Ed25519 with its public part', 'another');
  return spki;
}

/** @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function ownRawPublicKey(key: CurveKeyPair): OwnCredential {
  return { type: CertificateType.RawPublicKey, key, body: encodeRawPublicKey(spkiOf(key)), chainSchemes: [] };
}

/**
 * The certificates of a configuration, of which there has to be one at least.
 *
 * @throws {DtlsError} `ERR_DTLS_CONFIG`
 * @throws {CryptoError} `ERR_CRYPTO_PROVIDER` where the provider in use reads no certificates
 */
export function certificatesOf(name: string, list: CertificateList): readonly Certificate[] {
  const ders = typeof list === 'string' ? dersOf(name, list) : list;
  if (ders.length === 0) throw badConfig(`${name}: certificates in PEM or DER`, 'none');
  return ders.map((der) => {
    try {
      return decodeCertificate(der.slice());
    } catch (error) {
      throw error instanceof HandshakeFailure ? badConfig(`${name}: certificates in PEM or DER`, 'another') : error;
    }
  });
}

function dersOf(name: string, pem: string): readonly Uint8Array[] {
  try {
    return certificatesOfPem(pem);
  } catch (error) {
    throw error instanceof BytesError ? badConfig(`${name}: certificates in PEM or DER`, `a text that is none: ${error.message}`) : error;
  }
}

/** @throws {DtlsError} `ERR_DTLS_CONFIG` @throws {CryptoError} `ERR_CRYPTO_PROVIDER` */
export function ownCertificate({ chain, key }: OwnCertificate): OwnCredential {
  const certificates = certificatesOf('certificate.own.chain', chain);
  if (!equalBytes(certificates[0]!.spki, spkiOf(key))) throw badConfig('certificate.own.key of the first certificate', 'another');
  const chainSchemes: number[] = [];
  for (const [index, { x509, scheme, isSelfIssued }] of certificates.entries()) {
    const next = certificates[index + 1];
    if (next !== undefined && !x509.isIssuedBy(next.x509)) throw badConfig('certificate.own.chain: each signed by the next one', 'another');
    if (isSelfIssued) continue;
    if (scheme === undefined) throw badConfig('certificate.own.chain: signed by ECDSA with SHA-256 or SHA-384 or by Ed25519', 'another');
    chainSchemes.push(scheme);
  }
  return { type: CertificateType.X509, key, body: encodeCertificates(certificates.map(({ der }) => der)), chainSchemes };
}

/** A key that the peer shows, and what says whose it is. */
export type PeerCredential = Extract<PeerIdentity, { readonly key: CurveKey }>;

/** What a certificate of the peer has to stand. */
export interface PeerRules {
  readonly roots: readonly Certificate[];
  readonly of: 'client' | 'server';
  readonly epoch: number;
  readonly host?: string;
}

function rawPublicKeyOf(body: Uint8Array): PeerCredential | undefined {
  const spki = decodeRawPublicKey(body).slice();
  if (spki.length === 0) return undefined;
  const key = decodeSpki(spki);
  if (key === undefined)
    throw new HandshakeFailure('illegal_parameter', `expected a key on P-256, P-384 or Ed25519, got a SubjectPublicKeyInfo of ${spki.length} bytes`);
  return { type: 'raw-public-key', key, spki };
}

function certificateOf(body: Uint8Array, { roots, ...rules }: PeerRules): PeerCredential | undefined {
  const sent = decodeCertificates(body);
  if (sent.length === 0) return undefined;
  const [certificate, key, chain] = verifyPath(sent, roots, rules);
  return peerCertificate(certificate, key, chain);
}

/** Who a peer is that has a certificate. */
export function peerCertificate({ x509 }: Certificate, key: CurveKey, chain: readonly Uint8Array[]): PeerCredential {
  const { subject, subjectAltName } = x509;
  return { type: 'certificate', key, chain, subject, ...(subjectAltName === undefined ? {} : { subjectAltName }) };
}

/** The key that a Certificate of the peer shows; `undefined` when it is empty. @throws {HandshakeFailure} @throws {BytesError} `ERR_BYTES_END` */
export function readPeerCredential(type: CertificateType, body: Uint8Array, rules: PeerRules): PeerCredential | undefined {
  return type === CertificateType.RawPublicKey ? rawPublicKeyOf(body) : certificateOf(body, rules);
}

/** What the application is asked about it. */
export function questionAbout(peer: PeerCredential): ConnectionEvent {
  if (peer.type === 'certificate') return { ...peer, type: 'peer-certificate' };
  return { type: 'peer-key', key: peer.key, spki: peer.spki };
}
