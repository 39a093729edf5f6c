/**
 * The HTTPS faces of a 3GPP SEAL deployment (TS 33.434, Annex A): OpenID Connect for VAL users.
 *
 * @module ace-coap/profiles/seal/https
 */

export { passwordAcr } from './login/acr.ts';
export type { LoginEvent } from './login/events.ts';
export { FormError } from './login/form.ts';
export { type InteractionHandlerOptions, interactionHandler } from './login/interaction-handler.ts';
export { type AttemptDecision, type AttemptLimit, type LoginAttempt, LoginAttempts, type LoginAttemptsOptions } from './login/login-attempts.ts';
export { type LoginPrompt, loginPage, type Page } from './login/page.ts';
export { passwordUsers, type UserAuthenticator } from './login/user-authenticator.ts';
export { type BrowserLogin, logInByBrowser } from './sim-c/browser-login.ts';
export { type FormLogin, logInByForm } from './sim-c/form-login.ts';
export { OpenIdError } from './sim-c/openid-error.ts';
export { type AuthorizationRequestInit, type OpenIdLogin, OpenIdSimC, type OpenIdSimCOptions } from './sim-c/openid-sim-c.ts';
export type { Fetch, ProviderMetadata } from './sim-c/provider-metadata.ts';
