import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/** Forward secret AEAD suites alone: those of TLS 1.3, then those of TLS 1.2. */
const suites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];

/** No SHA-1. */
const signatures = [
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ed25519',
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_pss_sha256',
  'rsa_pss_pss_sha384',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
];

/** TLS as TS 33.210, Section 6.2, has it: of every HTTPS listener and every HTTPS request of this program. */
export const tlsSettings: Readonly<SecureContextOptions> = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: suites.join(':'),
  sigalgs: signatures.join(':'),
  ecdhCurve: 'P-256:P-384:X25519',
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
};
