import { randomFillSync } from 'node:crypto';
import { IF_EXISTS, type RootDatabase } from 'lmdb';
import { carve, emptyBytes, equalBytes, utf8 } from '../../core/bytes.ts';
import { databaseKey, emptyKey, own, versionKey } from './lmdb-key.ts';

export type Database = RootDatabase<Uint8Array, Uint8Array>;

/** The versions of entries that stay are 1 to 2^48. Those of entries that end lie above, and the value begins with the seconds at which the entry ends. */
const versions = 2 ** 48;
const endLength = 8;

/** Nobody compares the versions of what remembers an end. */
const endVersion = 1;

/** Before the end and the key of an entry: what ends first stands first. */
const endsPrefix = utf8('ends/');

export interface Entry {
  readonly version: number;
  readonly value: Uint8Array;
  /** Infinite for an entry that stays. */
  readonly expiresAt: number;
}

/** A key with what is to stand under it. */
export interface Write {
  readonly key: Uint8Array;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
  readonly expiresAt: number;
}

/** A key with the version that has to stand under it; `null`: nothing. */
export type Condition = readonly [key: Uint8Array, version: number | null];

/** What stands under a key in the current snapshot, expired or not. */
export function readEntry(database: Database, key: Uint8Array): Entry | undefined {
  const entry = database.getEntry(key);
  return entry && decodeEntry(entry.value, entry.version!);
}

export function decodeEntry(bytes: Uint8Array, version: number): Entry {
  if (version <= versions) return { version, value: new Uint8Array(bytes), expiresAt: Number.POSITIVE_INFINITY };
  const expiresAt = new DataView(bytes.buffer, bytes.byteOffset, endLength).getFloat64(0);
  return { version, value: new Uint8Array(bytes.subarray(endLength)), expiresAt };
}

/**
 * Make all writes in one commit if every condition holds, else none. To be called where the database's own snapshot is of this moment.
 *
 * lmdb nests what depends on a condition in a block, and a block is never spread over two commits.
 */
export function writeEntries(database: Database, conditions: readonly Condition[], writes: readonly Write[]): Promise<boolean> {
  const ends = writes.map(({ key }) => {
    // Where nothing has to be, nothing is replaced.
    const absent = conditions.some(([expected, version]) => version === null && equalBytes(expected, key));
    return absent ? Number.POSITIVE_INFINITY : (readEntry(database, key)?.expiresAt ?? Number.POSITIVE_INFINITY);
  });
  const [first, ...others] = writes;
  if (first !== undefined && others.length === 0 && ends[0] === first.expiresAt && conditions.every(([key]) => equalBytes(key, first.key))) {
    return writeOne(database, first, conditions[0]?.[1]);
  }
  return inBlock(database, conditions, () => {
    for (const [index, write] of writes.entries()) {
      const end = ends[index]!;
      void writeOne(database, write, undefined);
      if (end !== write.expiresAt && end !== Number.POSITIVE_INFINITY) void database.remove(endKey(end, write.key));
      if (write.expiresAt !== Number.POSITIVE_INFINITY) void database.put(endKey(write.expiresAt, write.key), emptyBytes, endVersion);
    }
  });
}

/** Remove the entries that ended first, at most so many, and what remembers the end of entries that have got another one since. */
export async function sweep(database: Database, now: number, most: number): Promise<void> {
  const start = databaseKey(own, endsPrefix);
  const end = endKey(now, Uint8Array.of(0xff));
  const removals: Promise<boolean>[] = [];
  for (const ended of database.getKeys({ start, end, limit: most })) {
    const from = start.length + endLength;
    const key = Buffer.from(ended.subarray(from));
    const at = new DataView(ended.buffer, ended.byteOffset + start.length, endLength).getFloat64(0);
    const entry = readEntry(database, key);
    const remove = (): void => {
      if (entry?.expiresAt === at) void database.remove(key);
      void database.remove(Buffer.from(ended));
    };
    removals.push(inBlock(database, [[key, entry?.version ?? null]], remove));
  }
  await Promise.all(removals);
}

function writeOne(database: Database, { key, value, expiresAt }: Write, version: number | null | undefined): Promise<boolean> {
  if (value === undefined) return version === undefined || version === null ? database.remove(key) : database.remove(key, version);
  // `null`: only if absent. lmdb's types know numbers alone.
  const condition = version as number;
  if (expiresAt === Number.POSITIVE_INFINITY) return database.put(key, value, freshVersion(), condition);
  return database.put(key, endingValue(expiresAt, value), versions + freshVersion(), condition);
}

function inBlock(database: Database, conditions: readonly Condition[], write: () => void): Promise<boolean> {
  // lmdb forgets in a block for an absent key that the block around it was refused: those stand outside, and the last word has an entry that is always there.
  const absent = conditions.filter(([, version]) => version === null);
  const present = conditions.filter(([, version]) => version !== null);
  let done: Promise<boolean> | undefined;
  const innermost = (): void => {
    done = database.ifVersion(versionKey, IF_EXISTS, write);
  };
  const blocks = [...absent, ...present].reduceRight<() => void>(
    (inner, [key, version]) =>
      () => {
        // Each block has a promise of its own, which is rejected too where the commit fails.
        database.ifVersion(key, version as number, inner).catch(() => undefined);
      },
    innermost,
  );
  blocks();
  return done!;
}

const encodedEnd = new Uint8Array(endLength);
const encodedEndView = new DataView(encodedEnd.buffer);

function putEnd(into: Uint8Array, at: number, expiresAt: number): void {
  encodedEndView.setFloat64(0, Math.max(0, expiresAt)); // of positive numbers, the bytes have the order of the numbers
  into.set(encodedEnd, at);
}

/** A value with its end before it, where lmdb's thread reads it. */
function endingValue(expiresAt: number, value: Uint8Array): Uint8Array {
  const bytes = carve(endLength + value.length);
  putEnd(bytes, 0, expiresAt);
  bytes.set(value, endLength);
  return bytes;
}

function endKey(expiresAt: number, key: Uint8Array): Uint8Array {
  const from = 1 + endsPrefix.length;
  const bytes = emptyKey(own, from - 1 + endLength + key.length);
  bytes.set(endsPrefix, 1);
  putEnd(bytes, from, expiresAt);
  bytes.set(key, from + endLength);
  return bytes;
}

/** Fetched for many versions at once: a call costs more than the bytes. */
const randomness = new Uint8Array(6 * 512);
let randomnessUsed = randomness.length;

/** Unlike any version that the entry ever had, so that an entry deleted and made anew is not taken for the one that was read. */
export function freshVersion(): number {
  if (randomnessUsed === randomness.length) {
    randomFillSync(randomness);
    randomnessUsed = 0;
  }
  const view = new DataView(randomness.buffer, randomnessUsed);
  randomnessUsed += 6;
  return view.getUint16(0) * 2 ** 32 + view.getUint32(2) + 1;
}
