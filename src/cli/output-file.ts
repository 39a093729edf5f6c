import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './exit.ts';
import { replaceFile } from './replace-file.ts';

/** How a file is written that a command was asked for. */
export interface OutputFileOptions {
  /** What named it, for the error; absent: nothing but the name. */
  readonly flag?: string;
  /** It is for its owner alone. */
  readonly isSecret?: boolean;
  /** It may not be there yet. */
  readonly isNew?: boolean;
}

function cannotWrite(file: string, flag: string | undefined, cause: unknown): UsageError {
  const { code } = cause as NodeJS.ErrnoException;
  const why = code === 'EEXIST' ? 'expected no such file, got one; it is not overwritten' : `cannot be written (${code})`;
  return new UsageError(`${flag === undefined ? '' : `${flag}: `}${file}: ${why}`, { cause });
}

/**
 * Refuse a file that `writeOutput` could not write, before the work that it is for; an absent one is none.
 *
 * @throws {UsageError}
 */
export function checkOutput(file: string | undefined, flag?: string): void {
  if (file === undefined) return;
  try {
    const isThere = existsSync(file);
    if (isThere && statSync(file).isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    // A slash at the end, since it has to be a folder.
    accessSync(isThere ? file : `${dirname(file)}/`, constants.W_OK);
  } catch (cause) {
    throw cannotWrite(file, flag, cause);
  }
}

/**
 * Write a file whole. Where that cannot be, one that was there before stays as it was, and one that was not is not there afterwards either.
 *
 * @throws {UsageError}
 */
export function writeOutput(file: string, content: string | Uint8Array, { flag, isSecret = false, isNew = false }: OutputFileOptions = {}): void {
  const wasThere = existsSync(file);
  const mode = isSecret ? 0o600 : undefined;
  try {
    if (isNew) writeFileSync(file, content, { flag: 'wx', mode });
    else replaceFile(file, content, mode);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (isNew && !wasThere && code !== 'EEXIST') rmSync(file, { force: true });
    throw cannotWrite(file, flag, cause);
  }
}
