import { emptyBytes } from '../../core/bytes.ts';
import type { Member } from '../../core/roster.ts';
import { blockOf } from '../blockwise/block-option.ts';
import { Task } from '../deadline.ts';
import type { Peer, Reply, Response } from '../layer.ts';
import { copyOptions } from '../message/cache-key.ts';
import { Code, codeClass, isSafe } from '../message/code.ts';
import { type Body, bodyLength, encodedLength, type Message } from '../message/message.ts';
import { isUnwanted } from '../message/no-response.ts';
import { findOption, type Option, OptionNumber, opaqueOption, readUint, withOption } from '../message/option.ts';
import type { MessageLayer, Received, Underway } from '../messaging/message-layer.ts';
import type { TransmissionListener } from '../messaging/transmission.ts';

/** What a reply needs of the exchange that owns it. */
export interface ReplyOwner {
  readonly messaging: MessageLayer;
  /** A response cannot be encoded, or a task of the application threw. */
  failed(peer: Peer, error: unknown): void;
  /** A registration was accepted, or a request that bears a registration's token was answered with success. */
  accepted(reply: IncomingExchange): void;
  /** A deregistration was answered. */
  deregistered(reply: IncomingExchange): void;
  /** Nothing more will be sent. */
  ended(reply: IncomingExchange): void;
}

/** What waits is copied: the bytes of a response are borrowed. */
export function copyOf(response: Response): Response {
  return { ...response, options: copyOptions(response.options), payload: response.payload.slice() };
}

/** One that cannot waits for its turn, where its fault is told. */
function canBeEncoded({ options, payload }: Response): boolean {
  try {
    encodedLength(options, payload);
    return true;
  } catch {
    return false;
  }
}

/**
 * The server's half of an exchange: the answer to one request, or the notifications of one observation.
 *
 * Of an observation, at most one message is under way. A newer notification takes the place of one that waits, and of one that would be retransmitted. One that
 * went out Non-confirmable and has no successor within the notification interval is repeated as a Confirmable message, so that the client learns the latest
 * state whatever gets lost.
 */
export class IncomingExchange implements Reply, TransmissionListener, Member {
  readonly peer: Peer;
  readonly token: Uint8Array;
  /** The request carried an Observe option. */
  readonly observes: boolean;
  /** What is answered is protected, so the request was too: who sent it is known. */
  authenticated = false;
  place = -1;
  /** The client can be asked to send its request again with an Echo. */
  knowsEcho = false;
  readonly #method: number;
  readonly #deregisters: boolean;
  /** Equal for the requests of one observation: registration, renewals and cancellation. */
  registration: object = this;
  readonly #owner: ReplyOwner;
  readonly #incoming: Received;
  readonly #noResponse: number;
  /** The first response has left. */
  #answered = false;
  /** A notification has left: the client is an observer. */
  #registered = false;
  /** `respond` was called, or the exchange was cancelled. */
  #closed = false;
  #onCancel: (() => void)[] | undefined = undefined;
  #deadline: Task | undefined = undefined;
  #sent: Response | undefined = undefined;
  #waiting: Response | undefined = undefined;
  #underWay: Underway | undefined = undefined;
  #nonConfirmables = 0;
  #held = false;
  #cancelled = false;
  /** Messages of a robust block-wise transfer that are under way. */
  #besides: Set<Underway> | undefined = undefined;

  constructor(owner: ReplyOwner, incoming: Received, peer: Peer, request: Pick<Message, 'code' | 'token'>, observe: Option | undefined, noResponse: number) {
    this.#owner = owner;
    this.#incoming = incoming;
    this.peer = peer;
    this.token = request.token;
    this.#method = request.code;
    this.observes = observe !== undefined;
    this.#deregisters = observe !== undefined && observe.value.length <= 3 && readUint(observe.value) === 1;
    this.#noResponse = noResponse;
  }

  /** Whether `respond` was called or nobody waits for more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether it is closed and nothing of it is on its way. */
  get over(): boolean {
    return this.#closed && this.#underWay === undefined && this.#besides === undefined;
  }

  /** A response was given, which for an observation is the first of several. */
  get answered(): boolean {
    return this.#answered;
  }

