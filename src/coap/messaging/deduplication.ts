import { equalBytes } from '../../core/bytes.ts';
import type { Deadline } from '../deadline.ts';
import { tokenIn } from '../message/message.ts';
import type { DerivedParameters } from './parameters.ts';
import type { PeerState } from './peer-state.ts';

/** How far the answer to a received message is; `Acknowledged`: by an Empty message, so that a response must travel separately. */
export const Progress = { Pending: 0, Acknowledged: 1, Answered: 2 } as const;
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
  /** The one that came after. */
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
 * The messages of the last EXCHANGE_LIFETIME (RFC 7252, Section 4.5), oldest first, bounded in entries and in bytes: when full, the oldest is forgotten.
 */
export class Deduplication {
  readonly #limits: DeduplicationLimits;
  #oldest: Incoming | undefined;
  #newest: Incoming | undefined;
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
    incoming.state.seen.set(incoming.id, incoming);
    if (this.#newest === undefined) this.#oldest = incoming;
    else this.#newest.next = incoming;
    this.#newest = incoming;
    this.#entries++;
    this.#bytes += entryCost;
    while (this.#entries > this.#limits.entries || this.#bytes > this.#limits.bytes) this.forgetOldest();
  }

  /** Keep the reply for duplicates. */
  keep(incoming: Incoming, reply: Uint8Array): void {
    if (!incoming.held) return;
    incoming.reply = reply;
    this.#bytes += reply.length;
    while (this.#bytes > this.#limits.bytes) this.forgetOldest();
  }

  /** Forget all that came before `time`. */
  forgetBefore(time: number): void {
    while (this.#oldest !== undefined && this.#oldest.time <= time) this.forgetOldest();
  }

  forgetOldest(): void {
    const oldest = this.#oldest!;
    this.#oldest = oldest.next;
    if (this.#oldest === undefined) this.#newest = undefined;
    oldest.next = undefined;
    oldest.held = false;
    this.#entries--;
    this.#bytes -= entryCost + (oldest.reply?.length ?? 0);
    const seen = oldest.state.seen;
    // A later message may have taken the id over.
    if (seen.get(oldest.id) === oldest) seen.delete(oldest.id);
    if (seen.size === 0) oldest.state.release();
  }

  /** Forget the oldest, and with the last of a peer that peer, unless something goes on with it. */
  forgetForAnother(): void {
    const { state } = this.#oldest!;
    this.forgetOldest();
    // RFC 7252 §4.4 has ids kept for EXCHANGE_LIFETIME. Whoever forges addresses could keep all others out for as long (§11.4); the next id is a random one again.
    if (state.isIdle) state.release(true);
  }
}

/** Whether a kept reply answers this token: an id that was taken again too early, with another token, is no duplicate. */
export function answersToken(reply: Uint8Array, token: Uint8Array): boolean {
  return equalBytes(tokenIn(reply), token);
}
