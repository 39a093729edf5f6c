import type { Saboteur } from './saboteur.ts';

/** For rows of Annex B, somebody who breaks what is at their edges, and those of rows that do not bind. */
export const saboteursOfAnnexB: readonly Saboteur[] = [
  {
    row: 'R-048',
    alsoFails: ['R-604'],
    file: 'src/as/token/access-token.js',
    replace: ['claims.exp = content.issuedAt + content.lifetime', 'claims.exp = content.issuedAt + 86_400'],
  },
  { row: 'R-103', alsoFails: ['R-120'], file: 'profiles/seal/seal-server.js', replace: ['longestLeeway = 30', 'longestLeeway = 60'] },
  { row: 'R-206', file: 'src/core/cwt.js', replace: ["[CoseTag.Mac0, 'mac0']", "[-1, 'mac0']"] },
  { row: 'R-210', file: 'profiles/seal/identities/authentication.js', replace: ['who ?? {}', "who ?? { valUeId: 'ue1' }"] },
  {
    row: 'R-227',
    file: 'src/as/endpoint-request.js',
    replace: [
      'request.contentFormat === ContentFormat.AceCbor',
      'request.contentFormat === ContentFormat.AceCbor || request.contentFormat === ContentFormat.Cbor',
    ],
  },
  { row: 'R-229', file: 'src/rs/client-nonce.js', replace: ['age >= 0 && age <= this.#lifetime', 'age >= 0'] },
  { row: 'R-230', file: 'src/as/token/token-endpoint.js', replace: [' || reqCnf.coseKey?.kty === symmetric', ''] },
  {
    row: 'R-231',
    file: 'src/as/grants/grants.js',
    replace: ['AceErrorCode.unsupported_grant_type', 'AceErrorCode.unauthorized_client'],
  },
  { row: 'R-232', file: 'profiles/seal/sim-c.js', replace: ["expiresIn === undefined ? 'expires_in' : ", ''] },
  {
    row: 'R-234',
    alsoFails: ['R-605'],
    file: 'profiles/dtls/as.js',
    replace: ['response: () => ({ rsCnf: { coseKey: publicPart(server) } })', 'response: () => ({})'],
  },
];
