import {
  Code,
  codeClass,
  findOption,
  OptionNumber,
  type OptionTable,
  type Request,
  type Requester,
  type Response,
  type ResponseListener,
  recogniseOptions,
} from '../coap/index.ts';
import type { Cancel } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import type { Member, Roster } from '../core/roster.ts';
import type { SecurityContext } from './context.ts';
import type { ContextTable } from './context-table.ts';
import { OscoreError } from './errors.ts';
import type { DiscardReason, OscoreEvent } from './events.ts';
import { isRegistration, protectRequest, type RequestBinding, type UnprotectedResponse, unprotectResponse } from './protect.ts';
import { ReplayWindow } from './replay-window.ts';
import type { SequenceUser } from './sender-sequence.ts';
import { contextGone, type Sequences } from './sequences.ts';

/** What all exchanges of a layer share. */
export interface ExchangeParts {
  readonly contexts: ContextTable;
  readonly sequences: Sequences;
  readonly emit: ((event: OscoreEvent) => void) | undefined;
  /** The Inner options that are understood. */
  options: OptionTable;
  /** The exchanges that are open. */
  readonly open: Roster<ClientExchange>;
}

/** Responses of one request that may overtake each other. */
const responseWindow = 128;

/** The reasons by error code; a code that is not here is a fault of ours. */
export const discardReasons: ReadonlyMap<string, DiscardReason> = new Map<string, DiscardReason>([
  ['ERR_OSCORE_DECODE', 'decode'],
  ['ERR_OSCORE_DECRYPT', 'decrypt'],
  ['ERR_OSCORE_PLAINTEXT', 'plaintext'],
]);

/**
 * One protected request and what comes back (RFC 8613, Sections 8.1 and 8.4).
 *
 * It stands between the listener and the layer below: waits for a number, protects, sends, and lets through what verifies.
 */
export class ClientExchange implements ResponseListener, SequenceUser, Member {
  place = -1;
  readonly #parts: ExchangeParts;
  readonly #next: Requester;
  readonly #request: Request;
  readonly #context: SecurityContext;
  readonly #listener: ResponseListener;
  readonly #registered: boolean;
  #binding: RequestBinding | undefined = undefined;
  #stopLower: Cancel | undefined = undefined;
  #done = false;
  /** The Notification Number (RFC 8613, Section 7.4.1). */
  #notificationNumber = -1;
  /** Whether a notification used the nonce of the request. */
  #nonceUsed = false;
  /** Of a robust block-wise transfer: many responses, in any order. */
  readonly #window: ReplayWindow | undefined;

  constructor(parts: ExchangeParts, next: Requester, request: Request, context: SecurityContext, listener: ResponseListener) {
    this.#parts = parts;
    this.#next = next;
    this.#request = request;
    this.#context = context;
    this.#listener = listener;
    this.#window = request.qBlock === true ? new ReplayWindow(responseWindow) : undefined;
    const observe = findOption(request.options, OptionNumber.Observe);
    this.#registered = observe !== undefined && isRegistration(observe);
  }

