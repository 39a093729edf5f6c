import { emptyBytes, equalBytes, utf8 } from '../../core/bytes.ts';
import type { Cancel, Env } from '../../core/env.ts';
import { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import { Deadline, type Deadlines } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Peer, Reply, Request, Response, ResponseListener } from '../layer.ts';
import { cacheKey, copyOptions, uriKey } from '../message/cache-key.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { findAll, findOption, type Option, OptionNumber, sortOptions, uintOf, uintOption, withoutOptions } from '../message/option.ts';
import { type Fetching, hasEtagOf, type ResponseCache, type StoredResponse } from './cache.ts';
import { addHopName, endToEndOptions, responseForClient, validResponse } from './options.ts';
import type { Upstream } from './port.ts';
import type { ProxyTarget } from './target.ts';

/** Seconds after which a client may try again when there is too much to do (RFC 7252, Section 5.9.3.4). */
export const retryAfter = 5;

/** What a proxy did with a request. Targets are servers: what a client wanted of one is nobody's business. */
export type ProxyEvent =
  | {
      readonly type: 'forwarded';
      readonly client: Peer;
      readonly target: string;
      readonly method: number;
      /** Of the answer; of an observation, the first. */
      readonly code: number;
      readonly from: 'origin' | 'cache' | 'validated';
      /** Whether OSCORE protects the request. */
      readonly protected: boolean;
    }
  | { readonly type: 'failed'; readonly client: Peer; readonly target: string; readonly method: number; readonly code: number; readonly error: ProtocolError }
  | { readonly type: 'refused'; readonly client: Peer; readonly target?: string; readonly method: number; readonly code: number; readonly reason: string };

/** Where a request goes, and under which name. */
export interface Destination {
  readonly upstream: Upstream;
  readonly target: ProxyTarget;
  /** The same for people. */
  readonly name: string;
  /** Uri-Path and Uri-Query for the target. */
  readonly resource: readonly Option[];
  /** A forward proxy tells its client which target failed; a reverse proxy does not tell what is behind it. */
  readonly named: boolean;
  /** The options of a response in the namespace of the client. */
  translate(options: readonly Option[]): readonly Option[];
}

/** Where a target is. */
export interface Located {
  readonly peer: Peer;
  /** Uri-Host and Uri-Port of requests for the target. */
  readonly host: readonly Option[];
}

/** What all requests through one proxy share. */
export interface ProxyParts {
  readonly env: Env;
  readonly deadlines: Deadlines;
  readonly cache: ResponseCache | undefined;
  /** Milliseconds to wait for the first response. */
  readonly timeout: number;
  readonly name: () => string;
  /** What is sent on is a client's of CoAP. */
  readonly forwarded: boolean;
  emit(event: ProxyEvent): void;
  /** The notification that was stored last: several clients may get the same one. */
  notification: Response | undefined;
}

/** One request on its way through a proxy, with its responses on their way back. */
export class ProxyExchange extends Deadline implements ResponseListener {
  readonly #parts: ProxyParts;
  readonly #request: Request;
  readonly #reply: Reply;
  readonly #destination: Destination;
  readonly #ended: () => void;
  readonly #protected: boolean;
  readonly #etags: readonly Option[];
  #outgoing: Request | undefined;
  #fetching: Fetching | undefined;
  #stored: StoredResponse | undefined;
  #observes = false;
  #heard = false;
  #done = false;
  #cancelExchange: Cancel | undefined;

