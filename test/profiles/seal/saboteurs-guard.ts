import type { Saboteur } from './saboteur.ts';

/** For rows of SEAL-S and T8 that mutual TLS and the guard answer for, somebody who breaks them. */
export const saboteursOfGuard: readonly Saboteur[] = [
  {
    row: 'R-024',
    alsoFails: ['R-402'],
    file: 'src/transport/https/https-server.js',
    replace: ["rejectUnauthorized: asks && options.clientCertificate !== 'wanted'", 'rejectUnauthorized: false'],
  },
  { row: 'R-025', file: 'src/pki/entity-rules.js', replace: ['usage & KeyUsage.digitalSignature', 'usage | KeyUsage.digitalSignature'] },
  {
    row: 'R-026',
    alsoFails: ['R-015'],
    file: 'profiles/seal/https/guard/guard.js',
    replace: ['?.includes(clientId) === true', '?.includes(clientId) !== undefined'],
  },
  {
    row: 'R-028',
    alsoFails: ['R-029', 'R-401'],
    file: 'src/transport/https/tls-settings.js',
    replace: ["maxVersion: 'TLSv1.3',\n    ciphers: suites.join(':')", "maxVersion: 'TLSv1.2',\n    ciphers: 'ECDHE-ECDSA-NULL-SHA@SECLEVEL=0'"],
  },
  {
    row: 'R-029',
    file: 'src/transport/https/tls-settings.js',
    replace: ["'ECDHE-RSA-AES256-GCM-SHA384'", "'ECDHE-ECDSA-AES128-SHA256'"],
  },
  { row: 'R-030', file: 'profiles/seal/https/guard/guard.js', alsoFails: ['R-119'], replace: ['names.has(name)', 'names.has(name) || true'] },
  { row: 'R-105', file: 'profiles/seal/https/guard/access-token-verifier.js', replace: ['!types.includes(typ.toLowerCase())', 'false'] },
  { row: 'R-118', file: 'profiles/seal/https/guard/bearer-token.js', replace: ["isInQuery(request.url ?? '') || ", ''] },
  { row: 'R-121', alsoFails: ['R-041'], file: 'profiles/seal/https/guard/access-token-verifier.js', replace: ['? aud !== audience', '? false'] },
  {
    row: 'R-402',
    file: 'src/transport/https/https-server.js',
    replace: ['ca: bytesOf(clientCa)', 'ca: [bytesOf(clientCa)].flat().slice(0, 1)'],
  },
];
