import { type CborKey, type CborMap, type CborValue, encode } from '../cbor.ts';
import { isPrivateKeyOf, isValidPublicKey } from '../crypto/index.ts';
import { readKnownMap } from '../known-map.ts';
import { CoseError } from './errors.ts';
import { Curve, KeyLabel, type KeyOperation, KeyType } from './labels.ts';
import { hidePrivateParts } from './private-parts.ts';

/**
 * A COSE_Key (RFC 9052 Section 7), in the fields of its key type: Symmetric `k`; EC2 `crv`, `x`, `y`, `d`; OKP `crv`, `x`, `d`.
 *
 * A key of kty Symmetric without `k` names a key that both sides know by its `kid` (RFC 9202 Section 3.3.1).
 */
export interface CoseKey {
  readonly kty: number;
  readonly kid?: Uint8Array;
  readonly alg?: number | string;
  readonly keyOps?: readonly (number | string)[];
  readonly baseIv?: Uint8Array;
  readonly crv?: number;
  readonly x?: Uint8Array;
  /** The coordinate, or its sign bit where the point is compressed. */
  readonly y?: Uint8Array | boolean;
  readonly d?: Uint8Array;
  readonly k?: Uint8Array;
}

const common = {
  kty: { label: KeyLabel.kty, type: 'tstr/int', required: true },
  kid: { label: KeyLabel.kid, type: 'bstr' },
  alg: { label: KeyLabel.alg, type: 'tstr/int' },
  keyOps: { label: KeyLabel.keyOps, type: 'array', name: 'key_ops' },
  baseIv: { label: KeyLabel.baseIv, type: 'bstr', name: 'Base IV' },
} as const;
const symmetric = { k: { label: KeyLabel.k, type: 'bstr', secret: true } } as const;
const ec2 = {
  crv: { label: KeyLabel.crv, type: 'int', required: true },
  x: { label: KeyLabel.x, type: 'bstr', required: true },
  y: { label: KeyLabel.y, type: 'any', required: true },
  d: { label: KeyLabel.d, type: 'bstr', secret: true },
} as const;
const okp = {
  crv: { label: KeyLabel.crv, type: 'int', required: true },
  x: { label: KeyLabel.x, type: 'bstr', required: true },
  d: { label: KeyLabel.d, type: 'bstr', secret: true },
} as const;

/** Bytes of a coordinate, by curve. */
const coordinateLength: ReadonlyMap<number, number> = new Map([
  [Curve.P256, 32],
  [Curve.P384, 48],
  [Curve.P521, 66],
  [Curve.X25519, 32],
  [Curve.X448, 56],
  [Curve.Ed25519, 32],
  [Curve.Ed448, 57],
  [Curve.secp256k1, 32],
]);
const ec2Curves: readonly number[] = [Curve.P256, Curve.P384, Curve.P521, Curve.secp256k1];

const badKey = (message: string): CoseError => new CoseError('ERR_COSE_KEY', `COSE_Key: ${message}`);

/** Lengths and, for public keys, that the point is on its curve and belongs to the private part. */
function checkPoint(key: CoseKey): void {
  const { crv, x, y, d } = key as { crv: number; x: Uint8Array; y?: Uint8Array | boolean; d?: Uint8Array };
  const length = coordinateLength.get(crv);
  if (length === undefined || ec2Curves.includes(crv) !== (key.kty === KeyType.EC2)) throw badKey(`crv: expected a curve of key type ${key.kty}, got ${crv}`);
  if (x.length !== length) throw badKey(`x: expected ${length} bytes, got ${x.length}`);
  if (key.kty === KeyType.EC2 && typeof y !== 'boolean' && y?.length !== length)
    throw badKey(`y: expected ${length} bytes or a sign bit, got ${y?.length ?? 0} bytes`);
  if (d !== undefined && d.length !== length) throw badKey(`d: expected ${length} bytes, got ${d.length}`);
  if (!isValidPublicKey(key)) throw badKey('expected a point on its curve, got another one');
  if (d !== undefined && !isPrivateKeyOf(key)) throw badKey('expected d to belong to x and y, got another private part');
}

