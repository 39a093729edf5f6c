import { equalBytes } from '../../core/bytes.ts';
import type { NumberTable } from '../../core/number-table.ts';
import type { Peer } from '../layer.ts';
import type { MessageIds } from './message-id.ts';
import { none } from './message-records.ts';
import type { Transmission } from './transmission.ts';
import type { OutstandingWindow } from './window.ts';

/** What the message layer knows of one peer. It goes when nothing in it is alive any more. */
export class PeerState {
  readonly peer: Peer;
  readonly #table: Map<string, PeerState>;
  /** The state for the first source port that reaches the peer: `outstanding` and `queue` there are for all of them, since NSTART is. */
  readonly leader: PeerState;
  /** States for other source ports. */
  followers = 0;
  /** The records of the first and the last message that are remembered of it. */
  oldest: number = none;
  newest: number = none;
  /** A random number, which tells where they are found. */
  scatter = 0;
  /** Bytes that the memory of them takes, and the place among those who take as much. */
  share = 0;
  place = -1;
  /** The neighbours among those of whom something is remembered. */
  before: PeerState | undefined = undefined;
  after: PeerState | undefined = undefined;
  /** Messages sent that an ACK or RST may still concern, by message id; made when the first is sent. */
  sent: NumberTable<Transmission> | undefined = undefined;
  ids: MessageIds | undefined = undefined;
  /** Outstanding interactions: at most as many as the window of the leader has. */
  outstanding = 0;
  readonly window: OutstandingWindow;
  /** The peer has shown that it is at its address, or nobody asks. */
  reachable = true;
  /** Bytes on the wire that it may be sent until then. */
  credit = 0;
  /** Requests of it that are not answered for good. */
  replies = 0;
  /** What waits for its turn, in order. */
  readonly queue: Transmission[] = [];

  constructor(peer: Peer, table: Map<string, PeerState>, leader: PeerState | undefined, windows: () => OutstandingWindow) {
    this.peer = peer;
    this.#table = table;
    this.leader = leader ?? this;
    this.window = leader?.window ?? windows();
    if (leader !== undefined) leader.followers++;
    table.set(peer.key, this);
  }

  /** Whether NSTART lets one more message leave for the peer. */
  get hasRoom(): boolean {
    return this.leader.outstanding < this.window.size;
  }

  /** All that is on its way or waits. */
  get unfinished(): Transmission[] {
    return [...(this.sent?.all() ?? []), ...this.queue];
  }

  /** The message on its way that carries this token. */
  sentWith(token: Uint8Array): Transmission | undefined {
    return this.sent?.all().find((transmission) => equalBytes(transmission.token, token));
  }

  /** Forget the peer if nothing is left of it. Its message ids are kept by a peer to which something was sent until `release(true)`. */
  release(idsOver = false): void {
    if (idsOver) this.ids = undefined;
    if (this.ids !== undefined || !this.isIdle) return;
    if (!this.#table.delete(this.peer.key) || this.leader === this) return;
    this.leader.followers--;
    this.leader.release();
  }

  /** Whether nothing is left of it but, maybe, its message ids. */
  get isIdle(): boolean {
    return (
      this.followers === 0 && this.replies === 0 && this.oldest === none && this.outstanding === 0 && this.queue.length === 0 && (this.sent?.size ?? 0) === 0
    );
  }
}

/** Where a peer is, in words. */
export function placeOf({ address, port }: Peer): string {
  return `${address} port ${port}`;
}
