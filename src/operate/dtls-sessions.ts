import { ProtocolError } from '../core/errors.ts';
import type { Change, Store } from '../store/index.ts';

/** A socket whose sessions outlive its process: `DtlsTransport` is one. */
export interface LastingSessions {
  /** End all sessions, in silence, and give what they go on from; `expiresAt` in seconds since 1970. */
  handOver(): readonly { readonly bytes: Uint8Array; readonly expiresAt: number }[];
  /** Go on with one of them. It throws a `ProtocolError` for what cannot be taken. */
  take(bytes: Uint8Array): Promise<'taken' | 'refused'>;
}

/** What became of the sessions that a store had. */
export interface TakenSessions {
  readonly taken: number;
  /** Their clients are told that they have ended. */
  readonly refused: number;
  /** Why others were passed over: error codes and how many of each. */
  readonly passed: Readonly<Record<string, number>>;
}

/** Entries of one batch. */
const most = 500;

const folderOf = (role: string): string => `dtls/${role}/`;

/**
 * Put the sessions of a socket into a store, where `takeSessions` finds them. They end here: nothing is to be sent in them afterwards.
 *
 * The result: how many there were.
 *
 * @throws {StoreError} when they cannot be written; they are lost then
 */
export async function keepSessions(store: Store, role: string, sessions: Pick<LastingSessions, 'handOver'>): Promise<number> {
  const kept = sessions.handOver();
  const folder = folderOf(role);
  await Promise.all(kept.map(({ bytes, expiresAt }, index) => store.put(`${folder}${String(index).padStart(8, '0')}`, bytes, { expiresAt })));
  return kept.length;
}

/**
 * Go on with the sessions that a store has. Each is deleted, for good, before it is taken, so that no two processes and no two starts go on with the same.
 *
 * @param sessions - absent: they are deleted alone
 * @throws {StoreError}
 */
export async function takeSessions(store: Store, role: string, sessions?: Pick<LastingSessions, 'take'>): Promise<TakenSessions> {
  const found: [key: string, bytes: Uint8Array][] = [];
  for await (const [key, value] of store.scan(folderOf(role))) found.push([key, value]);
  const counts = { taken: 0, refused: 0 };
  const passed: Record<string, number> = {};
  for (let at = 0; at < found.length; at += most) {
    const some = found.slice(at, at + most);
    for (const bytes of await withdraw(store, some)) {
      try {
        if (sessions !== undefined) counts[await sessions.take(bytes)]++;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        passed[error.code] = (passed[error.code] ?? 0) + 1;
      }
    }
  }
  return { ...counts, passed };
}

/** Delete entries; the result is those that nobody else has deleted, and whose time was not over. */
async function withdraw(store: Store, entries: readonly (readonly [key: string, bytes: Uint8Array])[]): Promise<readonly Uint8Array[]> {
  if (await store.batch(entries.map(([key, bytes]): Change => ({ key, value: undefined, expected: bytes })))) return entries.map(([, bytes]) => bytes);
  const ours: Uint8Array[] = [];
  for (const [key, bytes] of entries) if (await store.compareAndSet(key, bytes, undefined)) ours.push(bytes);
  return ours;
}
