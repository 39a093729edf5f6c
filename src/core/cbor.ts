import { compareBytes, fromUtf8, toHex, utf8 } from './bytes.ts';
import { ProtocolError } from './errors.ts';

/** Bytes that are not the CBOR they should be, or a value that CBOR cannot hold. */
export class CborError extends ProtocolError {}

/** What the keys of a map may be: integers, text and byte strings. */
export type CborKey = number | bigint | string | Uint8Array;
export type CborMap = ReadonlyMap<CborKey, CborValue>;
/**
 * A data item. Integers within -(2^53-1) to 2^53-1 are numbers, others bigints; a float is a number too, so that 1.0 and 1 are the same value here.
 */
export type CborValue = number | bigint | string | boolean | null | undefined | Uint8Array | readonly CborValue[] | CborMap | Tagged | Simple;

/** A tagged data item (RFC 8949 Section 3.4). */
export class Tagged {
  readonly tag: number | bigint;
  readonly value: CborValue;
  constructor(tag: number | bigint, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

/** A simple value without a name (RFC 8949 Section 3.3). */
export class Simple {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export interface DecodeOptions {
  /** How deep arrays, maps and tags may nest; 16 by default. */
  readonly depth?: number;
  /** Refuse maps whose keys are not in order, and NaN with a payload: what is left is what `encode` makes. */
  readonly canonical?: boolean;
}

const decodingDepth = 16;
/** Values that nest deeper are taken for a circle. */
const encodingDepth = 64;

// The encoder writes into one buffer that is used again: it calls nothing that could call it back.
const usualCapacity = 1024;
const largestKept = 65_536;
let buffer = new Uint8Array(usualCapacity);
let view = new DataView(buffer.buffer);
let at = 0;

function room(more: number): void {
  if (at + more <= buffer.length) return;
  const grown = new Uint8Array(Math.max(at + more, buffer.length * 2));
  grown.set(buffer.subarray(0, at));
  buffer = grown;
  view = new DataView(buffer.buffer);
}

function head(major: number, value: number | bigint): void {
  room(9);
  const type = major << 5;
  if (typeof value === 'bigint') {
    if (value > 0xffff_ffff_ffff_ffffn) throw new CborError('ERR_CBOR_RANGE', 'expected an integer of at most 64 bits, got a larger one');
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      buffer[at] = type | 27;
      view.setBigUint64(at + 1, value);
      at += 9;
      return;
    }
    value = Number(value);
  }
  if (value < 24) buffer[at++] = type | value;
  else if (value < 0x100) {
    buffer[at++] = type | 24;
    buffer[at++] = value;
  } else if (value < 0x1_0000) {
    buffer[at] = type | 25;
    view.setUint16(at + 1, value);
    at += 3;
  } else if (value < 0x1_0000_0000) {
    buffer[at] = type | 26;
    view.setUint32(at + 1, value);
    at += 5;
  } else {
    buffer[at] = type | 27;
    view.setBigUint64(at + 1, BigInt(value));
    at += 9;
  }
}

function write(value: CborValue, depth: number): void {
  switch (typeof value) {
    case 'number':
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
        if (value >= 0) head(0, value);
        else head(1, -1 - value);
      } else writeFloat(value);
      return;
    case 'bigint':
      if (value >= 0n) head(0, value);
      else head(1, -1n - value);
      return;
    case 'string':
      writeText(value);
      return;
    case 'boolean':
      room(1);
      buffer[at++] = value ? 0xf5 : 0xf4;
      return;
    case 'undefined':
      room(1);
      buffer[at++] = 0xf7;
      return;
    default:
  }
  if (value === null) {
    room(1);
    buffer[at++] = 0xf6;
  } else if (value instanceof Uint8Array) {
    head(2, value.length);
    raw(value);
  } else if (Array.isArray(value)) {
    checkDepth(depth);
    head(4, value.length);
    for (let i = 0; i < value.length; i++) write(value[i], depth - 1);
  } else if (value instanceof Map) {
    checkDepth(depth);
    writeMap(value, depth - 1);
  } else if (value instanceof Tagged) {
    checkDepth(depth);
    if (value.tag < 0) throw new CborError('ERR_CBOR_RANGE', `expected a tag of 0 or more, got ${value.tag}`);
    head(6, value.tag);
    write(value.value, depth - 1);
  } else if (value instanceof Simple) writeSimple(value.value);
  else throw new CborError('ERR_CBOR_TYPE', 'expected a value that CBOR can hold, got another object');
}

function checkDepth(depth: number): void {
  if (depth <= 0) throw new CborError('ERR_CBOR_DEPTH', `expected at most ${encodingDepth} levels of nesting, got more`);
}

/** Simple values 20 to 23 are false, true, null and undefined; 24 to 31 do not exist. */
function writeSimple(value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 255 || (value >= 20 && value < 32)) {
    throw new CborError('ERR_CBOR_RANGE', `expected a simple value from 0 to 19 or from 32 to 255, got ${value}`);
  }
  room(2);
  if (value >= 32) buffer[at++] = 0xf8;
  buffer[at++] = value < 32 ? 0xe0 | value : value;
}

