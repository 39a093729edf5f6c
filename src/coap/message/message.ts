import { carve, carver, emptyBytes } from '../../core/bytes.ts';
import { CoapError, CoapFormatError } from '../errors.ts';
import type { Option } from './option.ts';

/** Message types (RFC 7252, Section 3). */
export const MessageType = { CON: 0, NON: 1, ACK: 2, RST: 3 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** A message on a datagram transport. Options are in order of number; after decoding, byte fields are views of the datagram. */
export interface Message {
  readonly type: MessageType;
  readonly code: number;
  readonly id: number;
  /** 0 to 8 bytes; up to 65,804 where extended tokens are on. */
  readonly token: Uint8Array;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/** What OSCORE encrypts and what block-wise transfer takes apart: a message without its message layer. */
export interface Body {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/** What of the message format is a matter of configuration. */
export interface MessageFormat {
  /** TKL as RFC 8974, Section 2.1 defines it. Off by default: tokens of more than 8 bytes are then format errors. */
  readonly extendedTokens?: boolean;
}

/** The longest token that a message can carry (RFC 8974, Section 2.1), and without the extension. */
export const longestToken: number = 269 + 0xffff;
export const longestPlainToken = 8;

const baseFormat: MessageFormat = {};
const noOptions: readonly Option[] = [];
const longestExtension = 269 + 0xffff;

/** The engine keeps arrays of so many bytes in its heap, and moves one out when a view of it is made: a copy of a part takes a seventh of the time. */
const longestInHeap = 64;

/** A reply is kept for as long as its request may come again (RFC 7252, Section 4.8.2), without what was made on the way to it. */
const carveDatagram = carver();

/** Bytes behind the nibble that holds the beginning of a delta, an option length or a token length. */
export function extensionLength(value: number): number {
  return value < 13 ? 0 : value < 269 ? 1 : 2;
}

/** The nibble itself. */
export function nibble(value: number): number {
  return value < 13 ? value : value < 269 ? 13 : 14;
}

/** Write the bytes behind the nibble; returns where they end. */
export function writeExtension(into: Uint8Array, offset: number, value: number): number {
  if (value < 13) return offset;
  if (value < 269) {
    into[offset] = value - 13;
    return offset + 1;
  }
  into[offset] = (value - 269) >>> 8;
  into[offset + 1] = value - 269;
  return offset + 2;
}

/**
 * Bytes that options and payload (with its marker, if it is not empty) take.
 *
 * @throws {CoapError} `ERR_COAP_OPTION` when options are out of order, or a number or a length is too large
 */
export function encodedLength(options: readonly Option[], payload: Uint8Array): number {
  let length = payload.length === 0 ? 0 : payload.length + 1;
  let before = 0;
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!;
    const delta = number - before;
    if (!(delta >= 0) || number > 0xffff)
      throw new CoapError('ERR_COAP_OPTION', `expected options in order of number up to 65535, got ${number} after ${before}`);
    if (value.length > longestExtension)
      throw new CoapError('ERR_COAP_OPTION', `expected an option value of at most ${longestExtension} bytes, got ${value.length}`);
    length += 1 + extensionLength(delta) + extensionLength(value.length) + value.length;
    before = number;
  }
  return length;
}

/** The same as far as it can be told: for options that cannot be encoded it is not right, and nothing is thrown. */
export function bodyLength(options: readonly Option[], payloadLength: number): number {
  let length = payloadLength === 0 ? 0 : payloadLength + 1;
  let before = 0;
  for (const { number, value } of options) {
    length += 1 + extensionLength(number - before) + extensionLength(value.length) + value.length;
    before = number;
  }
  return length;
}

export function writeBody(into: Uint8Array, start: number, options: readonly Option[], payload: Uint8Array): void {
  let offset = start;
  let before = 0;
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!;
    const delta = number - before;
    into[offset++] = (nibble(delta) << 4) | nibble(value.length);
    offset = writeExtension(into, offset, delta);
    offset = writeExtension(into, offset, value.length);
    // Options are a few bytes long, where a loop is faster than a call of set.
    for (let j = 0; j < value.length; j++) into[offset + j] = value[j]!;
    offset += value.length;
    before = number;
  }
  if (payload.length > 0) {
    into[offset++] = 0xff;
    into.set(payload, offset);
  }
}

const marker = 0xff;

/** A format error; one in a whole datagram (not in an OSCORE plaintext) carries what the Reset needs. */
function malformed(text: string, bytes: Uint8Array, datagram: boolean): CoapFormatError {
  return new CoapFormatError(text, datagram ? { type: (bytes[0]! >>> 4) & 3, id: (bytes[2]! << 8) | bytes[3]! } : undefined);
}

/** Reads options from `start`; `end` is the offset of the payload, or the end of the bytes. */
function readOptions(bytes: Uint8Array, start: number, datagram: boolean): { options: readonly Option[]; end: number } {
  const size = bytes.length;
  if (start >= size) return { options: noOptions, end: size };
  if (bytes[start] === marker) return { options: noOptions, end: payloadStart(bytes, start, datagram) };
  const copies = !datagram && size <= longestInHeap;
  let options: Option[] | undefined;
  let offset = start;
  let number = 0;
  while (offset < size) {
    const head = bytes[offset++]!;
    if (head === marker) return { options: options ?? noOptions, end: payloadStart(bytes, offset - 1, datagram) };
    let delta = head >>> 4;
    let length = head & 0x0f;
    if (delta === 15 || length === 15)
      throw malformed(`expected an option delta and length below 15 at offset ${offset - 1}, got ${delta} and ${length}`, bytes, datagram);
    if (delta >= 13) {
      if (offset + delta - 12 > size) throw malformed(`expected an extended option delta at offset ${offset}, got the end of the message`, bytes, datagram);
      if (delta === 13) delta = 13 + bytes[offset++]!;
      else {
        delta = 269 + ((bytes[offset]! << 8) | bytes[offset + 1]!);
        offset += 2;
      }
    }
    if (length >= 13) {
      if (offset + length - 12 > size) throw malformed(`expected an extended option length at offset ${offset}, got the end of the message`, bytes, datagram);
      if (length === 13) length = 13 + bytes[offset++]!;
      else {
        length = 269 + ((bytes[offset]! << 8) | bytes[offset + 1]!);
        offset += 2;
      }
    }
    number += delta;
    if (number > 0xffff) throw malformed(`expected an option number up to 65535, got ${number}`, bytes, datagram);
    if (length > size - offset) throw malformed(`expected ${length} bytes of option ${number} at offset ${offset}, got ${size - offset}`, bytes, datagram);
    const option = { number, value: length === 0 ? emptyBytes : copies ? bytes.slice(offset, offset + length) : bytes.subarray(offset, offset + length) };
    // A list that is made with its first one is as long as it needs to be where no other follows.
    if (options === undefined) options = [option];
    else options.push(option);
    offset += length;
  }
  return { options: options ?? noOptions, end: size };
}

function payloadStart(bytes: Uint8Array, markerAt: number, datagram: boolean): number {
  if (markerAt + 1 === bytes.length) throw malformed('expected a payload after the payload marker, got the end of the message', bytes, datagram);
  return markerAt + 1;
}

/**
 * Code, options, and payload behind a marker: the form of the OSCORE plaintext (RFC 8613, Section 5.3).
 *
 * @throws {CoapError} `ERR_COAP_OPTION`
 */
export function encodeBody(body: Body): Uint8Array {
  return putBody(new Uint8Array(1 + encodedLength(body.options, body.payload)), body);
}

/**
 * The same for a body that is encrypted at once: whoever keeps its bytes keeps others beside them.
 *
 * @throws {CoapError} `ERR_COAP_OPTION`
 */
export function encodePassingBody(body: Body): Uint8Array {
  return putBody(carve(1 + encodedLength(body.options, body.payload)), body);
}

function putBody(bytes: Uint8Array, { code, options, payload }: Body): Uint8Array {
  bytes[0] = code;
  writeBody(bytes, 1, options, payload);
  return bytes;
}

/**
 * The reverse of `encodeBody`; option values and payload are views of `bytes`, or copies where these are short.
 *
 * @throws {CoapFormatError} `ERR_COAP_FORMAT`
 */
export function decodeBody(bytes: Uint8Array): Body {
  if (bytes.length === 0) throw new CoapFormatError('expected a code, got no bytes');
  const { options, end } = readOptions(bytes, 1, false);
  if (end === bytes.length) return { code: bytes[0]!, options, payload: emptyBytes };
  return { code: bytes[0]!, options, payload: bytes.length <= longestInHeap ? bytes.slice(end) : bytes.subarray(end) };
}

/**
 * The options alone, as they stand in a message.
 *
 * @throws {CoapError} `ERR_COAP_OPTION`
 */
export function encodeOptions(options: readonly Option[]): Uint8Array {
  const bytes = new Uint8Array(encodedLength(options, emptyBytes));
  writeBody(bytes, 0, options, emptyBytes);
  return bytes;
}

/**
 * Options from `offset` up to the payload marker or the end; `end` is where the payload starts.
 *
 * @throws {CoapFormatError} `ERR_COAP_FORMAT`
 */
export function decodeOptions(bytes: Uint8Array, offset = 0): { readonly options: readonly Option[]; readonly end: number } {
  return readOptions(bytes, offset, false);
}

/**
 * The datagram of a message.
 *
 * @throws {CoapError} `ERR_COAP_TOKEN` when the token is longer than 8 bytes and extended tokens are off, or than any token can be; `ERR_COAP_OPTION`
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-3
 */
export function encodeMessage(message: Message, format: MessageFormat = baseFormat): Uint8Array {
  return encodeParts(message.type, message.code, message.id, message.token, message.options, message.payload, format);
}

/** `encodeMessage` without the object, for the message layer's hot path. */
export function encodeParts(
  type: number,
  code: number,
  id: number,
  token: Uint8Array,
  options: readonly Option[],
  payload: Uint8Array,
  format: MessageFormat = baseFormat,
): Uint8Array {
  const tokenLength = token.length;
  let tokenStart = 4;
  if (tokenLength > 8) {
    const most = format.extendedTokens === true ? longestToken : 8;
    if (tokenLength > most) throw new CoapError('ERR_COAP_TOKEN', `expected a token of at most ${most} bytes, got ${tokenLength}`);
    tokenStart += extensionLength(tokenLength);
  }
  const bytes = carveDatagram(tokenStart + tokenLength + encodedLength(options, payload));
  bytes[0] = 0x40 | (type << 4) | nibble(tokenLength);
  bytes[1] = code;
  bytes[2] = id >>> 8;
  bytes[3] = id;
  if (tokenStart > 4) writeExtension(bytes, 4, tokenLength);
  for (let i = 0; i < tokenLength; i++) bytes[tokenStart + i] = token[i]!;
  writeBody(bytes, tokenStart + tokenLength, options, payload);
  return bytes;
}

/** An Empty message. */
export function encodeEmpty(type: MessageType, id: number): Uint8Array {
  return Uint8Array.of(0x40 | (type << 4), 0, id >>> 8, id);
}

/** Put a message id into a datagram of our making. */
export function writeId(datagram: Uint8Array, id: number): void {
  datagram[2] = id >>> 8;
  datagram[3] = id;
}

/** The token in a datagram of our making. */
export function tokenIn(datagram: Uint8Array): Uint8Array {
  const length = datagram[0]! & 0x0f;
  if (length < 13) return datagram.subarray(4, 4 + length);
  if (length === 13) return datagram.subarray(5, 5 + 13 + datagram[4]!);
  return datagram.subarray(6, 6 + 269 + ((datagram[4]! << 8) | datagram[5]!));
}

/** RFC 8974 §2.1: how many bytes before the token hold its length; the length is checked against the datagram by the caller. */
function tokenExtension(tkl: number, datagram: Uint8Array, format: MessageFormat): number {
  const extended = format.extendedTokens === true;
  if (tkl === 15 || !extended) throw malformed(`expected a token length of 0 to ${extended ? 14 : 8}, got ${tkl}`, datagram, true);
  const extension = extensionLength(tkl === 14 ? 269 : tkl);
  if (datagram.length < 4 + extension) throw malformed('expected an extended token length, got the end of the message', datagram, true);
  return extension;
}

/**
 * The message in a datagram. Token, option values and payload are views of it.
 *
 * @throws {CoapFormatError} `ERR_COAP_FORMAT`; without `type` and `id` when the datagram is too short or of another version, so is to be ignored in silence
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-3
 */
export function decodeMessage(datagram: Uint8Array, format: MessageFormat = baseFormat): Message {
  const size = datagram.length;
  if (size < 4) throw new CoapFormatError(`expected a header of 4 bytes, got ${size}`);
  const first = datagram[0]!;
  if (first >>> 6 !== 1) throw new CoapFormatError(`expected version 1, got ${first >>> 6}`);
  const type = ((first >>> 4) & 3) as MessageType;
  let tokenLength = first & 0x0f;
  let tokenStart = 4;
  const code = datagram[1]!;
  const id = (datagram[2]! << 8) | datagram[3]!;
  if (tokenLength > 8) {
    tokenStart += tokenExtension(tokenLength, datagram, format);
    if (tokenLength === 13) tokenLength = 13 + datagram[4]!;
    else if (tokenLength === 14) tokenLength = 269 + ((datagram[4]! << 8) | datagram[5]!);
  }
  const tokenEnd = tokenStart + tokenLength;
  if (size < tokenEnd) throw malformed(`expected a token of ${tokenLength} bytes, got ${size - tokenStart}`, datagram, true);
  if (code === 0) {
    // RFC 7252 §4.1: an Empty message has nothing after the message id.
    if (first & 0x0f || size > 4) throw malformed(`expected an Empty message of 4 bytes, got ${size}`, datagram, true);
    return { type, code, id, token: emptyBytes, options: noOptions, payload: emptyBytes };
  }
  const codeClass = code >>> 5;
  // RFC 7252 §3: classes 1, 6 and 7 are reserved (7 is signaling, which exists on reliable transports only: RFC 8323 §2.2); 3 is unassigned (§12.1).
  if (codeClass !== 0 && codeClass !== 2 && codeClass !== 4 && codeClass !== 5)
    throw malformed(`expected a code of class 0, 2, 4 or 5, got ${codeClass}`, datagram, true);
  let options = noOptions;
  let end = size;
  if (tokenEnd < size) ({ options, end } = readOptions(datagram, tokenEnd, true));
  return {
    type,
    code,
    id,
    token: tokenLength === 0 ? emptyBytes : datagram.subarray(tokenStart, tokenEnd),
    options,
    payload: end === size ? emptyBytes : datagram.subarray(end),
  };
}
