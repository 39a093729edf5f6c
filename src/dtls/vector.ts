import type { ByteReader, ByteWriter } from '../core/bytes.ts';
import { HandshakeFailure } from './alert.ts';

// Vectors of the TLS presentation language (RFC 5246, Section 4.3): a length of 1, 2 or 3 bytes, and as many bytes.

/** @throws {BytesError} `ERR_BYTES_END` */
export function takeVector8(reader: ByteReader): Uint8Array {
  return reader.take(reader.u8());
}

/** @throws {BytesError} `ERR_BYTES_END` */
export function takeVector16(reader: ByteReader): Uint8Array {
  return reader.take(reader.u16());
}

/** @throws {BytesError} `ERR_BYTES_END` */
export function takeVector24(reader: ByteReader): Uint8Array {
  return reader.take(reader.u8() * 0x1_0000 + reader.u16());
}

export function putVector8(writer: ByteWriter, bytes: Uint8Array): ByteWriter {
  return writer.u8(bytes.length).bytes(bytes);
}

export function putVector16(writer: ByteWriter, bytes: Uint8Array): ByteWriter {
  return writer.u16(bytes.length).bytes(bytes);
}

export function putVector24(writer: ByteWriter, bytes: Uint8Array): ByteWriter {
  return writer
    .u8(bytes.length >>> 16)
    .u16(bytes.length & 0xffff)
    .bytes(bytes);
}

/** The numbers of two bytes that fill a vector. @throws {HandshakeFailure} `decode_error` */
export function u16List(bytes: Uint8Array): readonly number[] {
  if (bytes.length % 2 !== 0) throw new HandshakeFailure('decode_error', `expected numbers of two bytes, got ${bytes.length} bytes`);
  const numbers: number[] = [];
  for (let i = 0; i < bytes.length; i += 2) numbers.push((bytes[i]! << 8) | bytes[i + 1]!);
  return numbers;
}

export function fromU16List(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    bytes[2 * i] = numbers[i]! >>> 8;
    bytes[2 * i + 1] = numbers[i]!;
  }
  return bytes;
}

/** @throws {HandshakeFailure} `decode_error` */
export function expectEnd(reader: ByteReader, what: string): void {
  if (reader.remaining > 0) throw new HandshakeFailure('decode_error', `${what}: expected its end, got ${reader.remaining} bytes more`);
}
