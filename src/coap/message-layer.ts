import type { Deadlines } from './deadline.ts';
import type { CoapError } from './errors.ts';
import type { Peer } from './layer.ts';
import type { Body } from './message.ts';
import type { DerivedParameters } from './parameters.ts';
import type { RandomPool } from './random-pool.ts';
import type { TransmissionListener } from './transmission.ts';

/** A request that came in, as the handle by which its answer leaves. */
export interface Received {
  readonly confirmable: boolean;
}

/** A message on its way, of which its sender will hear. */
export interface Underway {
  readonly confirmable: boolean;
}

/**
 * What exchanges stand on: `Messaging` over datagrams, `StreamMessaging` over connections.
 *
 * A layer gets back only the `Received` and `Underway` objects that it gave out itself.
 */
export interface MessageLayer {
  readonly parameters: DerivedParameters;
  readonly deadlines: Deadlines;
  readonly random: RandomPool;
  /**
   * Answer a request for the first time.
   *
   * @throws {CoapError} `ERR_COAP_OPTION`, `ERR_COAP_MESSAGE_SIZE`
   */
  answer(incoming: Received, token: Uint8Array, body: Body, hold: number, listener: TransmissionListener): Underway | undefined;
  /** Nothing answers this request, or not yet. */
  acknowledge(incoming: Received): void;
  /**
   * Send a message. `undefined`: it has left, and nothing more will be heard of it.
   *
   * @throws {CoapError} `ERR_COAP_OPTION`, `ERR_COAP_MESSAGE_SIZE`
   */
  transmit(peer: Peer, confirmable: boolean, token: Uint8Array, body: Body, hold: number, listener: TransmissionListener): Underway | undefined;
  /** Milliseconds that a Non-confirmable message counts as outstanding. */
  probingTime(token: Uint8Array, body: Body): number;
  /** Be done with a message, without telling its listener. */
  settle(underway: Underway): void;
  /** Ask whether the peer is there; `finished` or `ERR_COAP_RESET` tell that it is. */
  ping(peer: Peer, listener: TransmissionListener): Underway | undefined;
  stats(): Readonly<Record<string, number>>;
  /** Fail what is on its way and forget everything. */
  close(): void;
}

/** What is told of a whole peer, where a transport has connections. */
export interface PeerWatcher {
  /** The connection is gone: no request on it will be answered, no observer on it will be reached. */
  lost(peer: Peer, error: CoapError): void;
  /** Whether a request of ours waits for its response; with `observations`, also whether one side observes the other. */
  needs(peer: Peer, observations: boolean): boolean;
}
