import { concat, emptyBytes } from '../bytes.ts';
import { type CborValue, Tagged } from '../cbor.ts';
import { type Aead, aead, aeadParameters, CryptoError } from '../crypto/index.ts';
import { CoseError } from './errors.ts';
import { type CoseKey, checkKeyUse } from './key.ts';
import { CoseTag, KeyOperation, KeyType } from './labels.ts';
import { algorithmFor, type CoseObject, protectedHeaders, type ReadOptions, readCose, type SenderHeaders } from './message.ts';
import { coveredStructure } from './structure.ts';

// Making an AEAD object is dear; a key object of ours keeps its own for each algorithm.
const made = new WeakMap<CoseKey, Map<number, Aead>>();

function aeadOf(key: CoseKey, algorithm: number): Aead {
  const parameters = aeadParameters(algorithm);
  if (parameters === undefined) throw new CoseError('ERR_COSE_ALGORITHM', `expected an AEAD algorithm, got ${algorithm}`);
  if (key.k?.length !== parameters.keyLength)
    throw new CoseError('ERR_COSE_ALGORITHM', `expected a key of ${parameters.keyLength} bytes, got ${key.k?.length ?? 0}`);
  let byAlgorithm = made.get(key);
  if (byAlgorithm === undefined) made.set(key, (byAlgorithm = new Map()));
  let found = byAlgorithm.get(algorithm);
  if (found === undefined) byAlgorithm.set(algorithm, (found = aead(algorithm, key.k)));
  return found;
}

/** Enc_structure. @see https://www.rfc-editor.org/rfc/rfc9052#section-5.3 */
export function encStructure(protectedBytes: Uint8Array, externalAad: Uint8Array, context: 'Encrypt0' | 'Encrypt' = 'Encrypt0'): Uint8Array {
  return coveredStructure(context, protectedBytes, externalAad);
}

/** What is sealed, by which key and algorithm, and with which headers. */
export interface Encrypt0Options extends SenderHeaders {
  readonly key: CoseKey;
  /** Its number in the registry "COSE Algorithms": one of `Algorithm`. */
  readonly algorithm: number;
  readonly plaintext: Uint8Array;
  /** As long as the algorithm's nonce; never used twice with one key. */
  readonly nonce: Uint8Array;
  readonly externalAad?: Uint8Array;
}

/** The protected headers and the ciphertext of a content, in COSE_Encrypt0 or COSE_Encrypt. */
export function sealContent(options: Encrypt0Options, context: 'Encrypt0' | 'Encrypt'): readonly [Uint8Array, Uint8Array] {
  const { key, algorithm, plaintext, nonce, externalAad = emptyBytes } = options;
  checkKeyUse(key, KeyType.Symmetric, algorithm, KeyOperation.encrypt);
  const cipher = aeadOf(key, algorithm);
  if (nonce.length !== cipher.nonceLength) throw new CoseError('ERR_COSE_ALGORITHM', `expected a nonce of ${cipher.nonceLength} bytes, got ${nonce.length}`);
  const protectedBytes = protectedHeaders(algorithm, options, nonce);
  try {
    return [protectedBytes, cipher.seal(nonce, encStructure(protectedBytes, externalAad, context), plaintext)];
  } catch (cause) {
    // A plaintext that is too long for the algorithm.
    if (cause instanceof CryptoError) throw new CoseError('ERR_COSE_ALGORITHM', cause.message, { cause });
    throw cause;
  }
}

/**
 * A tagged COSE_Encrypt0 whose headers, the IV included, are all protected.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM` when the key is not for this, or the plaintext too long
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-5.2
 */
export function encrypt0(options: Encrypt0Options): Tagged {
  const [protectedBytes, ciphertext] = sealContent(options, 'Encrypt0');
  return new Tagged(CoseTag.Encrypt0, [protectedBytes, new Map(), ciphertext]);
}

/**
 * Take a COSE_Encrypt0 apart.
 *
 * @param value the decoded item, tagged or not
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function readEncrypt0(value: CborValue, options: ReadOptions = {}): CoseObject {
  return readCose(value, CoseTag.Encrypt0, 3, options);
}

/** The nonce: the IV header, or the Partial IV, left-padded and XORed with the key's Base IV (RFC 9052 Section 3.1). */
function nonceOf(object: CoseObject, key: CoseKey, length: number): Uint8Array {
  const { iv, partialIv } = object.headers;
  if (iv !== undefined) {
    if (iv.length !== length) throw new CoseError('ERR_COSE_FORMAT', `header 5 (IV): expected ${length} bytes, got ${iv.length}`);
    return iv;
  }
  if (partialIv === undefined || key.baseIv?.length !== length || partialIv.length > length) {
    throw new CoseError('ERR_COSE_FORMAT', `expected an IV of ${length} bytes, or a Partial IV and a Base IV with the key, got neither`);
  }
  const nonce = concat(new Uint8Array(length - partialIv.length), partialIv);
  for (let i = 0; i < length; i++) nonce[i]! ^= key.baseIv[i]!;
  return nonce;
}

/** The key, and what stands outside the object: its ciphertext, where that is detached. */
export interface OpenOptions {
  readonly key: CoseKey;
  readonly externalAad?: Uint8Array;
  readonly detached?: Uint8Array;
}

/** The plaintext of a content, in COSE_Encrypt0 or COSE_Encrypt. */
export function openContent(object: CoseObject, algorithm: number, options: OpenOptions, context: 'Encrypt0' | 'Encrypt'): Uint8Array {
  const { key, externalAad = emptyBytes } = options;
  checkKeyUse(key, KeyType.Symmetric, algorithm, KeyOperation.decrypt);
  const cipher = aeadOf(key, algorithm);
  const ciphertext = object.payload ?? options.detached;
  if (ciphertext === undefined) throw new CoseError('ERR_COSE_FORMAT', 'expected a ciphertext, got nil and none detached');
  const nonce = nonceOf(object, key, cipher.nonceLength);
  try {
    return cipher.open(nonce, encStructure(object.protectedBytes, externalAad, context), ciphertext);
  } catch (cause) {
    if (cause instanceof CryptoError) throw new CoseError('ERR_COSE_VERIFY', `COSE_${context} does not verify`, { cause });
    throw cause;
  }
}

/**
 * The plaintext of a COSE_Encrypt0.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_VERIFY`
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-5.3
 */
export function decrypt0(object: CoseObject, options: OpenOptions): Uint8Array {
  return openContent(object, algorithmFor(object, options.key.alg), options, 'Encrypt0');
}
