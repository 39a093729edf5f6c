import { rmSync, statSync, writeFileSync } from 'node:fs';

/** Bytes that LMDB has for the head of a lock file, and for each reader. */
const headBytes = 272;
const readerBytes = 64;

/** Bytes of a new database, and some more. */
const firstBytes = 65_536;

/**
 * See to it that there is room for what LMDB is about to make of files that are still empty. It maps its lock file into memory, where a full disk ends the process
 * (SIGBUS), and so does a new database that cannot be written (lmdb 3.5.6): here it is an error of the system, `ENOSPC` for one.
 *
 * Nobody else may open the database meanwhile.
 */
export function makeRoom(data: string, lock: string, readers: number): void {
  if (isEmpty(lock)) writeFileSync(lock, new Uint8Array(headBytes + readerBytes * readers), { mode: 0o600 });
  if (!isEmpty(data)) return;
  const trial = `${data}.new`;
  try {
    writeFileSync(trial, new Uint8Array(firstBytes), { mode: 0o600 });
  } finally {
    rmSync(trial, { force: true });
  }
}

function isEmpty(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
}
