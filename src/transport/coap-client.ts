import {
  type BlockwiseOptions,
  CoapError,
  CoapResponse,
  type EndpointEvent,
  type EndpointLimits,
  encodeBody,
  type Layer,
  type ObservationStore,
  type ObserveOptions,
  observeDurably,
  type Peer,
  type QBlockOptions,
  TimeLimit,
  type TransmissionParameters,
} from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import { encode } from '../core/cbor.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { TransportError } from './errors.ts';
import { type CoapRequestInit, outgoingRequest } from './request-init.ts';
import type { Channel, ChannelOptions, Route, Scheme } from './scheme.ts';
import { schemes, type Target, targetOf } from './schemes.ts';
import { settled } from './settled.ts';

/** How many channels a client holds open, and what each is made of. */
export interface CoapClientOptions {
  /** Channels that are open at once; one that nobody uses gives way to another. Default 64. */
  readonly channels?: number;
  /** `notifications`: those kept for each loop that is slower than they come. */
  readonly limits?: Partial<EndpointLimits>;
  readonly blockwise?: BlockwiseOptions;
  /** Robust block-wise transfer (RFC 9177) with servers that know it. Absent: off. */
  readonly qBlock?: QBlockOptions;
  readonly observe?: ObserveOptions;
  readonly parameters?: Partial<TransmissionParameters>;
  /** What stands between block-wise transfer and tokens, made for each channel. */
  readonly layers?: () => readonly Layer[];
  readonly schemes?: readonly Scheme[];
  readonly env?: Env;
  /** Where observations outlive the process: for `durable`. */
  readonly observations?: ObservationStore;
  /** Hears of what was discarded, of connections and observations, of all channels. */
  readonly emit?: (event: EndpointEvent) => void;
}

/** How a resource is observed. */
export interface CoapObserveInit extends CoapRequestInit {
  /**
   * A name under which the observation is kept in `observations`: the loop then goes on over restarts of the server, lost connections and restarts of this process,
   * and gets each representation once. `timeout` is for each registration.
   */
  readonly durable?: string;
}

/** A channel of the pool. */
interface Pooled {
  readonly channel: Promise<Channel>;
  /** The same, once it is open. */
  open: Channel | undefined;
  /** Requests and observations of callers that go through it. */
  users: number;
}

/** A peer, and what leads to it. */
interface Reached {
  readonly target: Target;
  readonly pooled: Pooled;
  readonly channel: Channel;
  readonly peer: Peer;
}

/** How long a server has to answer that it knows of the end of an observation, and to close a connection, in milliseconds. */
const farewell = 500;

/**
 * A client that keeps its sockets. They keep the process running until `close()`.
 *
 * ```ts
 * const client = new CoapClient();
 * const [a, b] = await Promise.all([client.request('coap://127.0.0.1/a'), client.request('coap://127.0.0.1/b')]);
 * await client.close();
 * ```
 */