  start(): Cancel {
    this.#parts.open.add(this);
    if (!this.#parts.contexts.has(this.#context)) this.fail(contextGone());
    else {
      this.#parts.contexts.use(this.#context);
      const leave = this.#parts.sequences.of(this.#context).take(this);
      if (leave !== undefined) this.#stopLower ??= leave;
    }
    return () => {
      if (this.#done) return;
      this.#finish();
      this.#stopLower?.();
    };
  }

  use(sequence: number): void {
    if (this.#done) return;
    // After a wait the context is looked at again.
    if (!this.#parts.contexts.has(this.#context)) {
      this.fail(contextGone());
      return;
    }
    let message: Request;
    try {
      ({ message, binding: this.#binding } = protectRequest(this.#request, this.#context, sequence));
    } catch (error) {
      this.fail(error as ProtocolError);
      return;
    }
    this.#parts.emit?.({ type: 'protected', direction: 'out', context: this.#context, inner: this.#request });
    this.#stopLower = undefined;
    let stop: Cancel;
    try {
      stop = this.#next(this.#request.qBlock === true ? { ...message, qBlock: true } : message, this);
    } catch (error) {
      this.fail(error as ProtocolError);
      return;
    }
    if (this.#done) stop();
    else this.#stopLower = stop;
  }

  fail(error: ProtocolError): void {
    if (this.#done) return;
    this.#finish();
    this.#listener.error(error);
  }

  /** A context left the table: nothing that comes for it counts any more. */
  release(context: SecurityContext): void {
    if (context !== this.#context || this.#done) return;
    const stop = this.#stopLower;
    this.fail(contextGone());
    stop?.();
  }

  error(error: ProtocolError): void {
    this.fail(error);
  }

  acknowledged(): void {
    if (!this.#done) this.#listener.acknowledged?.();
  }

  response(message: Response, last: boolean): void {
    if (this.#done || this.#binding === undefined) return;
    if (!this.#parts.contexts.has(this.#context)) {
      this.#discard('context', last, contextGone());
      return;
    }
    if (findOption(message.options, OptionNumber.Oscore) === undefined) {
      this.#unprotected(message, last);
      return;
    }
    let received: UnprotectedResponse;
    try {
      received = unprotectResponse(message, this.#context, this.#binding);
    } catch (error) {
      const { code } = error as OscoreError;
      this.#discard(discardReasons.get(code) ?? 'plaintext', last);
      return;
    }
    const { sequence } = received;
    // RFC 7252 §5.4 for the Inner options, which no layer below can see.
    const { bad, options } = recogniseOptions(received.response.options, this.#parts.options);
    if (bad !== undefined) {
      this.#discard('plaintext', last);
      return;
    }
    let response: Response = options === received.response.options ? received.response : { ...received.response, options };
    if (message.retransmitted === true) response = { ...response, retransmitted: true };
    const notification = findOption(options, OptionNumber.Observe) !== undefined;
    if ((notification || this.#window !== undefined) && !this.#isNewer(sequence, notification, last)) return;
    this.#context.verified();
    this.#parts.contexts.use(this.#context);
    this.#parts.emit?.({ type: 'unprotected', direction: 'in', context: this.#context, inner: response });
    const ends = last || (this.#window === undefined ? !notification : codeClass(response.code) !== 2 && response.code !== Code.RequestEntityIncomplete);
    if (ends) {
      this.#finish();
      if (!last) this.#stopLower?.();
    }
    // A notification that used the nonce of the request is the oldest of all.
    this.#listener.response(notification ? { ...response, sequence: sequence ?? -1 } : response, ends);
  }

  /** RFC 8613 §7.4.1 and §8.4.2, step A. */
  #isNewer(sequence: number | undefined, notification: boolean, last: boolean): boolean {
    if (notification && !this.#registered) {
      this.#discard('unexpected', last);
      return false;
    }
    let newer = sequence === undefined ? !this.#nonceUsed && this.#notificationNumber < 0 : sequence > this.#notificationNumber;
    // RFC 9177 §4.4: the payloads of one body may overtake each other. Which body is the newer one, the layer above finds out.
    if (this.#window !== undefined) newer = sequence === undefined ? !this.#nonceUsed : this.#window.accepts(sequence);
    if (!newer) {
      this.#discard('notification', last);
      return false;
    }
    if (sequence === undefined) this.#nonceUsed = true;
    else if (this.#window !== undefined) this.#window.commit(sequence);
    else this.#notificationNumber = sequence;
    return true;
  }

  /** Errors of OSCORE processing come without protection (RFC 8613, Section 8.2); a success never does (Section 2). */
  #unprotected(message: Response, last: boolean): void {
    if (codeClass(message.code) === 2) {
      this.#discard('unprotected', last);
      return;
    }
    const { code, options, payload, peer } = message;
    if (last) this.#finish();
    this.#listener.response(peer === undefined ? { code, options, payload } : { code, options, payload, peer }, last);
  }

  /** Drop a response; when it was the last that can come, the listener hears it. */
  #discard(reason: DiscardReason, last: boolean, error?: OscoreError): void {
    this.#parts.emit?.({ type: 'discarded', direction: 'in', reason, context: this.#context, detail: 'response' });
    if (last) this.fail(error ?? new OscoreError('ERR_OSCORE_RESPONSE', `expected a protected response that verifies, got none (${reason})`));
  }

  #finish(): void {
    this.#done = true;
    this.#parts.open.delete(this);
  }
}
