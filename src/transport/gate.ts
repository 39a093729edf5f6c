import { Code, type Handler, Method, networkOf, OptionNumber, type Peer, type Reply, type Request, type Response, uintOf, uintOption } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import { Tally } from '../core/tally.ts';

export interface GateOptions {
  /** Requests that may be with the handler at once. */
  readonly concurrency: number;
  /** Requests that may wait for their turn. */
  readonly waiting: number;
  /** A handler threw; its peer hears 5.00. */
  failed(peer: Peer, error: unknown): void;
}

/** Seconds after which a client may try again when there were too many requests. */
const busyAge = 1;

/** 5.03; Max-Age says when to come back (RFC 7252, Section 5.9.3.4). */
function unavailable(maxAge: number): Response {
  return { code: Code.ServiceUnavailable, options: [uintOption(OptionNumber.MaxAge, maxAge)], payload: emptyBytes };
}

/** Observe 0 on a method that it has a meaning for (RFC 7641, Section 2; RFC 8132, Section 2.4). */
function isRegistration({ code, options }: Request): boolean {
  return (code === Method.GET || code === Method.FETCH) && uintOf(options, OptionNumber.Observe) === 0;
}

/** The bytes of a request are borrowed; one that waits has its own. */
function copyOf(request: Request): Request {
  return { ...request, options: request.options.map(({ number, value }) => ({ number, value: value.slice() })), payload: request.payload.slice() };
}

/**
 * Stands in front of the handler of a server: bounds what runs and what waits, and can be closed, so that what runs comes to its end and nothing new begins.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #next: Handler;
  /** In the order of their coming. */
  readonly #queue = new Set<Visit>();
  /** How many of them are of one address. */
  readonly #waitingOf = new Tally();
  readonly #observations = new Set<Visit>();
  #running = 0;
  #admitting = false;
  /** The answer to everything that comes; `undefined` while open. */
  #closed: Response | undefined;

  constructor(options: GateOptions, next: Handler) {
    this.#options = options;
    this.#next = next;
  }

  readonly handler: Handler = (request, reply) => {
    const { concurrency, waiting } = this.#options;
    if (this.#closed !== undefined) reply.respond(this.#closed);
    else if (this.#running < concurrency && this.#queue.size === 0) this.#run(new Visit(this, request, reply));
    else if (this.#queue.size >= waiting && !this.#makeRoom(networkOf(request.peer.address))) reply.respond(unavailable(busyAge));
    else this.#wait(new Visit(this, copyOf(request), reply));
  };

  stats(): { readonly running: number; readonly waiting: number; readonly observations: number } {
    return { running: this.#running, waiting: this.#queue.size, observations: this.#observations.size };
  }

  /** Answer 5.03 to what comes, what waits, and whoever observes. `maxAge`: seconds until there may be a server again. */
  close(maxAge: number): void {
    if (this.#closed !== undefined) return;
    const answer = unavailable(maxAge);
    this.#closed = answer;
    for (const visit of [...this.#queue]) visit.end(answer);
    // RFC 7641 §4.2: the error is the last notification.
    for (const visit of [...this.#observations]) visit.end(answer);
  }

  /** The first answer of a visit. The result tells whether more may come. */
  answered(visit: Visit): boolean {
    this.#leave(visit);
    if (!visit.observes || this.#closed !== undefined) return false;
    this.#observations.add(visit);
    return true;
  }

  ended(visit: Visit): void {
    if (this.#unqueue(visit) || this.#observations.delete(visit)) return;
    this.#leave(visit);
  }

  #wait(visit: Visit): void {
    this.#queue.add(visit);
    this.#waitingOf.add(visit.network);
  }

  /** @returns whether it waited */
  #unqueue(visit: Visit): boolean {
    if (!this.#queue.delete(visit)) return false;
    this.#waitingOf.remove(visit.network);
    return true;
  }

  /** The address with most that wait gives its last place to one that has fewer: who fills the queue keeps nobody else out. */
  #makeRoom(network: string): boolean {
    let most: string | undefined;
    let count = this.#waitingOf.of(network) + 1;
    for (const [other, ofOther] of this.#waitingOf) if (ofOther > count) [most, count] = [other, ofOther];
    if (most === undefined) return false;
    [...this.#queue].findLast((visit) => visit.network === most)!.end(unavailable(busyAge));
    return true;
  }

  #run(visit: Visit): void {
    this.#running++;
    visit.running = true;
    try {
      this.#next(visit.request, visit);
    } catch (error) {
      visit.respond({ code: Code.InternalServerError, options: [], payload: emptyBytes });
      this.#options.failed(visit.request.peer, error);
    }
  }

  #leave(visit: Visit): void {
    if (!visit.running) return;
    visit.running = false;
    this.#running--;
    this.#admit();
  }

  /** Handlers that answer at once come back here before they return: the loop, not the stack, takes one after the other. */
  #admit(): void {
    if (this.#admitting) return;
    this.#admitting = true;
    try {
      for (const visit of this.#queue) {
        if (this.#running >= this.#options.concurrency) break;
        this.#unqueue(visit);
        this.#run(visit);
      }
    } finally {
      this.#admitting = false;
    }
  }
}

/** One request at the gate. To the handler it is the reply. */
class Visit implements Reply {
  readonly request: Request;
  readonly observes: boolean;
  /** The address that it counts for while it waits. */
  readonly network: string;
  running = false;
  readonly #gate: Gate;
  readonly #lower: Reply;
  #answered = false;
  #ended = false;
  #tasks: (() => void)[] | undefined;

  constructor(gate: Gate, request: Request, lower: Reply) {
    this.#gate = gate;
    this.request = request;
    this.observes = isRegistration(request);
    this.network = networkOf(request.peer.address);
    this.#lower = lower;
    lower.onCancel(() => this.#cancel());
  }

  respond(response: Response): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#lower.respond(response);
    this.#gate.ended(this);
  }

  notify(response: Response): void {
    if (this.#ended) return;
    if (!this.#answered) {
      this.#answered = true;
      if (!this.#gate.answered(this)) {
        // No observation: what would be the first notification is a response.
        this.end(response);
        return;
      }
    }
    this.#lower.notify(response);
  }

  onCancel(task: () => void): void {
    if (this.#ended) return;
    this.#tasks ??= [];
    this.#tasks.push(task);
  }

  /** Answer for the last time, and tell who would answer. */
  end(response: Response): void {
    const tasks = this.#tasks;
    this.respond(response);
    for (const task of tasks ?? []) task();
  }

  #cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#gate.ended(this);
    for (const task of this.#tasks ?? []) task();
  }
}
