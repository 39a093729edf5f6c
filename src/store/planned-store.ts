import { type Plan, planBatch, planCompareAndSet, planDelete, planIncrement, planPut } from './plan.ts';
import type { Change, PutOptions, ScanOptions, Store, StoreEntry } from './store.ts';

/** A store whose changes are plans: what a kind of store adds is how it reads, and how it carries a plan out. */
export abstract class PlannedStore implements Store {
  abstract get(key: string): Promise<Uint8Array | undefined>;
  abstract scan(prefix: string, options?: ScanOptions): AsyncIterable<StoreEntry>;
  abstract close(): Promise<void>;

  /** @throws {StoreError} `ERR_STORE_CLOSED` */
  protected abstract check(): void;
  protected abstract change<T>(plan: Plan<T>): Promise<T>;

  put(key: string, value: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#planned(() => planPut(key, value, options));
  }

  delete(key: string): Promise<boolean> {
    return this.#planned(() => planDelete(key));
  }

  compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined, options?: PutOptions): Promise<boolean> {
    return this.#planned(() => planCompareAndSet(key, expected, next, options));
  }

  batch(changes: readonly Change[]): Promise<boolean> {
    return this.#planned(() => planBatch(changes));
  }

  increment(key: string, by: number): Promise<number> {
    return this.#planned(() => planIncrement(key, by));
  }

  #planned<T>(plan: () => Plan<T>): Promise<T> {
    try {
      this.check();
      return this.change(plan());
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
