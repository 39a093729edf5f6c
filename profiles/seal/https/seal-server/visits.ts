import type { Env } from '../../../../src/core/env.ts';

/** Which requests are being answered, so that a server can end when they are. */
export class Visits {
  readonly #most: number;
  readonly #env: Env;
  #size = 0;
  #draining = false;
  #idle: (() => void) | undefined;

  /** @param most - requests at once */
  constructor(most: number, env: Env) {
    this.#most = most;
    this.#env = env;
  }

  /** Requests without an answer yet. */
  get size(): number {
    return this.#size;
  }

  /** One more request; the result ends it. `undefined`: there is no room for it. */
  enter(): (() => void) | undefined {
    if (this.#draining || this.#size >= this.#most) return undefined;
    this.#size++;
    return () => {
      this.#size--;
      if (this.#size === 0) this.#idle?.();
    };
  }

  /** Take no more, and wait for those that are there, for at most so many milliseconds. `false`: time was up first. */
  drain(milliseconds: number): Promise<boolean> {
    this.#draining = true;
    if (this.#size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = this.#env.schedule(milliseconds, () => resolve(false));
      this.#idle = () => {
        cancel();
        resolve(true);
      };
    });
  }
}
