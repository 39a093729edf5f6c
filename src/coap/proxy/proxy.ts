import { boundsWith } from '../../core/bounds.ts';
import { type Env, systemEnv } from '../../core/env.ts';
import { canonicalHost } from '../../core/host.ts';
import { Tally } from '../../core/tally.ts';
import { checkParameters } from '../bounds.ts';
import { Deadlines } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Handler, Reply, Request } from '../layer.ts';
import { copyOptions, endpointKey } from '../message/cache-key.ts';
import { Code } from '../message/code.ts';
import { type Option, OptionNumber, sortOptions, uintOption, withoutOptions } from '../message/option.ts';
import { parseUri, uriOptions } from '../message/uri.ts';
import { type CacheOptions, ResponseCache } from './cache.ts';
import { asProtocolError, type Destination, diagnosed, type Located, type ProxyEvent, ProxyExchange, type ProxyParts, retryAfter } from './exchange.ts';
import { nextHopLimit } from './options.ts';
import type { Proxying, Route, Upstream } from './port.ts';
import { type ReverseRoute, ReverseRoutes } from './reverse-routes.ts';
import {
  isDotSegment,
  isMulticast,
  namedTarget,
  namesTarget,
  type ProxyPolicy,
  type ProxyTarget,
  type Refusal,
  type SchemePorts,
  targetText,
} from './target.ts';

/** For whom a forward proxy sends requests, and where to (RFC 7252, Section 5.7.2). */
export interface ForwardOptions {
  /** Which targets clients may name: `allowTargets(...)`, `openRelay`, or a function of one's own. What it does not allow is answered with 5.05. */
  readonly allow: ProxyPolicy;
  /** Names of this endpoint, beside its own address: requests for them are served, not forwarded. */
  readonly names?: readonly string[];
  /** URI of another forward proxy that everything goes through. */
  readonly via?: string;
}

/** What a proxy has under way at most. */
export interface ProxyLimits {
  /** Requests and observations under way. Default 4,096; one more is answered with 5.03. */
  readonly exchanges: number;
  /** The same for one client. Default 1,024. */
  readonly exchangesPerClient: number;
  /** Addresses of targets that are remembered. Default 1,024. */
  readonly addresses: number;
}

/** What a proxy serves: forward, reverse, or both (RFC 7252, Section 5.7). */
export interface ProxyOptions {
  /** Serve requests that name their target by Proxy-Uri or Proxy-Scheme. Absent: they are answered with 5.05. */
  readonly forward?: ForwardOptions;
  /** Serve requests for these paths and hosts from other servers. */
  readonly reverse?: readonly ReverseRoute[];
  /** Endpoints to send requests on through, by scheme. Absent: `coap`, through the endpoint that the proxy serves. */
  readonly upstreams?: Readonly<Record<string, Upstream>>;
  /**
   * It is the client of what it sends on, not a hop between two endpoints of CoAP, as a gateway from another protocol is: it answers challenges (RFC 9175) itself,
   * and judges responses as a client does.
   */
  readonly client?: boolean;
  /** How 5.08 and other diagnostics name this proxy: without a space. Absent: address and port of its endpoint. */
  readonly name?: string;
  /** `false`: nothing is stored. */
  readonly cache?: CacheOptions | false;
  /** The Hop-Limit of requests that come without: 1 to 255, or 0 to leave them so. Default 16 (RFC 8768, Section 3). */
  readonly hopLimit?: number;
  /** Milliseconds to wait for the first response before a 5.04. Default 120,000, which is longer than MAX_TRANSMIT_WAIT. */
  readonly timeout?: number;
  readonly limits?: Partial<ProxyLimits>;
  /** Hears of what was forwarded and refused. */
  readonly emit?: (event: ProxyEvent) => void;
  readonly env?: Env;
}

const defaultLimits: ProxyLimits = { exchanges: 4096, exchangesPerClient: 1024, addresses: 1024 };

/** Milliseconds for which the address of a name is remembered. */
const addressLifetime = 30_000;

/** RFC 7252 §8.2.2 would have all members answer, and has no way to say which of them did. */
const multicast = (): CoapError => new CoapError('ERR_COAP_MULTICAST', 'expected a target that is one endpoint, got a multicast address');

/** An address that is remembered, and the options of requests for it. */
interface Address extends Located {
  readonly isMulticast: boolean;
  readonly until: number;
}

const sameOptions = (options: readonly Option[]): readonly Option[] => options;

/**
 * A CoAP-to-CoAP proxy, forward and reverse, with a cache.
 *
 * ```ts
 * const proxying = new ProxyServer({ forward: { allow: allowTargets('10.0.0.7', '*.sensors.example:*') } });
 * const endpoint = new Endpoint({ transport: await udp({ port: 5683 }), proxying });
 * ```
 *
 * Bodies are put together from blocks at the proxy and split again on the other side: the cache holds whole representations, block sizes of the two sides need
 * not be equal, and uploads of several clients to one server, which would share an endpoint and a block option, get Request-Tags that keep them apart (RFC 9175,
 * Section 3.5.2). What OSCORE protects is neither stored nor looked into.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.7
 */
