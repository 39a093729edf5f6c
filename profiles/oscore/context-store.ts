import type { ContextStore } from '../../src/oscore/index.ts';
import type { Store } from '../../src/store/index.ts';

/**
 * Sender sequence numbers in a `Store`: one counter for each sender key, `oscore/ssn/<id>`, moved before a number of the block is used.
 *
 * A value of the counter is durable when `increment` is fulfilled, and nothing ever moves it back.
 */
export function storedContexts(store: Store): ContextStore {
  return { reserve: (senderKeyId, count) => store.increment(`oscore/ssn/${senderKeyId}`, count) };
}
