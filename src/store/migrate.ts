import { equalBytes, fromUtf8, utf8 } from '../core/bytes.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { batchLength, copyEntries, isEmpty } from './copy.ts';
import { type Change, type Store, type StoreEntry, StoreError } from './store.ts';

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
  await copyEntries(entriesOf(from), to, (entries) => progress?.('copying', entries));
  const migrated = await compare(from, to, env, progress);
  await to.delete(migrationKey);
  return migrated;
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

/** Both in the order of keys, side by side. */
async function compare(from: Store, to: Store, env: Pick<Env, 'epoch'>, progress: MigrateOptions['progress']): Promise<Migrated> {
  const left = entriesOf(from)[Symbol.asyncIterator]();
  const right = entriesOf(to)[Symbol.asyncIterator]();
  let entries = 0;
  let ending = 0;
  let ours = await following(left);
  let theirs = await following(right);
  const hasEnded = (entry: StoreEntry): boolean => entry[2] !== undefined && entry[2] <= env.epoch() + clockDifference;
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

function sameEntry([key, value, end]: StoreEntry, [otherKey, otherValue, otherEnd]: StoreEntry): boolean {
  return key === otherKey && end === otherEnd && equalBytes(value, otherValue);
}

async function* entriesOf(store: Store): AsyncGenerator<StoreEntry, void> {
  for await (const entry of store.scan('')) if (entry[0] !== migrationKey) yield entry;
}

async function following(entries: AsyncIterator<StoreEntry>): Promise<StoreEntry | undefined> {
  const { done, value } = await entries.next();
  return done ? undefined : (value as StoreEntry);
}
