import type { Env } from '../../core/env.ts';

const size = 1024;

/** Random bytes drawn in batches, since a call for four bytes costs as much as one for many. Bytes are given out once and wiped. */
export class RandomPool {
  readonly #env: Env;
  #pool: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(env: Env) {
    this.#env = env;
  }

  /** 32 random bits. */
  uint32(): number {
    if (this.#offset + 4 > this.#pool.length) {
      this.#pool = this.#env.random(size);
      this.#offset = 0;
    }
    let value = 0;
    for (let i = 0; i < 4; i++) {
      value = value * 256 + this.#pool[this.#offset]!;
      this.#pool[this.#offset++] = 0;
    }
    return value;
  }

  /** Evenly distributed in [0, 1). */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000;
  }
}
