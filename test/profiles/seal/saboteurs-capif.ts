import type { Saboteur } from './saboteur.ts';

/** For rows of CAPIF, somebody who breaks them. */
export const saboteursOfCapif: readonly Saboteur[] = [
  { row: 'R-031', file: 'profiles/seal/https/capif/aef.js', replace: ['entry.selSecurityMethod === method', 'entry !== undefined'] },
  { row: 'R-508', alsoFails: ['R-600'], file: 'profiles/seal/https/capif/core-simulator.js', replace: ['!apiIds.includes(api)', 'true'] },
  { row: 'R-602', file: 'profiles/seal/https/capif/aef.js', replace: ['owner !== undefined && owner !== agreed', 'false'] },
];
