/** A server on 127.0.0.1 in a process of its own. */
export interface Server {
  readonly port: number;
  /** CPU time since the start in microseconds: user and system, of all its threads. */
  cpu(): Promise<number>;
  /** Bytes; `undefined`: this system does not tell. */
  memory(): number | undefined;
  stop(): Promise<void>;
}

/** A peer is not installed here; the message says so, and what installs it. */
export class AbsentPeer extends Error {}

/** What a note says of a peer that is absent. */
export const installs = 'npm run interop installs the peers';
