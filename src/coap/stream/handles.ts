import type { Member } from '../../core/roster.ts';
import type { Received } from '../messaging/message-layer.ts';
import type { TransmissionListener } from '../messaging/transmission.ts';
import type { StreamConnection } from './connection.ts';

/** A request that came in on a connection. */
export class StreamRequest implements Received, Member {
  readonly confirmable = true;
  place = -1;
  readonly connection: StreamConnection;
  /** How many came before it. */
  readonly number: number;

  constructor(connection: StreamConnection, number: number) {
    this.connection = connection;
    this.number = number;
  }
}

/** A message that waits: for the connection, for room on it, or, a Ping, for its Pong. */
export class Waiting {
  readonly confirmable = true;
  readonly listener: TransmissionListener;
  /** What is still to be written. */
  frame: Uint8Array | undefined;
  /** Of a request: its token. */
  readonly token: Uint8Array | undefined;
  /** A Ping. It has an empty token, which is what some servers answer any Ping with; Pongs come in the order of Pings. */
  readonly ping: boolean;
  settled = false;
  /** Where it waits. */
  holder: StreamConnection | undefined = undefined;

  constructor(listener: TransmissionListener, frame: Uint8Array | undefined, token?: Uint8Array, ping = false) {
    this.listener = listener;
    this.frame = frame;
    this.token = token;
    this.ping = ping;
  }

  /** Whether it is as good on the next connection: a request, a Ping. A response belongs to its own. */
  get movable(): boolean {
    return this.token !== undefined || this.ping;
  }
}
