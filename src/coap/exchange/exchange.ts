import { emptyBytes, equalBytes, utf8 } from '../../core/bytes.ts';
import type { Cancel } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { NumberTable } from '../../core/number-table.ts';
import { Task } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Handler, Peer, Request, Response, ResponseListener } from '../layer.ts';
import { Code, codeClass } from '../message/code.ts';
import { ContentFormat } from '../message/content-format.ts';
import { type Body, longestPlainToken, type Message, MessageType } from '../message/message.ts';
import { noResponseOf } from '../message/no-response.ts';
import {
  findOption,
  type Option,
  OptionNumber,
  type OptionTable,
  optionName,
  optionTable,
  type RecognisedOptions,
  readUint,
  recogniseForwarded,
  recogniseOptions,
  responseTable,
  uintOption,
  withoutOptions,
} from '../message/option.ts';
import type { MessageLayer, Received, Underway } from '../messaging/message-layer.ts';
import type { DiscardedEvent } from '../messaging/port.ts';
import type { Proxying } from '../proxy/port.ts';
import { encodeProblemDetails } from '../resource/problem-details.ts';
import { GroupReplies, type MulticastOptions } from './multicast.ts';
import { OpenReplies } from './open-replies.ts';
import { isRegistration, OutgoingExchange } from './outgoing.ts';
import { IncomingExchange, type ReplyOwner } from './reply.ts';
import { Tokens, tokenNumber } from './token.ts';

/** What the exchange layer reports. `failed`: a handler threw, or a response of its making cannot be sent. */
export type ExchangeEvent = DiscardedEvent | { readonly type: 'failed'; readonly peer: Peer; readonly error: unknown };

/** How many exchanges may be under way. */
export interface ExchangeLimits {
  /** Requests whose handler has not answered yet, and observations; when there are so many, each peer has a fair share (see `OpenReplies`). */
  readonly replies: number;
  /** Requests of ours that have no response yet, and observations of ours. */
  readonly requests: number;
}

/** What the tokens and options of an endpoint may be. */
export interface ExchangeConfig {
  /** Options that the layers above process, of those that need a layer. */
  readonly understood?: readonly number[];
  /** The longest token that a request may have. Default 8. */
  readonly longestToken?: number;
  readonly multicast?: MulticastOptions;
}

/** What holds where an endpoint is given no limits. */
export const defaultExchangeLimits: ExchangeLimits = { replies: 16_384, requests: 16_384 };

function plain(code: number, diagnostic?: string): Body {
  return { code, options: [], payload: diagnostic === undefined ? emptyBytes : utf8(diagnostic) };
}

/** RFC 7252 §5.4.1: 4.02 with a diagnostic; with problem details for who asks for them (RFC 9290 §3.1.1). */
function badOption(options: readonly Option[], bad: Option): Body {
  const text = `not understood: ${optionName(bad.number)}`;
  const accept = findOption(options, OptionNumber.Accept);
  if (accept === undefined || accept.value.length > 2 || readUint(accept.value) !== ContentFormat.ConciseProblemDetails) return plain(Code.BadOption, text);
  const payload = encodeProblemDetails({ title: text, responseCode: Code.BadOption, unprocessedCoapOption: [bad.number] });
  return { code: Code.BadOption, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.ConciseProblemDetails)], payload };
}

function closed(): CoapError {
  return new CoapError('ERR_COAP_CLOSED', 'the endpoint was closed');
}

