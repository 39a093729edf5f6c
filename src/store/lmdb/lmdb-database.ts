import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { utf8 } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import { makeFolder } from '../folder.ts';
import { storeVersions } from '../place.ts';
import type { Plan } from '../plan.ts';
import { StoreError } from '../store.ts';
import { Commit } from './lmdb-commit.ts';
import { type Database, freshVersion } from './lmdb-entry.ts';
import { checkDataFile } from './lmdb-file.ts';
import { versionKey } from './lmdb-key.ts';
import { lmdb } from './lmdb-package.ts';
import { Turns } from './lmdb-turns.ts';
import { makeRoom } from './room.ts';

const storeVersion = storeVersions.lmdb;
const versionText = 'ace-coap store ';

/** Each entry that ends pays for the removal of two that have ended: these are how many are removed at once, at least and at most. */
const leastSwept = 64;
const mostSwept = 512;
/** Seconds that nobody looks after it was seen that none has ended. */
const sweepPause = 1;

/** Processes that may read at once. A reader's slot is freed when its process ends, however it ends. */
const readers = 512;

/** What this process has open, by the identity of the file: LMDB loses its locks on a file that a process opens a second time. */
const opened = new Map<string, SharedDatabase>();

/** A plan that waits for its turn. */
interface Job {
  readonly plan: Plan<unknown>;
  readonly now: () => number;
  readonly resolve: (done: unknown) => void;
  readonly reject: (error: StoreError) => void;
}

/** The database of a folder: one for all stores of a process that are open on it. */
export class SharedDatabase {
  readonly turns: Turns;
  readonly #folder: string;
  readonly #identity: string;
  #database: Database | undefined;
  #users = 0;
  #owed = 0;
  /** When it was seen for the last time that none has ended. */
  #sweptNothingAt = Number.NEGATIVE_INFINITY;
  #waiting: Job[] = [];
  #isFresh = false;
  #closing: Promise<void> = Promise.resolve();

  private constructor(folder: string, identity: string, turns: Turns) {
    this.#folder = folder;
    this.#identity = identity;
    this.turns = turns;
  }

  /** @throws {StoreError} `ERR_STORE_OPEN`, `ERR_STORE_FORMAT` */
  static open(folder: string): SharedDatabase {
    try {
      const turnFile = join(folder, 'turn.mdb');
      let shared = opened.get(identityOf(turnFile));
      if (shared === undefined) {
        makeFiles(folder);
        checkDataFile(turnFile);
        const identity = identityOf(turnFile);
        shared = new SharedDatabase(folder, identity, new Turns(turnFile));
        opened.set(identity, shared);
      }
      shared.#use();
      return shared;
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      throw new StoreError('ERR_STORE_OPEN', `cannot open the store ${folder}: ${messageOf(cause)}`, { cause });
    }
  }

  get database(): Database {
    return this.#database!;
  }

  /**
   * The database with a snapshot of this moment. Whoever reads before JavaScript is left shares one: nobody can have heard meanwhile of what another process writes, and a
   * commit of this one is told of afterwards. To take one for each costs as much as to read.
   */
  fresh(): Database {
    const database = this.database;
    if (!this.#isFresh) {
      database.resetReadTxn();
      this.#isFresh = true;
      queueMicrotask(this.#stale);
    }
    return database;
  }

  readonly #stale = (): void => {
    this.#isFresh = false;
  };

