import { emptyBytes } from '../core/bytes.ts';
import { Code } from './code.ts';
import { Task } from './deadline.ts';
import type { Peer, Reply, Response } from './layer.ts';
import type { Body } from './message.ts';
import type { MessageLayer, Received, Underway } from './message-layer.ts';
import type { TransmissionListener } from './transmission.ts';

/** What a reply needs of the exchange that owns it. */
export interface ReplyOwner {
  readonly messaging: MessageLayer;
  /** A response cannot be encoded, or a task of the application threw. */
  failed(peer: Peer, error: unknown): void;
  /** A registration was accepted, or a request that bears a registration's token was answered with success. */
  accepted(reply: IncomingExchange): void;
  /** Nothing more will be sent. */
  ended(reply: IncomingExchange): void;
}

/** After this many Non-confirmable notifications in a row one is Confirmable (RFC 7641, Sections 4.5 and 7). */
const nonConfirmableInARow = 8;

/** No-Response: whether the client does not want a response of this class (RFC 7967, Section 2.1). */
function unwanted(interest: number, code: number): boolean {
  return (interest & (1 << ((code >>> 5) - 1))) !== 0;
}

/** What waits is copied: the bytes of a response are borrowed. */
function copyOf(body: Body): Body {
  return { code: body.code, options: body.options.map(({ number, value }) => ({ number, value: value.slice() })), payload: body.payload.slice() };
}

/**
 * The server's half of an exchange: the answer to one request, or the notifications of one observation.
 *
 * Of an observation, at most one message is under way. A newer notification takes the place of one that waits, and of one that would be retransmitted. One that
 * went out Non-confirmable and has no successor within the notification interval is repeated as a Confirmable message, so that the client learns the latest
 * state whatever gets lost.
 */
export class IncomingExchange implements Reply, TransmissionListener {
  readonly peer: Peer;
  readonly token: Uint8Array;
  /** The request carried an Observe option. */
  readonly observes: boolean;
  readonly #owner: ReplyOwner;
  readonly #incoming: Received;
  readonly #noResponse: number;
  /** The first response has left. */
  #answered = false;
  /** `respond` was called, or the exchange was cancelled. */
  #closed = false;
  #onCancel: (() => void)[] | undefined = undefined;
  #deadline: Task | undefined = undefined;
  #underWay: Underway | undefined = undefined;
  #sent: Body | undefined = undefined;
  #waiting: Body | undefined = undefined;
  #nonConfirmables = 0;

  constructor(owner: ReplyOwner, incoming: Received, peer: Peer, token: Uint8Array, observes: boolean, noResponse: number) {
    this.#owner = owner;
    this.#incoming = incoming;
    this.peer = peer;
    this.token = token;
    this.observes = observes;
    this.#noResponse = noResponse;
  }

  /** Whether `respond` was called or nobody waits for more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether it is closed and nothing of it is on its way. */
  get over(): boolean {
    return this.#closed && this.#underWay === undefined;
  }

  get answered(): boolean {
    return this.#answered;
  }

  respond(response: Response): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onCancel = undefined;
    if (this.observes && response.code >>> 5 === 2) this.#owner.accepted(this);
    if (this.#noResponse !== 0 && !this.#answered && unwanted(this.#noResponse, response.code)) this.#owner.messaging.acknowledge(this.#incoming);
    else this.#deliver(response);
    if (this.#underWay === undefined) this.#end();
  }

  notify(response: Response): void {
    if (this.#closed) return;
    if (!this.observes) {
      this.respond(response);
      return;
    }
    if (!this.#answered) this.#owner.accepted(this);
    this.#deliver(response);
  }

  onCancel(task: () => void): void {
    if (this.#closed) return;
    this.#onCancel ??= [];
    this.#onCancel.push(task);
  }

  /** A handler that never answers is not waited for longer than the client waits. */
  expireAfter(delay: number): void {
    this.#deadline = new Task(() => this.cancel());
    this.#owner.messaging.deadlines.set(this.#deadline, delay);
  }

  /** Nobody waits for more. */
  cancel(): void {
    const tasks = this.#closed ? undefined : this.#onCancel;
    this.#closed = true;
    this.#onCancel = undefined;
    if (this.#underWay !== undefined) this.#owner.messaging.settle(this.#underWay);
    this.#underWay = undefined;
    this.#waiting = undefined;
    if (!this.#answered) this.#owner.messaging.acknowledge(this.#incoming);
    this.#end();
    for (const task of tasks ?? []) {
      try {
        task();
      } catch (error) {
        this.#owner.failed(this.peer, error);
      }
    }
  }

  finished(): void {
    this.#underWay = undefined;
    const wasConfirmable = this.#nonConfirmables === 0;
    if (this.#waiting !== undefined) this.#send(this.#waiting);
    else if (this.#closed) this.#end();
    else if (!wasConfirmable) this.#send(this.#sent!, true);
  }

  failed(): void {
    this.#underWay = undefined;
    this.cancel();
  }

  supersede(): Body | undefined {
    const newer = this.#waiting;
    this.#waiting = undefined;
    return newer;
  }

  #deliver(response: Response): void {
    if (this.#underWay !== undefined) this.#waiting = copyOf(response);
    else this.#send(response);
  }

  #send(body: Body, repeated = false): void {
    this.#waiting = undefined;
    try {
      this.#transmit(body, repeated);
    } catch (error) {
      this.#owner.failed(this.peer, error);
      this.#closed = true;
      this.#transmit({ code: Code.InternalServerError, options: [], payload: emptyBytes }, repeated);
    }
  }

  #transmit(body: Body, repeated: boolean): void {
    const { messaging } = this.#owner;
    const first = !this.#answered;
    // The final response to a Non-confirmable request takes no part in the pacing of notifications.
    const hold = this.#closed && first ? 0 : messaging.parameters.notificationInterval;
    if (first) this.#underWay = messaging.answer(this.#incoming, this.token, body, hold, this);
    else {
      const confirmable = this.#incoming.confirmable || this.#closed || repeated || this.#nonConfirmables >= nonConfirmableInARow;
      this.#underWay = messaging.transmit(this.peer, confirmable, this.token, body, hold, this);
    }
    this.#answered = true;
    this.#nonConfirmables = this.#underWay === undefined || this.#underWay.confirmable ? 0 : this.#nonConfirmables + 1;
    this.#sent = this.#nonConfirmables > 0 ? copyOf(body) : undefined;
    if (first && this.#deadline !== undefined) messaging.deadlines.clear(this.#deadline);
  }

  #end(): void {
    this.#closed = true;
    this.#sent = undefined;
    if (this.#deadline !== undefined) this.#owner.messaging.deadlines.clear(this.#deadline);
    this.#owner.ended(this);
  }
}
