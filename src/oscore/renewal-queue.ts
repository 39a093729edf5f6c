import type { ProtocolError } from '../core/errors.ts';
import type { SecurityContext } from './context.ts';
import { OscoreError } from './errors.ts';
import type { RenewalExchange } from './renewal-exchange.ts';
import { contextGone } from './sequences.ts';

/**
 * The requests of one `RenewableContext`: at most one of them, the head, runs the procedure (RFC 8613, Appendix B.2), and those that come meanwhile wait in
 * the order in which they were made.
 */
export class RenewalQueue {
  readonly #limit: number;
  #waiting: RenewalExchange[] = [];
  #head: RenewalExchange | undefined = undefined;
  /** The third context, from request #2 until a response under it verifies. */
  #candidate: SecurityContext | undefined = undefined;
  #releasing = false;
  /** Exchanges whose request is out under a context of the table. */
  readonly #open: Set<RenewalExchange> = new Set();
  /** Contexts that were replaced while responses to their requests were still to come, and what takes them out of the table. */
  readonly #retiring: Map<SecurityContext, () => void> = new Map();
  #made = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get head(): RenewalExchange | undefined {
    return this.#head;
  }

  get candidate(): SecurityContext | undefined {
    return this.#candidate;
  }

  /** Whether a request that is made now has to wait. */
  get busy(): boolean {
    return this.#head !== undefined || this.#releasing;
  }

  /** How many requests run the procedure or wait for its end. */
  get size(): number {
    return this.#waiting.length + (this.#head === undefined ? 0 : 1);
  }

  /** The place of a new request in the order. */
  place(): number {
    return this.#made++;
  }

  /** Wait; one that was sent before takes its old place. */
  wait(exchange: RenewalExchange): void {
    if (this.#waiting.length >= this.#limit) {
      exchange.fail(new OscoreError('ERR_OSCORE_LIMIT', `expected at most ${this.#limit} requests to wait for a new context, got one more`));
      return;
    }
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1]!.place > exchange.place) at--;
    this.#waiting.splice(at, 0, exchange);
  }

  /** Run the procedure. */
  lead(exchange: RenewalExchange): void {
    this.#head = exchange;
  }

  /** Request #2 goes out under this context. */
  propose(context: SecurityContext | undefined): void {
    this.#candidate = context;
  }

  /** The request goes out under a context of the table. */
  open(exchange: RenewalExchange): void {
    this.#open.add(exchange);
  }

  /** No response under that context is waited for any more. */
  close(exchange: RenewalExchange): void {
    this.#open.delete(exchange);
    const { context } = exchange;
    const remove = context === undefined ? undefined : this.#retiring.get(context);
    if (context === undefined || remove === undefined || this.isUsed(context)) return;
    this.#retiring.delete(context);
    remove();
  }

  /** The exchange is over. If it ran the procedure, the next one takes it on. */
  leave(exchange: RenewalExchange): void {
    this.close(exchange);
    const at = this.#waiting.indexOf(exchange);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#head === exchange) this.release();
  }

  /** The run is over: all that wait go on, in order, until one of them runs the procedure anew. */
  release(): void {
    this.#head = undefined;
    this.#candidate = undefined;
    if (this.#releasing) return;
    this.#releasing = true;
    try {
      while (this.#head === undefined && this.#waiting.length > 0) this.#waiting.shift()!.resume();
    } finally {
      this.#releasing = false;
    }
  }

  /** The run failed, and what waited for it fails with it. */
  abandon(error: ProtocolError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#head = undefined;
    this.#candidate = undefined;
    for (const exchange of waiting) exchange.fail(error);
  }

  /**
   * A context was replaced. Responses to requests that are out under it are still taken, and `remove` runs after the last of them; observations are at their
   * end, since the server sends no notification under it any more.
   */
  retire(context: SecurityContext, remove: () => void): void {
    for (const exchange of [...this.#open]) if (exchange.context === context && exchange.answered) exchange.fail(contextGone());
    if (this.isUsed(context)) this.#retiring.set(context, remove);
    else remove();
  }

  /** The input parameters left the table. */
  end(): void {
    const head = this.#head;
    this.abandon(contextGone());
    head?.fail(contextGone());
    for (const remove of this.#retiring.values()) remove();
    this.#retiring.clear();
  }

  /** Whether a response under the context is waited for. */
  isUsed(context: SecurityContext): boolean {
    for (const exchange of this.#open) if (exchange.context === context) return true;
    return false;
  }
}