/** Short ASCII, the usual case, is copied here; the rest goes through TextEncoder. */
function writeText(text: string): void {
  const { length } = text;
  if (length < 64) {
    head(3, length);
    room(length);
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) break;
      buffer[at + i] = unit;
    }
    if (i === length) {
      at += length;
      return;
    }
    at -= length < 24 ? 1 : 2;
  }
  const bytes = utf8(text);
  head(3, bytes.length);
  raw(bytes);
}

function raw(bytes: Uint8Array): void {
  room(bytes.length);
  buffer.set(bytes, at);
  at += bytes.length;
}

function writeFloat(value: number): void {
  room(9);
  if (Number.isNaN(value)) {
    buffer[at] = 0xf9;
    view.setUint16(at + 1, 0x7e00);
    at += 3;
    return;
  }
  if (Math.fround(value) === value || !Number.isFinite(value)) {
    const half = numberToHalf(value);
    if (half !== undefined) {
      buffer[at] = 0xf9;
      view.setUint16(at + 1, half);
      at += 3;
      return;
    }
    buffer[at] = 0xfa;
    view.setFloat32(at + 1, value);
    at += 5;
    return;
  }
  buffer[at] = 0xfb;
  view.setFloat64(at + 1, value);
  at += 9;
}

const scratch = new DataView(new ArrayBuffer(4));

/** The half-precision bits of a single-precision number; `undefined`: it is not one of half precision. */
export function numberToHalf(value: number): number | undefined {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7f_ffff;
  if (exponent === 0 && mantissa === 0) return sign;
  if (exponent === 0xff) return mantissa === 0 ? sign | 0x7c00 : undefined;
  const e = exponent - 127;
  if (e >= -14 && e <= 15) return (mantissa & 0x1fff) === 0 ? sign | ((e + 15) << 10) | (mantissa >>> 13) : undefined;
  if (e < -14 && e >= -24) {
    const full = mantissa | 0x80_0000;
    const shift = 13 + (-14 - e);
    return (full & ((1 << shift) - 1)) === 0 ? sign | (full >>> shift) : undefined;
  }
  return undefined;
}

/** The number of half-precision bits. */
export function halfToNumber(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  const value =
    exponent === 0
      ? mantissa * 2 ** -24
      : exponent === 31
        ? mantissa === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : (1024 + mantissa) * 2 ** (exponent - 25);
  return (bits & 0x8000) === 0 ? value : -value;
}

