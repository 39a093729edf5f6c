import { NasSuciSearch } from './nas-suci.ts';

/** Half of the digits of an IMSI, so that each half is a small integer: the longest has 15 (TS 23.003, Section 2.2). */
const lowDigits = 7;
const low = 10 ** lowDigits;
const lowButOne = 10 ** (lowDigits - 1);
const highButOne = 10 ** lowDigits;
/** Digits in front by which most others are told apart. */
const prefixes = 100_000;
const zero = 0x30;
const nine = 0x39;

/** The IMSIs of as many digits as each other, zeros in front not counted. */
interface OfLength {
  readonly values: Set<number>;
  /** What is left of the upper half of 15 digits, and what its first five digits are a multiple of. */
  readonly high: number;
  readonly divisor: number;
  /** By their first five digits: whether there is one. */
  readonly begins: Uint8Array;
}

/** The IMSIs that are numbers of as many bytes as each other. */
interface OfWidth {
  readonly width: number;
  /** By their first byte: whether there is one. */
  readonly begins: Uint8Array;
}

/**
 * The IMSIs of an operator, and whether something holds one: whatever stands between its digits, as telephony writes them (two a byte), and as a number.
 *
 * Zeros in front do not count, since numbers lose them.
 */
export class KnownImsis {
  readonly #lengths = new Map<number, OfLength>();
  readonly #widths = new Map<number, OfWidth>();
  readonly #sucis = new NasSuciSearch();

  /** @param imsis - 14 or 15 digits each, of which twelve are left when zeros in front are not counted */
  constructor(imsis: Iterable<string>) {
    for (const imsi of imsis) {
      this.#add(Number(imsi));
      this.#sucis.addNetworksOf(imsi);
    }
  }

  /** Whether there is one in these bytes: in the digits of a text, in bytes or half bytes either way round that are digits, or as a number. */
  areIn(bytes: Uint8Array): boolean {
    if (this.#lengths.size === 0) return false;
    return this.#inDigits(bytes) || this.#inHalfBytes(bytes) || this.#inNumbers(bytes) || this.#inFloats(bytes) || this.#inVarints(bytes);
  }

  /** Whether there is a SUCI in these bytes, in the form of NAS, of a network that one of the IMSIs is of, and it conceals nothing. */
  haveSuciIn(bytes: Uint8Array): boolean {
    return this.#sucis.isIn(bytes);
  }

  /** Whether these digits, as a number, are a known IMSI. */
  hasNumber(value: number): boolean {
    return this.#lengths.get(String(value).length)?.values.has(value) ?? false;
  }

  #add(value: number): void {
    const digits = String(value);
    const { length } = digits;
    const found = this.#lengths.get(length);
    const high = 10 ** (length - lowDigits);
    const ofLength = found ?? { values: new Set(), high, divisor: high / prefixes, begins: new Uint8Array(prefixes) };
    if (found === undefined) this.#lengths.set(length, ofLength);
    ofLength.values.add(value);
    ofLength.begins[Number(digits.slice(0, 5))] = 1;
    const width = Math.ceil(value.toString(16).length / 2);
    const ofWidth = this.#widths.get(width) ?? { width, begins: new Uint8Array(256) };
    this.#widths.set(width, ofWidth);
    ofWidth.begins[Math.floor(value / 256 ** (width - 1))] = 1;
  }

  /** Whether the last of 15 digits, given as their upper and lower half, are one. */
  #ends(upper: number, lower: number): boolean {
    for (const { values, high, divisor, begins } of this.#lengths.values()) {
      const first = upper % high;
      if (begins[(first / divisor) | 0] === 1 && values.has(first * low + lower)) return true;
    }
    return false;
  }

  /** As characters, and as the small integers that CBOR and its kin have for a list of digits. */
  #inDigits(bytes: Uint8Array): boolean {
    const ends = (upper: number, lower: number): boolean => this.#ends(upper, lower);
    const characters = new DigitSearch(ends);
    const integers = new DigitSearch(ends);
    for (const byte of bytes) {
      if (byte >= zero && byte <= nine && characters.next(byte - zero)) return true;
      if (byte <= 9 && integers.next(byte)) return true;
    }
    return false;
  }

  /** TS 24.008, Section 10.5.1.4: the low half comes first; an ordinary packed decimal has it the other way round. */
  #inHalfBytes(bytes: Uint8Array): boolean {
    const ends = (upper: number, lower: number): boolean => this.#ends(upper, lower);
    const lowFirst = new DigitSearch(ends);
    const highFirst = new DigitSearch(ends);
    for (const byte of bytes) {
      const highHalf = byte >> 4;
      const lowHalf = byte & 15;
      if (lowFirst.next(lowHalf) || lowFirst.next(highHalf) || highFirst.next(highHalf) || highFirst.next(lowHalf)) return true;
    }
    return false;
  }

  #inNumbers(bytes: Uint8Array): boolean {
    for (const { width, begins } of this.#widths.values())
      for (let at = 0; at + width <= bytes.length; at++) {
        if (begins[bytes[at]!] === 1 && this.hasNumber(numberAt(bytes, at, width, 1))) return true;
        const end = at + width - 1;
        if (begins[bytes[end]!] === 1 && this.hasNumber(numberAt(bytes, end, width, -1))) return true;
      }
    return false;
  }

  /** Floats of double precision (IEEE 754), in which some write integers of more than 32 bits; those that are IMSIs begin with 42 or 43. */
  #inFloats(bytes: Uint8Array): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + doubleWidth <= bytes.length; at++) {
      if ((bytes[at]! | 1) === 0x43 && this.hasNumber(view.getFloat64(at))) return true;
      if ((bytes[at + doubleWidth - 1]! | 1) === 0x43 && this.hasNumber(view.getFloat64(at, true))) return true;
    }
    return false;
  }

  /** Groups of seven bits, the lowest first. */
  #inVarints(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; at++) {
      let value = 0;
      let unit = 1;
      for (let i = at; i < bytes.length && unit < 2 ** 56; i++, unit *= 128) {
        value += (bytes[i]! & 0x7f) * unit;
        if (bytes[i]! < 0x80) {
          if (unit > 2 ** 28 && this.hasNumber(value)) return true;
          break;
        }
      }
    }
    return false;
  }
}

/** Bytes of a float of double precision. */
const doubleWidth = 8;

function numberAt(bytes: Uint8Array, from: number, width: number, step: 1 | -1): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + bytes[from + i * step]!;
  return value;
}

/** The last 15 digits of those that come one after the other. */
class DigitSearch {
  #upper = 0;
  #lower = 0;
  readonly #ends: (upper: number, lower: number) => boolean;

  constructor(ends: (upper: number, lower: number) => boolean) {
    this.#ends = ends;
  }

  /** Whether an IMSI ends with this one; more than nine is no digit. */
  next(digit: number): boolean {
    if (digit > 9) return false;
    this.#upper = (this.#upper % highButOne) * 10 + ((this.#lower / lowButOne) | 0);
    this.#lower = (this.#lower % lowButOne) * 10 + digit;
    return this.#ends(this.#upper, this.#lower);
  }
}
