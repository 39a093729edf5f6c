import { boundsWith } from '../core/bounds.ts';
import { equalBytes } from '../core/bytes.ts';
import type { Cancel, Env } from '../core/env.ts';
import { deriveContext, type SecurityContext } from './context.ts';
import type { ContextStore, StoredContext } from './context-store.ts';
import { type ContextTable, keyOf } from './context-table.ts';
import { OscoreError, wrongLimit } from './errors.ts';
import type { OscoreEvent } from './events.ts';

/** What waits for look-ups of contexts at most, whoever sends. */
export interface LookupLimits {
  /** Look-ups under way at once. Default: 256. */
  readonly lookups?: number;
  /** Requests that wait, in all. Default: 1,024. */
  readonly requests?: number;
  /** Requests that wait for one kid and kid context. Default: 64. */
  readonly requestsPerContext?: number;
  /** Bytes of the requests that wait, in all. Default: 1 MiB. */
  readonly bytes?: number;
  /** Bytes of the requests that wait for one kid and kid context. Default: 128 KiB. */
  readonly bytesPerContext?: number;
  /** Milliseconds that a look-up may take; it then counts as failed. Default: 5,000. */
  readonly timeout?: number;
}

/** Why a request gets no context: there is none, or nobody can say. */
export type Refusal = 'context' | 'lookup';

/** A request for which the table has no context. */
export interface RequestInSearch {
  readonly kid: Uint8Array;
  readonly kidContext: Uint8Array | undefined;
  /** Bytes that it keeps while it waits. */
  readonly size: number;
  /** It has to wait: copy what is borrowed. `leave` is to be called when nobody waits for its answer any more. */
  keep(leave: () => void): void;
  process(context: SecurityContext): void;
  refuse(refusal: Refusal, detail?: string): void;
}

const defaultLimits: Required<LookupLimits> = {
  lookups: 256,
  requests: 1024,
  requestsPerContext: 64,
  bytes: 0x10_0000,
  bytesPerContext: 0x2_0000,
  timeout: 5000,
};

export interface LookupOptions {
  readonly store: ContextStore;
  readonly contexts: ContextTable;
  readonly env: Env;
  readonly limits: LookupLimits;
  readonly emit: ((event: OscoreEvent) => void) | undefined;
}

/** One look-up, which all requests with its kid and kid context share. */
interface Lookup {
  readonly key: string;
  /** How many requests wait for it, and their bytes. */
  waiting: number;
  bytes: number;
  /** How it ended: with a context of the table, or without. Absent: it goes on. */
  outcome: SecurityContext | Refusal | undefined;
  stop: Cancel | undefined;
}

interface Waiting {
  readonly request: RequestInSearch;
  /** Absent: its context is in the table, but others stand before it. */
  readonly lookup: Lookup | undefined;
}

/** All that waits with one kid. */
interface Group {
  readonly kid: string;
  /** In order of arrival. */
  readonly waiting: Set<Waiting>;
  /** Those that go on, by kid context. */
  readonly lookups: Map<string, Lookup>;
  /** Its requests are being processed. */
  busy: boolean;
}

const noKidContext = '-';

/** A kid context as a map key: that of no bytes is another one than none. */
function contextKeyOf(kidContext: Uint8Array | undefined): string {
  return kidContext === undefined ? noKidContext : `+${keyOf(kidContext)}`;
}

function isPromise<T extends object>(answer: T | PromiseLike<T | undefined> | undefined): answer is PromiseLike<T | undefined> {
  return typeof (answer as Partial<PromiseLike<T>> | undefined)?.then === 'function';
}

/** Whether requests of one kid may be of one context: a request may leave the kid context out (RFC 8613, Section 5.1). */
function mayShare(a: string, b: string): boolean {
  return a === b || a === noKidContext || b === noKidContext;
}

/**
 * Looks up contexts that are not in the table, and keeps the requests that wait for them (RFC 8613, Section 8.2, step 2).
 *
 * What strangers can make it keep is bounded, in number, in bytes and in time. Equal look-ups are one. Requests of one context are processed in the order in
 * which they came: one that could overtake another stands behind it. That a look-up found nothing is not kept.
 */
