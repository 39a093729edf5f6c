import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import {
  CoapError,
  type CoapUri,
  Code,
  coapMethodOf,
  composeUri,
  findOption,
  type HttpResponse,
  isMulticast,
  isSafe,
  networkOf,
  type Option,
  OptionNumber,
  type Peer,
  type ProxyEvent,
  ProxyServer,
  problemResponse,
  RateLimit,
  type Reply,
  type Response,
  resourceOptions,
  sortOptions,
  stringOption,
  targetUri,
  toCoapRequest,
  toHttpResponse,
  UriMapping,
  uintOption,
} from '../coap/index.ts';
import { boundsWith } from '../core/bounds.ts';
import { concatAll, emptyBytes, toHex, toKey } from '../core/bytes.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { optionFault } from '../core/options.ts';
import { Tally } from '../core/tally.ts';
import { hostOf, isSameOrigin, requestTarget, viasOf, wantsFresh } from './fields.ts';
import { gatewayLinks } from './links.ts';
import { type GatewayListener, type GatewayListenOptions, listen } from './listener.ts';
import type { Authorization, GatewayEvent, GatewayLimits, GatewayOptions, WantedResource } from './options.ts';
import { Refusal, refusalOf } from './refusal.ts';

const defaultLimits: Omit<GatewayLimits, 'rate'> = { requests: 1024, requestsPerClient: 256, body: 65_536 };

/** The Hop-Limit that the next hop gets from a client that no proxy stands before (RFC 8768, Section 3). */
const hopLimit = 16;

/** Bytes of a body that is written as text. */
const shortBody = 4096;

/** Bytes of one that costs less without a view of its bytes, for which the engine would move them out of its heap. */
const shortText = 64;

/** Request targets that are remembered, and how long they are. */
const knownUrls = 256;
const shortUrl = 256;

/** What waits for it runs when the current turn is over; `queueMicrotask` would make an object for each. */
const soon = Promise.resolve();

/** Milliseconds for which a connection says that what comes over it is wanted now: it may be as old as its connection (RFC 9175, Section 2.3). */
const recent = 10_000;

/** Clients that a rate is counted for. */
const rateEntries = 4096;

/** A request of HTTP on its way, and where the answer of CoAP comes back. */
class Visit implements Reply {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly since: number;
  readonly address: string | undefined;
  /** By what limits count. */
  client: string;
  wanted: Wanted | undefined = undefined;
  /** Nobody knows that it is still wanted, and it changes something. */
  isStale = false;
  readonly #answered: (visit: Visit, response: Response) => void;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, since: number, answered: (visit: Visit, response: Response) => void) {
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.since = since;
    this.address = incoming.socket.remoteAddress;
    this.client = networkOf(this.address ?? 'unknown');
    this.#answered = answered;
  }

  respond(response: Response): void {
    this.#answered(this, response);
  }

  notify(): void {}

  /** RFC 8075, Section 8.1: the answer is waited for, and stored, also if the client is gone. */
  onCancel(): void {}
}

interface Wanted extends WantedResource {
  /** What the client named; `undefined`: a path of the gateway. */
  readonly target: CoapUri | undefined;
  /** Path and query as options, once it was asked for. */
  options: readonly Option[] | undefined;
}

