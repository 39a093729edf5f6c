import type { Peer } from '../layer.ts';
import type { Message, MessageFormat } from '../message/message.ts';
import type { DeduplicationLimits, Incoming } from './deduplication.ts';
import type { DerivedParameters } from './parameters.ts';
import type { Reachability } from './reachability.ts';
import type { Transmission } from './transmission.ts';
import type { SourcePorts } from './transport.ts';

/** What the message layer remembers at most, whoever sends. */
export interface MessagingLimits {
  /** What is remembered of received messages, to recognise duplicates. */
  readonly duplicates: DeduplicationLimits;
  /** Peers of which something is remembered. */
  readonly peers: number;
  /** Messages that wait for one peer because of NSTART. */
  readonly queue: number;
}

/** What holds where an endpoint is given no limits. */
export const defaultMessagingLimits: MessagingLimits = { duplicates: { entries: 65_536, bytes: 16 * 1024 * 1024 }, peers: 32_768, queue: 1024 };

/** What a message layer is made with. */
export interface MessagingConfig {
  readonly parameters: DerivedParameters;
  readonly limits: MessagingLimits;
  readonly format?: MessageFormat;
  /** Absent: whatever address seems to ask is sent what it asks for. */
  readonly reachability?: Reachability | undefined;
  /** For more messages to a peer than one source port has ids for. */
  readonly sources?: SourcePorts | undefined;
}

/** A datagram that was ignored or rejected. `reason` is stable. */
export interface DiscardedEvent {
  readonly type: 'discarded';
  readonly reason:
    | 'format'
    | 'port'
    | 'empty'
    | 'code'
    | 'unexpected-response'
    | 'unexpected-ack'
    | 'unexpected-reset'
    | 'option'
    | 'token'
    | 'peers'
    | 'group';
  readonly peer: Peer;
  readonly detail?: string;
}

/** What the message layer tells and asks. */
export interface MessagingPort {
  /** Hand a datagram to the transport. Never throws. */
  send(datagram: Uint8Array, peer: Peer): void;
  /** What was discarded, and why. */
  emit(event: DiscardedEvent): void;
  /** A request that is no duplicate, with the group address if it was sent to one; to be answered by `answer` or `acknowledge`, now or later. */
  request(message: Message, peer: Peer, incoming: Incoming, group?: string): void;
  /** A response; with `transmission` when it is piggybacked on the acknowledgement of that. Returns whether it was expected. */
  response(message: Message, peer: Peer, transmission: Transmission | undefined): boolean;
  /** Whether this is the token of a request to a group: its response comes from an endpoint to which nothing was sent. */
  isGroupToken?(token: Uint8Array): boolean;
  /** A Confirmable message went out as often as it may, and was not acknowledged. */
  unanswered?(peer: Peer): void;
  /** Whether a response may still come to a source port. */
  needsSource?(number: number): boolean;
}
