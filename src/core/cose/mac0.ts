import { constantTimeEqual, emptyBytes } from '../bytes.ts';
import { type CborValue, Tagged } from '../cbor.ts';
import { cbcMac, hmac } from '../crypto/index.ts';
import { aesMacAlgorithms, macAlgorithms } from './algorithms.ts';
import { CoseError } from './errors.ts';
import { type CoseKey, checkKeyUse } from './key.ts';
import { CoseTag, KeyOperation, KeyType } from './labels.ts';
import { algorithmFor, type CoseObject, protectedHeaders, type ReadOptions, readCose, type SenderHeaders } from './message.ts';
import { coveredStructure } from './structure.ts';

/** MAC_structure. @see https://www.rfc-editor.org/rfc/rfc9052#section-6.3 */
export function macStructure(protectedBytes: Uint8Array, externalAad: Uint8Array, payload: Uint8Array, context: 'MAC0' | 'MAC' = 'MAC0'): Uint8Array {
  return coveredStructure(context, protectedBytes, externalAad, payload);
}

/**
 * The tag over a MAC_structure.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`
 */
export function macOf(algorithm: number, key: CoseKey, structure: Uint8Array): Uint8Array {
  const k = key.k ?? emptyBytes;
  const found = macAlgorithms.get(algorithm);
  if (found !== undefined) {
    if (k.length < found.keyLength) throw new CoseError('ERR_COSE_ALGORITHM', `expected a key of at least ${found.keyLength} bytes, got ${k.length}`);
    return hmac(found.hash, k, structure).subarray(0, found.tagLength);
  }
  const aes = aesMacAlgorithms.get(algorithm);
  if (aes === undefined) throw new CoseError('ERR_COSE_ALGORITHM', `expected a MAC algorithm, got ${algorithm}`);
  if (k.length !== aes.keyLength) throw new CoseError('ERR_COSE_ALGORITHM', `expected a key of ${aes.keyLength} bytes, got ${k.length}`);
  return cbcMac(k, structure).subarray(0, aes.tagLength);
}

/** What is authenticated, by which key and algorithm, and with which headers. */
export interface Mac0Options extends SenderHeaders {
  readonly key: CoseKey;
  /** Its number in the registry "COSE Algorithms": one of `Algorithm`. */
  readonly algorithm: number;
  readonly payload: Uint8Array;
  readonly externalAad?: Uint8Array;
}

/**
 * A tagged COSE_Mac0 whose headers are all protected.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-6.2
 */
export function mac0(options: Mac0Options): Tagged {
  const { key, algorithm, payload, externalAad = emptyBytes } = options;
  checkKeyUse(key, KeyType.Symmetric, algorithm, KeyOperation.macCreate);
  const protectedBytes = protectedHeaders(algorithm, options);
  return new Tagged(CoseTag.Mac0, [protectedBytes, new Map(), payload, macOf(algorithm, key, macStructure(protectedBytes, externalAad, payload))]);
}

/**
 * Take a COSE_Mac0 apart.
 *
 * @param value the decoded item, tagged or not
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function readMac0(value: CborValue, options: ReadOptions = {}): CoseObject {
  return readCose(value, CoseTag.Mac0, 4, options);
}

/**
 * The payload of a COSE_Mac0 that verifies.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_VERIFY`
 */
export function verifyMac0(
  object: CoseObject,
  options: { readonly key: CoseKey; readonly externalAad?: Uint8Array; readonly detached?: Uint8Array },
): Uint8Array {
  const { key, externalAad = emptyBytes } = options;
  const algorithm = algorithmFor(object, key.alg);
  checkKeyUse(key, KeyType.Symmetric, algorithm, KeyOperation.macVerify);
  const payload = object.payload ?? options.detached;
  if (payload === undefined) throw new CoseError('ERR_COSE_FORMAT', 'expected a payload, got nil and none detached');
  if (!constantTimeEqual(macOf(algorithm, key, macStructure(object.protectedBytes, externalAad, payload)), object.seal!))
    throw new CoseError('ERR_COSE_VERIFY', 'COSE_Mac0 does not verify');
  return payload;
}
