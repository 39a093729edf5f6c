import { emptyBytes } from '../../core/bytes.ts';
import { CoapError, CoapFormatError } from '../errors.ts';
import {
  decodeOptions,
  encodedLength,
  extensionLength,
  longestToken,
  type Message,
  type MessageFormat,
  MessageType,
  nibble as nibbleOf,
  writeBody,
  writeExtension,
} from '../message/message.ts';
import type { Option } from '../message/option.ts';

/** How messages are told apart: by a length in front of each (TCP, TLS), or by the frames of the WebSocket Protocol. */
export type Framing = 'length' | 'frame';

const longestMessage = 65_805 + 0xffff_ffff;
const baseFormat: MessageFormat = {};

/** Bytes of the Extended Length that a Len nibble announces. */
function extensionOf(nibble: number): number {
  return nibble < 13 ? 0 : nibble === 13 ? 1 : nibble === 14 ? 2 : 4;
}

/**
 * A message as it stands on a connection.
 *
 * @throws {CoapError} `ERR_COAP_TOKEN` when the token is longer than 8 bytes and extended tokens are off, or than any token can be; `ERR_COAP_OPTION`,
 * `ERR_COAP_MESSAGE_SIZE` above `most` bytes
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-3.2, https://www.rfc-editor.org/rfc/rfc8323#section-4.2 and
 * https://www.rfc-editor.org/rfc/rfc8974#appendix-A.2
 */
export function encodeFrame(
  framing: Framing,
  code: number,
  token: Uint8Array,
  options: readonly Option[],
  payload: Uint8Array,
  most: number = longestMessage,
  format: MessageFormat = baseFormat,
): Uint8Array {
  const longest = format.extendedTokens === true ? longestToken : 8;
  if (token.length > longest) throw new CoapError('ERR_COAP_TOKEN', `expected a token of at most ${longest} bytes, got ${token.length}`);
  const length = encodedLength(options, payload);
  const nibble = framing === 'frame' ? 0 : length < 13 ? length : length < 269 ? 13 : length < 65_805 ? 14 : 15;
  const extension = extensionOf(nibble);
  const tokenStart = 2 + extension + extensionLength(token.length);
  const start = tokenStart + token.length;
  if (start + length > most) {
    throw new CoapError('ERR_COAP_MESSAGE_SIZE', `expected a message of at most ${most} bytes, which is what the peer takes, got ${start + length}`);
  }
  const bytes = new Uint8Array(start + length);
  bytes[0] = (nibble << 4) | nibbleOf(token.length);
  let extended = length - (nibble === 13 ? 13 : nibble === 14 ? 269 : 65_805);
  for (let i = extension; i > 0; i--) {
    bytes[i] = extended;
    extended = Math.floor(extended / 256);
  }
  bytes[1 + extension] = code;
  writeExtension(bytes, 2 + extension, token.length);
  for (let i = 0; i < token.length; i++) bytes[tokenStart + i] = token[i]!;
  writeBody(bytes, start, options, payload);
  return bytes;
}

/** RFC 7252 §3 reserves classes 1 and 6, and 3 is unassigned; 7 is signaling. */
function isReserved(code: number): boolean {
  const codeClass = code >>> 5;
  return codeClass === 1 || codeClass === 3 || codeClass === 6;
}

/**
 * The messages in a sequence of bytes, however it is cut.
 *
 * At most one message that is not complete is held, and of it no more than what came. One that would be larger than `most` is refused as soon as its length
 * is known, before any of it is held.
 */
export class FrameReader {
  readonly #framing: Framing;
  readonly #most: number;
  readonly #format: MessageFormat;
  /** What came and was not read yet. */
  readonly #chunks: Uint8Array[] = [];
  #offset = 0;
  /** The beginning of a message whose end has not come. */
  #kept = emptyBytes;
  #keptLength = 0;

  constructor(framing: Framing, most: number, format: MessageFormat = baseFormat) {
    this.#framing = framing;
    this.#most = most;
    this.#format = format;
  }

  /** Bytes of an incomplete message that are held. */
  get held(): number {
    return this.#keptLength;
  }

  /** Whether `next` may have more to give. */
  get pending(): boolean {
    return this.#chunks.length > 0;
  }

  /** Take bytes, or a frame, over. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0 || this.#framing === 'frame') this.#chunks.push(bytes);
  }

  /**
   * The next message, or `undefined` until more bytes come. Token, option values and payload are views of what was pushed.
   *
   * @throws {CoapFormatError} `ERR_COAP_FORMAT`
   * @throws {CoapError} `ERR_COAP_MESSAGE_SIZE`
   */
  next(): Message | undefined {
    return this.#framing === 'frame' ? this.#nextFrame() : this.#nextMessage();
  }

