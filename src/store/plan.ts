import { addToCounter, checkBatch, checkKey, checkStep, copyValue, decodeCounter, encodeCounter, endOf, sameValue } from './encoding.ts';
import type { Change, PutOptions } from './store.ts';

export interface PlannedWrite {
  readonly key: string;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
  /** Seconds since 1970; infinite for an entry that stays. */
  readonly expiresAt: number;
}

/** An operation that changes a store, in the terms that all stores share: what it reads, and what it makes of that. */
export interface Plan<T> {
  /** The keys that `decide` reads. */
  readonly reads: readonly string[];
  /** Bytes that it may write, with something for each change. */
  readonly weight: number;
  /** `done` is the result; the writes are made all or not at all, and only while what was read still stands. */
  decide(read: (key: string) => Uint8Array | undefined): { readonly done: T; readonly writes: readonly PlannedWrite[] };
}

/** What a change weighs beside its value. */
const changeWeight = 1_024;

const stays = Number.POSITIVE_INFINITY;

/** @throws {StoreError} `ERR_STORE_KEY`, `ERR_STORE_VALUE`, `ERR_STORE_EXPIRY` */
export function planPut(key: string, value: Uint8Array, options?: PutOptions): Plan<void> {
  checkKey(key);
  const writes = [{ key, value: copyValue(value), expiresAt: endOf(options) }];
  return { reads: [], weight: changeWeight + value.length, decide: () => ({ done: undefined, writes }) };
}

/** @throws {StoreError} `ERR_STORE_KEY` */
export function planDelete(key: string): Plan<boolean> {
  checkKey(key);
  return {
    reads: [key],
    weight: changeWeight,
    decide: (read) => (read(key) === undefined ? { done: false, writes: [] } : { done: true, writes: [{ key, value: undefined, expiresAt: stays }] }),
  };
}

/** @throws {StoreError} `ERR_STORE_KEY`, `ERR_STORE_VALUE`, `ERR_STORE_EXPIRY` */
export function planCompareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined, options?: PutOptions): Plan<boolean> {
  checkKey(key);
  const wanted = expected && new Uint8Array(expected);
  const writes = [{ key, value: next && copyValue(next), expiresAt: endOf(options) }];
  return {
    reads: [key],
    weight: changeWeight + (next?.length ?? 0),
    decide: (read) => (sameValue(read(key), wanted) ? { done: true, writes } : { done: false, writes: [] }),
  };
}

/** @throws {StoreError} as `checkBatch` */
export function planBatch(changes: readonly Change[]): Plan<boolean> {
  const writes = checkBatch(changes);
  const reads: string[] = [];
  let weight = 0;
  for (const { key, value, expected } of writes) {
    if (expected !== undefined) reads.push(key);
    weight += changeWeight + (value?.length ?? 0);
  }
  return {
    reads,
    weight,
    decide: (read) => {
      for (const { key, expected } of writes) if (expected !== undefined && !sameValue(read(key), expected.value)) return { done: false, writes: [] };
      return { done: true, writes };
    },
  };
}

/** @throws {StoreError} `ERR_STORE_KEY`, `ERR_STORE_COUNTER`; `decide` too, for a counter that is none or is full */
export function planIncrement(key: string, by: number): Plan<number> {
  checkKey(key);
  checkStep(by);
  return {
    reads: [key],
    weight: changeWeight,
    decide: (read) => {
      const done = decodeCounter(key, read(key));
      return { done, writes: [{ key, value: encodeCounter(addToCounter(key, done, by)), expiresAt: stays }] };
    },
  };
}
