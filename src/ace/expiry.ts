import type { Env } from '../core/env.ts';
import { type Ending, Ends } from './ends.ts';

interface Entry extends Ending {
  readonly key: string;
}

/**
 * Ends of lifetimes on the wall clock (`exp`), with one timer for all of them.
 *
 * `expired` is called once for each key that was not deleted or set again, at or shortly after its time; `has` is exact at every moment.
 */
export class Expiry {
  readonly #env: Env;
  readonly #entries = new Map<string, Entry>();
  /** An entry counts only while `#entries` has it under its key. */
  readonly #ends: Ends<Entry>;

  constructor(env: Env, expired: (key: string) => void) {
    this.#env = env;
    this.#ends = new Ends(env, (entry) => {
      if (this.#entries.get(entry.key) !== entry) return;
      this.#entries.delete(entry.key);
      expired(entry.key);
    });
  }

  /** Keys that have not ended. */
  get size(): number {
    return this.#entries.size;
  }

  /** Let `key` end at `at`, in seconds since 1970, in place of an earlier end. */
  set(key: string, at: number): void {
    const entry = { at, key };
    this.#entries.set(key, entry);
    if (this.#ends.size > 2 * this.#entries.size + 16) this.#ends.replace(this.#entries.values());
    else this.#ends.add(entry);
  }

  /** Whether the key was there; `expired` is not called for it. */
  delete(key: string): boolean {
    const there = this.#entries.delete(key);
    if (there && this.#entries.size === 0) this.close();
    return there;
  }

  /** When `key` ends, in seconds since 1970. */
  end(key: string): number | undefined {
    return this.#entries.get(key)?.at;
  }

  /** Whether `key` is there and has not ended. */
  has(key: string): boolean {
    const at = this.#entries.get(key)?.at;
    return at !== undefined && at > this.#env.epoch();
  }

  /** Forget all, without a call of `expired`. */
  close(): void {
    this.#ends.close();
    this.#entries.clear();
  }
}
