/**
 * The DTLS profile of ACE, `coap_dtls` (RFC 9202): tokens that are bound to a pre-shared key or a raw public key, with which the client opens a DTLS session.
 *
 * ```ts
 * const sessions = await dtls({ port: 5684, server: { psk: {} } });
 * const rs = new ResourceServer({ audience: 'rs1', issuers, store, profiles: [dtlsProfileWith({ sessions })] });
 * await rs.listen([await udp({ port: 5683 }), sessions]);
 * ```
 *
 * @module ace-coap/profiles/dtls
 */
export type { DtlsAtAsOptions } from './as.ts';
export type { DtlsAtClientOptions } from './client.ts';
export type { PeerCredentials, ServerCredentials } from './credentials.ts';
export { DtlsProfileError, dtlsPeers, readServerCredentials } from './credentials.ts';
export type { PskIdentity } from './params.ts';
export { decodePskIdentity, derivePsk } from './params.ts';
export type { DtlsProfileOptions } from './profile.ts';
export { dtlsProfileWith } from './profile.ts';
export type { DtlsAtRsOptions } from './rs.ts';
