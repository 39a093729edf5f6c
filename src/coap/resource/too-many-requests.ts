import type { Cancel, Env } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import { checkParameters } from '../bounds.ts';
import { CoapError } from '../errors.ts';
import type { Handler, Layer, Reply, Request, Requester, Response, ResponseListener } from '../layer.ts';
import { endpointKey, sameAssociation } from '../message/cache-key.ts';
import { Code } from '../message/code.ts';
import { OptionNumber, targetOptions, uintOf, uintOption } from '../message/option.ts';
import type { AnswerFields } from './answer-fields.ts';
import { type ProblemDetails, problem } from './problem-details.ts';
import { RateLimit } from './rate-limit.ts';

/** Seconds that 4.29 is about without Max-Age (RFC 8516, Section 4). */
const defaultMaxAge = 60;

/** The answer of a resource function to a client that asks too often: 4.29, with the seconds until it may ask again. */
export function tooManyRequests(maxAge: number, details?: ProblemDetails): AnswerFields {
  return { ...(details === undefined ? { code: Code.TooManyRequests } : problem(Code.TooManyRequests, details)), maxAge };
}

/** How many requests one client may make (RFC 8516). */
export interface RequestRateOptions {
  /** Requests that one client may make at once. */
  readonly burst: number;
  /** Requests per second after that. */
  readonly rate: number;
  /** Clients that are remembered. Default 4,096; the one that was quiet for longest is forgotten. */
  readonly clients?: number;
  /** Whom a request counts for; `undefined`: nobody. Default: its security association, or else its address. */
  readonly key?: (request: Request) => string | undefined;
  /** Hears of each refusal, and gives the response. Absent: it is given at once. */
  readonly refuse?: (request: Request, reply: Reply, response: Response) => void;
}

/** 4.29 responses in a row to one client; after them it hears nothing (RFC 8516, Section 3). */
const mostRefusals = 4;

/**
 * A layer that answers clients which ask too often with 4.29 and Max-Age.
 *
 * @throws {CoapError} `ERR_COAP_PARAMETER`
 * @see https://www.rfc-editor.org/rfc/rfc8516#section-3
 */
export function requestRate(
  options: RequestRateOptions,
  env: Env,
): Layer & {
  /** Clients that are remembered. */
  stats(): { readonly clients: number };
} {
  const { burst, rate, clients = 4096, key = clientOf, refuse = (_request, reply, response) => reply.respond(response) } = options;
  const limit = new RateLimit(env, { burst, rate, entries: clients });
  const inbound =
    (next: Handler): Handler =>
    (request, reply) => {
      const client = key(request);
      const wait = client === undefined ? 0 : limit.take(client);
      if (wait === 0) next(request, reply);
      else {
        const suppress = limit.refusals(client!) > mostRefusals;
        refuse(request, reply, { code: Code.TooManyRequests, options: [uintOption(OptionNumber.MaxAge, wait)], payload: new Uint8Array(0), suppress });
      }
    };
  return { name: 'request-rate', outbound: (next) => next, inbound, stats: () => ({ clients: limit.size }) };
}

function clientOf(request: Request): string {
  return request.association === undefined ? request.peer.address : endpointKey(request);
}

/** A request that is like one that was answered with 4.29, too early. Nothing was sent. */
export class TooManyRequestsError extends CoapError {
  /** Milliseconds until it may be sent. */
  readonly retryAfter: number;

  constructor(message: string, retryAfter: number) {
    super('ERR_COAP_TOO_MANY_REQUESTS', message);
    this.retryAfter = retryAfter;
  }
}

/** What a client does when a server says 4.29 (RFC 8516). */
export interface BackOffOptions {
  /** What happens to a request that is too early: it fails with `ERR_COAP_TOO_MANY_REQUESTS`, or waits. Default `refuse`. */
  readonly early?: 'refuse' | 'wait';
  /** Back-off periods that are remembered. Default 1,024; when there are more, the oldest is forgotten. */
  readonly entries?: number;
  /** Requests that wait at once; what is over fails. Default 256. */
  readonly waiting?: number;
  /** Milliseconds that a server can keep us away at most, since the response may be forged where nothing protects it. Default 3,600,000. */
  readonly longest?: number;
}

