import { emptyBytes } from '../../core/bytes.ts';
import type { Env } from '../../core/env.ts';
import { CoapError } from '../errors.ts';
import type { Peer, Request, Response, ResponseListener } from '../layer.ts';
import { Code, Method } from '../message/code.ts';
import { longestPlainToken, type Message } from '../message/message.ts';
import { emptyOption, findOption, OptionNumber } from '../message/option.ts';
import type { Underway } from '../messaging/message-layer.ts';
import type { TransmissionListener } from '../messaging/transmission.ts';
import type { Exchange } from './exchange.ts';
import { type StatelessTokenOptions, StatelessTokens, statelessTokenCost } from './stateless.ts';
import type { TokenSupport } from './token-support.ts';

/** Who takes the responses to requests that keep no state (RFC 8974, Section 4). */
export interface StatelessOptions extends StatelessTokenOptions {
  /** Every peer is known to take extended tokens, by other means than asking it (RFC 8974, Section 3.2). */
  readonly supported?: boolean;
  /** A response to a request of which nothing was kept but what is in its token. */
  response(response: Response, state: Uint8Array): void;
}

const nobody: TransmissionListener = { finished: () => {}, failed: () => {} };

/**
 * Requests without request state: the state travels in the token.
 *
 * What the message layer must keep stays: retransmission of Confirmable messages, and the congestion control of each peer. Nobody hears when no response comes.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8974#section-3
 */
export class StatelessRequests {
  readonly #exchange: Exchange;
  readonly #support: TokenSupport;
  readonly #options: StatelessOptions;
  readonly #tokens: StatelessTokens;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(exchange: Exchange, support: TokenSupport, options: StatelessOptions, env: Env) {
    this.#exchange = exchange;
    this.#support = support;
    this.#options = options;
    this.#tokens = new StatelessTokens(env, options);
    exchange.stateless = (message, peer, transmission) => this.#receive(message, peer, transmission);
  }

  /**
   * @throws {CoapError} `ERR_COAP_TOKEN` when the peer is not known to take a token of this length, `ERR_COAP_REQUEST` for an Observe option (Section 4.1),
   * `ERR_COAP_ASSOCIATION` for a request that is to be protected
   */
  send(request: Request, state: Uint8Array): void {
    const { peer } = request;
    if (request.association !== undefined)
      throw new CoapError('ERR_COAP_ASSOCIATION', `expected a request without protection, got one for ${request.association.kind}`);
    if (peer.group === true || findOption(request.options, OptionNumber.Observe) !== undefined)
      throw new CoapError('ERR_COAP_REQUEST', 'expected a stateless request to one endpoint without Observe, got another');
    const length = statelessTokenCost + state.length;
    const supported = this.#options.supported === true ? Number.POSITIVE_INFINITY : (this.#support.lengthOf(peer) ?? longestPlainToken);
    if (length > supported) {
      throw new CoapError('ERR_COAP_TOKEN', `expected a peer that is known to take tokens of ${length} bytes, got one of which ${supported} bytes are known`);
    }
    const { messaging } = this.#exchange;
    const source = messaging.sourceFor(peer);
    const token = this.#tokens.seal(state, source.key);
    const confirmable = request.nonConfirmable !== true;
    messaging.transmit(source, confirmable, token, request, confirmable ? 0 : messaging.probingTime(token, request), nobody);
  }

  #receive(message: Message, peer: Peer, transmission: Underway | undefined): boolean {
    const state = this.#tokens.open(message.token, peer.key);
    if (state === undefined) {
      // RFC 8974 §3.3: of a piggybacked response the acknowledgement counts all the same.
      if (transmission !== undefined) this.#exchange.messaging.settle(transmission);
      return false;
    }
    this.#exchange.messaging.settleToken(peer, message.token);
    const { bad, options } = this.#exchange.recogniseResponse(message.options);
    if (bad !== undefined) return false;
    try {
      this.#options.response({ code: message.code, options, payload: message.payload, peer }, state);
    } catch (error) {
      this.#exchange.failed(peer, error);
    }
    return true;
  }
}

/**
 * The request that finds out whether a peer takes tokens of `length` bytes, and what its answer says: `done` hears the longest length that is known now.
 *
 * It is Confirmable, so that a peer without the extension answers with a Reset, and nothing in it but the token can be a format error.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8974#section-2.2.2
 */
export function discoveryOf(
  peer: Peer,
  length: number,
  support: TokenSupport,
  done: (length: number) => void,
  failed: ResponseListener['error'],
): { readonly request: Request; readonly listener: ResponseListener } {
  const know = (found: number): void => {
    support.learn(peer, found);
    done(found);
  };
  return {
    request: { code: Method.GET, options: [emptyOption(OptionNumber.IfNoneMatch)], payload: emptyBytes, peer },
    listener: {
      response: ({ code }) => {
        // 5.03 is about this moment (Section 2.2.2): nothing is learnt. 4.00 says that the token is too long for this server, now and ever.
        if (code === Code.ServiceUnavailable) done(longestPlainToken);
        else know(code === Code.BadRequest ? (support.lengthOf(peer) ?? longestPlainToken) : length);
      },
      error: (error) => (error.code === 'ERR_COAP_RESET' ? know(longestPlainToken) : failed(error)),
    },
  };
}
