import { resolve } from 'node:path';
import { compareBytes, fromUtf8, utf8 } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { type StoreOptions, steadyEpoch } from '../clock.ts';
import { checkKey, storeEntry } from '../encoding.ts';
import type { Plan } from '../plan.ts';
import { PlannedStore } from '../planned-store.ts';
import { type ScanOptions, type Store, type StoreEntry, StoreError } from '../store.ts';
import { ioError, SharedDatabase } from './lmdb-database.ts';
import { type Database, decodeEntry, type Entry, readEntry } from './lmdb-entry.ts';
import { callers, callersKey, databaseKey } from './lmdb-key.ts';

const nothing: Plan<void> = { reads: [], weight: 0, decide: () => ({ done: undefined, writes: [] }) };

/**
 * A store in a folder, kept by LMDB: the default for every role.
 *
 * The folder is made with mode 0700 where it does not exist; the files have mode 0600. Any number of processes may open it at once.
 *
 * @throws {StoreError} `ERR_STORE_OPEN` (the path cannot be used, the files are damaged), `ERR_STORE_FORMAT` (not such a store, or a later release's)
 */
export function lmdbStore(path: string, { env = systemEnv }: StoreOptions = {}): Store {
  const folder = resolve(path);
  return new LmdbStore(folder, SharedDatabase.open(folder), env);
}

/**
 * Changes are plans that are carried out in turns: read, decide and write while nobody else writes. LMDB's thread does the writing, so the event loop never waits for
 * the disk and changes that come together share one commit. (lmdb's own asynchronous `transaction` would say this more simply; in lmdb 3.5.6 on Node 20 it never calls
 * back.)
 */
class LmdbStore extends PlannedStore {
  readonly #folder: string;
  readonly #shared: SharedDatabase;
  readonly #now: () => number;
  #closing: Promise<void> | undefined;

  constructor(folder: string, shared: SharedDatabase, env: NonNullable<StoreOptions['env']>) {
    super();
    this.#folder = folder;
    this.#shared = shared;
    this.#now = () => steadyEpoch(env);
  }

  get #database(): Database {
    return this.#shared.database;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    try {
      this.check();
      checkKey(key);
      const entry = this.#read(callersKey(key));
      return Promise.resolve(entry !== undefined && entry.expiresAt > this.#now() ? entry.value : undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async *scan(prefix: string, { after = '', limit = Number.POSITIVE_INFINITY }: ScanOptions = {}): AsyncGenerator<StoreEntry, void> {
    this.check();
    const first = databaseKey(callers, utf8(prefix));
    const next = databaseKey(callers, utf8(`${after}\0`));
    const start = after !== '' && compareBytes(next, first) > 0 ? next : first;
    const end = new Uint8Array(first);
    end[end.length - 1]! += 1; // UTF-8 and the first byte never hold 0xff
    const now = this.#now();
    let left = limit;
    this.#database.resetReadTxn();
    const snapshot = this.#database.useReadTransaction();
    try {
      for (const { key, value, version } of this.#database.getRange({ start, end, versions: true, transaction: snapshot })) {
        if (left <= 0) break;
        const entry = decodeEntry(value, version!);
        if (entry.expiresAt <= now) continue;
        left--;
        yield storeEntry(fromUtf8(new Uint8Array(key).subarray(1)), entry.value, entry.expiresAt);
      }
    } catch (cause) {
      throw ioError('read', this.#folder, cause);
    } finally {
      snapshot.done();
    }
  }

  close(): Promise<void> {
    // Plans are carried out in the order in which they come: this one when all others are.
    this.#closing ??= this.#shared
      .change(nothing, this.#now)
      .catch(() => undefined)
      .then(() => this.#shared.release());
    return this.#closing;
  }

  protected check(): void {
    if (this.#closing) throw new StoreError('ERR_STORE_CLOSED', `the store ${this.#folder} is closed`);
  }

  /** What stands under a key at this moment, also if another process has just put it there. */
  #read(key: Uint8Array): Entry | undefined {
    try {
      return readEntry(this.#shared.fresh(), key);
    } catch (cause) {
      throw ioError('read', this.#folder, cause);
    }
  }

  protected change<T>(plan: Plan<T>): Promise<T> {
    return this.#shared.change(plan, this.#now);
  }
}
