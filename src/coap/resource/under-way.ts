import type { Cancel, Env } from '../../core/env.ts';
import { type Member, Roster } from '../../core/roster.ts';
import type { Handler, Layer, Reply, Request, Requester, Response } from '../layer.ts';
import { Code } from '../message/code.ts';
import { OptionNumber, uintOption } from '../message/option.ts';

/** Who hears of answers, and how a server that ends refuses. */
export interface UnderWayOptions {
  /** Hears of each request when its answer, or the first of several, is given; `milliseconds` is how long that took. */
  readonly answered?: (request: Request, response: Response, milliseconds: number) => void;
  /** Hears of each request that comes too late, and gives the response. Absent: it is given at once. */
  readonly refuse?: (request: Request, reply: Reply, response: Response) => void;
}

/** Seconds after which there may be a server again. */
const restart = 5;
/** Milliseconds between two looks at what is still to be acknowledged. */
const look = 20;
/** Milliseconds for the last acknowledgements: more than ACK_TIMEOUT times ACK_RANDOM_FACTOR (RFC 7252, Section 4.8). */
const acknowledgement = 3_500;

function unavailable(): Response {
  return { code: Code.ServiceUnavailable, options: [uintOption(OptionNumber.MaxAge, restart)], payload: new Uint8Array(0) };
}

/**
 * A layer that knows which requests are being answered, so that a server can end when they are, and takes no others then.
 *
 * It stands below the block-wise layer: each block of a body is a request.
 */
export class UnderWay implements Layer {
  readonly name = 'under-way';
  readonly #options: UnderWayOptions;
  readonly #env: Env;
  readonly #visits = new Roster<Visit>();
  readonly #observations = new Set<Visit>();
  #draining = false;
  #idle: (() => void) | undefined;

  constructor(options: UnderWayOptions, env: Env) {
    this.#options = options;
    this.#env = env;
  }

  /** Requests that have no answer yet. */
  get size(): number {
    return this.#visits.size;
  }

  /** Whether requests are refused because the server ends. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** Requests of ours pass. */
  outbound(next: Requester): Requester {
    return next;
  }

  /** Counts requests until they are answered; once it drains, refuses them with 5.03. */
  inbound(next: Handler): Handler {
    const { refuse = (_request: Request, reply: Reply, response: Response) => reply.respond(response) } = this.#options;
    return (request, reply) => {
      if (this.#draining) refuse(request, reply, unavailable());
      else next(request, this.#enter(request, reply));
    };
  }

  /**
   * From now on answer requests with 5.03, and observations for the last time (RFC 7641, Section 4.2); fulfilled when those that were there before are answered
   * and the answers acknowledged, or `milliseconds` are over. The result says whether all were. An acknowledgement is waited for no longer than a first
   * retransmission takes: who observed may be gone.
   *
   * @param outstanding - how many messages wait for their acknowledgement
   */
  async drain(milliseconds: number, outstanding: () => number = () => 0): Promise<boolean> {
    const end = this.#env.now() + milliseconds;
    this.#draining = true;
    for (const visit of [...this.#observations]) visit.end(unavailable());
    const wait = (delay: number, task: (wake: () => void) => void = () => {}): Promise<void> => {
      let cancel: Cancel | undefined;
      return new Promise<void>((resolve) => {
        cancel = this.#env.schedule(delay, resolve);
        task(resolve);
      }).finally(() => cancel?.());
    };
    if (this.#visits.size > 0) {
      await wait(milliseconds, (wake) => {
        this.#idle = wake;
      });
    }
    const last = Math.min(end, this.#env.now() + acknowledgement);
    while (outstanding() > 0 && this.#env.now() < last) await wait(Math.min(look, last - this.#env.now()));
    return this.#visits.size === 0 && outstanding() === 0;
  }

  #enter(request: Request, reply: Reply): Reply {
    const visit = new Visit(reply, { request, start: this.#env.now() }, this.#owner);
    this.#visits.add(visit);
    return visit;
  }

  readonly #owner: VisitOwner = {
    answered: (visit, { request, start }, response, last) => {
      this.#leave(visit);
      if (!last) this.#observations.add(visit);
      this.#options.answered?.(request, response, this.#env.now() - start);
    },
    ended: (visit) => this.#leave(visit),
  };

  #leave(visit: Visit): void {
    this.#observations.delete(visit);
    if (this.#visits.delete(visit) && this.#visits.size === 0) this.#idle?.();
  }
}

interface Asked {
  readonly request: Request;
  /** Milliseconds. */
  readonly start: number;
}

interface VisitOwner {
  answered(visit: Visit, asked: Asked, response: Response, last: boolean): void;
  ended(visit: Visit): void;
}

/** One request. To the handler it is the reply. */
class Visit implements Reply, Member {
  place = -1;
  readonly #lower: Reply;
  readonly #owner: VisitOwner;
  /** Absent once it is answered: an observation lives longer than what asked for it. */
  #asked: Asked | undefined;
  #hasEnded = false;
  #tasks: (() => void)[] = [];

  constructor(lower: Reply, asked: Asked, owner: VisitOwner) {
    this.#lower = lower;
    this.#asked = asked;
    this.#owner = owner;
    lower.onCancel(() => this.#finish());
  }

  get room(): number | undefined {
    return this.#lower.room;
  }

  respond(response: Response): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#lower.respond(response);
    this.#answered(response, true);
  }

  notify(response: Response): void {
    if (this.#hasEnded) return;
    this.#lower.notify(response);
    this.#answered(response, false);
  }

  onCancel(task: () => void): void {
    if (!this.#hasEnded) this.#tasks.push(task);
  }

  shown(): void {
    this.#lower.shown?.();
  }

  acknowledge(): void {
    if (!this.#hasEnded) this.#lower.acknowledge?.();
  }

  dismiss(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#lower.dismiss?.();
    this.#owner.ended(this);
  }

  /** Answer for the last time, and tell who would answer. */
  end(response: Response): void {
    this.respond(response);
    this.#finish();
  }

  #answered(response: Response, last: boolean): void {
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked !== undefined) this.#owner.answered(this, asked, response, last);
    else if (last) this.#owner.ended(this);
  }

  #finish(): void {
    const tasks = this.#tasks;
    this.#tasks = [];
    if (!this.#hasEnded) {
      this.#hasEnded = true;
      this.#owner.ended(this);
    }
    for (const task of tasks) task();
  }
}
