import { concat, equalBytes, fromHex } from '../core/bytes.ts';
import { affineY, type CurveKey, isValidPublicKey } from '../core/crypto/index.ts';

interface KeyForm {
  readonly crv: number;
  /** Bytes of a coordinate. */
  readonly length: number;
  readonly twoCoordinates: boolean;
  /** SubjectPublicKeyInfo up to the coordinates; an uncompressed point has its 04 here. */
  readonly prefix: Uint8Array;
}

/** RFC 5480 Section 2 and RFC 8410 Section 4, by COSE curve. */
const forms: readonly KeyForm[] = [
  { crv: 1, length: 32, twoCoordinates: true, prefix: fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004') },
  { crv: 2, length: 48, twoCoordinates: true, prefix: fromHex('3076301006072a8648ce3d020106052b8104002203620004') },
  { crv: 6, length: 32, twoCoordinates: false, prefix: fromHex('302a300506032b6570032100') },
];

/** The SubjectPublicKeyInfo, DER, of a public key on P-256, P-384 or Ed25519; `undefined` for another. */
export function encodeSpki(key: CurveKey): Uint8Array | undefined {
  const form = forms.find(({ crv }) => crv === key.crv);
  if (form === undefined || key.x === undefined || !isValidPublicKey(key)) return undefined;
  return form.twoCoordinates ? concat(form.prefix, key.x, affineY(key)) : concat(form.prefix, key.x);
}

/** The public key of a SubjectPublicKeyInfo; `undefined` for what is none, is on another curve, or not on its curve. */
export function decodeSpki(spki: Uint8Array): CurveKey | undefined {
  for (const { crv, length, twoCoordinates, prefix } of forms) {
    if (spki.length !== prefix.length + (twoCoordinates ? 2 : 1) * length || !equalBytes(spki.subarray(0, prefix.length), prefix)) continue;
    const x = spki.slice(prefix.length, prefix.length + length);
    const key = twoCoordinates ? { crv, x, y: spki.slice(prefix.length + length) } : { crv, x };
    return isValidPublicKey(key) ? key : undefined;
  }
  return undefined;
}
