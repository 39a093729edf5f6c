import { randomFillSync } from 'node:crypto';
import type { RootDatabase } from 'lmdb';
import { carve } from '../../core/bytes.ts';

export type Database = RootDatabase<Uint8Array, Uint8Array>;

/** The versions of entries that stay are 1 to 2^48. Those of entries that end lie above, and the value begins with the seconds at which the entry ends. */
const versions = 2 ** 48;

/** Bytes of an end. */
export const endLength = 8;

export interface Entry {
  readonly value: Uint8Array;
  /** Infinite for an entry that stays. */
  readonly expiresAt: number;
}

/** What stands under a key in the current snapshot, expired or not. */
export function readEntry(database: Database, key: Uint8Array): Entry | undefined {
  const entry = database.getEntry(key);
  return entry && decodeEntry(entry.value, entry.version!);
}

export function decodeEntry(bytes: Uint8Array, version: number): Entry {
  if (version <= versions) return { value: new Uint8Array(bytes), expiresAt: Number.POSITIVE_INFINITY };
  return { value: new Uint8Array(bytes.subarray(endLength)), expiresAt: endAt(bytes, 0) };
}

/** To be called in a block of the database. */
export function putEntry(database: Database, key: Uint8Array, { value, expiresAt }: Entry): void {
  if (expiresAt === Number.POSITIVE_INFINITY) void database.put(key, value, freshVersion());
  else void database.put(key, endingValue(expiresAt, value), versions + freshVersion());
}

const encodedEnd = new Uint8Array(endLength);
const encodedEndView = new DataView(encodedEnd.buffer);

/** Seconds of 0 or more: their bytes have the order of the numbers. */
export function putEnd(into: Uint8Array, at: number, expiresAt: number): void {
  encodedEndView.setFloat64(0, Math.max(0, expiresAt));
  into.set(encodedEnd, at);
}

function endAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, endLength).getFloat64(0);
}

/** A value with its end before it, where lmdb's thread reads it. */
function endingValue(expiresAt: number, value: Uint8Array): Uint8Array {
  const bytes = carve(endLength + value.length);
  putEnd(bytes, 0, expiresAt);
  bytes.set(value, endLength);
  return bytes;
}

/** Bytes of the randomness in a version. */
export const randomLength = 6;

/** Fetched for many at once: a call costs more than the bytes. */
const randomness = new Uint8Array(randomLength * 512);
const randomnessView = new DataView(randomness.buffer);
let randomnessUsed = randomness.length;

/** So many random bytes that nobody had before. */
export function putRandom(into: Uint8Array, at: number): void {
  const from = takeRandom();
  for (let i = 0; i < randomLength; i++) into[at + i] = randomness[from + i]!;
}

/** Unlike any version that the entry ever had: a process of another release with the same store may look whether an entry is still the one that it read. */
export function freshVersion(): number {
  const from = takeRandom();
  return randomnessView.getUint16(from) * 2 ** 32 + randomnessView.getUint32(from + 2) + 1;
}

function takeRandom(): number {
  if (randomnessUsed === randomness.length) {
    randomFillSync(randomness);
    randomnessUsed = 0;
  }
  const from = randomnessUsed;
  randomnessUsed += randomLength;
  return from;
}
