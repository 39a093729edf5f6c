import { CryptoError, sign, verify } from '../crypto/index.ts';
import { type SignatureAlgorithm, signatureAlgorithms } from './algorithms.ts';
import { CoseError } from './errors.ts';
import { type CoseKey, checkKeyUse } from './key.ts';
import { KeyOperation } from './labels.ts';

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

/** A signature by a key that is for this. @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY` */
export function signatureOf(algorithm: number, key: CoseKey, toBeSigned: Uint8Array): Uint8Array {
  const { hash } = signatureAlgorithm(algorithm, key, KeyOperation.sign);
  if (key.d === undefined) throw new CoseError('ERR_COSE_ALGORITHM', 'expected a private key to sign with, got a public one');
  return withKey(() => sign(hash, key, toBeSigned));
}

/** Whether a signature is by a key that is for this. @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY` */
export function isSignatureOf(algorithm: number, key: CoseKey, toBeSigned: Uint8Array, signature: Uint8Array): boolean {
  const { hash } = signatureAlgorithm(algorithm, key, KeyOperation.verify);
  return withKey(() => verify(hash, key, toBeSigned, signature));
}
