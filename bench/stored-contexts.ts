import { decodeSavedContext, encodeSavedContext } from '../profiles/oscore/saved-context.ts';
import { toHex } from '../src/core/bytes.ts';
import type { ContextParameters, ContextStore } from '../src/oscore/index.ts';
import type { Store } from '../src/store/index.ts';
import { otherSide } from './requests.ts';

/** How many contexts the store of `oscore-restart` holds. */
export const storedCount = 100_000;

/** The keys of a client with the server, from the side of the client. */
export function storedKeys(index: number): ContextParameters {
  const id = Uint8Array.of(index >>> 16, index >>> 8, index);
  return { masterSecret: new Uint8Array(16).fill(7), masterSalt: id, senderId: id, recipientId: Uint8Array.of(0xff) };
}

const keyOf = (kid: Uint8Array): string => `oscore/context/${toHex(kid)}`;

/** Puts all of them into the store, some at a time. */
export async function storeContexts(store: Store): Promise<void> {
  const atOnce = 5000;
  for (let first = 0; first < storedCount; first += atOnce) {
    const writes = Array.from({ length: atOnce }, (_, i) => {
      const keys = storedKeys(first + i);
      return store.put(keyOf(keys.senderId), encodeSavedContext(otherSide(keys)));
    });
    await Promise.all(writes);
  }
}

/** What a server keeps there: numbers and contexts. */
export function contextStore(store: Store): ContextStore {
  return {
    reserve: (senderKeyId, count) => store.increment(`oscore/ssn/${senderKeyId}`, count),
    load: async (kid) => {
      const saved = await store.get(keyOf(kid));
      return saved === undefined ? undefined : { parameters: decodeSavedContext(saved) };
    },
  };
}
