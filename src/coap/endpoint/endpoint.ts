import { type Cancel, type Env, systemEnv } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { Roster } from '../../core/roster.ts';
import { type Block, type BlockResponse, blockOption, blockResponse } from '../blockwise/block-option.ts';
import { checkParameters, checkTime } from '../bounds.ts';
import { Task } from '../deadline.ts';
import { type EchoLayer, echo } from '../echo/layer.ts';
import { CoapError } from '../errors.ts';
import { Exchange } from '../exchange/exchange.ts';
import { type GroupRequestOptions, GroupResponses } from '../exchange/group-request.ts';
import { checkGroupRequest } from '../exchange/multicast.ts';
import { discoveryOf, StatelessRequests } from '../exchange/stateless-requests.ts';
import { TokenSupport } from '../exchange/token-support.ts';
import type { Handler, Layer, Peer, Request, Requester, Response } from '../layer.ts';
import { codeClass } from '../message/code.ts';
import { encodeBody, longestPlainToken, longestToken } from '../message/message.ts';
import { everyClass } from '../message/no-response.ts';
import { OptionNumber, uintOption, withOption } from '../message/option.ts';
import { parseUri } from '../message/uri.ts';
import type { MessageLayer } from '../messaging/message-layer.ts';
import { deriveParameters } from '../messaging/parameters.ts';
import { Reachability } from '../messaging/reachability.ts';
import type { Transport } from '../messaging/transport.ts';
import { observeDurably } from '../observe/durable.ts';
import { type ObserveLayer, observe } from '../observe/layer.ts';
import { ObservationStream } from '../observe/stream.ts';
import { originVia, requestVia } from '../proxy/client.ts';
import type { Proxying } from '../proxy/port.ts';
import { BodyLayers, prefixed } from './body-layers.ts';
import { endpointLimits, streamLimits } from './limits.ts';
import { messageLayerOf } from './message-layers.ts';
import type {
  CloseOptions,
  DurableName,
  EndpointChanges,
  EndpointEvent,
  EndpointLimits,
  EndpointOptions,
  ObservationOptions,
  OutgoingRequest,
  RequestOptions,
  ResolveOptions,
  SendOptions,
} from './options.ts';
import { aborted, closedError, complete, type Unfinished, unfinished } from './outgoing-request.ts';
import { fromSource } from './source.ts';

/**
 * A CoAP endpoint, client and server at once: the Promise shell around messaging, exchanges and layers.
 *
 * Transports start with the endpoint and are closed with it.
 */
