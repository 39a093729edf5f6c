/**
 * The client of ACE-OAuth (RFC 9200): from a URI to an answer, with a token that it gets on the way.
 *
 * ```ts
 * const client = new AceClient({
 *   transport: await udp(),
 *   store: memoryStore(),
 *   profiles: [oscoreProfile],
 *   authorizationServers: [{ uri: 'coap://as.example/token', credentials }],
 * });
 * const response = await client.fetch('coap://rs.example/led', { method: 'PUT', payload: 'on' });
 * ```
 *
 * @module ace-coap/client
 */
export type { DeadlineOptions } from '../coap/index.ts';
export { AceClient } from './ace-client.ts';
export type { AsRequest, AuthorizationServerRegistration } from './authorization-servers.ts';
export type { AceRequestInit, MethodName } from './errand.ts';
export type { AceClientEvent, Step } from './events.ts';
export type { AuthorizationGrant } from './grants.ts';
export type { AceObserveInit, StoredObservation } from './observations.ts';
export type { AceClientOptions } from './options.ts';
export { AceResponse } from './response.ts';
export type { TokenInit } from './token-init.ts';