  /**
   * Carry out a plan in a turn, where nobody else writes: what it reads is so until it has written. Plans that come while another turn is under way share the next one
   * and its commit, in the order in which they came.
   *
   * @param now - seconds since 1970; what has ended by then is absent, and removed bit by bit
   */
  change<T>(plan: Plan<T>, now: () => number): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ plan, now, resolve: resolve as Job['resolve'], reject });
      if (this.#waiting.length === 1) this.turns.join(() => this.#commit(this.#take())).catch((cause) => this.#fail(this.#take(), cause));
    });
  }

  /** To be called once for each `open`. */
  async release(): Promise<void> {
    if (--this.#users > 0) return;
    await this.#closing;
    this.#closing = this.#close();
    await this.#closing;
  }

  #take(): Job[] {
    const jobs = this.#waiting;
    this.#waiting = [];
    return jobs;
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    try {
      this.database.resetReadTxn();
      const commit = new Commit(this.database);
      const done: (() => void)[] = [];
      let earliest = Number.POSITIVE_INFINITY;
      for (const { plan, now, resolve, reject } of jobs) {
        try {
          const time = now();
          const result = commit.carryOut(plan, time);
          done.push(() => resolve(result));
          earliest = Math.min(earliest, time);
        } catch (cause) {
          reject(ioError('write', this.#folder, cause));
        }
      }
      if (commit.changed) {
        await commit.write(this.#sweepFor(commit.ending, earliest), earliest);
        if (commit.sweptNothing) this.#sweptNothingAt = earliest;
      }
      for (const tell of done) tell();
    } catch (cause) {
      await this.#fail(jobs, cause);
    }
  }

  /** lmdb gives the reason for a commit that failed in a promise of its own, which nobody else would hear. */
  async #fail(jobs: readonly Job[], cause: unknown): Promise<void> {
    const { commitError } = cause as { commitError?: Promise<unknown> };
    const error = ioError('write', this.#folder, commitError === undefined ? cause : await commitError.catch((why: unknown) => why));
    for (const { reject } of jobs) reject(error);
  }

  /** How many entries that have ended a commit removes that writes so many which end. */
  #sweepFor(ending: number, now: number): number {
    this.#owed += 2 * ending;
    if (this.#owed < leastSwept) return 0;
    const count = Math.min(this.#owed, mostSwept);
    this.#owed -= count;
    return Math.abs(now - this.#sweptNothingAt) < sweepPause ? 0 : count;
  }

  #use(): void {
    this.#users++;
    try {
      this.#database ??= this.turns.take(() => openDatabase(this.#folder));
    } catch (error) {
      this.#users--;
      this.#forget();
      throw error;
    }
  }

  async #close(): Promise<void> {
    await this.turns.idle();
    await this.turns.join(async () => {
      const database = this.#database;
      // Looked at where it is closed: somebody may have opened the store on the way here.
      if (this.#users > 0 || database === undefined) return;
      this.#database = undefined;
      await database.close();
    });
    await this.turns.idle();
    this.#forget();
  }

  #forget(): void {
    if (this.#users > 0 || this.#database !== undefined) return;
    this.turns.close();
    opened.delete(this.#identity);
  }
}

export function ioError(verb: string, folder: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  return new StoreError('ERR_STORE_IO', `cannot ${verb} the store ${folder}: ${messageOf(cause)}`, { cause });
}

/** Not for a folder that this process has open: to close a file is to lose the locks that the process has on it. */
function makeFiles(folder: string): void {
  makeFolder(folder);
  for (const name of ['data.mdb', 'lock.mdb', 'turn.mdb', 'turn.mdb-lock']) {
    // LMDB itself would make them with mode 0664; it takes an empty file as a new one.
    const file = join(folder, name);
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
  }
}

/** Empty where there is no such file. */
function identityOf(file: string): string {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.dev} ${stats.ino}`;
}

function openDatabase(folder: string): Database {
  checkDataFile(join(folder, 'data.mdb'));
  makeRoom(join(folder, 'data.mdb'), join(folder, 'lock.mdb'), readers);
  const database = lmdb().open<Uint8Array, Uint8Array>({
    path: folder,
    noSubdir: false, // or a folder with a dot in its name would become a file
    encoding: 'binary',
    keyEncoding: 'binary',
    useVersions: true,
    maxReaders: readers,
    // A commit is on the disk before its promise is fulfilled; with overlapping syncs it would only be visible.
    overlappingSync: false,
    // With batches, lmdb rejects a promise of its own that nobody hears when a commit fails, and the process ends.
    eventTurnBatching: false,
  });
  try {
    checkVersion(folder, database);
    return database;
  } catch (error) {
    database.close().catch(() => undefined);
    throw error;
  }
}

/** @throws {StoreError} `ERR_STORE_FORMAT` */
function checkVersion(folder: string, database: Database): void {
  database.transactionSync(() => {
    const entry = database.getBinary(versionKey);
    if (!entry) {
      for (const _ of database.getKeys({ limit: 1 })) {
        throw new StoreError('ERR_STORE_FORMAT', `${folder}: expected a store of ace-coap, got an LMDB database without a version entry`);
      }
      database.putSync(versionKey, utf8(versionText + storeVersion), freshVersion());
      return;
    }
    const text = new TextDecoder().decode(entry);
    const version = text.startsWith(versionText) ? Number(text.slice(versionText.length)) : Number.NaN;
    if (!Number.isInteger(version) || version < 1) {
      throw new StoreError('ERR_STORE_FORMAT', `${folder}: expected a store of ace-coap, got an LMDB database of something else`);
    }
    if (version < storeVersion) {
      database.putSync(versionKey, utf8(versionText + storeVersion), freshVersion());
    } else if (version > storeVersion) {
      throw new StoreError('ERR_STORE_FORMAT', `${folder}: expected store version ${storeVersion}, got ${version}; a later release of ace-coap wrote it`);
    }
  });
}