  #nextFrame(): Message | undefined {
    const frame = this.#chunks.shift();
    if (frame === undefined) return undefined;
    if (frame.length > this.#most) throw tooLarge(this.#most, frame.length);
    if (frame.length < 2) throw new CoapFormatError(`expected a frame of at least 2 bytes, got ${frame.length}`);
    // RFC 8323 §4.2: Len MUST be zero.
    if (frame[0]! >>> 4 !== 0) throw new CoapFormatError(`expected Len 0 in a frame, got ${frame[0]! >>> 4}`);
    return messageIn(frame, 1, this.#format);
  }

  #nextMessage(): Message | undefined {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const available = chunk.length - this.#offset;
      if (this.#keptLength === 0) {
        const total = this.#totalOf(chunk, this.#offset, available);
        if (total <= available) {
          const bytes = chunk.subarray(this.#offset, this.#offset + total);
          this.#advance(total);
          return messageIn(bytes, 1 + extensionOf(bytes[0]! >>> 4), this.#format);
        }
      }
      const message = this.#collect(chunk, available);
      if (message !== undefined) return message;
    }
  }

  /** Move bytes into the message that is held, as far as its length is known. */
  #collect(chunk: Uint8Array, available: number): Message | undefined {
    const total = this.#keptLength === 0 ? this.#totalOf(chunk, this.#offset, available) : this.#totalOf(this.#kept, 0, this.#keptLength);
    // As long as the length itself is not complete, byte by byte.
    const wanted = total === Number.POSITIVE_INFINITY ? 1 : Math.min(total - this.#keptLength, available);
    const length = this.#keptLength + wanted;
    if (length > this.#kept.length) {
      const grown = new Uint8Array(Math.min(Math.max(64, 2 * length), Math.min(total, this.#most + 64)));
      grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(chunk.subarray(this.#offset, this.#offset + wanted), this.#keptLength);
    this.#keptLength = length;
    this.#advance(wanted);
    if (this.#totalOf(this.#kept, 0, length) !== length) return undefined;
    const bytes = this.#kept.subarray(0, length);
    this.#kept = emptyBytes;
    this.#keptLength = 0;
    return messageIn(bytes, 1 + extensionOf(bytes[0]! >>> 4), this.#format);
  }

  #advance(count: number): void {
    this.#offset += count;
    if (this.#offset < this.#chunks[0]!.length) return;
    this.#chunks.shift();
    this.#offset = 0;
  }

  /** The length of the message that starts there; infinity while too little of it is known. */
  #totalOf(bytes: Uint8Array, offset: number, available: number): number {
    const first = bytes[offset]!;
    const nibble = first >>> 4;
    const tkl = first & 0x0f;
    checkTkl(tkl, this.#format);
    const extension = extensionOf(nibble);
    if (available < 1 + extension) return Number.POSITIVE_INFINITY;
    let length = nibble;
    if (extension > 0) {
      length = 0;
      for (let i = 1; i <= extension; i++) length = length * 256 + bytes[offset + i]!;
      length += nibble === 13 ? 13 : nibble === 14 ? 269 : 65_805;
    }
    let total = 2 + extension + length;
    if (tkl < 13) total += tkl;
    else {
      // Behind the code stands the length of the token.
      total += tkl - 12;
      if (total <= this.#most && available < 2 + extension + tkl - 12) return Number.POSITIVE_INFINITY;
      if (total <= this.#most) total += tokenLengthAt(bytes, tkl, offset + 2 + extension);
    }
    if (total > this.#most) throw tooLarge(this.#most, total);
    return total;
  }
}

function tooLarge(most: number, length: number): CoapError {
  return new CoapError('ERR_COAP_MESSAGE_SIZE', `expected a message of at most ${most} bytes, got one of ${length}`);
}

function checkTkl(tkl: number, format: MessageFormat): void {
  const most = format.extendedTokens === true ? 14 : 8;
  if (tkl > most) throw new CoapFormatError(`expected a token length of 0 to ${most}, got ${tkl}`);
}

/** The length that a TKL stands for, with the bytes behind the code where it is 13 or 14 (RFC 8974, Section 2.1). */
function tokenLengthAt(bytes: Uint8Array, tkl: number, offset: number): number {
  if (tkl < 13) return tkl;
  return tkl === 13 ? 13 + bytes[offset]! : 269 + ((bytes[offset]! << 8) | bytes[offset + 1]!);
}

/** The message whose code is at `codeAt`. It has the type of what is to be answered: there is no other on a connection. */
function messageIn(bytes: Uint8Array, codeAt: number, format: MessageFormat): Message {
  const tkl = bytes[0]! & 0x0f;
  checkTkl(tkl, format);
  const code = bytes[codeAt]!;
  const tokenStart = codeAt + 1 + (tkl < 13 ? 0 : tkl - 12);
  if (tokenStart > bytes.length) throw new CoapFormatError('expected an extended token length, got the end of the message');
  const tokenLength = tokenLengthAt(bytes, tkl, codeAt + 1);
  const tokenEnd = tokenStart + tokenLength;
  if (tokenEnd > bytes.length) throw new CoapFormatError(`expected a token of ${tokenLength} bytes, got ${bytes.length - tokenStart}`);
  // RFC 8323 §5.4: Empty messages are ignored, whatever is in them.
  if (code === 0) return { type: MessageType.CON, code, id: 0, token: emptyBytes, options: [], payload: emptyBytes };
  if (isReserved(code)) throw new CoapFormatError(`expected a code of class 0, 2, 4, 5 or 7, got ${code >>> 5}`);
  const { options, end } = decodeOptions(bytes, tokenEnd);
  return {
    type: MessageType.CON,
    code,
    id: 0,
    token: tokenLength === 0 ? emptyBytes : bytes.subarray(tokenStart, tokenEnd),
    options,
    payload: end === bytes.length ? emptyBytes : bytes.subarray(end),
  };
}
