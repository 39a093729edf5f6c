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

  async put(key: string, value: Uint8Array, options?: PutOptions): Promise<void> {
    this.check();
    return this.change(planPut(key, value, options));
  }

  async delete(key: string): Promise<boolean> {
    this.check();
    return this.change(planDelete(key));
  }

  async compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined, options?: PutOptions): Promise<boolean> {
    this.check();
    return this.change(planCompareAndSet(key, expected, next, options));
  }

  async batch(changes: readonly Change[]): Promise<boolean> {
    this.check();
    return this.change(planBatch(changes));
  }

  async increment(key: string, by: number): Promise<number> {
    this.check();
    return this.change(planIncrement(key, by));
  }
}
