import { equalBytes } from '../../core/bytes.ts';
import { Queue } from '../../core/queue.ts';
import { Shares } from '../../core/shares.ts';
import type { Deadline } from '../deadline.ts';
import { tokenIn } from '../message/message.ts';
import { MessageRecords, none, Progress } from './message-records.ts';
import type { DerivedParameters } from './parameters.ts';
import type { PeerState } from './peer-state.ts';
import type { RandomPool } from './random-pool.ts';

/**
 * A message that came in: the handle by which its answer leaves.
 *
 * It holds nothing of the datagram, and is itself not kept for as long as its duplicates may come.
 */
export class Incoming {
  readonly state: PeerState;
  readonly id: number;
  readonly confirmable: boolean;
  readonly time: number;
  progress: Progress = Progress.Pending;
  /** Bytes on the wire that the answer may take, as long as the peer has not shown its address (RFC 9175, Section 2.4). */
  allowance = 0;
  /** Runs while no ACK has been sent. */
  ackDeadline: Deadline | undefined = undefined;
  /** Where it is remembered, and in which turn of that place. */
  record: number = none;
  turn: number = none;

  constructor(state: PeerState, id: number, confirmable: boolean, time: number) {
    this.state = state;
    this.id = id;
    this.confirmable = confirmable;
    this.time = time;
  }
}

/** How much is kept to know messages again. */
export interface DeduplicationLimits {
  readonly entries: number;
  /** Bytes of kept replies and of the entries themselves. */
  readonly bytes: number;
}

/** What an entry takes, the room for a short reply included. */
const entryCost = 180;

/** A message that is remembered, to be looked at before anything else is. */
export class Earlier {
  readonly #records: MessageRecords;
  readonly #record: number;

  constructor(records: MessageRecords, record: number) {
    this.#records = records;
    this.#record = record;
  }

  get confirmable(): boolean {
    return this.#records.isConfirmable(this.#record);
  }

  get progress(): Progress {
    return this.#records.progress(this.#record);
  }

  /** The piggybacked response, as it was sent. */
  get reply(): Uint8Array | undefined {
    return this.#records.reply(this.#record);
  }

  /** Whether what comes under its id may be a copy of it. */
  isAlive(now: number, { exchangeLifetime, nonLifetime }: DerivedParameters): boolean {
    return now - this.#records.time(this.#record) < (this.confirmable ? exchangeLifetime : nonLifetime);
  }

  /** Whether its reply may be repeated whatever that takes, which is then done once more. */
  takeCopy(): boolean {
    return this.#records.takeCopy(this.#record);
  }
}

/**
 * The messages of the last EXCHANGE_LIFETIME (RFC 7252, Section 4.5), bounded in entries and in bytes.
 *
 * When full, a peer that takes most of the bytes loses its oldest entry: who floods makes this side forget what it sent itself, and nothing of the others.
 */
export class Deduplication {
  readonly #limits: DeduplicationLimits;
  readonly #random: RandomPool;
  readonly #records = new MessageRecords();
  readonly #shares = new Shares<PeerState>();
  /** Those of whom there is an entry. */
  readonly #peers = new Queue<PeerState>();
  #bytes = 0;

  constructor(limits: DeduplicationLimits, random: RandomPool) {
    this.#limits = limits;
    this.#random = random;
  }

  get entries(): number {
    return this.#records.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The message that came last under this id. */
  find(state: PeerState, id: number): Earlier | undefined {
    const record = this.#records.find(state, id);
    return record === none ? undefined : new Earlier(this.#records, record);
  }

  add(incoming: Incoming): void {
    this.#makeRoom(1, entryCost);
    const { state, id, confirmable, time } = incoming;
    // Nobody can choose ids that lie on a heap with those of others.
    if (state.newest === none) state.scatter = this.#random.uint32() | 0;
    const record = this.#records.add(state, id, confirmable, time);
    incoming.record = record;
    incoming.turn = this.#records.turn(record);
    if (state.newest === none) {
      state.oldest = record;
      this.#peers.add(state);
    } else this.#records.setNext(state.newest, record);
    state.newest = record;
    this.#bytes += entryCost;
    this.#shares.change(state, entryCost);
  }

  /** For so many more entries and bytes. */
  #makeRoom(entries: number, bytes: number): void {
    while (this.entries + entries > this.#limits.entries || this.#bytes + bytes > this.#limits.bytes) {
      const most = this.#shares.greatest;
      if (most === undefined) return;
      this.#forgetOldestOf(most);
    }
  }

  /**
   * It is answered: keep the reply for duplicates.
   *
   * @param copies - duplicates that are answered whatever that takes: those of an authenticated request, as often as its client may repeat it
   */
  keep(incoming: Incoming, reply: Uint8Array, copies: number): void {
    this.#makeRoom(0, reply.length);
    if (!this.#isHeld(incoming)) return;
    const { record, state } = incoming;
    this.#records.setReply(record, reply);
    this.#records.setProgress(record, Progress.Answered, copies);
    this.#bytes += reply.length;
    this.#shares.change(state, reply.length);
  }

  /** Its answer has come so far. */
  advance(incoming: Incoming, progress: Progress): void {
    incoming.progress = progress;
    if (this.#isHeld(incoming)) this.#records.setProgress(incoming.record, progress);
  }

  #isHeld({ record, turn }: Incoming): boolean {
    return this.#records.turn(record) === turn;
  }

  /** Forget all that came before `time`. */
  forgetBefore(time: number): void {
    for (const state of this.#peers.all()) while (state.oldest !== none && this.#records.time(state.oldest) <= time) this.#forgetOldestOf(state);
  }

  /** Forget all that came from this peer: its session is over, and the next one has messages of its own. */
  forgetPeer(state: PeerState): void {
    while (state.oldest !== none) this.#forgetOldestOf(state);
  }

  #forgetOldestOf(state: PeerState): void {
    const { oldest } = state;
    const bytes = entryCost + this.#records.replyLength(oldest);
    state.oldest = this.#records.next(oldest);
    this.#records.remove(oldest);
    this.#bytes -= bytes;
    this.#shares.change(state, -bytes);
    if (state.oldest !== none) return;
    state.newest = none;
    this.#peers.delete(state);
    state.release();
  }

  /** Forget the oldest entry of one peer after the other, and with the last of a peer that peer, unless something goes on with it. */
  forgetForAnother(): void {
    const state = this.#peers.first!;
    this.#forgetOldestOf(state);
    if (state.oldest !== none) this.#peers.add(state);
    // RFC 7252 §4.4 has ids kept for EXCHANGE_LIFETIME. Whoever forges addresses could keep all others out for as long (§11.4); the next id is a random one again.
    else if (state.isIdle) state.release(true);
  }
}

/** Whether a kept reply answers this token: an id that was taken again too early, with another token, is no duplicate. */
export function answersToken(reply: Uint8Array, token: Uint8Array): boolean {
  return equalBytes(tokenIn(reply), token);
}