export class ProxyServer implements Proxying {
  readonly #options: ProxyOptions;
  readonly #limits: ProxyLimits;
  readonly #env: Env;
  readonly #parts: ProxyParts;
  readonly #cache: ResponseCache | undefined;
  /** Of requests that come without. */
  readonly #hopLimit: Option | undefined;
  readonly #routes: ReverseRoutes;
  /** How many are under way, by who asked. */
  readonly #ofClients = new Tally();
  readonly #addresses = new Map<string, Address>();
  #underWay = 0;
  #upstreams: Readonly<Record<string, Upstream>>;
  #schemes: SchemePorts;
  #names: ReadonlySet<string> = new Set();
  #port = 0;
  #name: string;

  /** @throws {CoapError} `ERR_COAP_PROXY` for a route, a name or a Hop-Limit that is none; `ERR_COAP_PARAMETER` */
  constructor(options: ProxyOptions) {
    const { env = systemEnv, cache = {}, hopLimit = 16, name = '', timeout = 120_000 } = options;
    checkParameters('proxy', { timeout });
    if (!Number.isInteger(hopLimit) || hopLimit < 0 || hopLimit > 255)
      throw new CoapError('ERR_COAP_PROXY', `hopLimit: expected a whole number from 0 to 255, got ${hopLimit}`);
    if (/\s/.test(name)) throw new CoapError('ERR_COAP_PROXY', `name: expected a name without a space, got ${JSON.stringify(name)}`);
    this.#options = options;
    this.#limits = boundsWith(defaultLimits, options.limits, (message) => new CoapError('ERR_COAP_PARAMETER', `proxy: ${message}`));
    this.#env = env;
    this.#name = name;
    this.#hopLimit = hopLimit === 0 ? undefined : uintOption(OptionNumber.HopLimit, hopLimit);
    this.#routes = new ReverseRoutes(options.reverse ?? []);
    this.#cache = cache === false ? undefined : new ResponseCache(cache, env);
    this.#upstreams = options.upstreams ?? {};
    this.#schemes = portsOf(this.#upstreams);
    this.#parts = {
      env,
      deadlines: new Deadlines(env),
      cache: this.#cache,
      timeout,
      forwarded: options.client !== true,
      name: () => this.#name,
      emit: (event) => options.emit?.(event),
      notification: undefined,
    };
  }

  attach(endpoint: Upstream, local: { readonly address: string; readonly port: number }): void {
    if (this.#options.upstreams === undefined) this.#upstreams = { coap: endpoint };
    this.#schemes = portsOf(this.#upstreams);
    this.#port = local.port;
    this.#names = new Set([local.address, ...(this.#options.forward?.names ?? [])].map((name) => canonicalHost(name.toLowerCase())));
    if (this.#name === '') this.#name = targetText({ scheme: 'coap', host: local.address, port: local.port }).slice('coap://'.length);
  }

  route(options: readonly Option[]): Route {
    let local = options;
    if (namesTarget(options)) {
      if (this.#options.forward === undefined) return { forward: false, options };
      const named = namedTarget(options, this.#schemes);
      if (named !== undefined && 'code' in named) return { forward: true, options };
      if (named !== undefined && !this.#isOwn(named.target)) return { forward: true, options };
      // §5.7.2: a request for the proxy itself is a local one.
      local = localOptions(options, named?.resource);
    }
    return { forward: this.#routes.find(local) !== undefined, options: local };
  }

  readonly handler: Handler = (request, reply) => {
    const destination = this.#destinationOf(request);
    if ('reason' in destination) this.#refuse(request, reply, destination);
    else this.#forward(request, reply, destination);
  };

  /** `exchanges` under way; entries of its cache, bytes in it, and what is being fetched for it. */
  stats(): Readonly<Record<string, number>> {
    const { cached = 0, cachedBytes = 0, fetching = 0 } = this.#cache?.stats() ?? {};
    return { exchanges: this.#underWay, fetching, cached, cachedBytes, addresses: this.#addresses.size };
  }

  close(): void {
    this.#cache?.close();
    this.#parts.deadlines.clearAll();
    this.#addresses.clear();
  }

  #isOwn({ host, port }: ProxyTarget): boolean {
    return port === this.#port && this.#names.has(host);
  }

  #destinationOf(request: Request): Destination | Refusal {
    const { options } = request;
    if (!namesTarget(options)) {
      const found = this.#routes.find(options);
      if (found === undefined) return { code: Code.NotFound, reason: 'policy', text: '' };
      const upstream = this.#upstreams[found.target.scheme];
      if (upstream === undefined) return { code: Code.BadGateway, reason: 'scheme', text: 'no way to the server behind this path' };
      const { target, name, resource, translate } = found;
      return { upstream, target, name, resource, named: false, translate };
    }
    const named = namedTarget(options, this.#schemes);
    if (named === undefined) return { code: Code.BadOption, reason: 'option', text: 'expected a target in Proxy-Uri or Uri-Host' };
    if ('code' in named) return named;
    const { target, resource } = named;
    if (this.#options.forward?.allow(target, request) !== true)
      return { code: Code.ProxyingNotSupported, reason: 'policy', text: `not allowed: ${targetText(target)}`, target };
    return { upstream: this.#upstreams[target.scheme]!, target, name: targetText(target), resource, named: true, translate: sameOptions };
  }

  #forward(request: Request, reply: Reply, destination: Destination): void {
    const { target, resource } = destination;
    if (resource.some(isDotSegment)) {
      this.#refuse(request, reply, { code: Code.BadOption, reason: 'option', text: 'expected Uri-Path other than "." and ".."', target });
      return;
    }
    const hopLimit = nextHopLimit(request.options, this.#hopLimit);
    if (hopLimit !== undefined && 'code' in hopLimit) {
      this.#refuse(request, reply, { ...hopLimit, target, ...(hopLimit.code === Code.HopLimitReached ? { text: this.#name } : {}) });
      return;
    }
    const client = endpointKey(request);
    if (this.#underWay >= this.#limits.exchanges || this.#ofClients.of(client) >= this.#limits.exchangesPerClient) {
      this.#refuse(request, reply, { code: Code.ServiceUnavailable, reason: 'busy', text: 'too many requests at once', target });
      return;
    }
    this.#underWay++;
    this.#ofClients.add(client);
    const exchangeOf = (asked: Request, to: Destination): ProxyExchange => new ProxyExchange(this.#parts, asked, reply, to, () => this.#ended(client));
    const known = this.#addresses.get(wayOf(destination, this.#options.forward?.via));
    if (known !== undefined && known.until > this.#env.now()) begin(exchangeOf(request, destination), known, hopLimit);
    else {
      // What came is borrowed, and leaves once the address is there.
      const kept = { ...request, options: copyOptions(request.options), payload: request.payload.slice() };
      const exchange = exchangeOf(kept, { ...destination, resource: copyOptions(resource) });
      exchange.wait();
      this.#resolve(destination).then(
        (address) => begin(exchange, address, hopLimit),
        (error: unknown) => exchange.fail(asProtocolError(error)),
      );
    }
  }

  #ended(client: string): void {
    this.#underWay--;
    this.#ofClients.remove(client);
  }

  async #resolve(destination: Destination): Promise<Address> {
    const { upstream, target, named } = destination;
    const { host, port } = target;
    const via = named ? this.#options.forward?.via : undefined;
    const way = wayOf(destination, via);
    const peer = await upstream.resolve(host, port, via === undefined ? {} : { proxy: via });
    const address: Address = {
      peer,
      host: uriOptions({ scheme: 'coap', host, port, path: [], query: [] }, peer),
      isMulticast: isMulticast(peer.via === undefined ? peer.address : host),
      until: this.#env.now() + addressLifetime,
    };
    this.#addresses.delete(way);
    this.#addresses.set(way, address);
    if (this.#addresses.size > this.#limits.addresses) this.#addresses.delete(this.#addresses.keys().next().value!);
    return address;
  }

  #refuse(request: Request, reply: Reply, { code, reason, text, target }: Refusal): void {
    const facts = { type: 'refused', client: request.peer, method: request.code, code, reason } as const;
    this.#parts.emit(target === undefined ? facts : { ...facts, target: targetText(target) });
    // RFC 8768 §4: a 5.08 holds names and nothing else.
    const words = code === Code.HopLimitReached || text === '' ? text : `${this.#name}: ${text}`;
    reply.respond(diagnosed(code, words, code === Code.ServiceUnavailable ? [uintOption(OptionNumber.MaxAge, retryAfter)] : []));
  }
}

/** What an address is remembered under: what clients name may go through another proxy, and what stands behind a path does not. */
function wayOf({ name, named }: Destination, via: string | undefined): string {
  return named && via !== undefined ? `${via} ${name}` : name;
}

function begin(exchange: ProxyExchange, address: Address, hopLimit: Option | undefined): void {
  if (address.isMulticast) exchange.fail(multicast());
  else exchange.start(address, hopLimit);
}

/** @throws {CoapError} `ERR_COAP_URI` for a scheme that is none of CoAP */
function portsOf(upstreams: Readonly<Record<string, Upstream>>): SchemePorts {
  return new Map(Object.keys(upstreams).map((scheme) => [scheme, parseUri(`${scheme}://localhost`).port]));
}

/** The options of a request that named the proxy itself as its target: as if it had come without the detour. */
function localOptions(options: readonly Option[], resource: readonly Option[] | undefined): readonly Option[] {
  const whole = options.some(({ number }) => number === OptionNumber.ProxyUri);
  const kept = withoutOptions(options, OptionNumber.ProxyUri, OptionNumber.ProxyScheme);
  if (!whole) return kept;
  const { UriHost, UriPort, UriPath, UriQuery } = OptionNumber;
  return sortOptions([...withoutOptions(kept, UriHost, UriPort, UriPath, UriQuery), ...(resource ?? [])]);
}
