import type { Cancel, Env } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import type { Request, Requester, Response, ResponseListener } from '../layer.ts';
import { copyOptions, observationKey } from '../message/cache-key.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { findOption, OptionNumber, uintOf, uintOption, withOption, withoutOptions } from '../message/option.ts';
import { isNewer } from './reordering.ts';

/** Seconds that a response without Max-Age is fresh (RFC 7252, Section 5.10.5). */
const defaultMaxAge = 60;
/** RFC 7641, Section 3.3.1: seconds to wait after that, a random time between these. */
const renewalDelay = { least: 5, most: 15 };
/** RFC 7641, Section 3.4: milliseconds after which order is known by the clock. */
const clockRule = 128_000;

/** The last response that could come did not verify (RFC 8613). */
export const unverifiedResponse = 'ERR_OSCORE_RESPONSE';

const nobody: ResponseListener = { response: () => {}, error: () => {} };

/** Observation as a client sees it. @see https://www.rfc-editor.org/rfc/rfc7641#section-3 */
export class ObserveClient {
  readonly env: Env;
  /** Milliseconds. */
  readonly patience: number;
  readonly #observations = new Map<string, Observation>();
  next: Requester = () => () => {};

  /** An observation ends without a request: the Reset to the next notification tells it. */
  readonly forgets: boolean;

  constructor(env: Env, options: { readonly patience: number; readonly forgets: boolean }) {
    this.env = env;
    this.patience = options.patience;
    this.forgets = options.forgets;
  }

  get size(): number {
    return this.#observations.size;
  }

  /** RFC 7641 §3.1: one registration for each target, whoever asks. */
  observe(request: Request, listener: ResponseListener): Cancel {
    const key = observationKey(request);
    const running = this.#observations.get(key);
    if (running !== undefined) return running.join(listener);
    const observation = new Observation(this, key, request);
    this.#observations.set(key, observation);
    return observation.begin(listener);
  }

