/** The one place with primitives. */
export type { Aead, AeadParameters, CurveKey, HashName } from './node.ts';
export { aead, aeadParameters, affineY, CryptoError, digest, hkdf, hmac, isPrivateKeyOf, isValidPublicKey, sign, verify } from './node.ts';
