import type { Saboteur } from './saboteur.ts';

/** For rows of T8, somebody who breaks them. */
export const saboteursOfT8: readonly Saboteur[] = [
  { row: 'R-401', file: 'profiles/seal/https/t8/destinations.js', replace: ["url?.protocol !== 'https:'", 'url === undefined'] },
  { row: 'R-406', file: 'profiles/seal/https/t8/egress/decodings.js', replace: ['base32, base64]', 'base32]'] },
  { row: 'R-406', file: 'profiles/seal/https/t8/egress/search.js', replace: ['if (imsis.areIn(bytes) ||', 'if (encodings === 0 && imsis.areIn(bytes) ||'] },
  { row: 'R-407', file: 'profiles/seal/https/t8/context.js', replace: ['if (!permitted)', 'if (device === undefined)'], alsoFails: ['R-408'] },
  { row: 'R-408', file: 'profiles/seal/https/t8/policy.js', replace: ["api !== '*' && api !== asked", 'false'] },
];
