import { ProtocolError } from './errors.ts';

/** Bytes that are not there, or text that is not the bytes it should be. */
export class BytesError extends ProtocolError {}

export const emptyBytes: Uint8Array = new Uint8Array(0);

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Up to this length a loop over ASCII takes a tenth of the time of TextEncoder and TextDecoder. */
const shortText = 64;
/** From this length on the engine keeps what is put together as a tree of its parts, which take ten times the room. */
const shortestRope = 13;

/** UTF-8 of a text. */
export function utf8(text: string): Uint8Array {
  if (text.length > shortText) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return encoder.encode(text);
    bytes[i] = code;
  }
  return bytes;
}

/**
 * Text of UTF-8 bytes.
 *
 * @throws {BytesError} `ERR_BYTES_UTF8`
 */
export function fromUtf8(bytes: Uint8Array): string {
  if (bytes.length < shortestRope) {
    let text = '';
    let at = 0;
    for (; at < bytes.length && bytes[at]! < 0x80; at++) text += String.fromCharCode(bytes[at]!);
    if (at === bytes.length) return text;
  } else if (bytes.length <= shortText) {
    let at = 0;
    while (at < bytes.length && bytes[at]! < 0x80) at++;
    if (at === bytes.length) return toKey(bytes);
  }
  try {
    return strictDecoder.decode(bytes);
  } catch {
    throw new BytesError('ERR_BYTES_UTF8', `expected UTF-8, got ${bytes.length} bytes that are not`);
  }
}

/** Small arrays are carved off one block. */
const blockLength = 4096;
const largestCarved = 512;

/** A `carve` with blocks of its own: for what is kept longer than most, so that it does not keep what was made beside it. */
export function carver(): (length: number) => Uint8Array {
  let block = new ArrayBuffer(blockLength);
  let carved = 0;
  return (length) => {
    if (length > largestCarved) return new Uint8Array(length);
    if (carved + length > blockLength) {
      block = new ArrayBuffer(blockLength);
      carved = 0;
    }
    const bytes = new Uint8Array(block, carved, length);
    carved += length;
    return bytes;
  };
}

/**
 * Zeroed bytes for what a socket or a cipher will read. The engine keeps a small array of its own inside its heap, and has to move it out before native code can
 * read it: that costs more than encoding a short message. Who keeps the array keeps its block.
 */
export const carve: (length: number) => Uint8Array = carver();

/** A copy in bytes that were carved. */
export function carved(bytes: Uint8Array): Uint8Array {
  const copy = carve(bytes.length);
  copy.set(bytes);
  return copy;
}

/** One fresh array that holds all parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return concatAll(parts);
}

/** The same for parts that a peer counts: as arguments, too many would exhaust the stack. */
export function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

const hexDigits: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += hexDigits[byte];
  return text;
}

/** Text with a character for each byte: a key for a Map that takes the least room. What `toHex` gives is made of parts that each take room of their own. */
export function toKey(bytes: Uint8Array): string {
  // What is spread goes through an iterator, byte by byte.
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** Of a hexadecimal digit: the low four bits of a letter count from 1. */
const digitValue = (code: number): number => (code & 0xf) + (code > 0x39 ? 9 : 0);

/**
 * Bytes of hexadecimal text; white space between digits is allowed.
 *
 * @throws {BytesError} `ERR_BYTES_HEX`
 */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  const other = digits.search(/[^0-9a-fA-F]/);
  if (other >= 0) throw new BytesError('ERR_BYTES_HEX', `expected hexadecimal digits, got another character after ${other} of them`);
  if (digits.length % 2 !== 0) throw new BytesError('ERR_BYTES_HEX', `expected an even number of hexadecimal digits, got ${digits.length}`);
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (digitValue(digits.charCodeAt(2 * i)) << 4) | digitValue(digits.charCodeAt(2 * i + 1));
  return bytes;
}

/** The characters of base64url, by the six bits that they stand for (RFC 4648 Section 5). */
const base64UrlCharacters = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', (character) => character.charCodeAt(0));