/** Order of two encoded keys that lie in the buffer; none is a prefix of another. */
function compareWritten(a: number, aEnd: number, b: number, bEnd: number): number {
  for (; a < aEnd && b < bEnd; a++, b++) {
    const difference = buffer[a]! - buffer[b]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

function duplicateKey(): CborError {
  return new CborError('ERR_CBOR_DUPLICATE', 'expected distinct map keys, got one twice');
}

/** Entries are written as they come; only where the keys turn out not to be in order are they sorted. */
function writeMap(map: CborMap, depth: number): void {
  head(5, map.size);
  const first = at;
  // For each entry: where it starts, where its key ends.
  const marks: number[] = [];
  let sorted = true;
  for (const [key, value] of map) {
    const start = at;
    if (typeof key === 'object' && !(key instanceof Uint8Array)) throw new CborError('ERR_CBOR_KEY', 'expected an integer, text or byte string as map key');
    if (typeof key === 'number' && !Number.isSafeInteger(key)) throw new CborError('ERR_CBOR_KEY', `expected an integer as map key, got ${key}`);
    write(key, depth);
    if (sorted && marks.length > 0) {
      const order = compareWritten(marks[marks.length - 2]!, marks[marks.length - 1]!, start, at);
      if (order === 0) throw duplicateKey();
      sorted = order < 0;
    }
    marks.push(start, at);
    write(value, depth);
  }
  if (!sorted) sortEntries(first, marks);
}

function sortEntries(first: number, marks: readonly number[]): void {
  const entries: { readonly start: number; readonly keyEnd: number; readonly end: number }[] = [];
  for (let i = 0; i < marks.length; i += 2) entries.push({ start: marks[i]!, keyEnd: marks[i + 1]!, end: marks[i + 2] ?? at });
  entries.sort((a, b) => {
    const order = compareWritten(a.start, a.keyEnd, b.start, b.keyEnd);
    if (order === 0 && a !== b) throw duplicateKey();
    return order;
  });
  const unsorted = buffer.slice(first, at);
  at = first;
  for (const { start, end } of entries) {
    buffer.set(unsorted.subarray(start - first, end - first), at);
    at += end - start;
  }
}

/**
 * Deterministic encoding: shortest forms, keys in bytewise order. Safe integers become integers, other numbers the shortest float that holds them.
 *
 * @throws {CborError} `ERR_CBOR_TYPE`, `ERR_CBOR_RANGE`, `ERR_CBOR_KEY`, `ERR_CBOR_DUPLICATE`, `ERR_CBOR_DEPTH` for a value that CBOR cannot hold
 * @see https://www.rfc-editor.org/rfc/rfc8949#section-4.2.1
 */
export function encode(value: CborValue): Uint8Array {
  at = 0;
  try {
    write(value, encodingDepth);
    return buffer.slice(0, at);
  } finally {
    if (buffer.length > largestKept) {
      buffer = new Uint8Array(usualCapacity);
      view = new DataView(buffer.buffer);
    }
  }
}

class Decoder {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly canonical: boolean;
  offset: number;
  constructor(bytes: Uint8Array, offset: number, canonical: boolean) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.canonical = canonical;
    this.offset = offset;
  }

  fail(code: string, what: string): never {
    throw new CborError(code, `${what} at offset ${this.offset}`);
  }

  need(length: number): void {
    if (length > this.bytes.length - this.offset) this.fail('ERR_CBOR_END', `expected ${length} more bytes, got ${this.bytes.length - this.offset},`);
  }

  argument(info: number): number | bigint {
    if (info < 24) return info;
    if (info === 24) {
      this.need(1);
      const value = this.bytes[this.offset++]!;
      if (value < 24) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest form, got a longer one');
      return value;
    }
    if (info === 25) {
      this.need(2);
      const value = this.view.getUint16(this.offset);
      this.offset += 2;
      if (value < 0x100) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest form, got a longer one');
      return value;
    }
    if (info === 26) {
      this.need(4);
      const value = this.view.getUint32(this.offset);
      this.offset += 4;
      if (value < 0x1_0000) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest form, got a longer one');
      return value;
    }
    if (info === 27) {
      this.need(8);
      const value = this.view.getBigUint64(this.offset);
      this.offset += 8;
      if (value < 0x1_0000_0000n) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest form, got a longer one');
      return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
    }
    if (info === 31) return this.fail('ERR_CBOR_INDEFINITE', 'expected a definite length, got an indefinite one or a break');
    return this.fail('ERR_CBOR_RESERVED', `expected additional information 0 to 27, got ${info}`);
  }

  item(depth: number): CborValue {
    this.need(1);
    const initial = this.bytes[this.offset++]!;
    const major = initial >> 5;
    const info = initial & 31;
    if (major === 7) return this.special(info);
    const argument = this.argument(info);
    if (major === 0) return argument;
    if (major === 1) {
      if (typeof argument === 'bigint') return -1n - argument;
      return argument === Number.MAX_SAFE_INTEGER ? -1n - BigInt(argument) : -1 - argument;
    }
    if (major === 6) {
      if (depth <= 0) this.fail('ERR_CBOR_DEPTH', 'expected less nesting');
      return new Tagged(argument, this.item(depth - 1));
    }
    const left = this.bytes.length - this.offset;
    if (argument > left) this.fail('ERR_CBOR_END', `expected a length of at most ${left}, got ${argument},`);
    const length = Number(argument);
    if (major === 2 || major === 3) {
      const bytes = this.bytes.subarray(this.offset, this.offset + length);
      let text = '';
      if (major === 3) {
        try {
          text = fromUtf8(bytes);
        } catch {
          this.fail('ERR_CBOR_UTF8', 'expected UTF-8 in a text string, got other bytes');
        }
      }
      this.offset += length;
      return major === 2 ? bytes : text;
    }
    if (depth <= 0) this.fail('ERR_CBOR_DEPTH', 'expected less nesting');
    if (major === 4) {
      const items: CborValue[] = [];
      for (let i = 0; i < length; i++) items.push(this.item(depth - 1));
      return items;
    }
    if (length * 2 > left) this.fail('ERR_CBOR_END', `expected at most ${left >> 1} map entries, got ${length},`);
    return this.map(length, depth - 1);
  }

  /** A map key. A float is none: as a number it would pass for the integer of the same value. */
  key(depth: number): CborKey {
    const initial = this.bytes[this.offset];
    // A break goes on to its own error.
    if (initial === undefined || initial === 0xff || initial >> 5 <= 3) return this.item(depth) as CborKey;
    return this.fail('ERR_CBOR_KEY', 'expected an integer, text or byte string as map key, got another type');
  }

  map(length: number, depth: number): CborMap {
    const map = new Map<CborKey, CborValue>();
    let byteKeys: Set<string> | undefined;
    let before: Uint8Array | undefined;
    for (let i = 0; i < length; i++) {
      const start = this.offset;
      const key = this.key(depth);
      if (key instanceof Uint8Array) {
        // A Map compares byte strings by identity, so they are compared here by their digits; one by one it would take quadratic time.
        const digits = toHex(key);
        byteKeys ??= new Set();
        if (byteKeys.has(digits)) this.fail('ERR_CBOR_DUPLICATE', 'expected distinct map keys, got one twice');
        byteKeys.add(digits);
      } else if (map.has(key)) this.fail('ERR_CBOR_DUPLICATE', 'expected distinct map keys, got one twice');
      if (this.canonical) {
        const now = this.bytes.subarray(start, this.offset);
        if (before !== undefined && compareBytes(before, now) >= 0) this.fail('ERR_CBOR_ORDER', 'expected map keys in order, got them unsorted');
        before = now;
      }
      map.set(key, this.item(depth));
    }
    return map;
  }

  special(info: number): CborValue {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 24: {
        this.need(1);
        const value = this.bytes[this.offset++]!;
        if (value < 32) this.fail('ERR_CBOR_SHORTEST', 'expected a simple value above 31, got a smaller one');
        return new Simple(value);
      }
      case 25: {
        this.need(2);
        const bits = this.view.getUint16(this.offset);
        this.offset += 2;
        const value = halfToNumber(bits);
        if (this.canonical && Number.isNaN(value) && bits !== 0x7e00) this.fail('ERR_CBOR_SHORTEST', 'expected NaN without a payload, got one');
        return value;
      }
      case 26: {
        this.need(4);
        const value = this.view.getFloat32(this.offset);
        this.offset += 4;
        if (Number.isNaN(value) || numberToHalf(value) !== undefined) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest float, got a longer one');
        return value;
      }
      case 27: {
        this.need(8);
        const value = this.view.getFloat64(this.offset);
        this.offset += 8;
        if (Number.isNaN(value) || Math.fround(value) === value) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest float, got a longer one');
        return value;
      }
      case 31:
        return this.fail('ERR_CBOR_INDEFINITE', 'expected a definite length, got a break');
      default:
        if (info < 20) return new Simple(info);
        return this.fail('ERR_CBOR_RESERVED', `expected additional information 0 to 27, got ${info}`);
    }
  }
}

