import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fromUtf8 } from '../core/bytes.ts';
import { backupTime } from './backup.ts';
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
  /** Whether a store is opened that is none to serve from: one that a migration has not filled yet, or a backup. */
  readonly unfinished?: boolean;
}

/**
 * Open the store that a text names: `lmdb:./state` or the bare path of a folder, `postgres://user:password@host:port/database`.
 *
 * @throws {StoreError} `ERR_STORE_OPEN`, `ERR_STORE_FORMAT` (not such a store, a later release's, one that a migration has not filled yet, or a backup)
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
  try {
    const fault = unfinished ? undefined : await unfit(store);
    if (fault !== undefined) throw new StoreError('ERR_STORE_FORMAT', `${parsed.name}: ${fault}`);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Why a server may not use a store. */
async function unfit(store: Store): Promise<string | undefined> {
  const filling = await store.get(migrationKey);
  if (filling !== undefined) {
    const command = ['backup', 'restore'].find((name) => name === fromUtf8(filling)) ?? 'migrate';
    return `expected a whole store, got one that "ace-coap store ${command}" has not filled yet; ${command === 'migrate' ? 'run it again' : 'remove it and run it again'}`;
  }
  const time = await backupTime(store);
  return time && `expected a store to serve from, got the backup of ${time}; "ace-coap store restore" makes a store of it`;
}
