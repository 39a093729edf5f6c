import { compareBytes, utf8 } from '../core/bytes.ts';
import { systemEnv } from '../core/env.ts';
import { type StoreOptions, steadyEpoch } from './clock.ts';
import { checkKey, storeEntry } from './encoding.ts';
import { type Plan, planBatch, planCompareAndSet, planDelete, planIncrement, planPut } from './plan.ts';
import { type Store, StoreError } from './store.ts';

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
  const entries = new Map<string, Entry>();
  let open = true;
  let writesToSweep = leastWrites;

  const check = (): void => {
    if (!open) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
  };
  const read = (key: string): Uint8Array | undefined => {
    const entry = entries.get(key);
    return entry !== undefined && entry.expiresAt > steadyEpoch(env) ? entry.value : undefined;
  };
  const write = (key: string, value: Uint8Array | undefined, expiresAt: number): void => {
    if (value === undefined) entries.delete(key);
    else entries.set(key, { value, expiresAt });
    if (--writesToSweep > 0) return;
    const now = steadyEpoch(env);
    for (const [old, entry] of entries) if (entry.expiresAt <= now) entries.delete(old);
    writesToSweep = Math.max(leastWrites, entries.size);
  };
  const change = <T>({ decide }: Plan<T>): T => {
    const { done, writes } = decide(read);
    for (const { key, value, expiresAt } of writes) write(key, value, expiresAt);
    return done;
  };

  return {
    async get(key) {
      check();
      checkKey(key);
      const value = read(key);
      return value && new Uint8Array(value);
    },

    async put(key, value, options) {
      check();
      change(planPut(key, value, options));
    },

    async delete(key) {
      check();
      return change(planDelete(key));
    },

    async compareAndSet(key, expected, next, options) {
      check();
      return change(planCompareAndSet(key, expected, next, options));
    },

    async batch(changes) {
      check();
      return change(planBatch(changes));
    },

    async increment(key, by) {
      check();
      return change(planIncrement(key, by));
    },

    async *scan(prefix, { after, limit = Number.POSITIVE_INFINITY } = {}) {
      check();
      const found: [key: string, bytes: Uint8Array, value: Uint8Array, expiresAt: number][] = [];
      const now = steadyEpoch(env);
      const start = after === undefined ? undefined : utf8(after);
      // Values are replaced, never written into: to hold them is to hold the moment.
      for (const [key, { value, expiresAt }] of entries) {
        if (!key.startsWith(prefix) || expiresAt <= now) continue;
        const bytes = utf8(key);
        if (start === undefined || compareBytes(bytes, start) > 0) found.push([key, bytes, value, expiresAt]);
      }
      found.sort((a, b) => compareBytes(a[1], b[1]));
      for (const [key, , value, expiresAt] of found.slice(0, limit)) yield storeEntry(key, new Uint8Array(value), expiresAt);
    },

    async close() {
      open = false;
    },
  };
}