/**
 * A cross-proxy from HTTP to CoAP: forward for the targets that are allowed, reverse for the paths that are routed, with a cache.
 *
 * It is the CoAP client of all that it forwards, with the keys and tokens of its upstreams; HTTP clients show who they are by what `authorize` looks at. It
 * observes nothing for them, and multicast is refused (RFC 8075, Section 8.4).
 *
 * @see https://www.rfc-editor.org/rfc/rfc8075
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #env: Env;
  readonly #mapping: UriMapping;
  readonly #name: string;
  readonly #rate: RateLimit | undefined;
  readonly #proxy: ProxyServer;
  /** For those who want nothing that is stored. */
  readonly #fresh: ProxyServer;
  readonly #hosts: ReadonlySet<string> | undefined;
  readonly #links: ReturnType<typeof gatewayLinks>;
  #leaving: { readonly outgoing: ServerResponse; readonly response: HttpResponse }[] = [];
  /** What request targets were read as, the oldest first. */
  readonly #known = new Map<string, Wanted>();
  /** When the first request came over each connection. */
  readonly #connections = new WeakMap<object, number>();
  #underWay = 0;
  /** How many of them have a body that is still to come, by client. */
  readonly #reading = new Tally();
  /** What the proxy did with the request that it answers now: it tells right before. */
  #event: ProxyEvent | undefined;

  /** @throws {CoapError} `ERR_COAP_PROXY` for a route that is none, `ERR_COAP_HTTP` for a template, `ERR_COAP_URI` for a scheme of `upstreams`, `ERR_COAP_PARAMETER` for an option that is missing and limits that are none */
  constructor(options: GatewayOptions) {
    const fault = optionFault(options, ['authorize', 'upstreams']);
    if (fault !== undefined) throw new CoapError('ERR_COAP_PARAMETER', fault);
    const { env = systemEnv, limits = {}, reverse = [], allow } = options;
    this.#options = options;
    this.#env = env;
    const { rate, ...bounds } = limits;
    const badLimit = (message: string): CoapError => new CoapError('ERR_COAP_PARAMETER', `limits: ${message}`);
    this.#limits = { ...boundsWith(defaultLimits, bounds, badLimit), ...(rate === undefined ? {} : { rate }) };
    this.#mapping = new UriMapping(options.mapping);
    this.#name = options.name ?? `ace-coap-${toHex(env.random(4))}`;
    this.#rate = this.#limits.rate === undefined ? undefined : new RateLimit(env, { ...this.#limits.rate, entries: rateEntries });
    this.#hosts = options.hosts === undefined ? undefined : new Set(options.hosts.map((host) => host.toLowerCase()));
    this.#links = gatewayLinks(allow === undefined ? undefined : this.#mapping, reverse);
    const make = (cache: GatewayOptions['cache']): ProxyServer =>
      new ProxyServer({
        ...(allow === undefined ? {} : { forward: { allow } }),
        reverse,
        upstreams: options.upstreams,
        client: true,
        name: this.#name,
        hopLimit,
        ...(cache === undefined ? {} : { cache }),
        ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
        limits: { exchanges: this.#limits.requests, exchangesPerClient: this.#limits.requestsPerClient },
        emit: (event) => {
          this.#event = event;
        },
        env,
      });
    this.#proxy = make(options.cache);
    this.#fresh = make(false);
  }

  /**
   * Serve HTTP, or HTTPS with `tls`.
   *
   * @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_TLS`
   */
  listen(options: GatewayListenOptions = {}): Promise<GatewayListener> {
    return listen(options, this.handler);
  }

  /** Takes a request of `node:http` or `node:https`. */
  readonly handler = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const visit = new Visit(incoming, outgoing, this.#env.now(), this.#answered);
    try {
      this.#begin(visit);
    } catch (error) {
      this.#refuse(visit, refusalOf(error));
    }
  };

  /** `requests` under way, and what the proxies hold. */
  stats(): Readonly<Record<string, number>> {
    const { exchanges: fresh = 0 } = this.#fresh.stats();
    const { exchanges = 0, ...rest } = this.#proxy.stats();
    return { requests: this.#underWay, exchanges: exchanges + fresh, rates: this.#rate?.size ?? 0, ...rest };
  }

  /** Forget what is stored and what is under way, whose timers keep the process running. Listeners are closed before, upstreams after. */
  close(): void {
    this.#proxy.close();
    this.#fresh.close();
  }

  /** What a request cannot be mapped for is its answer. */
  #guarded(visit: Visit, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#refuse(visit, refusalOf(error));
    }
  }

  #begin(visit: Visit): void {
    const { incoming } = visit;
    if (!this.#connections.has(incoming.socket)) this.#connections.set(incoming.socket, visit.since);
    const { headers } = incoming;
    if (this.#underWay >= this.#limits.requests) throw tooMany();
    const { host = headers.host, rest } = requestTarget(incoming.url!);
    if (this.#hosts?.has(hostOf(host ?? '')) === false) throw new Refusal(421, 'host', 'this gateway does not go by that name');
    if (headers.origin !== undefined && !isSameOrigin(headers.origin, host)) throw new Refusal(403, 'origin', 'pages of another origin have no access');
    const method = incoming.method!;
    coapMethodOf(method);
    const wanted = this.#wantedOf(method, rest);
    visit.wanted = wanted;
    if (wanted.target?.scheme.startsWith('coaps') === true && !this.#isSecure(incoming))
      throw new Refusal(403, 'insecure', 'targets under protection are reached over https only');
    const { authorize } = this.#options;
    if (wanted.target !== undefined && isMulticast(wanted.target.host)) throw noMulticast();
    const decided = authorize === false ? { permit: true as const } : authorize(incoming, wanted);
    if (decided instanceof Promise) {
      decided.then(
        (authorization) => this.#guarded(visit, () => this.#decide(visit, authorization)),
        () => this.#refuse(visit, new Refusal(500, 'authorization', 'it could not be found out whether this is permitted')),
      );
    } else this.#decide(visit, decided);
  }

  #isSecure({ socket }: IncomingMessage): boolean {
    return this.#options.coapsOverHttp === true || (socket as TLSSocket).encrypted === true;
  }

  /** Who polls a device asks for the same again and again. */
  #wantedOf(method: string, url: string): Wanted {
    const known = this.#known.get(url);
    if (known !== undefined && known.method === method) return known;
    const wanted = this.#read(method, url);
    if (url.length <= shortUrl) {
      if (this.#known.size >= knownUrls) this.#known.delete(this.#known.keys().next().value!);
      this.#known.set(url, wanted);
    }
    return wanted;
  }

  #read(method: string, url: string): Wanted {
    const target = /^coaps?(?:\+[a-z]+)?:/i.test(url) ? targetUri(url) : this.#mapping.targetOf(url);
    if (target !== undefined) return { method, origin: originOf(target), path: target.path, query: target.query, target, options: undefined };
    // The null mapping.
    const { path, query } = targetUri(`coap://gateway${url === '' || url.startsWith('/') ? url : `/${url}`}`);
    return { method, path, query, target, options: undefined };
  }

  #decide(visit: Visit, authorization: Authorization): void {
    if (!authorization.permit) throw new Refusal(authorization.status, 'authorization', authorization.detail, authorization.headers);
    if (authorization.client !== undefined) visit.client = authorization.client;
    this.#admit(visit);
  }

  #admit(visit: Visit): void {
    const wait = this.#rate?.take(visit.client) ?? 0;
    if (wait > 0) throw new Refusal(429, 'rate', 'too many requests', { 'retry-after': String(wait) });
    const { incoming } = visit;
    const { headers } = incoming;
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) this.#forward(visit, emptyBytes);
    else if (Number(headers['content-length'] ?? 0) > this.#limits.body) throw this.#tooLarge();
    else this.#collect(visit);
  }

  #collect(visit: Visit): void {
    const { incoming } = visit;
    // Gone while it was found out who it is: nothing more is heard of it.
    if (incoming.destroyed) return;
    const { client } = visit;
    // While it was found out, others have come.
    if (this.#underWay >= this.#limits.requests || this.#reading.of(client) >= this.#limits.requestsPerClient) throw tooMany();
    const parts: Uint8Array[] = [];
    let length = 0;
    let isDone = false;
    this.#underWay++;
    this.#reading.add(client);
    const done = (then: () => void): void => {
      if (isDone) return;
      isDone = true;
      this.#underWay--;
      this.#reading.remove(client);
      this.#guarded(visit, then);
    };
    incoming.on('data', (part: Uint8Array) => {
      length += part.length;
      if (length > this.#limits.body) done(() => this.#refuse(visit, this.#tooLarge()));
      else parts.push(part);
    });
    incoming.on('end', () => done(() => this.#forward(visit, parts.length === 1 ? parts[0]! : concatAll(parts))));
    incoming.on('close', () => done(() => {}));
  }

  /** What is still to come of the body is not read: the connection ends. */
  #tooLarge(): Refusal {
    return new Refusal(413, 'body', `expected a body of at most ${this.#limits.body} bytes, got more`, { connection: 'close' });
  }

  #forward(visit: Visit, body: Uint8Array): void {
    const { incoming } = visit;
    const { headers } = incoming;
    const wanted = visit.wanted!;
    const { method, target, path } = wanted;
    const { mediaTypes } = this.#options;
    const { body: maxBody } = this.#limits;
    const vias = viasOf(headers['via']);
    if (vias.includes(this.#name.toLowerCase()) || vias.length >= hopLimit)
      throw new Refusal(508, 'loop', `${this.#name}: the request has come here before, or from too far`);
    if (target === undefined && this.#links !== undefined && path.length === 2 && path[0] === '.well-known' && path[1] === 'core') {
      this.#serveLinks(visit);
      return;
    }
    wanted.options ??= resourceOptions(wanted);
    const {
      code,
      options: mapped,
      payload,
    } = toCoapRequest(
      { method, url: incoming.url!, headers, body },
      mediaTypes === undefined ? { resourceOptions: wanted.options, maxBody } : { ...mediaTypes, resourceOptions: wanted.options, maxBody },
    );
    const added: Option[] = target === undefined ? [] : hostOptions(target);
    if (vias.length > 0) added.push(uintOption(OptionNumber.HopLimit, hopLimit + 1 - vias.length));
    const options = added.length === 0 ? mapped : sortOptions([...mapped, ...added]);
    const peer: Peer = { key: visit.client, address: visit.address ?? '', port: incoming.socket.remotePort ?? 0 };
    this.#underWay++;
    visit.isStale = !isSafe(code) && this.#env.now() - this.#connections.get(incoming.socket)! > recent;
    const proxy = isSafe(code) && wantsFresh(headers) ? this.#fresh : this.#proxy;
    try {
      proxy.handler(visit.isStale ? { code, options, payload, peer, fresh: false } : { code, options, payload, peer }, visit);
    } catch (error) {
      // A policy of the application that throws: there was no answer.
      this.#underWay--;
      throw error;
    }
  }

  readonly #answered = (visit: Visit, response: Response): void => {
    this.#underWay--;
    const event = this.#event;
    this.#event = undefined;
    const { method, origin } = visit.wanted!;
    const refusal = visit.isStale && isChallenge(response) ? stale() : event && overruled(event, this.#options.allow && this.#mapping.base);
    const isPrivate = this.#options.authorize !== false;
    const answer =
      refusal !== undefined
        ? problemOf(refusal)
        : response.payload.length > this.#limits.body
          ? problemResponse(502, `expected an answer of at most ${this.#limits.body} bytes, got more`)
          : toHttpResponse(
              response,
              origin === undefined ? { method, isPrivate } : { method, isPrivate, location: (path) => this.#mapping.hostingOf(origin + path) },
            );
    this.#send(visit, answer);
    if (this.#options.emit === undefined) return;
    const { code } = response;
    const toward = event?.target === undefined ? {} : { target: event.target };
    if (event?.type === 'forwarded') this.#emit(visit, { type: 'forwarded', status: answer.status, code, from: event.from, ...toward });
    else if (event?.type === 'failed') this.#emit(visit, { type: 'failed', status: answer.status, code, error: event.error.code, ...toward });
    else this.#emit(visit, { type: 'refused', status: answer.status, code, reason: event?.reason ?? 'unknown', ...toward });
  };

  /** RFC 8075, Section 5.5. */
  #serveLinks(visit: Visit): void {
    const { method, query } = visit.wanted!;
    if (method !== 'GET' && method !== 'HEAD') throw new Refusal(405, 'method', 'expected GET or HEAD', { allow: 'GET, HEAD' });
    this.#send(visit, this.#links!(query));
    this.#emit(visit, { type: 'served', status: 200 });
  }

  #refuse(visit: Visit, refusal: Refusal): void {
    const { status, reason } = refusal;
    this.#send(visit, problemOf(refusal));
    this.#emit(visit, { type: 'refused', status, reason });
  }

  /** What answers of CoAP came together leaves together: changing between handling and writing for each costs more than the handling. */
  #send({ outgoing }: Visit, response: HttpResponse): void {
    this.#leaving.push({ outgoing, response });
    if (this.#leaving.length === 1) void soon.then(this.#flush);
  }

  readonly #flush = (): void => {
    const leaving = this.#leaving;
    this.#leaving = [];
    for (const { outgoing, response } of leaving) {
      try {
        write(outgoing, response);
      } catch {
        // A status or a field of `authorize` that HTTP does not have.
        write(outgoing, problemResponse(500, 'the gateway has an answer that cannot be written'));
      }
    }
  };

  #emit({ client, since, incoming }: Visit, facts: Omit<GatewayEvent, 'client' | 'method' | 'duration'>): void {
    this.#options.emit?.({ ...facts, client, method: incoming.method ?? '', duration: this.#env.now() - since });
  }
}

