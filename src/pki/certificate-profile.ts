import { ProtocolError } from '../core/errors.ts';
import { authorityRules } from './authority-rules.ts';
import { type CertificateFields, readCertificate } from './certificate.ts';
import { commonRules } from './common-rules.ts';
import { entityRules } from './entity-rules.ts';
import type { Finding, LintOptions } from './finding.ts';

/**
 * Hold a certificate in DER against the profile of TS 33.310 for TLS entities (6.1.3a) or for their certification authorities (6.1.4a), with the rules that all
 * certificates share (6.1.1) and those of RFC 5280 that they rest on. Its signature and its path are not looked at.
 *
 * Nothing is found in a certificate that has its profile.
 */
export function lintCertificate(der: Uint8Array, options: LintOptions): readonly Finding[] {
  let fields: CertificateFields;
  try {
    fields = readCertificate(der);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [{ field: 'certificate', clause: 'RFC 5280, 4.1', severity: 'fault', expected: 'a certificate of X.509 in DER', got: error.message }];
  }
  const rules = [...commonRules, ...(options.as === 'ca' ? authorityRules : entityRules)];
  return rules.flatMap((rule) => rule(fields, options));
}
