import type { Cancel } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import type { Capabilities } from './capabilities.ts';
import type { Option } from './message/option.ts';
import type { UriScheme } from './message/uri-scheme.ts';

/** A CoAP endpoint as the transport sees it: two datagrams of one endpoint carry the same object or at least the same `key`. */
export interface Peer {
  /** Equal keys mean the same endpoint (transport, address and port). */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** The address is one of many endpoints: requests to it go to a group (RFC 7252, Section 8). Absent: one endpoint. */
  readonly group?: boolean;
  /**
   * It is reached from another source port than the first: from which one, and the same peer as it is reached from the first. To the peer this is another
   * endpoint, with message ids of its own.
   */
  readonly source?: { readonly number: number; readonly first: Peer };
  /** The forward proxy that reaches it. `address` may then be a name that only the proxy can resolve; see `originVia`. */
  readonly via?: Peer;
  /** The scheme of the URIs of what it serves. Absent: `coap`. */
  readonly scheme?: UriScheme;
  /** The name that a certificate or a Host header field has to show, where the transport goes by names. */
  readonly host?: string;
  /** Where it is reached over a connection, which keeps order and loses nothing: what it said that it takes. */
  readonly capabilities?: Readonly<Capabilities>;
  /** What protects all that goes to it and comes from it: its DTLS session. Absent: nothing does, below the layers. */
  readonly association?: SecurityAssociation;
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
  /** Received: the group address that it was sent to (RFC 7252, Section 8). Absent: this endpoint alone. */
  readonly group?: string;
  /**
   * To be sent: the registration of an observation, its renewals and its cancellation carry the same object here and so leave with the same token (RFC 7641,
   * Sections 3.3.1 and 3.6). Layers pass it on; they do so by `{ ...request, ... }`.
   */
  readonly observation?: object;
  /**
   * To be sent: one of the messages of a robust block-wise transfer (RFC 9177), which the Q-Block layer paces. It waits for no turn when it is Non-confirmable,
   * and its exchange is open to any number of responses until it is cancelled, or an error response other than 4.08 comes.
   */
  readonly qBlock?: boolean;
  /** To be sent: the one block that its Block2 option names is wanted and nothing else (RFC 7959, Section 2.4). Layers that move bodies leave it alone. */
  readonly oneBlock?: boolean;
  /** To be sent: what its No-Response option says, where that is encrypted (RFC 8613, Section 4.1.3.6). Absent: what stands among the options. */
  readonly noResponse?: number;
  /** To be sent: carried out twice it does no more than once, whatever its method. Absent: as the method says. */
  readonly idempotent?: boolean;
  /**
   * To be sent: `false` where nobody knows that whoever wants it still does. No layer answers a challenge by sending it again; the challenge is the response (RFC 9175,
   * Section 2.3).
   */
  readonly fresh?: boolean;
  /** To be sent by a proxy for a client: its response is judged as a proxy judges it (RFC 7252, Section 5.7.1), and no layer answers a challenge for it. */
  readonly forwarded?: boolean;
}

/** A response, to be sent or received. */
export interface Response {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  /** To be sent: nothing of it leaves, and what it answers gets no response; a Confirmable request still gets its Empty acknowledgement. */
  readonly suppress?: boolean;
  /** Filled in on reception. */
  readonly peer?: Peer;
  readonly association?: SecurityAssociation;
  /** A notification that a layer below numbered (OSCORE: by Partial IV); the Observe layer orders by it instead of the Observe option. */
  readonly sequence?: number;
  /** Filled in on reception: its request went out more than once, so that a copy may still be under way. */
  readonly retransmitted?: boolean;
  /**
   * To be sent: as a Non-confirmable message, or, when `false`, as a Confirmable one, unless it travels on an acknowledgement. Absent: like the request. For
   * notifications the server chooses each time (RFC 7641, Section 4.5).
   */
  readonly nonConfirmable?: boolean;
  /**
   * To be sent: one of several responses of a robust block-wise transfer (RFC 9177), in a message of this type. `notify` of it needs no registration, and it goes
   * out beside those before it, not in their place.
   */
  readonly qBlock?: 'CON' | 'NON';
}

/** How a handler answers. Exactly one `respond`, or any number of `notify` (the first is the answer to the registration) ended by `respond` or a cancel. */
export interface Reply {
  /** The final response. After it, calls have no effect. */
  respond(response: Response): void;
  /** A notification (RFC 7641); only for requests that registered with Observe = 0. */
  notify(response: Response): void;
  /** `task` runs once when nobody waits for more: RST, a cancelled registration, a lost peer, a closed endpoint. */
  onCancel(task: () => void): void;
  /**
   * Bytes that options and payload of the next answer may have together, since the client has not shown that it is at its address (RFC 9175, Section 2.4, item
   * 3). What is larger is not sent, so whoever can, makes it smaller. Absent: no such bound.
   */
  readonly room?: number | undefined;
  /** The request showed that the client is at its address. */
  shown?(): void;
  /** Acknowledge a Confirmable request now: its response, if any, travels separately. */
  acknowledge?(): void;
  /** There will be no response: acknowledge, and forget. */
  dismiss?(): void;
}

/** Takes a request and answers it, at once or later. It never throws. */
export type Handler = (request: Request, reply: Reply) => void;

/** What the sender of a request hears: any number of `response` calls, the last marked, or one `error`. */
export interface ResponseListener {
  /** Called for each response; after the one that is `last` nothing is called. */
  response(response: Response, last: boolean): void;
  /** There will be no response (any more); the last call. */
  error(error: ProtocolError): void;
  /** The request was acknowledged by an Empty message; told of requests with `qBlock` only. */
  acknowledged?(): void;
}

/** Sends a request; the result ends the exchange (and an observation) without telling the listener. */
export type Requester = (request: Request, listener: ResponseListener) => Cancel;

/**
 * One concern between the application and the wire, in both directions.
 *
 * `outbound` wraps how requests leave, `inbound` wraps how requests arrive; each is called once, when an endpoint is put together. `understood` are the options
 * that need a layer and have one in this endpoint: a layer that takes options out of a protected message must know what those above it process.
 */
export interface Layer {
  readonly name: string;
  /** Options that only this layer processes: without it an endpoint does not understand them. */
  readonly understands?: readonly number[];
  /** How requests leave: take them, change them, answer them, or give them to `next`. */
  outbound(next: Requester, understood?: readonly number[]): Requester;
  /** How requests arrive: take them, change them, answer them, or give them to `next`. */
  inbound(next: Handler, understood?: readonly number[]): Handler;
}
