import { CryptoError, sign, verify } from '../crypto/index.ts';
import { type SignatureAlgorithm, signatureAlgorithms } from './algorithms.ts';
import { CoseError } from './errors.ts';
import { type CoseKey, checkKeyUse } from './key.ts';
import { Curve, KeyOperation } from './labels.ts';

/** How a signature is to be verified. */
export interface VerifyOptions {
  readonly key: CoseKey;
  readonly externalAad?: Uint8Array;
  /** The payload of a message that does not carry it. */
  readonly detached?: Uint8Array;
  /**
   * Take ES256, ES384 and ES512 with any of P-256, P-384 and P-521, as RFC 9053 Section 2.1 allows. Without this each is for the one curve that the section
   * suggests, so that hash and curve are of one strength.
   */
  readonly anyCurve?: boolean;
}

/** The curves of ECDSA in RFC 9053. secp256k1 is for ES256K alone (RFC 8812 Section 3.1). */
const ecdsaCurves: readonly number[] = [Curve.P256, Curve.P384, Curve.P521];

function anyCurveOf({ curves }: SignatureAlgorithm): readonly number[] {
  return curves.every((curve) => ecdsaCurves.includes(curve)) ? ecdsaCurves : curves;
}

function signatureAlgorithm(algorithm: number, key: CoseKey, operation: KeyOperation, anyCurve: boolean): SignatureAlgorithm {
  const found = signatureAlgorithms.get(algorithm);
  if (found === undefined) throw new CoseError('ERR_COSE_ALGORITHM', `expected a signature algorithm, got ${algorithm}`);
  checkKeyUse(key, found.kty, algorithm, operation);
  const curves = anyCurve ? anyCurveOf(found) : found.curves;
  if (!curves.includes(key.crv ?? 0))
    throw new CoseError('ERR_COSE_ALGORITHM', `expected curve ${curves.join(' or ')} for algorithm ${algorithm}, got ${key.crv}`);
  return found;
}

/** A key that is none is an error of this layer. */
function keyError(cause: unknown): unknown {
  return cause instanceof CryptoError ? new CoseError('ERR_COSE_KEY', cause.message, { cause }) : cause;
}

/** A signature by a key that is for this. @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY` */
export function signatureOf(algorithm: number, key: CoseKey, toBeSigned: Uint8Array): Uint8Array {
  const { hash } = signatureAlgorithm(algorithm, key, KeyOperation.sign, false);
  if (key.d === undefined) throw new CoseError('ERR_COSE_ALGORITHM', 'expected a private key to sign with, got a public one');
  try {
    return sign(hash, key, toBeSigned);
  } catch (error) {
    throw keyError(error);
  }
}

/** Whether a signature is by a key that is for this. @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY` */
export function isSignatureOf(algorithm: number, { key, anyCurve = false }: VerifyOptions, toBeSigned: Uint8Array, signature: Uint8Array): boolean {
  const { hash } = signatureAlgorithm(algorithm, key, KeyOperation.verify, anyCurve);
  try {
    return verify(hash, key, toBeSigned, signature);
  } catch (error) {
    throw keyError(error);
  }
}
