import { emptyBytes } from '../bytes.ts';
import { type CborValue, Tagged } from '../cbor.ts';
import { CoseError } from './errors.ts';
import type { CoseKey } from './key.ts';
import { CoseTag } from './labels.ts';
import { algorithmFor, type CoseObject, protectedHeaders, type ReadOptions, readCose, type SenderHeaders } from './message.ts';
import { isSignatureOf, signatureOf, type VerifyOptions } from './signature.ts';
import { coveredStructure } from './structure.ts';

/** Sig_structure. @see https://www.rfc-editor.org/rfc/rfc9052#section-4.4 */
export function sigStructure(protectedBytes: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  return coveredStructure('Signature1', protectedBytes, externalAad, payload);
}

/** What is signed, by which key and algorithm, and with which headers. */
export interface Sign1Options extends SenderHeaders {
  readonly key: CoseKey;
  /** Its number in the registry "COSE Algorithms": one of `Algorithm`. */
  readonly algorithm: number;
  readonly payload: Uint8Array;
  readonly externalAad?: Uint8Array;
}

/**
 * A tagged COSE_Sign1 whose headers are all protected.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-4.2
 */
export function sign1(options: Sign1Options): Tagged {
  const { key, algorithm, payload, externalAad = emptyBytes } = options;
  const protectedBytes = protectedHeaders(algorithm, options);
  const signature = signatureOf(algorithm, key, sigStructure(protectedBytes, externalAad, payload));
  return new Tagged(CoseTag.Sign1, [protectedBytes, new Map(), payload, signature]);
}

/**
 * Take a COSE_Sign1 apart.
 *
 * @param value the decoded item, tagged or not
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function readSign1(value: CborValue, options: ReadOptions = {}): CoseObject {
  return readCose(value, CoseTag.Sign1, 4, options);
}

/**
 * The payload of a COSE_Sign1 that verifies.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 */
export function verifySign1(object: CoseObject, options: VerifyOptions): Uint8Array {
  const { key, externalAad = emptyBytes } = options;
  const algorithm = algorithmFor(object, key.alg);
  const payload = object.payload ?? options.detached;
  if (payload === undefined) throw new CoseError('ERR_COSE_FORMAT', 'expected a payload, got nil and none detached');
  if (!isSignatureOf(algorithm, options, sigStructure(object.protectedBytes, externalAad, payload), object.seal!))
    throw new CoseError('ERR_COSE_VERIFY', 'COSE_Sign1 does not verify');
  return payload;
}
