import { emptyBytes } from '../../core/bytes.ts';
import type { Cancel, Env } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import { blockOf, blockSize } from '../blockwise/block-option.ts';
import { checkParameters } from '../bounds.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Layer, Reply, Request, Requester, Response, ResponseListener } from '../layer.ts';
import { copyOptions, endpointKey, sameAssociation } from '../message/cache-key.ts';
import { Code, codeClass, isIdempotent, Method } from '../message/code.ts';
import { findOption, type Option, OptionNumber, opaqueOption, uintOf, withOption, withoutOptions } from '../message/option.ts';
import { type EchoMethod, EchoTimestamps } from './value.ts';

/** Which requests a server takes only when they are fresh. */
export interface Freshness {
  /** Whether this request is refused with 4.01 and an Echo until it shows that it is fresh. Asked on the head of each block. */
  required(request: Request): boolean;
  /** Milliseconds between our making an Echo value and its coming back; a function is asked each time. Default 30,000. */
  readonly window?: number | (() => number);
  /** How values are made. Default: integrity protected timestamps of that window. */
  readonly method?: EchoMethod;
  /** Give every success an Echo value for the next request, to a client that sends several in a row. Default: only 2.31. */
  readonly preemptive?: boolean;
}

/** What is asked of requests, and what is kept of others' Echo values. */
export interface EchoOptions {
  /**
   * Which of the two places in the stack this is. `inner` (above OSCORE, the default): as a client it looks at protected exchanges only. `outer` (below
   * OSCORE): at all that passes; an endpoint has one of its own.
   */
  readonly name?: 'inner' | 'outer';
  readonly freshness?: Freshness;
  /** Echo values that are kept for the next request, one for each endpoint. Default 256; 0: none, so that nobody is tracked by them. */
  readonly maxValues?: number;
  /** Milliseconds that they are kept. Default 247,000. */
  readonly lifetime?: number;
}

/** The Echo option (RFC 9175, Section 2), as client and as server. */
export interface EchoLayer extends Layer {
  /** `values`: of others, for our next request; `issued`: our own that are kept. */
  stats(): { readonly values: number; readonly issued: number };
  /** Forget all values and stop the timer. */
  close(): void;
}

/**
 * Request freshness with the Echo option.
 *
 * As a client it answers a 4.01 that carries an Echo by sending the request once more with it, and takes the Echo of any other response along in the next
 * request to the same endpoint. A value goes back only to where it came from: the same association, or the same peer where nothing protects. As a server
 * it answers requests that must be fresh and are not with such a 4.01, and keeps no state for it.
 *
 * A protected request that is not idempotent and went out more than once is not sent again: a server that has carried out the first copy and started anew since
 * knows nothing of it (RFC 8613, Appendix B.1.2). Its 4.01 is the answer then.
 *
 * @throws {CoapError} `ERR_COAP_PARAMETER`
 * @see https://www.rfc-editor.org/rfc/rfc9175#section-2.3
 */
export function echo(options: EchoOptions, env: Env): EchoLayer {
  const { name = 'inner', freshness, maxValues = 256, lifetime = 247_000 } = options;
  checkParameters('echo', { maxValues, lifetime });
  const values = new ExpiringTable<Option>(env, { lifetime, entries: maxValues });
  const method = freshness === undefined ? undefined : (freshness.method ?? new EchoTimestamps(env, freshness.window ?? 30_000));
  return {
    name: `echo ${name}`,
    outbound: (next) => (request, listener) => {
      // A client that a proxy speaks for answers by itself: only it can tell that it still means the request (RFC 9175 §2.3).
      if (request.forwarded === true || request.fresh === false || (name === 'inner' && request.association === undefined)) return next(request, listener);
      const exchange = new EchoExchange(values, next, request, listener);
      exchange.start();
      return () => exchange.cancel();
    },
    inbound: (next) => {
      if (freshness === undefined || method === undefined) return next;
      const challenge = new Challenge(method);
      const always = freshness.preemptive === true;
      return (request, reply) => {
        if (!freshness.required(request)) next(request, reply);
        else if (!challenge.verify(request)) reply.respond(challenge.respond(request));
        else {
          reply.shown?.();
          // RFC 9175 §2.3: a proxy must not pass on an Echo value of its own making.
          const fresh = { ...request, options: withoutOptions(request.options, OptionNumber.Echo) };
          next(fresh, always || hasMoreBlocks(request) ? new PreemptiveReply(challenge, request, reply, always) : reply);
        }
      };
    },
    stats: () => ({ values: values.size, issued: method?.size ?? 0 }),
    close: () => {
      values.clear();
      method?.close();
    },
  };
}

/** The Echo option of a message, if its length is allowed: 1 to 40 bytes. */
function echoOf(options: readonly Option[]): Option | undefined {
  const option = findOption(options, OptionNumber.Echo);
  return option !== undefined && option.value.length >= 1 && option.value.length <= 40 ? option : undefined;
}

class EchoExchange implements ResponseListener {
  readonly #values: ExpiringTable<Option>;
  readonly #next: Requester;
  readonly #request: Request;
  readonly #listener: ResponseListener;
  #resent = false;
  #cancelled = false;
  #cancelExchange: Cancel | undefined;

