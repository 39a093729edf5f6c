import { emptyBytes } from '../bytes.ts';
import { CborError, type CborMap, type CborValue } from '../cbor.ts';
import { recipientAlgorithms } from './algorithms.ts';
import { CoseError } from './errors.ts';
import { checkPartyHeaders } from './kdf-context.ts';
import { type CoseKey, decodeCoseKey } from './key.ts';
import { RecipientLabel } from './labels.ts';
import { type Headers, type ReadOptions, readCose } from './message.ts';

/** A COSE_recipient, taken apart. */
export interface CoseRecipient {
  /** As received: what a key derivation covers. */
  readonly protectedBytes: Uint8Array;
  readonly headers: Headers;
  /** The algorithm's own headers (`RecipientLabel`) of both buckets, and those that are not understood. */
  readonly parameters: CborMap;
  /** The sender's key of ECDH-ES, or of ECDH-SS where the message holds it. */
  readonly senderKey?: CoseKey;
  /** The sender's key of ECDH-SS by its id. */
  readonly senderKeyId?: Uint8Array;
  readonly salt: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly recipients: readonly CoseRecipient[];
}

/** Most recipients of one message, nested ones included: each may cost a key agreement. */
const mostRecipients = 32;

const recipientLabels: readonly (number | string)[] = Object.values(RecipientLabel);

const badFormat = (message: string, cause?: unknown): CoseError => new CoseError('ERR_COSE_FORMAT', message, { cause });

/** A public key in a header; a private part there is refused unread. */
function keyHeader(parameters: CborMap, label: number, name: string): CoseKey | undefined {
  const value = parameters.get(label);
  if (value === undefined) return undefined;
  let key: CoseKey;
  try {
    key = decodeCoseKey(value);
  } catch (error) {
    if (error instanceof CborError) throw badFormat(`header ${label} (${name}): ${error.message}`, error);
    throw error;
  }
  if (key.d !== undefined || key.k !== undefined) throw badFormat(`header ${label} (${name}): expected a public key, got a private one`);
  return key;
}

function bytesHeader(parameters: CborMap, label: number, name: string): Uint8Array | undefined {
  const value = parameters.get(label);
  if (value !== undefined && !(value instanceof Uint8Array)) throw badFormat(`header ${label} (${name}): expected byte string, got another type`);
  return value;
}

/** What RFC 9052 Section 8.5 demands of the parts of a recipient, by the method of its algorithm. */
function checkMethod(recipient: CoseRecipient, siblings: number): void {
  const { headers, protectedBytes, ciphertext, recipients, senderKey, senderKeyId } = recipient;
  const { alg } = headers;
  if (alg === undefined) throw badFormat('COSE_recipient: expected an algorithm, got none');
  const found = typeof alg === 'number' ? recipientAlgorithms.get(alg) : undefined;
  // Another recipient may have an algorithm that is known.
  if (found === undefined) return;
  const { wrap, kdf, sender } = found;
  if (wrap === undefined) {
    if (siblings > 1) throw badFormat(`COSE_recipient: expected a recipient with algorithm ${alg} to be the only one, got ${siblings}`);
    if (ciphertext.length > 0) throw badFormat(`COSE_recipient: expected an empty ciphertext with algorithm ${alg}, got ${ciphertext.length} bytes`);
  }
  if (kdf === undefined && protectedBytes.length > 0) throw badFormat(`COSE_recipient: expected no protected headers with algorithm ${alg}, got some`);
  if ((wrap === undefined || kdf !== undefined) && recipients.length > 0)
    throw badFormat(`COSE_recipient: expected no recipients below algorithm ${alg}, got ${recipients.length}`);
  if (sender === 'ephemeral' && senderKey === undefined) throw badFormat('header -1 (ephemeral key): expected a key, got none');
  if (sender === 'static' && senderKey !== undefined && senderKeyId !== undefined)
    throw badFormat('headers -2 and -3: expected a static key or its id, got both');
}

/** One look at all recipients of a message. */
interface Reading {
  /** Recipients that there still may be. */
  left: number;
  /** What may be critical: the labels of recipients, and what the application understands. */
  readonly understood: ReadonlySet<number | string>;
}

function readRecipient(value: CborValue, siblings: number, reading: Reading): CoseRecipient {
  if (reading.left-- <= 0) throw badFormat(`COSE: expected at most ${mostRecipients} recipients, got more`);
  if (!Array.isArray(value) || (value.length !== 3 && value.length !== 4)) throw badFormat('COSE_recipient: expected an array of 3 or 4, got another');
  const { protectedBytes, headers, payload } = readCose(value.slice(0, 3) as CborValue[], undefined, 3, reading);
  if (payload === null) throw badFormat('COSE_recipient: expected a ciphertext, got nil');
  const parameters = headers.unknown;
  checkPartyHeaders(parameters);
  const { sender } = recipientAlgorithms.get(headers.alg as number) ?? {};
  const senderKey =
    sender === 'ephemeral'
      ? keyHeader(parameters, RecipientLabel.ephemeralKey, 'ephemeral key')
      : sender === 'static'
        ? keyHeader(parameters, RecipientLabel.staticKey, 'static key')
        : undefined;
  const senderKeyId = sender === 'static' ? bytesHeader(parameters, RecipientLabel.staticKeyId, 'static key id') : undefined;
  const recipient: CoseRecipient = {
    protectedBytes,
    headers: { ...headers, unknown: new Map([...parameters].filter(([label]) => !recipientLabels.includes(label as number))) },
    parameters,
    ...(senderKey === undefined ? {} : { senderKey }),
    ...(senderKeyId === undefined ? {} : { senderKeyId }),
    salt: bytesHeader(parameters, RecipientLabel.salt, 'salt') ?? emptyBytes,
    ciphertext: payload,
    recipients: value.length === 4 ? readList(value[3] as CborValue, reading) : [],
  };
  checkMethod(recipient, siblings);
  return recipient;
}

function readList(value: CborValue, reading: Reading): readonly CoseRecipient[] {
  if (!Array.isArray(value) || value.length === 0) throw badFormat('COSE: expected an array of at least one recipient, got none');
  return (value as CborValue[]).map((entry) => readRecipient(entry, value.length, reading));
}

/**
 * Take the recipients of a COSE_Encrypt or COSE_Mac apart.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`; `ERR_COSE_KEY` for a key in a header that cannot be
 * @see https://www.rfc-editor.org/rfc/rfc9052#section-8.5
 */
export function readRecipients(value: CborValue, options: ReadOptions = {}): readonly CoseRecipient[] {
  return readList(value, { left: mostRecipients, understood: new Set([...recipientLabels, ...(options.understood ?? [])]) });
}