  get room(): number | undefined {
    const { reachability } = this.#owner.messaging;
    // A client that will answer a challenge gets one, and then all at once.
    if (reachability === undefined || (this.knowsEcho && !this.#answered && isSafe(this.#method))) return undefined;
    return reachability.room(this.#incoming, this.token, !this.#answered);
  }

  shown(): void {
    const { reachability } = this.#owner.messaging;
    const { state } = this.#incoming;
    if (state?.reachable === false) reachability?.show(state);
  }

  respond(response: Response): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onCancel = undefined;
    if (this.observes) {
      this.#authenticate(response);
      if (this.#deregisters) this.#owner.deregistered(this);
      else if (codeClass(response.code) === 2) this.#owner.accepted(this);
    }
    // RFC 7967 §2.1: the wish holds for the request, and so for the last notification too.
    if (response.suppress === true || (this.#noResponse !== 0 && isUnwanted(this.#noResponse, response.code)))
      this.#owner.messaging.acknowledge(this.#incoming);
    else this.#deliver(response);
    if (this.over) this.#end();
  }

  notify(response: Response): void {
    if (this.#closed) return;
    if (!this.observes && response.qBlock === undefined) {
      this.respond(response);
      return;
    }
    if (!this.#answered) this.#authenticate(response);
    // A 2.31 comes before the registration has arrived in full.
    if (this.observes && !this.#registered && codeClass(response.code) === 2 && response.code !== Code.Continue) {
      this.#registered = true;
      this.#owner.accepted(this);
    }
    this.#deliver(response);
  }

  /** End without a response. */
  silence(): void {
    this.respond({ code: 0, options: [], payload: emptyBytes, suppress: true });
  }

  acknowledge(): void {
    if (!this.#closed) this.#owner.messaging.acknowledge(this.#incoming);
  }

  dismiss(): void {
    if (this.#closed) return;
    this.#owner.messaging.acknowledge(this.#incoming);
    this.#onCancel = undefined;
    this.cancel();
  }

  onCancel(task: () => void): void {
    if (this.#cancelled) this.#run(task);
    if (this.#closed) return;
    this.#onCancel ??= [];
    this.#onCancel.push(task);
  }

  /** It lasts: what is known of the peer lasts as long. An authenticated one needs nothing of it. */
  hold(): void {
    const { state } = this.#incoming;
    if (this.authenticated || state === undefined) return;
    this.#held = true;
    state.replies++;
  }

  /** A handler that never answers is not waited for longer than the client waits. */
  expireAfter(delay: number): void {
    this.#deadline = new Task(() => this.cancel());
    this.#owner.messaging.deadlines.set(this.#deadline, delay);
  }

  /** Nobody waits for more. */
  cancel(): void {
    const tasks = this.#close();
    if (this.#underWay !== undefined) this.#owner.messaging.settle(this.#underWay);
    this.#underWay = undefined;
    this.#waiting = undefined;
    for (const beside of this.#besides ?? []) this.#owner.messaging.settle(beside);
    this.#besides = undefined;
    if (!this.#answered) this.#owner.messaging.acknowledge(this.#incoming);
    this.#end();
    for (const task of tasks) this.#run(task);
  }

  /** Nothing more is taken from whoever answers; the result is what tells so, unless it was the one to end it. */
  #close(): readonly (() => void)[] {
    const tasks = this.#closed ? undefined : this.#onCancel;
    // A first notification that became a challenge: whoever made it may ask only afterwards to be told.
    this.#cancelled ||= !this.#closed;
    this.#closed = true;
    this.#onCancel = undefined;
    return tasks ?? [];
  }

  /** Another peer needs the place: the client hears so, and whoever answers hears that nobody waits for more. */
  giveWay(): void {
    if (this.#closed) return;
    const tasks = this.#onCancel ?? [];
    this.#cancelled = true;
    this.respond({ code: Code.ServiceUnavailable, options: [], payload: emptyBytes });
    for (const task of tasks) this.#run(task);
  }

  #run(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#owner.failed(this.peer, error);
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
    if (newer === undefined || !canBeEncoded(newer)) return undefined;
    this.#waiting = undefined;
    return newer;
  }

  #deliver(response: Response): void {
    if (response.qBlock !== undefined) this.#sendBeside(response, response.qBlock === 'CON');
    else if (this.#underWay !== undefined) this.#waiting = copyOf(response);
    else this.#send(response);
  }

  #authenticate(response: Response): void {
    this.authenticated ||= findOption(response.options, OptionNumber.Oscore) !== undefined;
  }

  /** RFC 9177 §4.4: the messages of one body, none of which stands for another. */
  #sendBeside(body: Response, confirmable: boolean): void {
    const { messaging } = this.#owner;
    const first = !this.#answered;
    if (first && this.#incoming.state?.reachable === false) {
      this.#authenticate(body);
      // RFC 9177 §11: whoever asks for a body in many datagrams shows its address first. What of it is not sent is as good as lost.
      const block = blockOf(body.options, OptionNumber.QBlock2);
      if (!this.authenticated && isSafe(this.#method) && block !== undefined && block !== 'bad' && block.more) {
        this.#challenge();
        return;
      }
    }
    let sent: Underway | undefined;
    const gone = (): void => {
      if (sent === undefined || this.#besides?.delete(sent) !== true || this.#besides.size > 0) return;
      this.#besides = undefined;
      if (this.over) this.#end();
    };
    const listener: TransmissionListener = { finished: gone, failed: () => this.cancel(), authenticated: this.authenticated };
    try {
      if (first && this.#incoming.confirmable) sent = messaging.answer(this.#incoming, this.token, body, 0, listener);
      else sent = messaging.transmit(this.peer, confirmable, this.token, body, 0, listener, true);
    } catch (error) {
      this.#owner.failed(this.peer, error);
      this.cancel();
      return;
    }
    this.#answered = true;
    if (first && this.#deadline !== undefined) messaging.deadlines.clear(this.#deadline);
    if (sent !== undefined) (this.#besides ??= new Set()).add(sent);
    if (!this.#closed || this.#besides === undefined) return;
    // Nothing follows that a Reset could stop.
    for (const beside of [...this.#besides]) {
      if (beside.confirmable) continue;
      messaging.settle(beside);
      this.#besides.delete(beside);
    }
    if (this.#besides.size === 0) this.#besides = undefined;
  }

  #send(body: Response, repeated = false): void {
    this.#waiting = undefined;
    try {
      this.#transmit(body, repeated);
    } catch (error) {
      this.#owner.failed(this.peer, error);
      const tasks = this.#close();
      this.#transmit({ code: Code.InternalServerError, options: [], payload: emptyBytes }, repeated);
      if (this.over) this.#end();
      for (const task of tasks) this.#run(task);
    }
  }

  #transmit(given: Response, repeated: boolean): void {
    const { messaging } = this.#owner;
    const first = !this.#answered;
    const reachable = this.#incoming.state?.reachable !== false;
    const body = reachable ? given : this.#within(given, first);
    if (body === 'challenge') {
      this.#challenge();
      return;
    }
    // The final response to a Non-confirmable request takes no part in the pacing of notifications.
    const hold = this.#closed && first ? 0 : messaging.parameters.notificationInterval;
    const wanted = body.nonConfirmable === undefined ? this.#incoming.confirmable : !body.nonConfirmable;
    if (first) this.#underWay = messaging.answer(this.#incoming, this.token, body, hold, this, wanted);
    else {
      // RFC 7641 §7: who has not shown that it is there must acknowledge each.
      const unknown = !reachable && !this.authenticated;
      const due = this.#nonConfirmables >= messaging.parameters.nonConfirmableNotifications;
      const confirmable = wanted || this.#closed || repeated || unknown || due;
      this.#underWay = messaging.transmit(this.peer, confirmable, this.token, body, hold, this);
    }
    this.#answered = true;
    this.#nonConfirmables = this.#underWay === undefined || this.#underWay.confirmable ? 0 : this.#nonConfirmables + 1;
    this.#sent = this.#nonConfirmables > 0 ? copyOf(body) : undefined;
    if (first && this.#deadline !== undefined) messaging.deadlines.clear(this.#deadline);
  }

  /**
   * What may be sent to an address that has not shown itself (RFC 9175, Section 2.4, item 3).
   *
   * An answer that is too large goes without its diagnostic payload; else the client is asked for an Echo, if it is safe to send the request again; else it
   * hears how its request ended and nothing more.
   */
  #within(response: Response, first: boolean): Response | 'challenge' {
    const { reachability } = this.#owner.messaging;
    if (!this.observes) this.#authenticate(response);
    const room = reachability?.room(this.#incoming, this.token, first);
    if (room === undefined || this.authenticated) return response;
    const { code, options, payload } = response;
    if (bodyLength(options, payload.length) <= room) {
      // Blocks follow, so the client will come back.
      const block = blockOf(options, OptionNumber.Block2);
      if (block === undefined || block === 'bad' || !block.more) return response;
      const proving = withOption(options, reachability!.echoOption(this.peer));
      return bodyLength(proving, payload.length) <= room ? { ...response, options: proving } : response;
    }
    if (!first) return response;
    if (codeClass(code) > 2 && findOption(options, OptionNumber.ContentFormat) === undefined && bodyLength(options, 0) <= room) {
      return { code, options, payload: emptyBytes };
    }
    return codeClass(code) === 4 || isSafe(this.#method) ? 'challenge' : { code, options: [], payload: emptyBytes };
  }

  /** RFC 9175 §2.4, item 3: on the acknowledgement or Non-confirmable, never where it would be sent again and again. */
  #challenge(): void {
    const { messaging } = this.#owner;
    const options = [opaqueOption(OptionNumber.MaxAge, emptyBytes), messaging.reachability!.echoOption(this.peer)];
    messaging.answer(this.#incoming, this.token, { code: Code.Unauthorized, options, payload: emptyBytes }, 0, this, false);
    this.#answered = true;
    this.cancel();
  }

  #end(): void {
    this.#closed = true;
    this.#sent = undefined;
    if (this.#deadline !== undefined) this.#owner.messaging.deadlines.clear(this.#deadline);
    this.#owner.ended(this);
    if (!this.#held) return;
    this.#held = false;
    const state = this.#incoming.state!;
    state.replies--;
    state.release();
  }
}
