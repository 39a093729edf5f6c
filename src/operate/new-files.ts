import { existsSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder } from '../store/index.ts';
import { ConfigError } from './config/error.ts';

/** A file and what is in it; the name may have a folder in it. */
export type NewFile = readonly [name: string, text: string];

/** What `writeNewFiles` has made. */
export interface NewFiles {
  /** In the order in which they were given. */
  readonly paths: readonly string[];
  /** Take them away again, with the folders that were made for them and have nothing else in them. */
  remove(): void;
}

/** Each file and folder that was made, the newest last. */
class Made {
  readonly #undo: (() => void)[] = [];

  folder(path: string): void {
    const first = makeFolder(path);
    if (first === undefined) return;
    const made: string[] = [];
    for (let at = path; ; at = dirname(at)) {
      made.unshift(at);
      if (at === first) break;
    }
    this.#undo.push(...made.map((at) => () => rmdirSync(at)));
  }

  file(path: string, text: string): void {
    try {
      writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      // What could not be written whole stands there nevertheless.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(path, { force: true });
      throw error;
    }
    this.#undo.push(() => rmSync(path, { force: true }));
  }

  remove(): void {
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        undo();
      } catch {
        // It has something else in it, or the reason for which all of it goes is one for which it cannot.
      }
    }
  }
}

/**
 * Writes files that are not there yet, all of them or none. Folders that are missing are made with mode 0700, files get mode 0600.
 *
 * @param taken - names in the folder of which none may be there
 * @throws {ConfigError} `ERR_CONFIG_EXISTS` if one is there already, `ERR_CONFIG_FILE` if they cannot be written; nothing is left of them then
 */
export function writeNewFiles(
  folder: string,
  files: readonly NewFile[],
  { expected, taken }: { readonly expected: string; readonly taken: readonly string[] },
): NewFiles {
  for (const name of taken) {
    if (!existsSync(join(folder, name))) continue;
    const message = `expected ${expected}, got one${name === '.' ? ' that is' : ` with ${name} in it; its keys are not overwritten`}`;
    throw new ConfigError('ERR_CONFIG_EXISTS', folder, [{ path: '', message }]);
  }
  const made = new Made();
  try {
    const paths = files.map(([name, text]) => {
      const path = join(folder, name);
      made.folder(dirname(path));
      made.file(path, text);
      return path;
    });
    return { paths, remove: () => made.remove() };
  } catch (cause) {
    made.remove();
    throw new ConfigError('ERR_CONFIG_FILE', folder, [{ path: '', message: `cannot be written: ${(cause as Error).message}` }], { cause });
  }
}
