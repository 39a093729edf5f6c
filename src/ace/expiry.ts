import type { Cancel, Env } from '../core/env.ts';

interface Entry<V> {
  readonly key: string;
  readonly at: number;
  readonly value: V | undefined;
}

/** The wall clock may be set while a timer runs: look at it again at least this often, in milliseconds. */
const longestSleep = 60_000;
/** Entries that end within this many milliseconds of each other share a timer. */
const shortestSleep = 20;

/**
 * Ends of lifetimes on the wall clock (`exp`), with one timer for all of them.
 *
 * `expired` is called once for each key that was not deleted or set again, at or shortly after its time, with what was set beside it; `has` is exact at every moment.
 */
export class Expiry<V = never> {
  readonly #env: Env;
  readonly #expired: (key: string, value: V | undefined) => void;
  readonly #ends = new Map<string, Entry<V>>();
  /** Binary min-heap by `at`; an entry counts only while `#ends` has it under its key. */
  #heap: Entry<V>[] = [];
  #timer: Cancel | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(env: Env, expired: (key: string, value: V | undefined) => void) {
    this.#env = env;
    this.#expired = expired;
  }

  /** Keys that have not ended. */
  get size(): number {
    return this.#ends.size;
  }

  /** Let `key` end at `at`, in seconds since 1970, with `value` beside it; replaces an earlier end and its value. */
  set(key: string, at: number, value?: V): void {
    const entry = { key, at, value };
    this.#ends.set(key, entry);
    if (this.#heap.length > 2 * this.#ends.size + 16) this.#compact();
    else this.#push(entry);
    this.#arm();
  }

  /** Whether the key was there; `expired` is not called for it. */
  delete(key: string): boolean {
    const there = this.#ends.delete(key);
    if (there && this.#ends.size === 0) this.close();
    return there;
  }

  /** When `key` ends, in seconds since 1970. */
  end(key: string): number | undefined {
    return this.#ends.get(key)?.at;
  }

  /** What was set beside `key`. */
  value(key: string): V | undefined {
    return this.#ends.get(key)?.value;
  }

  /** Whether `key` is there and has not ended. */
  has(key: string): boolean {
    const at = this.#ends.get(key)?.at;
    return at !== undefined && at > this.#env.epoch();
  }

  /** Forget all, without a call of `expired`. */
  close(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#ends.clear();
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
      if (this.#ends.get(first.key) !== first) continue;
      this.#ends.delete(first.key);
      this.#expired(first.key, first.value);
    }
    this.#arm();
  }

  #compact(): void {
    this.#heap = [...this.#ends.values()].sort((a, b) => a.at - b.at);
  }

  #push(entry: Entry<V>): void {
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
