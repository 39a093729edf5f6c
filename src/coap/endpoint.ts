import { emptyBytes } from '../core/bytes.ts';
import { type Cancel, type Env, systemEnv } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import { type Block, type BlockResponse, blockOption, blockResponse } from './block-option.ts';
import { type BlockwiseLayer, type BlockwiseOptions, blockwise } from './blockwise.ts';
import { codeClass, Method } from './code.ts';
import { Task } from './deadline.ts';
import { CoapError } from './errors.ts';
import { defaultExchangeLimits, Exchange, type ExchangeEvent, type ExchangeLimits } from './exchange.ts';
import type { Handler, Layer, Peer, Request, Requester, Response } from './layer.ts';
import { defaultMessagingLimits, Messaging, type MessagingLimits } from './messaging.ts';
import { ObservationStream } from './observation-stream.ts';
import { type ObserveLayer, type ObserveOptions, observe } from './observe.ts';
import { OptionNumber, uintOption, withOption } from './option.ts';
import { deriveParameters, type TransmissionParameters } from './parameters.ts';
import { type QBlockLayer, type QBlockOptions, qBlock } from './qblock.ts';
import type { DatagramTransport } from './transport.ts';

/** Something worth a log line. */
export type EndpointEvent = ExchangeEvent;

export interface EndpointLimits extends MessagingLimits, ExchangeLimits {
  /** Notifications kept for a consumer of `observe` that is slower than they come. */
  readonly notifications: number;
}

export interface EndpointOptions {
  readonly transport: DatagramTransport;
  readonly env?: Env;
  /** Who answers requests; absent: 4.04 to all. */
  readonly handler?: Handler;
  /** Application side first; they stand between block-wise transfer and tokens: `[guard, oscore]`. */
  readonly layers?: readonly Layer[];
  readonly parameters?: Partial<TransmissionParameters>;
  readonly blockwise?: BlockwiseOptions;
  /** Robust block-wise transfer (RFC 9177); what it leaves open is as in `blockwise`. Absent: off, since both ends must support it. */
  readonly qBlock?: QBlockOptions;
  readonly observe?: ObserveOptions;
  readonly limits?: Partial<EndpointLimits>;
  readonly emit?: (event: EndpointEvent) => void;
}

/** A request as an application writes it. */
export interface OutgoingRequest extends Partial<Request> {
  readonly peer: Peer;
}

export interface RequestOptions {
  /** Ends the exchange; the promise is rejected with `ERR_COAP_ABORTED`, whose cause is the reason of the signal. */
  readonly signal?: AbortSignal;
  /** Milliseconds in all, with what waits in queues. Absent: as long as the message layer waits. */
  readonly timeout?: number;
}

/**
 * A CoAP endpoint over one transport, client and server at once: the Promise shell around messaging, exchanges and layers.
 *
 * The transport starts with the endpoint and is closed with it.
 */
