import type { Cancel, Env } from '../../../src/core/env.ts';

interface Entry<V> {
  readonly value: V;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  readonly forget: Cancel;
}

/** Values that each have an end of their own, by the clock of the wall. They go at their end, and what they held with them. */
export class ExpiringMap<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #env: Env;
  readonly #removed: ((value: V) => void) | undefined;
  #closed = false;

  /** @param removed - runs for each value that goes, however it goes */
  constructor(env: Env, removed?: (value: V) => void) {
    this.#env = env;
    this.#removed = removed;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#env.epoch() < entry.expiresAt) return entry?.value;
    // A clock that was set may be past the end before the timer is.
    this.delete(key);
    return undefined;
  }

  set(key: string, value: V, expiresAt: number): void {
    this.delete(key);
    if (this.#closed) {
      this.#removed?.(value);
      return;
    }
    const left = Math.max(0, (expiresAt - this.#env.epoch()) * 1000);
    this.#entries.set(key, { value, expiresAt, forget: this.#env.schedule(left, () => this.delete(key)) });
  }

  delete(key: string): void {
    const value = this.take(key);
    if (value !== undefined) this.#removed?.(value);
  }

  /** Take the value out, as one that does not go. */
  take(key: string): V | undefined {
    const entry = this.#entries.get(key);
    entry?.forget();
    this.#entries.delete(key);
    return entry?.value;
  }

  /** Take out the one that has been there for longest. */
  deleteFirst(): void {
    const [first] = this.#entries.keys();
    if (first !== undefined) this.delete(first);
  }

  /** Let all go; what is set from now on goes at once. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }
}
