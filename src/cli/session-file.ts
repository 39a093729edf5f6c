import { existsSync, readFileSync, statSync } from 'node:fs';
import { DtlsError, decodeSession, encodeSession } from '../dtls/index.ts';
import type { ResumableSessions } from '../transport/index.ts';
import { UsageError } from './exit.ts';
import { removeFile, replaceFile } from './replace-file.ts';

/**
 * The session of one run in a file for the next, which resumes it (RFC 5246, Section 7.3). The file is for its owner alone: it holds the master secret.
 *
 * @throws {UsageError} for a file that is something else, that others may use, or that cannot be read or written
 */
export function sessionFile(file: string): ResumableSessions {
  const write = (change: () => void): void => {
    try {
      change();
    } catch (cause) {
      throw new UsageError(`--session: ${file} cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
    }
  };
  let session = read(file);
  return {
    load: () => session,
    save: (next) => {
      session = next;
      write(() => replaceFile(file, encodeSession(next), 0o600));
    },
    remove: () => {
      session = undefined;
      write(() => removeFile(file));
    },
  };
}

function read(file: string): ReturnType<typeof decodeSession> | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0)
      throw new UsageError(`--session: ${file}: expected a file that its owner alone may use, got mode ${(mode & 0o777).toString(8)}; chmod 600 mends it`);
    return decodeSession(readFileSync(file));
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    if (cause instanceof DtlsError) throw new UsageError(`--session: ${file}: ${cause.message}; another name keeps the file`, { cause });
    throw new UsageError(`--session: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}
