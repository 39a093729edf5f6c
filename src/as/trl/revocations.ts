import type { DiffEntry } from '../../ace/index.ts';
import { fromBase64Url } from '../../core/bytes.ts';
import { type CborValue, decode, encode } from '../../core/cbor.ts';
import type { Env } from '../../core/env.ts';
import type { Change, Store } from '../../store/index.ts';
import { clientCredential, resourceServerCredential } from '../registry/registration.ts';
import { decodeRecord, encodeRecord, type TokenRecord, tokenKey } from '../token/token-records.ts';

/** MAX_N of RFC 9770, Section 6.2: the updates that are kept for each requester. All processes on a store, and the command line, go by the same. */
export const maxUpdates = 64;

/** Tokens that leave the list in one update, which bounds the size of a diff entry. */
const largestUpdate = 64;

/** The requester that sees the whole list: all administrators, who share its updates, since all of them pertain to each. */
export const administrator = 'admin';

/** The updates of the list that pertain to one requester. */
export interface Updates {
  /** Updates so far; the last of `kept` has the absolute number `count - 1`. */
  readonly count: number;
  /** The most recent ones, the oldest first. */
  readonly kept: readonly DiffEntry[];
}

/** The same for administrators, with whom each update pertains to: every process learns from it whom to notify. */
interface Journal extends Updates {
  readonly requesters: readonly (readonly string[])[];
}

/** Where the list is kept, and how much of its past. */
export interface RevocationsOptions {
  readonly store: Store;
  readonly env: Pick<Env, 'epoch'>;
  /** In place of `maxUpdates`. */
  readonly updates?: number;
}

/** What came of a revocation. `again`: it had been revoked before. */
export interface Revoked {
  readonly record: TokenRecord;
  readonly again: boolean;
}

const folder = 'as/trl/';
/** By when they expire, so that the first are those to leave the list. */
const ends = `${folder}end/`;

const endKey = (record: TokenRecord, hash: string): string => `${ends}${String(Math.ceil(record.expiresAt)).padStart(12, '0')}/${hash}`;
const setKey = (requester: string, hash: string): string => `${folder}set/${encodeURIComponent(requester)}/${hash}`;
const updatesKey = (requester: string): string => `${folder}updates/${encodeURIComponent(requester)}`;
const requestersOf = ({ client, resourceServer }: TokenRecord): readonly string[] => [clientCredential(client), resourceServerCredential(resourceServer)];

/**
 * The token revocation list of an AS. All of it is in the store and nothing in memory, so that it is the same for every process, survives a restart, and keeps
 * each cursor good: a revocation is one batch of the token's record, the list and the updates of everybody whom it pertains to.
 *
 * A token that has expired leaves the list when somebody looks at it, or revokes another: the removals since the last look are one update (RFC 9770, Section 5.1).
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-5
 */
export class Revocations {
  readonly #store: Store;
  readonly #env: Pick<Env, 'epoch'>;
  readonly #maxUpdates: number;

  constructor({ store, env, updates = maxUpdates }: RevocationsOptions) {
    this.#store = store;
    this.#env = env;
    this.#maxUpdates = updates;
  }

  /**
   * Revoke a token: from now on it is inactive to introspection, and on the list until it expires.
   *
   * @param hash its token hash in base64url
   * @returns `undefined` when no token that has not expired has this hash
   */
  async revoke(hash: string): Promise<Revoked | undefined> {
    for (;;) {
      const value = await this.#store.get(tokenKey(hash));
      const record = value === undefined ? undefined : decodeRecord(value);
      if (value === undefined || record === undefined || record.expiresAt <= this.#env.epoch()) return undefined;
      if (record.revoked === true) return { record, again: true };
      const requesters = requestersOf(record);
      const made = await this.#store.batch([
        { key: tokenKey(hash), value: encodeRecord({ ...record, revoked: true }), expected: value, expiresAt: record.expiresAt },
        { key: endKey(record, hash), value: encode([record.client, record.resourceServer]) },
        ...requesters.map((requester) => ({ key: setKey(requester, hash), value: encode(record.expiresAt) })),
        ...(await this.#append(new Map(requesters.map((requester) => [requester, { removed: [], added: [fromBase64Url(hash)] }])))),
      ]);
      if (!made) continue;
      // More may leave than comes, so that the list is bounded by what lives, also where nobody looks at it. Who does is told where it fails.
      await this.#sweepSome().catch(() => {});
      return { record, again: false };
    }
  }