  constructor(values: ExpiringTable<Option>, next: Requester, request: Request, listener: ResponseListener) {
    this.#values = values;
    this.#next = next;
    // What the caller gave is borrowed, and it may be sent again long after this call.
    this.#request = { ...request, options: copyOptions(request.options), payload: request.payload.length === 0 ? emptyBytes : request.payload.slice() };
    this.#listener = listener;
  }

  start(): void {
    let request = this.#request;
    if (this.#values.size !== 0) {
      const key = endpointKey(request);
      const kept = this.#values.get(key);
      if (kept !== undefined) {
        this.#values.delete(key);
        if (findOption(request.options, OptionNumber.Echo) === undefined) request = { ...request, options: withOption(request.options, kept) };
      }
    }
    const cancel = this.#next(request, this);
    if (!this.#resent) this.#cancelExchange = cancel;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#cancelExchange?.();
  }

  response(response: Response, last: boolean): void {
    if (this.#cancelled) return;
    const option = echoOf(response.options);
    // An Echo that came without the association of the request is not from the endpoint that the request is for.
    if (option !== undefined && sameAssociation(this.#request, response)) {
      const value = opaqueOption(OptionNumber.Echo, option.value.slice());
      if (last && !this.#resent && (isChallenge(this.#request, response) || isCutShort(this.#request, response))) {
        this.#resent = true;
        this.#cancelExchange = attempt(this.#next, { ...this.#request, options: withOption(this.#request.options, value) }, this);
        return;
      }
      this.#values.set(endpointKey(this.#request), '', value);
    }
    this.#listener.response(response, last);
  }

  error(error: ProtocolError): void {
    if (!this.#cancelled) this.#listener.error(error);
  }

  acknowledged(): void {
    if (!this.#cancelled) this.#listener.acknowledged?.();
  }
}

/** What the server's side of the layer knows: how to make, verify and attach values. */
class Challenge {
  readonly #method: EchoMethod;

  constructor(method: EchoMethod) {
    this.#method = method;
  }

  option(request: Request): Option | undefined {
    const value = this.#method.issue(request);
    return value === undefined ? undefined : opaqueOption(OptionNumber.Echo, value);
  }

  respond(request: Request): Response {
    const option = this.option(request);
    const options = option === undefined ? [] : [option];
    // A cache on the way must not give this answer to the request that follows it: Echo is no part of the cache key.
    if (request.association === undefined) options.unshift(opaqueOption(OptionNumber.MaxAge, emptyBytes));
    return { code: Code.Unauthorized, options, payload: emptyBytes };
  }

  verify(request: Request): boolean {
    const value = echoOf(request.options)?.value;
    return value !== undefined && this.#method.verify(value, request);
  }
}

/** Whether it takes nothing but the Echo to be answered. */
function isChallenge(request: Request, response: Response): boolean {
  if (response.code !== Code.Unauthorized) return false;
  return response.retransmitted !== true || request.association === undefined || (request.idempotent ?? isIdempotent(request.code));
}

/**
 * Whether a server cut its answer into smaller blocks than it was asked for and wants to see an Echo: until it knows the address, it gives no more (RFC 9175,
 * Section 2.4, item 3). To ask anew with the Echo is cheaper than to fetch what is left in those blocks.
 */
function isCutShort(request: Request, response: Response): boolean {
  if ((request.code !== Method.GET && request.code !== Method.FETCH) || codeClass(response.code) !== 2) return false;
  if (findOption(request.options, OptionNumber.Observe) !== undefined) return false;
  const given = blockOf(response.options, OptionNumber.Block2);
  const asked = blockOf(request.options, OptionNumber.Block2) ?? { number: 0, szx: 6 };
  if (given === undefined || given === 'bad' || asked === 'bad' || asked.number !== 0 || !given.more || given.szx >= asked.szx) return false;
  return (uintOf(response.options, OptionNumber.Size2) ?? Number.POSITIVE_INFINITY) > 2 * blockSize(given.szx);
}

/** A block of a request body that another will follow. */
function hasMoreBlocks(request: Request): boolean {
  const block = blockOf(request.options, OptionNumber.Block1);
  return block !== undefined && block !== 'bad' && block.more;
}

/** Gives answers an Echo value for the next request, so that not each is challenged (RFC 9175, Section 2.3: a preemptive Echo value). */
class PreemptiveReply implements Reply {
  readonly #challenge: Challenge;
  readonly #request: Request;
  readonly #lower: Reply;
  readonly #always: boolean;

  constructor(challenge: Challenge, request: Request, lower: Reply, always: boolean) {
    this.#challenge = challenge;
    this.#request = request;
    this.#lower = lower;
    this.#always = always;
  }

  get room(): number | undefined {
    return this.#lower.room;
  }

  respond(response: Response): void {
    const wanted = response.code === Code.Continue || (this.#always && codeClass(response.code) === 2);
    const option = wanted ? this.#challenge.option(this.#request) : undefined;
    this.#lower.respond(option === undefined ? response : { ...response, options: withOption(response.options, option) });
  }

  notify(response: Response): void {
    this.#lower.notify(response);
  }

  shown(): void {
    this.#lower.shown?.();
  }

  onCancel(task: () => void): void {
    this.#lower.onCancel(task);
  }

  acknowledge(): void {
    this.#lower.acknowledge?.();
  }

  dismiss(): void {
    this.#lower.dismiss?.();
  }
}
