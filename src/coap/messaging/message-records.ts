import type { PeerState } from './peer-state.ts';

/**
 * How far the answer to a received request is; `Acknowledged`: by an Empty message, so that a response must travel separately. `Delivered`: it is none, but a
 * response that was expected.
 */
export const Progress = { Pending: 0, Acknowledged: 1, Answered: 2, Delivered: 3 } as const;
export type Progress = (typeof Progress)[keyof typeof Progress];

/** No record, no reply. */
export const none = -1;

/** Records at first: a power of two. */
const fewest = 16;
/** A reply of up to so many bytes lies with its record; a longer one is kept as it is. */
const shortReply = 128;
/** Up to here a loop takes less time than a call of `set`. */
const shortCopy = 40;

/** What a record has in words of 32 bits. The last two are its time, a number of 64 bits. */
const Word = { id: 0, state: 1, length: 2, next: 3, chain: 4, turn: 5 } as const;
const words = 8;
const timeAt = 3;

/** The state: a bit for a Confirmable message, two for the progress, and the rest for copies. */
const confirmableBit = 1;
const progressShift = 1;
const copiesShift = 3;

/** 2^32 by the golden ratio: ids that follow each other come to lie far apart. */
const spread = 0x9e37_79b1;

/**
 * What is remembered of received messages, by peer and message id. A record is named by a number.
 *
 * They lie in a few arrays of bytes and not in objects: they live for minutes and come by the hundred thousand, and objects that live so long are copied twice by the
 * garbage collector, and then looked at again and again.
 */
export class MessageRecords {
  /** Of each record `words` words. */
  #words: Int32Array = new Int32Array(0);
  /** The same memory, for the times. */
  #times: Float64Array = new Float64Array(0);
  #replies: Uint8Array = new Uint8Array(0);
  #longReplies: (Uint8Array | undefined)[] = [];
  #owners: (PeerState | undefined)[] = [];
  /** The newest record of each chain. */
  #chains: Int32Array = new Int32Array(0);
  /** Bits of the hash that are no part of the number of a chain. */
  #shift = 32;
  #free: number = none;
  #size = 0;
  /** Of the message that came last: odd, so that it is never that of a place that is free. */
  #turn = 1;

  /** Records that are held. */
  get size(): number {
    return this.#size;
  }

