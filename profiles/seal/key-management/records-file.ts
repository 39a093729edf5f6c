import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { equalBytes, fromBase64Url, toBase64Url } from '../../../src/core/bytes.ts';
import type { StoreEntry } from '../../../src/store/index.ts';
import { KeyManagementError } from './error.ts';
import type { RecordPlace } from './sealed-records.ts';

/** The largest file of records, in bytes. */
const largestFile = 67_108_864;

const entryLine = /^[\w/-]{1,200}$/;

/**
 * A file that sealed records are kept in: one entry a line, its place and its bytes in base64url. A server that reads it sees each change at the next request.
 *
 * Changes replace the file as a whole; two programs that change it at once would lose what one of them wrote, so that one of them is to be the operator's tool and
 * the other a server, which only reads.
 */
export function recordsFile(path: string): RecordPlace {
  return new RecordsFile(path);
}

class RecordsFile implements RecordPlace {
  readonly #path: string;
  #entries: ReadonlyMap<string, Uint8Array> = new Map();
  /** What the file was when it was read: another file under the name, or another moment, is another state. */
  #state = '';
  #changing: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#read()).get(key);
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    await this.#change((entries) => void entries.set(key, value.slice()));
  }

  delete(key: string): Promise<boolean> {
    return this.#change((entries) => entries.delete(key));
  }

  compareAndSet(key: string, expected: Uint8Array | undefined, next: Uint8Array | undefined): Promise<boolean> {
    return this.#change((entries) => {
      const found = entries.get(key);
      if (found === undefined || expected === undefined ? found !== expected : !equalBytes(found, expected)) return false;
      if (next === undefined) entries.delete(key);
      else entries.set(key, next.slice());
      return true;
    });
  }

  async *scan(prefix: string): AsyncGenerator<StoreEntry, void, undefined> {
    const keys = [...(await this.#read())].filter(([key]) => key.startsWith(prefix));
    yield* keys.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async #read(): Promise<ReadonlyMap<string, Uint8Array>> {
    const found = await stat(this.#path, { bigint: true }).catch(absent);
    if (found !== undefined && found.size > largestFile) {
      throw new KeyManagementError('ERR_KM_RECORD', `${this.#path}: expected at most ${largestFile} bytes of key records, got ${found.size}`);
    }
    const state = found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`;
    if (state !== this.#state) {
      const text = await readFile(this.#path, 'latin1').catch(absent);
      this.#entries = readLines(this.#path, text ?? '');
      this.#state = state;
    }
    return this.#entries;
  }

  /** One change after the other. A change that comes to nothing writes nothing. */
  #change<T>(change: (entries: Map<string, Uint8Array>) => T): Promise<T> {
    const changed = this.#changing.then(async () => {
      const entries = new Map(await this.#read());
      const done = change(entries);
      if (done !== false) await replaceFile(this.#path, [...entries].map(([key, value]) => `${key} ${toBase64Url(value)}\n`).join(''));
      return done;
    });
    this.#changing = changed.catch(() => {});
    return changed;
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw new KeyManagementError('ERR_KM_RECORD', error.message, { cause: error });
  return undefined;
}

function readLines(path: string, text: string): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const [key = '', value = ''] = line.split(' ');
    const bytes = entryLine.test(key) ? decoded(value) : undefined;
    if (bytes === undefined) throw new KeyManagementError('ERR_KM_RECORD', `${path}: line ${index + 1}: expected a sealed key record, got something else`);
    entries.set(key, bytes);
  }
  return entries;
}

function decoded(value: string): Uint8Array | undefined {
  try {
    return value === '' ? undefined : fromBase64Url(value);
  } catch {
    return undefined;
  }
}

/** The new file takes the place of the old one once it is on the disk whole. */
async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await written(await open(fresh, 'wx', 0o600), text);
    await rename(fresh, path);
    const folder = await open(dirname(path), 'r');
    await folder.sync().finally(() => folder.close());
  } catch (cause) {
    await rm(fresh, { force: true });
    throw new KeyManagementError('ERR_KM_RECORD', `${path}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}

async function written(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
