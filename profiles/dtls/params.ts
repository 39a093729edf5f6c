import { emptyBytes } from '../../src/core/bytes.ts';
import { type CborMap, decode, encode } from '../../src/core/cbor.ts';
import { Algorithm, type CoseKey, Curve, KeyOperation, KeyType, thumbprint } from '../../src/core/cose/index.ts';
import { affineY, type CurveKeyPair, hkdf } from '../../src/core/crypto/index.ts';
import { cwtClaims, decodeConfirmation, encodeConfirmation } from '../../src/core/cwt.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { encodeSpki } from '../../src/dtls/index.ts';

/** `ace_profile` of this profile. @see https://www.rfc-editor.org/rfc/rfc9202#section-9 */
export const coapDtls = 1;
export const profileName = 'coap_dtls';

/** Bytes of a pre-shared key. */
export const pskLength = 16;

/**
 * The psk_identity that names an uploaded token by the kid of its key.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9202#section-3.3.2
 */
export function encodePskIdentity(kid: Uint8Array): Uint8Array {
  return encode(new Map([[cwtClaims.cnf.label, encodeConfirmation({ coseKey: { kty: KeyType.Symmetric, kid } })]]));
}

/** What a psk_identity says: the kid of an uploaded token, or, being of any other form, the token itself. `undefined`: neither. */
export type PskIdentity = { readonly kid: Uint8Array } | { readonly token: Uint8Array };

/**
 * Read a psk_identity. A map of more than `cnf` would be claims that nobody vouches for.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9202#section-3.3.2
 */
export function decodePskIdentity(identity: Uint8Array): PskIdentity | undefined {
  try {
    const value = decode(identity);
    if (!(value instanceof Map)) return { token: identity };
    const map = value as CborMap;
    const { coseKey } = map.size === 1 && map.has(cwtClaims.cnf.label) ? decodeConfirmation(map.get(cwtClaims.cnf.label)) : {};
    return coseKey?.kty === KeyType.Symmetric && coseKey.kid !== undefined && coseKey.k === undefined ? { kid: coseKey.kid.slice() } : undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

/**
 * The key of a token that holds a key identifier only. It depends on every byte of the token, as the AS gave it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9202#section-3.3.1
 */
export function derivePsk(derivationKey: Uint8Array, token: Uint8Array): Uint8Array {
  const info = encode(['ACE-CoAP-DTLS-key-derivation', pskLength, token]);
  return hkdf('sha256', derivationKey, emptyBytes, info, pskLength);
}

/** Whether a key can be a raw public key of a handshake: on P-256, P-384 or Ed25519. */
export function isRawPublicKey(key: CoseKey): boolean {
  return encodeSpki(key) !== undefined;
}

/** The algorithms by which a handshake signs with a key on a curve, each with its name in RFC 9864. */
const signatures: ReadonlyMap<number | undefined, readonly (number | string)[]> = new Map([
  [Curve.P256, [Algorithm.ES256, -9]],
  [Curve.P384, [Algorithm.ES384, -51]],
  [Curve.Ed25519, [Algorithm.EdDSA, -19]],
]);

/**
 * Whether a key may be used in a handshake, by its `alg` and `key_ops` where it has them: a public key verifies, and from a pre-shared key others are derived, for
 * which COSE has no algorithm.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9201#section-5
 */
export function isForHandshake({ kty, crv, alg, keyOps }: CoseKey): boolean {
  const isSymmetric = kty === KeyType.Symmetric;
  const operations = isSymmetric ? [KeyOperation.deriveKey, KeyOperation.deriveBits] : [KeyOperation.verify];
  if (keyOps !== undefined && !operations.some((operation) => keyOps.includes(operation))) return false;
  return alg === undefined || (!isSymmetric && signatures.get(crv)?.includes(alg) === true);
}

/** Bytes of a thumbprint that tell the keys of one client apart. */
const keyIdLength = 8;

/** What names a raw public key: the kid that it has, or the beginning of its thumbprint. */
export function keyIdOf(key: CoseKey): Uint8Array {
  return key.kid ?? thumbprint(key).slice(0, keyIdLength);
}

/** The public part of a raw public key, with its name. */
export function publicPart(key: CoseKey): CoseKey {
  const { kty, crv, x, y } = key;
  return { kty, kid: keyIdOf(key), ...(crv === undefined ? {} : { crv }), ...(x === undefined ? {} : { x }), ...(y === undefined ? {} : { y }) };
}

/** A private key as the handshake takes it. */
export function keyPairOf(key: CoseKey): CurveKeyPair {
  const { crv, x, d } = key as CoseKey & { readonly crv: number; readonly x: Uint8Array; readonly d: Uint8Array };
  return key.kty === KeyType.EC2 ? { crv, x, y: affineY(key), d } : { crv, x, d };
}
