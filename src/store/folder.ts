import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Make a folder, and those above it that are missing, each with mode 0700. One that is there stays as it is.
 *
 * The `recursive` of `mkdir` has no end where a system says that a folder is missing although the one above it is there, as Linux does below `/proc`.
 *
 * Throws what `mkdirSync` throws.
 *
 * @returns the topmost that was made; `undefined`: it was there
 */
export function makeFolder(path: string): string | undefined {
  try {
    mkdirSync(path, { mode: 0o700 });
    return path;
  } catch (error) {
    if (isFolder(path)) return undefined;
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) throw error;
    const first = existsSync(above) ? undefined : makeFolder(above);
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (again) {
      // Another process may have made it meanwhile.
      if (!isFolder(path)) throw again;
    }
    return first ?? path;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
