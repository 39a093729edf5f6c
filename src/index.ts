/**
 * The quick start: the three roles of ACE-OAuth (RFC 9200), the OSCORE and DTLS profiles, a store and sockets.
 *
 * ```ts
 * const client = new AceClient({ transport: await udp(), store: await lmdbStore('./state'), profiles: [oscoreProfile], authorizationServers });
 * const response = await client.fetch('coap://127.0.0.1:5683/temperature');
 * ```
 *
 * Each folder has an entry of its own: `ace-coap/coap`, `ace-coap/oscore`, `ace-coap/core`, ...
 *
 * @module ace-coap
 */
export { type DtlsProfileOptions, dtlsProfileWith } from '../profiles/dtls/index.ts';
export { oscoreProfile } from '../profiles/oscore/index.ts';
export { AuthorizationServer, type AuthorizationServerOptions, type ClientRegistration, type ResourceServerRegistration } from './as/index.ts';
export { AceClient, type AceClientOptions, type AceRequestInit, type AceResponse } from './client/index.ts';
export type { CoapResponse, Resource, ResourceHandle, ResourceRequest } from './coap/index.ts';
export { fromHex, toHex } from './core/bytes.ts';
export { symmetricKey, type TokenKey } from './core/cwt.ts';
export { ProtocolError } from './core/errors.ts';
export { ResourceServer, type ResourceServerOptions } from './rs/index.ts';
export { lmdbStore, memoryStore, type Store } from './store/index.ts';
export { CoapClient, dtls, observe, request, type ServeOptions, type Server, serve, udp } from './transport/index.ts';