/** The unsafe options that a proxy interprets in requests, and in responses. */
const ofForwardedRequests: readonly number[] = [
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.Observe,
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
  OptionNumber.NoResponse,
];
const ofForwardedResponses: readonly number[] = [OptionNumber.Observe, OptionNumber.MaxAge, OptionNumber.Block1, OptionNumber.Block2];

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
  readonly #responseOptions: OptionTable;
  readonly #longestToken: number;
  readonly #groups: GroupReplies;
  /** What we asked, by the sequence number in its token. */
  readonly #requests = new NumberTable<OutgoingExchange>();
  /** Tokens of our observations, for as long as their owners hold on to them. */
  readonly #observationTokens: WeakMap<object, Uint8Array> = new WeakMap();
  /** What we were asked and have not answered for good. */
  readonly #replies: OpenReplies;
  /** The observations among them, by peer and token. */
  readonly #observers: Map<string, IncomingExchange> = new Map();
  /** What comes now is not served any more, and of ours nothing is asked. */
  #releasing = false;
  #closed = false;
  /** Where requests go; set when the layers are put together. */
  handler: Handler = (_request, reply) => reply.respond(plain(Code.NotFound));
  /** Takes responses to requests of which nothing is kept (RFC 8974, Section 3); returns whether it was one. */
  stateless: ((message: Message, peer: Peer, transmission: Underway | undefined) => boolean) | undefined = undefined;

  /** What of the requests is for others, and who takes it. Its handler may stand under layers of its own. */
  proxying: Pick<Proxying, 'route' | 'handler'> | undefined = undefined;

  constructor(messaging: MessageLayer, limits: ExchangeLimits, emit: (event: ExchangeEvent) => void, config: ExchangeConfig = {}) {
    this.messaging = messaging;
    this.#limits = limits;
    this.#replies = new OpenReplies(limits.replies);
    this.#emit = emit;
    this.#tokens = new Tokens(messaging.random);
    this.#options = optionTable(config.understood ?? []);
    this.#responseOptions = responseTable(this.#options);
    this.#longestToken = config.longestToken ?? longestPlainToken;
    this.#groups = new GroupReplies(messaging, config.multicast ?? {}, (peer, error) => this.failed(peer, error));
  }

  /** `requests`: ours without a response; `replies`: others' without one; `observers`: registrations with us. */
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

  /**
   * `request` with a token of `length` bytes.
   *
   * @see https://www.rfc-editor.org/rfc/rfc8974#section-2.2.2
   */
  requestWithToken(length: number, request: Request, listener: ResponseListener): Cancel {
    return this.#send(request, listener, length);
  }

  #send(request: Request, listener: ResponseListener, tokenLength = 0): Cancel {
    if (this.#closed || (this.#releasing && request.forwarded !== true)) throw closed();
    if (request.association !== undefined && request.association !== request.peer.association) {
      // Sent as it is, what was meant to be protected would travel in the clear.
      throw new CoapError('ERR_COAP_ASSOCIATION', `expected a layer that protects with ${request.association.kind}, got none`);
    }
    const { peer } = request;
    const observe = findOption(request.options, OptionNumber.Observe);
    const observation = observe === undefined ? undefined : request.observation;
    const known = observation === undefined ? undefined : this.#observationTokens.get(observation);
    const token = known ?? this.#tokens.take(tokenLength);
    const outgoing = new OutgoingExchange(this, request, token, observe, known !== undefined, listener);
    const before = this.#requests.get(outgoing.number);
    if (this.#requests.size >= this.#limits.requests && before === undefined) {
      throw new CoapError('ERR_COAP_BUSY', `expected at most ${this.#limits.requests} requests at once, got more`);
    }
    const confirmable = request.nonConfirmable !== true;
    const hold = confirmable || outgoing.qBlock ? 0 : this.messaging.probingTime(token, request);
    outgoing.transmission = this.messaging.transmit(peer, confirmable, token, request, hold, outgoing, outgoing.qBlock);
    if (observation !== undefined) this.#observationTokens.set(observation, token);
    // A renewal or a cancellation takes the place of the registration: what comes under the token now goes to its listener.
    if (before !== undefined) this.end(before);
    this.#requests.set(outgoing.number, outgoing);
    if (outgoing.transmission === undefined) outgoing.finished();
    return () => this.end(outgoing);
  }

  /** Forget a request of ours, which was `answered` or will not be. */
  end(outgoing: OutgoingExchange, answered = false): void {
    if (this.#requests.get(outgoing.number) === outgoing) this.#requests.delete(outgoing.number);
    this.#settle(outgoing, answered);
  }

  #settle(outgoing: OutgoingExchange, answered: boolean): void {
    if (outgoing.transmission !== undefined) this.messaging.settle(outgoing.transmission, answered);
    outgoing.transmission = undefined;
    if (outgoing.deadline !== undefined) this.messaging.deadlines.clear(outgoing.deadline);
    outgoing.deadline = undefined;
  }

  /** From the message layer: a response. Returns whether it was expected. */
  receiveResponse(message: Message, peer: Peer, transmission: Underway | undefined): boolean {
    const outgoing = this.#requests.get(tokenNumber(message.token));
    // RFC 7252 §5.3.2: the endpoint that was asked, the token that was given, and for a piggybacked response the message id.
    // A group is answered by each of its members (§8.2).
    const group = outgoing?.peer.group === true;
    if (outgoing === undefined || (outgoing.peer.key !== peer.key && !group) || !equalBytes(outgoing.token, message.token))
      return this.stateless?.(message, peer, transmission) ?? false;
    if (transmission !== undefined && outgoing.transmission !== transmission) return false;
    const { bad, options } = outgoing.forwarded ? recogniseForwarded(message.options, ofForwardedResponses) : this.recogniseResponse(message.options);
    // What one member of a group does wrong is not the end for the others.
    if (bad !== undefined && group) return false;
    if (bad !== undefined) {
      // RFC 7252 §5.4.1: the response is rejected. The request has arrived, so to ask again would bring the same.
      outgoing.failed(new CoapError('ERR_COAP_OPTION', `expected a response without ${optionName(bad.number)} of ${bad.value.length} bytes, got one`));
      return false;
    }
    const notifies = codeClass(message.code) === 2 && findOption(options, OptionNumber.Observe) !== undefined;
    // RFC 7641 §4.1: the answer to a deregistration has no Observe option. What has one is on its way since before, and unexpected by now.
    if (notifies && outgoing.deregisters) return false;
    const last = !group && (outgoing.qBlock ? endsTransfer(message.code) : !outgoing.observes || !notifies);
    const retransmitted = outgoing.retransmitted || (outgoing.transmission?.retransmissions ?? 0) > 0;
    if (last) this.end(outgoing, true);
    // A notification may cross a renewal, and under OSCORE nothing above can use it then: only the acknowledgement tells that the renewal has arrived.
    else if (outgoing.renews && transmission === undefined && outgoing.transmission?.confirmable === true) outgoing.notified = true;
    else this.#settle(outgoing, true);
    try {
      outgoing.listener.response(responseOf(message, options, peer, retransmitted), last);
    } catch (error) {
      this.failed(peer, error);
    }
    return true;
  }

  /** Options of a response, as a recipient takes them. */
  recogniseResponse(options: readonly Option[]): RecognisedOptions {
    return recogniseOptions(options, this.#responseOptions);
  }

  /** Whether a token is that of a request to a group, which any endpoint may answer. */
  isGroupToken(token: Uint8Array): boolean {
    const outgoing = this.#requests.get(tokenNumber(token));
    return outgoing?.peer.group === true && equalBytes(outgoing.token, token);
  }

  /** From the message layer: a request that is no duplicate; `group`: the group address that it was sent to. */
  receiveRequest(message: Message, peer: Peer, incoming: Received, group?: string): void {
    if (this.#releasing) {
      if (group === undefined) this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.ServiceUnavailable));
      return;
    }
    if (group !== undefined) {
      this.#receiveGroupRequest(message, peer, incoming, group);
      return;
    }
    let received = message.options;
    if (this.proxying !== undefined) {
      const route = this.proxying.route(received);
      if (route.forward) {
        this.#forward(this.proxying.handler, route.options, message, peer, incoming);
        return;
      }
      received = route.options;
    }
    const { bad, options: known } = recogniseOptions(received, this.#options);
    const options = this.#readEcho(incoming, known);
    const confirmable = message.type === MessageType.CON;
    // RFC 8974 §2.2.2: no Reset, which would say that extended tokens are unknown here.
    if (message.token.length > this.#longestToken)
      this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.BadRequest, `token of more than ${this.#longestToken} bytes`));
    else if (bad !== undefined) this.#rejectOption(bad, message, peer, incoming);
    else if (!this.#replies.hasRoom(peer)) this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.ServiceUnavailable));
    else if (isForProxy(options)) this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.ProxyingNotSupported));
    else {
      const noResponse = noResponseOf(options);
      let observe = findOption(options, OptionNumber.Observe);
      let kept = options;
      if (observe !== undefined && (noResponse & 2) !== 0 && isRegistration(observe)) {
        // RFC 7967 §2.1: who wants no success wants no notifications.
        observe = undefined;
        kept = withoutOptions(options, OptionNumber.Observe);
      }
      const reply = this.#reply(message, peer, incoming, observe, noResponse);
      reply.knowsEcho = hasEcho(known);
      try {
        this.handler(requestOf(message, kept, peer, confirmable), reply);
      } catch (error) {
        this.failed(peer, error);
        reply.respond(plain(Code.InternalServerError));
      }
      if (!reply.over) this.#keep(reply);
    }
  }

  /** RFC 7252 §8.2: what is not worth an answer gets none. */
  #receiveGroupRequest(message: Message, peer: Peer, incoming: Received, group: string): void {
    const { bad, options } = recogniseOptions(message.options, this.#options);
    if (bad !== undefined) {
      this.#emit({ type: 'discarded', reason: 'option', peer, detail: optionName(bad.number) });
      return;
    }
    if (message.token.length > this.#longestToken || !this.#replies.hasRoom(peer) || isForProxy(options)) {
      this.#emit({ type: 'discarded', reason: 'group', peer });
      return;
    }
    const inner = this.#reply(message, peer, incoming, undefined, 0);
    const { code, payload } = message;
    // RFC 7390 §2.10: observation is between two endpoints.
    const request: Request = { code, options: withoutOptions(options, OptionNumber.Observe), payload, peer, nonConfirmable: true, group };
    try {
      this.handler(request, this.#groups.reply(inner, request));
    } catch (error) {
      this.failed(peer, error);
      inner.silence();
    }
    if (!inner.over) this.#keep(inner);
  }

  /** The options without an Echo of our making, by which the peer shows its address. */
  #readEcho(incoming: Received, options: readonly Option[]): readonly Option[] {
    const { reachability } = this.messaging;
    return reachability !== undefined && hasEcho(options) ? reachability.readEcho(incoming, options) : options;
  }

  /** A request that is for another endpoint: the handler of a proxy takes it. */
  #forward(handler: Handler, received: readonly Option[], message: Message, peer: Peer, incoming: Received): void {
    const { bad, options: known } = recogniseForwarded(received, ofForwardedRequests);
    const options = this.#readEcho(incoming, known);
    if (bad !== undefined) {
      this.#emit({ type: 'discarded', reason: 'option', peer, detail: optionName(bad.number) });
      this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.BadOption, `not to be forwarded: ${optionName(bad.number)}`));
      return;
    }
    if (!this.#replies.hasRoom(peer)) {
      this.#reply(message, peer, incoming, undefined, 0).respond(plain(Code.ServiceUnavailable));
      return;
    }
    const observe = findOption(options, OptionNumber.Observe);
    const noResponse = findOption(options, OptionNumber.NoResponse);
    const reply = this.#reply(message, peer, incoming, observe, noResponse === undefined ? 0 : readUint(noResponse.value));
    reply.knowsEcho = hasEcho(known);
    if (observe !== undefined) {
      const earlier = this.#observers.get(observerKey(reply)) ?? this.#observers.get(observerKey({ peer, token: message.token, authenticated: true }));
      reply.registration = earlier?.registration ?? reply;
    }
    const request = requestOf(message, options, peer, incoming.confirmable);
    try {
      handler(observe === undefined ? request : { ...request, observation: reply.registration }, reply);
    } catch (error) {
      this.failed(peer, error);
      reply.respond(plain(Code.InternalServerError));
    }
    if (!reply.over) this.#keep(reply);
  }

  #keep(reply: IncomingExchange): void {
    if (this.#closed) reply.cancel();
    else {
      this.#replies.add(reply);
      reply.hold();
      if (!reply.answered) reply.expireAfter(this.messaging.parameters.exchangeLifetime);
    }
  }

  /** From a message layer with connections or sessions: what was sent to the peer, or is still to be, meets nobody any more (RFC 8323, Section 7.4). */
  lost(peer: Peer, error: CoapError): void {
    for (const outgoing of this.#requests.all()) {
      // Of what has not left, the message layer itself tells.
      if (outgoing.peer.key === peer.key && outgoing.transmission === undefined) outgoing.failed(error);
    }
    for (const reply of this.#replies.of(peer)) reply.cancel();
  }

  /** Whether a request of ours to the peer waits for its response; with `observations`, also whether one side observes the other. */
  needs(peer: Peer, observations: boolean): boolean {
    return (
      this.#requests.some((outgoing) => outgoing.peer.key === peer.key && (observations || outgoing.deadline !== undefined)) ||
      (observations && this.#replies.of(peer).length > 0)
    );
  }

  /** Whether a request of ours that left from a source port is still open. */
  needsSource(number: number): boolean {
    return this.#requests.some(({ peer }) => peer.source?.number === number);
  }

  failed(peer: Peer, error: unknown): void {
    this.#emit({ type: 'failed', peer, error });
  }

  /** RFC 7641 §4.1: Observe 1 removes the entry, whatever the answer to it is. */
  deregistered(reply: IncomingExchange): void {
    this.#observers.get(observerKey(reply))?.cancel();
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

  /**
   * Come to an end: our requests fail now, what is being answered is answered, what comes hears 5.03. `done` is called when no connection is left.
   *
   * What a proxy asks for a client goes on, for it is a part of an answer.
   */
  release(grace: number | undefined, done: () => void): void {
    this.#releasing = true;
    this.messaging.release(grace, done);
    for (const outgoing of this.#requests.all()) if (!outgoing.forwarded) outgoing.failed(closed());
  }

  /** Fail all requests, cancel all replies, close the message layer. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // First the message layer, which would else send what waits as soon as a request before it ends.
    this.messaging.close();
    for (const outgoing of this.#requests.all()) outgoing.failed(closed());
    for (const reply of this.#replies.all()) reply.cancel();
  }

  #reply(message: Message, peer: Peer, incoming: Received, observe: Option | undefined, noResponse: number): IncomingExchange {
    return new IncomingExchange(this, incoming, peer, message, observe, noResponse);
  }

  #rejectOption(bad: Option, message: Message, peer: Peer, incoming: Received): void {
    this.#emit({ type: 'discarded', reason: 'option', peer, detail: optionName(bad.number) });
    // RFC 7252 §5.4.1: 4.02 with a diagnostic to a Confirmable request; a Non-confirmable one is rejected, in silence.
    if (incoming.confirmable) this.#reply(message, peer, incoming, undefined, 0).respond(badOption(message.options, bad));
  }
}

/** With the session that it came in, where there is one. */
function requestOf({ code, payload }: Message, options: readonly Option[], peer: Peer, confirmable: boolean): Request {
  const { association } = peer;
  if (association === undefined) return confirmable ? { code, options, payload, peer } : { code, options, payload, peer, nonConfirmable: true };
  return confirmable ? { code, options, payload, peer, association } : { code, options, payload, peer, association, nonConfirmable: true };
}

function responseOf({ code, payload }: Message, options: readonly Option[], peer: Peer, retransmitted: boolean): Response {
  const { association } = peer;
  if (association === undefined) return retransmitted ? { code, options, payload, peer, retransmitted } : { code, options, payload, peer };
  return retransmitted ? { code, options, payload, peer, association, retransmitted } : { code, options, payload, peer, association };
}

/** RFC 9177 §3.1: a 4.08 asks for what is missing; after any other error nothing more comes under the token. */
function endsTransfer(code: number): boolean {
  return codeClass(code) !== 2 && code !== Code.RequestEntityIncomplete;
}

/** What is protected is another endpoint than what is not: nobody ends the one by the other (RFC 7252, Section 1.2). */
function observerKey(reply: Pick<IncomingExchange, 'peer' | 'token' | 'authenticated'>): string {
  let key = reply.authenticated ? `protected ${reply.peer.key}` : reply.peer.key;
  for (const byte of reply.token) key += ` ${byte}`;
  return key;
}

/** RFC 7252 §5.10.2: what is no proxy must not serve such a request as its own. */
function isForProxy(options: readonly Option[]): boolean {
  const last = options[options.length - 1];
  if (last === undefined || last.number < OptionNumber.ProxyUri) return false;
  return findOption(options, OptionNumber.ProxyUri) !== undefined || findOption(options, OptionNumber.ProxyScheme) !== undefined;
}

/** Who sends an Echo of any kind knows how to answer one. Options are in order and few lie as high, so that a look at the last one mostly does. */
function hasEcho(options: readonly Option[]): boolean {
  const last = options[options.length - 1];
  return last !== undefined && last.number >= OptionNumber.Echo && findOption(options, OptionNumber.Echo) !== undefined;
}
