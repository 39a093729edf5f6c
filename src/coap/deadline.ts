import type { Cancel, Env } from '../core/env.ts';

/** Something that happens at a time unless it is cleared before. */
export abstract class Deadline {
  at = 0;
  /** Place in the heap; -1: not set. */
  slot = -1;

  /** Its time has come. */
  abstract expire(): void;
}

/** A deadline that calls a function, for the paths where one object more does not matter. */
export class Task extends Deadline {
  readonly #run: () => void;

  constructor(run: () => void) {
    super();
    this.#run = run;
  }

  /** See `Deadline`. */
  override expire(): void {
    this.#run();
  }
}

/** Many deadlines on one timer of the environment: a binary heap in which entries know their place, so that clearing is cheap and leaves nothing behind. */
export class Deadlines {
  readonly #env: Env;
  readonly #heap: Deadline[] = [];
  #timer: Cancel | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Deadlines that are set. */
  get size(): number {
    return this.#heap.length;
  }

  /** The time of the environment. */
  get now(): number {
    return this.#env.now();
  }

  /** `delay` milliseconds from now; a deadline that is set already moves. */
  set(deadline: Deadline, delay: number): void {
    deadline.at = this.#env.now() + delay;
    if (deadline.slot < 0) {
      deadline.slot = this.#heap.length;
      this.#heap.push(deadline);
      this.#rise(deadline);
    } else {
      this.#rise(deadline);
      this.#sink(deadline);
    }
    this.#arm();
  }

  /** A deadline that is not set stays so. */
  clear(deadline: Deadline): void {
    if (deadline.slot < 0) return;
    this.#remove(deadline);
    // With nothing left to wait for, a process may end and a virtual clock may run dry.
    if (this.#heap.length === 0) this.#disarm();
  }

  /** Clear whatever is set. */
  clearAll(): void {
    for (const deadline of this.#heap) deadline.slot = -1;
    this.#heap.length = 0;
    this.#disarm();
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#timerAt) return;
    this.#timer?.();
    this.#timerAt = first.at;
    // Host timers drop the fraction of a millisecond, and would fire too early.
    this.#timer = this.#env.schedule(Math.max(0, Math.ceil(first.at - this.#env.now())), () => this.#fire());
  }

  #disarm(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#env.now();
    try {
      for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
        this.#remove(first);
        first.expire();
      }
    } finally {
      this.#arm();
    }
  }

  #remove(deadline: Deadline): void {
    const last = this.#heap.pop()!;
    if (last !== deadline) {
      last.slot = deadline.slot;
      this.#heap[last.slot] = last;
      this.#rise(last);
      this.#sink(last);
    }
    deadline.slot = -1;
  }

  #rise(deadline: Deadline): void {
    const heap = this.#heap;
    let slot = deadline.slot;
    while (slot > 0) {
      const above = (slot - 1) >> 1;
      const parent = heap[above]!;
      if (parent.at <= deadline.at) break;
      heap[slot] = parent;
      parent.slot = slot;
      slot = above;
    }
    heap[slot] = deadline;
    deadline.slot = slot;
  }

  #sink(deadline: Deadline): void {
    const heap = this.#heap;
    let slot = deadline.slot;
    for (;;) {
      let below = 2 * slot + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.at < heap[below]!.at) below++;
      const child = heap[below]!;
      if (child.at >= deadline.at) break;
      heap[slot] = child;
      child.slot = slot;
      slot = below;
    }
    heap[slot] = deadline;
    deadline.slot = slot;
  }
}