  /** Remember a message of a peer, which is not answered. */
  add(owner: PeerState, id: number, confirmable: boolean, time: number): number {
    if (this.#free === none) this.#grow();
    const record = this.#free;
    const at = record * words;
    const all = this.#words;
    this.#free = all[at + Word.next]!;
    all[at + Word.id] = id;
    all[at + Word.state] = confirmable ? confirmableBit : 0;
    all[at + Word.length] = none;
    all[at + Word.next] = none;
    this.#turn = (this.#turn + 2) | 0;
    all[at + Word.turn] = this.#turn;
    this.#times[record * (words / 2) + timeAt] = time;
    this.#owners[record] = owner;
    this.#link(record, owner, id);
    this.#size++;
    return record;
  }

  /** The message of a peer that came last under this id; `none` where none is remembered. */
  find(owner: PeerState, id: number): number {
    if (this.#size === 0) return none;
    const all = this.#words;
    let record = this.#chains[this.#chainOf(owner, id)]!;
    while (record !== none && (all[record * words + Word.id] !== id || this.#owners[record] !== owner)) record = all[record * words + Word.chain]!;
    return record;
  }

  /** Forget it. What is remembered in its place later has another turn. */
  remove(record: number): void {
    const at = record * words;
    const all = this.#words;
    this.#unlink(record, this.#owners[record]!, all[at + Word.id]!);
    this.#owners[record] = undefined;
    if (all[at + Word.length]! > shortReply) this.#longReplies[record] = undefined;
    all[at + Word.turn] = 0;
    all[at + Word.next] = this.#free;
    this.#free = record;
    // An endpoint that was busy once does not keep what that took.
    if (--this.#size === 0 && this.#owners.length > fewest) {
      this.#owners = [];
      this.#longReplies = [];
      this.#allocate(0);
      this.#free = none;
    }
  }

  /** Of the message that is remembered there: no other has the same. */
  turn(record: number): number {
    return this.#words[record * words + Word.turn] ?? 0;
  }

  isConfirmable(record: number): boolean {
    return (this.#stateOf(record) & confirmableBit) !== 0;
  }

  time(record: number): number {
    return this.#times[record * (words / 2) + timeAt]!;
  }

  progress(record: number): Progress {
    return ((this.#stateOf(record) >> progressShift) & 3) as Progress;
  }

  /** @param copies - how often its reply may be repeated whatever that takes */
  setProgress(record: number, progress: Progress, copies = 0): void {
    const bits = (this.#stateOf(record) & confirmableBit) | (progress << progressShift) | (copies << copiesShift);
    this.#words[record * words + Word.state] = bits;
  }

  /** Whether its reply may be repeated whatever that takes, which is then done once more. */
  takeCopy(record: number): boolean {
    const state = this.#stateOf(record);
    if (state >> copiesShift <= 0) return false;
    this.#words[record * words + Word.state] = state - (1 << copiesShift);
    return true;
  }

  /** The record of the message that came from the same peer after this one. */
  next(record: number): number {
    return this.#words[record * words + Word.next]!;
  }

  setNext(record: number, next: number): void {
    this.#words[record * words + Word.next] = next;
  }

  /** Bytes of its reply; 0 where it has none. */
  replyLength(record: number): number {
    return Math.max(0, this.#words[record * words + Word.length]!);
  }

  setReply(record: number, reply: Uint8Array): void {
    const { length } = reply;
    this.#words[record * words + Word.length] = length;
    const at = record * shortReply;
    if (length > shortReply) this.#longReplies[record] = reply;
    else if (length > shortCopy) this.#replies.set(reply, at);
    else for (let i = 0; i < length; i++) this.#replies[at + i] = reply[i]!;
  }

  /** A reply of the caller's own. */
  reply(record: number): Uint8Array | undefined {
    const length = this.#words[record * words + Word.length]!;
    if (length === none) return undefined;
    return length > shortReply ? this.#longReplies[record] : this.#replies.slice(record * shortReply, record * shortReply + length);
  }

  #stateOf(record: number): number {
    return this.#words[record * words + Word.state]!;
  }

  #chainOf(owner: PeerState, id: number): number {
    return (Math.imul(id, spread) + owner.scatter) >>> this.#shift;
  }

  #link(record: number, owner: PeerState, id: number): void {
    const chain = this.#chainOf(owner, id);
    this.#words[record * words + Word.chain] = this.#chains[chain]!;
    this.#chains[chain] = record;
  }

  #unlink(record: number, owner: PeerState, id: number): void {
    const all = this.#words;
    const after = all[record * words + Word.chain]!;
    const chain = this.#chainOf(owner, id);
    let at = this.#chains[chain]!;
    if (at === record) {
      this.#chains[chain] = after;
      return;
    }
    while (all[at * words + Word.chain] !== record) at = all[at * words + Word.chain]!;
    all[at * words + Word.chain] = after;
  }

  /** Twice as many. */
  #grow(): void {
    const before = this.#owners.length;
    const [contents, replies, chains] = [this.#words, this.#replies, this.#chains];
    this.#allocate(Math.max(fewest, 2 * before));
    this.#words.set(contents);
    this.#replies.set(replies);
    for (const newest of chains) this.#relink(newest, contents);
    this.#offer(before);
  }

  /** The newest of a chain comes last, and so is the first of its chain again. */
  #relink(newest: number, before: Int32Array): void {
    const records: number[] = [];
    for (let record = newest; record !== none; record = before[record * words + Word.chain]!) records.push(record);
    for (const record of records.reverse()) this.#link(record, this.#owners[record]!, before[record * words + Word.id]!);
  }

  #allocate(count: number): void {
    const { buffer } = new Int32Array(words * count);
    this.#words = new Int32Array(buffer);
    this.#times = new Float64Array(buffer);
    this.#replies = new Uint8Array(shortReply * count);
    this.#chains = new Int32Array(count).fill(none);
    this.#shift = Math.clz32(count) + 1;
    while (this.#owners.length < count) {
      this.#owners.push(undefined);
      this.#longReplies.push(undefined);
    }
  }

  /** Records from this one on are free, the first of them first. */
  #offer(from: number): void {
    for (let record = this.#owners.length - 1; record >= from; record--) {
      this.#words[record * words + Word.next] = this.#free;
      this.#free = record;
    }
  }
}
