import { saboteursOfAnnexB } from './saboteurs-annex-b.ts';

/** A fault in one compiled file, and the rows of the requirements that it breaks. */
export interface Saboteur {
  readonly row: string;
  /** Rows that lean on the same rule. Those that refer to a row that fails need not be listed. */
  readonly alsoFails?: readonly string[];
  /** Below `dist`. */
  readonly file: string;
  /** What stands there once, and what takes its place. */
  readonly replace: readonly [from: string, to: string];
}

/** For each row that binds, somebody who breaks its rule. */
export const saboteurs: readonly Saboteur[] = [
  ...saboteursOfAnnexB,
  {
    row: 'R-003',
    file: 'src/client/errand.js',
    replace: ['env.random(8)), ...options], payload: emptyBytes', 'env.random(8)), ...options], payload: requestOf(errand).payload'],
  },
  {
    row: 'R-005',
    alsoFails: ['R-016', 'R-065', 'R-073', 'R-218'],
    file: 'src/core/cwt.js',
    replace: ['algorithm, ...(kid === undefined ? {} : { kid })', 'algorithm, kid: payload'],
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
    alsoFails: ['R-016', 'R-073'],
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
    file: 'profiles/seal/key-management/client.js',
    replace: ['if (message[name] === request[name])', "if (message[name] === request[name] || name !== 'serviceId')"],
  },
  { row: 'R-075', file: 'profiles/seal/key-management/key-management-server.js', replace: ['readableIdentities(payload))', '{})'] },
  {
    row: 'R-076',
    alsoFails: ['R-075'],
    file: 'profiles/seal/key-management/message.js',
    replace: ['if (errorCode !== undefined && payload !== undefined)', 'if (false)'],
  },
  { row: 'R-201', file: 'src/coap/echo/value.js', replace: ['age < this.#window &&', ''] },
  {
    row: 'R-202',
    file: 'src/coap/message/cache-key.js',
    replace: ['request.options, variesWithinOperation)', 'request.options, (number) => number === OptionNumber.RequestTag || variesWithinOperation(number))'],
  },
  {
    row: 'R-203',
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
    alsoFails: ['R-301'],
    file: 'src/as/guard.js',
    replace: [
      'const { association } = request;',
      'const association = (globalThis.last = request.association ?? globalThis.last); request = { ...request, association };',
    ],
  },
  {
    row: 'R-500',
    alsoFails: ['R-503'],
    file: 'profiles/seal/akma/msgin5g-registration.js',
    replace: [
      'return { keys, aKid };\n        }\n        return undefined;',
      'return (globalThis.last = { keys, aKid });\n        }\n        return globalThis.last;',
    ],
  },
  { row: 'R-501', file: 'profiles/seal/akma/kdf.js', replace: ['kAf: 0x82', 'kAf: 0x83'] },
  { row: 'R-504', alsoFails: ['R-505'], file: 'profiles/seal/akma/msgin5g-registration.js', replace: ['!associated.includes(ueServiceId)', 'false'] },
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