/**
 * Read and check a COSE_Key; parameters that are not understood are ignored. The key prints no private part.
 *
 * @throws {CborError} `ERR_CBOR_MAP` on a wrong type; {CoseError} `ERR_COSE_KEY` on a key that cannot be
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-7
 */
export function decodeCoseKey(value: CborValue): CoseKey {
  const { kty, ...rest } = readKnownMap('COSE_Key', common, value).known;
  const { keyOps } = rest;
  if (keyOps !== undefined && (keyOps.length === 0 || !keyOps.every((op) => typeof op === 'number' || typeof op === 'string'))) {
    throw badKey('key_ops: expected integers or texts, at least one, got others');
  }
  const shared = rest as Omit<CoseKey, 'kty'>;
  let key: CoseKey;
  switch (kty) {
    case KeyType.Symmetric:
      key = { kty, ...shared, ...readKnownMap('COSE_Key', symmetric, value).known };
      if (key.k?.length === 0) throw badKey('k: expected at least 1 byte, got 0');
      return hidePrivateParts(key);
    case KeyType.EC2: {
      const { y, ...point } = readKnownMap('COSE_Key', ec2, value).known;
      if (typeof y !== 'boolean' && !(y instanceof Uint8Array)) throw badKey('y: expected byte string, true or false, got another type');
      key = { kty, ...shared, ...point, y };
      break;
    }
    case KeyType.OKP:
      key = { kty, ...shared, ...readKnownMap('COSE_Key', okp, value).known };
      break;
    default:
      throw badKey(`kty: expected one of 1 (OKP), 2 (EC2), 4 (Symmetric), got ${typeof kty === 'number' ? kty : 'a text'}`);
  }
  checkPoint(key);
  return hidePrivateParts(key);
}

/** The map of a COSE_Key. */
export function coseKeyMap(key: CoseKey): CborMap {
  const map = new Map<CborKey, CborValue>([[KeyLabel.kty, key.kty]]);
  const put = (label: number, value: CborValue): void => {
    if (value !== undefined) map.set(label, value);
  };
  put(KeyLabel.kid, key.kid);
  put(KeyLabel.alg, key.alg);
  put(KeyLabel.keyOps, key.keyOps);
  put(KeyLabel.baseIv, key.baseIv);
  if (key.kty === KeyType.Symmetric) put(KeyLabel.k, key.k);
  else {
    put(KeyLabel.crv, key.crv);
    put(KeyLabel.x, key.x);
    put(KeyLabel.y, key.y);
    put(KeyLabel.d, key.d);
  }
  return map;
}

/** Deterministic CBOR, with the private part where the key has one. @see https://www.rfc-editor.org/rfc/rfc9052#section-7 */
export function encodeCoseKey(key: CoseKey): Uint8Array {
  return encode(coseKeyMap(key));
}

/**
 * Refuse a key that is not for this algorithm or operation (RFC 9052 Section 7.1).
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`
 */
export function checkKeyUse(key: CoseKey, kty: number, algorithm: number, operation: KeyOperation): void {
  if (key.kty !== kty) throw new CoseError('ERR_COSE_ALGORITHM', `expected a key of type ${kty} for algorithm ${algorithm}, got type ${key.kty}`);
  if (key.alg !== undefined && key.alg !== algorithm)
    throw new CoseError('ERR_COSE_ALGORITHM', `expected algorithm ${key.alg}, which the key is for, got ${algorithm}`);
  if (key.keyOps !== undefined && !key.keyOps.includes(operation))
    throw new CoseError('ERR_COSE_ALGORITHM', `expected operation ${operation} among the key's key_ops, it is not`);
}
