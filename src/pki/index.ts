/**
 * Certificates of TS 33.310: what their profile asks, and throw-away ones for a lab.
 *
 * ```ts
 * const faults = lintCertificate(der, { as: 'client', now: systemEnv.epoch() }).filter(({ severity }) => severity === 'fault');
 * ```
 *
 * @module ace-coap/pki
 */

export { certificateNames } from './certificate.ts';
export { certificateRole, lintCertificate } from './certificate-profile.ts';
export type { CertificateRole, Finding, LintOptions } from './finding.ts';
export { type CertificateInit, type Chance, type IssuedCertificate, LabAuthority } from './lab-authority.ts';
export { PkiError, RevocationLists } from './revocation-lists.ts';