function write(outgoing: ServerResponse, { status, reason, headers, body }: HttpResponse): void {
  if (outgoing.destroyed) return;
  const fields: string[] = [];
  for (const name in headers) fields.push(name, headers[name]!);
  if (status !== 204 && status !== 304) fields.push('content-length', String(body.length));
  if (reason === undefined) outgoing.writeHead(status, fields);
  else outgoing.writeHead(status, reason, fields);
  // node:http sends no body to HEAD. A short text goes out in one piece with its head, where bytes would be a piece of their own.
  if (body.length === 0) outgoing.end();
  else if (body.length <= shortBody) outgoing.end(latin1(body), 'latin1');
  else outgoing.end(body);
}

/** A character for each byte. */
function latin1(bytes: Uint8Array): string {
  return bytes.length <= shortText ? toKey(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function tooMany(): Refusal {
  return new Refusal(503, 'busy', 'too many requests at once', { 'retry-after': '5' });
}

function problemOf({ status, message, headers }: Refusal): HttpResponse {
  const problem = problemResponse(status, message);
  return { ...problem, headers: { ...problem.headers, ...headers } };
}

/** Whether the device wants to be shown that the request is fresh. */
function isChallenge({ code, options }: Response): boolean {
  return code === Code.Unauthorized && findOption(options, OptionNumber.Echo) !== undefined;
}

/** RFC 9175, Section 2.3. */
function stale(): Refusal {
  return new Refusal(503, 'stale', 'the device asks whether this is still wanted: ask again over a new connection', {
    'retry-after': '0',
    connection: 'close',
  });
}

/** RFC 8075, Section 8.4. */
function noMulticast(): Refusal {
  return new Refusal(403, 'multicast', 'no multicast through this gateway');
}

/**
 * RFC 8075, Section 10.4: what is denied is forbidden here, where a CoAP proxy says that it does not do it.
 *
 * @param base - where clients name targets; absent: nowhere
 */
function overruled(event: ProxyEvent, base: string | undefined): Refusal | undefined {
  if (event.type === 'failed') return event.error.code === 'ERR_COAP_MULTICAST' ? noMulticast() : undefined;
  if (event.type !== 'refused') return undefined;
  if (event.code === Code.ProxyingNotSupported) return new Refusal(403, 'policy', 'not a target of this gateway');
  if (event.code === Code.NotFound)
    return new Refusal(404, 'path', `nothing is served at this path${base === undefined ? '' : `; CoAP URIs are reached behind ${base}`}`);
  return event.code === Code.BadOption ? new Refusal(400, 'option', 'expected the URI of a CoAP resource') : undefined;
}

/** `coap://host`, with the port if it is not that of the scheme. */
function originOf({ scheme, host, port }: CoapUri): string {
  return composeUri([], { key: '', address: host, port }, scheme).slice(0, -1);
}

function hostOptions({ scheme, host, port }: CoapUri): Option[] {
  return [
    stringOption(OptionNumber.UriHost, host.includes(':') ? `[${host}]` : host),
    uintOption(OptionNumber.UriPort, port),
    stringOption(OptionNumber.ProxyScheme, scheme),
  ];
}
