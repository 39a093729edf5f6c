import { Roster } from '../../core/roster.ts';
import { type Holder, Shares } from '../../core/shares.ts';
import type { Peer } from '../layer.ts';
import type { IncomingExchange } from './reply.ts';

/** Peers of which nothing is open and which are remembered all the same, beside as many as have something open. */
const spare = 64;

class PeerReplies implements Holder {
  place = -1;
  share = 0;
  readonly replies = new Roster<IncomingExchange>();
}

/**
 * The requests that were not answered for good, and the observations: bounded in all, and when full, in a fair share for each peer.
 *
 * One more of a peer that has few then takes the place of the newest one of a peer that has most, which hears 5.03 (Service Unavailable) for it. A peer that has
 * about as much as whoever has most finds no room.
 */
export class OpenReplies {
  readonly #most: number;
  /** Kept for a while with nothing in them: a table whose keys come and go all the time is left behind again and again (see `Roster`). */
  readonly #byPeer: Map<string, PeerReplies> = new Map();
  readonly #shares = new Shares<PeerReplies>();
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether one more of this peer would stay. */
  hasRoom(peer: Peer): boolean {
    return this.#size < this.#most || this.#shares.above((this.#byPeer.get(peer.key)?.share ?? 0) + 1) !== undefined;
  }

  /** Take one in, at the cost of another when there are too many. */
  add(reply: IncomingExchange): void {
    const { key } = reply.peer;
    const own = this.#byPeer.get(key) ?? this.#enter(key);
    own.replies.add(reply);
    this.#shares.change(own, 1);
    this.#size++;
    if (this.#size <= this.#most) return;
    const last = this.#shares.above(own.share)?.replies.last;
    if (last === undefined) return;
    this.delete(last);
    last.giveWay();
  }

  /** One that is not there is nothing. */
  delete(reply: IncomingExchange): void {
    if (reply.place < 0) return;
    const own = this.#byPeer.get(reply.peer.key)!;
    own.replies.delete(reply);
    this.#shares.change(own, -1);
    this.#size--;
  }

  /** Those that are there now, in an array of the caller's own. */
  all(): IncomingExchange[] {
    return [...this.#byPeer.values()].flatMap(({ replies }) => replies.all());
  }

  /** Those of one peer, likewise. */
  of(peer: Peer): IncomingExchange[] {
    return this.#byPeer.get(peer.key)?.replies.all() ?? [];
  }

  #enter(key: string): PeerReplies {
    if (this.#byPeer.size >= 2 * this.#shares.size + spare) {
      for (const [other, { share }] of this.#byPeer) if (share === 0) this.#byPeer.delete(other);
    }
    const own = new PeerReplies();
    this.#byPeer.set(key, own);
    return own;
  }
}
