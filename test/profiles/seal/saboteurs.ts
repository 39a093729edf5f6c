import type { Saboteur } from './saboteur.ts';
import { saboteursOfAnnexB } from './saboteurs-annex-b.ts';
import { saboteursOfCapif } from './saboteurs-capif.ts';
import { saboteursOfGuard } from './saboteurs-guard.ts';
import { saboteursOfKmHttps } from './saboteurs-km-https.ts';
import { saboteursOfLogin } from './saboteurs-login.ts';
import { saboteursOfOpenId } from './saboteurs-openid.ts';
import { saboteursOfT8 } from './saboteurs-t8.ts';

/** For each row that binds, somebody who breaks its rule. */
export const saboteurs: readonly Saboteur[] = [
  ...saboteursOfAnnexB,
  ...saboteursOfGuard,
  ...saboteursOfKmHttps,
  ...saboteursOfCapif,
  ...saboteursOfLogin,
  ...saboteursOfOpenId,
  ...saboteursOfT8,
  {
    row: 'R-003',
    alsoFails: ['R-002'],
    file: 'src/client/errand.js',
    replace: ['env.random(8)), ...options], payload: emptyBytes', 'env.random(8)), ...options], payload: requestOf(errand).payload'],
  },
  {
    row: 'R-005',
    alsoFails: ['R-016', 'R-065', 'R-073', 'R-218', 'R-220'],
    file: 'src/core/cwt.js',
    replace: ['if (kid !== undefined)\n        options.kid = kid;', 'options.kid = options.plaintext ?? options.payload;'],
  },
  {
    row: 'R-006',
    alsoFails: ['R-003'],
    file: 'src/dtls/replay-window.js',
    replace: ['return ((below < 32 ? this.#near : this.#far) & (1 << (below & 31))) === 0', 'return true'],
  },
  {
    row: 'R-018',
    alsoFails: ['R-014', 'R-060', 'R-061'],
    file: 'src/rs/guard.js',
    replace: [
      'if (association === undefined || binding === undefined) {',
      "if (association === undefined && request.payload.length > 0) this.#serve(request, reply, target, 'public'); else if (association === undefined || binding === undefined) {",
    ],
  },
  {
    row: 'R-020',
    file: 'src/oscore/derive.js',
    replace: ['return encode([id, idContext ?? null, aead, type, length])', 'return encode([id, idContext ?? null, aead, type])'],
  },
  { row: 'R-014', alsoFails: ['R-064'], file: 'profiles/seal/key-management/service.js', replace: ['fetch: answer, post: answer', 'fetch: answer'] },
  {
    row: 'R-060',
    file: 'profiles/seal/key-management/request-check.js',
    replace: ["return refusal(ErrorCode.Rejected, 'token', 'expected a valid token, got none')", 'return undefined'],
  },
  {
    row: 'R-061',
    alsoFails: ['R-014', 'R-060', 'R-062', 'R-065', 'R-067', 'R-068', 'R-069', 'R-070'],
    file: 'src/rs/resource-server.js',
    replace: ["pathForm(path), 'any-scope'", "pathForm(path), 'public'"],
  },
  {
    row: 'R-065',
    alsoFails: ['R-073'],
    file: 'src/client/errand.js',
    replace: ['init: formatsOnly(init) }).options, payload: emptyBytes', 'init: formatsOnly(init) }).options, payload: requestOf(errand).payload'],
  },
  {
    row: 'R-067',
    alsoFails: ['R-064', 'R-070', 'R-076', 'R-077'],
    file: 'profiles/seal/key-management/request-check.js',
    replace: ['named.length > 1', 'named.length > 9'],
  },
  {
    row: 'R-070',
    alsoFails: ['R-067'],
    file: 'profiles/seal/key-management/key-management-server.js',
    replace: [
      'checkRequest(request, checks, this.#env.epoch()) ?? checkRights(recordNameOf(request), caller)',
      'checkRights(recordNameOf(request), caller) ?? checkRequest(request, checks, this.#env.epoch())',
    ],
  },
  {
    row: 'R-073',
    file: 'src/oscore/client-exchange.js',
    replace: [
      "this.#discard(discardReasons.get(code) ?? 'plaintext', last);\n            return;",
      'received = { response: { ...message, options: [], code: Code.Content, association: this.#context } };',
    ],
  },
  {
    row: 'R-075',
    file: 'profiles/seal/key-management/key-material.js',
    replace: ['if (message[name] === request[name])', "if (message[name] === request[name] || name !== 'serviceId')"],
  },
  {
    row: 'R-075',
    file: 'profiles/seal/key-management/key-management-server.js',
    replace: ['sKmsUri, representation.readableIdentities(payload));', 'sKmsUri, {});'],
  },
  {
    row: 'R-076',
    alsoFails: ['R-075'],
    file: 'profiles/seal/key-management/message.js',
    replace: ['if (errorCode !== undefined && payload !== undefined)', 'if (false)'],
  },
  { row: 'R-201', file: 'src/coap/echo/value.js', replace: ['age < this.#window() &&', ''] },
  {
    row: 'R-202',
    file: 'src/coap/message/cache-key.js',
    replace: ['request.options, variesWithinOperation)', 'request.options, (number) => number === OptionNumber.RequestTag || variesWithinOperation(number))'],
  },
  {
    row: 'R-203',
    alsoFails: ['R-004'],
    file: 'src/coap/exchange/token.js',
    replace: ['const number = this.#next++;', 'const number = this.#next++ % 4; this.#random = { uint32: () => 7 };'],
  },
  {
    row: 'R-218',
    file: 'profiles/oscore/client.js',
    replace: [
      'const material = materialOf(granted);\n        const nonce1 = this.#io.env.random(nonceLength)',
      'const material = materialOf(granted); const nonce1 = material.ms',
    ],
  },
  {
    row: 'R-301',
    file: 'profiles/oscore/as.js',
    replace: ["deriveContext(parameters, { credential, window: 'unverified' })", "deriveContext(parameters, { credential, window: 'fresh' })"],
  },
  {
    row: 'R-302',
    alsoFails: ['R-001', 'R-012', 'R-212', 'R-301'],
    file: 'src/as/guard.js',
    replace: [
      'const { association } = request;',
      'const association = (registry.last = request.association ?? registry.last); request = { ...request, association };',
    ],
  },
  {
    row: 'R-500',
    alsoFails: ['R-503'],
    file: 'profiles/seal/akma/msgin5g-registration.js',
    replace: ['return { keys, aKid };\n        }\n        return undefined;', 'return (this.last = { keys, aKid });\n        }\n        return this.last;'],
  },
  { row: 'R-501', file: 'profiles/seal/akma/kdf.js', replace: ['kAf: 0x82', 'kAf: 0x83'] },
  { row: 'R-504', alsoFails: ['R-505'], file: 'profiles/seal/akma/msgin5g-registration.js', replace: ['!associated.includes(ueServiceId)', 'false'] },
  {
    row: 'R-001',
    alsoFails: ['R-004', 'R-070', 'R-076', 'R-201', 'R-206', 'R-217', 'R-221', 'R-604'],
    file: 'src/rs/guard.js',
    replace: [
      'if (association === undefined || binding === undefined) {',
      "if (association === undefined && tokens.size > 0 && request.payload.length === 0) this.#serve(request, reply, target, 'public'); else if (association === undefined || binding === undefined) {",
    ],
  },
  { row: 'R-002', file: 'profiles/oscore/params.js', replace: ['masterSecret: material.ms', 'masterSecret: new Uint8Array(16)'] },
  {
    row: 'R-019',
    file: 'src/dtls/cipher-suites.js',
    replace: ["'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',\n    ],\n};", "'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256', 'TLS_PSK_WITH_AES_128_CCM_8',\n    ],\n};"],
  },
  {
    row: 'R-041',
    alsoFails: ['R-216', 'R-221'],
    file: 'src/rs/token-check.js',
    replace: ['!audiences.some((audience) => options.audiences.has(audience))', 'audiences.length === 0'],
  },
  { row: 'R-206', file: 'src/core/cwt.js', replace: ['if (!encrypted && isSecret(claims.cnf))', 'if (false)'] },
  { row: 'R-208', file: 'profiles/oscore/credentials.js', replace: ['masterSecret,\n        senderId', 'masterSecret: new Uint8Array(16),\n        senderId'] },
  { row: 'R-212', file: 'profiles/dtls/credentials.js', replace: ['key: key.slice()', 'key: new Uint8Array(16)'] },
  { row: 'R-213', alsoFails: ['R-040', 'R-225', 'R-231'], file: 'src/as/policy.js', replace: ['intersectScopes(scope, grant.scope)', '{ scope }'] },
  {
    row: 'R-215',
    alsoFails: ['R-003', 'R-005', 'R-014', 'R-018', 'R-073', 'R-205', 'R-218', 'R-219', 'R-233', 'R-605'],
    file: 'profiles/dtls/rs.js',
    replace: ['code: Code.Created', 'code: Code.Changed'],
  },
  { row: 'R-216', file: 'src/rs/token-check.js', replace: ["time === 'not-yet'", 'false'] },
  { row: 'R-217', alsoFails: ['R-604'], file: 'src/rs/targets.js', replace: ["kind === 'any-scope' ?", "kind === 'any-scope' || method === 4 ?"] },
  {
    row: 'R-222',
    alsoFails: ['R-206', 'R-605'],
    file: 'src/core/cwt.js',
    replace: ['outer.tag === cwtTag ? outer.value : outer', 'outer.tag === cwtTag ? outer.value : undefined'],
  },
  { row: 'R-225', file: 'src/as/token/token-endpoint.js', replace: ['if (!sameScope(granted.scope, asked.scope))', 'if (false)'] },
  { row: 'R-229', file: 'src/rs/token-check.js', replace: ['options.nonces !== undefined &&', 'false &&'] },
  { row: 'R-232', file: 'profiles/seal/sim-c.js', replace: ["aceProfile === undefined ? 'ace_profile' : undefined", 'undefined'] },
  {
    row: 'R-233',
    alsoFails: ['R-003', 'R-214'],
    file: 'profiles/oscore/as.js',
    replace: ['confidential: false, changes, response: () => ({})', 'confidential: false, changes, response: () => ({ cnf: { kid } })'],
  },
  { row: 'R-221', file: 'profiles/seal/configuration/collection.js', replace: ['!caller.valServiceIds.includes(valServiceId)', 'false'] },
  { row: 'R-604', alsoFails: ['R-602'], file: 'profiles/seal/spatial/entity.js', replace: [': caller[kind] === id', ': caller[kind] !== undefined'] },
  {
    row: 'R-043',
    file: 'profiles/seal/identities/register.js',
    replace: ['value: undefined, expected: before }', 'value: before, expected: before }'],
  },
  {
    row: 'R-050',
    alsoFails: ['R-041'],
    file: 'profiles/seal/identities/authentication.js',
    replace: ['.filter((service) => serves(service, audience))', ''],
  },
  { row: 'R-079', file: 'profiles/seal/seal-server.js', replace: ['if (valSystemId === valSystem ||', 'if (true ||'] },
  { row: 'R-220', file: 'src/client/sessions.js', replace: ['hidden ? rootProbeOf(errand) : probeOf', 'probeOf'] },
  { row: 'R-223', file: 'profiles/seal/seal-server.js', replace: ["const required = ['exp', 'scope', 'cnf']", "const required = ['scope', 'cnf']"] },
  { row: 'R-234', file: 'profiles/seal/sim-s.js', replace: ["nameServerKey: mode === 'strict'", 'nameServerKey: false'] },
];
