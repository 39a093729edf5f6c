import {
  type BlockwiseOptions,
  type EndpointEvent,
  type EndpointLimits,
  type Handler,
  type Layer,
  type ObserveOptions,
  type QBlockOptions,
  type Resource,
  type ResourceFunction,
  type ResourceHandle,
  Router,
  type RouterEvent,
  type TransmissionParameters,
} from '../coap/index.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { optionFault } from '../core/options.ts';
import { TransportError } from './errors.ts';
import { Gate } from './gate.ts';
import type { Listener, Scheme } from './scheme.ts';
import { schemes, type Target, targetOf } from './schemes.ts';
import { settled } from './settled.ts';

/** What a server offers: resources by path (a function stands for GET), a router, or one function for all methods and paths. */
export type Served = Readonly<Record<string, Resource | ResourceFunction>> | Router | ResourceFunction;

/** What an endpoint and its resources tell. */
export type ServeEvent = EndpointEvent | RouterEvent;

/** What a server keeps at most, whoever sends. */
export interface ServeLimits extends EndpointLimits {
  /** Requests that wait while `concurrency` handlers run. Of one more, or of the last of the address with most of them, the answer is 5.03. Default 1,024. */
  readonly waiting: number;
}

/** Where `serve` listens, and what it serves. */
export interface ServeOptions {
  /** One URI or several: `coap://127.0.0.1:5683`, `coap://[::1]`. Port 0 takes any free one. */
  readonly listen: string | readonly string[];
  /** One of `resources` and `handler` is there. */
  readonly resources?: Served;
  /** In place of `resources`: takes every request as it is, `nodeCoapListener(listener)` for one. */
  readonly handler?: Handler;
  /** What stands between block-wise transfer and tokens, made for each listener: `() => [guard, oscore(...)]`. */
  readonly layers?: () => readonly Layer[];
  /** Requests whose handlers run at once, notifications not counted. Absent: as many as `limits.replies` allows. */
  readonly concurrency?: number;
  /** Milliseconds that `close` waits for handlers and for acknowledgements. Default 5,000. */
  readonly drain?: number;
  /** Closes the server as `close()` does. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<ServeLimits>;
  /** `maxBody` bounds the bodies of requests, which handlers get whole. */
  readonly blockwise?: BlockwiseOptions;
  /** Robust block-wise transfer (RFC 9177), for clients that ask for it. Absent: off. */
  readonly qBlock?: QBlockOptions;
  readonly observe?: ObserveOptions;
  readonly parameters?: Partial<TransmissionParameters>;
  readonly schemes?: readonly Scheme[];
  readonly env?: Env;
  /** Hears of what was discarded, of connections, observations, refusals, and what functions threw. */
  readonly emit?: (event: ServeEvent) => void;
}

/**
 * Serve resources over CoAP, at one URI or several. Fulfilled when all of them listen.
 *
 * ```ts
 * const server = await serve({
 *   listen: 'coap://127.0.0.1:5683',
 *   resources: {
 *     '/time': { get: () => new Date().toISOString(), observable: true },
 *     '/echo': { post: (request) => request.text() },
 *   },
 * });
 * setInterval(() => server.changed('/time'), 1000);
 * ```
 *
 * @throws {TransportError} `ERR_TRANSPORT_SCHEME`, `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_RESOLVE`, `ERR_TRANSPORT_OPTION`, `ERR_TRANSPORT_ABORTED`
 * @throws {CoapError} `ERR_COAP_URI`, `ERR_COAP_RESOURCE`, `ERR_COAP_PARAMETER`
 */
export async function serve(options: ServeOptions): Promise<Server> {
  checkOptions(options);
  const { listen, handler, signal, env = systemEnv, emit = () => {}, limits = {} } = options;
  const targets = (typeof listen === 'string' ? [listen] : listen).map((uri) => listenTarget(uri, options.schemes ?? schemes));
  const handles = new Map<string, ResourceHandle>();
  const router = handler === undefined ? routerOf(options.resources!, handles, emit) : undefined;
  const bounds = { concurrency: options.concurrency ?? Number.POSITIVE_INFINITY, waiting: limits.waiting ?? 1024 };
  const gate = new Gate({ ...bounds, failed: (peer, error) => emit({ type: 'failed', peer, error }) }, handler ?? router!.handler);
  const { blockwise, qBlock, observe, parameters } = options;
  const listeners: Listener[] = [];
  const urls: string[] = [];
  try {
    for (const { scheme, uri } of targets) {
      const listener = await scheme.listen(uri, {
        env,
        handler: gate.handler,
        layers: options.layers?.() ?? [],
        limits,
        emit,
        ...(blockwise === undefined ? {} : { blockwise }),
        ...(qBlock === undefined ? {} : { qBlock }),
        ...(observe === undefined ? {} : { observe }),
        ...(parameters === undefined ? {} : { parameters }),
      });
      listeners.push(listener);
      urls.push(urlOf(scheme, listener));
    }
    if (signal?.aborted) throw new TransportError('ERR_TRANSPORT_ABORTED', 'the server was stopped before it listened', { cause: signal.reason });
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()));
    throw error;
  }
  return new Server({ listeners, urls, gate, router, handles, env, drain: options.drain ?? 5000, signal });
}

