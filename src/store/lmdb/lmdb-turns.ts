import type { RootDatabase } from 'lmdb';
import { StoreError } from '../store.ts';
import { lmdb } from './lmdb-package.ts';
import { whileLocked } from './lock-file.ts';
import { makeRoom } from './room.ts';

/** What LMDB has where nothing is said. */
const readers = 126;

interface Work {
  readonly start: () => Promise<unknown>;
  readonly failed: (cause: unknown) => void;
}

/**
 * Turns that the processes with one store take: one has its turn, the others wait.
 *
 * LMDB has a lock for writers, but to open a database it reads the number of the last transaction and writes it to the memory that all processes share, without that
 * lock (`mdb_env_open2` in the LMDB of lmdb 3.5.6). A commit that comes between is forgotten: the next transaction starts from the state before it, overwrites its
 * pages and gives its numbers again. So whoever opens the store, closes it or commits does it in a turn.
 *
 * The turns are the write lock of a second database, to which nothing is ever written, so that opening that one does no harm. The lock of a process that is killed
 * is free. It is destroyed by the last process that closes it, and whoever opens it at that very moment has a lock that cannot be taken: a file keeps the two apart.
 */
export class Turns {
  readonly #path: string;
  readonly #lock: RootDatabase;
  #held = false;
  #waiting: Work[] = [];
  #running: Promise<void> | undefined;

  /** @param path - of a file that is there, maybe empty */
  constructor(path: string) {
    this.#path = path;
    const { open } = lmdb();
    this.#lock = whileLocked(`${path}-lock.new`, () => {
      makeRoom(path, `${path}-lock`, readers);
      return open({ path, noSubdir: true, overlappingSync: false });
    });
  }

  /** Do something that is over when it returns. */
  take<T>(work: () => T): T {
    if (this.#held) return work();
    return this.#lock.transactionSync(() => {
      this.#begin();
      try {
        return work();
      } finally {
        this.#held = false;
      }
    });
  }

  /** Do something that is over when its promise is settled. What is asked for while another turn is under way shares the next one. */
  join<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ start: () => work().then(resolve, reject), failed: reject });
      this.#running ??= this.#run();
    });
  }

  /** When nothing is under way or waits. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Nothing may be under way. */
  close(): void {
    whileLocked(`${this.#path}-lock.new`, () => {
      void this.#lock.close();
    });
  }

  async #run(): Promise<void> {
    await undefined;
    while (this.#waiting.length > 0) {
      const works = this.#waiting;
      this.#waiting = [];
      try {
        await this.#lock.transactionSync(async () => {
          this.#begin();
          await Promise.all(works.map(({ start }) => start()));
        });
      } catch (cause) {
        for (const { failed } of works) failed(cause);
      } finally {
        this.#held = false;
      }
    }
    this.#running = undefined;
  }

  /** @throws {StoreError} `ERR_STORE_IO` */
  #begin(): void {
    // Where LMDB does not get the lock, lmdb goes on without a transaction.
    if (this.#lock.getWriteTxnId() === 0) throw new StoreError('ERR_STORE_IO', 'the lock of the store cannot be taken');
    this.#held = true;
  }
}
