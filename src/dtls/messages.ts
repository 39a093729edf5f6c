import { ByteReader, ByteWriter, emptyBytes } from '../core/bytes.ts';
import { HandshakeFailure } from './alert.ts';
import type { KeyExchange } from './cipher-suites.ts';
import { type Extensions, putExtensions, takeExtensions } from './extensions.ts';
import { expectEnd, fromU16List, putVector8, putVector16, putVector24, takeVector8, takeVector16, takeVector24, u16List } from './vector.ts';

// The bodies of handshake messages (RFC 5246 Section 7.4, RFC 6347 Section 4.2). What cannot be read is `decode_error`, thrown as a HandshakeFailure, or as a
// BytesError where the end comes too early. What is read are views of the body.

const randomLength = 32;
const longestSessionId = 32;

/** @see https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1 */
export interface ClientHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cookie: Uint8Array;
  readonly suites: readonly number[];
  readonly compressions: Uint8Array;
  readonly extensions: Extensions;
}

/** The body, without the header of the handshake message. */
export function encodeClientHello(hello: ClientHello): Uint8Array {
  const writer = new ByteWriter(256).u16(hello.version).bytes(hello.random);
  putVector8(writer, hello.sessionId);
  putVector8(writer, hello.cookie);
  putVector16(writer, fromU16List(hello.suites));
  putVector8(writer, hello.compressions);
  return putExtensions(writer, hello.extensions).finish();
}

function takeSessionId(reader: ByteReader): Uint8Array {
  const sessionId = takeVector8(reader);
  if (sessionId.length > longestSessionId)
    throw new HandshakeFailure('decode_error', `expected a session_id of at most ${longestSessionId} bytes, got ${sessionId.length}`);
  return sessionId;
}

/** @throws {BytesError} `ERR_BYTES_END`; {HandshakeFailure} `ERR_DTLS_HANDSHAKE` with the alert that it deserves */
export function decodeClientHello(body: Uint8Array): ClientHello {
  const reader = new ByteReader(body);
  const version = reader.u16();
  const random = reader.take(randomLength);
  const sessionId = takeSessionId(reader);
  const cookie = takeVector8(reader);
  const suites = u16List(takeVector16(reader));
  const compressions = takeVector8(reader);
  if (suites.length === 0 || compressions.length === 0) throw new HandshakeFailure('decode_error', 'expected cipher suites and compression methods, got none');
  return { version, random, sessionId, cookie, suites, compressions, extensions: takeExtensions(reader) };
}

/** @see https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1 */
export interface HelloVerifyRequest {
  readonly version: number;
  readonly cookie: Uint8Array;
}

export function encodeHelloVerifyRequest({ version, cookie }: HelloVerifyRequest): Uint8Array {
  return putVector8(new ByteWriter().u16(version), cookie).finish();
}

/** @throws {BytesError} `ERR_BYTES_END`; {HandshakeFailure} `ERR_DTLS_HANDSHAKE` when bytes follow */
export function decodeHelloVerifyRequest(body: Uint8Array): HelloVerifyRequest {
  const reader = new ByteReader(body);
  const version = reader.u16();
  const cookie = takeVector8(reader);
  expectEnd(reader, 'HelloVerifyRequest');
  return { version, cookie };
}

/** @see https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1.3 */
export interface ServerHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly suite: number;
  readonly compression: number;
  readonly extensions: Extensions;
}

export function encodeServerHello(hello: ServerHello): Uint8Array {
  const writer = new ByteWriter(128).u16(hello.version).bytes(hello.random);
  putVector8(writer, hello.sessionId).u16(hello.suite).u8(hello.compression);
  return putExtensions(writer, hello.extensions).finish();
}

/** @throws {BytesError} `ERR_BYTES_END`; {HandshakeFailure} `ERR_DTLS_HANDSHAKE` with the alert that it deserves */
export function decodeServerHello(body: Uint8Array): ServerHello {
  const reader = new ByteReader(body);
  const version = reader.u16();
  const random = reader.take(randomLength);
  const sessionId = takeSessionId(reader);
  const suite = reader.u16();
  const compression = reader.u8();
  return { version, random, sessionId, suite, compression, extensions: takeExtensions(reader) };
}

/** A Certificate that is a raw public key: one SubjectPublicKeyInfo, empty for none (RFC 7250, Section 3). */
export function encodeRawPublicKey(spki: Uint8Array): Uint8Array {
  return putVector24(new ByteWriter(128), spki).finish();
}

export function decodeRawPublicKey(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body);
  const spki = takeVector24(reader);
  expectEnd(reader, 'Certificate');
  return spki;
}

/** A Certificate of X.509: each in DER, that of the sender first (RFC 5246, Section 7.4.2). */
export function encodeCertificates(chain: readonly Uint8Array[]): Uint8Array {
  const list = new ByteWriter(1024);
  for (const der of chain) putVector24(list, der);
  return putVector24(new ByteWriter(1024), list.finish()).finish();
}

