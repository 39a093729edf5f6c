/**
 * The resource server of ACE-OAuth (RFC 9200): a guard in front of resources, the authorization information endpoint, and the tokens that it took.
 *
 * ```ts
 * const rs = new ResourceServer({
 *   audience: 'rs1',
 *   issuers: [{ uri: 'coap://as.example/token', tokenKeys: [{ use: 'encrypt0', algorithm: 10, key }] }],
 *   scopes: { r_temp: { '/temperature': ['GET'] } },
 *   store: memoryStore(),
 *   profiles: [oscoreProfile],
 * });
 * rs.resource('/temperature', { get: () => '21.5' });
 * await rs.listen(await udp({ port: 5683 }));
 * ```
 *
 * @module ace-coap/rs
 */
export type { RefusalReason, ResourceServerEvent, TokenEnd } from './events.ts';
export type { IntrospectionOptions, Introspector } from './introspection.ts';
export { type ResourceServerChanges, ResourceServerError, type ResourceServerLimits, type ResourceServerOptions } from './options.ts';
export { type Authorization, ResourceServer } from './resource-server.ts';
export type { RevocationOptions } from './revocation.ts';
export type { IssuerRegistration, TokenDemand } from './token-check.ts';
export type { KeptClaims } from './token-table.ts';
