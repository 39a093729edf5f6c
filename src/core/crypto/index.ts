/** The one place with primitives: the same functions over node:crypto or over JavaScript alone. */
export { aeadParameters } from './aead-parameters.ts';
export {
  aead,
  affineY,
  agree,
  cbcMac,
  cipher,
  cryptoInUse,
  digest,
  hkdf,
  hkdfAesMac,
  hmac,
  isPrivateKeyOf,
  isValidPublicKey,
  keyPair,
  publicKeyFrom,
  scrypt,
  sign,
  unwrapKey,
  useCrypto,
  verify,
  wrapKey,
  x509,
} from './primitives.ts';
export type {
  Aead,
  AeadParameters,
  CipherParameters,
  CryptoName,
  CryptoProvider,
  CurveKey,
  CurveKeyPair,
  HashName,
  PublicPart,
  ScryptCost,
  X509,
} from './provider.ts';
export { CryptoError } from './provider.ts';
