import { ByteReader, BytesError, ByteWriter, concat, constantTimeEqual, emptyBytes, fromUtf8, utf8 } from '../core/bytes.ts';
import { digest } from '../core/crypto/index.ts';
import { HandshakeFailure } from './alert.ts';
import { decodeCertificate } from './certificate.ts';
import { type CipherSuite, suiteById } from './cipher-suites.ts';
import { peerCertificate } from './credentials.ts';
import { DtlsError } from './errors.ts';
import type { PeerIdentity } from './events.ts';
import { decodeSpki } from './raw-public-key.ts';
import { Session } from './session.ts';
import { expectEnd, putVector8, putVector16, putVector24, takeVector8, takeVector16, takeVector24 } from './vector.ts';

// What is kept beyond a process. The bytes begin with what they are and the version of the layout, and end with a part of their hash: it tells bytes that were
// damaged and, since they hold secrets, keeps who cannot read them from changing them.

export const SavedKind = { session: 1, connection: 2 } as const;
export type SavedKind = (typeof SavedKind)[keyof typeof SavedKind];
const layout = 1;
const checkLength = 16;
const masterLength = 48;
const proofLength = 16;

export const badImport = (expected: string, got: string): DtlsError => new DtlsError('ERR_DTLS_IMPORT', `expected ${expected}, got ${got}`);

