import type { Cancel, Env } from '../core/env.ts';
import { Queue, type Queued } from '../core/queue.ts';

class Wait implements Queued<Wait> {
  readonly at: number;
  readonly task: () => void;
  before: Wait | undefined = undefined;
  after: Wait | undefined = undefined;

  constructor(at: number, task: () => void) {
    this.at = at;
    this.task = task;
  }
}

/** Milliseconds for which the timer of the host is left to run out with nothing to do. */
const longestRest = 2000;

/**
 * Many waits on one timer of the host.
 *
 * Most waits of a handshake are over before their time, and each timer of the host costs about as much as a record. So it stays as it is when a wait is cancelled,
 * and runs out once with nothing to do, if that is soon.
 */
export class SharedTimer {
  readonly #env: Env;
  readonly #waits: Queue<Wait> = new Queue();
  #timer: Cancel | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(env: Env) {
    this.#env = env;
  }

  /** As that of the environment. */
  schedule(delay: number, task: () => void): Cancel {
    const wait = new Wait(this.#env.now() + delay, task);
    this.#waits.add(wait);
    this.#watch(wait.at);
    return () => {
      if (this.#waits.delete(wait) && this.#waits.size === 0 && this.#wakesAt - this.#env.now() > longestRest) this.rest();
    };
  }

  /** Give the timer of the host back, if nothing waits. */
  rest(): void {
    if (this.#waits.size > 0) return;
    this.#timer?.();
    this.#timer = undefined;
    this.#wakesAt = Number.POSITIVE_INFINITY;
  }

  #watch(at: number): void {
    if (this.#wakesAt <= at) return;
    this.#timer?.();
    this.#wakesAt = at;
    this.#timer = this.#env.schedule(at - this.#env.now(), () => this.#wake());
  }

  #wake(): void {
    this.#timer = undefined;
    this.#wakesAt = Number.POSITIVE_INFINITY;
    const now = this.#env.now();
    const due = this.#waits
      .all()
      .filter(({ at }) => at <= now)
      .sort((a, b) => a.at - b.at);
    try {
      // One may cancel another.
      for (const wait of due) if (this.#waits.delete(wait)) wait.task();
    } finally {
      let next = Number.POSITIVE_INFINITY;
      for (const { at } of this.#waits.all()) next = Math.min(next, at);
      if (next !== Number.POSITIVE_INFINITY) this.#watch(next);
    }
  }
}
