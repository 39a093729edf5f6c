/** What a connection may cost; times in milliseconds. */
export interface StreamLimits {
  /** Connections at once, in both directions. */
  readonly connections: number;
  /** From the beginning of a connection to the CSM of the peer. */
  readonly handshake: number;
  /** From the first byte of a message that came in parts to its last. */
  readonly message: number;
  /** Without a word of the peer: then a connection that nobody needs is released, and another one has to show that it lives. */
  readonly idle: number;
  /** From a Release to the end of the connection, and from a Ping to its Pong where nothing else was heard. */
  readonly release: number;
  /** How long a peer may leave unread what it was sent. */
  readonly stall: number;
  /** Bytes that wait for a peer from which on nothing more is read from it. */
  readonly highWater: number;
  /** Bytes that wait for a peer from which on the connection is closed. */
  readonly outgoing: number;
  /** Messages that wait for one connection to be there. */
  readonly queue: number;
}

/** What holds where an endpoint is given no limits; times in milliseconds. */
export const defaultStreamLimits: StreamLimits = {
  connections: 1024,
  handshake: 10_000,
  message: 30_000,
  idle: 120_000,
  release: 10_000,
  stall: 30_000,
  highWater: 0x1_0000,
  outgoing: 0x10_0000,
  queue: 1024,
};
