import { toBase64Url } from '../core/bytes.ts';
import type { Cancel, Env } from '../core/env.ts';
import { messageOf, ProtocolError } from '../core/errors.ts';
import type { TrlQuery, TrlResponse } from './trl.ts';

/** The token revocation list of one AS, over a secure channel to it: a port, which an `AceClient` fills. Both ways fail with a `ProtocolError`. */
export interface RevocationList {
  /** Ask once (RFC 9770, Sections 7 and 8). */
  query(query: TrlQuery): Promise<TrlResponse>;
  /** Observe: the answer to the registration, then each notification. An abort of the signal ends it. */
  observe(query: TrlQuery, signal: AbortSignal): AsyncIterable<TrlResponse>;
}

/** How a list is followed. */
export interface FollowOptions {
  /** `false`: by polling alone. */
  readonly observe?: boolean;
  /** Seconds after which the list is asked again, whatever was observed: for so long a notification that was lost can go unnoticed. 60. */
  readonly interval?: number;
}

/** What is new on the list, by token hashes in base64url. `all`: what is on it now, and nothing else. */
export type ListChange = { readonly all: readonly string[] } | { readonly removed: readonly string[]; readonly added: readonly string[] };

/** The list that is followed, and who hears of it. */
export interface FollowerOptions extends FollowOptions {
  readonly list: RevocationList;
  readonly env: Env;
  /** Token hashes came to the list or left it. */
  changed(change: ListChange): void;
  /**
   * The list can be had (again), or not any more, and why: `ERR_ACE_REVOCATION_LIST` is a fault of the list or of `changed`, not of the network. Told once for each
   * change from one to the other.
   */
  reached(failure: ProtocolError | undefined): void;
}

/** Diff entries that a notification is to hold: a few, so that one that was lost is made up for by the next. */
const observedEntries = 4;
/** RFC 9770, Section 11: a requester should not rely on diff queries alone. So many looks at the list, then one at all of it. */
const looksToFull = 8;
/** Diff responses in a row; after so many the whole list is the shorter way. */
const longestCatchUp = 64;
/** Seconds until another try; doubled for each that fails, up to the interval. */
const shortestPause = 2;

/** Nobody awaits the follower, so that a fault would be heard of by nobody. */
function failureOf(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  return new ProtocolError('ERR_ACE_REVOCATION_LIST', `expected to follow the token revocation list, got a fault: ${messageOf(error)}`, { cause: error });
}

/**
 * Follows the token revocation list of an AS: asks for all of it at first, then observes the changes, and asks by cursor for those that it missed.
 *
 * Every `interval` it registers anew, so that neither a lost notification nor an AS that has lost the registration stays unnoticed. Where the AS takes no
 * registration, it is asked as often.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-11
 */
export class RevocationListFollower {
  readonly #options: FollowerOptions;
  readonly #interval: number;
  /** The last update that is known; `null`: there was none. Absent: the whole list is needed. */
  #cursor: number | null | undefined;
  #isReached: boolean | undefined;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#interval = options.interval ?? 60;
  }

  /** Begin. */
  start(): void {
    void this.#run();
  }

  /** Ask no more; what was on the list stays as it was told. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    let failures = 0;
    for (let round = 0; !this.#closed; round++) {
      let pause = this.#interval;
      try {
        if (round % looksToFull === 0) this.#cursor = undefined;
        const observing = this.#options.observe !== false;
        if (!observing || typeof this.#cursor !== 'number') await this.#catchUp();
        this.#tell(undefined);
        failures = 0;
        if (observing) pause = await this.#observe();
      } catch (error) {
        if (this.#closed) return;
        // A cursor that the AS does not take is of another list.
        this.#cursor = undefined;
        this.#tell(failureOf(error));
        pause = Math.min(this.#interval, shortestPause * 2 ** Math.min(failures++, 10));
      }
      if (pause > 0) await this.#sleep(pause);
    }
  }

  /** Everything since the cursor, or the whole list. */
  async #catchUp(): Promise<void> {
    const { list } = this.#options;
    for (let i = 0; typeof this.#cursor === 'number' && i < longestCatchUp; i++) {
      const response = await list.query({ diff: 0, cursor: this.#cursor });
      this.#apply(response);
      // What was asked for is no longer kept, or the AS does without cursors.
      if (typeof response.cursor !== 'number') break;
      this.#cursor = response.cursor;
      if (response.more !== true) return;
    }
    const response = await list.query({});
    this.#apply(response);
    this.#cursor = response.cursor;
  }

  /** Observe for the interval; the result is the seconds to wait until it goes on. */
  async #observe(): Promise<number> {
    const { env, list } = this.#options;
    const stop = new AbortController();
    const cancel = env.schedule(this.#interval * 1000, () => stop.abort());
    this.#wake = () => stop.abort();
    let heard = 0;
    try {
      for await (const response of list.observe({ diff: observedEntries }, stop.signal)) {
        heard++;
        await this.#notified(response);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
      cancel();
    }
    if (stop.signal.aborted) return 0;
    // One answer and nothing behind it: the AS took no registration.
    return heard < 2 ? this.#interval : Math.min(this.#interval, shortestPause);
  }

  async #notified(response: TrlResponse): Promise<void> {
    const { cursor, diffSet = [] } = response;
    const news = response.more === true ? undefined : this.#news(cursor, diffSet.length);
    if (news !== undefined) {
      this.#apply({ diffSet: diffSet.slice(0, news) });
      this.#cursor = cursor;
      return;
    }
    // Before anything else is asked: what is revoked counts at once. What has left the list since does not come back to it.
    const removed = new Set(diffSet.flatMap((entry) => entry.removed).map(toBase64Url));
    const added = diffSet.flatMap((entry) => entry.added).map(toBase64Url);
    this.#options.changed({ removed: [], added: added.filter((hash) => !removed.has(hash)) });
    this.#apply(response.fullSet === undefined ? {} : { fullSet: response.fullSet });
    await this.#catchUp();
  }

  /** How many of these entries are new, the newest being at `cursor`; `undefined`: something may be missing before them. */
  #news(cursor: number | null | undefined, entries: number): number | undefined {
    if (cursor === null && this.#cursor === null) return 0;
    if (typeof cursor !== 'number' || this.#cursor === undefined) return undefined;
    const news = cursor - (this.#cursor ?? -1);
    return news >= 0 && news <= entries ? news : undefined;
  }

  #apply({ fullSet, diffSet = [] }: TrlResponse): void {
    const { changed } = this.#options;
    if (fullSet !== undefined) changed({ all: fullSet.map(toBase64Url) });
    // The oldest first.
    for (const { removed, added } of [...diffSet].reverse()) changed({ removed: removed.map(toBase64Url), added: added.map(toBase64Url) });
  }

  #tell(failure: ProtocolError | undefined): void {
    const isReached = failure === undefined;
    if (this.#isReached === isReached) return;
    this.#isReached = isReached;
    this.#options.reached(failure);
  }

  #sleep(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel: Cancel = this.#options.env.schedule(seconds * 1000, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
