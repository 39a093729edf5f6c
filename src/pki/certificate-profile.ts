import { ProtocolError } from '../core/errors.ts';
import { authorityRules } from './authority-rules.ts';
import { type CertificateFields, ExtensionOid, readCertificate } from './certificate.ts';
import { commonRules } from './common-rules.ts';
import { entityRules } from './entity-rules.ts';
import { basicConstraintsOf, purposesOf, serverAuth } from './extension-values.ts';
import type { CertificateRole, Finding, LintOptions } from './finding.ts';
import { extensionOf, understood } from './rule.ts';

/**
 * Hold a certificate in DER against the profile of TS 33.310 for TLS entities (6.1.3a) or for their certification authorities (6.1.4a), with the rules that all
 * certificates share (6.1.1) and those of RFC 5280 that they rest on. Its signature and its path are not looked at.
 *
 * Nothing is found in a certificate that has its profile.
 */
export function lintCertificate(der: Uint8Array, options: LintOptions): readonly Finding[] {
  const fields = readOrFault(der);
  if ('severity' in fields) return [fields];
  const rules = [...commonRules, ...(options.as === 'ca' ? authorityRules : entityRules)];
  return rules.flatMap((rule) => rule(fields, options));
}

/** What a certificate in DER says that it is for: one that may be a server and a client is a server, and one that does not tell is a client. */
export function certificateRole(der: Uint8Array): CertificateRole {
  const fields = readOrFault(der);
  if ('severity' in fields) return 'client';
  const constraints = extensionOf(fields, ExtensionOid.basicConstraints);
  if (constraints !== undefined && understood(constraints, basicConstraintsOf)?.isAuthority === true) return 'ca';
  const purposes = extensionOf(fields, ExtensionOid.extKeyUsage);
  return purposes !== undefined && understood(purposes, purposesOf)?.includes(serverAuth) === true ? 'server' : 'client';
}

function readOrFault(der: Uint8Array): CertificateFields | Finding {
  try {
    return readCertificate(der);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { field: 'certificate', clause: 'RFC 5280, 4.1', severity: 'fault', expected: 'a certificate of X.509 in DER', got: error.message };
  }
}
