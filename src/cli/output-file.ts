import { chmodSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { UsageError } from './exit.ts';

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
 * Write a file whole. Where that cannot be, one that was not there before is not there afterwards either.
 *
 * @throws {UsageError}
 */
export function writeOutput(file: string, content: string | Uint8Array, { flag, isSecret = false, isNew = false }: OutputFileOptions = {}): void {
  const before = statSync(file, { throwIfNoEntry: false });
  try {
    // What is there already keeps its mode when it is written, so it is narrowed first; a device is nobody's.
    if (isSecret && before?.isFile() === true) chmodSync(file, 0o600);
    writeFileSync(file, content, { flag: isNew ? 'wx' : 'w', ...(isSecret ? { mode: 0o600 } : {}) });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (before === undefined && code !== 'EEXIST') rmSync(file, { force: true });
    throw new UsageError(
      `${flag === undefined ? '' : `${flag}: `}${file}: ${code === 'EEXIST' ? 'expected no such file, got one; it is not overwritten' : `cannot be written (${code})`}`,
      {
        cause,
      },
    );
  }
}
