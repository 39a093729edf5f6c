import { ProtocolError } from '../core/errors.ts';

/** A store that cannot be read, written or opened. */
export class StoreError extends ProtocolError {}

/**
 * Durable state: bytes under text keys.
 *
 * A key is path-like (`oscore/ssn/<id>`), 1 to 1,000 bytes of UTF-8. When the promise of a change is fulfilled, the change survives `kill -9` and a power cut
 * (a memory store: as long as the process). Every operation is atomic, also between processes that opened the same store.
 */
export interface Store {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, value: Uint8Array): Promise<void>;
  /** Whether there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Replace the value if it still is `expected` (`undefined`: absent); `next` undefined deletes. Returns whether it was replaced. */
  compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined): Promise<boolean>;
  /** Add `by` (1 to 2^40) to a counter that starts at 0 and return the value before. */
  increment(key: string, by: number): Promise<number>;
  /** The entries whose key starts with `prefix`, in order of key bytes, as they stood at one moment. */
  scan(prefix: string): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  close(): Promise<void>;
}