  /** @param ended runs once, when nothing more is to come */
  constructor(parts: ProxyParts, request: Request, reply: Reply, destination: Destination, ended: () => void) {
    super();
    this.#parts = parts;
    this.#request = request;
    this.#reply = reply;
    this.#destination = destination;
    this.#ended = ended;
    this.#protected = findOption(request.options, OptionNumber.Oscore) !== undefined;
    // What came is borrowed, and these are asked for when the answer is there.
    this.#etags = copyOptions(findAll(request.options, OptionNumber.ETag));
    reply.onCancel(() => this.#abandon());
  }

  /** From now on it is waited for, as long as the proxy does. */
  wait(): void {
    if (!this.#done && this.slot < 0) this.#parts.deadlines.set(this, this.#parts.timeout);
  }

  /** Go on to a peer, or answer from the cache. */
  start({ peer, host }: Located, hopLimit: Option | undefined): void {
    if (this.#done) return;
    const { code, options, payload, nonConfirmable = false, observation, fresh } = this.#request;
    const { resource } = this.#destination;
    const others = hopLimit === undefined ? endToEndOptions(options) : [...withoutOptions(endToEndOptions(options), OptionNumber.HopLimit), hopLimit];
    const ours: Request = {
      code,
      options: sortOptions([...host, ...resource, ...others]),
      payload,
      peer,
      nonConfirmable,
      forwarded: this.#parts.forwarded,
    };
    const outgoing = fresh === undefined ? ours : { ...ours, fresh };
    this.#outgoing = outgoing;
    const observe = findOption(options, OptionNumber.Observe);
    if (this.#protected) {
      // RFC 8613 §10: past the cache. Registration and cancellation are the client's own, so they keep what ties them together.
      this.#observes = observe !== undefined && uintOf(options, OptionNumber.Observe) === 0;
      const passed = observe === undefined ? outgoing : { ...outgoing, options: sortOptions([...outgoing.options, observe]) };
      this.#send(observation === undefined ? passed : { ...passed, observation });
    } else if (!isSafe(code) || (code === Method.GET && payload.length > 0)) this.#send(outgoing);
    else if (observe !== undefined && uintOf(options, OptionNumber.Observe) === 0) this.#observe(outgoing);
    else this.#fetch(outgoing);
  }

  /** The request cannot be sent on. */
  fail(error: ProtocolError): void {
    if (this.#done) return;
    const { code, text } = failureOf(error, this.#destination.named ? this.#destination.name : 'the server behind this proxy');
    this.#mayHaveChanged();
    this.#finish();
    this.#parts.emit({ type: 'failed', ...this.#facts(), code, error });
    const options = code === Code.ServiceUnavailable ? [uintOption(OptionNumber.MaxAge, retryAfter)] : [];
    this.#reply.respond(diagnosed(code, `${this.#parts.name()}: ${text}`, options));
  }

  response(response: Response, last: boolean): void {
    if (this.#done) return;
    if (!this.#heard) this.#parts.deadlines.clear(this);
    if (!isSafe(this.#request.code) || this.#protected) this.#pass(response, last);
    else if (this.#observes) this.#notified(response, last);
    else this.#fetched(response);
  }

  error(error: ProtocolError): void {
    this.fail(error);
  }

  #send(request: Request): void {
    this.wait();
    const cancel = attempt(this.#destination.upstream.requester, request, this);
    if (this.#done) cancel();
    else this.#cancelExchange = cancel;
  }

  // ---- GET and FETCH, RFC 7252 §5.6

  #fetch(outgoing: Request): void {
    const { cache } = this.#parts;
    if (cache === undefined) {
      this.#send(outgoing);
      return;
    }
    const key = cacheKey(outgoing);
    const stored = cache.get(key);
    if (stored !== undefined && cache.isFresh(stored)) {
      this.#deliver(cache.serve(stored, this.#etags), true, 'cache');
      return;
    }
    this.#fetching = cache.begin(key, uriKey(outgoing));
    const etag = stored?.response.code === Code.Content ? findOption(stored.response.options, OptionNumber.ETag) : undefined;
    this.#stored = etag === undefined ? undefined : stored;
    const known = etag === undefined || this.#etags.some(({ value }) => equalBytes(value, etag.value));
    // §5.6.2: the ETags of what is stored here, beside those of what the client has.
    this.#send(known ? outgoing : { ...outgoing, options: sortOptions([...outgoing.options, etag]) });
  }

  #fetched(response: Response): void {
    const { cache } = this.#parts;
    const fetching = this.#fetching;
    if (response.code === Code.Valid && !this.#validates(response)) {
      this.fail(new CoapError('ERR_COAP_OPTION', 'expected a 2.03 with an ETag of the request, got another'));
      return;
    }
    if (cache === undefined || fetching === undefined) {
      this.#deliver(response, true, 'origin');
      return;
    }
    const stored = this.#stored;
    if (response.code === Code.Valid && stored !== undefined && sameEtag(stored.response, response)) {
      this.#deliver(cache.serve(cache.validated(stored, response, fetching), this.#etags), true, 'validated');
      return;
    }
    cache.store(fetching, response);
    this.#deliver(hasEtagOf(response, this.#etags) ? validResponse(response) : response, true, 'origin');
  }

  /** Whether a 2.03 names something that we or the client have. */
  #validates(response: Response): boolean {
    const etag = findOption(response.options, OptionNumber.ETag)?.value;
    if (etag === undefined) return false;
    return this.#etags.some(({ value }) => equalBytes(value, etag)) || (this.#stored !== undefined && sameEtag(this.#stored.response, response));
  }

  // ---- Observe, RFC 7641 §5

  /** One registration with the server for all clients that want the same: the layers of the upstream endpoint share, order and renew it. */
  #observe(outgoing: Request): void {
    const { cache } = this.#parts;
    this.#observes = true;
    // What each client has already is for us to know: the registration serves others too.
    const options = sortOptions([...withoutOptions(outgoing.options, OptionNumber.ETag), uintOption(OptionNumber.Observe, 0)]);
    if (cache !== undefined) this.#fetching = cache.begin(cacheKey(outgoing), uriKey(outgoing));
    this.#send({ ...outgoing, options });
  }

  #notified(response: Response, last: boolean): void {
    const { cache, env } = this.#parts;
    const fetching = this.#fetching;
    if (cache !== undefined && fetching !== undefined && this.#parts.notification !== response) {
      this.#parts.notification = response;
      // A notification speaks of the time when it was sent; the answer to the registration of any time since that left.
      cache.store(this.#heard ? { ...fetching, outdated: false } : fetching, response, this.#heard ? env.now() : fetching.since);
    }
    this.#deliver(hasEtagOf(response, this.#etags) ? validResponse(response) : response, last, 'origin');
  }

  // ---- what changes a resource, and what OSCORE protects

  #pass(response: Response, last: boolean): void {
    if (!this.#protected && codeClass(response.code) === 2) this.#changed(response);
    this.#deliver(response, last, 'origin');
  }

  /** RFC 7252 §5.9.1: what is stored for the resource, or for the one that was created, is not fresh any more. */
  #changed(response: Response): void {
    const { cache } = this.#parts;
    const outgoing = this.#outgoing;
    if (cache === undefined || outgoing === undefined) return;
    cache.invalidate(uriKey(outgoing));
    const location = locationOf(response.options);
    if (location.length === 0) return;
    const host = outgoing.options.filter(({ number }) => number === OptionNumber.UriHost || number === OptionNumber.UriPort);
    cache.invalidate(uriKey({ ...outgoing, options: sortOptions([...host, ...location]) }));
  }

  /** Nobody knows whether a request that got no answer was carried out. */
  #mayHaveChanged(): void {
    if (this.#outgoing !== undefined && !this.#protected && !isSafe(this.#request.code)) this.#parts.cache?.invalidate(uriKey(this.#outgoing));
  }

  // ---- the way back

  #deliver(response: Response, last: boolean, from: 'origin' | 'cache' | 'validated'): void {
    let { code, options, payload } = responseForClient(response);
    if (code === Code.HopLimitReached && !this.#protected) ({ code, options, payload } = this.#named({ code, options, payload }));
    const answer: Response = { code, options: this.#destination.translate(options), payload };
    if (!this.#heard) {
      const { client, target, method } = this.#facts();
      this.#parts.emit({ type: 'forwarded', client, target, method, code, from, protected: this.#protected });
    }
    this.#heard = true;
    if (last) {
      this.#finish();
      this.#reply.respond(answer);
    } else if (this.#observes) this.#reply.notify(answer);
  }

  #named(response: Response): Response {
    const named = addHopName(response, this.#parts.name());
    if (named.loop) this.#parts.emit({ type: 'refused', ...this.#facts(), code: Code.HopLimitReached, reason: 'loop' });
    return named.response;
  }

  #facts(): { readonly client: Peer; readonly target: string; readonly method: number } {
    return { client: this.#request.peer, target: this.#destination.name, method: this.#request.code };
  }

  /** See `Deadline`. */
  override expire(): void {
    this.fail(new CoapError('ERR_COAP_TIMEOUT', `expected a response within ${this.#parts.timeout} ms, got none`));
  }

  /** The client waits no more. */
  #abandon(): void {
    if (this.#done) return;
    this.#mayHaveChanged();
    this.#finish();
  }

  #finish(): void {
    this.#done = true;
    this.#parts.deadlines.clear(this);
    if (this.#fetching !== undefined) this.#parts.cache?.end(this.#fetching);
    this.#cancelExchange?.();
    this.#cancelExchange = undefined;
    this.#ended();
  }
}

function isSafe(code: number): boolean {
  return code === Method.GET || code === Method.FETCH;
}

function sameEtag(stored: Response, valid: Response): boolean {
  const one = findOption(stored.options, OptionNumber.ETag)?.value;
  const other = findOption(valid.options, OptionNumber.ETag)?.value;
  return one !== undefined && other !== undefined && equalBytes(one, other);
}

/** What the Location options name, as the options of a request for it. */
function locationOf(options: readonly Option[]): Option[] {
  const location: Option[] = [];
  for (const { number, value } of options) {
    if (number === OptionNumber.LocationPath) location.push({ number: OptionNumber.UriPath, value });
    else if (number === OptionNumber.LocationQuery) location.push({ number: OptionNumber.UriQuery, value });
  }
  return location;
}

/** RFC 7252 §5.7.1: 5.04 when no answer came, 5.02 for one that cannot be used. */
function failureOf(error: ProtocolError, target: string): { readonly code: number; readonly text: string } {
  if (error.code === 'ERR_COAP_TIMEOUT') return { code: Code.GatewayTimeout, text: `no answer from ${target}` };
  if (error.code === 'ERR_COAP_BUSY' || error.code === 'ERR_COAP_CLOSED') return { code: Code.ServiceUnavailable, text: `too much to do for ${target}` };
  if (error.code === 'ERR_COAP_MULTICAST') return { code: Code.NotImplemented, text: 'no multicast through this proxy' };
  if (error.code === 'ERR_TRANSPORT_RESOLVE') return { code: Code.BadGateway, text: `no address of ${target}` };
  return { code: Code.BadGateway, text: `no answer of use from ${target}` };
}

/** An answer of the proxy's own, with what is wrong in words (RFC 7252, Section 5.5.2). */
export function diagnosed(code: number, text: string, options: readonly Option[] = []): Response {
  return { code, options, payload: text === '' ? emptyBytes : utf8(text) };
}

/** What a promise was rejected with, as an error that can be told. */
export function asProtocolError(error: unknown): ProtocolError {
  return error instanceof ProtocolError ? error : new CoapError('ERR_COAP_REQUEST', 'expected an address that can be had, got an error', { cause: error });
}
