import { resolve } from 'node:path';
import { compareBytes, fromUtf8, utf8 } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { type StoreOptions, steadyEpoch } from '../clock.ts';
import { encodeKey, storeEntry } from '../encoding.ts';
import type { Plan } from '../plan.ts';
import { PlannedStore } from '../planned-store.ts';
import { type ScanOptions, type Store, type StoreEntry, StoreError } from '../store.ts';
import { SharedDatabase } from './lmdb-database.ts';
import { type Condition, type Database, decodeEntry, type Entry, readEntry, writeEntries } from './lmdb-entry.ts';
import { callers, databaseKey } from './lmdb-key.ts';

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
 * Changes that depend on what is there are made by comparing a version: read, decide, write if the version is still the one read, else begin again. LMDB's thread does
 * the writing, so the event loop never waits for the disk and changes that come together share one commit. (lmdb's own asynchronous `transaction` would say this more
 * simply; in lmdb 3.5.6 on Node 20 it never calls back.)
 */
class LmdbStore extends PlannedStore {
  readonly #folder: string;
  readonly #shared: SharedDatabase;
  readonly #env: NonNullable<StoreOptions['env']>;
  /** The last change under way for each key: changes of one process to one key queue here instead of overtaking each other in turn. */
  readonly #queues = new Map<string, Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(folder: string, shared: SharedDatabase, env: NonNullable<StoreOptions['env']>) {
    super();
    this.#folder = folder;
    this.#shared = shared;
    this.#env = env;
  }

  get #database(): Database {
    return this.#shared.database;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.check();
    return this.#alive(this.#read(this.#key(key)));
  }

  async *scan(prefix: string, { after = '', limit = Number.POSITIVE_INFINITY }: ScanOptions = {}): AsyncGenerator<StoreEntry, void> {
    this.check();
    const first = databaseKey(callers, utf8(prefix));
    const next = databaseKey(callers, utf8(`${after}\0`));
    const start = after !== '' && compareBytes(next, first) > 0 ? next : first;
    const end = new Uint8Array(first);
    end[end.length - 1]! += 1; // UTF-8 and the first byte never hold 0xff
    const now = steadyEpoch(this.#env);
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
      throw this.#error('read', cause);
    } finally {
      snapshot.done();
    }
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#queues.values()).then(() => this.#shared.release());
    return this.#closing;
  }

  protected check(): void {
    if (this.#closing) throw new StoreError('ERR_STORE_CLOSED', `the store ${this.#folder} is closed`);
  }

  #key(key: string): Uint8Array {
    return databaseKey(callers, encodeKey(key));
  }

  /** What stands under a key at this moment, also if another process has just put it there. */
  #read(key: Uint8Array): Entry | undefined {
    try {
      this.#database.resetReadTxn();
      return readEntry(this.#database, key);
    } catch (cause) {
      throw this.#error('read', cause);
    }
  }

  #alive(entry: Entry | undefined): Uint8Array | undefined {
    return entry !== undefined && entry.expiresAt > steadyEpoch(this.#env) ? entry.value : undefined;
  }

  protected async change<T>({ reads, decide }: Plan<T>): Promise<T> {
    const attempt = async (): Promise<T> => {
      for (;;) {
        const conditions: Condition[] = [];
        const { done, writes } = decide((key) => {
          const bytes = this.#key(key);
          const entry = this.#read(bytes);
          conditions.push([bytes, entry?.version ?? null]);
          return this.#alive(entry);
        });
        const absent = conditions.length > 0 && conditions.every(([, version]) => version === null);
        if (writes.length === 0 || (absent && writes.every(({ value }) => value === undefined))) return done;
        const entries = writes.map(({ key, value, expiresAt }) => ({ key: this.#key(key), value, expiresAt }));
        const ends = entries.filter(({ expiresAt }) => expiresAt !== Number.POSITIVE_INFINITY).length;
        if (await this.#commit(ends, () => writeEntries(this.#database, conditions, entries))) return done;
      }
    };
    const before = reads.flatMap((key) => this.#queues.get(key) ?? []);
    const result = before.length > 0 ? Promise.all(before).then(attempt) : attempt();
    const tail = result.catch(() => undefined);
    for (const key of reads) this.#queues.set(key, tail);
    try {
      return await result;
    } finally {
      for (const key of reads) if (this.#queues.get(key) === tail) this.#queues.delete(key);
    }
  }

  /** lmdb gives the reason for a commit that failed in a promise of its own, which nobody else would hear. */
  async #commit(ends: number, write: () => Promise<boolean>): Promise<boolean> {
    try {
      return await this.#shared.commit(ends, steadyEpoch(this.#env), write);
    } catch (cause) {
      const commitError = (cause as { commitError?: Promise<unknown> }).commitError;
      throw this.#error('write', commitError ? await commitError.catch((why: unknown) => why) : cause);
    }
  }

  #error(verb: string, cause: unknown): StoreError {
    return cause instanceof StoreError ? cause : new StoreError('ERR_STORE_IO', `cannot ${verb} the store ${this.#folder}: ${reason(cause)}`, { cause });
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
