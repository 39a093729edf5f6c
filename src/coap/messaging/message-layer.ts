import type { Deadlines } from '../deadline.ts';
import type { CoapError } from '../errors.ts';
import type { Peer } from '../layer.ts';
import type { Body } from '../message/message.ts';
import type { DerivedParameters } from './parameters.ts';
import type { PeerState } from './peer-state.ts';
import type { RandomPool } from './random-pool.ts';
import type { Reachability } from './reachability.ts';
import type { TransmissionListener } from './transmission.ts';

/** A request that came in, as the handle by which its answer leaves. */
export interface Received {
  readonly confirmable: boolean;
  /** What is known of the peer, over datagrams. */
  readonly state?: PeerState;
  /** Bytes on the wire that the answer may take, as long as the peer has not shown its address. */
  readonly allowance?: number;
}

/** A message on its way, of which its sender will hear. */
export interface Underway {
  readonly confirmable: boolean;
  /** How often it was sent again, over datagrams. */
  readonly retransmissions?: number;
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
  /** What keeps answers to unknown addresses small, over datagrams. */
  readonly reachability: Reachability | undefined;
  /**
   * Answer a request for the first time; `confirmable`: the type of a message of its own, when it is not that of the request.
   *
   * @throws {CoapError} `ERR_COAP_OPTION`, `ERR_COAP_MESSAGE_SIZE`
   */
  answer(incoming: Received, token: Uint8Array, body: Body, hold: number, listener: TransmissionListener, confirmable?: boolean): Underway | undefined;
  /** Nothing answers this request, or not yet. */
  acknowledge(incoming: Received): void;
  /**
   * Send a message. `undefined`: it has left, and nothing more will be heard of it. `beside`: a Non-confirmable one waits for no other.
   *
   * @throws {CoapError} `ERR_COAP_OPTION`, `ERR_COAP_MESSAGE_SIZE`
   */
  transmit(
    peer: Peer,
    confirmable: boolean,
    token: Uint8Array,
    body: Body,
    hold: number,
    listener: TransmissionListener,
    beside?: boolean,
  ): Underway | undefined;
  /** The peer for a new operation: as it is reached from a source port that has message ids left. */
  sourceFor(peer: Peer): Peer;
  /** Milliseconds that a Non-confirmable message counts as outstanding. */
  probingTime(token: Uint8Array, body: Body): number;
  /** Be done with a message, without telling its listener; `answered`: by the peer. */
  settle(underway: Underway, answered?: boolean): void;
  /** What carries this token to the peer is answered, if it is on its way. */
  settleToken(peer: Peer, token: Uint8Array): void;
  /** Ask whether the peer is there; `finished` or `ERR_COAP_RESET` tell that it is. */
  ping(peer: Peer, listener: TransmissionListener): Underway | undefined;
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
  /**
   * Opt for the end of all connections, within `grace` milliseconds if it is given: peers get the answers that they wait for, and are asked nothing more. `done`
   * is called when no connection is left; over datagrams, where there is none, at once.
   */
  release(grace: number | undefined, done: () => void): void;
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