/** A request is similar when it has the method and the Request-URI of the other (RFC 8516, Section 1). */
function similarityKey(request: Request): string {
  let key = `${endpointKey(request)} ${request.code}`;
  for (const { number, value } of request.options) if (targetOptions.includes(number)) key += ` ${number}:${value.join(',')}`;
  return key;
}

/** The client's memory of 4.29 responses. */
class BackOff {
  readonly #env: Env;
  readonly #options: Required<BackOffOptions>;
  /** When similar requests may be sent again. */
  readonly #until = new Map<string, number>();
  #waiting = 0;

  constructor(env: Env, options: Required<BackOffOptions>) {
    this.#env = env;
    this.#options = options;
  }

  stats(): { readonly periods: number; readonly waiting: number } {
    this.#forget();
    return { periods: this.#until.size, waiting: this.#waiting };
  }

  request(next: Requester, request: Request, listener: ResponseListener): Cancel {
    // The key costs more than the question whether anything is remembered.
    const left = this.#until.size === 0 ? 0 : (this.#until.get(similarityKey(request)) ?? 0) - this.#env.now();
    if (left <= 0) return next(request, this.#watch(request, listener));
    if (this.#options.early === 'wait' && this.#waiting < this.#options.waiting) return this.#wait(left, next, request, listener);
    const error = new TooManyRequestsError(`expected no such request to ${request.peer.address} for another ${Math.ceil(left)} ms, got one`, left);
    return this.#env.schedule(0, () => listener.error(error));
  }

  #watch(request: Request, listener: ResponseListener): ResponseListener {
    return {
      response: (response, last) => {
        // A refusal that nothing protects is not believed about a request that was protected.
        if (response.code === Code.TooManyRequests && sameAssociation(request, response)) this.#learn(request, response);
        listener.response(response, last);
      },
      error: (error: ProtocolError) => listener.error(error),
    };
  }

  #learn(request: Request, response: Response): void {
    const period = Math.min(1000 * (uintOf(response.options, OptionNumber.MaxAge) ?? defaultMaxAge), this.#options.longest);
    const key = similarityKey(request);
    this.#until.delete(key);
    this.#until.set(key, this.#env.now() + period);
    if (this.#until.size <= this.#options.entries) return;
    this.#forget();
    if (this.#until.size > this.#options.entries) this.#until.delete(this.#until.keys().next().value!);
  }

  #forget(): void {
    const now = this.#env.now();
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key);
  }

  #wait(left: number, next: Requester, request: Request, listener: ResponseListener): Cancel {
    this.#waiting++;
    let waits = true;
    const over = (): void => {
      if (waits) this.#waiting--;
      waits = false;
    };
    let cancel = this.#env.schedule(left, () => {
      over();
      // By then another one may have been refused.
      cancel = attempt((again, heard) => this.request(next, again, heard), request, listener);
    });
    return () => {
      over();
      cancel();
    };
  }
}

/**
 * A layer by which a client heeds 4.29: similar requests are refused here, or wait, until Max-Age has passed. It stands first among the layers, above what protects.
 *
 * @throws {CoapError} `ERR_COAP_PARAMETER`
 * @see https://www.rfc-editor.org/rfc/rfc8516#section-4
 */
export function backOff(
  options: BackOffOptions,
  env: Env,
): Layer & {
  /** Back-off periods, and requests that wait for their end. */
  stats(): { readonly periods: number; readonly waiting: number };
} {
  const { early: _early, ...bounds } = options;
  checkParameters('back-off', bounds);
  const memory = new BackOff(env, { early: 'refuse', entries: 1024, waiting: 256, longest: 3_600_000, ...options });
  return {
    name: 'back-off',
    outbound: (next) => (request, listener) => memory.request(next, request, listener),
    inbound: (next) => next,
    stats: () => memory.stats(),
  };
}
