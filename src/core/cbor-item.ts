import { ProtocolError } from './errors.ts';

/** Bytes that are not the CBOR they should be, or a value that CBOR cannot hold. */
export class CborError extends ProtocolError {}

/** What the keys of a map may be: integers, text and byte strings. */
export type CborKey = number | bigint | string | Uint8Array;
/** A map as it is decoded: in the order of the bytes. Byte strings as keys are different objects, so they are found by looking at each. */
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

/** What is taken, and how much of it. By default lengths are definite and forms the shortest, and keys stand in any order. */
export interface DecodeOptions {
  /** How deep arrays, maps and tags may nest; 16 by default, 256 at most. */
  readonly depth?: number;
  /** How many entries one map may have; 4096 by default, so that keys chosen to collide in a hash table cost little. */
  readonly entries?: number;
  /** Refuse maps whose keys are not in order, and NaN with a payload: what is left is what `encode` makes, but that a whole number may be a float. */
  readonly canonical?: boolean;
  /**
   * Also take indefinite lengths, forms that are not the shortest, and NaN with a payload: for files and tools that others wrote, not for what a peer sends.
   * Duplicate keys, nesting, lengths, UTF-8 and bytes behind the item are checked as ever.
   */
  readonly lenient?: boolean;
}

/** Texts up to this many units are mostly ASCII: a loop over them is faster than a call of the platform. */
export const shortText = 64;

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