  /** Take the tokens that have expired from the list. */
  async sweep(): Promise<void> {
    while (await this.#sweepSome());
  }

  /** One update. The result is whether there was something to take. */
  async #sweepSome(): Promise<boolean> {
    const due = await this.#due();
    if (due.length === 0) return false;
    const removed = new Map<string, { readonly removed: Uint8Array[]; readonly added: readonly Uint8Array[] }>();
    const changes: Change[] = [];
    for (const { key, value, hash, requesters } of due) {
      changes.push({ key, value: undefined, expected: value });
      for (const requester of requesters) {
        changes.push({ key: setKey(requester, hash), value: undefined });
        const entry = removed.get(requester) ?? { removed: [], added: [] };
        entry.removed.push(fromBase64Url(hash));
        removed.set(requester, entry);
      }
    }
    await this.#store.batch([...changes, ...(await this.#append(removed))]);
    return true;
  }

  /** The token hashes on the list that pertain to a requester, by its credential or as `administrator`. */
  async hashes(requester: string): Promise<readonly Uint8Array[]> {
    const prefix = requester === administrator ? ends : setKey(requester, '');
    const found: Uint8Array[] = [];
    for await (const [key] of this.#store.scan(prefix)) found.push(fromBase64Url(key.slice(key.lastIndexOf('/') + 1)));
    return found;
  }

  /** The updates of this requester that diff queries may ask for, and how many there were in all. */
  async updates(requester: string): Promise<Updates> {
    const value = await this.#store.get(updatesKey(requester));
    return value === undefined ? { count: 0, kept: [] } : decodeUpdates(value);
  }

  /** The number of updates so far, and the requesters whom those from `since` on pertain to; `undefined`: too many have passed to tell. */
  async pertaining(since: number): Promise<{ readonly count: number; readonly requesters: ReadonlySet<string> | undefined }> {
    const { count, requesters } = await this.#journal();
    const first = count - requesters.length;
    return { count, requesters: since < first ? undefined : new Set(requesters.slice(since - first).flat()) };
  }

  async #due(): Promise<readonly { readonly key: string; readonly value: Uint8Array; readonly hash: string; readonly requesters: readonly string[] }[]> {
    const due = [];
    const now = this.#env.epoch();
    for await (const [key, value] of this.#store.scan(ends, { limit: largestUpdate })) {
      const [end, hash] = key.slice(ends.length).split('/') as [string, string];
      if (Number(end) > now) break;
      const [client, resourceServer] = decode(value) as readonly [string, string];
      due.push({ key, value, hash, requesters: requestersOf({ client, resourceServer, expiresAt: Number(end) }) });
    }
    return due;
  }

  /** The changes by which an update goes into the update collections of those whom it pertains to, and into that of administrators. */
  async #append(entries: ReadonlyMap<string, DiffEntry>): Promise<readonly Change[]> {
    const changes: Change[] = [];
    for (const [requester, entry] of entries) {
      const key = updatesKey(requester);
      const current = await this.#store.get(key);
      const { count, kept } = current === undefined ? { count: 0, kept: [] } : decodeUpdates(current);
      changes.push({ key, value: encodeUpdates({ count: count + 1, kept: this.#last([...kept, entry]) }), expected: current ?? null });
    }
    const key = updatesKey(administrator);
    const current = await this.#store.get(key);
    const { count, kept, requesters } = decodeJournal(current);
    const all: DiffEntry = { removed: distinct(entries, 'removed'), added: distinct(entries, 'added') };
    const value = encodeJournal({ count: count + 1, kept: this.#last([...kept, all]), requesters: this.#last([...requesters, [...entries.keys()]]) });
    return [...changes, { key, value, expected: current ?? null }];
  }

  async #journal(): Promise<Journal> {
    return decodeJournal(await this.#store.get(updatesKey(administrator)));
  }

  #last<T>(all: readonly T[]): readonly T[] {
    return all.slice(-this.#maxUpdates);
  }
}

/** A token pertains to its client and to its RS, and stands once in what administrators see. */
function distinct(entries: ReadonlyMap<string, DiffEntry>, kind: keyof DiffEntry): readonly Uint8Array[] {
  return [...new Map([...entries.values()].flatMap((entry) => entry[kind]).map((hash) => [hash.join(), hash])).values()];
}

const entryToCbor = ({ removed, added }: DiffEntry): CborValue => [removed, added];

function encodeUpdates({ count, kept }: Updates): Uint8Array {
  return encode([count, kept.map(entryToCbor)]);
}

function encodeJournal({ count, kept, requesters }: Journal): Uint8Array {
  return encode([count, kept.map(entryToCbor), requesters]);
}

function decodeUpdates(bytes: Uint8Array): Updates {
  const [count, kept] = decode(bytes) as readonly [number, readonly (readonly [readonly Uint8Array[], readonly Uint8Array[]])[]];
  return { count, kept: kept.map(([removed, added]) => ({ removed, added })) };
}

function decodeJournal(bytes: Uint8Array | undefined): Journal {
  if (bytes === undefined) return { count: 0, kept: [], requesters: [] };
  const [, , requesters] = decode(bytes) as readonly [number, unknown, readonly (readonly string[])[]];
  return { ...decodeUpdates(bytes), requesters };
}