  /** RFC 7641 §3.1: a GET that an observation answers while it is fresh; `undefined`: none does. */
  answer(request: Request, listener: ResponseListener): Cancel | undefined {
    if (request.code !== Method.GET || this.#observations.size === 0 || findOption(request.options, OptionNumber.ETag) !== undefined) return undefined;
    const response = this.#observations.get(observationKey(request))?.stored();
    return response === undefined ? undefined : this.env.schedule(0, () => listener.response(response, true));
  }

  forget(key: string, observation: Observation): void {
    if (this.#observations.get(key) === observation) this.#observations.delete(key);
  }

  close(): void {
    for (const observation of [...this.#observations.values()]) observation.close();
  }
}

/** One registration with a server. It is also the object by which the exchange below knows which token renewals and the deregistration carry. */
class Observation implements ResponseListener {
  readonly #client: ObserveClient;
  readonly #key: string;
  readonly #request: Request;
  /** Each call of `observe` has a place of its own, even with one listener twice. */
  readonly #listeners = new Set<{ readonly listener: ResponseListener }>();
  #latest: Response | undefined;
  #receivedAt = 0;
  /** The answer to a renewal comes next. It counts as newer whatever its number: the server may have started anew, and under OSCORE it has none. */
  #renewing = false;
  #ended = false;
  #cancelExchange: Cancel | undefined;
  #cancelRenewal: Cancel | undefined;

  constructor(client: ObserveClient, key: string, request: Request) {
    this.#client = client;
    this.#key = key;
    this.#request = { ...request, options: copyOptions(request.options), payload: request.payload.slice(), observation: this };
  }

  begin(listener: ResponseListener): Cancel {
    const place = { listener };
    this.#listeners.add(place);
    try {
      const cancel = this.#client.next(this.#request, this);
      if (!this.#ended) {
        this.#cancelExchange = cancel;
        if (this.#cancelRenewal === undefined) this.#watch();
      }
    } catch (error) {
      this.close();
      throw error;
    }
    return () => this.#leave(place);
  }

  join(listener: ResponseListener): Cancel {
    const place = { listener };
    this.#listeners.add(place);
    const { env } = this.#client;
    // Not before the caller holds its Cancel.
    const cancel = env.schedule(0, () => {
      const latest = this.#latest;
      if (!this.#listeners.has(place) || latest === undefined) return;
      const age = env.now() - this.#receivedAt;
      if (age <= maxAge(latest)) listener.response(aged(latest, age), false);
      else this.#renew();
    });
    return () => {
      cancel();
      this.#leave(place);
    };
  }

  /** The representation as a response to a GET, with what is left of its Max-Age (RFC 7252, Section 5.6.1); `undefined` when it is stale. */
  stored(): Response | undefined {
    const latest = this.#latest;
    if (latest?.code !== Code.Content) return undefined;
    const age = this.#client.env.now() - this.#receivedAt;
    if (age > maxAge(latest)) return undefined;
    const left = uintOption(OptionNumber.MaxAge, Math.floor((maxAge(latest) - age) / 1000));
    const { sequence: _sequence, ...response } = latest;
    return { ...response, options: withOption(withoutOptions(latest.options, OptionNumber.Observe), left) };
  }

  response(response: Response, last: boolean): void {
    if (this.#ended) return;
    if (last || codeClass(response.code) !== 2 || findOption(response.options, OptionNumber.Observe) === undefined) {
      this.#end();
      for (const { listener } of this.#take()) listener.response(response, true);
      return;
    }
    if (!this.#isFreshest(response)) return;
    this.#renewing = false;
    this.#latest = { ...response, options: copyOptions(response.options), payload: response.payload.slice() };
    this.#receivedAt = this.#client.env.now();
    this.#scheduleRenewal(maxAge(response));
    for (const { listener } of [...this.#listeners]) listener.response(response, false);
  }

  error(error: ProtocolError): void {
    if (this.#ended) return;
    // RFC 8613 §8.4.2, B: a response that could not be processed does not cancel the observation. It is renewed when its turn comes.
    if (error.code === unverifiedResponse && this.#latest !== undefined && !this.#renewing) return;
    this.#end();
    for (const { listener } of this.#take()) listener.error(error);
  }

  /** End without a word to anybody. */
  close(): void {
    this.#end();
    this.#listeners.clear();
  }

  #isFreshest(response: Response): boolean {
    const latest = this.#latest;
    if (latest === undefined || this.#renewing) return true;
    const numbered = latest.sequence !== undefined || response.sequence !== undefined;
    return (!numbered && this.#client.env.now() > this.#receivedAt + clockRule) || isNewer(latest, response);
  }

  #scheduleRenewal(freshFor: number): void {
    this.#cancelRenewal?.();
    const { env } = this.#client;
    const delay = renewalDelay.least + (env.random(1)[0]! / 256) * (renewalDelay.most - renewalDelay.least);
    this.#cancelRenewal = env.schedule(freshFor + delay * 1000, () => this.#renew());
  }

  /** The layers below took an answer that one of them then dropped, as OSCORE does with one that does not verify: nobody would ever hear of it. */
  #watch(): void {
    this.#cancelRenewal = this.#client.env.schedule(this.#client.patience, () => this.#renew());
  }

  /** RFC 7641 §3.3.1: the same request with the same token. */
  #renew(): void {
    this.#cancelRenewal?.();
    this.#watch();
    this.#renewing = true;
    const before = this.#cancelExchange;
    this.#cancelExchange = undefined;
    const cancel = attempt(this.#client.next, this.#request, this);
    // What the layers below hold of the old registration; its token has gone over to the new one.
    before?.();
    if (this.#ended) cancel();
    else this.#cancelExchange = cancel;
  }

  #leave(place: { readonly listener: ResponseListener }): void {
    if (!this.#listeners.delete(place) || this.#listeners.size > 0 || this.#ended) return;
    // Over a connection nothing else tells the server (RFC 8323, Section 7.4), over datagrams a Reset does.
    const connected = this.#request.peer.capabilities !== undefined;
    if (connected || (this.#latest !== undefined && !this.#client.forgets)) {
      // RFC 7641 §3.6: the same request and token, Observe 1. The answer is of no use to anybody.
      const options = withOption(this.#request.options, uintOption(OptionNumber.Observe, 1));
      attempt(this.#client.next, { ...this.#request, options }, nobody);
    }
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#client.forget(this.#key, this);
    this.#cancelRenewal?.();
    this.#cancelRenewal = undefined;
    this.#cancelExchange?.();
    this.#cancelExchange = undefined;
  }

  #take(): readonly { readonly listener: ResponseListener }[] {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    return listeners;
  }
}

/** RFC 7641 §5: the Max-Age of a representation that is passed on later counts down. */
function aged(response: Response, age: number): Response {
  const left = uintOption(OptionNumber.MaxAge, Math.max(0, Math.floor((maxAge(response) - age) / 1000)));
  return age < 1 ? response : { ...response, options: withOption(response.options, left) };
}

/** Milliseconds. */
function maxAge(response: Response): number {
  return (uintOf(response.options, OptionNumber.MaxAge) ?? defaultMaxAge) * 1000;
}
