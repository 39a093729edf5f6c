/**
 * CBOR Object Signing and Encryption (RFC 9052, RFC 9053): the six structures, with one key or with recipients, and COSE_Key.
 *
 * ```ts
 * const object = encrypt0({ key, algorithm: Algorithm.AES_CCM_16_64_128, plaintext, nonce });
 * const plaintext = decrypt0(readEncrypt0(object), { key });
 * ```
 */
export type { MacAlgorithm, SignatureAlgorithm } from './algorithms.ts';
export { Algorithm, algorithmNames, algorithmOf, macAlgorithms, signatureAlgorithms } from './algorithms.ts';
export type { Countersign0Options, CountersignedContent, CountersignOptions, VerifyCountersignatureOptions } from './countersign.ts';
export {
  countersign,
  countersign0,
  countersignaturesOf,
  legacyCountersignaturesOf,
  readCountersignature,
  verifyCountersignature,
  verifyCountersignature0,
  verifyLegacyCountersignature,
  verifyLegacyCountersignature0,
  withCountersignature0,
  withCountersignatures,
} from './countersign.ts';
export type { CoseObjectWithRecipients, EncryptOptions, OpenWithRecipientOptions } from './encrypt.ts';
export { decrypt, encrypt, readEncrypt } from './encrypt.ts';
export type { Encrypt0Options, OpenOptions } from './encrypt0.ts';
export { decrypt0, encrypt0, encStructure, readEncrypt0 } from './encrypt0.ts';
export { CoseError } from './errors.ts';
export type { KdfInfo, PartyInfo } from './kdf-context.ts';
export type { CoseKey } from './key.ts';
export { coseKeyMap, decodeCoseKey, encodeCoseKey } from './key.ts';
export type { Recipient, RecipientKey } from './key-distribution.ts';
export type { CoseKeySet } from './key-set.ts';
export { decodeCoseKeySet, encodeCoseKeySet, keysFor } from './key-set.ts';
export {
  CoseTag,
  CountersignatureLabel,
  Curve,
  curveNames,
  HeaderLabel,
  headerNames,
  KeyLabel,
  KeyOperation,
  KeyType,
  RecipientLabel,
  recipientNames,
} from './labels.ts';
export type { MacOptions } from './mac.ts';
export { mac, readMac, verifyMac } from './mac.ts';
export type { Mac0Options } from './mac0.ts';
export { mac0, readMac0, verifyMac0 } from './mac0.ts';
export type { CoseObject, Headers, ReadOptions, SenderHeaders } from './message.ts';
export { detach } from './message.ts';
export { hidePrivateParts } from './private-parts.ts';
export type { CoseRecipient } from './recipient.ts';
export type { CoseSign, Signer, SignOptions } from './sign.ts';
export { readSign, sign, verifySign } from './sign.ts';
export type { Sign1Options } from './sign1.ts';
export { readSign1, sign1, verifySign1 } from './sign1.ts';
export type { VerifyOptions } from './signature.ts';
export { parseThumbprintUri, thumbprint, thumbprintUri } from './thumbprint.ts';
export type { CertificateHash, CertificateHeaders } from './x509.ts';
export { certificateHash, hashNames, isCertificateHash } from './x509.ts';
