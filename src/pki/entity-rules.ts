import { altNamesOf, ExtensionOid } from './certificate.ts';
import { basicConstraintsOf, clientAuth, distributionPoints, KeyUsage, keyUsageOf, purposesOf, serverAuth } from './extension-values.ts';
import { advice, entity, extensionOf, fault, none, type Rule, understood } from './rule.ts';

const purposes = {
  server: { name: 'id-kp-serverAuth', oid: serverAuth },
  client: { name: 'id-kp-clientAuth', oid: clientAuth },
} as const;

const longestLife = 3 * 366 * 86_400;

const subjectAltName: Rule = (certificate, { as }) => {
  const field = 'subjectAltName';
  const extension = extensionOf(certificate, ExtensionOid.subjectAltName);
  if (extension === undefined) return fault(field, entity, 'a dNSName or a URI', 'no such extension');
  const names = understood(extension, altNamesOf);
  if (names === undefined) return fault(field, 'RFC 5280, 4.2.1.6', 'names', 'bytes that are none');
  if (names.length === 0) return fault(field, entity, 'a dNSName or a URI', 'other names, or none');
  if (certificate.subject.length === 0 && !extension.critical) return fault(field, 'RFC 5280, 4.2.1.6', 'critical, since there is no subject', 'not critical');
  const wildcard = names.find(({ text }) => text.includes('*'));
  if (wildcard === undefined) return none;
  return (as === 'client' ? fault : advice)(field, entity, 'the whole name of one entity', JSON.stringify(wildcard.text));
};

const keyUsage: Rule = (certificate) => {
  const field = 'keyUsage';
  const extension = extensionOf(certificate, ExtensionOid.keyUsage);
  if (extension === undefined) return fault(field, entity, 'critical, with digitalSignature', 'no such extension');
  const usage = understood(extension, keyUsageOf);
  if (usage === undefined) return fault(field, 'RFC 5280, 4.2.1.3', 'a bit string', 'something else');
  return [
    ...(extension.critical ? none : fault(field, entity, 'critical', 'not critical')),
    ...(usage & KeyUsage.digitalSignature ? none : fault(field, entity, 'digitalSignature', 'no such usage')),
    ...(usage & KeyUsage.keyCertSign ? fault(field, 'RFC 5280, 4.2.1.3', 'no keyCertSign in a certificate of an end entity', 'it') : none),
  ];
};

const extKeyUsage: Rule = (certificate, { as }) => {
  const field = 'extKeyUsage';
  const { name, oid } = purposes[as === 'server' ? 'server' : 'client'];
  const extension = extensionOf(certificate, ExtensionOid.extKeyUsage);
  if (extension === undefined) return fault(field, entity, name, 'no such extension');
  const found = understood(extension, purposesOf);
  if (found === undefined) return fault(field, 'RFC 5280, 4.2.1.12', 'purposes', 'bytes that are none');
  return found.includes(oid) ? none : fault(field, entity, name, 'other purposes');
};

const crl: Rule = (certificate) => distributionPoints(certificate, entity, fault);

const basicConstraints: Rule = (certificate) => {
  const extension = extensionOf(certificate, ExtensionOid.basicConstraints);
  const constraints = extension === undefined ? undefined : understood(extension, basicConstraintsOf);
  return constraints?.isAuthority === true ? fault('basicConstraints', entity, 'no certification authority', 'one') : none;
};

const nameConstraints: Rule = (certificate) =>
  extensionOf(certificate, ExtensionOid.nameConstraints) === undefined
    ? none
    : fault('nameConstraints', 'RFC 5280, 4.2.1.10', 'them in certificates of authorities alone', 'them in another');

const lifetime: Rule = ({ notBefore, notAfter }) =>
  notAfter - notBefore <= longestLife
    ? none
    : advice('validity', 'TS 33.310, 6.1.3c', 'at most three years', `${Math.round((notAfter - notBefore) / 86_400)} days`);

/** TS 33.310, Section 6.1.3a: TLS entities. */
export const entityRules: readonly Rule[] = [subjectAltName, keyUsage, extKeyUsage, crl, basicConstraints, nameConstraints, lifetime];
