/**
 * Bytes, CBOR (RFC 8949), COSE (RFC 9052, 9053), CWT (RFC 8392, 8747), and the world as an argument.
 *
 * ```ts
 * const claims = { aud: 'rs1', exp: 1_900_000_000, scope: 'r_temp' };
 * const token = protectCwt(claims, { use: 'encrypt0', algorithm: Algorithm.AES_CCM_16_64_128, key: { kty: 4, k } }, systemEnv.random);
 * ```
 *
 * @module ace-coap/core
 */
export {
  ByteReader,
  BytesError,
  ByteWriter,
  compareBytes,
  concat,
  constantTimeEqual,
  equalBytes,
  fromBase64Url,
  fromHex,
  fromUtf8,
  toBase64Url,
  toHex,
  utf8,
} from './bytes.ts';
export type { CborKey, CborMap, CborValue, DecodeOptions } from './cbor.ts';
export { CborError, decode, decodeFirst, decodeSequence, encode, encodeSequence, Simple, Tagged } from './cbor.ts';
export type {
  CertificateHash,
  CertificateHeaders,
  CoseKey,
  CoseKeySet,
  CoseObject,
  CoseObjectWithRecipients,
  CoseRecipient,
  CoseSign,
  Countersign0Options,
  CountersignedContent,
  CountersignOptions,
  Encrypt0Options,
  EncryptOptions,
  Headers,
  KdfInfo,
  Mac0Options,
  MacOptions,
  OpenOptions,
  OpenWithRecipientOptions,
  PartyInfo,
  ReadOptions,
  Recipient,
  RecipientKey,
  SenderHeaders,
  Sign1Options,
  Signer,
  SignOptions,
  VerifyCountersignatureOptions,
  VerifyOptions,
} from './cose/index.ts';
export {
  Algorithm,
  algorithmNames,
  algorithmOf,
  CoseError,
  CoseTag,
  CountersignatureLabel,
  Curve,
  certificateHash,
  coseKeyMap,
  countersign,
  countersign0,
  countersignaturesOf,
  decodeCoseKey,
  decodeCoseKeySet,
  decrypt,
  decrypt0,
  detach,
  encodeCoseKey,
  encodeCoseKeySet,
  encrypt,
  encrypt0,
  HeaderLabel,
  hidePrivateParts,
  isCertificateHash,
  KeyLabel,
  KeyOperation,
  KeyType,
  keysFor,
  legacyCountersignaturesOf,
  mac,
  mac0,
  parseThumbprintUri,
  RecipientLabel,
  readCountersignature,
  readEncrypt,
  readEncrypt0,
  readMac,
  readMac0,
  readSign,
  readSign1,
  sign,
  sign1,
  thumbprint,
  thumbprintUri,
  verifyCountersignature,
  verifyCountersignature0,
  verifyLegacyCountersignature,
  verifyLegacyCountersignature0,
  verifyMac,
  verifyMac0,
  verifySign,
  verifySign1,
  withCountersignature0,
  withCountersignatures,
} from './cose/index.ts';
export type { Aead, AeadParameters, CipherParameters, CryptoName, CurveKey, CurveKeyPair, HashName, PublicPart, ScryptCost } from './crypto/index.ts';
export { aead, aeadParameters, CryptoError, cryptoInUse, digest, hkdf, hmac, useCrypto } from './crypto/index.ts';
export type { ClaimsSet, Confirmation, TokenKey } from './cwt.ts';
export { CwtError, decodeClaims, decodeConfirmation, encodeClaims, encodeConfirmation, openCwt, protectCwt, symmetricKey } from './cwt.ts';
export type { LeewayOptions } from './cwt-times.ts';
export { defaultLeewayCap, leewayOf, timeOf } from './cwt-times.ts';
export type { DiagnosticOptions, ItemNames } from './diagnostic.ts';
export { diagnose } from './diagnostic.ts';
export type { Cancel, Env } from './env.ts';
export { systemEnv } from './env.ts';
export { ProtocolError } from './errors.ts';
export type { FieldForms, FieldSpec, FieldsWithForms, FieldType, FieldTypes, Known, MapSpec } from './known-map.ts';
export { readKnownMap, writeKnownMap } from './known-map.ts';
export { NumberTable } from './number-table.ts';
export { parseDiagnostic } from './parse-diagnostic.ts';
export type { Queued } from './queue.ts';
export { Queue } from './queue.ts';
export type { Member } from './roster.ts';
export { Roster } from './roster.ts';
