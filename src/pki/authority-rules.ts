import { equalBytes } from '../core/bytes.ts';
import { ExtensionOid } from './certificate.ts';
import { basicConstraintsOf, distributionPoints, KeyUsage, keyUsageOf } from './extension-values.ts';
import { advice, authority, extensionOf, fault, none, type Rule, understood } from './rule.ts';

const basicConstraints: Rule = (certificate) => {
  const field = 'basicConstraints';
  const extension = extensionOf(certificate, ExtensionOid.basicConstraints);
  if (extension === undefined) return fault(field, authority, 'critical, with cA', 'no such extension');
  const constraints = understood(extension, basicConstraintsOf);
  if (constraints === undefined) return fault(field, 'RFC 5280, 4.2.1.9', 'constraints', 'bytes that are none');
  return [
    ...(extension.critical ? none : fault(field, authority, 'critical', 'not critical')),
    ...(constraints.isAuthority ? none : fault(field, authority, 'cA', 'no authority')),
    ...(constraints.pathLength === undefined ? advice(field, authority, 'a path length, so that its certificates sign no others', 'none') : none),
  ];
};

const keyUsage: Rule = (certificate) => {
  const field = 'keyUsage';
  const extension = extensionOf(certificate, ExtensionOid.keyUsage);
  if (extension === undefined) return fault(field, authority, 'critical, with keyCertSign and cRLSign', 'no such extension');
  const usage = understood(extension, keyUsageOf);
  if (usage === undefined) return fault(field, 'RFC 5280, 4.2.1.3', 'a bit string', 'something else');
  return [
    ...(extension.critical ? none : fault(field, authority, 'critical', 'not critical')),
    ...(usage & KeyUsage.keyCertSign ? none : fault(field, authority, 'keyCertSign', 'no such usage')),
    ...(usage & KeyUsage.cRLSign ? none : fault(field, authority, 'cRLSign', 'no such usage')),
  ];
};

const subject: Rule = (certificate) => (certificate.subject.length > 0 ? none : fault('subject', 'RFC 5280, 4.1.2.6', 'a name', 'none'));

/** One that signs itself is revoked by being trusted no more. */
const crl: Rule = (certificate) => (equalBytes(certificate.issuer, certificate.subject) ? none : distributionPoints(certificate, authority, fault));

/** RFC 5280, Section 4.2.1.10: who does not follow it must refuse the certificate, so that it is to be critical. */
const nameConstraints: Rule = (certificate) => {
  const extension = extensionOf(certificate, ExtensionOid.nameConstraints);
  return extension === undefined || extension.critical ? none : fault('nameConstraints', 'RFC 5280, 4.2.1.10', 'critical', 'not critical');
};

/** TS 33.310, Section 6.1.4a: authorities that sign certificates of TLS entities. */
export const authorityRules: readonly Rule[] = [basicConstraints, keyUsage, subject, crl, nameConstraints];
