/**
 * The OSCORE profile of ACE, `coap_oscore` (RFC 9203): tokens that carry input material for an OSCORE security context between client and resource server.
 *
 * ```ts
 * const as = new AuthorizationServer({ profiles: [oscoreProfile], store, clients, resourceServers });
 * ```
 *
 * @module ace-coap/profiles/oscore
 */
export type { OscoreProfileOptions } from './client.ts';
export { storedContexts } from './context-store.ts';
export { OscoreProfileError, oscorePeers } from './credentials.ts';
export type { Exchanged, InputMaterial } from './params.ts';
export { contextParameters, decodeInputMaterial, inputMaterialParameters } from './params.ts';
export { oscoreProfile, oscoreProfileWith } from './profile.ts';
