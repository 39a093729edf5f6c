import { compareBytes, utf8 } from '../core/bytes.ts';
import { systemEnv } from '../core/env.ts';
import { type StoreOptions, steadyEpoch } from './clock.ts';
import { addToCounter, checkBatch, checkStep, copyValue, decodeCounter, encodeCounter, encodeKey, endOf, sameValue } from './encoding.ts';
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

  const use = (key: string): void => {
    if (!open) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
    encodeKey(key);
  };
  const read = (key: string): Uint8Array | undefined => {
    const entry = entries.get(key);
    return entry !== undefined && entry.expiresAt > steadyEpoch(env) ? entry.value : undefined;
  };
  const write = (key: string, value: Uint8Array | undefined, expiresAt: number = Number.POSITIVE_INFINITY): void => {
    if (value === undefined) entries.delete(key);
    else entries.set(key, { value, expiresAt });
    if (--writesToSweep > 0) return;
    const now = steadyEpoch(env);
    for (const [old, entry] of entries) if (entry.expiresAt <= now) entries.delete(old);
    writesToSweep = Math.max(leastWrites, entries.size);
  };
  return {
    async get(key) {
      use(key);
      const value = read(key);
      return value && new Uint8Array(value);
    },

    async put(key, value, options) {
      use(key);
      write(key, copyValue(value), endOf(options));
    },

    async delete(key) {
      use(key);
      const found = read(key) !== undefined;
      entries.delete(key);
      return found;
    },

    async compareAndSet(key, expected, next, options) {
      use(key);
      const copy = next && copyValue(next);
      const end = endOf(options);
      if (!sameValue(read(key), expected)) return false;
      write(key, copy, end);
      return true;
    },

    async batch(changes) {
      if (!open) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
      const checked = checkBatch(changes);
      for (const { key, expected } of checked) if (expected && !sameValue(read(key), expected.value)) return false;
      for (const { key, value, expiresAt } of checked) write(key, value, expiresAt);
      return true;
    },

    async increment(key, by) {
      use(key);
      checkStep(by);
      const before = decodeCounter(key, read(key));
      write(key, encodeCounter(addToCounter(key, before, by)));
      return before;
    },

    async *scan(prefix, { after, limit = Number.POSITIVE_INFINITY } = {}) {
      if (!open) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
      const found: [key: string, bytes: Uint8Array, value: Uint8Array][] = [];
      const now = steadyEpoch(env);
      const start = after === undefined ? undefined : utf8(after);
      // Values are replaced, never written into: to hold them is to hold the moment.
      for (const [key, { value, expiresAt }] of entries) {
        if (!key.startsWith(prefix) || expiresAt <= now) continue;
        const bytes = utf8(key);
        if (start === undefined || compareBytes(bytes, start) > 0) found.push([key, bytes, value]);
      }
      found.sort((a, b) => compareBytes(a[1], b[1]));
      for (const [key, , value] of found.slice(0, limit)) yield [key, new Uint8Array(value)] as const;
    },

    async close() {
      open = false;
    },
  };
}