export class Endpoint {
  /** The top of the layers, for callers that do without promises. */
  readonly requester: Requester;
  readonly #transport: DatagramTransport;
  readonly #messaging: Messaging;
  readonly #exchange: Exchange;
  readonly #blockwise: BlockwiseLayer;
  readonly #qBlock: QBlockLayer | undefined;
  readonly #observe: ObserveLayer;
  readonly #limits: EndpointLimits;
  readonly #unfinished: Set<(error: ProtocolError) => void> = new Set();
  #closed: Promise<void> | undefined;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(options: EndpointOptions) {
    const { transport, env = systemEnv, emit = () => {}, handler } = options;
    this.#transport = transport;
    this.#limits = { ...defaultMessagingLimits, ...defaultExchangeLimits, notifications: 64, ...options.limits };
    const parameters = deriveParameters(options.parameters);
    this.#messaging = new Messaging({ parameters, limits: this.#limits }, env, {
      send: (datagram, peer) => transport.send(datagram, peer),
      emit,
      request: (message, peer, incoming) => this.#exchange.receiveRequest(message, peer, incoming),
      response: (message, peer, transmission) => this.#exchange.receiveResponse(message, peer, transmission),
    });
    this.#observe = observe({ patience: parameters.maxTransmitWait + parameters.exchangeLifetime, ...options.observe }, env);
    this.#blockwise = blockwise(options.blockwise ?? {}, env);
    this.#qBlock = options.qBlock && qBlock({ ...options.blockwise, ...options.qBlock }, parameters, env, this.#blockwise);
    const layers: readonly Layer[] = [this.#observe, this.#qBlock ?? this.#blockwise, ...(options.layers ?? [])];
    const understood = layers.flatMap(({ understands }) => understands ?? []);
    this.#exchange = new Exchange(this.#messaging, this.#limits, emit, understood);
    this.requester = layers.reduceRight<Requester>((next, layer) => layer.outbound(next, understood), this.#exchange.request);
    this.#exchange.handler = layers.reduce<Handler>((next, layer) => layer.inbound(next, understood), handler ?? this.#exchange.handler);
    transport.start((datagram, peer) => this.#messaging.receive(datagram, peer));
  }

  /** Where the transport is bound. */
  get local(): { readonly address: string; readonly port: number } {
    return this.#transport.local;
  }

  /**
   * The peer at a host and port.
   *
   * @throws {ProtocolError} when the host cannot be resolved
   */
  resolve(host: string, port: number): Promise<Peer> {
    return this.#transport.resolve(host, port);
  }

  /**
   * Send a request and wait for its response, whatever its code. Without a code it is a GET.
   *
   * @throws {ProtocolError} `ERR_COAP_TIMEOUT`, `ERR_COAP_RESET`, `ERR_COAP_ABORTED`, `ERR_COAP_CLOSED`, `ERR_COAP_BUSY`, and what layers throw
   */
  request(request: OutgoingRequest, options: RequestOptions = {}): Promise<Response> {
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
   * The request is sent at once. Iterate once only.
   */
  observe(request: OutgoingRequest, options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<Response, undefined, undefined> {
    const { signal } = options;
    const abort = (): void => {
      cancel?.();
      stream.error(aborted(signal!));
    };
    let cancel: Cancel | undefined;
    const close = (error: ProtocolError): void => stream.error(error);
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

  /**
   * Whether a CoAP endpoint lives at the peer: it answers an Empty message with a Reset.
   *
   * @throws {CoapError} `ERR_COAP_TIMEOUT`, `ERR_COAP_ABORTED`, `ERR_COAP_CLOSED`, `ERR_COAP_BUSY`
   */
  ping(peer: Peer, options: RequestOptions = {}): Promise<void> {
    return this.#promise<void>(options, (done, failed) => {
      const transmission = this.#messaging.ping(peer, {
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
      ...this.#exchange.stats(),
      ...prefixed('blockwise', this.#blockwise.stats()),
      ...prefixed('qBlock', this.#qBlock?.stats() ?? {}),
      ...prefixed('observe', this.#observe.stats()),
    };
  }

  /** Fail what is under way with `ERR_COAP_CLOSED`, cancel what is being answered, and close the transport. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // From below, so that nothing is sent any more when what was under way is given up.
    this.#exchange.close();
    for (const fail of [...this.#unfinished]) fail(closedError());
    this.#observe.close();
    this.#qBlock?.close();
    this.#blockwise.close();
    await this.#transport.close();
  }

  /** Bridge callbacks to a promise that also heeds the signal, the timeout and the end of the endpoint. */
  #promise<T>(options: RequestOptions, start: (done: (value: T) => void, failed: (error: ProtocolError) => void) => Cancel): Promise<T> {
    const { signal, timeout } = options;
    if (this.#closed !== undefined) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(aborted(signal));
    return new Promise<T>((resolve, reject) => {
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
      const stop = (error: ProtocolError): void => {
        if (!end()) return;
        cancel?.();
        reject(error);
      };
      const abort = (): void => stop(aborted(signal!));
      this.#unfinished.add(stop);
      signal?.addEventListener('abort', abort);
      if (timeout !== undefined) {
        deadline = new Task(() => stop(new CoapError('ERR_COAP_TIMEOUT', `expected a response within ${timeout} ms, got none`)));
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

function complete(request: OutgoingRequest): Request {
  return { code: Method.GET, options: [], payload: emptyBytes, ...request };
}

function prefixed(prefix: string, stats: object): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(stats).map(([name, value]) => [`${prefix}.${name}`, value as number]));
}

function aborted(signal: AbortSignal): CoapError {
  return new CoapError('ERR_COAP_ABORTED', 'the request was aborted', { cause: signal.reason });
}

function closedError(): CoapError {
  return new CoapError('ERR_COAP_CLOSED', 'the endpoint was closed');
}
