import type { Env } from '../core/env.ts';

/** How many wait to be read: a target that floods the checker must not fill its memory. */
const most = 1000;

/** What came in and waits for its reader, who takes one after the other. */
export class Inbox<T> {
  readonly #env: Env;
  readonly #waiting: T[] = [];
  #wake: (() => void) | undefined;

  constructor(env: Env) {
    this.#env = env;
  }

  put(item: T): void {
    if (this.#waiting.length < most) this.#waiting.push(item);
    this.#wake?.();
  }

  /** The next one; `undefined` when none comes within that many milliseconds. One reader at a time. */
  async next(within: number): Promise<T | undefined> {
    if (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#env.schedule(within, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return this.#waiting.shift();
  }

  /** Each that comes within that many milliseconds, counted once for all: a target that never ends talking holds up nobody. */
  async *during(within: number): AsyncGenerator<T, void, undefined> {
    const end = this.#env.now() + within;
    for (let left = within; left > 0; left = end - this.#env.now()) {
      const item = await this.next(left);
      if (item === undefined) return;
      yield item;
    }
  }
}
