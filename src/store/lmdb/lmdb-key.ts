import { utf8 } from '../../core/bytes.ts';

/** The first byte of a database key: the store's own entries, and the caller's. */
export const own = 0x00;
export const callers = 0x01;

export function databaseKey(first: number, key: Uint8Array): Uint8Array {
  const bytes = emptyKey(first, key.length);
  bytes.set(key, 1);
  return bytes;
}

/** The same for a caller's key. */
export function callersKey(key: string): Uint8Array {
  const { length } = key;
  const bytes = emptyKey(callers, length);
  for (let at = 0; at < length; at++) {
    const code = key.charCodeAt(at);
    if (code > 0x7f) return databaseKey(callers, utf8(key));
    bytes[at + 1] = code;
  }
  return bytes;
}

/** A key in which so many bytes after the first are still to be written. */
export function emptyKey(first: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(1 + length); // lmdb takes the methods of Buffer
  bytes[0] = first;
  return bytes;
}

/** Under it stands the version of the layout, in every store. */
export const versionKey: Uint8Array = databaseKey(own, utf8('version'));
