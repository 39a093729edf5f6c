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

  constructor(env: Env) {
    this.#env = env;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    // A clock that was set may be past the end before the timer is.
    return entry !== undefined && this.#env.epoch() < entry.expiresAt ? entry.value : undefined;
  }

  set(key: string, value: V, expiresAt: number): void {
    this.delete(key);
    const left = Math.max(0, (expiresAt - this.#env.epoch()) * 1000);
    this.#entries.set(key, { value, expiresAt, forget: this.#env.schedule(left, () => this.#entries.delete(key)) });
  }

  delete(key: string): void {
    this.#entries.get(key)?.forget();
    this.#entries.delete(key);
  }

  /** Take out the one that has been there for longest. */
  deleteFirst(): void {
    const [first] = this.#entries.keys();
    if (first !== undefined) this.delete(first);
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }
}
