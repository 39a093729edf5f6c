import { chmod, copyFile, open, rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type Env, systemEnv } from '../../core/env.ts';
import { makeFolder, type Store } from '../../store/index.ts';
import { isGone, type WritingProcess } from '../process.ts';
import { anchorsIn, putArchived } from './anchor.ts';
import { AuditLog } from './audit-log.ts';
import { AuditError, type ChainHead } from './entry.ts';
import { auditFiles, lastEntry, sameBytes } from './files.ts';
import { verifyAudit } from './verify.ts';

/** What leaves an audit log, and for where. */
export interface ArchiveAuditOptions {
  readonly folder: string;
  /** The folder that takes the files; made with mode 0700 where it does not exist. */
  readonly archive: string;
  /** ISO 8601, UTC: files go whose last entry is older. */
  readonly before: string;
  /** The one that knows how far each chain had come. It is told what went, so that nobody misses it. */
  readonly store: Store;
  /** Of the program, for the entries that say what went. */
  readonly version: string;
  readonly env?: Env;
  /** Whether a process is gone for sure; as this machine can tell when absent. */
  readonly isGone?: (writer: WritingProcess) => boolean;
  /** Hears of each file when it is in the archive. */
  readonly moved?: (file: ArchivedFile) => void;
}

/** A file that went to the archive; the place is its last entry. */
export interface ArchivedFile extends ChainHead {
  /** Its name, which is the same there. */
  readonly file: string;
  readonly bytes: number;
}

/** What went, and what stayed although it is old enough. */
export interface ArchivedAudit {
  readonly files: readonly ArchivedFile[];
  readonly notes: readonly string[];
}

/**
 * Move the oldest files of an audit log to an archive while its servers go on: of each chain from its beginning on, as far as entries are old enough. The file that
 * a process writes stays. So does the last one of a process that did not end in order, unless it is gone for sure: it was noted in the store which it was, and that
 * machine was started anew, or has no such process any more. Of one in another container, or on another machine, nobody can tell.
 *
 * A file leaves the folder when its copy is on the disk and the same, an entry says so (`audit-archived`, in a chain of its own), and the store knows: whoever is
 * interrupted begins again and loses nothing.
 *
 * @throws {AuditError} `ERR_AUDIT_CHANGED` when the audit log is not as it was written: nothing is moved; `ERR_AUDIT_ARCHIVE` when the archive cannot take a file;
 * `ERR_AUDIT_OPEN`, `ERR_AUDIT_WRITE`
 */
export async function archiveAudit({
  folder,
  archive,
  before,
  store,
  version,
  env = systemEnv,
  isGone: gone = isGone,
  moved,
}: ArchiveAuditOptions): Promise<ArchivedAudit> {
  const [from, to] = [resolve(folder), resolve(archive)];
  if (from === to) throw new AuditError('ERR_AUDIT_ARCHIVE', `expected an archive beside the audit log, got ${to} for both`);
  const anchors = await anchorsIn(store);
  const [problem] = (await verifyAudit(from, anchors)).problems;
  if (problem !== undefined) {
    const { file, line, detail } = problem;
    throw new AuditError(
      'ERR_AUDIT_CHANGED',
      `expected an audit log as it was written, got one that was changed: ${file}${line === 0 ? '' : `:${line}`}: ${detail}`,
    );
  }
  const { due, notes } = await dueFiles(from, before, new Set(anchors.filter(({ writer }) => writer !== undefined && gone(writer)).map(({ chain }) => chain)));
  const files: ArchivedFile[] = [];
  if (due.length === 0) return { files, notes };
  const log = await AuditLog.open({ folder: from, version, store, env });
  try {
    for (const { path, chain, seq, hash } of due) {
      const file = basename(path);
      const bytes = await keep(path, to);
      const archived = { file, bytes, chain, seq, hash };
      await log.append({ type: 'audit-archived', ...archived, archive: to } as { readonly type: string });
      await putArchived(store, { chain, seq, hash });
      await rm(path);
      files.push(archived);
      moved?.(archived);
    }
  } finally {
    await log.close();
  }
  return { files, notes };
}

interface DueFile extends ChainHead {
  readonly path: string;
}

/** @param over - chains to which nothing comes any more */
async function dueFiles(
  folder: string,
  before: string,
  over: ReadonlySet<string>,
): Promise<{ readonly due: readonly DueFile[]; readonly notes: readonly string[] }> {
  const due: DueFile[] = [];
  const notes: string[] = [];
  const files = await auditFiles(folder);
  const stopped = new Set<string>();
  for (const [at, { path, chain }] of files.entries()) {
    if (stopped.has(chain)) continue;
    const last = await lastEntry(path);
    const isLast = files[at + 1]?.chain !== chain;
    if (last !== undefined && last.time < before && (!isLast || last.event.type === 'chain-ended' || over.has(chain))) {
      due.push({ path, chain, seq: last.seq, hash: last.hash });
      continue;
    }
    stopped.add(chain);
    if (last !== undefined && last.time < before)
      notes.push(`${path} stays: the process that wrote it still runs, or did not end in order and nobody can tell here that it is gone`);
  }
  return { due, notes };
}

/** A copy that is on the disk, with the same bytes. Returns how many they are. */
async function keep(path: string, archive: string): Promise<number> {
  const copy = join(archive, basename(path));
  try {
    makeFolder(archive);
    const there = await stat(copy).catch(() => undefined);
    if (there === undefined) {
      const part = `${copy}.part`;
      await copyFile(path, part);
      await chmod(part, 0o600);
      await synchronize(part);
      await rename(part, copy);
      await synchronize(archive);
    }
    if (await sameBytes(path, copy)) return (await stat(copy)).size;
  } catch (cause) {
    throw new AuditError('ERR_AUDIT_ARCHIVE', `cannot archive ${path} in ${archive}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  throw new AuditError('ERR_AUDIT_ARCHIVE', `expected ${copy} to be a copy of ${path}, got another file`);
}

async function synchronize(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
