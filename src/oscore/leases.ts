import type { Cancel, Env } from '../core/env.ts';
import type { SecurityContext } from './context.ts';
import type { ContextTable } from './context-table.ts';
import { OscoreError } from './errors.ts';
import type { OscoreEvent } from './events.ts';
import type { RequestInSearch } from './lookup.ts';

/**
 * `held`: this process has served the context since it took the lease. `taken`: it serves it from now on, and what came before is not known here. `unproven`: the
 * lease is free and was left so. A time: another process has it until then, in seconds since 1970.
 */
export type Claim = 'held' | 'taken' | 'unproven' | { readonly until: number };

/**
 * Which process serves a context, where several processes share a store: one at a time, so that a request is never carried out by two.
 *
 * A lease is looked at for each request, after the request has come. So it does not matter what a process believes of the time, or how long it was stopped: what
 * it took in before it lost the context was new then, and what comes after is not processed.
 */
export interface ContextLeases {
  /** Ask for the lease of a context. Where it is free it is taken if `proven` says that a request of the context's peer has come. */
  claim(context: SecurityContext, proven: () => boolean): Promise<Claim>;
}

/** A request of a context that is in the table. */
export interface RequestForLease extends RequestInSearch {
  /** Whether it was made with the keys of the context. */
  verifies(context: SecurityContext): boolean;
}

export interface LeaseGateOptions {
  readonly leases: ContextLeases;
  readonly contexts: ContextTable;
  readonly env: Env;
  readonly emit: ((event: OscoreEvent) => void) | undefined;
}

/** Requests that wait for one context, and in all; bytes in all. */
const requestsPerContext = 64;
const requestsInAll = 1024;
const bytesInAll = 0x10_0000;
/** Milliseconds that requests wait for a context that another process serves. */
const patience = 30_000;
/** Milliseconds until it is asked again at the soonest. */
const shortestPause = 50;

/** The requests of one context, in order of arrival. */
interface Queue {
  readonly waiting: Set<RequestForLease>;
  /** The lease is asked for, or it will be. */
  busy: boolean;
  /** Ends the time until it will be. */
  stop: Cancel | undefined;
}

/** Keeps requests until it is known whether this process serves their context. */
export class LeaseGate {
  readonly #options: LeaseGateOptions;
  readonly #queues = new Map<SecurityContext, Queue>();
  #waiting = 0;
  #bytes = 0;

  constructor(options: LeaseGateOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  enter(context: SecurityContext, request: RequestForLease): void {
    const queue = this.#queues.get(context) ?? { waiting: new Set(), busy: false, stop: undefined };
    if (queue.waiting.size >= requestsPerContext || this.#waiting >= requestsInAll || this.#bytes + request.size > bytesInAll) {
      request.refuse('lookup', 'expected fewer requests to wait for leases, got one more');
      return;
    }
    this.#queues.set(context, queue);
    queue.waiting.add(request);
    this.#waiting++;
    this.#bytes += request.size;
    request.keep(() => this.#leave(context, queue, request));
    if (!queue.busy) this.#ask(context, queue, this.#options.env.now() + patience);
  }

  /** For the requests that are there now: those that come later are asked for anew. */
  #ask(context: SecurityContext, queue: Queue, deadline: number): void {
    queue.busy = true;
    const asking = [...queue.waiting];
    const proven = (): boolean => asking.some((request) => request.verifies(context));
    this.#options.leases.claim(context, proven).then(
      (claim) => this.#answered(context, queue, asking, claim, deadline),
      (cause: unknown) => {
        const error = new OscoreError('ERR_OSCORE_STORE', 'expected the store to say who serves a context, got an error', { cause });
        this.#options.emit?.({ type: 'lookup', kid: context.recipientId, error });
        this.#end(context, queue, asking, (request) => request.refuse('lookup', error.message));
      },
    );
  }

  #answered(context: SecurityContext, queue: Queue, asking: readonly RequestForLease[], claim: Claim, deadline: number): void {
    const { env, contexts, emit } = this.#options;
    if (!contexts.has(context)) {
      this.#end(context, queue, asking, (request) => request.refuse('context'));
    } else if (typeof claim !== 'object') {
      if (claim === 'taken') {
        context.loseWindow();
        emit?.({ type: 'lease', context });
      }
      this.#end(context, queue, asking, (request) => request.process(context));
    } else if (env.now() >= deadline) {
      this.#end(context, queue, asking, (request) => request.refuse('lookup', 'another process serves the context'));
    } else if (queue.waiting.size === 0) {
      this.#next(context, queue);
    } else {
      const pause = Math.max(shortestPause, Math.min((claim.until - env.epoch()) * 1000, deadline - env.now()));
      queue.stop = env.schedule(pause, () => {
        queue.stop = undefined;
        this.#ask(context, queue, deadline);
      });
    }
  }

  #end(context: SecurityContext, queue: Queue, asking: readonly RequestForLease[], task: (request: RequestForLease) => void): void {
    for (const request of asking) {
      if (!this.#leave(context, queue, request)) continue;
      try {
        task(request);
      } catch (error) {
        this.#options.emit?.({ type: 'failed', error });
      }
    }
    this.#next(context, queue);
  }

  #next(context: SecurityContext, queue: Queue): void {
    queue.busy = false;
    if (queue.waiting.size > 0) this.#ask(context, queue, this.#options.env.now() + patience);
    else this.#queues.delete(context);
  }

  #leave(context: SecurityContext, queue: Queue, request: RequestForLease): boolean {
    if (!queue.waiting.delete(request)) return false;
    this.#waiting--;
    this.#bytes -= request.size;
    if (queue.waiting.size === 0 && (!queue.busy || queue.stop !== undefined)) {
      queue.stop?.();
      this.#queues.delete(context);
    }
    return true;
  }
}