/** RFC 6347 numbers, and times in milliseconds: six bytes. */
export function putU48(writer: ByteWriter, value: number): ByteWriter {
  return writer.u16(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
}

export function takeU48(reader: ByteReader): number {
  return reader.u16() * 0x1_0000_0000 + reader.u32();
}

const identityTypes = { anonymous: 0, psk: 1, 'raw-public-key': 2, certificate: 3 } as const;

function putIdentity(writer: ByteWriter, identity: PeerIdentity): void {
  writer.u8(identityTypes[identity.type]);
  if (identity.type === 'psk') putVector16(writer, identity.identity);
  if (identity.type === 'raw-public-key') putVector16(writer, identity.spki);
  if (identity.type === 'certificate') {
    writer.u8(identity.chain.length);
    for (const der of identity.chain) putVector24(writer, der);
  }
}

function takeIdentity(reader: ByteReader): PeerIdentity {
  const type = reader.u8();
  if (type === identityTypes.anonymous) return { type: 'anonymous' };
  if (type === identityTypes.psk) return { type: 'psk', identity: takeVector16(reader).slice() };
  if (type === identityTypes.certificate) return certificateIdentity(Array.from({ length: reader.u8() }, () => takeVector24(reader).slice()));
  if (type !== identityTypes['raw-public-key']) throw badImport('a type of identity that we have', `${type}`);
  const spki = takeVector16(reader).slice();
  const key = decodeSpki(spki);
  if (key === undefined) throw badImport('a raw public key', `${spki.length} bytes`);
  return { type: 'raw-public-key', key, spki };
}

function certificateIdentity(chain: readonly Uint8Array[]): PeerIdentity {
  const [first] = chain;
  if (first === undefined) throw badImport('a certificate', 'none');
  const certificate = decodeCertificate(first);
  const key = certificate.key;
  if (key === undefined) throw badImport('a certificate with a key that we have', 'another');
  return peerCertificate(certificate, key, chain);
}

function putSession(writer: ByteWriter, session: Session): ByteWriter {
  const { cipherSuite, extendedMasterSecret, serverName, established } = session;
  writer.u16(cipherSuite.id).u8(extendedMasterSecret ? 1 : 0);
  writer.bytes(session.master).bytes(session.proof);
  putVector8(writer, session.isResumable ? session.id : emptyBytes);
  // A quotient by 1000 is not always as large as it should be: cut off, it would lose a millisecond each time.
  putU48(writer, Math.round(established * 1000));
  putVector8(writer, utf8(serverName ?? ''));
  putIdentity(writer, session.peerIdentity);
  return writer;
}

function takeSuite(reader: ByteReader): CipherSuite {
  const id = reader.u16();
  const cipherSuite = suiteById(id);
  if (cipherSuite === undefined) throw badImport('a cipher suite that we have', `0x${id.toString(16)}`);
  return cipherSuite;
}

function takeServerName(reader: ByteReader): string | undefined {
  const length = reader.u8();
  return length === 0 ? undefined : fromUtf8(reader.take(length));
}

export function takeSession(reader: ByteReader): Session {
  const cipherSuite = takeSuite(reader);
  const extendedMasterSecret = reader.u8() === 1;
  const master = reader.take(masterLength);
  const proof = reader.take(proofLength);
  const sessionId = takeVector8(reader);
  const established = takeU48(reader) / 1000;
  const serverName = takeServerName(reader);
  const peerIdentity = takeIdentity(reader);
  return new Session({ id: sessionId, cipherSuite, master, extendedMasterSecret, peerIdentity, serverName, established, proof });
}

/** What a look at a session tells without making one. */
export type SessionOutline = Pick<Session, 'cipherSuite' | 'extendedMasterSecret' | 'serverName' | 'established'>;

/** Pass over what `takeSession` would take, and refuse what it would refuse. */
export function skipSession(reader: ByteReader): SessionOutline {
  const cipherSuite = takeSuite(reader);
  const extendedMasterSecret = reader.u8() === 1;
  skip(reader, masterLength + proofLength);
  skip(reader, reader.u8());
  const established = takeU48(reader) / 1000;
  const serverName = takeServerName(reader);
  skipIdentity(reader);
  return { cipherSuite, extendedMasterSecret, serverName, established };
}

function skipIdentity(reader: ByteReader): void {
  const type = reader.bytes[reader.offset];
  if (type !== identityTypes.psk) {
    // Whether bytes are a key, or a certificate, is seen when they are read.
    takeIdentity(reader);
    return;
  }
  skip(reader, 1);
  skip(reader, reader.u16());
}

/** @throws {BytesError} `ERR_BYTES_END` */
export function skip(reader: ByteReader, length: number): void {
  reader.need(length);
  reader.offset += length;
}

const checkOf = (body: Uint8Array): Uint8Array => digest('sha256', body).subarray(0, checkLength);

/** `body` begins with the session. */
export function encodeSaved(kind: SavedKind, session: Session, put: (writer: ByteWriter) => void): Uint8Array {
  const writer = putSession(new ByteWriter(384).u8(kind).u8(layout), session);
  put(writer);
  const body = writer.finish();
  return concat(body, checkOf(body));
}

/** Read bytes that are as they were saved; `take` reads all of them. @throws {DtlsError} `ERR_DTLS_IMPORT` */
export function openSaved<T>(kind: SavedKind, saved: Uint8Array, take: (reader: ByteReader) => T): T {
  const body = saved.subarray(0, Math.max(0, saved.length - checkLength));
  const reader = new ByteReader(body);
  try {
    const [found, version] = [reader.u8(), reader.u8()];
    if (found !== kind || version !== layout) throw badImport(`kind ${kind} of layout ${layout}`, `kind ${found} of layout ${version}`);
    if (!constantTimeEqual(checkOf(body), saved.subarray(body.length))) throw badImport('bytes as they were saved', 'others');
    const taken = take(reader);
    expectEnd(reader, 'saved state');
    return taken;
  } catch (error) {
    if (error instanceof BytesError || error instanceof HandshakeFailure) throw badImport('state that was saved', error.message);
    throw error;
  }
}

/** The bytes of a session, to be kept. They hold its master secret. */
export function encodeSession(session: Session): Uint8Array {
  return encodeSaved(SavedKind.session, session, () => {});
}

/** @throws {DtlsError} `ERR_DTLS_IMPORT` for bytes that are damaged, or of something else */
export function decodeSession(saved: Uint8Array): Session {
  return openSaved(SavedKind.session, saved, takeSession);
}
