/**
 * The authorization server of ACE-OAuth (RFC 9200): token endpoint, introspection, policy and registrations.
 *
 * ```ts
 * const as = new AuthorizationServer({
 *   store: memoryStore(),
 *   profiles: [oscoreProfile],
 *   clients: [{ id: 'c1', profile: 2, credentials: contextWithClient, grants: [{ audience: 'rs1', scope: 'r_temp w_led' }] }],
 *   resourceServers: [{ id: 'rs1', audiences: ['rs1'], profiles: [2], tokenKeys: [{ use: 'encrypt0', algorithm: 10, key: keyOfRs1 }] }],
 * });
 * await as.listen(await udp({ port: 5684 }));
 * ```
 *
 * @module ace-coap/as
 */
export type { Actor, AdminAct, AdminAnswer, AdminCommand } from './admin/admin-command.ts';
export { adminActs, administer, decodeAdminAnswer, encodeAdminCommand } from './admin/admin-command.ts';
export type { Listing, Page } from './admin/admin-list.ts';
export type { View } from './admin/admin-views.ts';
export type { AdministrationOptions } from './admin/administration.ts';
export { Administration } from './admin/administration.ts';
export type { Departed, TakeAway } from './admin/departures.ts';
export type { AuditedEvent, AuditSink, RefusalEvent } from './audit.ts';
export type { AuthorizationServerLimits, AuthorizationServerOptions, Reconfiguration } from './authorization-server.ts';
export { AuthorizationServer } from './authorization-server.ts';
export type { EndpointRequest } from './endpoint-request.ts';
export { AuthorizationServerError } from './error.ts';
export type { AuthorizationServerEvent, Emit } from './events.ts';
export type { CodeGrant } from './grants/codes.ts';
export { issueCode } from './grants/codes.ts';
export type { GrantFolders, GrantRevocations, RevocationCause } from './grants/grant-revocations.ts';
export type { GrantTypeName } from './grants/grant-types.ts';
export type { RefreshTokenOptions } from './grants/grants.ts';
export type { PasswordVerifier } from './grants/passwords.ts';
export { hasPassword, removePassword, setPassword, storedPasswords } from './grants/passwords.ts';
export { hashSecret } from './grants/slow-hash.ts';
export type { Decision, Grants, Policy, PolicyRequest } from './policy.ts';
export { registeredGrants } from './policy.ts';
export type { Rate, Rates } from './rates.ts';
export type { PeerChanges } from './reconfiguration.ts';
export type {
  AdminObject,
  Channel,
  Client,
  ClientRegistration,
  GrantRegistration,
  HttpsClientRegistration,
  RegisteredGrant,
  RegisteredPeer,
  RegisteredResourceServer,
  ResourceServerRegistration,
  Rules,
  Source,
} from './registry/registration.ts';
export { adminObjects } from './registry/registration.ts';
export { clientMap, grantMap, resourceServerMap, tokenKeyMap } from './registry/registration-codec.ts';
export type { RegistryOptions } from './registry/registry.ts';
export { Registry } from './registry/registry.ts';
export type { FoundToken, MadeToken, SharedTokens } from './token/shared-tokens.ts';
export { currentKey, type TimedTokenKey } from './token/token-keys.ts';
export type { TokenRecord } from './token/token-records.ts';
export type { AddedClaims, TokenGrant, TokenRules } from './token/token-rules.ts';
export type { RevocationsOptions, Revoked, Updates } from './trl/revocations.ts';
export { Revocations } from './trl/revocations.ts';
export type { TrlOptions } from './trl/trl-endpoint.ts';
