import type { Store } from '../../store/index.ts';
import { AuthorizationServerError } from '../error.ts';
import type { View } from './admin-views.ts';

/** Which entries of a list: at most `limit` (100, and at most 1,000), those after the place that `next` of the list before names. */
export interface Page {
  readonly after?: string;
  readonly limit?: number;
}

/** A page of a list. */
export interface Listing {
  readonly entries: readonly View[];
  /** Where the list goes on; absent: that is all. */
  readonly next?: string;
}

export interface ListOptions {
  readonly store: Store;
  /** What the configuration has, by id. */
  readonly fixed: readonly (readonly [id: string, View])[];
  readonly prefix: string;
  /** `undefined`: not one of the list. */
  readonly view: (bytes: Uint8Array, key: string) => View | undefined;
  /** Most are not of the list. */
  readonly sparse?: boolean;
  readonly page: Page;
}

const usualPage = 100;
const largestPage = 1_000;
/** Entries of the store that are looked at for one page, where not all are of the list. */
const mostLooks = 10_000;

const ofConfig = 'config:';
const ofStore = 'store:';
/** In a store keys are ASCII and of a bounded length. */
const place = /^(?:config:|store:[!-~]{0,1000}$)/;

/** A page of what the configuration and the store have: first the one, by id, then the other, by key. */
export async function listEntries({ store, fixed, prefix, view, sparse, page }: ListOptions): Promise<Listing> {
  const limit = Math.min(Math.max(page.limit ?? usualPage, 1), largestPage);
  const { after = ofConfig } = page;
  if (!place.test(after)) throw new AuthorizationServerError('ERR_AS_COMMAND', 'after: expected the place that a list has named, got another text');
  const entries: View[] = [];
  if (after.startsWith(ofConfig)) {
    const last = after.slice(ofConfig.length);
    for (const [id, entry] of [...fixed].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (id <= last) continue;
      if (entries.length === limit) return { entries, next: `${ofConfig}${entries.at(-1)!['id']}` };
      entries.push(entry);
    }
  }
  const most = sparse ? mostLooks : limit + fixed.length + 1;
  let looks = 0;
  let last = after.startsWith(ofStore) ? after.slice(ofStore.length) : '';
  for await (const [key, bytes] of store.scan(prefix, { ...(last === '' ? {} : { after: prefix + last }), limit: most })) {
    const entry = view(bytes, key);
    if (entries.length === limit && entry !== undefined) return { entries, next: ofStore + last };
    if (entry !== undefined) entries.push(entry);
    last = key.slice(prefix.length);
    looks++;
  }
  return looks < most ? { entries } : { entries, next: ofStore + last };
}
