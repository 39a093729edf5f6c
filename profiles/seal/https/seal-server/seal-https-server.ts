import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ScopeTable } from '../../../../src/ace/index.ts';
import { networkOf, RateLimit, type Resource, type ResourceHandle, type ResourceRequest } from '../../../../src/coap/index.ts';
import { emptyBytes } from '../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import { Tally } from '../../../../src/core/tally.ts';
import { type HttpsServer, type HttpsServerOptions, serveHttps } from '../../../../src/transport/index.ts';
import type { Caller } from '../../caller.ts';
import type { CallerRate } from '../../representation.ts';
import type { SealHost, SealService } from '../../service.ts';
import type { HttpsCaller } from '../guard/guard.ts';
import { GuardRefusal } from '../guard/guard-refusal.ts';
import { bodyOf } from './body.ts';
import type { HttpsEndpoint, RequestGuard } from './endpoint.ts';
import { type HttpAnswer, type HttpRefusal, HttpRefused, notStored, problemAnswer } from './http-answer.ts';
import { SealResources } from './resources.ts';

/** What an HTTPS face of a SEAL server tells its operator; of whoever the guard refuses, the guard tells. */
export type SealHttpsEvent =
  | { readonly type: 'served'; readonly method: string; readonly path: string; readonly status: number; readonly client: string }
  | {
      readonly type: 'request-refused';
      readonly reason: string;
      readonly method: string;
      readonly path: string;
      readonly status: number;
      readonly detail: string;
      readonly client?: string;
    }
  | { readonly type: 'failed'; readonly error: unknown };

/** A SEAL server over HTTPS: where it listens, whom it lets in, and what it serves. */
export interface SealHttpsServerOptions {
  readonly listen: HttpsServerOptions;
  readonly guard: RequestGuard;
  /** Services that a SEAL server over CoAP has too: CBOR there is JSON here. */
  readonly services?: readonly SealService[];
  /** What is here only. */
  readonly endpoints?: readonly HttpsEndpoint[];
  /** What scope names mean, beside those of the services. */
  readonly scopes?: ScopeTable;
  /** Seconds that the guard takes a token late. */
  readonly leeway?: number;
  /** Requests of one client; 64 at once and 32 per second when absent. */
  readonly rate?: CallerRate;
  /** Requests of one address, before anybody looks at them; 512 at once and 256 per second when absent. */
  readonly addressRate?: CallerRate;
  /** Requests that are worked on at once; 256 when absent. One address has half of them. */
  readonly pending?: number;
  readonly env?: Env;
  /** Hears of what is served and refused. */
  readonly emit?: (event: SealHttpsEvent) => void;
}

/** Clients, and addresses, whose rate is remembered. */
const clients = 4096;
/** Bytes of a body that goes to a service. */
const largestBody = 65_536;
const maxPending = 256;

/**
 * A SEAL server over HTTPS (TS 33.434, 5.1.1.5 and 5.1.1.8): services that are written for CoAP, key management, and the face of VAL servers, behind one guard.
 *
 * Observation (RFC 7641) has no counterpart here: whoever wants to hear of changes asks again, with If-None-Match, or takes CoAP.
 *
 * ```ts
 * const server = new SealHttpsServer({ listen: { port: 10444, cert, key, clientCa }, guard, services: [new SpatialService({ store })] });
 * await server.listen();
 * ```
 */
export class SealHttpsServer implements SealHost {
  readonly #options: SealHttpsServerOptions;
  readonly #env: Env;
  readonly #services: readonly SealService[];
  readonly #endpoints: ReadonlyMap<string, HttpsEndpoint>;
  readonly #resources: SealResources;
  readonly #rate: RateLimit;
  readonly #addressRate: RateLimit;
  readonly #paths = new Set<string>();
  #pending = 0;
  /** By network. */
  readonly #pendingOf = new Tally();
  #server: HttpsServer | undefined;

