import { fromUtf8, utf8 } from '../core/bytes.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { copyEntries, isEmpty } from './copy.ts';
import { decodeCounter, encodeCounter } from './encoding.ts';
import { migrationKey } from './migrate.ts';
import { type Store, type StoreEntry, StoreError } from './store.ts';

/** Under it a backup says when it was made. */
export const backupKey = 'store/backup';

/** When a store became a backup, in ISO 8601; `undefined`: it is none. */
export async function backupTime(store: Store): Promise<string | undefined> {
  const value = await store.get(backupKey);
  return value && fromUtf8(value);
}

/** How a copy is made. */
export interface BackupOptions {
  readonly env?: Pick<Env, 'epoch'>;
  /** Hears how many entries were copied so far. */
  readonly progress?: (entries: number) => void;
}

/** What a backup holds. */
export interface Backup {
  /** ISO 8601: it holds what stood there then. */
  readonly time: string;
  readonly entries: number;
}

/**
 * Copy a store into an empty one as it stands at one moment, while servers use it. `openStore` does not open the copy for a server: it would give numbers a second
 * time that were given since.
 *
 * @throws {StoreError} `ERR_STORE_BACKUP`: the target is not empty
 */
export async function backupStore(from: Store, to: Store, { env = systemEnv, progress = () => {} }: BackupOptions = {}): Promise<Backup> {
  await expectEmpty(to, 'back up');
  const time = new Date(env.epoch() * 1000).toISOString();
  await to.put(migrationKey, utf8('backup'));
  const entries = await copyEntries(from.scan(''), to, progress);
  await to.batch([
    { key: migrationKey, value: undefined },
    { key: backupKey, value: utf8(time) },
  ]);
  return { time, entries };
}

/** What may not be as it was when a store goes back in time, by prefixes of keys. */
export interface RestoreRules {
  /** Counters whose numbers nobody may get a second time: they go on `skip` numbers further. */
  readonly counters: readonly string[];
  /** What is good once only, or belongs to a process that is gone: it does not come back. */
  readonly dropped: readonly string[];
  /** What comes back although it stands under one of `dropped`. */
  readonly kept: readonly string[];
}

/** How a store is made of a backup. */
export interface RestoreOptions extends BackupOptions {
  readonly rules: RestoreRules;
  /** More numbers than each counter can have given since the backup. */
  readonly skip: number;
}

/** What a restored store holds. */
export interface Restored extends Backup {
  /** Counters that go on further ahead. */
  readonly counters: number;
  /** Entries that did not come back. */
  readonly dropped: number;
}

/**
 * Make a store of a backup, in an empty place. What rules name comes back so that a server does not repeat itself.
 *
 * @throws {StoreError} `ERR_STORE_BACKUP`: there is no backup, or the target is not empty; `ERR_STORE_COUNTER`
 */
export async function restoreStore(backup: Store, to: Store, { rules, skip, progress = () => {} }: RestoreOptions): Promise<Restored> {
  const time = await backupTime(backup);
  if (time === undefined) throw new StoreError('ERR_STORE_BACKUP', 'expected a backup, got a store that is none; make one with "ace-coap store backup"');
  await expectEmpty(to, 'restore');
  let counters = 0;
  let dropped = 0;
  const startsWith = (key: string, prefixes: readonly string[]): boolean => prefixes.some((prefix) => key.startsWith(prefix));
  async function* comingBack(): AsyncGenerator<StoreEntry, void> {
    for await (const entry of backup.scan('')) {
      const [key, value] = entry;
      if (key === backupKey) continue;
      if (startsWith(key, rules.dropped) && !startsWith(key, rules.kept)) dropped++;
      else if (startsWith(key, rules.counters)) {
        counters++;
        yield [key, encodeCounter(decodeCounter(key, value) + skip)];
      } else yield entry;
    }
  }
  await to.put(migrationKey, utf8('restore'));
  const entries = await copyEntries(comingBack(), to, progress);
  await to.delete(migrationKey);
  return { time, entries, counters, dropped };
}

async function expectEmpty(store: Store, verb: string): Promise<void> {
  if (!(await isEmpty(store))) throw new StoreError('ERR_STORE_BACKUP', `expected an empty store to ${verb} to, got one with entries`);
}
