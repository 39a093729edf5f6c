import type { Env } from '../core/env.ts';
import { type Ending, Ends } from './ends.ts';

interface Entry<V> extends Ending {
  readonly key: string;
  readonly value: V | undefined;
}

/**
 * Ends of lifetimes on the wall clock (`exp`), with one timer for all of them.
 *
 * `expired` is called once for each key that was not deleted or set again, at or shortly after its time, with what was set beside it; `has` is exact at every moment.
 */
export class Expiry<V = never> {
  readonly #env: Env;
  readonly #entries = new Map<string, Entry<V>>();
  /** An entry counts only while `#entries` has it under its key. */
  readonly #ends: Ends<Entry<V>>;

  constructor(env: Env, expired: (key: string, value: V | undefined) => void) {
    this.#env = env;
    this.#ends = new Ends(env, (entry) => {
      if (this.#entries.get(entry.key) !== entry) return;
      this.#entries.delete(entry.key);
      expired(entry.key, entry.value);
    });
  }

  /** Keys that have not ended. */
  get size(): number {
    return this.#entries.size;
  }

  /** Let `key` end at `at`, in seconds since 1970, with `value` beside it; replaces an earlier end and its value. */
  set(key: string, at: number, value?: V): void {
    const entry = { at, key, value };
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

  /** What was set beside `key`. */
  value(key: string): V | undefined {
    return this.#entries.get(key)?.value;
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