/** base64url without padding, as the bytes of its ASCII text (RFC 4648 Section 5). */
export function base64UrlBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const textLength = Math.ceil((length * 4) / 3);
  const text = textLength > shortText ? carve(textLength) : new Uint8Array(textLength);
  const whole = length - (length % 3);
  let to = 0;
  for (let from = 0; from < whole; from += 3, to += 4) {
    const bits = (bytes[from]! << 16) | (bytes[from + 1]! << 8) | bytes[from + 2]!;
    text[to] = base64UrlCharacters[bits >> 18]!;
    text[to + 1] = base64UrlCharacters[(bits >> 12) & 63]!;
    text[to + 2] = base64UrlCharacters[(bits >> 6) & 63]!;
    text[to + 3] = base64UrlCharacters[bits & 63]!;
  }
  if (whole < length) {
    const bits = (bytes[whole]! << 16) | ((bytes[whole + 1] ?? 0) << 8);
    text[to] = base64UrlCharacters[bits >> 18]!;
    text[to + 1] = base64UrlCharacters[(bits >> 12) & 63]!;
    // Of one byte there are two characters: a third falls away.
    text[to + 2] = base64UrlCharacters[(bits >> 6) & 63]!;
  }
  return text;
}

/** base64url without padding (RFC 4648 Section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return fromUtf8(base64UrlBytes(bytes));
}

/** Text without the `=` at its end. A regular expression would take the square of their number where something follows them. */
export function withoutPadding(text: string): string {
  let end = text.length;
  while (text[end - 1] === '=') end--;
  return text.slice(0, end);
}

/**
 * Bytes of base64url text, padded or not.
 *
 * @throws {BytesError} `ERR_BYTES_BASE64URL`
 */
export function fromBase64Url(text: string): Uint8Array {
  const digits = withoutPadding(text);
  if (!/^[A-Za-z0-9_-]*$/.test(digits) || digits.length % 4 === 1) {
    throw new BytesError('ERR_BYTES_BASE64URL', `expected base64url, got ${text.length} characters that are not`);
  }
  const binary = atob(digits.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

/** Equality in time that depends on the lengths only: the one to use for secrets, tags and MACs. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** Order of byte strings as RFC 8949 Section 4.2.1 wants map keys: bytewise lexicographic. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Equality of public bytes (identifiers, tokens on the wire): may stop at the first difference. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Reads big-endian fields in order; one typed error at the end of input lets parsing code read straight down. */
export class ByteReader {
  readonly bytes: Uint8Array;
  offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  /** Bytes that were not read yet. */
  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  /** @throws {BytesError} `ERR_BYTES_END` */
  need(length: number): void {
    if (length > this.bytes.length - this.offset) {
      throw new BytesError('ERR_BYTES_END', `expected ${length} bytes at offset ${this.offset}, got ${this.remaining}`);
    }
  }

  /** @throws {BytesError} `ERR_BYTES_END` */
  u8(): number {
    this.need(1);
    return this.bytes[this.offset++]!;
  }

  /** In network byte order. @throws {BytesError} `ERR_BYTES_END` */
  u16(): number {
    this.need(2);
    const value = (this.bytes[this.offset]! << 8) | this.bytes[this.offset + 1]!;
    this.offset += 2;
    return value;
  }

  /** In network byte order, unsigned. @throws {BytesError} `ERR_BYTES_END` */
  u32(): number {
    this.need(4);
    const { bytes, offset } = this;
    this.offset += 4;
    return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
  }

  /** A view of the next `length` bytes, not a copy. */
  take(length: number): Uint8Array {
    this.need(length);
    const view = this.bytes.subarray(this.offset, this.offset + length);
    this.offset += length;
    return view;
  }
}

/** Writes big-endian fields into a buffer that grows. */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#buffer = capacity > 64 ? carve(capacity) : new Uint8Array(capacity);
  }

  /** Bytes that were written. */
  get length(): number {
    return this.#length;
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }

  /** The lowest 8 bits of the value. */
  u8(value: number): this {
    this.#room(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** The lowest 16 bits of the value, in network byte order. */
  u16(value: number): this {
    this.#room(2);
    this.#buffer[this.#length++] = value >>> 8;
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** The lowest 32 bits of the value, in network byte order. */
  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  /** Copies them. */
  bytes(value: Uint8Array): this {
    this.#room(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** What was written, as a view that holds until more is. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A fresh copy of what was written. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
}
