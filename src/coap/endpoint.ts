import { emptyBytes } from '../core/bytes.ts';
import { type Cancel, type Env, systemEnv } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import { type BlockwiseLayer, type BlockwiseOptions, blockwise } from './blockwise.ts';
import { Method } from './code.ts';
import { Task } from './deadline.ts';
import { CoapError } from './errors.ts';
import { defaultExchangeLimits, Exchange, type ExchangeEvent, type ExchangeLimits } from './exchange.ts';
import type { Handler, Layer, Peer, Request, Requester, Response } from './layer.ts';
import type { MessageLayer } from './message-layer.ts';
import { messageLayerOf } from './message-layers.ts';
import { defaultMessagingLimits, type MessagingLimits } from './messaging.ts';
import { ObservationStream } from './observation-stream.ts';
import { type ObserveLayer, type ObserveOptions, observe } from './observe.ts';
import { OptionNumber, uintOption, withOption } from './option.ts';
import { deriveParameters, type TransmissionParameters } from './parameters.ts';
import { defaultStreamLimits, type StreamLimits } from './stream-limits.ts';
import type { ConnectionEvent } from './stream-messaging.ts';
import type { Transport, Transports } from './transport.ts';
import type { UriScheme } from './uri-scheme.ts';

/** Something worth a log line. */
export type EndpointEvent = ExchangeEvent | ConnectionEvent;

export interface EndpointLimits extends MessagingLimits, ExchangeLimits {
  /** Notifications kept for a consumer of `observe` that is slower than they come. */
  readonly notifications: number;
}

export interface EndpointOptions {
  /** One, or several of different schemes. */
  readonly transport: Transports;
  readonly env?: Env;
  /** Who answers requests; absent: 4.04 to all. */
  readonly handler?: Handler;
  /** Application side first; they stand between block-wise transfer and tokens: `[guard, oscore]`. */
  readonly layers?: readonly Layer[];
  readonly parameters?: Partial<TransmissionParameters>;
  readonly blockwise?: BlockwiseOptions;
  readonly observe?: ObserveOptions;
  readonly limits?: Partial<EndpointLimits>;
  /** What connections may cost, where the transport has them. */
  readonly connections?: Partial<StreamLimits>;
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
  readonly #blockwise: BlockwiseLayer;
  readonly #observe: ObserveLayer;
  readonly #limits: EndpointLimits;
  readonly #unfinished: Set<(error: ProtocolError) => void> = new Set();
  #closed: Promise<void> | undefined;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(options: EndpointOptions) {
    const { transport, env = systemEnv, emit = () => {}, handler } = options;
    this.#transports = Array.isArray(transport) ? transport : [transport as Transport];
    this.#limits = { ...defaultMessagingLimits, ...defaultExchangeLimits, notifications: 64, ...options.limits };
    const parameters = deriveParameters(options.parameters);
    const { messaging, start } = messageLayerOf(
      this.#transports,
      { parameters, limits: this.#limits, connections: { ...defaultStreamLimits, ...options.connections } },
      env,
      {
        emit,
        request: (message, peer, incoming) => this.#exchange.receiveRequest(message, peer, incoming),
        response: (message, peer, underway) => this.#exchange.receiveResponse(message, peer, underway),
        lost: (peer, error) => this.#exchange.lost(peer, error),
        needs: (peer, observations) => this.#exchange.needs(peer, observations),
      },
    );
    this.#messaging = messaging;
    this.#observe = observe({ patience: parameters.maxTransmitWait + parameters.exchangeLifetime, ...options.observe }, env);
    this.#blockwise = blockwise(options.blockwise ?? {}, env);
    const layers: readonly Layer[] = [this.#observe, this.#blockwise, ...(options.layers ?? [])];
    this.#exchange = new Exchange(
      this.#messaging,
      this.#limits,
      emit,
      layers.flatMap(({ understands }) => understands ?? []),
    );
    this.requester = layers.reduceRight<Requester>((next, layer) => layer.outbound(next), this.#exchange.request);
    this.#exchange.handler = layers.reduce<Handler>((next, layer) => layer.inbound(next), handler ?? this.#exchange.handler);
    start();
  }

  /** Where the transport, the first of several, is bound. */
  get local(): { readonly address: string; readonly port: number } {
    return this.#transports[0]!.local;
  }

  /**
   * The peer at a host and port.
   *
   * @throws {ProtocolError} when the host cannot be resolved, or no transport is for the scheme
   */
  resolve(host: string, port: number, scheme?: UriScheme): Promise<Peer> {
    const [first] = this.#transports;
    const named = scheme === undefined ? first : this.#transports.find((transport) => (transport.scheme ?? 'coap') === scheme);
    return (named ?? first!).resolve(host, port, scheme);
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
    this.#blockwise.close();
    await Promise.all(this.#transports.map((transport) => transport.close()));
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
