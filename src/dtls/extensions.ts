import { ByteReader, ByteWriter, emptyBytes } from '../core/bytes.ts';
import { HandshakeFailure } from './alert.ts';
import { smallestLimit } from './limits.ts';
import { largestPlaintext } from './record.ts';
import { expectEnd, fromU16List, putVector16, takeVector8, takeVector16, u16List } from './vector.ts';

/** TLS ExtensionType Values, IANA registry as of 2026-11: those that we know. */
export const ExtensionType = {
  server_name: 0,
  supported_groups: 10,
  ec_point_formats: 11,
  signature_algorithms: 13,
  client_certificate_type: 19,
  server_certificate_type: 20,
  extended_master_secret: 23,
  record_size_limit: 28,
  connection_id: 54,
  renegotiation_info: 0xff01,
} as const;
export type ExtensionType = (typeof ExtensionType)[keyof typeof ExtensionType];

/** The data of each extension, by type, in the order of the message. */
export type Extensions = ReadonlyMap<number, Uint8Array>;

/** An absent block and an empty one say the same. */
export function putExtensions(writer: ByteWriter, extensions: Extensions): ByteWriter {
  if (extensions.size === 0) return writer;
  const block = new ByteWriter(128);
  for (const [type, data] of extensions) putVector16(block.u16(type), data);
  return putVector16(writer, block.view());
}

/**
 * The extensions that end a hello.
 *
 * @throws {BytesError} `ERR_BYTES_END`
 * @throws {HandshakeFailure} `decode_error`, `illegal_parameter` for one that comes twice
 * @see https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1.4
 */
export function takeExtensions(reader: ByteReader): Extensions {
  const extensions = new Map<number, Uint8Array>();
  if (reader.remaining === 0) return extensions;
  const block = new ByteReader(takeVector16(reader));
  expectEnd(reader, 'hello');
  while (block.remaining > 0) {
    const type = block.u16();
    if (extensions.has(type)) throw new HandshakeFailure('illegal_parameter', `expected each extension once, got ${type} twice`);
    extensions.set(type, takeVector16(block));
  }
  return extensions;
}

/** RFC 8422 Section 5.1: supported_groups; RFC 5246 Section 7.4.1.4.1: signature_algorithms. */
export function encodeU16s(numbers: readonly number[]): Uint8Array {
  return putVector16(new ByteWriter(), fromU16List(numbers)).finish();
}

/** @throws {HandshakeFailure} `decode_error`, also for an empty list @throws {BytesError} `ERR_BYTES_END` */
export function decodeU16s(data: Uint8Array): readonly number[] {
  const reader = new ByteReader(data);
  const numbers = u16List(takeVector16(reader));
  expectEnd(reader, 'extension');
  if (numbers.length === 0) throw new HandshakeFailure('decode_error', 'expected a list of at least one, got an empty one');
  return numbers;
}

/**
 * RFC 8422 Section 5.1.2: ec_point_formats; RFC 7250 Section 3: certificate types of a client; RFC 5746 Section 3.2: renegotiation_info; RFC 9146
 * Section 3: connection_id.
 */
export function encodeU8s(bytes: readonly number[]): Uint8Array {
  const data = new Uint8Array(1 + bytes.length);
  data[0] = bytes.length;
  for (let i = 0; i < bytes.length; i++) data[1 + i] = bytes[i]!;
  return data;
}

/** @throws {HandshakeFailure} `decode_error` @throws {BytesError} `ERR_BYTES_END` */
export function decodeU8s(data: Uint8Array): Uint8Array {
  const reader = new ByteReader(data);
  const bytes = takeVector8(reader);
  expectEnd(reader, 'extension');
  return bytes;
}

/** RFC 8449, Section 4: record_size_limit. */
export function encodeRecordSizeLimit(limit: number): Uint8Array {
  return Uint8Array.of(limit >>> 8, limit);
}

/** What the peer takes. More than a record can hold means no limit. @throws {HandshakeFailure} `decode_error`, `illegal_parameter` for less than 64 */
export function decodeRecordSizeLimit(data: Uint8Array): number {
  if (data.length !== 2) throw new HandshakeFailure('decode_error', `expected a limit of 2 bytes, got ${data.length}`);
  const limit = (data[0]! << 8) | data[1]!;
  if (limit < smallestLimit) throw new HandshakeFailure('illegal_parameter', `expected a record_size_limit of at least ${smallestLimit}, got ${limit}`);
  return Math.min(limit, largestPlaintext);
}

/** The only point format that is not deprecated (RFC 8422, Section 5.1.2). */
export const uncompressed = 0;

/** TLS Certificate Types, IANA registry as of 2026-11. */
export const CertificateType = { X509: 0, RawPublicKey: 2 } as const;
export type CertificateType = (typeof CertificateType)[keyof typeof CertificateType];

/** An extension that says all by being there. */
export const present: Uint8Array = emptyBytes;

/** @throws {HandshakeFailure} `decode_error` */
export function expectPresence(data: Uint8Array): void {
  if (data.length > 0) throw new HandshakeFailure('decode_error', `expected an extension without data, got ${data.length} bytes`);
}
