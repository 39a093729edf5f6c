import { ProtocolError } from '../core/errors.ts';

/** A store that cannot be read, written or opened. */
export class StoreError extends ProtocolError {}

/** How long an entry stays. */
export interface PutOptions {
  /** Seconds since 1970: from then on the entry is absent, and some time later it is gone. Absent: the entry stays. */
  readonly expiresAt?: number;
}

/** One change of a batch. */
export interface Change extends PutOptions {
  readonly key: string;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
  /** What has to be there (`null`: nothing) for the batch to be made. Absent: whatever there is. */
  readonly expected?: Uint8Array | null;
}

/** Which part of a scan is wanted. */
export interface ScanOptions {
  /** Only what comes after this key. */
  readonly after?: string;
  /** At most so many. */
  readonly limit?: number;
}

/** An entry as a scan gives it; `expiresAt` in seconds since 1970. */
export type StoreEntry = readonly [key: string, value: Uint8Array, expiresAt?: number];

/**
 * Durable state: bytes under text keys.
 *
 * A key is path-like (`oscore/ssn/<id>`), 1 to 1,000 bytes of UTF-8. When the promise of a change is fulfilled, the change survives `kill -9` and a power cut
 * (a memory store: as long as the process). Every operation is atomic, also between processes that opened the same store.
 */
export interface Store {
  /** A fresh copy; `undefined`: there is no such entry, or it has ended. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Durable when the promise is fulfilled; replaces what is there. */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<void>;
  /** Whether there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Replace the value if it still is `expected` (`undefined`: absent); `next` undefined deletes. Returns whether it was replaced. */
  compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined, options?: PutOptions): Promise<boolean>;
  /** Make all changes, or none where one of them finds something else than it expects. Returns whether they were made. A key stands in a batch once. */
  batch(changes: readonly Change[]): Promise<boolean>;
  /** Add `by` (1 to 2^40) to a counter that starts at 0 and return the value before. */
  increment(key: string, by: number): Promise<number>;
  /** The entries whose key starts with `prefix`, in order of key bytes, as they stood at one moment; with their end, where they have one. */
  scan(prefix: string, options?: ScanOptions): AsyncIterable<StoreEntry>;
  /** Write what waits, and let go of files and connections. */
  close(): Promise<void>;
}
