import { type CborValue, Tagged } from '../cbor.ts';
import { type Encrypt0Options, openContent, sealContent } from './encrypt0.ts';
import { CoseError } from './errors.ts';
import { contentKey, distributeKey, type Recipient, type RecipientKey } from './key-distribution.ts';
import { CoseTag } from './labels.ts';
import { algorithmFor, type CoseObject, type ReadOptions, readCose } from './message.ts';
import { type CoseRecipient, readRecipients } from './recipient.ts';

/** A COSE object with recipients, taken apart and not yet verified. */
export interface CoseObjectWithRecipients extends CoseObject {
  readonly recipients: readonly CoseRecipient[];
}

/** Take an object apart whose last element are recipients. */
export function readWithRecipients(value: CborValue, tag: number, parts: 3 | 4, options: ReadOptions): CoseObjectWithRecipients {
  const tagged = value instanceof Tagged;
  const array = tagged ? value.value : value;
  if (!Array.isArray(array) || array.length !== parts + 1)
    throw new CoseError('ERR_COSE_FORMAT', `COSE: expected an array of ${parts + 1}, got ${Array.isArray(array) ? `one of ${array.length}` : 'another type'}`);
  const content = array.slice(0, parts) as CborValue[];
  const object = readCose(tagged ? new Tagged(value.tag, content) : content, tag, parts, options);
  return { ...object, recipients: readRecipients(array[parts] as CborValue, options) };
}

/** A message for several recipients, as `encrypt0` takes one for whoever has the key. */
export interface EncryptOptions extends Omit<Encrypt0Options, 'key'> {
  readonly recipients: readonly Recipient[];
  /** Fresh bytes: `env.random`. */
  readonly random: (length: number) => Uint8Array;
}

/**
 * A tagged COSE_Encrypt whose headers, the IV included, are all protected.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY` when a key is not for this
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-5.1
 */
export function encrypt(options: EncryptOptions): Tagged {
  const { key, recipients } = distributeKey(options.recipients, options.algorithm, options.random);
  const [protectedBytes, ciphertext] = sealContent({ ...options, key }, 'Encrypt');
  return new Tagged(CoseTag.Encrypt, [protectedBytes, new Map(), ciphertext, recipients]);
}

/** @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_KEY` */
export function readEncrypt(value: CborValue, options: ReadOptions = {}): CoseObjectWithRecipients {
  return readWithRecipients(value, CoseTag.Encrypt, 3, options);
}

/** The key of one recipient, and what stands outside the object: its ciphertext or payload, where that is detached. */
export interface OpenWithRecipientOptions extends RecipientKey {
  readonly externalAad?: Uint8Array;
  readonly detached?: Uint8Array;
}

/**
 * The plaintext of a COSE_Encrypt, by the recipient that the key is for.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-5.3
 */
export function decrypt(object: CoseObjectWithRecipients, options: OpenWithRecipientOptions): Uint8Array {
  const algorithm = algorithmFor(object, undefined);
  return openContent(object, algorithm, { ...options, key: contentKey(object.recipients, algorithm, options) }, 'Encrypt');
}
