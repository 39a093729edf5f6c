import { openStore, type Store } from '../../store/index.ts';

/** Do something with a store that is there: one that is not is not made. */
export async function withStore<T>(place: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(place, { create: false });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
