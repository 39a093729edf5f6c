import { carve, emptyBytes, utf8 } from '../../core/bytes.ts';
import { type Database, endLength, putEnd, putRandom, randomLength, readEntry } from './lmdb-entry.ts';
import { databaseKey, emptyKey, own } from './lmdb-key.ts';

/**
 * How a store remembers which entries end, to remove them some time after.
 *
 * The keys of entries that are new stand in lists: one commit makes one list for all that end about the same time, which lies on a page or two where an entry for each
 * would lie on as many pages as there are. Whoever deletes or replaces such an entry leaves its key in the list, where it does no harm. An entry that takes the
 * place of another has one of its own, with its end and its key, that goes when the end is moved again: entries whose end moves all the time leave one key behind.
 */
const endsPrefix = utf8('ends/');
const listsPrefix = utf8('lists/');

/** Nobody compares the versions of what remembers an end. */
const endVersion = 1;

/** Seconds: a list is for what ends within so many before its time. */
const breadth = 64;

/** Keys of one list at most, so that a sweep ends where it should. */
const longestList = 64;

/** Bytes before a key in a list: its length. */
const lengthLength = 2;

/** What one commit writes about ends. To be used in a block of the database. */
export class Ends {
  readonly #database: Database;
  readonly #lists = new Map<number, Uint8Array[]>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** @param before - infinite: there was no entry, or one that stayed */
  move(key: Uint8Array, before: number, after: number): void {
    if (before !== Number.POSITIVE_INFINITY) void this.#database.remove(endKey(before, key));
    if (after === Number.POSITIVE_INFINITY) return;
    if (before === Number.POSITIVE_INFINITY) this.#enlist(key, after);
    else void this.#database.put(endKey(after, key), emptyBytes, endVersion);
  }

  /** Write what was gathered. */
  write(): void {
    for (const [time, keys] of this.#lists) void this.#database.put(listKey(time), encodeList(keys), endVersion);
  }

  #enlist(key: Uint8Array, expiresAt: number): void {
    const time = Math.ceil(expiresAt / breadth) * breadth;
    const keys = this.#lists.get(time);
    if (keys === undefined) this.#lists.set(time, [key]);
    else if (keys.push(key) === longestList) {
      void this.#database.put(listKey(time), encodeList(keys), endVersion);
      this.#lists.delete(time);
    }
  }
}

/**
 * Remove entries that have ended, some `most` of them at once, and what remembers their ends. To be called in a block of the database, before anything is written in it.
 *
 * @returns whether there were any
 */
export function sweep(database: Database, now: number, most: number): boolean {
  let left = most;
  const removeEnded = (key: Uint8Array): void => {
    left--;
    const entry = readEntry(database, key);
    if (entry !== undefined && entry.expiresAt <= now) void database.remove(key);
  };
  for (const ended of keysUntil(database, endsPrefix, now, most)) {
    removeEnded(ended.subarray(1 + endsPrefix.length + endLength));
    void database.remove(ended);
  }
  for (const ended of keysUntil(database, listsPrefix, now, most)) {
    if (left <= 0) break;
    for (const key of decodeList(database.get(ended)!)) removeEnded(key);
    void database.remove(ended);
  }
  return left < most;
}

/** Copies: lmdb reads all keys into the same bytes. */
function keysUntil(database: Database, prefix: Uint8Array, now: number, limit: number): Buffer[] {
  const start = databaseKey(own, prefix);
  const end = emptyKey(own, prefix.length + endLength + randomLength + 1);
  end.set(start);
  putEnd(end, start.length, now);
  end.fill(0xff, start.length + endLength);
  return [...database.getKeys({ start, end, limit })].map((key) => Buffer.from(key));
}

function endKey(expiresAt: number, key: Uint8Array): Uint8Array {
  const from = 1 + endsPrefix.length;
  const bytes = emptyKey(own, endsPrefix.length + endLength + key.length);
  bytes.set(endsPrefix, 1);
  putEnd(bytes, from, expiresAt);
  bytes.set(key, from + endLength);
  return bytes;
}

function listKey(time: number): Uint8Array {
  const from = 1 + listsPrefix.length;
  const bytes = emptyKey(own, listsPrefix.length + endLength + randomLength);
  bytes.set(listsPrefix, 1);
  putEnd(bytes, from, time);
  putRandom(bytes, from + endLength);
  return bytes;
}

function encodeList(keys: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const key of keys) length += lengthLength + key.length;
  const bytes = carve(length);
  let at = 0;
  for (const key of keys) {
    bytes[at] = key.length >>> 8;
    bytes[at + 1] = key.length;
    bytes.set(key, at + lengthLength);
    at += lengthLength + key.length;
  }
  return bytes;
}

function decodeList(bytes: Uint8Array): Buffer[] {
  const keys: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const from = at + lengthLength;
    at = from + bytes[at]! * 256 + bytes[at + 1]!;
    keys.push(Buffer.from(bytes.subarray(from, at)));
  }
  return keys;
}
