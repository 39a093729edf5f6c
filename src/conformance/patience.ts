/** How long the checker waits, in milliseconds. */
export interface Patience {
  /** For an answer that must come. */
  readonly answer: number;
  /** For one that must not. */
  readonly silence: number;
  /** For the first retransmission of a message of the target: more than ACK_TIMEOUT * ACK_RANDOM_FACTOR (RFC 7252, Section 4.8). */
  readonly retransmission: number;
  /** For a handshake of DTLS, with a retransmission or two. */
  readonly handshake: number;
  /** For a notification, where a resource changes by itself. */
  readonly change: number;
  /** Between cases. */
  readonly pace: number;
}

export const defaultPatience: Patience = { answer: 3000, silence: 500, retransmission: 4000, handshake: 6000, change: 6000, pace: 0 };
