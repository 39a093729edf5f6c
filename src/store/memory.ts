import { compareBytes, equalBytes, utf8 } from '../core/bytes.ts';
import { addToCounter, checkStep, copyValue, decodeCounter, encodeCounter, encodeKey } from './encoding.ts';
import { type Store, StoreError } from './store.ts';

/**
 * A store that lives as long as the object: for tests, for simulations, and where state may be lost.
 *
 * A role that protects messages must not restart on an empty memory store with the same keys: it would use sequence numbers again.
 */
export function memoryStore(): Store {
  const entries = new Map<string, Uint8Array>();
  let open = true;

  const use = (key: string): void => {
    if (!open) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
    encodeKey(key);
  };

  return {
    async get(key) {
      use(key);
      const value = entries.get(key);
      return value && new Uint8Array(value);
    },

    async put(key, value) {
      use(key);
      entries.set(key, copyValue(value));
    },

    async delete(key) {
      use(key);
      return entries.delete(key);
    },

    async compareAndSet(key, expected, next) {
      use(key);
      const copy = next && copyValue(next);
      const current = entries.get(key);
      if (current === undefined || expected === undefined ? current !== expected : !equalBytes(current, expected)) return false;
      if (copy) entries.set(key, copy);
      else entries.delete(key);
      return true;
    },

    async increment(key, by) {
      use(key);
      checkStep(by);
      const before = decodeCounter(key, entries.get(key));
      entries.set(key, encodeCounter(addToCounter(key, before, by)));
      return before;
    },

    async *scan(prefix) {
      if (!open) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
      const found: [key: string, bytes: Uint8Array, value: Uint8Array][] = [];
      // Values are replaced, never written into: to hold them is to hold the moment.
      for (const [key, value] of entries) if (key.startsWith(prefix)) found.push([key, utf8(key), value]);
      found.sort((a, b) => compareBytes(a[1], b[1]));
      for (const [key, , value] of found) yield [key, new Uint8Array(value)] as const;
    },

    async close() {
      open = false;
    },
  };
}
