import { constantTimeEqual, emptyBytes } from '../bytes.ts';
import { type CborValue, Tagged } from '../cbor.ts';
import { type CoseObjectWithRecipients, type OpenWithRecipientOptions, readWithRecipients } from './encrypt.ts';
import { CoseError } from './errors.ts';
import { checkKeyUse } from './key.ts';
import { contentKey, distributeKey, type Recipient } from './key-distribution.ts';
import { CoseTag, KeyOperation, KeyType } from './labels.ts';
import { type Mac0Options, macOf, macStructure } from './mac0.ts';
import { algorithmFor, protectedHeaders, type ReadOptions } from './message.ts';

/** A message for several recipients, as `mac0` takes one for whoever has the key. */
export interface MacOptions extends Omit<Mac0Options, 'key'> {
  readonly recipients: readonly Recipient[];
  /** Fresh bytes: `env.random`. */
  readonly random: (length: number) => Uint8Array;
}

/**
 * A tagged COSE_Mac whose headers are all protected.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-6.1
 */
export function mac(options: MacOptions): Tagged {
  const { algorithm, payload, externalAad = emptyBytes } = options;
  const { key, recipients } = distributeKey(options.recipients, algorithm, options.random);
  checkKeyUse(key, KeyType.Symmetric, algorithm, KeyOperation.macCreate);
  const protectedBytes = protectedHeaders(algorithm, options);
  const tag = macOf(algorithm, key, macStructure(protectedBytes, externalAad, payload, 'MAC'));
  return new Tagged(CoseTag.Mac, [protectedBytes, new Map(), payload, tag, recipients]);
}

/** @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_KEY` */
export function readMac(value: CborValue, options: ReadOptions = {}): CoseObjectWithRecipients {
  return readWithRecipients(value, CoseTag.Mac, 4, options);
}

/**
 * The payload of a COSE_Mac that verifies, by the recipient that the key is for.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-6.3
 */
export function verifyMac(object: CoseObjectWithRecipients, options: OpenWithRecipientOptions): Uint8Array {
  const { externalAad = emptyBytes } = options;
  const algorithm = algorithmFor(object, undefined);
  const key = contentKey(object.recipients, algorithm, options);
  checkKeyUse(key, KeyType.Symmetric, algorithm, KeyOperation.macVerify);
  const payload = object.payload ?? options.detached;
  if (payload === undefined) throw new CoseError('ERR_COSE_FORMAT', 'expected a payload, got nil and none detached');
  if (!constantTimeEqual(macOf(algorithm, key, macStructure(object.protectedBytes, externalAad, payload, 'MAC')), object.seal!))
    throw new CoseError('ERR_COSE_VERIFY', 'COSE_Mac does not verify');
  return payload;
}
