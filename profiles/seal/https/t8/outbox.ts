import { utf8 } from '../../../../src/core/bytes.ts';
import type { Cancel, Env } from '../../../../src/core/env.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import type { Store } from '../../../../src/store/index.ts';
import { fetchHttps, type HttpsRequestInit } from '../../../../src/transport/index.ts';
import { type Document, DocumentTable } from '../../index.ts';
import type { Destinations } from './destinations.ts';
import type { EgressFilter } from './egress/egress-filter.ts';
import type { EgressFinding } from './egress/finding.ts';
import { Turns, type Waiting } from './turns.ts';

/** Something to tell an SCS/AS. */
export interface Notification {
  readonly scsAsId: string;
  /** The https URI that the SCS/AS has given. */
  readonly destination: string;
  /** JSON. */
  readonly body: string;
}

/** What became of notifications. */
export type OutboxEvent =
  | { readonly type: 'notified'; readonly scsAsId: string; readonly destination: string }
  | { readonly type: 'notification-lost'; readonly scsAsId: string; readonly destination: string; readonly reason: string }
  /** What became of one cannot be kept: it is sent again after a restart. */
  | { readonly type: 'notification-failed'; readonly reason: string };

export interface OutboxOptions {
  readonly store: Store;
  readonly env: Env;
  readonly filter: EgressFilter;
  readonly destinations: Destinations;
  /** The certificate that the SCEF shows, and the authorities of those of SCS/AS. */
  readonly tls: Pick<HttpsRequestInit, 'ca' | 'cert' | 'key'>;
  readonly emit: (event: OutboxEvent) => void;
}

/** Milliseconds after each attempt that came to nothing; after the last there is no other. */
const pauses = [1_000, 4_000, 16_000, 64_000, 256_000];
const timeout = 10_000;
const mostWaiting = 10_000;
/** Notifications that are sent at once. */
const atOnce = { all: 32, ofDestination: 4, ofScsAs: 8 };
const longestAnswer = 4_096;
/** Answers that say that it may go better later. */
const later: ReadonlySet<number> = new Set([408, 425, 429]);

interface Errand extends Waiting {
  readonly id: string;
  readonly attempt: number;
}

/** Notifications on their way to SCS/AS over mutual TLS: kept in the store until they are taken or given up, so that one may come twice. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #table: DocumentTable<Notification>;
  readonly #timers = new Map<string, Cancel>();
  readonly #turns = new Turns<Errand>(atOnce);
  #closing = new AbortController();

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#table = new DocumentTable<Notification>({
      store: options.store,
      env: options.env,
      folder: 't8/outbox/',
      documents: mostWaiting,
      perOwner: mostWaiting / 10,
      bytes: 64 * 1_048_576,
      ownerOf: ({ scsAsId }) => scsAsId,
      encode: (value) => JSON.stringify(value),
      decode: (value) => JSON.parse(value as string) as Notification,
    });
  }

  get size(): number {
    return this.#table.size;
  }

  /** Go on with what an earlier run has left. */
  async start(): Promise<void> {
    await this.#table.start();
    for (const { id } of this.#table.values()) this.#queue(id, 0);
  }

  /** Why it may not leave; `undefined`: it is on its way. */
  async send(notification: Notification): Promise<EgressFinding | undefined> {
    const found = await this.#check(notification);
    if (found !== undefined) return found;
    const { id } = await this.#table.create(notification);
    this.#queue(id, 0);
    return undefined;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#turns.clear();
    await this.#table.idle();
  }

  #check({ destination, body }: Notification): Promise<EgressFinding | undefined> {
    return this.#options.filter.check('notification', { uri: destination, body: utf8(body) });
  }

  #queue(id: string, attempt: number): void {
    const found = this.#table.get(id);
    if (found === undefined || this.#closing.signal.aborted) return;
    const { scsAsId, destination } = found.value;
    this.#turns.add({ id, attempt, scsAsId, destination });
    this.#run();
  }

  #run(): void {
    for (let next = this.#turns.next(); next !== undefined; next = this.#turns.next()) {
      const errand = next;
      this.#deliver(errand)
        .catch((error: unknown) => this.#options.emit({ type: 'notification-failed', reason: messageOf(error) }))
        .finally(() => {
          this.#turns.done(errand);
          this.#run();
        });
    }
  }

  async #deliver({ id, attempt }: Errand): Promise<void> {
    const found = this.#table.get(id);
    if (found === undefined) return;
    const { scsAsId, destination } = found.value;
    // Who is a subscriber may have changed since.
    const withheld = await this.#check(found.value);
    const outcome = withheld === undefined ? await this.#post(found) : { isOver: true, reason: 'it may not leave this domain' };
    if (this.#closing.signal.aborted) return;
    const pause = pauses[attempt];
    if (outcome !== undefined && !outcome.isOver && pause !== undefined) {
      const again = (): void => {
        this.#timers.delete(id);
        this.#queue(id, attempt + 1);
      };
      this.#timers.set(id, this.#options.env.schedule(pause, again));
      return;
    }
    await this.#table.change(id, () => undefined);
    if (outcome === undefined) this.#options.emit({ type: 'notified', scsAsId, destination });
    else this.#options.emit({ type: 'notification-lost', scsAsId, destination, reason: outcome.reason });
  }

  /** `undefined`: it was taken. */
  async #post({ value: { destination, body } }: Document<Notification>): Promise<{ readonly isOver: boolean; readonly reason: string } | undefined> {
    const { destinations, tls } = this.#options;
    const fault = destinations.fault(destination);
    if (fault !== undefined) return { isOver: true, reason: `expected ${fault}` };
    const lookup = destinations.lookup(destination);
    try {
      const { status } = await fetchHttps(destination, {
        ...tls,
        ...(lookup === undefined ? {} : { lookup }),
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        timeout,
        limit: longestAnswer,
        signal: this.#closing.signal,
      });
      if (status >= 200 && status < 300) return undefined;
      return { isOver: status < 500 && !later.has(status), reason: `expected 2xx, got ${status}` };
    } catch (error) {
      return { isOver: false, reason: messageOf(error) };
    }
  }
}
