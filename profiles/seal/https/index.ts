/**
 * The HTTPS faces of a 3GPP SEAL deployment (TS 33.434, 5.1.1.8 and Annex A): OpenID Connect for VAL users, a guard for resource servers, and the T8
 * reference point in front of devices.
 *
 * ```ts
 * const verifier = accessTokenVerifier({ issuer: 'https://sims.val.example', audience: 'lm', keys: keysAt('https://sims.val.example/jwks', { ca }), env: systemEnv });
 * const guard = new Guard({ verifier, certificates: 'required', scope: 'key-management', emit: console.log });
 * ```
 *
 * @module ace-coap/profiles/seal/https
 */

export { CapifAef, type CapifAefOptions, targetOwner } from './capif/aef.ts';
export { type AefSecurityOptions, aefSecurityEndpoints } from './capif/aef-security.ts';
export { type CapifContexts, type CapifCoreClientOptions, capifContexts } from './capif/core-client.ts';
export {
  type CapifAefRegistration,
  type CapifCoreChanges,
  type CapifCoreEvent,
  CapifCoreSimulator,
  type CapifCoreSimulatorOptions,
  type CapifInvokerRegistration,
} from './capif/core-simulator.ts';
export { CapifError } from './capif/error.ts';
export { type CapifCallInit, CapifInvoker, type CapifInvokerOptions } from './capif/invoker.ts';
export { type CapifGrants, formatCapifScope, parseCapifScope } from './capif/scope.ts';
export {
  readSecurityNotification,
  readServiceSecurity,
  type SecurityInformation,
  type SecurityMethod,
  type SecurityNotification,
  type ServiceSecurity,
} from './capif/security-context.ts';
export { ClientCredentials, type ClientCredentialsOptions } from './client-credentials.ts';
export type { CredentialFailureRates } from './credential-failures.ts';
export type { AccessTokenClaims, TokenProfile } from './guard/access-token-claims.ts';
export { type AccessTokenVerifier, type AccessTokenVerifierOptions, accessTokenVerifier } from './guard/access-token-verifier.ts';
export { BearerError, type BearerReason } from './guard/bearer-error.ts';
export type { GuardedRequest } from './guard/bearer-token.ts';
export { Guard, type GuardEvent, type GuardOptions, type HttpsCaller } from './guard/guard.ts';
export { type BearerErrorCode, type GuardReason, GuardRefusal, type GuardRefusalOptions } from './guard/guard-refusal.ts';
export { type KeySource, keysAt } from './guard/issuer-keys.ts';
export { RevokedTokens, type RevokedTokensOptions } from './guard/revoked-tokens.ts';
export type { JsonObject } from './guard/strict-json.ts';
export { type HttpsKeyRequestInit, KeyManagementClient, type KeyManagementClientOptions } from './key-management-client.ts';
export { type KeyInfoRequest, KeyRecordsClient, type KeyRecordsClientOptions } from './key-records-client.ts';
export { passwordAcr } from './login/acr.ts';
export type { LoginEvent } from './login/events.ts';
export { FormError } from './login/form.ts';
export { type AccountNames, type InteractionHandlerOptions, interactionHandler } from './login/interaction-handler.ts';
export type { InteractionOutcome, InteractionProvider, ProviderGrant, ProviderInteraction } from './login/interaction-provider.ts';
export { type AttemptDecision, type AttemptLimit, type LoginAttempt, LoginAttempts, type LoginAttemptsOptions } from './login/login-attempts.ts';
export { type LoginPrompt, loginPage, type Page } from './login/page.ts';
export { passwordUsers, type UserAuthenticator } from './login/user-authenticator.ts';

export type { OpenIdFace, OpenIdFaceOptions } from './openid/face.ts';
export type { OpenIdLifetimes } from './openid/lifetimes.ts';
export { openIdFace } from './openid/open-face.ts';
export { openIdEndpoints } from './openid/paths.ts';
export type { TrustedProxies } from './proxies.ts';

export type { EndpointRequest, HttpsEndpoint, RequestGuard } from './seal-server/endpoint.ts';
export { type HttpAnswer, type HttpRefusal, HttpRefused } from './seal-server/http-answer.ts';
export { type KeyManagementEndpointOptions, keyManagementEndpoint } from './seal-server/key-management.ts';
export { type KeyRecordsEndpointOptions, keyRecordsEndpoint, keyRecordsPath } from './seal-server/key-records.ts';
export { type SealHttpsEvent, SealHttpsServer, type SealHttpsServerOptions } from './seal-server/seal-https-server.ts';

export { type BrowserLogin, logInByBrowser } from './sim-c/browser-login.ts';
export { type FormLogin, logInByForm } from './sim-c/form-login.ts';
export { OpenIdError } from './sim-c/openid-error.ts';
export { type AuthorizationRequestInit, type OpenIdLogin, OpenIdSimC, type OpenIdSimCOptions } from './sim-c/openid-sim-c.ts';
export type { Fetch, ProviderMetadata } from './sim-c/provider-metadata.ts';
export type {
  AddressedDevice,
  DeliveryResult,
  DeliveryStatus,
  DeviceAnswer,
  DeviceLink,
  DeviceRequest,
  EgressEvent,
  EgressFilterOptions,
  EgressFinding,
  EgressRule,
  InvalidParam,
  IsPublicNumber,
  LeavingMessage,
  OutboxEvent,
  ProblemCause,
  ProblemDetails,
  Subscribers,
  T8Api,
  T8ClientOptions,
  T8Decision,
  T8Delivered,
  T8Device,
  T8ErrorOptions,
  T8Event,
  T8GatewayOptions,
  T8Guard,
  T8Limits,
  T8Rate,
  T8RateEvent,
  T8Rates,
  T8Response,
  T8Rule,
  TriggerInit,
} from './t8/index.ts';
export {
  aceDeviceLink,
  DeviceRegistry,
  EgressFilter,
  filtered,
  KnownImsis,
  NotificationListener,
  T8Client,
  T8Error,
  T8Gateway,
  T8Policy,
  t8Apis,
  t8Paths,
} from './t8/index.ts';
