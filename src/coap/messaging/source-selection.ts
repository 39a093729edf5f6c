import type { Env } from '../../core/env.ts';
import type { Peer } from '../layer.ts';
import type { PeerState } from './peer-state.ts';
import type { SourcePorts } from './transport.ts';

/**
 * Source ports for peers to which more is sent than one has message ids for: 65,536 in each EXCHANGE_LIFETIME, which are some 265 a second (RFC 7252,
 * Section 4.4).
 *
 * Ids belong to a pair of endpoints, and from another source port we are another endpoint. So one is chosen for a whole operation: the blocks of a body and the
 * renewals of an observation leave from where it began. A source port counts as short of ids while some are left, which are for what has begun.
 */
export class SourceSelection {
  readonly #ports: SourcePorts;
  readonly #states: ReadonlyMap<string, PeerState>;
  readonly #env: Env;
  /** Peers for which the first source port is, or was lately, short of ids; and the source port that was chosen last. */
  readonly #short: Map<string, number> = new Map();
  /** Source ports that were chosen and not closed since. */
  readonly #open: Set<number> = new Set();

  constructor(ports: SourcePorts, states: ReadonlyMap<string, PeerState>, env: Env) {
    this.#ports = ports;
    this.#states = states;
    this.#env = env;
  }

  /** Source ports in use beside the first. */
  get size(): number {
    return this.#open.size;
  }

  /** A message id was taken for a peer, or none was left. */
  taken({ peer, ids }: PeerState, now: number): void {
    if (peer.source === undefined && peer.scheme === undefined && ids?.isShort(now) === true && !this.#short.has(peer.key)) this.#short.set(peer.key, 0);
  }

  /** The peer, as it is reached from a source port with ids left: the one that was chosen last, else the lowest. Where there is none, the first. */
  choose(peer: Peer): Peer {
    if (this.#short.size === 0) return peer;
    const last = this.#short.get(peer.key);
    if (last === undefined) return peer;
    const now = this.#env.now();
    for (let i = -1; i < this.#ports.most; i++) {
      const number = i < 0 ? last : i;
      const candidate = number === 0 ? peer : this.#ports.peer(peer, number);
      if (this.#isShort(candidate.key, now)) continue;
      this.#short.set(peer.key, number);
      if (number > 0) this.#open.add(number);
      return candidate;
    }
    return peer;
  }

  /** Close the source ports from which no id was given out for a lifetime, unless they are needed; some may be open for want of ids only. */
  release(needed: (number: number) => boolean): void {
    const now = this.#env.now();
    for (const key of this.#short.keys()) if (!this.#isShort(key, now)) this.#short.delete(key);
    if (this.#open.size === 0) return;
    const used = new Set<number>();
    for (const { peer } of this.#states.values()) if (peer.source !== undefined) used.add(peer.source.number);
    for (const number of this.#open) {
      if (used.has(number) || needed(number)) continue;
      this.#open.delete(number);
      this.#ports.close(number);
    }
  }

  #isShort(key: string, now: number): boolean {
    return this.#states.get(key)?.ids?.isShort(now) === true;
  }
}
