/**
 * A 3GPP SEAL deployment over CoAP (TS 33.434, Annex B): SEAL servers are resource servers of ACE-OAuth, the SIM-S is their authorization server.
 *
 * @module ace-coap/profiles/seal
 */

export type {
  Aanf,
  AanfClientOptions,
  AanfServer,
  AanfSimulatorOptions,
  AfId,
  AKid,
  AkmaClientOptions,
  AkmaEvent,
  AnchorKey,
  ApplicationKey,
  ApplicationKeysOptions,
  ConfigurationClientOptions,
  EstablishOscoreOptions,
  MessageType,
  Msgin5gClientOptions,
  Msgin5gEvent,
  Msgin5gRegistrationOptions,
  OscoreBootstrapOptions,
  OscoreInputs,
  RefusalReason,
  Registration,
  RegistrationRequest,
  RegistrationResponse,
  UeAnchor,
  UeAssociations,
} from './akma/index.ts';
export {
  AanfClient,
  AanfSimulator,
  AkmaError,
  ApplicationKeys,
  aanfPaths,
  aKidOf,
  aKidOfIdentity,
  akmaAuthenticator,
  akmaCredential,
  akmaCredentials,
  akmaHint,
  defaultIdentityPrefix,
  deriveAnchor,
  deriveAnchorKey,
  deriveApplicationKey,
  deriveATid,
  encodeAfId,
  establishOscore,
  formatAfId,
  kdf,
  Msgin5gClient,
  Msgin5gRegistration,
  makeAKid,
  OscoreBootstrap,
  parseAfId,
  parseAKid,
  pskIdentity,
  serveAanf,
  uaStarTls12,
  uaStarTls13,
  ueAssociations,
} from './akma/index.ts';
export type { Caller } from './caller.ts';
export { hasScope } from './caller.ts';
export { type CollectionLimits, ConfigurationService, type ConfigurationServiceOptions } from './configuration/index.ts';
export { type Changed, type Document, DocumentTable, type DocumentTableOptions } from './document-table.ts';
export { SealError, type SealErrorOptions } from './error.ts';
export type { Authenticated, ValAuthenticator } from './identities/authentication.ts';
export { byRegistration } from './identities/authentication.ts';
export type { ValIdentity, ValIdentityKind } from './identities/identity.ts';
export { IdentityError, valIdentityKinds } from './identities/identity.ts';
export type { IdentitySource, RegisteredIdentity } from './identities/register.ts';
export { IdentityRegister } from './identities/register.ts';
export type { ValServicesConfig, ValTarget } from './identities/val-services-config.ts';
export { provisionServices, readValServicesConfig } from './identities/val-services-config.ts';
export type {
  Identities,
  Identity,
  IdentityKind,
  KeyInfo,
  KeyManagementEvent,
  KeyManagementFaceOptions,
  KeyManagementOptions,
  KeyManagementServiceOptions,
  KeyMaterial,
  KeyQuestion,
  KeyRecords,
  KeyRequestInit,
  KmAnswer,
  KmFace,
  KmRefusal,
  KmRefusalReason,
  KmRepresentation,
  KmRequest,
  KmResponse,
  ReadableIdentities,
  RecordEntry,
  RecordName,
  RecordPlace,
} from './key-management/index.ts';
export {
  decodeKmRequest,
  decodeKmRequestJson,
  decodeKmResponse,
  decodeKmResponseJson,
  ErrorCode,
  encodeKmRequest,
  encodeKmRequestJson,
  encodeKmResponse,
  encodeKmResponseJson,
  errorCodeMeaning,
  findKeyMaterial,
  formatErrorCode,
  identityKinds,
  KeyManagementError,
  KeyManagementServer,
  keyManagement,
  kmCbor,
  kmFields,
  kmJson,
  kmScope,
  largestPayload,
  longestKmRequest,
  longestKmRequestJson,
  recordKeyLength,
  recordsFile,
  requestKeys,
  SealedRecords,
} from './key-management/index.ts';
export type { ModeDifference, ModeRule, SealMode } from './modes.ts';
export { modeDifferences } from './modes.ts';
export { takeOpenIdGrants } from './openid-departures.ts';
export type { CallerRate } from './representation.ts';
export type { SealServerChanges, SealServerOptions } from './seal-server.ts';
export { longestLeeway, SealServer } from './seal-server.ts';
export type { SealHost, SealService } from './service.ts';
export type { SimCOptions } from './sim-c.ts';
export { SimC } from './sim-c.ts';
export type { ServiceAudiences, SimSOptions } from './sim-s.ts';
export { SimS } from './sim-s.ts';
export { type PageSize, type SpatialLimits, SpatialService, type SpatialServiceOptions } from './spatial/index.ts';
export type { ValClaims } from './val-claims.ts';
export { encodeValClaims, readValClaims, valClaims } from './val-claims.ts';
