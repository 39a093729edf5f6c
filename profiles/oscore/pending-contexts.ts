import type { Cancel, Env } from '../../src/core/env.ts';
import type { SecurityContext } from '../../src/oscore/index.ts';

/** Contexts that no request has verified on, in all and for one key. A stranger who has seen a token can make us derive them. */
const limit = 256;
const limitPerCredential = 4;
/** Milliseconds for the first request; long enough for every retransmission of it (EXCHANGE_LIFETIME). */
const lifetime = 247_000;

interface Entry {
  readonly credential: string;
  readonly context: SecurityContext;
  readonly until: number;
}

/**
 * Contexts that were derived for an upload and wait for their first request (RFC 9203, Section 2): bounded, for a time, the oldest goes first. When there are
 * too many for one key, one of that key goes, so that uploads of one token do not drive out the clients of others.
 */
export class PendingContexts {
  readonly #env: Env;
  readonly #drop: (context: SecurityContext) => void;
  /** In order of age. */
  #entries: Entry[] = [];
  #timer: Cancel | undefined;

  constructor(env: Env, drop: (context: SecurityContext) => void) {
    this.#env = env;
    this.#drop = drop;
  }

  get size(): number {
    return this.#entries.length;
  }

  add(credential: string, context: SecurityContext): void {
    const same = this.#entries.filter((entry) => entry.credential === credential);
    const victim = same.length >= limitPerCredential ? same[0] : this.#entries.length >= limit ? this.#entries[0] : undefined;
    if (victim !== undefined) this.#remove(victim);
    this.#entries.push({ credential, context, until: this.#env.now() + lifetime });
    this.#arm();
  }

  /** The context has verified a request. */
  take(credential: string, context: SecurityContext): void {
    this.#entries = this.#entries.filter((entry) => entry.credential !== credential || entry.context !== context);
    this.#disarmIfEmpty();
  }

  dropAll(credential: string): void {
    for (const entry of this.#entries.filter((one) => one.credential === credential)) this.#remove(entry);
    this.#disarmIfEmpty();
  }

  close(): void {
    this.#entries = [];
    this.#disarmIfEmpty();
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((one) => one !== entry);
    this.#drop(entry.context);
  }

  #arm(): void {
    const first = this.#entries[0];
    if (first === undefined || this.#timer !== undefined) return;
    this.#timer = this.#env.schedule(first.until - this.#env.now(), () => {
      this.#timer = undefined;
      const now = this.#env.now();
      for (const entry of this.#entries.filter(({ until }) => until <= now)) this.#remove(entry);
      this.#arm();
    });
  }

  #disarmIfEmpty(): void {
    if (this.#entries.length > 0) return;
    this.#timer?.();
    this.#timer = undefined;
  }
}
