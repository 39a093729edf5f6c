import type { Cancel, Env } from '../core/env.ts';

/** The wall clock may be set while a timer runs: look at it again at least this often, in milliseconds. */
const longestSleep = 60_000;
/** Entries that end within this many milliseconds of each other share a timer. */
const shortestSleep = 20;

/** Something that ends. */
export interface Ending {
  /** Seconds since 1970. */
  readonly at: number;
}

/**
 * What ends on the wall clock (`exp`), with one timer for all of it. `ended` is called once for each entry, at or shortly after its time, in order of the ends.
 *
 * Nothing is found again here, which is what takes most of the room and the time where there are many: who has to find entries uses `Expiry`.
 */
export class Ends<E extends Ending> {
  readonly #env: Env;
  readonly #ended: (entry: E) => void;
  /** Binary min-heap by `at`. */
  #heap: E[] = [];
  #timer: Cancel | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(env: Env, ended: (entry: E) => void) {
    this.#env = env;
    this.#ended = ended;
  }

  /** Entries that have not ended. */
  get size(): number {
    return this.#heap.length;
  }

  /** Tell of it when its time has come. */
  add(entry: E): void {
    this.#push(entry);
    this.#arm();
  }

  /** Let these entries take the place of all others. */
  replace(entries: Iterable<E>): void {
    this.#heap = [...entries].sort((a, b) => a.at - b.at);
    this.#arm();
  }

  /** Forget all, without a call of `ended`. */
  close(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#heap = [];
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || (this.#timer !== undefined && this.#timerAt <= first.at)) return;
    this.#timer?.();
    this.#timerAt = first.at;
    const delay = Math.min(Math.max((first.at - this.#env.epoch()) * 1000, shortestSleep), longestSleep);
    this.#timer = this.#env.schedule(delay, () => this.#wake());
  }

  #wake(): void {
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#env.epoch();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#pop();
      this.#ended(first);
    }
    this.#arm();
  }

  #push(entry: E): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= entry.at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}
