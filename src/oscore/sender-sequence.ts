import type { Cancel } from '../core/env.ts';
import type { ContextStore } from './context-store.ts';
import { sequenceLimit } from './cose-object.ts';
import { OscoreError } from './errors.ts';

/** Who waits for a number; exactly one of the two is called, unless it is cancelled. */
export interface SequenceUser {
  use(sequence: number): void;
  fail(error: OscoreError): void;
}

export interface SenderSequenceOptions {
  readonly store: ContextStore;
  readonly senderKeyId: string;
  /** Numbers per reservation. */
  readonly block: number;
  /** How many may wait at once. */
  readonly waiting: number;
  /** `runningOut` is called once fewer numbers than this are left. */
  readonly warnBelow: number;
  /** A reservation failed, or the numbers are used up. */
  trouble(error: OscoreError): void;
  /** So many numbers are left that nobody reserved, in this process or another. Told once. */
  runningOut(remaining: number): void;
  /** Somebody who waited threw when its turn came; the others are served all the same. */
  failed(error: unknown): void;
}

/** Numbers from `next` up to, but without, `end`. */
interface Range {
  next: number;
  readonly end: number;
}

/**
 * The sender sequence numbers of one Sender Key (RFC 8613, Sections 7.2 and B.1.1).
 *
 * Numbers come from blocks that the store reserved durably before any of them is used. The next block is asked for when half of the current one is gone, so a
 * number is normally there at once. Whoever has to wait is served in order. With blocks of one number nothing is held ahead: several processes that share a
 * key then use numbers in the order in which they asked.
 */
export class SenderSequence {
  readonly #options: SenderSequenceOptions;
  #current: Range = { next: 0, end: 0 };
  #ahead: Range | undefined = undefined;
  #reserving = false;
  #toldRunningOut = false;
  /** The end of the highest block so far. */
  #reservedTo = 0;
  #queue: Set<SequenceUser> = new Set();
  #closed: OscoreError | undefined = undefined;
  /** No block will come any more; what is in hand may be used. */
  #exhausted: OscoreError | undefined = undefined;

  constructor(options: SenderSequenceOptions) {
    this.#options = options;
  }

  /** How many wait for a number. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Hand the next number to `user`, at once if there is one; the result takes it out of the queue. */
  take(user: SequenceUser): Cancel | undefined {
    if (this.#closed !== undefined) {
      user.fail(this.#closed);
      return undefined;
    }
    if (this.#queue.size === 0) {
      const sequence = this.#next();
      if (sequence !== undefined) {
        user.use(sequence);
        return undefined;
      }
      if (this.#exhausted !== undefined) {
        user.fail(this.#exhausted);
        return undefined;
      }
    } else if (this.#queue.size >= this.#options.waiting) {
      user.fail(new OscoreError('ERR_OSCORE_LIMIT', `expected at most ${this.#options.waiting} messages to wait for a sequence number, got one more`));
      return undefined;
    }
    this.#queue.add(user);
    this.#reserve();
    return () => this.#queue.delete(user);
  }

  /** Serve nobody any more. */
  close(error: OscoreError): void {
    this.#closed ??= error;
    this.#failAll(error);
  }

  #next(): number | undefined {
    if (this.#current.next === this.#current.end) {
      if (this.#ahead === undefined) return undefined;
      this.#current = this.#ahead;
      this.#ahead = undefined;
    }
    const sequence = this.#current.next++;
    if (this.#ahead === undefined && this.#options.block > 1 && this.#current.end - this.#current.next <= this.#options.block / 2) this.#reserve();
    return sequence;
  }

  #reserve(): void {
    if (this.#reserving || this.#closed !== undefined || this.#exhausted !== undefined) return;
    this.#reserving = true;
    const { store, senderKeyId, block } = this.#options;
    const count = Math.max(block, this.#queue.size);
    let promise: Promise<number>;
    try {
      promise = store.reserve(senderKeyId, count);
    } catch (cause) {
      promise = Promise.reject(cause);
    }
    promise.then(
      (first) => this.#reserved(first, count),
      (cause: unknown) => this.#refused(cause),
    );
  }

  #reserved(first: number, count: number): void {
    this.#reserving = false;
    // A store that goes back would have numbers used twice.
    if (!Number.isSafeInteger(first) || first < this.#reservedTo) {
      this.#refused(new RangeError(`expected a number from ${this.#reservedTo} on, got ${first}`));
      return;
    }
    if (first >= sequenceLimit) {
      this.#usedUp();
      return;
    }
    this.#reservedTo = Math.min(first + count, sequenceLimit);
    this.#ahead = { next: first, end: this.#reservedTo };
    const remaining = sequenceLimit - this.#reservedTo;
    if (remaining < this.#options.warnBelow && !this.#toldRunningOut) {
      this.#toldRunningOut = true;
      this.#call(() => this.#options.runningOut(remaining));
    }
    for (const user of this.#queue) {
      const sequence = this.#next();
      if (sequence === undefined) break;
      this.#queue.delete(user);
      this.#call(() => user.use(sequence));
    }
    if (this.#queue.size > 0) this.#reserve();
  }

  #refused(cause: unknown): void {
    this.#reserving = false;
    const error = new OscoreError('ERR_OSCORE_STORE', 'expected the store to reserve sender sequence numbers, got an error', { cause });
    this.#options.trouble(error);
    this.#failAll(error);
  }

  /** RFC 8613 §7.2.1: no message is processed with this Sender Context any more, once the numbers in hand are gone. */
  #usedUp(): void {
    this.#exhausted = new OscoreError('ERR_OSCORE_SEQUENCE', 'expected a sender sequence number below 2^40, got none: the context is used up');
    this.#options.trouble(this.#exhausted);
    this.#failAll(this.#exhausted);
  }

  #failAll(error: OscoreError): void {
    const users = this.#queue;
    this.#queue = new Set();
    for (const user of users) this.#call(() => user.fail(error));
  }

  #call(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#options.failed(error);
    }
  }
}
