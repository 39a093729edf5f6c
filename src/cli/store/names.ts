import { resolve } from 'node:path';
import { parseStorePlace } from '../../store/index.ts';
import { UsageError } from '../exit.ts';

/** The name of a store that is the same from wherever the command is run, without a password. */
function nameOf(place: string): string {
  const parsed = parseStorePlace(place);
  if (parsed === undefined) throw new UsageError('expected lmdb:FOLDER, a folder, or postgres://user:password@host:port/database, got something else');
  return parsed.kind === 'lmdb' ? `lmdb:${resolve(parsed.folder)}` : parsed.name;
}

/** The names of two stores, which must not be one. */
export function twoStores(from: string, to: string): { readonly from: string; readonly to: string } {
  const names = { from: nameOf(from), to: nameOf(to) };
  if (names.from === names.to) throw new UsageError(`expected two stores, got ${names.from} twice`);
  return names;
}
