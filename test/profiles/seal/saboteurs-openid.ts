import type { Saboteur } from './saboteur.ts';

const folder = 'profiles/seal/https/openid';

/** For rows of the SIM-S over HTTPS, somebody who breaks them. */
export const saboteursOfOpenId: readonly Saboteur[] = [
  {
    row: 'R-040',
    alsoFails: ['R-053', 'R-100', 'R-105'],
    file: `${folder}/signing.js`,
    replace: ['sign(hash, utf8(input), signing)', "sign(hash, utf8(''), signing)"],
  },
  { row: 'R-052', file: 'profiles/seal/https/sim-c/openid-sim-c.js', replace: ["httpsUri('ERR_OPENID_CONFIG', 'issuer', issuer);", ''] },
  { row: 'R-053', alsoFails: ['R-040', 'R-041', 'R-105'], file: `${folder}/access-tokens.js`, replace: ['exp: expiresAt,', "exp: expiresAt, aud: 'another',"] },
  { row: 'R-100', alsoFails: ['R-040', 'R-047', 'R-104'], file: `${folder}/accounts.js`, replace: ['...jwtClaims(this.#vouched.get(context) ?? {})', ''] },
  { row: 'R-102', file: 'profiles/seal/identities/register.js', replace: ["kind === 'user' ? await subjectRemoved", "kind === 'ue' ? await subjectRemoved"] },
  { row: 'R-105', alsoFails: ['R-040', 'R-053'], file: `${folder}/signing.js`, replace: ['{ alg, typ, kid }', '{ alg, kid }'] },
  { row: 'R-106', alsoFails: ['R-040'], file: `${folder}/access-tokens.js`, replace: ['client_id: clientId,', ''] },
  { row: 'R-107', file: `${folder}/provider.js`, replace: ['this.redirectUris.includes(uri)', 'this.redirectUris.length > 0'] },
  { row: 'R-109', file: `${folder}/request-check.js`, replace: ["'state',", ''] },
  {
    // The provider hears of a scope that nobody asked for.
    row: 'R-110',
    file: `${folder}/provider.js`,
    replace: [
      'await next();',
      "if (context.query.scope !== undefined) context.query = { ...context.query, scope: 'openid ' + context.query.scope }; await next();",
    ],
  },
  { row: 'R-111', file: `${folder}/request-check.js`, replace: ['.includes(passwordAcr)', '.length > 0'] },
  {
    // The provider hears of S256, whatever was asked for.
    row: 'R-112',
    file: `${folder}/provider.js`,
    replace: [
      'await next();',
      "if (context.query.code_challenge_method === 'plain') context.query = { ...context.query, code_challenge_method: 'S256' }; await next();",
    ],
  },
  { row: 'R-114', file: `${folder}/provider.js`, replace: ["oidc.body?.['client_secret'] !== undefined", 'false'] },
  { row: 'R-114', file: `${folder}/provider.js`, replace: ["simS.mode === 'strict'", 'false'] },
  { row: 'R-115', alsoFails: ['R-040'], file: `${folder}/provider.js`, replace: ["() => 'bearer'", "() => 'pop'"] },
  {
    // Refresh tokens come out of the store with all that the application may have.
    row: 'R-116',
    file: `${folder}/adapter.js`,
    replace: ['payload.jti = id;', "payload.jti = id; if (payload.rotations !== undefined) payload.scope = 'openid km notes:read';"],
  },
  {
    row: 'R-116',
    file: `${folder}/provider.js`,
    replace: ['await next();', "await next(); if (context.body?.access_token !== undefined) context.body.refresh_token ??= 'another';"],
  },
  { row: 'R-117', file: `${folder}/accounts.js`, replace: ['token.grantId !== undefined', 'false'] },
  {
    row: 'R-302',
    alsoFails: ['R-117', 'R-122'],
    file: 'src/as/token/shared-tokens.js',
    replace: ['await records.add(hash, { client, resourceServer, expiresAt }, changes)', 'await true'],
  },
];
