import type { Store } from '../../store/index.ts';

/** What a store is asked for, by the name of the method. */
export type StoreOperation = Exclude<keyof Store, 'close'>;

/** Hears how long an operation took, in seconds, and whether it failed. */
export type ObserveStore = (operation: StoreOperation, seconds: number, outcome: 'done' | 'failed') => void;

/** A store that tells how long its operations take. The time of a scan is what the store took for it, not what was done with what it gave. */
export function measuredStore(store: Store, observe: ObserveStore): Store {
  const measured = async <T>(operation: StoreOperation, work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    try {
      const result = await work();
      observe(operation, (performance.now() - start) / 1000, 'done');
      return result;
    } catch (error) {
      observe(operation, (performance.now() - start) / 1000, 'failed');
      throw error;
    }
  };
  return {
    get: (key) => measured('get', () => store.get(key)),
    put: (key, value, options) => measured('put', () => store.put(key, value, options)),
    delete: (key) => measured('delete', () => store.delete(key)),
    compareAndSet: (key, expected, next, options) => measured('compareAndSet', () => store.compareAndSet(key, expected, next, options)),
    batch: (changes) => measured('batch', () => store.batch(changes)),
    increment: (key, by) => measured('increment', () => store.increment(key, by)),
    async *scan(prefix, options) {
      let seconds = 0;
      let outcome: 'done' | 'failed' = 'failed';
      const entries = store.scan(prefix, options)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const start = performance.now();
          const next = await entries.next().finally(() => {
            seconds += (performance.now() - start) / 1000;
          });
          if (next.done === true) break;
          // Whoever leaves the loop here has got what he wanted.
          outcome = 'done';
          yield next.value;
          outcome = 'failed';
        }
        outcome = 'done';
      } finally {
        observe('scan', seconds, outcome);
        await entries.return?.();
      }
    },
    close: () => store.close(),
  };
}
