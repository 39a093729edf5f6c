import { emptyBytes } from '../bytes.ts';
import { type CborValue, encode, Tagged } from '../cbor.ts';
import { CryptoError, sign, verify } from '../crypto/index.ts';
import { type SignatureAlgorithm, signatureAlgorithms } from './algorithms.ts';
import { CoseError } from './errors.ts';
import { type CoseKey, checkKeyUse } from './key.ts';
import { CoseTag, KeyOperation } from './labels.ts';
import { algorithmFor, type CoseObject, protectedHeaders, readCose, type SenderHeaders } from './message.ts';

function signatureAlgorithm(algorithm: number, key: CoseKey, operation: KeyOperation): SignatureAlgorithm {
  const found = signatureAlgorithms.get(algorithm);
  if (found === undefined) throw new CoseError('ERR_COSE_ALGORITHM', `expected a signature algorithm, got ${algorithm}`);
  checkKeyUse(key, found.kty, algorithm, operation);
  if (!found.curves.includes(key.crv ?? 0))
    throw new CoseError('ERR_COSE_ALGORITHM', `expected curve ${found.curves.join(' or ')} for algorithm ${algorithm}, got ${key.crv}`);
  return found;
}

/** Run a part that uses the key; a key that is none becomes an error of this layer. */
function withKey<T>(part: () => T): T {
  try {
    return part();
  } catch (cause) {
    if (cause instanceof CryptoError) throw new CoseError('ERR_COSE_KEY', cause.message, { cause });
    throw cause;
  }
}

/** Sig_structure. @see https://www.rfc-editor.org/rfc/rfc9052#section-4.4 */
export function sigStructure(protectedBytes: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  return encode(['Signature1', protectedBytes, externalAad, payload]);
}

export interface Sign1Options extends SenderHeaders {
  readonly key: CoseKey;
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
  const { hash } = signatureAlgorithm(algorithm, key, KeyOperation.sign);
  if (key.d === undefined) throw new CoseError('ERR_COSE_ALGORITHM', 'expected a private key to sign with, got a public one');
  const protectedBytes = protectedHeaders(algorithm, options);
  const signature = withKey(() => sign(hash, key, sigStructure(protectedBytes, externalAad, payload)));
  return new Tagged(CoseTag.Sign1, [protectedBytes, new Map(), payload, signature]);
}

export function readSign1(value: CborValue): CoseObject {
  return readCose(value, CoseTag.Sign1, 4);
}

/**
 * The payload of a COSE_Sign1 that verifies.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 */
export function verifySign1(
  object: CoseObject,
  options: { readonly key: CoseKey; readonly externalAad?: Uint8Array; readonly detached?: Uint8Array },
): Uint8Array {
  const { key, externalAad = emptyBytes } = options;
  const { hash } = signatureAlgorithm(algorithmFor(object, key.alg), key, KeyOperation.verify);
  const payload = object.payload ?? options.detached;
  if (payload === undefined) throw new CoseError('ERR_COSE_FORMAT', 'expected a payload, got nil and none detached');
  if (!withKey(() => verify(hash, key, sigStructure(object.protectedBytes, externalAad, payload), object.seal!)))
    throw new CoseError('ERR_COSE_VERIFY', 'COSE_Sign1 does not verify');
  return payload;
}
