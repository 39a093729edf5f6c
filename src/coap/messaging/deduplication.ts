import { equalBytes } from '../../core/bytes.ts';
import { Queue } from '../../core/queue.ts';
import { Shares } from '../../core/shares.ts';
import type { Deadline } from '../deadline.ts';
import { tokenIn } from '../message/message.ts';
import type { DerivedParameters } from './parameters.ts';
import type { PeerState } from './peer-state.ts';

/**
 * How far the answer to a received request is; `Acknowledged`: by an Empty message, so that a response must travel separately. `Delivered`: it is none, but a
 * response that was expected.
 */
export const Progress = { Pending: 0, Acknowledged: 1, Answered: 2, Delivered: 3 } as const;
export type Progress = (typeof Progress)[keyof typeof Progress];

/**
 * A message that came in: the memory that recognises its duplicates, and, for a request, the handle by which its answer leaves.
 *
 * It holds nothing of the datagram, so that a request is not kept for as long as its duplicates may come.
 */
export class Incoming {
  readonly state: PeerState;
  readonly id: number;
  readonly confirmable: boolean;
  readonly time: number;
  progress: Progress = Progress.Pending;
  /** The piggybacked response, as it was sent. */
  reply: Uint8Array | undefined = undefined;
  /** Bytes on the wire that the answer may take, as long as the peer has not shown its address (RFC 9175, Section 2.4). */
  allowance = 0;
  /** Duplicates that are answered whatever that takes: those of an authenticated request, as often as its client may repeat it. */
  copies = 0;
  /** Runs while no ACK has been sent. */
  ackDeadline: Deadline | undefined = undefined;
  /** The one that came after from the same peer. */
  next: Incoming | undefined = undefined;
  /** Still in the memory: counted in its size. */
  held = true;

  constructor(state: PeerState, id: number, confirmable: boolean, time: number) {
    this.state = state;
    this.id = id;
    this.confirmable = confirmable;
    this.time = time;
  }

  /** Whether what comes under its id may be a copy of it. */
  isAlive(now: number, { exchangeLifetime, nonLifetime }: DerivedParameters): boolean {
    return now - this.time < (this.confirmable ? exchangeLifetime : nonLifetime);
  }
}

/** How much is kept to know messages again. */
export interface DeduplicationLimits {
  readonly entries: number;
  /** Bytes of kept replies and of the entries themselves. */
  readonly bytes: number;
}

/** What an entry takes beside its reply: the object, its place in a map, the view of the reply. */
const entryCost = 160;

/**
 * The messages of the last EXCHANGE_LIFETIME (RFC 7252, Section 4.5), bounded in entries and in bytes.
 *
 * When full, a peer that takes most of the bytes loses its oldest entry: who floods makes this side forget what it sent itself, and nothing of the others.
 */
export class Deduplication {
  readonly #limits: DeduplicationLimits;
  readonly #shares = new Shares<PeerState>();
  /** Those of whom there is an entry. */
  readonly #peers = new Queue<PeerState>();
  #entries = 0;
  #bytes = 0;

  constructor(limits: DeduplicationLimits) {
    this.#limits = limits;
  }

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(incoming: Incoming): void {
    this.#makeRoom(1, entryCost);
    const { state } = incoming;
    state.seen.set(incoming.id, incoming);
    if (state.newest === undefined) {
      state.oldest = incoming;
      this.#peers.add(state);
    } else state.newest.next = incoming;
    state.newest = incoming;
    this.#entries++;
    this.#bytes += entryCost;
    this.#shares.change(state, entryCost);
  }

  /** For so many more entries and bytes. */
  #makeRoom(entries: number, bytes: number): void {
    while (this.#entries + entries > this.#limits.entries || this.#bytes + bytes > this.#limits.bytes) {
      const most = this.#shares.greatest;
      if (most === undefined) return;
      this.#forgetOldestOf(most);
    }
  }

  /** Keep the reply for duplicates. */
  keep(incoming: Incoming, reply: Uint8Array): void {
    this.#makeRoom(0, reply.length);
    if (!incoming.held) return;
    incoming.reply = reply;
    this.#bytes += reply.length;
    this.#shares.change(incoming.state, reply.length);
  }

  /** Forget all that came before `time`. */
  forgetBefore(time: number): void {
    for (const state of this.#peers.all()) while (state.oldest !== undefined && state.oldest.time <= time) this.#forgetOldestOf(state);
  }

  /** Forget all that came from this peer: its session is over, and the next one has messages of its own. */
  forgetPeer(state: PeerState): void {
    while (state.oldest !== undefined) this.#forgetOldestOf(state);
  }

  #forgetOldestOf(state: PeerState): void {
    const oldest = state.oldest!;
    state.oldest = oldest.next;
    oldest.next = undefined;
    oldest.held = false;
    const bytes = entryCost + (oldest.reply?.length ?? 0);
    this.#entries--;
    this.#bytes -= bytes;
    this.#shares.change(state, -bytes);
    const { seen } = state;
    // A later message may have taken the id over.
    if (seen.get(oldest.id) === oldest) seen.delete(oldest.id);
    if (state.oldest !== undefined) return;
    state.newest = undefined;
    this.#peers.delete(state);
    state.release();
  }

  /** Forget the oldest entry of one peer after the other, and with the last of a peer that peer, unless something goes on with it. */
  forgetForAnother(): void {
    const state = this.#peers.first!;
    this.#forgetOldestOf(state);
    if (state.oldest !== undefined) this.#peers.add(state);
    // RFC 7252 §4.4 has ids kept for EXCHANGE_LIFETIME. Whoever forges addresses could keep all others out for as long (§11.4); the next id is a random one again.
    else if (state.isIdle) state.release(true);
  }
}

/** Whether a kept reply answers this token: an id that was taken again too early, with another token, is no duplicate. */
export function answersToken(reply: Uint8Array, token: Uint8Array): boolean {
  return equalBytes(tokenIn(reply), token);
}
