import { Code, type Reply, type Response, type SecurityAssociation } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import type { Target } from './targets.ts';

/** What is asked for, and by whom. */
export interface LastingRequest {
  readonly target: Target;
  readonly method: number;
  /** None where it needs no token. */
  readonly association: SecurityAssociation | undefined;
  /** It goes on with what its token permits at each time. What is answered once goes by the rights that it came with. */
  readonly isObservation: boolean;
  /** Whether it may go on now: the wall clock may have been set since the timer for the end of its token was. */
  isAuthorized(): boolean;
}

/** The answers to a request that may go on for as long as its token does: an observation, or whatever takes its time to be answered. */
export class LastingReply implements Reply {
  readonly target: Target;
  readonly method: number;
  readonly association: SecurityAssociation | undefined;
  readonly isObservation: boolean;
  readonly #isAuthorized: () => boolean;
  readonly #lower: Reply;
  readonly #all: Set<LastingReply>;
  #tasks: (() => void)[] = [];
  #ended = false;

  /** It stands in `all` until it has ended. */
  constructor(lower: Reply, all: Set<LastingReply>, request: LastingRequest) {
    this.target = request.target;
    this.method = request.method;
    this.association = request.association;
    this.isObservation = request.isObservation;
    this.#isAuthorized = request.isAuthorized;
    this.#lower = lower;
    this.#all = all;
    all.add(this);
    lower.onCancel(() => this.#finish());
  }

  get room(): number | undefined {
    return this.#lower.room;
  }

  respond(response: Response): void {
    if (this.#ended) return;
    if (this.#isAuthorized()) this.#last(response);
    else this.end();
  }

  notify(response: Response): void {
    if (this.#ended) return;
    if (this.#isAuthorized()) this.#lower.notify(response);
    else this.end();
  }

  onCancel(task: () => void): void {
    if (this.#ended) task();
    else this.#tasks.push(task);
  }

  shown(): void {
    this.#lower.shown?.();
  }

  acknowledge(): void {
    if (!this.#ended) this.#lower.acknowledge?.();
  }

  dismiss(): void {
    if (this.#ended) return;
    this.#tasks = [];
    this.#finish();
    this.#lower.dismiss?.();
  }

  /** Take the right away: an error to the client, and whoever answers hears that nobody listens any more (RFC 9200, Section 5.10.3). */
  end(code: number = Code.Unauthorized): void {
    if (this.#ended) return;
    this.#last({ code, options: [], payload: emptyBytes });
    this.#finish();
  }

  #last(response: Response): void {
    this.#ended = true;
    this.#all.delete(this);
    this.#lower.respond(response);
  }

  #finish(): void {
    this.#ended = true;
    this.#all.delete(this);
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
  }
}
