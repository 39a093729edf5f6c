import type { Change, Store, StoreEntry } from './store.ts';

/** What goes over in one batch. */
export const batchLength = 200;
const batchBytes = 4_194_304;

/** Whether there is no entry at all. */
export async function isEmpty(store: Store): Promise<boolean> {
  for await (const _ of store.scan('', { limit: 1 })) return false;
  return true;
}

/** Put entries into a store, with their ends. Those that an earlier attempt has put are put again: that is quicker than to ask for each. Returns how many they were. */
export async function copyEntries(entries: AsyncIterable<StoreEntry>, to: Store, progress: (entries: number) => void): Promise<number> {
  let copied = 0;
  let bytes = 0;
  let changes: Change[] = [];
  const write = async (): Promise<void> => {
    await to.batch(changes);
    copied += changes.length;
    changes = [];
    bytes = 0;
    progress(copied);
  };
  for await (const [key, value, expiresAt] of entries) {
    changes.push({ key, value, ...(expiresAt === undefined ? {} : { expiresAt }) });
    bytes += value.length;
    if (changes.length === batchLength || bytes >= batchBytes) await write();
  }
  await write();
  return copied;
}
