/**
 * Certificates of TS 33.310: throw-away ones for a lab.
 *
 * @module ace-coap/pki
 */

export { certificateNames } from './certificate.ts';
export { type CertificateInit, type IssuedCertificate, LabAuthority } from './lab-authority.ts';
