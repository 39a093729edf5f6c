import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreOptions } from './clock.ts';
import { lmdbStore } from './lmdb/lmdb.ts';
import { migrationKey } from './migrate.ts';
import { parseStorePlace } from './place.ts';
import { postgresStore } from './postgres/postgres.ts';
import { type Store, StoreError } from './store.ts';

/** Whether a store has to be there, and ready. */
export interface OpenStoreOptions extends StoreOptions {
  /** Whether a store is made where there is none; it is, where this is absent. */
  readonly create?: boolean;
  /** Whether a store is opened that a migration has not filled yet: for what goes on with the migration. */
  readonly unfinished?: boolean;
}

/**
 * Open the store that a text names: `lmdb:./state` or the bare path of a folder, `postgres://user:password@host:port/database`.
 *
 * @throws {StoreError} `ERR_STORE_OPEN`, `ERR_STORE_FORMAT` (not such a store, a later release's, or one that a migration has not filled yet)
 */
export async function openStore(place: string, { create = true, unfinished = false, ...options }: OpenStoreOptions = {}): Promise<Store> {
  const parsed = parseStorePlace(place);
  if (parsed === undefined) {
    // Not shown: it may hold a password.
    throw new StoreError(
      'ERR_STORE_OPEN',
      'cannot open the store: expected lmdb:FOLDER, postgres://user:password@host:port/database or a folder, got something else',
    );
  }
  if (!create && parsed.kind === 'lmdb' && !existsSync(join(parsed.folder, 'data.mdb'))) {
    throw new StoreError('ERR_STORE_OPEN', `cannot open the store ${parsed.name}: there is none`);
  }
  const store = parsed.kind === 'lmdb' ? lmdbStore(parsed.folder, options) : await postgresStore(parsed.url, { create, ...options });
  if (unfinished || (await store.get(migrationKey)) === undefined) return store;
  await store.close();
  throw new StoreError(
    'ERR_STORE_FORMAT',
    `${parsed.name}: expected a whole store, got one that a migration has not filled yet; run "ace-coap store migrate" again`,
  );
}
