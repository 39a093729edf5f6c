/** What a row measures, and what we want of it. */
interface Entry {
  readonly what: string;
  /** By the peer: the least ratio. `limit`: the most bytes or milliseconds. None: the row informs. */
  readonly goals: Readonly<Record<string, number>>;
}

/** Every row by its name, and all goals. */
export const catalogue = {
  'coap-get': { what: 'GET of a resource through endpoint and router, 64 outstanding', goals: { 'dgram-echo': 0.7, 'node-coap': 3 } },
  'coap-get-8': { what: 'the same, 8 outstanding', goals: {} },
  'coap-get-1': { what: 'the same, one after the other', goals: {} },
  'coap-benchmark': { what: 'GET of `/benchmark?rlen=40` by a client on Californium, 64 outstanding', goals: {} },
  'coap-block-1MiB': { what: 'a body of 1 MiB in blocks of 1024 bytes, one after the other', goals: {} },
  'coap-memory-request': { what: 'kept of a request, of 100,000 of 1,000 peers', goals: { limit: 500 } },
  'coap-memory-observer': { what: 'kept of an idle observer', goals: { limit: 4096 } },
  'coap-memory-peer': { what: 'kept of an idle peer', goals: { limit: 1200 } },
  'oscore-get': { what: 'GET over OSCORE (AES-CCM-16-64-128), 64 outstanding', goals: { 'dgram-echo': 0.45 } },
  'oscore-context-memory': { what: 'kept of an idle context, of 100,000', goals: { limit: 2048 } },
  'oscore-restart': { what: 'from the start of a server over 100,000 stored contexts to its first protected answer', goals: { limit: 1000 } },
  'oscore-protect': { what: 'protect a request with 32 bytes of payload, whole', goals: { 'node:crypto': 1 } },
  'oscore-unprotect': { what: 'unprotect it', goals: { 'node:crypto': 1 } },
  'dtls-get': { what: 'GET in an established session (TLS_PSK_WITH_AES_128_CCM_8), 64 outstanding', goals: { 'dgram-echo': 0.45 } },
  'dtls-psk-handshake': { what: 'a PSK handshake at the server, one after the other', goals: { 'openssl s_server': 0.7 } },
  'dtls-psk-handshake-16': { what: 'the same, 16 at once', goals: { 'openssl s_server': 0.7 } },
  'dtls-rpk-handshake': { what: 'a handshake with raw public keys of both, one after the other', goals: { 'gnutls-serv': 0.5 } },
  'dtls-rpk-handshake-16': { what: 'the same, 16 at once', goals: { 'gnutls-serv': 0.5 } },
  'dtls-unknown-identity': { what: 'a handshake with an identity that is not known, beside a wrong key', goals: {} },
  'dtls-connection-memory': { what: 'kept of an idle connection, of 20,000', goals: { limit: 3072 } },
  'dtls-import': { what: '4,000 saved connections taken up by a fresh process', goals: { limit: 100 } },
  'http-coap-gateway': {
    what: 'GET over HTTP through the gateway to a device that takes OSCORE only, 64 outstanding; the CPU is that of the gateway',
    goals: { 'oscore-get': 0.4 },
  },
  'http-coap-gateway-64': {
    what: 'the same, of which NSTART lets the device have one after the other above, and here up to 64 at once, as its answers and losses show that it takes them',
    goals: { 'oscore-get': 0.4 },
  },
  'token-request': { what: 'tokens over OSCORE on LMDB, 64 clients, each durable before it is answered', goals: { 'dgram-echo': 0.08 } },
  'token-request-1': { what: 'the same, one client', goals: {} },
  'token-request-postgres': { what: 'the same on PostgreSQL, 64 clients', goals: {} },
  'token-request-postgres-1': { what: 'the same on PostgreSQL, one client', goals: {} },
  'km-request': { what: 'SEAL key requests over OSCORE, 64 devices', goals: {} },
  'km-request-dtls': { what: 'the same in a DTLS session', goals: {} },
  'oidc-token': {
    what: 'codes of a login changed over HTTPS for an ID token, an access token and a refresh token, in memory, 16 outstanding',
    goals: { 'oidc-provider': 0.8 },
  },
  'oidc-refresh': { what: 'the same for refresh tokens, each of which is changed for the next', goals: { 'oidc-provider': 0.8 } },
  'as-registry': { what: 'a token request beside 1,000,000 registered clients', goals: {} },
  'as-registry-memory': { what: 'the heap of the AS beside them', goals: {} },
  'trl-observe': { what: 'from a revocation to the first refusal at an observing resource server', goals: {} },
  'cbor-encode-claims': { what: 'encode a claims set of 171 bytes', goals: { 'cbor-x': 1 } },
  'cbor-decode-claims': { what: 'decode it, strictly', goals: { 'cbor-x': 1 } },
  'cose-sign1-sign': { what: 'COSE_Sign1 with ES256: sign', goals: { 'node:crypto': 0.85 } },
  'cose-sign1-verify': { what: 'COSE_Sign1 with ES256: verify', goals: { 'node:crypto': 0.85 } },
  'cose-encrypt0': { what: 'COSE_Encrypt0 of 100 bytes (AES-CCM-16-64-128): encrypt', goals: { 'node:crypto': 0.7 } },
  'cose-decrypt0': { what: 'COSE_Encrypt0 of 100 bytes: decrypt', goals: { 'node:crypto': 0.7 } },
  'wire-access-token': { what: 'access token', goals: { limit: 90 } },
  'wire-token-request': { what: 'token request', goals: { limit: 20 } },
  'wire-token-response': { what: 'token response', goals: { limit: 130 } },
  'wire-authz-info-request': { what: 'upload to authz-info', goals: { limit: 110 } },
  'wire-authz-info-response': { what: 'answer of authz-info', goals: { limit: 18 } },
  'wire-km-request': { what: 'KM request for one device', goals: { limit: 50 } },
  'wire-km-response': { what: 'KM response with 32 bytes of keys', goals: { limit: 110 } },
  'km-first-contact': { what: 'token, upload and SEAL keys, 50 ms each way (virtual time), nothing lost', goals: { limit: 600 } },
  'km-first-contact-5': { what: 'the same with 5 % lost', goals: { limit: 3000 } },
  'km-first-contact-20': { what: 'the same with 20 % lost', goals: { limit: 15_000 } },
} as const;

export type BenchName = keyof typeof catalogue;

/** The rows of sizes and times that have a limit. */
export type LimitedName = { [Name in BenchName]: (typeof catalogue)[Name]['goals'] extends { readonly limit: number } ? Name : never }[BenchName];

/** The most that a size or a time may be. */
export function limitOf(name: LimitedName): number {
  return catalogue[name].goals.limit;
}

export function entryOf(name: string): Entry {
  const entry = (catalogue as Readonly<Record<string, Entry>>)[name];
  if (entry === undefined) throw new RangeError(`expected a row of the catalogue, got "${name}"`);
  return entry;
}

/** What the ratio of a row is to be at least; `undefined`: there is no goal. A peer's bytes are nobody's goal. */
export function goalOf(name: string, peer: string, unit: string): number | undefined {
  if (peer === 'limit') return 1;
  return unit === 'bytes' ? undefined : entryOf(name).goals[peer];
}
