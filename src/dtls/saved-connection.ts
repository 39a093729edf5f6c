import type { ByteReader, ByteWriter } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import type { Settings } from './config.ts';
import { keyBlockLength, verifyDataLength } from './key-schedule.ts';
import { mostRecords } from './limits.ts';
import type { RecordState } from './record-layer.ts';
import type { Session } from './session.ts';
import { badImport, decodeSaved, encodeSaved, putU48, SavedKind, takeU48 } from './session-codec.ts';
import { putVector8, takeVector8 } from './vector.ts';

/** Both randoms, and Finished of ours where it was the last message of the handshake: it may have to be sent again. */
export const randomLength = 32;
export const bareSecretsLength: number = 2 * randomLength;
export const secretsLength: number = bareSecretsLength + verifyDataLength;

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
  return decodeSaved(SavedKind.connection, saved, (session, reader) => {
    const flags = reader.u8();
    const keyBlock = reader.take(keyBlockLength(session.cipherSuite.cipher));
    const secrets = takeVector8(reader).slice();
    if (secrets.length !== bareSecretsLength && secrets.length !== secretsLength) throw badImport('two randoms', `${secrets.length} bytes`);
    return {
      role: (flags & Flag.server) === 0 ? 'client' : 'server',
      session,
      isResumed: (flags & Flag.resumed) !== 0,
      keyBlock,
      secrets,
      lastSent: reader.u16(),
      lastReceived: reader.u16(),
      records: takeRecords(reader),
    };
  });
}

/**
 * Read a connection that this side, with these settings, may go on with.
 *
 * @throws {DtlsError} `ERR_DTLS_IMPORT`
 */
export function takeSaved(bytes: Uint8Array, role: 'client' | 'server', settings: Settings, env: Env): SavedConnection {
  const saved = decodeConnection(bytes);
  const { session, records } = saved;
  const { cipherSuite, extendedMasterSecret, established } = session;
  if (saved.role !== role) throw badImport(`the connection of a ${role}`, `that of a ${saved.role}`);
  if (!settings.suites.includes(cipherSuite)) throw badImport('a cipher suite that is configured', cipherSuite.name);
  if (settings.requireExtendedMasterSecret && !extendedMasterSecret) throw badImport('the extended master secret', 'none');
  if (records.ids.receive.length > 0 && records.ids.receive.length !== settings.connectionIdLength)
    throw badImport(`connection IDs of ${settings.connectionIdLength ?? 0} bytes`, `one of ${records.ids.receive.length}`);
  if (records.sequence >= mostRecords(cipherSuite.cipher, settings)) throw badImport('a key that may protect more', `one with ${records.sequence} records`);
  if (env.epoch() - established >= settings.maxLifetime / 1000) throw badImport('a session whose time is not over', 'one that is');
  return saved;
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