interface ServerParts {
  readonly listeners: readonly Listener[];
  readonly urls: readonly string[];
  readonly gate: Gate;
  readonly router: Router | undefined;
  readonly handles: Map<string, ResourceHandle>;
  readonly env: Env;
  readonly drain: number;
  readonly signal: AbortSignal | undefined;
}

/** A server that runs; `serve` makes it. */
export class Server {
  /** Where it listens, with the ports that it got. */
  readonly urls: readonly string[];
  readonly #parts: ServerParts;
  readonly #onAbort = (): void => void this.close();
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(parts: ServerParts) {
    this.urls = parts.urls;
    this.#parts = parts;
    parts.signal?.addEventListener('abort', this.#onAbort);
  }

  /** The first of `urls`. */
  get url(): string {
    return this.urls[0]!;
  }

  /**
   * Put a resource at a path, at any time.
   *
   * @throws {CoapError} `ERR_COAP_RESOURCE` when the path is none, or taken
   * @throws {TransportError} `ERR_TRANSPORT_OPTION` when a `handler` takes all requests
   */
  resource(path: string, resource: Resource): ResourceHandle {
    const { router, handles } = this.#parts;
    if (router === undefined) throw new TransportError('ERR_TRANSPORT_OPTION', 'expected a server with resources, got one with a handler');
    const handle = router.resource(path, resource);
    handles.set(path, handle);
    return handle;
  }

  /**
   * Tell the observers of a resource that its state is another.
   *
   * @throws {TransportError} `ERR_TRANSPORT_OPTION` when no resource was put at the path here
   */
  changed(path: string): void {
    const handle = this.#parts.handles.get(path);
    if (handle === undefined) throw new TransportError('ERR_TRANSPORT_OPTION', `expected the path of a resource of this server, got ${JSON.stringify(path)}`);
    handle.changed();
  }

  /** Entries of each kind that the server holds, those of all its listeners added up. */
  stats(): Readonly<Record<string, number>> {
    const { gate, listeners } = this.#parts;
    const all: Record<string, number> = { ...gate.stats() };
    for (const listener of listeners) {
      for (const [name, count] of Object.entries(listener.stats())) all[`endpoint.${name}`] = (all[`endpoint.${name}`] ?? 0) + count;
    }
    return all;
  }

  /**
   * Stop in order: what comes now hears 5.03, observations end with 5.03, handlers that run answer, what was sent is acknowledged, and connections are released;
   * after `drain` milliseconds the rest is given up. Calling it again changes nothing.
   */
  close(options: { readonly drain?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.drain ?? this.#parts.drain);
    return this.#closed;
  }

  /** See `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drain: number): Promise<void> {
    const { gate, listeners, env, signal } = this.#parts;
    signal?.removeEventListener('abort', this.#onAbort);
    const end = env.now() + drain;
    for (const listener of listeners) listener.drain?.();
    gate.close(Math.max(1, Math.ceil(drain / 1000)));
    await settled(() => gate.stats().running + sum(listeners.map((listener) => listener.stats()['replies'] ?? 0)) === 0, end, env);
    await Promise.all(listeners.map((listener) => listener.close({ grace: Math.max(0, end - env.now()) })));
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function checkOptions(options: ServeOptions): void {
  const refuse = (expected: string, got: string): TransportError => new TransportError('ERR_TRANSPORT_OPTION', `expected ${expected}, got ${got}`);
  if (optionFault(options, ['listen']) !== undefined || options.listen.length === 0) throw refuse('a URI to listen at', 'none');
  if ((options.resources === undefined) === (options.handler === undefined)) {
    throw refuse('resources or a handler', options.handler === undefined ? 'neither' : 'both');
  }
  const { concurrency = 1, drain = 0 } = options;
  if (!(concurrency >= 1)) throw refuse('concurrency of at least 1', String(concurrency));
  if (!(drain >= 0)) throw refuse('drain of at least 0 ms', String(drain));
}

function listenTarget(text: string, rows: readonly Scheme[]): Target {
  const target = targetOf(text, rows, true);
  if (target.uri.path.length === 0 && target.uri.query.length === 0) return target;
  throw new TransportError('ERR_TRANSPORT_OPTION', `expected a URI of host and port to listen at, got ${JSON.stringify(text)}`);
}

function urlOf(scheme: Scheme, { local: { address, port } }: Listener): string {
  return `${scheme.name}://${address.includes(':') ? `[${address.replace('%', '%25')}]` : address}:${port}`;
}

function routerOf(served: Served, handles: Map<string, ResourceHandle>, emit: (event: ServeEvent) => void): Router {
  if (served instanceof Router) return served;
  const router = new Router({ emit });
  if (typeof served === 'function') {
    const all = { get: served, put: served, post: served, delete: served, fetch: served, patch: served, ipatch: served };
    for (const path of ['/*', '/.well-known/core']) router.resource(path, all);
    return router;
  }
  for (const [path, resource] of Object.entries(served))
    handles.set(path, router.resource(path, typeof resource === 'function' ? { get: resource } : resource));
  return router;
}
