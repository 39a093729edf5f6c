/**
 * Durable state behind one interface: counters that never give a number twice, tokens, contexts.
 *
 * `lmdbStore` is the default: embedded, shared by any number of processes, every change on the disk before its promise is fulfilled. `memoryStore` forgets.
 *
 * ```ts
 * const store = lmdbStore('lab/state/rs');
 * const first = await store.increment('oscore/ssn/Zm9v', 64); // 64 numbers from `first` on are this caller's alone
 * await store.close();
 * ```
 *
 * @module ace-coap/store
 */
export { type Backup, type BackupOptions, backupStore, backupTime, type Restored, type RestoreOptions, type RestoreRules, restoreStore } from './backup.ts';
export type { StoreOptions } from './clock.ts';
export { makeFolder } from './folder.ts';
export { lmdbStore } from './lmdb/lmdb.ts';
export { memoryStore } from './memory.ts';
export { type Migrated, type MigrateOptions, migrateStore } from './migrate.ts';
export { type OpenStoreOptions, openStore } from './open.ts';
export { parseStorePlace, type StorePlace, storeVersions } from './place.ts';
export type { PostgresOptions } from './postgres/options.ts';
export { postgresStore } from './postgres/postgres.ts';
export type { Change, PutOptions, ScanOptions, Store, StoreEntry } from './store.ts';
export { StoreError } from './store.ts';
