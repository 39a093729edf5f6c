/**
 * A 3GPP SEAL deployment over CoAP (TS 33.434, Annex B): SEAL servers are resource servers of ACE-OAuth, the SIM-S is their authorization server.
 */
export type {
  Identity,
  IdentityKind,
  KeyManagementEvent,
  KeyManagementOptions,
  KeyManagementServiceOptions,
  KeyMaterial,
  KeyRecords,
  KeyRequestInit,
  KmAnswer,
  KmRefusalReason,
  KmRequest,
  KmResponse,
  RecordEntry,
  RecordName,
  RecordPlace,
} from './key-management/index.ts';
export {
  decodeKmRequest,
  decodeKmResponse,
  ErrorCode,
  encodeKmRequest,
  encodeKmResponse,
  errorCodeMeaning,
  findKeyMaterial,
  formatErrorCode,
  identityKinds,
  KeyManagementError,
  KeyManagementServer,
  keyManagement,
  kmFields,
  kmScope,
  largestPayload,
  longestKmRequest,
  recordKeyLength,
  recordsFile,
  requestKeys,
  SealedRecords,
} from './key-management/index.ts';
export type { Caller, SealServerOptions } from './seal-server.ts';
export { SealServer } from './seal-server.ts';
export type { SealService } from './service.ts';
export type { ValClaims } from './val-claims.ts';
export { encodeValClaims, readValClaims, valClaims } from './val-claims.ts';
