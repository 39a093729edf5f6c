import { randomBytes } from 'node:crypto';

/** The first byte of a database key: the store's own entries, and the caller's. */
export const own = 0x00;
export const callers = 0x01;

export function databaseKey(first: number, key: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(1 + key.length); // lmdb takes the methods of Buffer
  bytes[0] = first;
  bytes.set(key, 1);
  return bytes;
}

/** Unlike any version that the entry ever had, so that an entry deleted and made anew is not taken for the one that was read. */
export function freshVersion(): number {
  return randomBytes(6).readUIntBE(0, 6) + 1;
}
