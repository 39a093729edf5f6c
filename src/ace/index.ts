/**
 * The vocabulary of ACE-OAuth (RFC 9200, 9201, 9203, 9237): parameters, messages, scopes and errors, and the plug that a profile fills. No I/O.
 *
 * ```ts
 * const payload = encodeTokenRequest({ audience: 'rs1', scope: 'r_temp', aceProfile: null });
 * const granted = decodeTokenResponse(response.payload);
 * parseScope('r_temp', { r_temp: { '/temperature': ['GET'] } }).decide(localPart(['temperature']), Method.GET);   // 'permit'
 * ```
 *
 * @module ace-coap/ace
 */
export type { BoundKey, Extension } from './bound-key.ts';
export { decodeBoundKey, encodeBoundKey, extendBoundKey } from './bound-key.ts';
export { type Ending, Ends } from './ends.ts';
export type { AceErrorBody, AceErrorOptions } from './error.ts';
export { AceError, AceErrorCode, aceErrorName, decodeError, encodeError, errorResponse } from './error.ts';
export { decodeExiCti, encodeExiCti, lastExiSequence } from './exi.ts';
export { Expiry } from './expiry.ts';
export type { Hints } from './hints.ts';
export { decodeHints, encodeHints } from './hints.ts';
export type { IntrospectionRequest, IntrospectionResponse } from './introspection.ts';
export { decodeIntrospectionRequest, decodeIntrospectionResponse, encodeIntrospectionRequest, encodeIntrospectionResponse } from './introspection.ts';
export { AceProfile, GrantType, hintParameters, introspectionParameters, TokenType, tokenParameters } from './params.ts';
export type {
  Acceptance,
  AsIo,
  Binding,
  ClientIo,
  FoundPeer,
  Grant,
  PeerRules,
  PreparedUpload,
  Profile,
  ProfileAtAs,
  ProfileAtClient,
  ProfileAtRs,
  ProfileEvent,
  RegisteredKeys,
  RsIo,
  Target,
  TokenUpload,
} from './profile.ts';
export { credential } from './profile.ts';
export type { FollowerOptions, FollowOptions, ListChange, RevocationList } from './revocation-list.ts';
export { RevocationListFollower } from './revocation-list.ts';
export type { Aif, AifEntry, Permissions, Scope, ScopeIntersection, ScopeTable, Verdict } from './scope.ts';
export { aifMethods, decodeAif, encodeAif, intersectScopes, localPart, parseScope, scopeText, unionScopes } from './scope.ts';
export type { AccessInformation, TokenRequest, TokenResponse } from './token.ts';
export { decodeAccessInformation, decodeTokenRequest, decodeTokenResponse, encodeTokenRequest, encodeTokenResponse, tokenResponseOf } from './token.ts';

export { jwtHashes, tokenHash, tokenHashes, tokenHashText } from './token-hash.ts';

export type { Experiment, Relayed, UploadOutcome, UploadWish } from './token-upload.ts';
export {
  aceUpload,
  relayedAnswerOf,
  tokenHashOf,
  uploadedInformation,
  uploadWishOf,
  uploadWishParameters,
  WantedToken,
} from './token-upload.ts';
export type { DiffEntry, TrlQuery, TrlResponse } from './trl.ts';
export { decodeTrlResponse, encodeTrlResponse, TrlError, trlErrorKey, trlQueryArguments } from './trl.ts';