/**
 * Strict decoding of the one item that starts at `offset`; `end` is the offset behind it.
 *
 * @throws {CborError} as `decode`, but for `ERR_CBOR_TRAILING`
 */
export function decodeFirst(bytes: Uint8Array, offset = 0, options: DecodeOptions = {}): { readonly value: CborValue; readonly end: number } {
  const decoder = new Decoder(bytes, offset, options.canonical ?? false);
  const value = decoder.item(options.depth ?? decodingDepth);
  return { value, end: decoder.offset };
}

/**
 * Strict decoding of one item that is all of `bytes`: definite lengths, shortest forms of integers, lengths and floats, distinct map keys in any order, UTF-8.
 * Nothing is allocated for a length that the input cannot hold.
 *
 * Byte strings are views of `bytes`: copy what is to be kept.
 *
 * @throws {CborError} `ERR_CBOR_END`, `ERR_CBOR_SHORTEST`, `ERR_CBOR_INDEFINITE`, `ERR_CBOR_RESERVED`, `ERR_CBOR_UTF8`, `ERR_CBOR_KEY`, `ERR_CBOR_DUPLICATE`,
 * `ERR_CBOR_ORDER`, `ERR_CBOR_DEPTH`, `ERR_CBOR_TRAILING`
 * @see https://www.rfc-editor.org/rfc/rfc8949#section-4.2.1
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): CborValue {
  const { value, end } = decodeFirst(bytes, 0, options);
  if (end !== bytes.length) throw new CborError('ERR_CBOR_TRAILING', `expected the end at offset ${end}, got ${bytes.length - end} more bytes`);
  return value;
}

/**
 * The items of a CBOR sequence (RFC 8742).
 *
 * @throws {CborError} as `decodeFirst`
 */
export function decodeSequence(bytes: Uint8Array, options: DecodeOptions = {}): CborValue[] {
  const items: CborValue[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const { value, end } = decodeFirst(bytes, offset, options);
    items.push(value);
    offset = end;
  }
  return items;
}
