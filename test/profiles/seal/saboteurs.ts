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
  {
    row: 'R-003',
    file: 'src/client/errand.js',
    replace: ['env.random(8)), ...options], payload: emptyBytes', 'env.random(8)), ...options], payload: requestOf(errand).payload'],
  },
  { row: 'R-005', alsoFails: ['R-218'], file: 'src/core/cwt.js', replace: ['algorithm, ...(kid === undefined ? {} : { kid })', 'algorithm, kid: payload'] },
  {
    row: 'R-006',
    alsoFails: ['R-003'],
    file: 'src/dtls/replay-window.js',
    replace: ['return ((below < 32 ? this.#near : this.#far) & (1 << (below & 31))) === 0', 'return true'],
  },
  {
    row: 'R-018',
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
  { row: 'R-218', file: 'profiles/oscore/client.js', replace: ['const nonce1 = this.#io.env.random(nonceLength)', 'const nonce1 = material.ms'] },
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
];
