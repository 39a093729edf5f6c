import { compareBytes, equalBytes, fromUtf8, utf8 } from './bytes.ts';
import { ProtocolError } from './errors.ts';

/** Bytes that are not the CBOR they should be, or a value that CBOR cannot hold. */
export class CborError extends ProtocolError {}

export type CborKey = number | bigint | string | Uint8Array;
export type CborMap = ReadonlyMap<CborKey, CborValue>;
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
  readonly depth?: number;
  readonly canonical?: boolean;
}

let buffer = new Uint8Array(1024);
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

function write(value: CborValue): void {
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
    case 'string': {
      const bytes = utf8(value);
      head(3, bytes.length);
      raw(bytes);
      return;
    }
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
    head(4, value.length);
    for (const item of value) write(item);
  } else if (value instanceof Map) writeMap(value);
  else if (value instanceof Tagged) {
    head(6, value.tag);
    write(value.value);
  } else if (value instanceof Simple) {
    if (value.value < 32) head(7, value.value);
    else {
      room(2);
      buffer[at++] = 0xf8;
      buffer[at++] = value.value;
    }
  } else throw new CborError('ERR_CBOR_TYPE', 'expected a value that CBOR can hold, got another object');
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
    const half = toHalf(value);
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

/** The half-precision bits of a single-precision number, when it has them exactly. */
function toHalf(value: number): number | undefined {
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

function writeMap(map: CborMap): void {
  head(5, map.size);
  const start = at;
  const entries: { readonly key: Uint8Array; readonly entry: Uint8Array }[] = [];
  for (const [key, value] of map) {
    const from = at;
    write(key);
    const keyEnd = at;
    write(value);
    entries.push({ key: buffer.slice(from, keyEnd), entry: buffer.slice(from, at) });
  }
  entries.sort((a, b) => compareBytes(a.key, b.key));
  for (let i = 1; i < entries.length; i++) {
    if (equalBytes(entries[i - 1]!.key, entries[i]!.key)) throw new CborError('ERR_CBOR_DUPLICATE', 'expected distinct map keys, got one twice');
  }
  at = start;
  for (const { entry } of entries) raw(entry);
}

/** Deterministic encoding. @see https://www.rfc-editor.org/rfc/rfc8949#section-4.2.1 */
export function encode(value: CborValue): Uint8Array {
  at = 0;
  write(value);
  return buffer.slice(0, at);
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

  map(length: number, depth: number): CborMap {
    const map = new Map<CborKey, CborValue>();
    let encoded: Uint8Array[] | undefined;
    let before: Uint8Array | undefined;
    for (let i = 0; i < length; i++) {
      const start = this.offset;
      const key = this.item(depth);
      const kind = typeof key;
      if (kind !== 'number' && kind !== 'string' && kind !== 'bigint' && !(key instanceof Uint8Array)) {
        this.fail('ERR_CBOR_KEY', 'expected an integer, text or byte string as map key, got another type');
      }
      if (key instanceof Uint8Array) {
        encoded ??= [];
        for (const other of encoded) if (equalBytes(other, key)) this.fail('ERR_CBOR_DUPLICATE', 'expected distinct map keys, got one twice');
        encoded.push(key);
      } else if (map.has(key as CborKey)) this.fail('ERR_CBOR_DUPLICATE', 'expected distinct map keys, got one twice');
      if (this.canonical) {
        const now = this.bytes.subarray(start, this.offset);
        if (before !== undefined && compareBytes(before, now) >= 0) this.fail('ERR_CBOR_ORDER', 'expected map keys in order, got them unsorted');
        before = now;
      }
      map.set(key as CborKey, this.item(depth));
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
        return halfToNumber(bits);
      }
      case 26: {
        this.need(4);
        const value = this.view.getFloat32(this.offset);
        this.offset += 4;
        if (Number.isNaN(value) || toHalf(value) !== undefined) this.fail('ERR_CBOR_SHORTEST', 'expected the shortest float, got a longer one');
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

/** Strict decoding of one item from `offset`. */
export function decodeFirst(bytes: Uint8Array, offset = 0, options: DecodeOptions = {}): { readonly value: CborValue; readonly end: number } {
  const decoder = new Decoder(bytes, offset, options.canonical ?? false);
  const value = decoder.item(options.depth ?? 16);
  return { value, end: decoder.offset };
}

/** Strict decoding of one item that is all of `bytes`. */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): CborValue {
  const { value, end } = decodeFirst(bytes, 0, options);
  if (end !== bytes.length) throw new CborError('ERR_CBOR_TRAILING', `expected the end at offset ${end}, got ${bytes.length - end} more bytes`);
  return value;
}

/** A CBOR sequence (RFC 8742). */
export function decodeSequence(bytes: Uint8Array, options: DecodeOptions = {}): CborValue[] {
  const items: CborValue[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const { value, end } = decodeFirst(bytes, offset, options);
    items.push(value);
    offset = end;
  }
  return items;
}
