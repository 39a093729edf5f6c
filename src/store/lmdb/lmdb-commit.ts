import type { Plan } from '../plan.ts';
import { Ends, sweep } from './lmdb-ends.ts';
import { type Database, type Entry, putEntry, readEntry } from './lmdb-entry.ts';
import { callersKey } from './lmdb-key.ts';

/** A key that a commit has to do with. */
interface Slot {
  readonly key: Uint8Array;
  /** What stands there before the commit, expired or not. */
  readonly before: Entry | undefined;
  after: Entry | undefined;
  written: boolean;
}

/**
 * What one commit writes: plans are carried out one after the other, and each sees what those before it have made of the store. To be used in a turn, where the
 * database's snapshot is of this moment and nobody else writes.
 */
export class Commit {
  readonly #database: Database;
  readonly #slots = new Map<string, Slot>();
  #ending = 0;
  #changed = false;
  #sweptNothing = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Entries that are written and end. */
  get ending(): number {
    return this.#ending;
  }

  /** Whether there is something to write. */
  get changed(): boolean {
    return this.#changed;
  }

  /** Whether `write` looked for entries that have ended and there were none. */
  get sweptNothing(): boolean {
    return this.#sweptNothing;
  }

  /**
   * Let a plan decide, and take up what it writes.
   *
   * @param now - for this plan, what has ended by then is absent
   */
  carryOut<T>(plan: Plan<T>, now: number): T {
    const { done, writes } = plan.decide((key) => {
      const { after } = this.#slot(key);
      return after !== undefined && after.expiresAt > now ? after.value : undefined;
    });
    for (const { key, value, expiresAt } of writes) {
      const slot = this.#slot(key);
      slot.after = value && { value, expiresAt };
      slot.written = true;
      if (value !== undefined && expiresAt !== Number.POSITIVE_INFINITY) this.#ending++;
      if (value !== undefined || slot.before !== undefined) this.#changed = true;
    }
    return done;
  }

  /** Write all of it, in one block, which is never spread over two commits. @param swept - how many entries that have ended by `now` are removed besides */
  write(swept: number, now: number): Promise<boolean> {
    return this.#database.batch(() => {
      this.#sweptNothing = swept > 0 && !sweep(this.#database, now, swept);
      const ends = new Ends(this.#database);
      for (const { key, before, after, written } of this.#slots.values()) {
        if (!written) continue;
        if (after !== undefined) putEntry(this.#database, key, after);
        else if (before !== undefined) void this.#database.remove(key);
        const [from, to] = [endOf(before), endOf(after)];
        // A sweep may have removed what remembers an end that has come.
        if (from !== to || from <= now) ends.move(key, from, to);
      }
      ends.write();
    });
  }

  #slot(key: string): Slot {
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const bytes = callersKey(key);
    const before = readEntry(this.#database, bytes);
    const slot = { key: bytes, before, after: before, written: false };
    this.#slots.set(key, slot);
    return slot;
  }
}

function endOf(entry: Entry | undefined): number {
  return entry?.expiresAt ?? Number.POSITIVE_INFINITY;
}
