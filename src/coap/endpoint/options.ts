import type { Env } from '../../core/env.ts';
import type { BlockwiseOptions } from '../blockwise/limits.ts';
import type { ExchangeEvent, ExchangeLimits } from '../exchange/exchange.ts';
import type { MulticastOptions } from '../exchange/multicast.ts';
import type { StatelessOptions } from '../exchange/stateless-requests.ts';
import type { ExtendedTokenOptions } from '../exchange/token-support.ts';
import type { Handler, Layer, Peer, Request } from '../layer.ts';
import type { UriScheme } from '../message/uri-scheme.ts';
import type { TransmissionParameters } from '../messaging/parameters.ts';
import type { MessagingLimits } from '../messaging/port.ts';
import type { AmplificationOptions } from '../messaging/reachability.ts';
import type { Transports } from '../messaging/transport.ts';
import type { ObservationEvent, ObservationStore } from '../observe/durable.ts';
import type { ObserveOptions } from '../observe/limits.ts';
import type { Proxying } from '../proxy/port.ts';
import type { QBlockOptions } from '../qblock/limits.ts';
import type { StreamLimits } from '../stream/limits.ts';
import type { ConnectionEvent } from '../stream/messaging.ts';

/** Something worth a log line. */
export type EndpointEvent = ExchangeEvent | ConnectionEvent | ObservationEvent;

/** What an endpoint keeps at most, whoever sends. */
export interface EndpointLimits extends MessagingLimits, ExchangeLimits {
  /** Notifications kept for a consumer of `observe` that is slower than they come. */
  readonly notifications: number;
}

/** What an endpoint is made of: one transport or several, a handler, layers, limits. */
export interface EndpointOptions {
  /** One, or several of different schemes. */
  readonly transport: Transports;
  readonly env?: Env;
  /** Who answers requests; absent: 4.04 to all. */
  readonly handler?: Handler;
  /**
   * Takes what is for other endpoints: a `ProxyServer`. Such requests pass a layer for OSCORE by, and what stands above it, since their protection is for the
   * other end. Absent: 5.05 to what is for a proxy.
   */
  readonly proxying?: Proxying;
  /** Application side first; they stand between block-wise transfer and tokens: `[guard, oscore]`. */
  readonly layers?: readonly Layer[];
  readonly parameters?: Partial<TransmissionParameters>;
  readonly blockwise?: BlockwiseOptions;
  /** Robust block-wise transfer (RFC 9177); what it leaves open is as in `blockwise`. Absent: off, since both ends must support it. */
  readonly qBlock?: QBlockOptions;
  readonly observe?: ObserveOptions;
  readonly limits?: Partial<EndpointLimits>;
  /** Tokens of more than 8 bytes (RFC 8974), in both directions. Absent: they are format errors. */
  readonly extendedTokens?: ExtendedTokenOptions;
  /** For requests without request state (RFC 8974, Section 3); needs `extendedTokens`. */
  readonly stateless?: StatelessOptions;
  /** How requests are answered that were sent to a group (RFC 7252, Section 8). */
  readonly multicast?: MulticastOptions;
  /**
   * How an address that has not shown itself is kept from being sent more than three times what came from it (RFC 9175, Section 2.4): answers become smaller
   * blocks or a challenge by Echo. `unlimited`: not at all, for a network in which nobody forges addresses.
   */
  readonly amplification?: AmplificationOptions | 'unlimited';
  /** What connections may cost, where the transport has them. */
  readonly connections?: Partial<StreamLimits>;
  /** Hears of what was discarded, of connections, observations and refusals: for logs and metrics. */
  readonly emit?: (event: EndpointEvent) => void;
}

/** What of an endpoint may be another while it runs. */
export interface EndpointChanges {
  /** As `maxBody` of its `blockwise` options, also for robust transfer that has no bound of its own. */
  readonly maxBody?: number;
  /** As `offered` of its `qBlock` options; without those it has no effect. */
  readonly qBlock?: boolean;
}

/** A request as an application writes it. */
export interface OutgoingRequest extends Partial<Request> {
  readonly peer: Peer;
}

/** How long a request may take, and by which way it goes. */
export interface RequestOptions {
  /** Ends the exchange; the promise is rejected with `ERR_COAP_ABORTED`, whose cause is the reason of the signal. */
  readonly signal?: AbortSignal;
  /** Milliseconds in all, with what waits in queues. Absent: as long as the message layer waits. */
  readonly timeout?: number;
  /** URI of the forward proxy to ask in place of the peer, whose address may be a name that only the proxy can resolve. */
  readonly proxy?: string;
}

/** Under which name an observation is kept, and where. */
export interface DurableName {
  readonly name: string;
  readonly store: ObservationStore;
}

/** How a resource is observed. */
export interface ObservationOptions {
  readonly signal?: AbortSignal;
  /**
   * Go on over restarts of the server and of this process (RFC 8613, Appendix B.1.3): with the same request under the same name the loop goes on where it stood,
   * without what it has processed. Absent: the loop ends with its registration.
   */
  readonly durable?: DurableName;
}

/** How an endpoint ends. */
export interface CloseOptions {
  /** Milliseconds that peers on connections have to take their answers and close. Default: `connections.release` of the endpoint, 10,000. */
  readonly grace?: number;
}

/** How a peer is reached. */
export interface ResolveOptions {
  /** Which of several transports, by the scheme of its URIs. Absent: the first. */
  readonly scheme?: UriScheme;
  /** URI of the forward proxy that reaches it. */
  readonly proxy?: string;
}

/** Which responses are wanted of a request that is sent and not waited for (RFC 7967). */
export interface SendOptions extends RequestOptions {
  /** Classes of responses that are not wanted: 2 for 2.xx, 8 for 4.xx, 16 for 5.xx, added up. Default 26: none is wanted. */
  readonly noResponse?: number;
  /** Milliseconds after which no more is waited for the responses that are wanted. Default: as long as the message layer waits. */
  readonly wait?: number;
}