export class Endpoint {
  /** The top of the layers, for callers that do without promises. */
  readonly requester: Requester;
  readonly #transports: readonly Transport[];
  readonly #messaging: MessageLayer;
  readonly #exchange: Exchange;
  readonly #bodies: BodyLayers;
  readonly #observe: ObserveLayer;
  readonly #echo: EchoLayer;
  readonly #proxying: Proxying | undefined;
  readonly #limits: EndpointLimits;
  readonly #tokenSupport: TokenSupport | undefined;
  readonly #stateless: StatelessRequests | undefined;
  readonly #unfinished = new Roster<Unfinished>();
  readonly #env: Env;
  readonly #emit: (event: EndpointEvent) => void;
  readonly #closing: AbortController = new AbortController();
  #closed: Promise<void> | undefined;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(options: EndpointOptions) {
    const { transport, env = systemEnv, emit = () => {}, handler } = options;
    this.#env = env;
    this.#emit = emit;
    this.#transports = Array.isArray(transport) ? transport : [transport as Transport];
    this.#limits = endpointLimits(options.limits);
    const parameters = deriveParameters(options.parameters);
    this.#tokenSupport = options.extendedTokens === undefined ? undefined : new TokenSupport(env, options.extendedTokens);
    const format = { extendedTokens: this.#tokenSupport !== undefined };
    const tokens = { longestToken: this.#tokenSupport?.accept ?? longestPlainToken };
    const { amplification } = options;
    const reachability = amplification === 'unlimited' ? undefined : new Reachability(env, amplification);
    const { messaging, start } = messageLayerOf(
      this.#transports,
      { parameters, limits: this.#limits, connections: streamLimits(options.connections), ...tokens, format, reachability },
      env,
      {
        emit,
        request: (message, peer, incoming, group) => this.#exchange.receiveRequest(message, peer, incoming, group),
        response: (message, peer, underway) => this.#exchange.receiveResponse(message, peer, underway),
        isGroupToken: (token) => this.#exchange.isGroupToken(token),
        needsSource: (number) => this.#exchange.needsSource(number),
        lost: (peer, error) => this.#exchange.lost(peer, error),
        needs: (peer, observations) => this.#exchange.needs(peer, observations),
      },
    );
    this.#messaging = messaging;
    this.#observe = observe({ patience: parameters.maxTransmitWait + parameters.exchangeLifetime, ...options.observe }, env);
    this.#echo = echo({ name: 'outer' }, env);
    const given = options.layers ?? [];
    const secured = endOfOscore(given);
    this.#bodies = new BodyLayers(options, secured !== 0, parameters, env);
    const { inner, outer } = this.#bodies;
    const layers: readonly Layer[] = [this.#observe, inner, ...given.slice(0, secured), ...outer, ...given.slice(secured), this.#echo];
    const understood = layers.flatMap(({ understands }) => understands ?? []);
    this.#exchange = new Exchange(this.#messaging, this.#limits, emit, {
      understood,
      ...tokens,
      ...(options.multicast === undefined ? {} : { multicast: options.multicast }),
    });
    if (options.stateless !== undefined) {
      if (this.#tokenSupport === undefined) throw new CoapError('ERR_COAP_PARAMETER', 'expected extendedTokens beside stateless, got none');
      this.#stateless = new StatelessRequests(this.#exchange, this.#tokenSupport, options.stateless, env);
    }
    const { request } = this.#exchange;
    const send: Requester = (message, listener) => request(message.peer.via === undefined ? message : requestVia(message, message.peer.via), listener);
    this.requester = fromSource(
      messaging,
      layers.reduceRight<Requester>((next, layer) => layer.outbound(next, understood), send),
    );
    this.#exchange.handler = layers.reduce<Handler>((next, layer) => layer.inbound(next, understood), handler ?? this.#exchange.handler);
    this.#proxying = options.proxying;
    this.#exchange.proxying = this.#attach(options, understood);
    start();
  }

  /** The proxy of this endpoint under the layers that are for this hop. */
  #attach({ proxying, layers = [] }: EndpointOptions, understood: readonly number[]): Pick<Proxying, 'route' | 'handler'> | undefined {
    if (proxying === undefined) return undefined;
    proxying.attach(this, this.local);
    const hop = [this.#observe, this.#bodies.inner, ...layers.slice(endOfOscore(layers)), this.#echo];
    return { route: (options) => proxying.route(options), handler: hop.reduce<Handler>((next, layer) => layer.inbound(next, understood), proxying.handler) };
  }

  /** Where the transport, the first of several, is bound. */
  get local(): { readonly address: string; readonly port: number } {
    return this.#transports[0]!.local;
  }

  /**
   * The peer at a host and port; with `proxy`, the URI of a forward proxy, as it is reached through that.
   *
   * @throws {ProtocolError} when the host (with `proxy`: that of the proxy) cannot be resolved, or no transport is for the scheme; `ERR_COAP_URI` when `proxy` is
   * not `coap://host[:port]` or `coaps://host[:port]`
   */
  resolve(host: string, port: number, { scheme, proxy }: ResolveOptions = {}): Promise<Peer> {
    if (proxy !== undefined) return this.#resolveVia(proxy, host, port);
    const [first] = this.#transports;
    const named = scheme === undefined ? first : this.#transports.find((transport) => (transport.scheme ?? 'coap') === scheme);
    return (named ?? first!).resolve(host, port, scheme);
  }

  async #resolveVia(proxy: string, host: string, port: number): Promise<Peer> {
    const { scheme, path, query, ...at } = parseUri(proxy);
    if ((scheme !== 'coap' && scheme !== 'coaps') || path.length + query.length > 0)
      throw new CoapError('ERR_COAP_URI', `expected a proxy as coap://host[:port] or coaps://host[:port], got ${JSON.stringify(proxy)}`);
    return originVia(await this.resolve(at.host, at.port, { scheme }), host, port);
  }

  /**
   * Send a request and wait for its response, whatever its code. Without a code it is a GET.
   *
   * @throws {ProtocolError} `ERR_COAP_REQUEST`, `ERR_COAP_TIMEOUT`, `ERR_COAP_RESET`, `ERR_COAP_ABORTED`, `ERR_COAP_CLOSED`, `ERR_COAP_BUSY`, and what layers throw
   */
  request(request: OutgoingRequest, options: RequestOptions = {}): Promise<Response> {
    const { proxy, ...rest } = options;
    if (proxy !== undefined) {
      const { address, port } = request.peer;
      return this.#resolveVia(proxy, address, port).then((peer) => this.request({ ...request, peer }, rest));
    }
    return this.#promise(options, (done, failed) =>
      this.requester(complete(request), {
        response: (response) => done(response),
        error: failed,
      }),
    );
  }

