import { compareBytes, utf8 } from '../core/bytes.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { type StoreOptions, steadyEpoch } from './clock.ts';
import { checkKey, storeEntry } from './encoding.ts';
import { type Plan, planBatch, planCompareAndSet, planDelete, planIncrement, planPut } from './plan.ts';
import { type Change, type PutOptions, type ScanOptions, type Store, type StoreEntry, StoreError } from './store.ts';

interface Entry {
  readonly value: Uint8Array;
  readonly expiresAt: number;
}

/** Writes between two searches for entries that have expired, for each entry that was found alive. */
const leastWrites = 1_000;

/**
 * A store that lives as long as the object: for tests, for simulations, and where state may be lost.
 *
 * A role that protects messages must not restart on an empty memory store with the same keys: it would use sequence numbers again.
 */
export function memoryStore({ env = systemEnv }: StoreOptions = {}): Store {
  return new MemoryStore(env);
}

class MemoryStore implements Store {
  readonly #env: Pick<Env, 'epoch'>;
  readonly #entries = new Map<string, Entry>();
  #isOpen = true;
  #writesToSweep = leastWrites;

  constructor(env: Pick<Env, 'epoch'>) {
    this.#env = env;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#check();
    checkKey(key);
    const value = this.#read(key);
    return value && new Uint8Array(value);
  }

  async put(key: string, value: Uint8Array, options?: PutOptions): Promise<void> {
    this.#check();
    this.#change(planPut(key, value, options));
  }

  async delete(key: string): Promise<boolean> {
    this.#check();
    return this.#change(planDelete(key));
  }

  async compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined, options?: PutOptions): Promise<boolean> {
    this.#check();
    return this.#change(planCompareAndSet(key, expected, next, options));
  }

  async batch(changes: readonly Change[]): Promise<boolean> {
    this.#check();
    return this.#change(planBatch(changes));
  }

  async increment(key: string, by: number): Promise<number> {
    this.#check();
    return this.#change(planIncrement(key, by));
  }

  async *scan(prefix: string, { after, limit = Number.POSITIVE_INFINITY }: ScanOptions = {}): AsyncGenerator<StoreEntry> {
    this.#check();
    const found: [key: string, bytes: Uint8Array, value: Uint8Array, expiresAt: number][] = [];
    const now = steadyEpoch(this.#env);
    const start = after === undefined ? undefined : utf8(after);
    // Values are replaced, never written into: to hold them is to hold the moment.
    for (const [key, { value, expiresAt }] of this.#entries) {
      if (!key.startsWith(prefix) || expiresAt <= now) continue;
      const bytes = utf8(key);
      if (start === undefined || compareBytes(bytes, start) > 0) found.push([key, bytes, value, expiresAt]);
    }
    found.sort((a, b) => compareBytes(a[1], b[1]));
    for (const [key, , value, expiresAt] of found.slice(0, limit)) yield storeEntry(key, new Uint8Array(value), expiresAt);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #check(): void {
    if (!this.#isOpen) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
  }

  readonly #read = (key: string): Uint8Array | undefined => {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresAt > steadyEpoch(this.#env) ? entry.value : undefined;
  };

  #change<T>({ decide }: Plan<T>): T {
    const { done, writes } = decide(this.#read);
    for (const { key, value, expiresAt } of writes) this.#write(key, value, expiresAt);
    return done;
  }

  #write(key: string, value: Uint8Array | undefined, expiresAt: number): void {
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, { value, expiresAt });
    if (--this.#writesToSweep > 0) return;
    const now = steadyEpoch(this.#env);
    for (const [old, entry] of this.#entries) if (entry.expiresAt <= now) this.#entries.delete(old);
    this.#writesToSweep = Math.max(leastWrites, this.#entries.size);
  }
}
