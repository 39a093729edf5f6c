import { createHash, randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Links from one name to the next; a circle has no end. */
const mostLinks = 40;
/** Where names stand for what a process has open. */
const openFiles = /^(?:\/dev|\/proc\/.+)\/fd$/;
/** A folder in which nothing may be made, or a name that is bound to its file: what is there may be written all the same. */
const inPlace: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY']);

/** The file that symbolic links lead to, which need not be there; `undefined`: something that a process has open. */
function endOfLinks(file: string): string | undefined {
  let path = resolve(file);
  for (let links = 0; links < mostLinks; links++) {
    if (openFiles.test(realpathSync(dirname(path)))) return undefined;
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return path;
    path = resolve(dirname(path), readlinkSync(path));
  }
  return undefined;
}

/**
 * Write a file so that at each moment the old one or the new one stands there whole: it is written beside, and then takes the place of the old one, with its mode and
 * its owner. Symbolic links stay. What is no regular file is written as it is, and so is a file whose place nothing can take. What a kill has left beside it of an
 * earlier write goes once the next one is done.
 *
 * Throws what `node:fs` throws; then the old one stays.
 *
 * @param mode - of the file afterwards; absent: as before, or as the process makes files
 */
export function replaceFile(file: string, content: string | Uint8Array, mode?: number): void {
  const before = statSync(file, { throwIfNoEntry: false });
  const path = before === undefined || before.isFile() ? endOfLinks(file) : undefined;
  if (path === undefined) {
    writeFileSync(file, content);
    return;
  }
  if (before !== undefined) accessSync(path, constants.W_OK);
  try {
    replace(path, content, before, mode);
  } catch (error) {
    if (before === undefined || !inPlace.has((error as NodeJS.ErrnoException).code)) throw error;
    // What is there keeps its mode when it is written, so it is changed first.
    if (mode !== undefined) chmodSync(path, mode);
    writeFileSync(path, content);
  }
}

/** Milliseconds after which nobody writes any more: each writer is done in a moment, or was killed. */
const leftAfter = 60_000;

/** Names of what is written beside a file: they tell which file it is to be. */
function freshNames(path: string): string {
  return `.ace-coap-${createHash('sha256').update(basename(path)).digest('hex').slice(0, 16)}-`;
}

/** Take away what earlier writes of this file have left, by the clock of the file system; what cannot be taken away stays. */
function removeLeft(path: string, now: number, owners: readonly (number | undefined)[]): void {
  const [folder, names] = [dirname(path), freshNames(path)];
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(names) || !/^[0-9a-f]{12}$/.test(name.slice(names.length))) continue;
      const stats = lstatSync(join(folder, name), { throwIfNoEntry: false });
      if (stats?.isFile() === true && owners.includes(stats.uid) && now - stats.mtimeMs > leftAfter) rmSync(join(folder, name), { force: true });
    }
  } catch (error) {
    if ((error as Partial<NodeJS.ErrnoException>).code === undefined) throw error;
  }
}

function replace(path: string, content: string | Uint8Array, before: Stats | undefined, mode: number | undefined): void {
  const fresh = join(dirname(path), `${freshNames(path)}${randomBytes(6).toString('hex')}`);
  const wanted = mode ?? (before === undefined ? undefined : before.mode & 0o7777);
  const descriptor = openSync(fresh, 'wx', wanted === undefined ? 0o666 : 0o600);
  let written: number;
  try {
    try {
      writeFileSync(descriptor, content);
      if (before !== undefined && (before.uid !== process.getuid?.() || before.gid !== process.getgid?.())) fchownSync(descriptor, before.uid, before.gid);
      if (wanted !== undefined) fchmodSync(descriptor, wanted);
      fsyncSync(descriptor);
      written = fstatSync(descriptor).mtimeMs;
    } finally {
      closeSync(descriptor);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  removeLeft(path, written, [process.getuid?.(), before?.uid]);
}

/** Take a file away; a symbolic link to it stays. */
export function removeFile(file: string): void {
  rmSync(endOfLinks(file) ?? file, { force: true });
}
