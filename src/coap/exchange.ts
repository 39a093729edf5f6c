import { emptyBytes, equalBytes, utf8 } from '../core/bytes.ts';
import type { Cancel } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import { Code, codeClass } from './code.ts';
import { Task } from './deadline.ts';
import { CoapError } from './errors.ts';
import type { Handler, Peer, Request, ResponseListener } from './layer.ts';
import { type Body, type Message, MessageType } from './message.ts';
import type { MessageLayer, Received, Underway } from './message-layer.ts';
import type { DiscardedEvent } from './messaging.ts';
import { findOption, type Option, OptionNumber, type OptionTable, optionName, optionTable, readUint, recogniseOptions } from './option.ts';
import { IncomingExchange, type ReplyOwner } from './reply.ts';
import { Tokens, tokenNumber } from './token.ts';
import type { TransmissionListener } from './transmission.ts';

/** What the exchange layer reports. `failed`: a handler threw, or a response of its making cannot be sent. */
export type ExchangeEvent = DiscardedEvent | { readonly type: 'failed'; readonly peer: Peer; readonly error: unknown };

export interface ExchangeLimits {
  /** Requests whose handler has not answered yet, and observations. */
  readonly replies: number;
  /** Requests of ours that have no response yet, and observations of ours. */
  readonly requests: number;
}

export const defaultExchangeLimits: ExchangeLimits = { replies: 16_384, requests: 16_384 };

function plain(code: number, diagnostic?: string): Body {
  return { code, options: [], payload: diagnostic === undefined ? emptyBytes : utf8(diagnostic) };
}

function closed(): CoapError {
  return new CoapError('ERR_COAP_CLOSED', 'the endpoint was closed');
}

/** The client's half of an exchange. */
class OutgoingExchange implements TransmissionListener {
  readonly exchange: Exchange;
  readonly peer: Peer;
  readonly token: Uint8Array;
  readonly number: number;
  /** Registered for notifications: ends with a response that has no Observe option. */
  readonly observes: boolean;
  /** A deregistration, which a late notification does not answer. */
  readonly deregisters: boolean;
  /** A registration under a token that was registered before: what comes under it may answer the one before. */
  readonly renews: boolean;
  readonly listener: ResponseListener;
  transmission: Underway | undefined = undefined;
  deadline: Task | undefined = undefined;
  /** A notification came before the acknowledgement. */
  notified = false;

  constructor(exchange: Exchange, peer: Peer, token: Uint8Array, observe: Option | undefined, known: boolean, listener: ResponseListener) {
    this.exchange = exchange;
    this.peer = peer;
    this.token = token;
    this.number = tokenNumber(token);
    this.observes = observe !== undefined && isRegistration(observe);
    this.deregisters = observe !== undefined && !this.observes;
    this.renews = this.observes && known;
    this.listener = listener;
  }

  /** Delivered, as far as the message layer can tell; the response is still to come. */
  finished(): void {
    const { messaging } = this.exchange;
    this.transmission = undefined;
    if (this.notified) return;
    this.deadline = new Task(() =>
      this.failed(new CoapError('ERR_COAP_TIMEOUT', `expected a response from ${this.peer.address} port ${this.peer.port}, got none`)),
    );
    messaging.deadlines.set(this.deadline, messaging.parameters.exchangeLifetime);
  }

  failed(error: ProtocolError): void {
    this.exchange.end(this);
    this.listener.error(error);
  }
}

/**
 * Requests and responses: tokens, matching, options that must be understood. The lowest layer that knows requests.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.3 and https://www.rfc-editor.org/rfc/rfc9175#section-4
 */
export class Exchange implements ReplyOwner {
  readonly messaging: MessageLayer;
  readonly #limits: ExchangeLimits;
  readonly #emit: (event: ExchangeEvent) => void;
  readonly #tokens: Tokens;
  readonly #options: OptionTable;
  /** What we asked, by the sequence number in its token. */
  readonly #requests: Map<number, OutgoingExchange> = new Map();
  /** Tokens of our observations, for as long as their owners hold on to them. */
  readonly #observationTokens: WeakMap<object, Uint8Array> = new WeakMap();
  /** What we were asked and have not answered for good. */
  readonly #replies: Set<IncomingExchange> = new Set();
  /** The observations among them, by peer and token. */
  readonly #observers: Map<string, IncomingExchange> = new Map();
  #closed = false;
  /** Where requests go; set when the layers are put together. */
  handler: Handler = (_request, reply) => reply.respond(plain(Code.NotFound));

  /** @param understood options that the layers above process, of those that need a layer */
  constructor(messaging: MessageLayer, limits: ExchangeLimits, emit: (event: ExchangeEvent) => void, understood: readonly number[] = []) {
    this.messaging = messaging;
    this.#limits = limits;
    this.#emit = emit;
    this.#tokens = new Tokens(messaging.random);
    this.#options = optionTable(understood);
  }

