import { ByteReader, BytesError } from './bytes.ts';

/** Tags of X.690 that certificates have. */
export const DerTag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTCTime: 0x17,
  GeneralizedTime: 0x18,
  SEQUENCE: 0x30,
} as const;

/** The tag of an explicit or constructed context-specific value. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

const bad = (expected: string, got: string): BytesError => new BytesError('ERR_BYTES_DER', `expected ${expected}, got ${got}`);

/**
 * Reads the values of DER that stand behind one another, with tags of one byte and lengths of up to four. What it gives are views.
 *
 * @see https://www.itu.int/rec/T-REC-X.690
 */
export class DerReader {
  readonly #reader: ByteReader;

  constructor(bytes: Uint8Array) {
    this.#reader = new ByteReader(bytes);
  }

  get isAtEnd(): boolean {
    return this.#reader.remaining === 0;
  }

  /** The content of the next value, which has this tag. @throws {BytesError} `ERR_BYTES_DER`, `ERR_BYTES_END` */
  take(tag: number): Uint8Array {
    const got = this.#reader.u8();
    if (got !== tag) throw bad(`a value of DER with tag 0x${tag.toString(16)}`, `tag 0x${got.toString(16)}`);
    return this.#reader.take(this.#length());
  }

  /** The same where the value may be absent. @throws {BytesError} `ERR_BYTES_DER`, `ERR_BYTES_END` */
  optional(tag: number): Uint8Array | undefined {
    return this.isAtEnd || this.#reader.bytes[this.#reader.offset] !== tag ? undefined : this.take(tag);
  }

  /** The next value with its tag and its length. @throws {BytesError} `ERR_BYTES_DER`, `ERR_BYTES_END` */
  whole(tag: number): Uint8Array {
    const start = this.#reader.offset;
    this.take(tag);
    return this.#reader.bytes.subarray(start, this.#reader.offset);
  }

  /** @throws {BytesError} `ERR_BYTES_DER` */
  end(): void {
    if (!this.isAtEnd) throw bad('the end of a value of DER', `${this.#reader.remaining} bytes more`);
  }

  /** X.690 §10.1: in as few bytes as it needs. */
  #length(): number {
    const first = this.#reader.u8();
    if (first < 0x80) return first;
    const size = first & 0x7f;
    if (size === 0 || size > 4) throw bad('a length of 1 to 4 bytes', `${size}`);
    let length = 0;
    for (let i = 0; i < size; i++) length = length * 0x100 + this.#reader.u8();
    if (length < 0x80 || length < 2 ** (8 * (size - 1))) throw bad('a length in as few bytes as it needs', `${size}`);
    return length;
  }
}

/** An INTEGER from 0 to 2^31-1. @throws {BytesError} `ERR_BYTES_DER` */
export function smallInteger(content: Uint8Array): number {
  if (content.length === 0 || content.length > 4 || content[0]! >= 0x80 || (content.length > 1 && content[0] === 0 && content[1]! < 0x80))
    throw bad('an INTEGER from 0 to 2^31-1', `${content.length} bytes that are none`);
  return content.reduce((value, byte) => value * 0x100 + byte, 0);
}

/** @throws {BytesError} `ERR_BYTES_DER` */
export function boolean(content: Uint8Array): boolean {
  // X.690 §11.1: TRUE is ff alone.
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw bad('a BOOLEAN', `${content.length} bytes that are none`);
  return content[0] === 0xff;
}

/** Two digits at each place, but the year of GeneralizedTime. */
const time = /^(\d\d|[1-9]\d{3})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])([0-5]\d)([0-5]\d)Z$/;

/**
 * A time of a certificate, in seconds since 1970-01-01T00:00:00Z.
 *
 * @throws {BytesError} `ERR_BYTES_DER`, `ERR_BYTES_END`
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5
 */
export function takeTime(reader: DerReader): number {
  const utc = reader.optional(DerTag.UTCTime);
  const content = utc ?? reader.take(DerTag.GeneralizedTime);
  const digits = time.exec(String.fromCharCode(...content.subarray(0, 16)));
  if (digits === null || (digits[1]!.length === 2) !== (utc !== undefined)) throw bad('a time in UTC with seconds', `${content.length} bytes that are none`);
  const [year, month, day, hour, minute, second] = digits.slice(1).map(Number) as [number, number, number, number, number, number];
  const century = utc === undefined ? 0 : year < 50 ? 2000 : 1900;
  const milliseconds = Date.UTC(century + year, month - 1, day, hour, minute, second);
  // 30 February would become a day of March.
  if (milliseconds >= Date.UTC(century + year, month, 1)) throw bad('a day that its month has', digits[3]!);
  return milliseconds / 1000;
}
