import { carve, concatAll, utf8 } from './bytes.ts';
import { CborError, type CborMap, type CborValue, numberToHalf, Simple, shortText, Tagged } from './cbor-item.ts';

/** Values that nest deeper are taken for a circle. */
const encodingDepth = 64;

// The encoder writes into one buffer, which is wiped after each use: keys are encoded too.
const usualCapacity = 1024;
const largestKept = 16_384;
const mostMarksKept = 1024;
/** Up to here the engine keeps a typed array in its own heap, and to slice it off is fastest. */
const longestOnHeap = 64;
/** Up to here a loop takes less time than a call of `set`. */
const shortBytes = 32;
let buffer = new Uint8Array(usualCapacity);
let view = new DataView(buffer.buffer);
let at = 0;
let busy = false;
/** Of the maps that are being written, the inner ones behind the outer: for each entry, where it starts and where its key ends. */
let marks: number[] = [];
let marked = 0;

function room(more: number): void {
  if (at + more <= buffer.length) return;
  const grown = new Uint8Array(Math.max(at + more, buffer.length * 2));
  grown.set(buffer.subarray(0, at));
  buffer.fill(0, 0, at);
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
    if (value.tag < 0 || (typeof value.tag === 'number' && !Number.isSafeInteger(value.tag))) {
      throw new CborError('ERR_CBOR_RANGE', `expected an unsigned integer as tag, got ${value.tag}`);
    }
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
  if (length <= shortText) {
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
  // TextEncoder would put U+FFFD in its place, and two texts would become one.
  if (/\p{Surrogate}/u.test(text)) throw new CborError('ERR_CBOR_UTF8', 'expected text that UTF-8 can hold, got half of a surrogate pair');
  const bytes = utf8(text);
  head(3, bytes.length);
  raw(bytes);
}

function raw(bytes: Uint8Array): void {
  const { length } = bytes;
  room(length);
  if (length > shortBytes) buffer.set(bytes, at);
  else for (let i = 0; i < length; i++) buffer[at + i] = bytes[i]!;
  at += length;
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
  const firstMark = marked;
  let sorted = true;
  for (const [key, value] of map) {
    const start = at;
    if (typeof key === 'object' && !(key instanceof Uint8Array)) throw new CborError('ERR_CBOR_KEY', 'expected an integer, text or byte string as map key');
    if (typeof key === 'number' && !Number.isSafeInteger(key)) throw new CborError('ERR_CBOR_KEY', `expected an integer as map key, got ${key}`);
    write(key, depth);
    if (sorted && marked > firstMark) {
      const order = compareWritten(marks[marked - 2]!, marks[marked - 1]!, start, at);
      if (order === 0) throw duplicateKey();
      sorted = order < 0;
    }
    marks[marked++] = start;
    marks[marked++] = at;
    write(value, depth);
  }
  if (!sorted) sortEntries(first, marks.slice(firstMark, marked));
  marked = firstMark;
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
  unsorted.fill(0);
}

/**
 * Deterministic encoding: shortest forms, keys in bytewise order. Safe integers become integers, other numbers the shortest float that holds them.
 *
 * @throws {CborError} `ERR_CBOR_TYPE`, `ERR_CBOR_RANGE`, `ERR_CBOR_KEY`, `ERR_CBOR_DUPLICATE`, `ERR_CBOR_UTF8`, `ERR_CBOR_DEPTH` for a value that CBOR cannot hold
 * @see https://www.rfc-editor.org/rfc/rfc8949#section-4.2.1
 */
export function encode(value: CborValue): Uint8Array {
  if (busy) return encodeAside(value);
  at = 0;
  marked = 0;
  busy = true;
  // What was written ends here, or, in an item that turned out to be none, anywhere.
  let used = buffer.length;
  try {
    write(value, encodingDepth);
    used = at;
    if (at <= longestOnHeap) return buffer.slice(0, at);
    const bytes = carve(at);
    bytes.set(buffer.subarray(0, at));
    return bytes;
  } finally {
    busy = false;
    if (marks.length > mostMarksKept) marks = [];
    if (buffer.length > largestKept) useBuffer(new Uint8Array(usualCapacity));
    else buffer.fill(0, 0, used);
  }
}

/** A CBOR sequence: each item encoded, one after the other. @see https://www.rfc-editor.org/rfc/rfc8742 */
export function encodeSequence(items: readonly CborValue[]): Uint8Array {
  return concatAll(items.map(encode));
}

function useBuffer(other: Uint8Array<ArrayBuffer>): void {
  buffer = other;
  view = new DataView(buffer.buffer);
}

/** For a Map or an array of the caller's own class that encodes something while it is read. */
function encodeAside(value: CborValue): Uint8Array {
  const mine = buffer;
  const mineAt = at;
  const mineMarked = marked;
  const mineMarks = marks;
  marks = [];
  useBuffer(new Uint8Array(usualCapacity));
  busy = false;
  try {
    return encode(value);
  } finally {
    useBuffer(mine);
    at = mineAt;
    marks = mineMarks;
    marked = mineMarked;
    busy = true;
  }
}
