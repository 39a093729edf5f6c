import type { ByteReader, ByteWriter } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import type { Settings } from './config.ts';
import { keyBlock, keyBlockLength } from './key-schedule.ts';
import { mostRecords } from './limits.ts';
import type { RecordState } from './record-layer.ts';
import { bareSecretsLength, randomLength, secretsLength } from './secrets.ts';
import type { Session } from './session.ts';
import { badImport, encodeSaved, openSaved, putU48, SavedKind, skip, skipSession, takeSession, takeU48 } from './session-codec.ts';
import { putVector8, takeVector8 } from './vector.ts';

/** A connection whose handshake is over. */
export interface SavedConnection {
  readonly role: 'client' | 'server';
  readonly session: Session;
  readonly isResumed: boolean;
  /** Kept too, because to derive it takes longer than all the rest. */
  readonly keyBlock: Uint8Array;
  /** client_random, server_random and, or not, verify_data. */
  readonly secrets: Uint8Array;
  /** message_seq of the Finished of ours and of the peer's. */
  readonly lastSent: number;
  readonly lastReceived: number;
  readonly records: RecordState;
}

/** The keys of a session in one connection, for `SavedConnection`. */
export function keyBlockOf({ cipherSuite, master }: Session, secrets: Uint8Array): Uint8Array {
  return keyBlock(cipherSuite, master, { client: secrets.subarray(0, randomLength), server: secrets.subarray(randomLength, bareSecretsLength) });
}

const Flag = { server: 1, resumed: 2 } as const;

export function encodeConnection({ role, session, isResumed, keyBlock, secrets, lastSent, lastReceived, records }: SavedConnection): Uint8Array {
  return encodeSaved(SavedKind.connection, session, (writer) => {
    writer.u8((role === 'server' ? Flag.server : 0) | (isResumed ? Flag.resumed : 0));
    putVector8(writer.bytes(keyBlock), secrets).u16(lastSent).u16(lastReceived);
    putRecords(writer, records);
  });
}

/** @throws {DtlsError} `ERR_DTLS_IMPORT` */
export function decodeConnection(saved: Uint8Array): SavedConnection {
  return openSaved(SavedKind.connection, saved, (reader) => {
    const session = takeSession(reader);
    const { role, isResumed } = takeFlags(reader);
    const keyBlock = reader.take(keyBlockLength(session.cipherSuite.cipher));
    const secrets = reader.take(takeSecretsLength(reader)).slice();
    return { role, session, isResumed, keyBlock, secrets, lastSent: reader.u16(), lastReceived: reader.u16(), records: takeRecords(reader) };
  });
}

/** What is to be known of a connection before anything is done with it. */
export interface ConnectionOutline {
  /** Seconds since 1970 at the end of the full handshake. */
  readonly established: number;
  /** The connection ID that the peer sends: a view of the bytes. */
  readonly receiveId: Uint8Array;
}

/**
 * Look at a connection that this side, with the settings of its server name, may go on with. What passes here `decodeConnection` reads, at any later time; it makes objects ten times
 * as large as the bytes.
 *
 * @throws {DtlsError} `ERR_DTLS_IMPORT`
 */
export function checkConnection(saved: Uint8Array, own: 'client' | 'server', settingsOf: (serverName?: string) => Settings, env: Env): ConnectionOutline {
  return openSaved(SavedKind.connection, saved, (reader) => {
    const { cipherSuite, extendedMasterSecret, serverName, established } = skipSession(reader);
    const settings = settingsOf(serverName);
    const { role } = takeFlags(reader);
    if (role !== own) throw badImport(`the connection of a ${own}`, `that of a ${role}`);
    if (!settings.suites.includes(cipherSuite)) throw badImport('a cipher suite that is configured', cipherSuite.name);
    if (settings.requireExtendedMasterSecret && !extendedMasterSecret) throw badImport('the extended master secret', 'none');
    // A clock that was set back makes none live longer.
    if (Math.abs(env.epoch() - established) >= settings.maxLifetime / 1000) throw badImport('a session whose time is not over', 'one that is');
    skip(reader, keyBlockLength(cipherSuite.cipher));
    skip(reader, takeSecretsLength(reader));
    // Two numbers of messages, and that of the next record without protection.
    skip(reader, 2 + 2 + 6);
    const sequence = takeU48(reader);
    if (sequence >= mostRecords(cipherSuite.cipher, settings)) throw badImport('a key that may protect more', `one with ${sequence} records`);
    // The window, and how many records were forged.
    skip(reader, 6 + 4 + 4 + 6);
    skip(reader, reader.u8());
    const receiveId = takeVector8(reader);
    if (receiveId.length > 0 && receiveId.length !== settings.connectionIdLength)
      throw badImport(`connection IDs of ${settings.connectionIdLength ?? 0} bytes`, `one of ${receiveId.length}`);
    skip(reader, 2 + 2);
    return { established, receiveId };
  });
}

function takeFlags(reader: ByteReader): Pick<SavedConnection, 'role' | 'isResumed'> {
  const flags = reader.u8();
  return { role: (flags & Flag.server) === 0 ? 'client' : 'server', isResumed: (flags & Flag.resumed) !== 0 };
}

function takeSecretsLength(reader: ByteReader): number {
  const length = reader.u8();
  if (length !== bareSecretsLength && length !== secretsLength) throw badImport('two randoms', `${length} bytes`);
  return length;
}

function putRecords(writer: ByteWriter, { plainSequence, sequence, window, forgeries, ids, sizes }: RecordState): void {
  putU48(putU48(writer, plainSequence), sequence);
  // Finished came in a record: there is a highest one.
  putU48(writer, window.highest)
    .u32(window.near >>> 0)
    .u32(window.far >>> 0);
  putU48(writer, forgeries);
  putVector8(putVector8(writer, ids.send), ids.receive).u16(sizes.send).u16(sizes.receive);
}

function takeRecords(reader: ByteReader): RecordState {
  return {
    plainSequence: takeU48(reader),
    sequence: takeU48(reader),
    window: { highest: takeU48(reader), near: reader.u32() | 0, far: reader.u32() | 0 },
    forgeries: takeU48(reader),
    ids: { send: takeVector8(reader).slice(), receive: takeVector8(reader).slice() },
    sizes: { send: reader.u16(), receive: reader.u16() },
  };
}
