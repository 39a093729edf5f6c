/**
 * Key management of SEAL (TS 33.434, Section 5.3): the key management server SKM-S, its key records, and what a client asks it with.
 *
 * ```ts
 * const records = new SealedRecords(store, recordKey);
 * await records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } }, keyMaterial);
 * const service = keyManagement({ sKmsUri: 'coap://skms.example/km', records });
 * ```
 */
export type { KeyRequestInit } from './client.ts';
export { requestKeys } from './client.ts';
export { KeyManagementError } from './error.ts';
export { ErrorCode, errorCodeMeaning, fitsResponseCode, formatErrorCode } from './error-code.ts';
export { decodeKmRequestJson, decodeKmResponseJson, encodeKmRequestJson, encodeKmResponseJson, kmJson, longestKmRequestJson } from './json-message.ts';
export type { KeyInfo, KeyManagementEvent, KeyManagementOptions, KmAnswer, KmFace } from './key-management-server.ts';
export { KeyManagementServer } from './key-management-server.ts';
export type { KeyMaterial, KeyQuestion } from './key-material.ts';
export type { Identity, KeyRecords, RecordName } from './key-records.ts';
export { findKeyMaterial, largestPayload } from './key-records.ts';
export type { Identities, IdentityKind, KmRepresentation, KmRequest, KmResponse, ReadableIdentities } from './message.ts';
export {
  decodeKmRequest,
  decodeKmResponse,
  encodeKmRequest,
  encodeKmResponse,
  identityKinds,
  kmCbor,
  kmFields,
  kmVersion,
  longestKmRequest,
} from './message.ts';
export { recordsFile } from './records-file.ts';
export type { KmRefusal, KmRefusalReason } from './request-check.ts';
export { kmScope } from './request-check.ts';
export type { RecordEntry, RecordPlace } from './sealed-records.ts';
export { recordKeyLength, SealedRecords } from './sealed-records.ts';
export type { KeyManagementFaceOptions, KeyManagementServiceOptions } from './service.ts';
export { keyManagement } from './service.ts';
