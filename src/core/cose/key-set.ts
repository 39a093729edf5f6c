import { equalBytes } from '../bytes.ts';
import { type CborValue, encode } from '../cbor.ts';
import { aeadParameters } from '../crypto/index.ts';
import { ProtocolError } from '../errors.ts';
import { macAlgorithms, signatureAlgorithms } from './algorithms.ts';
import { CoseError } from './errors.ts';
import { type CoseKey, coseKeyMap, decodeCoseKey } from './key.ts';
import { type KeyOperation, KeyType } from './labels.ts';

/** What could be read of a COSE_KeySet. */
export interface CoseKeySet {
  readonly keys: readonly CoseKey[];
  /** Why others were left out: malformed, or of a kind that is not known here. */
  readonly skipped: readonly ProtocolError[];
}

/**
 * Read a COSE_KeySet. A key that is malformed or of an unknown kind is skipped, and the others stand.
 *
 * @throws {CoseError} `ERR_COSE_KEY` when it is no array of at least one
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-7
 */
export function decodeCoseKeySet(value: CborValue): CoseKeySet {
  if (!Array.isArray(value) || value.length === 0) throw new CoseError('ERR_COSE_KEY', 'COSE_KeySet: expected an array of at least one key, got another item');
  const keys: CoseKey[] = [];
  const skipped: ProtocolError[] = [];
  for (const item of value as readonly CborValue[]) {
    try {
      keys.push(decodeCoseKey(item));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      skipped.push(error);
    }
  }
  return { keys, skipped };
}

/** @throws {CoseError} `ERR_COSE_KEY` without a key */
export function encodeCoseKeySet(keys: readonly CoseKey[]): Uint8Array {
  if (keys.length === 0) throw new CoseError('ERR_COSE_KEY', 'COSE_KeySet: expected at least one key, got none');
  return encode(keys.map(coseKeyMap));
}

/** Whether type and curve are those of the algorithm; those of key management are left to whoever uses the key. */
function suits(key: CoseKey, algorithm: number): boolean {
  const signature = signatureAlgorithms.get(algorithm);
  if (signature !== undefined) return key.kty === signature.kty && signature.curves.includes(key.crv ?? 0);
  return aeadParameters(algorithm) === undefined && !macAlgorithms.has(algorithm) ? true : key.kty === KeyType.Symmetric;
}

/**
 * The keys of a set that may be used for this, in their order: of the algorithm's type and curve, with `alg` and `key_ops` that allow it where the key has them,
 * and by `kid`. A key without a `kid` could be the one.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-7.1
 */
export function keysFor(
  keys: readonly CoseKey[],
  use: { readonly algorithm: number; readonly operation: KeyOperation; readonly kid?: Uint8Array },
): readonly CoseKey[] {
  const { algorithm, operation, kid } = use;
  return keys.filter(
    (key) =>
      suits(key, algorithm) &&
      (key.alg === undefined || key.alg === algorithm) &&
      (key.keyOps === undefined || key.keyOps.includes(operation)) &&
      (kid === undefined || key.kid === undefined || equalBytes(kid, key.kid)),
  );
}
