import { fromHex } from '../bytes.ts';
import { CryptoError, type CurveKey } from './provider.ts';
import { isSmallOrder } from './small-order.ts';

export interface CurveShape {
  readonly kty: 'EC' | 'OKP';
  readonly crv: string;
  /** Bytes of a coordinate, and of a private part. */
  readonly length: number;
  /** The order of the group, for the curves whose private parts are below it. */
  readonly order?: Uint8Array;
  /** For key agreement: the bits of the first byte of a private part that the order of the curve leaves. */
  readonly agreement?: number;
}

const n256 = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
const n384 = 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973';
const n521 = `01${'ff'.repeat(32)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`;
const n256k = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141';

/** COSE Elliptic Curves (RFC 9053 Section 7.1, RFC 8812 Section 3.1), IANA registry as of 2026-11. */
export const curves: ReadonlyMap<number, CurveShape> = new Map<number, CurveShape>([
  [1, { kty: 'EC', crv: 'P-256', length: 32, order: fromHex(n256), agreement: 0xff }],
  [2, { kty: 'EC', crv: 'P-384', length: 48, order: fromHex(n384), agreement: 0xff }],
  [3, { kty: 'EC', crv: 'P-521', length: 66, order: fromHex(n521), agreement: 0x01 }],
  [4, { kty: 'OKP', crv: 'X25519', length: 32, agreement: 0xff }],
  [5, { kty: 'OKP', crv: 'X448', length: 56, agreement: 0xff }],
  [6, { kty: 'OKP', crv: 'Ed25519', length: 32 }],
  [7, { kty: 'OKP', crv: 'Ed448', length: 57 }],
  [8, { kty: 'EC', crv: 'secp256k1', length: 32, order: fromHex(n256k) }],
]);

export const badCurveKey = (): CryptoError => new CryptoError('ERR_CRYPTO_KEY', 'expected a key of its curve, got another');

/** Whether a number is above 0 and below another of its length, in a time that does not depend on it. */
function isBetween(number: Uint8Array, order: Uint8Array): boolean {
  let borrow = 0;
  let bits = 0;
  for (let i = number.length - 1; i >= 0; i--) {
    borrow = (number[i]! - order[i]! - borrow) >>> 31;
    bits |= number[i]!;
  }
  return borrow === 1 && bits !== 0;
}

/**
 * The curve of a key whose parts have the lengths of it, and whose private part is below its order.
 *
 * @throws {CryptoError} `ERR_CRYPTO_KEY`, also for a public key of small order
 */
export function curveOf(key: CurveKey, part: 'public' | 'private'): CurveShape {
  const { crv = 0, x, y, d } = key;
  const curve = curves.get(crv);
  if (curve === undefined || x === undefined) throw new CryptoError('ERR_CRYPTO_KEY', 'expected a key of a known curve, got another one');
  const { kty, length, order } = curve;
  if (x.length !== length || (kty === 'EC' && typeof y !== 'boolean' && y?.length !== length)) throw badCurveKey();
  // OpenSSL signs with a private part of 0 too.
  if (part === 'private' && (d?.length !== length || (order !== undefined && !isBetween(d, order)))) throw badCurveKey();
  if (part === 'public' && isSmallOrder(crv, x)) throw new CryptoError('ERR_CRYPTO_KEY', 'expected a public key of large order, got another');
  return curve;
}
