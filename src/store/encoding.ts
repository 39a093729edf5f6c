import { utf8 } from '../core/bytes.ts';
import { type Change, type PutOptions, type StoreEntry, StoreError } from './store.ts';

/** The longest key, in bytes of UTF-8. Every kind of store can index that much. */
const longestKey = 1_000;

/** The largest value, in bytes: room for a token with its keys many times over, and a bound for what a caller passes on from a peer. */
const largestValue = 1_048_576;

/** The most changes of a batch, and the bytes of all their values. */
const largestBatch = 1_000;
const heaviestBatch = 16_777_216;

/** Of so many changes, each is looked at for each: a set costs more. */
const fewChanges = 8;

/** The largest step of a counter: 2^40, as many numbers as OSCORE has for one key. */
const largestStep = 0x100_0000_0000;

const loneSurrogate = /\p{Cs}/u;

/**
 * The bytes of a key.
 *
 * @throws {StoreError} `ERR_STORE_KEY`
 */
function encodeKey(key: string): Uint8Array {
  if (typeof key !== 'string') throw new StoreError('ERR_STORE_KEY', `expected a key of 1 to ${longestKey} bytes of UTF-8, got ${typeof key}`);
  // UTF-8 has no lone surrogates: TextEncoder would make one key of two.
  if (loneSurrogate.test(key)) throw new StoreError('ERR_STORE_KEY', 'expected a key of well-formed text, got one with a lone surrogate');
  const bytes = utf8(key);
  if (bytes.length < 1 || bytes.length > longestKey) {
    throw new StoreError('ERR_STORE_KEY', `expected a key of 1 to ${longestKey} bytes of UTF-8, got ${bytes.length} bytes`);
  }
  return bytes;
}

/**
 * The same where the bytes are not needed.
 *
 * @throws {StoreError} `ERR_STORE_KEY`
 */
export function checkKey(key: string): void {
  if (typeof key !== 'string' || key.length < 1 || key.length > longestKey || !isAscii(key)) encodeKey(key);
}

/** By a loop: a regular expression takes three times as long. */
function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/**
 * A copy of a value: what the caller does to its bytes afterwards does not reach the store.
 *
 * @throws {StoreError} `ERR_STORE_VALUE`
 */
export function copyValue(value: Uint8Array): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new StoreError('ERR_STORE_VALUE', `expected a value of bytes, got ${value === null ? 'null' : typeof value}`);
  if (value.length > largestValue) throw new StoreError('ERR_STORE_VALUE', `expected a value of at most ${largestValue} bytes, got ${value.length}`);
  return new Uint8Array(value);
}

/**
 * When an entry ends, in seconds since 1970; infinite where it stays.
 *
 * @throws {StoreError} `ERR_STORE_EXPIRY`
 */
export function endOf({ expiresAt = Number.POSITIVE_INFINITY }: PutOptions = {}): number {
  if (typeof expiresAt !== 'number' || Number.isNaN(expiresAt)) {
    throw new StoreError('ERR_STORE_EXPIRY', `expected the end of an entry in seconds since 1970, got ${String(expiresAt)}`);
  }
  return Math.max(0, expiresAt);
}

/** An entry as a scan gives it. @param expiresAt - infinite where it stays */
export function storeEntry(key: string, value: Uint8Array, expiresAt: number): StoreEntry {
  return expiresAt === Number.POSITIVE_INFINITY ? [key, value] : [key, value, expiresAt];
}

/** Whether an entry has what a condition expects; `undefined` is absent. */
export function sameValue(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}

/**
 * A counter's value as it is stored: 8 bytes, big-endian.
 */
export function encodeCounter(count: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(count));
  return bytes;
}

/**
 * A stored counter; absent is 0.
 *
 * @throws {StoreError} `ERR_STORE_COUNTER`
 */
export function decodeCounter(key: string, bytes: Uint8Array | undefined): number {
  if (bytes === undefined) return 0;
  const count = bytes.length === 8 ? Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0)) : Number.NaN;
  if (!Number.isSafeInteger(count)) throw new StoreError('ERR_STORE_COUNTER', `expected a counter under "${key}", got ${bytes.length} bytes that are none`);
  return count;
}

/**
 * Checks the step of a counter, and that the counter can take it.
 *
 * @throws {StoreError} `ERR_STORE_COUNTER`
 */
export function addToCounter(key: string, count: number, by: number): number {
  const sum = count + by;
  if (!Number.isSafeInteger(sum)) throw new StoreError('ERR_STORE_COUNTER', `the counter under "${key}" stands at ${count} and cannot take ${by} more`);
  return sum;
}

/** @throws {StoreError} `ERR_STORE_COUNTER` */
export function checkStep(by: number): void {
  if (!Number.isInteger(by) || by < 1 || by > largestStep) {
    throw new StoreError('ERR_STORE_COUNTER', `expected a step of 1 to ${largestStep}, got ${String(by)}`);
  }
}

/** A change of a batch, checked and copied. */
export interface CheckedChange {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly expiresAt: number;
  /** `undefined`: whatever there is. */
  readonly expected: { readonly value: Uint8Array | undefined } | undefined;
}

/** @throws {StoreError} `ERR_STORE_KEY`, also for a key that stands in it twice, `ERR_STORE_VALUE`, `ERR_STORE_EXPIRY`, `ERR_STORE_BATCH` */
export function checkBatch(changes: readonly Change[]): CheckedChange[] {
  if (changes.length > largestBatch) throw new StoreError('ERR_STORE_BATCH', `expected a batch of at most ${largestBatch} changes, got ${changes.length}`);
  let bytes = 0;
  for (const { value } of changes) bytes += value?.length ?? 0;
  if (bytes > heaviestBatch) throw new StoreError('ERR_STORE_BATCH', `expected a batch of at most ${heaviestBatch} bytes, got ${bytes}`);
  const checked: CheckedChange[] = [];
  const keys = changes.length > fewChanges ? new Set<string>() : undefined;
  for (const change of changes) {
    const { key, value, expected } = change;
    checkKey(key);
    if (keys === undefined ? checked.some((other) => other.key === key) : keys.has(key))
      throw new StoreError('ERR_STORE_KEY', `expected each key once in a batch, got "${key}" again`);
    keys?.add(key);
    const condition = expected === undefined ? undefined : expected === null ? absent : { value: new Uint8Array(expected) };
    checked.push({ key, value: value && copyValue(value), expiresAt: endOf(change), expected: condition });
  }
  return checked;
}

const absent = { value: undefined };
