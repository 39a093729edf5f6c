import { existsSync, rmSync, writeFileSync } from 'node:fs';
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
    throw new UsageError(
      `${flag === undefined ? '' : `${flag}: `}${file}: ${code === 'EEXIST' ? 'expected no such file, got one; it is not overwritten' : `cannot be written (${code})`}`,
      {
        cause,
      },
    );
  }
}
