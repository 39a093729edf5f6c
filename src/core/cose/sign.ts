import { emptyBytes } from '../bytes.ts';
import { type CborValue, Tagged } from '../cbor.ts';
import { CoseError } from './errors.ts';
import type { CoseKey } from './key.ts';
import { CoseTag } from './labels.ts';
import { algorithmFor, type CoseObject, protectedHeaders, type ReadOptions, readCose, type SenderHeaders } from './message.ts';
import { isSignatureOf, signatureOf, type VerifyOptions } from './signature.ts';
import { coveredStructure } from './structure.ts';

/** A COSE_Sign, taken apart and not yet verified: the body, and the signatures of its signers. */
export interface CoseSign extends CoseObject {
  /** At least one; the `payload` of each is its signature. */
  readonly signers: readonly CoseObject[];
}

/** Sig_structure with a signer. @see https://www.rfc-editor.org/rfc/rfc9052#section-4.4 */
export function signerStructure(bodyProtected: Uint8Array, signerProtected: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  return coveredStructure('Signature', bodyProtected, signerProtected, externalAad, payload);
}

/** One who signs, and the headers of the signature. */
export interface Signer extends SenderHeaders {
  readonly key: CoseKey;
  readonly algorithm: number;
  readonly externalAad?: Uint8Array;
}

/** The headers are those of the body. */
export interface SignOptions extends SenderHeaders {
  readonly payload: Uint8Array;
  /** At least one. */
  readonly signers: readonly Signer[];
}

/**
 * A tagged COSE_Sign whose headers are all protected.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`; `ERR_COSE_FORMAT` without a signer
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-4.1
 */
export function sign(options: SignOptions): Tagged {
  const { payload, signers } = options;
  if (signers.length === 0) throw new CoseError('ERR_COSE_FORMAT', 'expected at least one signer, got none');
  const body = protectedHeaders(undefined, options);
  const signatures = signers.map((signer) => {
    const { key, algorithm, externalAad = emptyBytes } = signer;
    const own = protectedHeaders(algorithm, signer);
    return [own, new Map(), signatureOf(algorithm, key, signerStructure(body, own, externalAad, payload))];
  });
  return new Tagged(CoseTag.Sign, [body, new Map(), payload, signatures]);
}

/**
 * Take a COSE_Sign apart.
 *
 * @param value the decoded item, tagged or not
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function readSign(value: CborValue, options: ReadOptions = {}): CoseSign {
  const tagged = value instanceof Tagged;
  if (tagged && value.tag !== CoseTag.Sign) throw new CoseError('ERR_COSE_FORMAT', `COSE: expected tag ${CoseTag.Sign}, got ${value.tag}`);
  const array = tagged ? value.value : value;
  if (!Array.isArray(array) || array.length !== 4)
    throw new CoseError('ERR_COSE_FORMAT', `COSE: expected an array of 4, got ${Array.isArray(array) ? `one of ${array.length}` : 'another type'}`);
  const [protectedBytes, unprotected, payload, signatures] = array as CborValue[];
  if (!Array.isArray(signatures) || signatures.length === 0) throw new CoseError('ERR_COSE_FORMAT', 'COSE_Sign: expected at least one signature, got none');
  return {
    ...readCose([protectedBytes, unprotected, payload], undefined, 3, options),
    tag: tagged ? CoseTag.Sign : undefined,
    signers: (signatures as CborValue[]).map((signature) => {
      const signer = readCose(signature, undefined, 3, options);
      if (signer.payload === null) throw new CoseError('ERR_COSE_FORMAT', 'COSE_Signature: expected a byte string as signature, got nil');
      return signer;
    }),
  };
}

/**
 * The payload of a COSE_Sign in which the signature of one signer verifies. Which signers there must be is for the caller, who asks for each of them.
 *
 * @param signer one of `object.signers`
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-4.4
 */
export function verifySign(object: CoseSign, signer: CoseObject, options: VerifyOptions): Uint8Array {
  const { key, externalAad = emptyBytes } = options;
  if (!object.signers.includes(signer)) throw new CoseError('ERR_COSE_FORMAT', 'expected a signer of this COSE_Sign, got another one');
  const payload = object.payload ?? options.detached;
  if (payload === undefined) throw new CoseError('ERR_COSE_FORMAT', 'expected a payload, got nil and none detached');
  const toBeSigned = signerStructure(object.protectedBytes, signer.protectedBytes, externalAad, payload);
  if (!isSignatureOf(algorithmFor(signer, key.alg), options, toBeSigned, signer.payload!)) throw new CoseError('ERR_COSE_VERIFY', 'COSE_Sign does not verify');
  return payload;
}