export class Lookups {
  readonly #options: LookupOptions;
  readonly #limits: Required<LookupLimits>;
  readonly #groups: Map<string, Group> = new Map();
  #underWay = 0;
  #waiting = 0;
  #bytes = 0;

  /** @throws {OscoreError} `ERR_OSCORE_PARAMETERS` */
  constructor(options: LookupOptions) {
    this.#options = options;
    this.#limits = boundsWith(defaultLimits, options.limits, wrongLimit('lookups'));
  }

  stats(): Readonly<Record<string, number>> {
    return { lookups: this.#underWay, lookupRequests: this.#waiting, lookupBytes: this.#bytes };
  }

  /** Whether requests with this kid wait, so that the next one may have to stand behind them. */
  hasWaiting(kid: Uint8Array): boolean {
    return this.#groups.size > 0 && this.#groups.has(keyOf(kid));
  }

  /** Process the request with its context, in this turn if the context is there, or refuse it. */
  receive(request: RequestInSearch): void {
    const { kid, kidContext } = request;
    const isThere = this.#options.contexts.find(kid, kidContext) !== undefined;
    const kidKey = keyOf(kid);
    const key = contextKeyOf(kidContext);
    const group = this.#groups.get(kidKey) ?? { kid: kidKey, waiting: new Set(), lookups: new Map(), busy: false };
    const underWay = group.lookups.get(key);
    const excess = isThere ? undefined : this.#excess(request, underWay);
    if (excess !== undefined) {
      request.refuse('lookup', excess);
      return;
    }
    this.#groups.set(kidKey, group);
    const lookup = isThere ? undefined : (underWay ?? this.#begin(group, key));
    const waiting: Waiting = { request, lookup };
    group.waiting.add(waiting);
    this.#waiting++;
    this.#bytes += request.size;
    if (lookup !== undefined) {
      lookup.waiting++;
      lookup.bytes += request.size;
      if (lookup !== underWay) this.#ask(group, lookup, kid.slice(), kidContext?.slice());
    }
    if (lookup === undefined || lookup.outcome !== undefined) this.#process(group, key);
    if (group.waiting.has(waiting)) request.keep(() => this.#leave(group, waiting));
  }

  /** The bound that one more request would break. */
  #excess({ size }: RequestInSearch, underWay: Lookup | undefined): string | undefined {
    const { lookups, requests, requestsPerContext, bytes, bytesPerContext } = this.#limits;
    if (this.#waiting >= requests) return `expected at most ${requests} requests to wait for contexts, got one more`;
    if (this.#bytes + size > bytes) return `expected at most ${bytes} bytes to wait for contexts, got ${this.#bytes + size}`;
    const ofContext = size + (underWay?.bytes ?? 0);
    if (ofContext > bytesPerContext) return `expected at most ${bytesPerContext} bytes to wait for one context, got ${ofContext}`;
    if (underWay === undefined) return this.#underWay < lookups ? undefined : `expected at most ${lookups} look-ups under way, got one more`;
    return underWay.waiting < requestsPerContext ? undefined : `expected at most ${requestsPerContext} requests to wait for one context, got one more`;
  }

  #begin(group: Group, key: string): Lookup {
    const lookup: Lookup = { key, waiting: 0, bytes: 0, outcome: undefined, stop: undefined };
    group.lookups.set(key, lookup);
    this.#underWay++;
    return lookup;
  }

  #ask(group: Group, lookup: Lookup, kid: Uint8Array, kidContext: Uint8Array | undefined): void {
    const { store, env } = this.#options;
    const { timeout } = this.#limits;
    let answer: ReturnType<NonNullable<ContextStore['load']>>;
    try {
      answer = store.load?.(kid, kidContext);
    } catch (cause) {
      this.#end(group, lookup, this.#failed(kid, 'an error', cause));
      return;
    }
    if (!isPromise(answer)) {
      this.#end(group, lookup, this.#outcomeOf(kid, kidContext, answer));
      return;
    }
    // What comes late, or when nobody waits any more, is of no use.
    const settle = (outcome: () => SecurityContext | Refusal): void => {
      if (lookup.outcome !== undefined) return;
      this.#end(group, lookup, outcome());
      this.#process(group, lookup.key);
    };
    lookup.stop = env.schedule(timeout, () => settle(() => this.#failed(kid, `no answer within ${timeout} ms`)));
    answer.then(
      (stored) => settle(() => this.#outcomeOf(kid, kidContext, stored)),
      (cause: unknown) => settle(() => this.#failed(kid, 'an error', cause)),
    );
  }

  /** After a wait the table is read again: what is in it counts, not what was found. */
  #outcomeOf(kid: Uint8Array, kidContext: Uint8Array | undefined, stored: StoredContext | undefined): SecurityContext | Refusal {
    const { contexts } = this.#options;
    const there = contexts.find(kid, kidContext);
    if (there !== undefined) return there;
    if (stored === undefined) return 'context';
    try {
      const { parameters, ...options } = stored;
      const { recipientId, idContext } = parameters;
      if (!equalBytes(recipientId, kid) || (kidContext !== undefined && (idContext === undefined || !equalBytes(idContext, kidContext))))
        return this.#failed(kid, 'one of another kid or kid context');
      return contexts.cache(deriveContext(parameters, { window: 'unverified', ...options }));
    } catch (cause) {
      return this.#failed(kid, 'one that cannot be used', cause);
    }
  }

  #failed(kid: Uint8Array, got: string, cause?: unknown): Refusal {
    const error = new OscoreError('ERR_OSCORE_LOOKUP', `expected the store to give the context of a kid, got ${got}`, cause === undefined ? {} : { cause });
    this.#options.emit?.({ type: 'lookup', kid, error });
    return 'lookup';
  }

  #end(group: Group, lookup: Lookup, outcome: SecurityContext | Refusal): void {
    lookup.outcome = outcome;
    lookup.stop?.();
    group.lookups.delete(lookup.key);
    this.#underWay--;
  }

  /** Process, in order, what has its context now, of the requests that may share one with those of this kid context. */
  #process(group: Group, key: string): void {
    if (group.busy) return;
    group.busy = true;
    try {
      for (const waiting of group.waiting) this.#processOne(group, waiting, key);
    } finally {
      group.busy = false;
      this.#forgetIfIdle(group);
    }
  }

  #processOne(group: Group, waiting: Waiting, key: string): void {
    const { request, lookup } = waiting;
    const goesOn = lookup !== undefined && lookup.outcome === undefined;
    if (goesOn && !mayShare(lookup.key, key)) return;
    const context = this.#contextOf(waiting);
    if (context === undefined && goesOn) return;
    this.#remove(group, waiting);
    try {
      if (context !== undefined) request.process(context);
      else request.refuse(lookup?.outcome === 'lookup' ? 'lookup' : 'context');
    } catch (error) {
      this.#options.emit?.({ type: 'failed', error });
    }
  }

  #contextOf({ request, lookup }: Waiting): SecurityContext | undefined {
    const { contexts } = this.#options;
    const found = lookup?.outcome;
    return contexts.find(request.kid, request.kidContext) ?? (typeof found === 'object' && contexts.has(found) ? found : undefined);
  }

  #leave(group: Group, waiting: Waiting): void {
    if (!group.waiting.has(waiting)) return;
    this.#remove(group, waiting);
    if (!group.busy) this.#forgetIfIdle(group);
  }

  #remove(group: Group, waiting: Waiting): void {
    const { request, lookup } = waiting;
    group.waiting.delete(waiting);
    this.#waiting--;
    this.#bytes -= request.size;
    if (lookup === undefined) return;
    lookup.waiting--;
    lookup.bytes -= request.size;
    if (lookup.waiting === 0 && lookup.outcome === undefined) this.#end(group, lookup, 'context');
  }

  #forgetIfIdle(group: Group): void {
    if (group.waiting.size === 0) this.#groups.delete(group.kid);
  }
}
