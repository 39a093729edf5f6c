import type { Change, PutOptions, ScanOptions, Store, StoreEntry } from '../../src/store/index.ts';

/** A store as a process sees it that may be killed: from then on nothing is asked of the store behind it, and nobody hears of it again. */
export class MortalStore implements Store {
  readonly #store: Store;
  #dead = false;

  constructor(store: Store) {
    this.#store = store;
  }

  kill(): void {
    this.#dead = true;
  }

  #ask<T>(question: () => Promise<T>): Promise<T> {
    return this.#dead ? new Promise(() => {}) : question();
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#ask(() => this.#store.get(key));
  }

  put(key: string, value: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#ask(() => this.#store.put(key, value, options));
  }

  delete(key: string): Promise<boolean> {
    return this.#ask(() => this.#store.delete(key));
  }

  compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined, options?: PutOptions): Promise<boolean> {
    return this.#ask(() => this.#store.compareAndSet(key, expected, next, options));
  }

  batch(changes: readonly Change[]): Promise<boolean> {
    return this.#ask(() => this.#store.batch(changes));
  }

  increment(key: string, by: number): Promise<number> {
    return this.#ask(() => this.#store.increment(key, by));
  }

  async *scan(prefix: string, options?: ScanOptions): AsyncGenerator<StoreEntry, void> {
    if (this.#dead) await new Promise(() => {});
    yield* this.#store.scan(prefix, options);
  }

  async close(): Promise<void> {}
}
