import { emptyBytes } from '../core/bytes.ts';
import { encode } from '../core/cbor.ts';
import { type Aead, aead } from '../core/crypto/index.ts';
import { OscoreError } from './errors.ts';

/** Sender sequence numbers stay below this (RFC 8613, Section 7.2.1). They do not fit 32-bit operators: arithmetic only. */
export const sequenceLimit: number = 2 ** 40;

/**
 * The Partial IV of a sender sequence number: big-endian, shortest form, 0 is one zero byte.
 *
 * @throws {OscoreError} `ERR_OSCORE_SEQUENCE` outside 0 to 2^40-1
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-5
 */
export function encodePartialIv(sequence: number): Uint8Array {
  if (!Number.isInteger(sequence) || sequence < 0 || sequence >= sequenceLimit) {
    throw new OscoreError('ERR_OSCORE_SEQUENCE', `expected a sender sequence number from 0 to 2^40-1, got ${sequence}`);
  }
  let length = 1;
  for (let bound = 256; sequence >= bound; bound *= 256) length++;
  const partialIv = new Uint8Array(length);
  for (let i = length - 1, rest = sequence; i >= 0; i--) {
    const upper = Math.floor(rest / 256);
    partialIv[i] = rest - upper * 256;
    rest = upper;
  }
  return partialIv;
}

/** The sender sequence number of a Partial IV of 1 to 5 bytes. */
export function decodePartialIv(partialIv: Uint8Array): number {
  let sequence = 0;
  for (let i = 0; i < partialIv.length; i++) sequence = sequence * 256 + partialIv[i]!;
  return sequence;
}

/**
 * The AEAD nonce. `id` is the Sender ID of whoever generated the Partial IV.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-5.2
 */
export function composeNonce(commonIv: Uint8Array, id: Uint8Array, partialIv: Uint8Array): Uint8Array {
  const nonce = commonIv.slice();
  const idStart = nonce.length - 5 - id.length;
  nonce[0] = nonce[0]! ^ id.length;
  for (let i = 0; i < id.length; i++) nonce[idStart + i] = nonce[idStart + i]! ^ id[i]!;
  xorEnd(nonce, partialIv);
  return nonce;
}

/**
 * The additional authenticated data of a request and of all its responses: `request_kid` and `request_piv` are those of the request.
 *
 * There are no Class I options, so `options` is empty.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-5.4
 */
export function composeAad(algorithm: number, requestKid: Uint8Array, requestPartialIv: Uint8Array): Uint8Array {
  return encode(['Encrypt0', emptyBytes, encode([1, [algorithm], requestKid, requestPartialIv, emptyBytes])]);
}

function xorEnd(into: Uint8Array, bytes: Uint8Array): void {
  const start = into.length - bytes.length;
  for (let i = 0; i < bytes.length; i++) into[start + i] = into[start + i]! ^ bytes[i]!;
}

/** AAD of zeros in the places of kid and Partial IV, by algorithm and the lengths of both: all contexts share them. */
const aadTemplates: Map<number, Uint8Array> = new Map();

function aadTemplate(algorithm: number, kidLength: number, partialIvLength: number): Uint8Array {
  // A kid has at most 7 bytes, a Partial IV 5.
  const shape = algorithm * 64 + kidLength * 8 + partialIvLength;
  let template = aadTemplates.get(shape);
  if (template === undefined) {
    template = composeAad(algorithm, new Uint8Array(kidLength), new Uint8Array(partialIvLength));
    aadTemplates.set(shape, template);
  }
  return template;
}

/** What the Sender Context and the Recipient Context have in common: the ID of an endpoint and its key. */
export class EndpointContext {
  readonly id: Uint8Array;
  readonly aead: Aead;
  readonly #algorithm: number;
  readonly #commonIv: Uint8Array;

  constructor(algorithm: number, commonIv: Uint8Array, id: Uint8Array, key: Uint8Array) {
    this.id = id;
    this.aead = aead(algorithm, key);
    this.#algorithm = algorithm;
    this.#commonIv = commonIv;
  }

  /** The nonce for a Partial IV that this endpoint generated. */
  nonce(partialIv: Uint8Array): Uint8Array {
    return composeNonce(this.#commonIv, this.id, partialIv);
  }

  /** The AAD of an exchange whose request this endpoint sent. */
  aad(partialIv: Uint8Array): Uint8Array {
    const n = partialIv.length;
    const aad = aadTemplate(this.#algorithm, this.id.length, n).slice();
    // At the end stand the kid, the Partial IV with its length, and the one byte of the empty `options`.
    const partialIvStart = aad.length - 1 - n;
    aad.set(partialIv, partialIvStart);
    aad.set(this.id, partialIvStart - 1 - this.id.length);
    return aad;
  }
}
