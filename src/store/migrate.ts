import { equalBytes, fromUtf8, utf8 } from '../core/bytes.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { type Change, type Store, StoreError } from './store.ts';

/** Under it a store says that a migration into it has not ended, and from where it comes. */
export const migrationKey = 'store/migration';

/** Where entries come from, and what becomes of those that are there. */
export interface MigrateOptions {
  /** Name of the source: a migration that was broken off goes on only from the same. */
  readonly source: string;
  /** Remove what the target holds. */
  readonly force?: boolean;
  readonly env?: Pick<Env, 'epoch'>;
  /** Hears how many entries a step has dealt with so far. */
  readonly progress?: (step: 'clearing' | 'copying' | 'comparing', entries: number) => void;
}

/** How many entries were copied and compared. */
export interface Migrated {
  readonly entries: number;
  /** Those of them that end. */
  readonly ending: number;
}

type Scanned = readonly [key: string, value: Uint8Array, expiresAt?: number];

/** What goes over in one batch. */
const batchLength = 200;
const batchBytes = 4_194_304;

/** Seconds by which the clocks of two stores may differ about the end of an entry. */
const clockDifference = 60;

/**
 * Copy a store into an empty one, with the ends of entries, and compare them afterwards.
 *
 * Nobody may use either of them meanwhile. Until it has ended, `openStore` refuses the target; a migration that was broken off is begun again and goes on.
 *
 * @throws {StoreError} `ERR_STORE_MIGRATE`: the target is not empty, or does not hold what the source holds
 */
export async function migrateStore(from: Store, to: Store, { source, force = false, env = systemEnv, progress }: MigrateOptions): Promise<Migrated> {
  const begun = await to.get(migrationKey);
  const resumed = !force && begun !== undefined && fromUtf8(begun) === source;
  if (!resumed) {
    if (!(await isEmpty(to))) {
      if (!force) throw new StoreError('ERR_STORE_MIGRATE', 'expected an empty store to migrate to, got one with entries; --force removes them');
      await to.put(migrationKey, utf8(source));
      await clear(to, progress);
    }
    await to.put(migrationKey, utf8(source));
  }
  await copy(from, to, progress);
  const migrated = await compare(from, to, env, progress);
  await to.delete(migrationKey);
  return migrated;
}

async function isEmpty(store: Store): Promise<boolean> {
  for await (const _ of store.scan('', { limit: 1 })) return false;
  return true;
}

async function clear(store: Store, progress: MigrateOptions['progress']): Promise<void> {
  let cleared = 0;
  let changes: Change[] = [];
  const remove = async (): Promise<void> => {
    await store.batch(changes);
    cleared += changes.length;
    changes = [];
    progress?.('clearing', cleared);
  };
  for await (const [key] of store.scan('')) {
    if (key !== migrationKey) changes.push({ key, value: undefined });
    if (changes.length === batchLength) await remove();
  }
  await remove();
}

/** Entries that an earlier attempt has copied are copied again: that is quicker than to ask for each. */
async function copy(from: Store, to: Store, progress: MigrateOptions['progress']): Promise<void> {
  let copied = 0;
  let bytes = 0;
  let changes: Change[] = [];
  const write = async (): Promise<void> => {
    await to.batch(changes);
    copied += changes.length;
    changes = [];
    bytes = 0;
    progress?.('copying', copied);
  };
  for await (const [key, value, expiresAt] of entriesOf(from)) {
    changes.push({ key, value, ...(expiresAt === undefined ? {} : { expiresAt }) });
    bytes += value.length;
    if (changes.length === batchLength || bytes >= batchBytes) await write();
  }
  await write();
}

/** Both in the order of keys, side by side. */
async function compare(from: Store, to: Store, env: Pick<Env, 'epoch'>, progress: MigrateOptions['progress']): Promise<Migrated> {
  const left = entriesOf(from)[Symbol.asyncIterator]();
  const right = entriesOf(to)[Symbol.asyncIterator]();
  let entries = 0;
  let ending = 0;
  let ours = await following(left);
  let theirs = await following(right);
  const hasEnded = (entry: Scanned): boolean => entry[2] !== undefined && entry[2] <= env.epoch() + clockDifference;
  try {
    while (ours !== undefined || theirs !== undefined) {
      if (ours !== undefined && theirs !== undefined && sameEntry(ours, theirs)) {
        entries++;
        if (ours[2] !== undefined) ending++;
        if (entries % 1_000 === 0) progress?.('comparing', entries);
        ours = await following(left);
        theirs = await following(right);
      } else if (ours !== undefined && hasEnded(ours)) ours = await following(left);
      else if (theirs !== undefined && hasEnded(theirs)) theirs = await following(right);
      else {
        const wrong = 'expected the same entries in both stores, got others';
        throw new StoreError('ERR_STORE_MIGRATE', `${wrong} after ${entries}: stop what uses them, and migrate again`);
      }
    }
  } finally {
    await left.return?.(undefined);
    await right.return?.(undefined);
  }
  progress?.('comparing', entries);
  return { entries, ending };
}

function sameEntry([key, value, end]: Scanned, [otherKey, otherValue, otherEnd]: Scanned): boolean {
  return key === otherKey && end === otherEnd && equalBytes(value, otherValue);
}

async function* entriesOf(store: Store): AsyncGenerator<Scanned, void> {
  for await (const entry of store.scan('')) if (entry[0] !== migrationKey) yield entry;
}

async function following(entries: AsyncIterator<Scanned>): Promise<Scanned | undefined> {
  const { done, value } = await entries.next();
  return done ? undefined : (value as Scanned);
}