  constructor(options: SealHttpsServerOptions) {
    const { services = [], endpoints = [], scopes, env = systemEnv, rate = { burst: 64, rate: 32 }, addressRate = { burst: 512, rate: 256 } } = options;
    this.#options = options;
    this.#env = env;
    this.#services = services;
    this.#endpoints = new Map(endpoints.map((endpoint) => [endpoint.path, endpoint]));
    for (const { path } of endpoints) this.#paths.add(path);
    this.#rate = new RateLimit(env, { ...rate, entries: clients });
    this.#addressRate = new RateLimit(env, { ...addressRate, entries: clients });
    this.#resources = new SealResources({
      scopes: Object.assign({}, scopes, ...services.map((service) => service.scopes)),
      anyScope: services.flatMap((service) => service.anyScope ?? []),
      public: services.flatMap((service) => service.public ?? []),
      isLive: (caller) => this.#isLive(caller),
      failed: (error) => this.#emit({ type: 'failed', error }),
    });
    for (const service of services) service.mount(this);
  }

  /** Where it listens. @throws {Error} before `listen` */
  get port(): number {
    return this.#listening().port;
  }

  /** What it serves, and what that may have more behind. */
  get paths(): readonly string[] {
    return [...this.#paths];
  }

  /** Serve a path, as over CoAP. */
  resource(path: string, resource: Resource): ResourceHandle {
    this.#paths.add(path.replace(/\/\*$/, ''));
    return this.#resources.resource(path, resource);
  }

  /** `undefined`: the token has ended since. */
  callerOf(request: Pick<ResourceRequest, 'association'>): Caller | undefined {
    return this.#resources.callerOf(request);
  }

  /**
   * Start the services and take requests.
   *
   * @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_TLS`
   */
  async listen(): Promise<HttpsServer> {
    await Promise.all(this.#services.map((service) => service.start?.()));
    this.#server = await serveHttps(this.#options.listen, (request, response) => void this.#receive(request, response));
    return this.#server;
  }

  /** Answer what is under way, for at most so many milliseconds, and what comes from now on with 503. `false`: time was up first. */
  async drain(milliseconds: number): Promise<boolean> {
    return (await this.#server?.drain(milliseconds)) ?? true;
  }

  /** Requests under way, clients that are remembered, and what the services hold. */
  stats(): Readonly<Record<string, number>> {
    return Object.assign(
      { requests: this.#pending, clients: this.#rate.size, connections: this.#server?.stats()['connections'] ?? 0 },
      ...this.#services.map((service) => service.stats?.()),
    );
  }

  /** Stop listening, and wait for writes of the services. */
  async close(): Promise<void> {
    await this.#server?.close();
    await Promise.all(this.#services.map((service) => service.close?.()));
  }

  #listening(): HttpsServer {
    if (this.#server === undefined) throw new Error('expected a server that listens, got one that does not yet');
    return this.#server;
  }

  #isLive({ expiresAt }: Caller): boolean {
    return this.#env.epoch() < expiresAt + (this.#options.leeway ?? 0);
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pending = maxPending } = this.#options;
    const network = networkOf(request.socket.remoteAddress ?? 'unknown');
    // Whoever is slow with its bodies keeps no other address out.
    const isBeyond = this.#pendingOf.of(network) >= Math.ceil(pending / 2);
    if (isBeyond || this.#pending >= pending) {
      send(request, response, this.#unavailable(request, isBeyond));
      return;
    }
    this.#pending++;
    this.#pendingOf.add(network);
    try {
      send(request, response, await this.#answer(request));
    } finally {
      this.#pending--;
      this.#pendingOf.remove(network);
    }
  }

  #unavailable({ method = '', url = '' }: IncomingMessage, isOfAddress: boolean): HttpAnswer {
    const refusal = isOfAddress
      ? { status: 429, reason: 'rate-address', detail: 'expected fewer requests from this address' }
      : { status: 503, reason: 'busy', detail: 'expected to be asked later' };
    this.#emit({ type: 'request-refused', method, path: splitAt(url, '?')[0], ...refusal });
    return problemAnswer({ ...refusal, headers: { 'retry-after': later } });
  }

  /** It never throws. */
  async #answer(request: IncomingMessage): Promise<HttpAnswer> {
    const { method = '', url = '' } = request;
    const [path = '', query = ''] = splitAt(url, '?');
    const endpoint = this.#endpoints.get(path);
    const about: About = { method, path };
    try {
      const answer = await this.#serve(request, endpoint, query, about);
      this.#emit({ type: 'served', method, path, client: about.client ?? '', status: answer.status });
      return answer;
    } catch (error) {
      const refusal = this.#refusalOf(error, about);
      const answer = endpoint?.refuse?.(refusal, await bodyOfRefused(request, endpoint, refusal, about)) ?? problemAnswer(refusal);
      return { ...answer, headers: { ...refusal.headers, ...answer.headers } };
    }
  }

  async #serve(request: IncomingMessage, endpoint: HttpsEndpoint | undefined, query: string, about: About): Promise<HttpAnswer> {
    checkRate(this.#addressRate, networkOf(request.socket.remoteAddress ?? 'unknown'), 'rate-address', 'expected fewer requests from this address');
    if (endpoint === undefined && this.#resources.isPublic(about.path)) return this.#serveResource(request, undefined);
    const caller = await (endpoint?.guard ?? this.#options.guard).check(request);
    about.client = caller.clientId;
    checkRate(this.#rate, caller.clientId, 'rate', 'expected fewer requests of this client');
    if (endpoint === undefined) return this.#serveResource(request, caller);
    const methods = endpoint.methods.includes('GET') ? [...endpoint.methods, 'HEAD'] : endpoint.methods;
    if (!methods.includes(about.method)) {
      const detail = `expected ${methods.join(' or ')}, got another method`;
      throw new HttpRefused({ status: 405, reason: 'method', detail, headers: { allow: methods.join(', ') } });
    }
    const body = endpoint.largest === 0 ? emptyBytes : await bodyOf(request, endpoint.largest);
    about.body = body;
    const callerOf = (): HttpsCaller | undefined => (this.#isLive(caller) ? caller : undefined);
    const { headers } = request;
    return endpoint.answer({ method: about.method, query, headers, body, callerOf });
  }

  async #serveResource(request: IncomingMessage, caller: HttpsCaller | undefined): Promise<HttpAnswer> {
    const mapped = this.#resources.admit(request, caller);
    return this.#resources.answer(request, mapped, await bodyOf(request, largestBody), caller);
  }

  #refusalOf(error: unknown, { method, path, client }: About): HttpRefusal {
    const refusal = refusalOf(error);
    // Of whom the guard refuses, the guard tells.
    if (refusal === undefined) this.#emit({ type: 'failed', error });
    else if (!(error instanceof GuardRefusal)) {
      const { status, reason, detail } = refusal;
      this.#emit({ type: 'request-refused', method, path, ...(client === undefined ? {} : { client }), status, reason, detail });
    }
    return refusal ?? fault;
  }

  #emit(event: SealHttpsEvent): void {
    this.#options.emit?.(event);
  }
}

interface About {
  readonly method: string;
  readonly path: string;
  client?: string;
  /** What was read of it. */
  body?: Uint8Array;
}

/** Seconds after which there may be room again. */
const later = '5';
/** The peer hears no more than that something failed. */
const fault: HttpRefusal = { status: 500, reason: 'fault', detail: 'the server has failed' };

function checkRate(limit: RateLimit, key: string, reason: string, detail: string): void {
  const wait = limit.take(key);
  if (wait > 0) throw new HttpRefused({ status: 429, reason, detail, headers: { 'retry-after': String(wait) } });
}

function refusalOf(error: unknown): HttpRefusal | undefined {
  if (error instanceof HttpRefused) return error.refusal;
  if (!(error instanceof GuardRefusal)) return undefined;
  const { status, reason, message: detail, headers } = error;
  return { status, reason, detail, headers };
}

/** A refusal may have to repeat what the request says, as far as that can be had. */
async function bodyOfRefused(request: IncomingMessage, { largest }: HttpsEndpoint, { status }: HttpRefusal, { body }: About): Promise<Uint8Array> {
  if (body !== undefined) return body;
  if (status === 413) return emptyBytes;
  try {
    return await bodyOf(request, largest);
  } catch {
    return emptyBytes;
  }
}

function splitAt(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers = notStored, body = emptyBytes }: HttpAnswer): void {
  if (response.destroyed) return;
  // What nobody has read would be taken for the next request.
  const isRead = request.complete;
  response.writeHead(status, {
    ...headers,
    ...(status === 204 || status === 304 ? {} : { 'content-length': String(body.length) }),
    ...(isRead ? {} : { connection: 'close' }),
  });
  response.end(body);
}