  /**
   * Read one block of a resource, whichever, and nothing else: random access (RFC 7959, Section 2.4). What belongs together is for the caller to see, by the
   * ETag of each block.
   *
   * An error response comes back like any other response, with the block that was asked for.
   *
   * @param block NUM, and the size exponent 0 to 6, of which the server may take a smaller one
   * @throws {CoapError} as `request`, and `ERR_COAP_BLOCK`
   */
  async requestBlock(request: OutgoingRequest, block: { readonly number: number; readonly szx: number }, options: RequestOptions = {}): Promise<BlockResponse> {
    const { szx } = block;
    if (!Number.isInteger(szx) || szx < 0 || szx > 6) throw new CoapError('ERR_COAP_BLOCK', `expected SZX 0 to 6, got ${szx}`);
    const asked: Block = { ...block, more: false };
    const full = complete(request);
    const single = { ...full, options: withOption(full.options, blockOption(OptionNumber.Block2, asked)), oneBlock: true };
    const response = await this.request(single, options);
    return codeClass(response.code) === 2 ? blockResponse(response, asked) : { ...response, block: asked };
  }

  /**
   * Register for notifications. The first item is the response to the registration; it is the only one when the server does not accept the registration.
   * Leaving the loop deregisters; an abort of the signal does too, and ends the loop with `ERR_COAP_ABORTED`.
   *
   * The request is sent at once, with `durable` when the loop begins. Iterate once only.
   *
   * @throws {CoapError} `ERR_COAP_REQUEST`
   */
  observe(request: OutgoingRequest, options: ObservationOptions = {}): AsyncIterableIterator<Response, undefined, undefined> {
    const { signal, durable } = options;
    if (durable !== undefined) return this.#observeDurably(complete(request), durable, signal);
    const abort = (): void => {
      cancel?.();
      stream.error(aborted(signal!));
    };
    let cancel: Cancel | undefined;
    const close = unfinished((error) => stream.error(error));
    const stream = new ObservationStream(this.#limits.notifications, () => {
      signal?.removeEventListener('abort', abort);
      this.#unfinished.delete(close);
    });
    if (this.#closed !== undefined) stream.error(closedError());
    else if (signal?.aborted) stream.error(aborted(signal));
    else {
      const full = complete(request);
      this.#unfinished.add(close);
      signal?.addEventListener('abort', abort);
      cancel = this.requester({ ...full, options: withOption(full.options, uintOption(OptionNumber.Observe, 0)) }, stream);
      stream.attach(cancel);
    }
    return stream;
  }

