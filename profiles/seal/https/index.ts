/**
 * SEAL over HTTPS (TS 33.434, 5.1.1.8 and Annex A): a guard for resource servers, and what stands behind it.
 *
 * ```ts
 * const verifier = accessTokenVerifier({ issuer: 'https://sims.val.example', audience: 'lm', keys: keysAt('https://sims.val.example/jwks', { ca }), env: systemEnv });
 * const guard = new Guard({ verifier, certificates: 'required', scope: 'key-management', emit: console.log });
 * ```
 *
 * @module ace-coap/profiles/seal/https
 */

export {
  type AccessTokenClaims,
  type AccessTokenVerifier,
  type AccessTokenVerifierOptions,
  accessTokenVerifier,
  BearerError,
  type BearerErrorCode,
  type BearerReason,
  Guard,
  type GuardEvent,
  type GuardedRequest,
  type GuardOptions,
  type GuardReason,
  GuardRefusal,
  type GuardRefusalOptions,
  type HttpsCaller,
  type KeySource,
  keysAt,
} from './guard/index.ts';