  stats(): Readonly<Record<string, number>> {
    return { requests: this.#requests.size, replies: this.#replies.size, observers: this.#observers.size };
  }

  /**
   * The `Requester` at the bottom. What cannot be sent is told to the listener: `ERR_COAP_OPTION`, `ERR_COAP_BUSY`, `ERR_COAP_CLOSED`, and
   * `ERR_COAP_ASSOCIATION` when no layer has taken on to protect the request as it asks.
   */
  readonly request = (request: Request, listener: ResponseListener): Cancel => {
    try {
      return this.#send(request, listener);
    } catch (error) {
      const task = new Task(() => listener.error(error as ProtocolError));
      this.messaging.deadlines.set(task, 0);
      return () => this.messaging.deadlines.clear(task);
    }
  };

  #send(request: Request, listener: ResponseListener): Cancel {
    if (this.#closed) throw closed();
    if (request.association !== undefined) {
      // Sent as it is, what was meant to be protected would travel in the clear.
      throw new CoapError('ERR_COAP_ASSOCIATION', `expected a layer that protects with ${request.association.kind}, got none`);
    }
    const { peer } = request;
    const observe = findOption(request.options, OptionNumber.Observe);
    const observation = observe === undefined ? undefined : request.observation;
    const known = observation === undefined ? undefined : this.#observationTokens.get(observation);
    const token = known ?? this.#tokens.take();
    const outgoing = new OutgoingExchange(this, peer, token, observe, known !== undefined, listener);
    const before = this.#requests.get(outgoing.number);
    if (this.#requests.size >= this.#limits.requests && before === undefined) {
      throw new CoapError('ERR_COAP_BUSY', `expected at most ${this.#limits.requests} requests at once, got more`);
    }
    const confirmable = request.nonConfirmable !== true;
    const hold = confirmable ? 0 : this.messaging.probingTime(token, request);
    outgoing.transmission = this.messaging.transmit(peer, confirmable, token, request, hold, outgoing);
    if (observation !== undefined) this.#observationTokens.set(observation, token);
    // A renewal or a cancellation takes the place of the registration: what comes under the token now goes to its listener.
    if (before !== undefined) this.end(before);
    this.#requests.set(outgoing.number, outgoing);
    if (outgoing.transmission === undefined) outgoing.finished();
    return () => this.end(outgoing);
  }

  /** Forget a request of ours. */
  end(outgoing: OutgoingExchange): void {
    if (this.#requests.get(outgoing.number) === outgoing) this.#requests.delete(outgoing.number);
    this.#settle(outgoing);
  }

  #settle(outgoing: OutgoingExchange): void {
    if (outgoing.transmission !== undefined) this.messaging.settle(outgoing.transmission);
    outgoing.transmission = undefined;
    if (outgoing.deadline !== undefined) this.messaging.deadlines.clear(outgoing.deadline);
    outgoing.deadline = undefined;
  }

  /** From the message layer: a response. Returns whether it was expected. */
  receiveResponse(message: Message, peer: Peer, transmission: Underway | undefined): boolean {
    const outgoing = this.#requests.get(tokenNumber(message.token));
    // RFC 7252 §5.3.2: the endpoint that was asked, the token that was given, and for a piggybacked response the message id.
    if (outgoing === undefined || outgoing.peer.key !== peer.key || !equalBytes(outgoing.token, message.token)) return false;
    if (transmission !== undefined && outgoing.transmission !== transmission) return false;
    const { bad, options } = recogniseOptions(message.options, this.#options);
    if (bad !== undefined) {
      // RFC 7252 §5.4.1: the response is rejected. The request has arrived, so to ask again would bring the same.
      outgoing.failed(new CoapError('ERR_COAP_OPTION', `expected a response without ${optionName(bad.number)} of ${bad.value.length} bytes, got one`));
      return false;
    }
    const notifies = codeClass(message.code) === 2 && findOption(options, OptionNumber.Observe) !== undefined;
    // RFC 7641 §4.1: the answer to a deregistration has no Observe option. What has one is on its way since before, and unexpected by now.
    if (notifies && outgoing.deregisters) return false;
    const last = !outgoing.observes || !notifies;
    if (last) this.end(outgoing);
    // A notification may cross a renewal, and under OSCORE nothing above can use it then: only the acknowledgement tells that the renewal has arrived.
    else if (outgoing.renews && transmission === undefined && outgoing.transmission?.confirmable === true) outgoing.notified = true;
    else this.#settle(outgoing);
    try {
      outgoing.listener.response({ code: message.code, options, payload: message.payload, peer }, last);
    } catch (error) {
      this.failed(peer, error);
    }
    return true;
  }

  /** From the message layer: a request that is no duplicate. */
  receiveRequest(message: Message, peer: Peer, incoming: Received): void {
    const { bad, options } = recogniseOptions(message.options, this.#options);
    const confirmable = message.type === MessageType.CON;
    if (bad !== undefined) this.#rejectOption(bad, message, peer, incoming);
    else if (this.#replies.size >= this.#limits.replies) this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.ServiceUnavailable));
    else if (isForProxy(options)) this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.ProxyingNotSupported));
    else {
      const reply = this.#reply(message, peer, incoming, findOption(options, OptionNumber.Observe), noResponseOf(options));
      const { code, payload } = message;
      try {
        this.handler(confirmable ? { code, options, payload, peer } : { code, options, payload, peer, nonConfirmable: true }, reply);
      } catch (error) {
        this.failed(peer, error);
        reply.respond(plain(Code.InternalServerError));
      }
      if (!reply.over) this.#keep(reply);
    }
  }

  #keep(reply: IncomingExchange): void {
    if (this.#closed) reply.cancel();
    else {
      this.#replies.add(reply);
      if (!reply.answered) reply.expireAfter(this.messaging.parameters.exchangeLifetime);
    }
  }

  /** From a message layer with connections: what was sent to the peer, or is still to be, meets nobody any more (RFC 8323, Section 7.4). */
  lost(peer: Peer, error: CoapError): void {
    for (const outgoing of [...this.#requests.values()]) {
      // Of what has not left, the message layer itself tells.
      if (outgoing.peer.key === peer.key && outgoing.transmission === undefined) outgoing.failed(error);
    }
    for (const reply of [...this.#replies]) if (reply.peer.key === peer.key) reply.cancel();
  }

  /** Whether a request of ours to the peer waits for its response; with `observations`, also whether one side observes the other. */
  needs(peer: Peer, observations: boolean): boolean {
    for (const outgoing of this.#requests.values()) {
      if (outgoing.peer.key === peer.key && (observations || outgoing.deadline !== undefined)) return true;
    }
    if (observations) for (const reply of this.#replies) if (reply.peer.key === peer.key) return true;
    return false;
  }

  failed(peer: Peer, error: unknown): void {
    this.#emit({ type: 'failed', peer, error });
  }

  accepted(reply: IncomingExchange): void {
    const key = observerKey(reply);
    const before = this.#observers.get(key);
    // RFC 7641 §4.1: one entry by endpoint and token. Only now that the request was accepted: a forged one under OSCORE cannot end an observation.
    if (before !== undefined && before !== reply) before.cancel();
    if (!reply.closed) this.#observers.set(key, reply);
  }

  ended(reply: IncomingExchange): void {
    this.#replies.delete(reply);
    if (!reply.observes) return;
    const key = observerKey(reply);
    if (this.#observers.get(key) === reply) this.#observers.delete(key);
  }

  /** Fail all requests, cancel all replies, close the message layer. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // First the message layer, which would else send what waits as soon as a request before it ends.
    this.messaging.close();
    for (const outgoing of [...this.#requests.values()]) outgoing.failed(closed());
    for (const reply of [...this.#replies]) reply.cancel();
  }

  #reply(message: Message, peer: Peer, incoming: Received, observe: Option | undefined, noResponse: number): IncomingExchange {
    return new IncomingExchange(this, incoming, peer, message.token, observe !== undefined, noResponse);
  }

  #rejectOption(bad: Option, message: Message, peer: Peer, incoming: Received): void {
    this.#emit({ type: 'discarded', reason: 'option', peer, detail: optionName(bad.number) });
    // RFC 7252 §5.4.1: 4.02 with a diagnostic to a Confirmable request; a Non-confirmable one is rejected, in silence.
    if (incoming.confirmable) this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.BadOption, `not understood: ${optionName(bad.number)}`));
  }
}

function observerKey(reply: IncomingExchange): string {
  let key = reply.peer.key;
  for (const byte of reply.token) key += ` ${byte}`;
  return key;
}

/** RFC 7252 §5.10.2: what is no proxy must not serve such a request as its own. */
function isForProxy(options: readonly Option[]): boolean {
  const last = options[options.length - 1];
  if (last === undefined || last.number < OptionNumber.ProxyUri) return false;
  return findOption(options, OptionNumber.ProxyUri) !== undefined || findOption(options, OptionNumber.ProxyScheme) !== undefined;
}

/** Observe 0 (RFC 7641, Section 2). */
function isRegistration(observe: Option): boolean {
  return observe.value.length <= 3 && readUint(observe.value) === 0;
}

/** No-Response of a request; options are in order and nearly none lies as high, so that a look at the last one mostly does. */
function noResponseOf(options: readonly Option[]): number {
  const last = options[options.length - 1];
  if (last === undefined || last.number < OptionNumber.NoResponse) return 0;
  // RFC 8613 §4.1.3.6: the server ignores the Outer option; the Inner one is a wish that it need not follow.
  if (findOption(options, OptionNumber.Oscore) !== undefined) return 0;
  const option = findOption(options, OptionNumber.NoResponse);
  return option === undefined ? 0 : readUint(option.value);
}