  #observeDurably(request: Request, durable: DurableName, signal: AbortSignal | undefined): AsyncGenerator<Response, undefined, undefined> {
    const { code, options, payload, association } = request;
    return observeDurably({
      ...durable,
      target: encodeBody({ code, options, payload }),
      env: this.#env,
      signal: AbortSignal.any(signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal]),
      register: () => this.observe(request, signal === undefined ? {} : { signal }),
      vouched: (response) => association === undefined || response.association !== undefined,
      emit: this.#emit,
    });
  }

  /**
   * Send a Non-confirmable request to a group (`peer.group`), and hear its members, each with its `peer`, until the wait is over. Leaving the loop ends it.
   *
   * The request is sent at once, past the layers: multicast has no protection here. Iterate once only.
   *
   * @throws {CoapError} `ERR_COAP_MULTICAST`
   * @see https://www.rfc-editor.org/rfc/rfc7252#section-8
   */
  requestGroup(request: OutgoingRequest, options: GroupRequestOptions = {}): AsyncIterableIterator<Response, undefined, undefined> {
    const { signal, wait = 2 * this.#messaging.parameters.defaultLeisure, responses = 1024 } = options;
    const full: Request = { ...complete(request), nonConfirmable: true };
    checkGroupRequest(full);
    checkTime('wait', wait);
    checkParameters('group', { responses });
    const abort = (): void => {
      stop();
      stream.error(aborted(signal!));
    };
    const close = unfinished((error) => stream.error(error));
    const waiting = new Task(() => {
      cancel?.();
      group.end();
    });
    let cancel: Cancel | undefined;
    const stop = (): void => {
      cancel?.();
      group.cancel();
    };
    const stream = new ObservationStream(responses, () => {
      signal?.removeEventListener('abort', abort);
      this.#unfinished.delete(close);
      this.#messaging.deadlines.clear(waiting);
    });
    const group = new GroupResponses(stream, responses, (peer, listener) => this.requester({ ...full, peer, nonConfirmable: false }, listener));
    if (this.#closed !== undefined) stream.error(closedError());
    else if (signal?.aborted) stream.error(aborted(signal));
    else {
      this.#unfinished.add(close);
      signal?.addEventListener('abort', abort);
      cancel = this.#exchange.request(full, group);
      this.#messaging.deadlines.set(waiting, wait);
      stream.attach(stop);
    }
    return stream;
  }

  /**
   * Send a request whose responses are not wanted, or some of them not (No-Response, RFC 7967): Non-confirmable unless the request says otherwise.
   *
   * With no class wanted the promise is fulfilled when the request has left, and for a Confirmable one when it was acknowledged. Else with the response that
   * comes; with `undefined` when none came, which says that it was of a class that is not wanted, or got lost.
   *
   * @throws {ProtocolError} as `request` does, and `ERR_COAP_REQUEST` for a body that does not fit into one message
   */
  async send(request: OutgoingRequest, options: SendOptions = {}): Promise<Response | undefined> {
    const { noResponse = everyClass, wait } = options;
    checkTime('wait', wait);
    const full = complete({ nonConfirmable: true, ...request, options: withOption(request.options ?? [], uintOption(OptionNumber.NoResponse, noResponse)) });
    // A transfer in blocks lives on the responses to its blocks.
    if (full.payload.length > 1024)
      throw new CoapError('ERR_COAP_REQUEST', `expected a body of at most 1024 bytes without a response, got ${full.payload.length}`);
    const forgotten = full.nonConfirmable === true && (noResponse & everyClass) === everyClass;
    let waiting: Task | undefined;
    return this.#promise<Response | undefined>(options, (done, failed) => {
      const cancel = this.requester(full, {
        response: (response) => done(response),
        error: (error) => (error.code === 'ERR_COAP_NO_RESPONSE' ? done(undefined) : failed(error)),
      });
      if (forgotten) {
        done(undefined);
        // It goes on by itself: what was sent still counts for congestion control.
        return () => {};
      }
      if (wait !== undefined) {
        waiting = new Task(() => {
          cancel();
          done(undefined);
        });
        this.#messaging.deadlines.set(waiting, wait);
      }
      return cancel;
    }).finally(() => waiting && this.#messaging.deadlines.clear(waiting));
  }

  /**
   * Find out whether a peer takes tokens of so many bytes, unless it is known. The result is the longest length that is known to be taken: 8 when it does not.
   * On a connection the peer has announced it; over datagrams it is found out by trial and error.
   *
   * @throws {CoapError} `ERR_COAP_TOKEN` when extended tokens are off or the length cannot be; `ERR_COAP_TIMEOUT`, `ERR_COAP_ABORTED`, `ERR_COAP_CLOSED`,
   * `ERR_COAP_BUSY`
   * @see https://www.rfc-editor.org/rfc/rfc8974#section-2.2
   */
  discoverTokenLength(peer: Peer, length: number, options: RequestOptions = {}): Promise<number> {
    const support = this.#tokenSupport;
    if (support === undefined || !Number.isInteger(length) || length < longestPlainToken || length > longestToken)
      return Promise.reject(new CoapError('ERR_COAP_TOKEN', `expected extended tokens to be on and a length of 8 to ${longestToken}, got ${length}`));
    // A Pong comes after the CSM.
    if (peer.capabilities !== undefined) return this.ping(peer, options).then(() => support.lengthOf(peer)!);
    const known = support.lengthOf(peer);
    if (known !== undefined && (known >= length || known === longestPlainToken)) return Promise.resolve(known);
    return this.#promise<number>(options, (done, failed) => {
      const { request, listener } = discoveryOf(peer, length, support, done, failed);
      return this.#exchange.requestWithToken(length, request, listener);
    });
  }

  /**
   * Send a request of which nothing is kept: `state` travels in its token, and comes back with the response to the `stateless` option's function.
   *
   * @throws {CoapError} `ERR_COAP_TOKEN` when `discoverTokenLength` has not shown that the peer takes it; `ERR_COAP_REQUEST`, `ERR_COAP_ASSOCIATION`,
   * `ERR_COAP_CLOSED`
   * @see https://www.rfc-editor.org/rfc/rfc8974#section-3
   */
  requestStateless(request: OutgoingRequest, state: Uint8Array): void {
    if (this.#closed !== undefined) throw closedError();
    if (this.#stateless === undefined) throw new CoapError('ERR_COAP_TOKEN', 'expected the stateless option, got none');
    this.#stateless.send(complete(request), state);
  }

  /**
   * Whether a CoAP endpoint lives at the peer, or at the proxy that reaches it: it answers an Empty message with a Reset.
   *
   * @throws {CoapError} `ERR_COAP_TIMEOUT`, `ERR_COAP_ABORTED`, `ERR_COAP_CLOSED`, `ERR_COAP_BUSY`
   */
  ping(peer: Peer, options: RequestOptions = {}): Promise<void> {
    return this.#promise<void>(options, (done, failed) => {
      const transmission = this.#messaging.ping(peer.via ?? peer, {
        finished: () => done(),
        failed: (error) => (error.code === 'ERR_COAP_RESET' ? done() : failed(error)),
      });
      return () => {
        if (transmission !== undefined) this.#messaging.settle(transmission);
      };
    });
  }

  /** How many entries of each kind are held; all are zero again once lifetimes have ended. */
  stats(): Readonly<Record<string, number>> {
    return {
      ...this.#messaging.stats(),
      reachable: this.#messaging.reachability?.size ?? 0,
      ...this.#exchange.stats(),
      ...(this.#tokenSupport === undefined ? {} : { tokenSupport: this.#tokenSupport.size }),
      ...this.#bodies.stats(),
      ...prefixed('observe', this.#observe.stats()),
      ...prefixed('echo', this.#echo.stats()),
      ...(this.#proxying === undefined ? {} : prefixed('proxy', this.#proxying.stats())),
    };
  }

  /**
   * Change what is given; the rest stays. A body under way that is longer than it may be now ends with 4.13. Where robust transfer is offered no more, transfers
   * and observations that have begun by it go on, and what begins anew gets 4.02, after which clients go on without it (RFC 9177, Section 4.1).
   */
  adjust(changes: EndpointChanges): void {
    this.#bodies.adjust(changes);
  }

  /** Let no new peers in that would need a session; those that have one go on. */
  drain(): void {
    for (const transport of this.#transports) transport.drain?.();
  }

  /**
   * Fail what is under way with `ERR_COAP_CLOSED`, and close the transports. Over datagrams what is being answered is given up. Connections are released: a peer
   * gets the answers that it waits for and closes, or is closed after `grace` (RFC 8323, Section 5.5).
   *
   * @throws {CoapError} `ERR_COAP_PARAMETER`
   */
  close(options: CloseOptions = {}): Promise<void> {
    checkTime('grace', options.grace);
    this.#closed ??= new Promise((closed) => {
      this.#closing.abort();
      this.#exchange.release(options.grace, () => closed(this.#end()));
      this.#giveUp();
    });
    return this.#closed;
  }

  #giveUp(): void {
    for (const { fail } of this.#unfinished.all()) fail(closedError());
  }

  async #end(): Promise<void> {
    // From below, so that nothing is sent any more when what was under way is given up.
    this.#exchange.close();
    this.#giveUp();
    this.#observe.close();
    this.#bodies.close();
    this.#tokenSupport?.close();
    this.#echo.close();
    this.#proxying?.close();
    await Promise.all(this.#transports.map((transport) => transport.close()));
  }

  /** Bridge callbacks to a promise that also heeds the signal, the timeout and the end of the endpoint. */
  #promise<T>(options: RequestOptions, start: (done: (value: T) => void, failed: (error: ProtocolError) => void) => Cancel): Promise<T> {
    const { signal, timeout } = options;
    if (this.#closed !== undefined) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(aborted(signal));
    return new Promise<T>((resolve, reject) => {
      checkTime('timeout', timeout);
      let cancel: Cancel | undefined;
      let deadline: Task | undefined;
      let over = false;
      const end = (): boolean => {
        if (over) return false;
        over = true;
        this.#unfinished.delete(stop);
        signal?.removeEventListener('abort', abort);
        if (deadline !== undefined) this.#messaging.deadlines.clear(deadline);
        return true;
      };
      const failed = (error: ProtocolError): void => {
        if (end()) reject(error);
      };
      const stop = unfinished((error) => {
        if (!end()) return;
        cancel?.();
        reject(error);
      });
      const abort = (): void => stop.fail(aborted(signal!));
      this.#unfinished.add(stop);
      signal?.addEventListener('abort', abort);
      if (timeout !== undefined) {
        deadline = new Task(() => stop.fail(new CoapError('ERR_COAP_TIMEOUT', `expected a response within ${timeout} ms, got none`)));
        this.#messaging.deadlines.set(deadline, timeout);
      }
      try {
        cancel = start((value) => {
          if (end()) resolve(value);
        }, failed);
      } catch (error) {
        failed(error as ProtocolError);
      }
      if (over) cancel?.();
    });
  }
}

/** How many layers are for what is end to end: those down to the one for OSCORE. The others are for this hop. */
function endOfOscore(layers: readonly Layer[]): number {
  return layers.findLastIndex(({ understands }) => understands?.includes(OptionNumber.Oscore) === true) + 1;
}
