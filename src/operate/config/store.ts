import { resolve } from 'node:path';
import { parseStorePlace } from '../../store/index.ts';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { checkMode, readNamedFile } from './key-file.ts';
import type { RawStore } from './schema.ts';

/** The longest URL, in bytes. */
const longestUrl = 4_096;

const wanted = 'expected lmdb:FOLDER, a folder, or postgres://user:password@host:port/database, got something else';
const wantedUrl = 'expected a URL postgres://user:password@host:port/database';

/**
 * The place of the store for `openStore`: a folder as an absolute path, a database as its URL. What is wrong is noted in `file`, and never shows a URL.
 *
 * @param otherwise - where none of the entries is there
 */
export function readStore(file: ConfigFile, raw: RawStore, otherwise?: string): string {
  const { store, store_url_file: named, store_url_env: variable } = raw;
  const given = [store, named, variable].filter((entry) => entry !== undefined);
  if (given.length === 0 && otherwise !== undefined) return resolve(file.folder, otherwise);
  if (given.length !== 1) {
    file.problem([], `expected one of store, store_url_file and store_url_env, got ${given.length === 0 ? 'none' : given.length}`);
    return '';
  }
  if (named !== undefined) return readUrlFile(file, named);
  if (variable !== undefined) return checkUrl(file, ['store_url_env'], `the environment variable ${variable}`, process.env[variable]);
  const place = parseStorePlace(store!);
  if (place?.kind === 'lmdb') return resolve(file.folder, place.folder);
  if (place === undefined) file.problem(['store'], wanted);
  else if (place.hasPassword) checkMode(file, ['store'], file.path, 'a configuration with a password in it');
  return store!;
}

function readUrlFile(file: ConfigFile, name: string): string {
  const path: ConfigPath = ['store_url_file'];
  const read = readNamedFile(file, path, name, { what: 'a file with the URL of a database', largest: longestUrl });
  if (read === undefined) return '';
  const url = checkUrl(file, path, read.full, read.text.trim());
  const place = parseStorePlace(url);
  if (place?.kind === 'postgres' && place.hasPassword) checkMode(file, path, read.full, 'a file with a password');
  return url;
}

function checkUrl(file: ConfigFile, path: ConfigPath, where: string, url: string | undefined): string {
  if (url !== undefined && parseStorePlace(url)?.kind === 'postgres') return url;
  file.problem(path, `${where}: ${wantedUrl}, got ${url === undefined || url === '' ? 'nothing' : 'something else'}`);
  return '';
}
