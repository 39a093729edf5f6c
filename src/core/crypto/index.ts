/** The one place with primitives. */
export { agree, cbcMac, hkdfAesMac, keyPair, publicKeyFrom, unwrapKey, wrapKey } from './key-agreement.ts';
export type { Aead, AeadParameters, CurveKey, HashName } from './node.ts';
export { aead, aeadParameters, affineY, CryptoError, digest, hkdf, hmac, isPrivateKeyOf, isValidPublicKey, sign, verify } from './node.ts';
