import type { Peer } from '../layer.ts';
import type { UriScheme } from '../message/uri-scheme.ts';

/** What all transports of an endpoint have in common. */
export interface TransportBase {
  /** The scheme of the URIs of what is reached. Absent: `coap`. */
  readonly scheme?: UriScheme;
  /**
   * The peer at a host (a name or a numeric address; IPv6 without brackets) and port.
   *
   * @throws {ProtocolError} when the host cannot be resolved, or another scheme is asked for than the transport has
   */
  resolve(host: string, port: number, scheme?: UriScheme): Promise<Peer>;
  readonly local: { readonly address: string; readonly port: number };
  /** Begin no sessions any more that peers ask for. */
  drain?(): void;
  /** Let go of sockets and connections. */
  close(): Promise<void>;
}

/**
 * Datagrams in and out: the port through which an endpoint reaches the world. `src/transport` implements it over UDP.
 *
 * Datagrams change hands: the receiver may keep what it gets, and neither side writes a datagram after it was handed over.
 */
export interface DatagramTransport extends TransportBase {
  /** Source ports beside the one of `local`. Absent: there are none. */
  readonly sources?: SourcePorts;
  /** Deliver what comes in to `receive`, from now on, with the group address that it was sent to, if it was. Called once. */
  start(receive: (datagram: Uint8Array, peer: Peer, group?: string) => void, watcher?: SessionWatcher): void;
  /** Send, or fail in silence: datagrams get lost anyway. Never throws. */
  send(datagram: Uint8Array, peer: Peer): void;
  /** A message to the peer went out as often as it may, and nobody has acknowledged it. */
  unanswered?(peer: Peer): void;
}

/** What a transport tells of peers whose messages travel in sessions. */
export interface SessionWatcher {
  /** The session has ended, or something was to be sent in one that had: to the same host leads another peer. Not told while `send` runs. */
  lost(peer: Peer, reason: Error | undefined): void;
  /** The peer sends from another address than before, and has not shown that it receives there. Its answers go there already. */
  moved(peer: Peer): void;
}

/**
 * Source ports of a datagram transport beside the first, which are opened when they are asked for. What comes in at one has peers with that `source`, and what
 * is sent to such a peer leaves from there.
 */
export interface SourcePorts {
  /** How many there may be at once, with the first. */
  readonly most: number;
  /** The peer as it is reached from a source port, numbered from 1. Opens it if need be. */
  peer(first: Peer, number: number): Peer;
  /** Let go of a source port. */
  close(number: number): void;
}

/** One connection, as the engine uses it. Bytes change hands. No method throws, and none calls the listener before it has returned. */
export interface Wire {
  /** Bytes that were written and that the system has not taken yet. */
  readonly buffered: number;
  /** Write bytes, or a frame. */
  write(bytes: Uint8Array): void;
  /** Deliver no more for now; a few bytes may still come. */
  pause(): void;
  /** Deliver again. */
  resume(): void;
  /** Let what was written leave, if the peer reads it soon, and close. */
  end(): void;
  /** Close at once. */
  destroy(): void;
}

/** What a connection tells. */
export interface WireListener {
  /** It is there (an accepted one at once), TLS and WebSocket handshakes included. */
  opened(): void;
  /** Bytes as they came: any number of messages, or a part of one. */
  received(bytes: Uint8Array): void;
  /** All that was written has been taken, after more than `highWater` bytes had to wait. */
  drained(): void;
  /** The last call: it could not be opened, or it is closed. */
  closed(error?: Error): void;
}

/** How messages are told apart: by a length in front of each (TCP, TLS), or by the frames of the WebSocket Protocol. */
export type Framing = 'length' | 'frame';

/** Connections in and out, as `src/transport` makes them over TCP, TLS and WebSockets. */
export interface StreamTransport extends TransportBase {
  readonly scheme: UriScheme;
  readonly framing: Framing;
  /** The largest message that is taken, in bytes with its header; what the CSM says (RFC 8323, Section 5.3.1). */
  readonly maxMessageSize: number;
  /** Call `accept` for each connection that comes in, from now on. Called once. */
  start(accept: (wire: Wire, peer: Peer) => WireListener): void;
  /** Open a connection to a peer of `resolve`. What goes wrong is told to the listener. */
  connect(peer: Peer, listener: WireListener): Wire;
}

/** What carries the messages of an endpoint: datagrams or connections. */
export type Transport = DatagramTransport | StreamTransport;
/** One, or several of different schemes. */
export type Transports = Transport | readonly Transport[];

/** Whether messages travel on connections (RFC 8323). */
export function isStream(transport: Transport): transport is StreamTransport {
  return 'framing' in transport;
}