export class CoapClient {
  readonly #options: CoapClientOptions;
  readonly #env: Env;
  /** By the key of their routes, the one that was used last at the end. */
  readonly #pool = new Map<string, Pooled>();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(options: CoapClientOptions = {}) {
    const { channels = 64 } = options;
    if (!(channels >= 1)) throw new TransportError('ERR_TRANSPORT_OPTION', `expected at least 1 channel, got ${channels}`);
    this.#options = options;
    this.#env = options.env ?? systemEnv;
  }

  /**
   * Ask, and get the answer whatever its code.
   *
   * @throws {TransportError} `ERR_TRANSPORT_SCHEME`, `ERR_TRANSPORT_RESOLVE`, `ERR_TRANSPORT_BUSY` when all channels are in use
   * @throws {CoapError} as the function `request`; `ERR_COAP_CLOSED`
   */
  async request(uri: string, init: CoapRequestInit = {}): Promise<CoapResponse> {
    const limit = new TimeLimit(init, this.#env);
    let reached: Reached | undefined;
    try {
      reached = await this.#reach(uri, limit);
      const { target, channel, peer } = reached;
      return new CoapResponse(await limit.wait(channel.request(outgoingRequest(target.uri, init, peer), { signal: limit.signal })));
    } finally {
      limit.clear();
      if (reached !== undefined) reached.pooled.users--;
    }
  }

  /**
   * Observe a resource, as the function `observe` does.
   *
   * @throws {CoapError} as `request`
   * @throws {TransportError} `ERR_TRANSPORT_OPTION` for `durable` without `observations`
   */
  async *observe(uri: string, init: CoapObserveInit = {}): AsyncGenerator<CoapResponse, void, undefined> {
    const { durable, ...once } = init;
    if (durable === undefined) yield* this.#observe(uri, once);
    else yield* this.#observeDurably(uri, once, durable);
  }

  #observeDurably(uri: string, init: CoapRequestInit, name: string): AsyncGenerator<CoapResponse, undefined, undefined> {
    const { observations: store, emit = () => {} } = this.#options;
    if (store === undefined) throw new TransportError('ERR_TRANSPORT_OPTION', 'expected the client option observations for a durable observation, got none');
    const { signal } = init;
    return observeDurably({
      store,
      name,
      target: observed(uri, this.#target(uri), init),
      env: this.#env,
      signal: AbortSignal.any(signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal]),
      register: () => this.#observe(uri, init),
      passes: ({ code }) => code === 'ERR_TRANSPORT_RESOLVE' || code === 'ERR_TRANSPORT_BUSY' || code === 'ERR_DTLS_TIMEOUT',
      emit,
    });
  }

  async *#observe(uri: string, init: CoapRequestInit): AsyncGenerator<CoapResponse, void, undefined> {
    const limit = new TimeLimit(init, this.#env);
    let reached: Reached | undefined;
    try {
      reached = await this.#reach(uri, limit);
      const { target, channel, peer } = reached;
      const { signal } = init;
      const stream = channel.observe(outgoingRequest(target.uri, init, peer), signal === undefined ? {} : { signal });
      try {
        for (let result = await limit.wait(stream.next()); result.done !== true; result = await stream.next()) {
          limit.clear();
          yield new CoapResponse(result.value);
        }
      } finally {
        await stream.return?.();
      }
    } finally {
      limit.clear();
      if (reached !== undefined) reached.pooled.users--;
    }
  }

  /** Entries of each kind that the client holds. */
  stats(): Readonly<Record<string, number>> {
    const all: Record<string, number> = { channels: this.#pool.size, users: 0 };
    for (const { open, users } of this.#pool.values()) {
      all['users']! += users;
      for (const [name, count] of Object.entries(open?.stats() ?? {})) all[`endpoint.${name}`] = (all[`endpoint.${name}`] ?? 0) + count;
    }
    return all;
  }

  /**
   * Close the sockets. What is under way fails with `ERR_COAP_CLOSED`. Servers whose observation was just ended have half a second to hear of it: they would
   * go on sending to a closed port. Connections are released.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** See `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    const pool = [...this.#pool.values()];
    this.#pool.clear();
    await Promise.allSettled(pool.map((pooled) => this.#leave(pooled)));
  }

  async #leave({ channel, users }: Pooled): Promise<void> {
    const open = await channel;
    await settled(() => (open.stats()['requests'] ?? 0) <= users, this.#env.now() + farewell, this.#env);
    await open.close({ grace: farewell });
  }

  /** Whoever gets it has become a user of the channel. */
  async #reach(uri: string, limit: TimeLimit): Promise<Reached> {
    const target = this.#target(uri);
    const route = await limit.wait(target.scheme.route(target.uri));
    const pooled = this.#enter(route);
    try {
      const channel = await limit.wait(pooled.channel);
      return { target, pooled, channel, peer: await limit.wait(channel.resolve(route.host, target.uri.port)) };
    } catch (error) {
      pooled.users--;
      throw error;
    }
  }

  #target(uri: string): Target {
    if (this.#closed !== undefined) throw closedError();
    return targetOf(uri, this.#options.schemes ?? schemes);
  }

  /** The channel for a route, with one more user. */
  #enter(route: Route): Pooled {
    if (this.#closed !== undefined) throw closedError();
    const pooled = this.#pool.get(route.key) ?? this.#open(route);
    this.#pool.delete(route.key);
    this.#pool.set(route.key, pooled);
    pooled.users++;
    return pooled;
  }

  #open(route: Route): Pooled {
    const { channels = 64, layers, limits = {}, blockwise, qBlock, observe, parameters, emit = () => {} } = this.#options;
    if (this.#pool.size >= channels) this.#makeRoom(channels);
    const options: ChannelOptions = {
      env: this.#env,
      limits,
      emit,
      layers: layers?.() ?? [],
      ...(blockwise === undefined ? {} : { blockwise }),
      ...(qBlock === undefined ? {} : { qBlock }),
      ...(observe === undefined ? {} : { observe }),
      ...(parameters === undefined ? {} : { parameters }),
    };
    const pooled: Pooled = { channel: route.open(options), open: undefined, users: 0 };
    const forget = (): void => {
      if (this.#pool.get(route.key) === pooled) this.#pool.delete(route.key);
    };
    pooled.channel.then((channel) => {
      pooled.open = channel;
      channel.ended?.then(forget, forget);
    }, forget);
    return pooled;
  }

  #makeRoom(channels: number): void {
    for (const [key, pooled] of this.#pool) {
      if (pooled.users > 0) continue;
      this.#pool.delete(key);
      // Whether it closes in order is of no use to whoever needs the room.
      this.#leave(pooled).catch(() => {});
      return;
    }
    throw new TransportError('ERR_TRANSPORT_BUSY', `expected at most ${channels} channels at once, got more`);
  }
}

/** What an observation is of, for its record: the URI and the request. */
function observed(text: string, { uri }: Target, init: CoapRequestInit): Uint8Array {
  const { code, options = [], payload = emptyBytes } = outgoingRequest(uri, init, { key: text, address: uri.host, port: uri.port });
  return encode([text, encodeBody({ code: code!, options, payload })]);
}

function closedError(): CoapError {
  return new CoapError('ERR_COAP_CLOSED', 'the client was closed');
}
