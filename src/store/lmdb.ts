import { resolve } from 'node:path';
import { compareBytes, equalBytes, fromUtf8, utf8 } from '../core/bytes.ts';
import { addToCounter, checkBatch, checkStep, copyValue, decodeCounter, encodeCounter, encodeKey } from './encoding.ts';
import { type Database, SharedDatabase } from './lmdb-database.ts';
import { callers, databaseKey, freshVersion } from './lmdb-key.ts';
import { type Change, type ScanOptions, type Store, StoreError } from './store.ts';

interface Entry {
  readonly value: Uint8Array;
  readonly version: number;
}

/**
 * A store in a folder, kept by LMDB: the default for every role.
 *
 * The folder is made with mode 0700 where it does not exist; the files have mode 0600. Any number of processes may open it at once.
 *
 * @throws {StoreError} `ERR_STORE_OPEN` (the path cannot be used, the files are damaged), `ERR_STORE_FORMAT` (not such a store, or a later release's)
 */
export function lmdbStore(path: string): Store {
  const folder = resolve(path);
  return new LmdbStore(folder, SharedDatabase.open(folder));
}

/**
 * Changes that depend on what is there are made by comparing a version: read, decide, write if the version is still the one read, else begin again. LMDB's thread does
 * the writing, so the event loop never waits for the disk and changes that come together share one commit. (lmdb's own asynchronous `transaction` would say this more
 * simply; in lmdb 3.5.6 on Node 20 it never calls back.)
 */
class LmdbStore implements Store {
  readonly #folder: string;
  readonly #shared: SharedDatabase;
  /** The last change under way for each key: changes of one process to one key queue here instead of overtaking each other in turn. */
  readonly #queues = new Map<string, Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(folder: string, shared: SharedDatabase) {
    this.#folder = folder;
    this.#shared = shared;
  }

  get #database(): Database {
    return this.#shared.database;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(this.#key(key))?.value;
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    const bytes = this.#key(key);
    const copy = copyValue(value);
    await this.#commit(() => this.#database.put(bytes, copy, freshVersion()));
  }

  async delete(key: string): Promise<boolean> {
    const bytes = this.#key(key);
    return this.#change(key, bytes, (entry) => (entry ? { done: true, next: undefined } : { done: false }));
  }

  async compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined): Promise<boolean> {
    const bytes = this.#key(key);
    const wanted = expected && new Uint8Array(expected);
    const copy = next && copyValue(next);
    return this.#change(key, bytes, (entry) => (sameValue(entry?.value, wanted) ? { done: true, next: copy } : { done: false }));
  }

  async batch(changes: readonly Change[]): Promise<boolean> {
    this.#check();
    checkBatch(changes);
    const entries = changes.map(({ key, value, expected }) => ({
      bytes: this.#key(key),
      value: value && copyValue(value),
      expected: expected === null || expected === undefined ? expected : new Uint8Array(expected),
    }));
    return this.#commit(async () => {
      const database = this.#database;
      return database.transactionSync(() => {
        for (const { bytes, expected } of entries) {
          if (expected !== undefined && !sameValue(this.#read(bytes)?.value, expected ?? undefined)) return false;
        }
        for (const { bytes, value } of entries) {
          if (value === undefined) database.removeSync(bytes);
          else database.putSync(bytes, value, freshVersion());
        }
        return true;
      });
    });
  }

  async increment(key: string, by: number): Promise<number> {
    const bytes = this.#key(key);
    checkStep(by);
    return this.#change(key, bytes, (entry) => {
      const before = decodeCounter(key, entry?.value);
      return { done: before, next: encodeCounter(addToCounter(key, before, by)) };
    });
  }

  async *scan(prefix: string, { after = '', limit }: ScanOptions = {}): AsyncGenerator<readonly [key: string, value: Uint8Array], void> {
    this.#check();
    const first = databaseKey(callers, utf8(prefix));
    const next = databaseKey(callers, utf8(`${after}\0`));
    const start = after !== '' && compareBytes(next, first) > 0 ? next : first;
    const end = new Uint8Array(first);
    end[end.length - 1]! += 1; // UTF-8 and the first byte never hold 0xff
    this.#database.resetReadTxn();
    const snapshot = this.#database.useReadTransaction();
    try {
      for (const { key, value } of this.#database.getRange({ start, end, transaction: snapshot, ...(limit === undefined ? {} : { limit }) })) {
        yield [fromUtf8(new Uint8Array(key).subarray(1)), new Uint8Array(value)] as const;
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

  #check(): void {
    if (this.#closing) throw new StoreError('ERR_STORE_CLOSED', `the store ${this.#folder} is closed`);
  }

  #key(key: string): Uint8Array {
    this.#check();
    return databaseKey(callers, encodeKey(key));
  }

  /** What stands under a key at this moment, also if another process has just put it there. */
  #read(key: Uint8Array): Entry | undefined {
    try {
      this.#database.resetReadTxn();
      const entry = this.#database.getEntry(key);
      return entry && { value: new Uint8Array(entry.value), version: entry.version! };
    } catch (cause) {
      throw this.#error('read', cause);
    }
  }

  /** `done` is the result; `next` is written first where it is a property, and deletes where that is undefined. */
  async #change<T>(key: string, bytes: Uint8Array, decide: (entry: Entry | undefined) => { done: T; next?: Uint8Array | undefined }): Promise<T> {
    const attempt = async (): Promise<T> => {
      for (;;) {
        const entry = this.#read(bytes);
        const decision = decide(entry);
        if (!('next' in decision)) return decision.done;
        const { done, next } = decision;
        if (entry === undefined && next === undefined) return done;
        const written = await this.#commit(() => {
          if (next === undefined) return this.#database.remove(bytes, entry!.version);
          // `null`: only if absent. lmdb's types know numbers alone.
          return this.#database.put(bytes, next, freshVersion(), (entry ? entry.version : null) as number);
        });
        if (written) return done;
      }
    };
    const before = this.#queues.get(key);
    const result = before ? before.then(attempt, attempt) : attempt();
    const tail = result.catch(() => undefined);
    this.#queues.set(key, tail);
    try {
      return await result;
    } finally {
      if (this.#queues.get(key) === tail) this.#queues.delete(key);
    }
  }

  /** lmdb gives the reason for a commit that failed in a promise of its own, which nobody else would hear. */
  async #commit(write: () => Promise<boolean>): Promise<boolean> {
    try {
      return await this.#shared.turns.join(write);
    } catch (cause) {
      const commitError = (cause as { commitError?: Promise<unknown> }).commitError;
      throw this.#error('write', commitError ? await commitError.catch((why: unknown) => why) : cause);
    }
  }

  #error(verb: string, cause: unknown): StoreError {
    return cause instanceof StoreError ? cause : new StoreError('ERR_STORE_IO', `cannot ${verb} the store ${this.#folder}: ${reason(cause)}`, { cause });
  }
}

function sameValue(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
