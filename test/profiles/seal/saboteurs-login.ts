import type { Saboteur } from './saboteur.ts';

/** For rows of the login page and of the client over HTTPS, somebody who breaks them. */
export const saboteursOfLogin: readonly Saboteur[] = [
  { row: 'R-040', file: 'profiles/seal/https/sim-c/openid-sim-c.js', replace: ['Authorization: `Bearer', 'Authorization: `Basic'] },
  { row: 'R-044', file: 'profiles/seal/https/login/user-authenticator.js', replace: ['isRight && isKnown', 'isRight'] },
  { row: 'R-044', file: 'profiles/seal/https/login/login-attempts.js', replace: ['beyond < 0 ? 0', 'beyond < 9 ? 0'] },
  { row: 'R-046', file: 'profiles/seal/https/sim-c/id-token.js', replace: ['isTexts(services) ? services : []', '[]'] },
  { row: 'R-101', file: 'profiles/seal/https/sim-c/id-token.js', replace: ['!isTime(iat) || ', ''] },
  { row: 'R-113', file: 'profiles/seal/https/sim-c/openid-sim-c.js', replace: ['hashOf(state)', "''"] },
  { row: 'R-120', file: 'profiles/seal/https/sim-c/id-token.js', replace: ['azp !== undefined ? azp !== clientId', 'azp !== undefined ? false'] },
  { row: 'R-122', file: 'profiles/seal/https/sim-c/openid-sim-c.js', replace: ['now < kept.expiresAt && ', ''] },
];