export function decodeCertificates(body: Uint8Array): readonly Uint8Array[] {
  const reader = new ByteReader(body);
  const list = new ByteReader(takeVector24(reader));
  expectEnd(reader, 'Certificate');
  const chain: Uint8Array[] = [];
  while (list.remaining > 0) chain.push(takeVector24(list));
  return chain;
}

/** ServerECDHParams, with a named curve (RFC 8422, Section 5.4). */
export interface EcdhParameters {
  readonly group: number;
  readonly point: Uint8Array;
}

const namedCurve = 3;

export function encodeEcdhParameters({ group, point }: EcdhParameters): Uint8Array {
  return putVector8(new ByteWriter(128).u8(namedCurve).u16(group), point).finish();
}

function takeEcdhParameters(reader: ByteReader): EcdhParameters {
  const curveType = reader.u8();
  if (curveType !== namedCurve) throw new HandshakeFailure('illegal_parameter', `expected a named curve, got curve type ${curveType}`);
  return { group: reader.u16(), point: takeVector8(reader) };
}

/** A signature and the pair of hash and signature algorithm that made it (RFC 5246, Section 4.7). */
export interface DigitallySigned {
  readonly scheme: number;
  readonly signature: Uint8Array;
}

function putSigned(writer: ByteWriter, { scheme, signature }: DigitallySigned): ByteWriter {
  return putVector16(writer.u16(scheme), signature);
}

function takeSigned(reader: ByteReader): DigitallySigned {
  return { scheme: reader.u16(), signature: takeVector16(reader) };
}

export interface ServerKeyExchange {
  /** psk_identity_hint, for PSK and ECDHE_PSK. */
  readonly hint: Uint8Array;
  /** For ECDHE_PSK and ECDHE_ECDSA. */
  readonly parameters?: EcdhParameters;
  /** For ECDHE_ECDSA. */
  readonly signed?: DigitallySigned;
}

export function encodeServerKeyExchange(keyExchange: KeyExchange, { hint, parameters, signed }: ServerKeyExchange): Uint8Array {
  const writer = new ByteWriter(256);
  if (keyExchange !== 'ECDHE_ECDSA') putVector16(writer, hint);
  if (parameters !== undefined) writer.bytes(encodeEcdhParameters(parameters));
  if (signed !== undefined) putSigned(writer, signed);
  return writer.finish();
}

export function decodeServerKeyExchange(keyExchange: KeyExchange, body: Uint8Array): ServerKeyExchange {
  const reader = new ByteReader(body);
  const hint = keyExchange === 'ECDHE_ECDSA' ? emptyBytes : takeVector16(reader);
  const parameters = keyExchange === 'PSK' ? undefined : takeEcdhParameters(reader);
  const signed = keyExchange === 'ECDHE_ECDSA' ? takeSigned(reader) : undefined;
  expectEnd(reader, 'ServerKeyExchange');
  return { hint, ...(parameters === undefined ? {} : { parameters }), ...(signed === undefined ? {} : { signed }) };
}

export interface CertificateRequest {
  readonly types: Uint8Array;
  readonly schemes: readonly number[];
}

/** ecdsa_sign of ClientCertificateType (RFC 8422, Section 5.5). */
export const ecdsaSign = 64;

/** Without names of authorities: raw public keys have none, and who has one certificate needs none to choose. */
export function encodeCertificateRequest({ types, schemes }: CertificateRequest): Uint8Array {
  const writer = putVector8(new ByteWriter(), types);
  return putVector16(putVector16(writer, fromU16List(schemes)), emptyBytes).finish();
}

export function decodeCertificateRequest(body: Uint8Array): CertificateRequest {
  const reader = new ByteReader(body);
  const types = takeVector8(reader);
  const schemes = u16List(takeVector16(reader));
  takeVector16(reader);
  expectEnd(reader, 'CertificateRequest');
  return { types, schemes };
}

export interface ClientKeyExchange {
  /** For PSK and ECDHE_PSK. */
  readonly identity: Uint8Array;
  /** For ECDHE_PSK and ECDHE_ECDSA. */
  readonly point: Uint8Array;
}

export function encodeClientKeyExchange(keyExchange: KeyExchange, { identity, point }: ClientKeyExchange): Uint8Array {
  const writer = new ByteWriter(128);
  if (keyExchange !== 'ECDHE_ECDSA') putVector16(writer, identity);
  if (keyExchange !== 'PSK') putVector8(writer, point);
  return writer.finish();
}

export function decodeClientKeyExchange(keyExchange: KeyExchange, body: Uint8Array): ClientKeyExchange {
  const reader = new ByteReader(body);
  const identity = keyExchange === 'ECDHE_ECDSA' ? emptyBytes : takeVector16(reader);
  const point = keyExchange === 'PSK' ? emptyBytes : takeVector8(reader);
  expectEnd(reader, 'ClientKeyExchange');
  return { identity, point };
}

export function encodeCertificateVerify(signed: DigitallySigned): Uint8Array {
  return putSigned(new ByteWriter(128), signed).finish();
}

export function decodeCertificateVerify(body: Uint8Array): DigitallySigned {
  const reader = new ByteReader(body);
  const signed = takeSigned(reader);
  expectEnd(reader, 'CertificateVerify');
  return signed;
}
