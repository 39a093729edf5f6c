import type { Cancel } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import type { Option } from './option.ts';
import type { Capabilities } from './signaling.ts';
import type { UriScheme } from './uri-scheme.ts';

/** A CoAP endpoint as the transport sees it: two datagrams of one endpoint carry the same object or at least the same `key`. */
export interface Peer {
  /** Equal keys mean the same endpoint (transport, address and port). */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** The scheme of the URIs of what it serves. Absent: `coap`. */
  readonly scheme?: UriScheme;
  /** The name that a certificate or a Host header field has to show, where the transport goes by names. */
  readonly host?: string;
  /** Where it is reached over a connection, which keeps order and loses nothing: what it said that it takes. */
  readonly capabilities?: Readonly<Capabilities>;
}

/**
 * What protects a message. It belongs to the message, not to an address: behind a proxy many OSCORE contexts share one address.
 *
 * An OSCORE `SecurityContext` is one; a DTLS session is another.
 */
export interface SecurityAssociation {
  /** `oscore`, `dtls`. */
  readonly kind: string;
  /** Equal ids mean the same association, within one process. */
  readonly id: string;
  /** The joint between a channel and an access token, or the name of a peer that the AS knows; made by `credential()` in ace/profile.ts. */
  readonly credential: string | undefined;
}

/** A request, to be sent or received. Options are sorted by number; values are borrowed. */
export interface Request {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  readonly peer: Peer;
  /** Absent: nothing protects it. */
  readonly association?: SecurityAssociation;
  /** Send as a Non-confirmable message, or received as one. Absent: Confirmable. */
  readonly nonConfirmable?: boolean;
  /**
   * To be sent: the registration of an observation, its renewals and its cancellation carry the same object here and so leave with the same token (RFC 7641,
   * Sections 3.3.1 and 3.6). Layers pass it on; they do so by `{ ...request, ... }`.
   */
  readonly observation?: object;
}

/** A response, to be sent or received. */
export interface Response {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  /** Filled in on reception. */
  readonly peer?: Peer;
  readonly association?: SecurityAssociation;
  /** A notification that a layer below numbered (OSCORE: by Partial IV); the Observe layer orders by it instead of the Observe option. */
  readonly sequence?: number;
}

/** How a handler answers. Exactly one `respond`, or any number of `notify` (the first is the answer to the registration) ended by `respond` or a cancel. */
export interface Reply {
  /** The final response. After it, calls have no effect. */
  respond(response: Response): void;
  /** A notification (RFC 7641); only for requests that registered with Observe = 0. */
  notify(response: Response): void;
  /** `task` runs once when nobody waits for more: RST, a cancelled registration, a lost peer, a closed endpoint. */
  onCancel(task: () => void): void;
}

/** Takes a request and answers it, at once or later. It never throws. */
export type Handler = (request: Request, reply: Reply) => void;

/** What the sender of a request hears: any number of `response` calls, the last marked, or one `error`. */
export interface ResponseListener {
  response(response: Response, last: boolean): void;
  error(error: ProtocolError): void;
}

/** Sends a request; the result ends the exchange (and an observation) without telling the listener. */
export type Requester = (request: Request, listener: ResponseListener) => Cancel;

/**
 * One concern between the application and the wire, in both directions.
 *
 * `outbound` wraps how requests leave, `inbound` wraps how requests arrive; each is called once, when an endpoint is put together.
 */
export interface Layer {
  readonly name: string;
  /** Options that only this layer processes: without it an endpoint does not understand them. */
  readonly understands?: readonly number[];
  outbound(next: Requester): Requester;
  inbound(next: Handler): Handler;
}
