import { createPrivateKey } from 'node:crypto';
import { fromBase64Url, fromHex } from '../../src/core/bytes.ts';
import type { CurveKeyPair } from '../../src/core/crypto/index.ts';
import type { OwnCertificate } from '../../src/dtls/index.ts';
import { fixture } from '../support/fixtures.ts';

const made = fixture<Readonly<Record<string, { readonly certificate: string; readonly key: string }>>>('x509/certificates.json');

/** A certificate of `fixtures/x509`, in DER. */
export function certificate(name: string): Uint8Array {
  return fromHex(made[name]!.certificate);
}

/** Its private key. */
export function keyOf(name: string): CurveKeyPair {
  const { crv, x, y, d } = createPrivateKey({ key: Buffer.from(made[name]!.key, 'hex'), format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  const part = (text: string): Uint8Array => fromBase64Url(text);
  return { crv: { 'P-256': 1, 'P-384': 2, Ed25519: 6 }[crv!]!, x: part(x!), ...(y === undefined ? {} : { y: part(y) }), d: part(d!) };
}

/** The certificate with its key, and those that stand above it. */
export function own(name: string, ...above: readonly string[]): OwnCertificate {
  return { chain: [name, ...above].map(certificate), key: keyOf(name) };
}

/** A certificate and its private key as texts, for other programs. */
export function pemOf(name: string): { readonly certificate: string; readonly key: string } {
  return { certificate: pem('CERTIFICATE', certificate(name)), key: pem('PRIVATE KEY', fromHex(made[name]!.key)) };
}

export function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
