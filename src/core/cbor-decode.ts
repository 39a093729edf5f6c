import { compareBytes, concatAll, fromUtf8, toHex } from './bytes.ts';
import {
  CborError,
  type CborKey,
  type CborMap,
  type CborValue,
  type DecodeOptions,
  halfToNumber,
  numberToHalf,
  Simple,
  shortText,
  Tagged,
} from './cbor-item.ts';

const decodingDepth = 16;
/** Beyond this, a caller's own limit could exhaust the stack. */
const largestDepth = 256;
const mostEntries = 4096;

/** ASCII as text; `undefined`: there are other bytes. Characters are joined in groups: one by one, each would make a string that points to the one before it. */
function ascii(bytes: Uint8Array, offset: number, end: number): string | undefined {
  let text = '';
  for (; end - offset >= 8; offset += 8) {
    const a = bytes[offset]!;
    const b = bytes[offset + 1]!;
    const c = bytes[offset + 2]!;
    const d = bytes[offset + 3]!;
    const e = bytes[offset + 4]!;
    const f = bytes[offset + 5]!;
    const g = bytes[offset + 6]!;
    const h = bytes[offset + 7]!;
    if ((a | b | c | d | e | f | g | h) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; offset < end; offset++) {
    const byte = bytes[offset]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** In place of a length: the items go on to a break. */
const indefinite = -1;

class Decoder {
  readonly bytes: Uint8Array;
  readonly canonical: boolean;
  readonly lenient: boolean;
  readonly entries: number;
  #view: DataView | undefined;
  offset: number;
  constructor(bytes: Uint8Array, offset: number, options: DecodeOptions) {
    // Byte strings come out as views: those of a Buffer would be Buffers, whose slice() is no copy.
    this.bytes = bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.canonical = options.canonical ?? false;
    this.lenient = options.lenient ?? false;
    this.entries = options.entries ?? mostEntries;
    this.offset = offset;
    if (this.canonical && this.lenient) throw new RangeError('decode: expected canonical or lenient, got both');
  }

  get view(): DataView {
    return (this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length));
  }

  fail(code: string, what: string): never {
    throw new CborError(code, `${what} at offset ${this.offset}`);
  }

  need(length: number): void {
    if (length > this.bytes.length - this.offset) this.fail('ERR_CBOR_END', `expected ${length} more bytes, got ${this.bytes.length - this.offset},`);
  }

  notShortest(): void {
    if (!this.lenient) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest form, got a longer one');
  }

  /** An argument behind the initial byte. */
  argument(info: number): number | bigint {
    const { bytes, offset } = this;
    switch (info) {
      case 24: {
        this.need(1);
        this.offset = offset + 1;
        const value = bytes[offset]!;
        if (value < 24) this.notShortest();
        return value;
      }
      case 25: {
        this.need(2);
        this.offset = offset + 2;
        const value = (bytes[offset]! << 8) | bytes[offset + 1]!;
        if (value < 0x100) this.notShortest();
        return value;
      }
      case 26: {
        this.need(4);
        this.offset = offset + 4;
        const value = ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
        if (value < 0x1_0000) this.notShortest();
        return value;
      }
      case 27: {
        this.need(8);
        this.offset = offset + 8;
        const value = this.view.getBigUint64(offset);
        if (value < 0x1_0000_0000n) this.notShortest();
        return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
      }
      case 31:
        return this.fail('ERR_CBOR_INDEFINITE', 'expected a definite length, got an indefinite one or a break');
      default:
        return this.fail('ERR_CBOR_RESERVED', `expected additional information 0 to 27, got ${info}`);
    }
  }

  item(depth: number): CborValue {
    if (this.offset >= this.bytes.length) this.need(1);
    const initial = this.bytes[this.offset++]!;
    const major = initial >> 5;
    const info = initial & 31;
    if (major === 7) return this.special(info);
    if (info === 31 && this.lenient && major >= 2 && major <= 5) return this.indefinite(major, depth);
    const argument = info < 24 ? info : this.argument(info);
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
    const length = argument as number;
    if (major === 2) {
      this.offset += length;
      return this.bytes.subarray(this.offset - length, this.offset);
    }
    if (major === 3) return this.text(length);
    if (depth <= 0) this.fail('ERR_CBOR_DEPTH', 'expected less nesting');
    if (major === 4) return this.array(length, depth - 1);
    if (length * 2 > left) this.fail('ERR_CBOR_END', `expected at most ${left >> 1} map entries, got ${length},`);
    if (length > this.entries) this.tooManyEntries(length);
    return this.map(length, depth - 1);
  }

  indefinite(major: number, depth: number): CborValue {
    if (major <= 3) return this.chunks(major);
    if (depth <= 0) this.fail('ERR_CBOR_DEPTH', 'expected less nesting');
    return major === 4 ? this.array(indefinite, depth - 1) : this.map(indefinite, depth - 1);
  }

  tooManyEntries(count: number): never {
    return this.fail('ERR_CBOR_RANGE', `expected at most ${this.entries} map entries, got ${count},`);
  }

  /** Whether a break comes next; it is taken. */
  atBreak(): boolean {
    this.need(1);
    if (this.bytes[this.offset] !== 0xff) return false;
    this.offset++;
    return true;
  }

  /** The chunks of a string up to the break: definite ones of the same type, of which each is UTF-8 where the string is text (RFC 8949 Section 3.2.3). */
  chunks(major: number): string | Uint8Array {
    const chunks: CborValue[] = [];
    while (!this.atBreak()) {
      const initial = this.bytes[this.offset]!;
      if (initial >> 5 !== major || (initial & 31) === 31) this.fail('ERR_CBOR_CHUNK', 'expected a chunk of the same type, got another item');
      chunks.push(this.item(0));
    }
    return major === 2 ? concatAll(chunks as Uint8Array[]) : chunks.join('');
  }

  array(length: number, depth: number): CborValue[] {
    // A list that grows begins with room for 17: the short ones of COSE are made as long as they are.
    if (length === 3) return [this.item(depth), this.item(depth), this.item(depth)];
    if (length === 4) return [this.item(depth), this.item(depth), this.item(depth), this.item(depth)];
    const items: CborValue[] = [];
    for (let i = 0; length === indefinite ? !this.atBreak() : i < length; i++) items.push(this.item(depth));
    return items;
  }

  text(length: number): string {
    const { bytes, offset } = this;
    const end = offset + length;
    if (length <= shortText) {
      const text = ascii(bytes, offset, end);
      if (text !== undefined) {
        this.offset = end;
        return text;
      }
    }
    try {
      const text = fromUtf8(bytes.subarray(offset, end));
      this.offset = end;
      return text;
    } catch {
      return this.fail('ERR_CBOR_UTF8', 'expected UTF-8 in a text string, got other bytes');
    }
  }

  /** A map key. A float is none: as a number it would pass for the integer of the same value. */
  key(depth: number): CborKey {
    const initial = this.bytes[this.offset]!;
    if (initial < 24) {
      this.offset++;
      return initial;
    }
    // The end of the input and a break go on to their own errors.
    if (initial === undefined || initial === 0xff || initial >> 5 <= 3) return this.item(depth) as CborKey;
    return this.fail('ERR_CBOR_KEY', 'expected an integer, text or byte string as map key, got another type');
  }

  map(length: number, depth: number): CborMap {
    const map = new Map<CborKey, CborValue>();
    let byteKeys: Set<string> | undefined;
    let before: Uint8Array | undefined;
    for (let i = 0; length === indefinite ? !this.atBreak() : i < length; i++) {
      if (i >= this.entries) this.tooManyEntries(i + 1);
      const start = this.offset;
      const key = this.key(depth);
      if (typeof key === 'object') {
        // A Map compares byte strings by identity, so they are compared here by their digits; one by one it would take quadratic time.
        const digits = toHex(key);
        byteKeys ??= new Set();
        if (byteKeys.has(digits)) this.duplicate();
        byteKeys.add(digits);
      }
      if (this.canonical) {
        const now = this.bytes.subarray(start, this.offset);
        const order = before === undefined ? -1 : compareBytes(before, now);
        if (order === 0) this.duplicate();
        if (order > 0) this.fail('ERR_CBOR_ORDER', 'expected map keys in order, got them unsorted');
        before = now;
      }
      map.set(key, this.item(depth));
      // One look into the table instead of two: a key that was there makes it no larger.
      if (map.size === i) this.duplicate();
    }
    return map;
  }

  duplicate(): never {
    return this.fail('ERR_CBOR_DUPLICATE', 'expected distinct map keys, got one twice');
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
        if (Number.isNaN(value) || numberToHalf(value) !== undefined) this.notShortest();
        return value;
      }
      case 27: {
        this.need(8);
        const value = this.view.getFloat64(this.offset);
        this.offset += 8;
        if (Number.isNaN(value) || Math.fround(value) === value) this.notShortest();
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
  const decoder = new Decoder(bytes, offset, options);
  const value = decoder.item(Math.min(options.depth ?? decodingDepth, largestDepth));
  return { value, end: decoder.offset };
}

/**
 * Strict decoding of one item that is all of `bytes`: definite lengths, shortest forms of integers, lengths and floats, distinct map keys in any order, UTF-8.
 * Nothing is allocated for a length that the input cannot hold.
 *
 * Byte strings are views of `bytes`: copy what is to be kept.
 * With `lenient`, what is not deterministic is taken as well, and nothing else.
 *
 * @throws {CborError} `ERR_CBOR_END`, `ERR_CBOR_SHORTEST`, `ERR_CBOR_INDEFINITE`, `ERR_CBOR_RESERVED`, `ERR_CBOR_UTF8`, `ERR_CBOR_KEY`, `ERR_CBOR_DUPLICATE`,
 * `ERR_CBOR_ORDER`, `ERR_CBOR_DEPTH`, `ERR_CBOR_RANGE`, `ERR_CBOR_TRAILING`; of `lenient`, `ERR_CBOR_CHUNK`
 * @throws {RangeError} when `canonical` and `lenient` are asked for at once
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
