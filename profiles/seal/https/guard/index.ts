export type { AccessTokenClaims } from './access-token-claims.ts';
export { type AccessTokenVerifier, type AccessTokenVerifierOptions, accessTokenVerifier } from './access-token-verifier.ts';
export { BearerError, type BearerReason } from './bearer-error.ts';
export type { GuardedRequest } from './bearer-token.ts';
export { Guard, type GuardEvent, type GuardOptions, type HttpsCaller } from './guard.ts';
export { type BearerErrorCode, type GuardReason, GuardRefusal, type GuardRefusalOptions } from './guard-refusal.ts';
export { type KeySource, keysAt } from './issuer-keys.ts';
