import type { Env } from '../../src/core/env.ts';

/** An `Env` whose time moves only by `advance`, and whose random bytes are a counter: fresh, and the same in each run. */
export class Clock implements Env {
  #time = 0;
  #counter = 0;
  readonly #start: number;
  #tasks: { readonly at: number; readonly task: () => void }[] = [];

  constructor(start = 1_700_000_000) {
    this.#start = start;
  }

  get timers(): number {
    return this.#tasks.length;
  }

  readonly now = (): number => this.#time;
  readonly epoch = (): number => this.#start + this.#time / 1000;

  readonly random = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint8(0, ++this.#counter & 0xff);
    if (length > 1) new DataView(bytes.buffer).setUint8(1, this.#counter >>> 8);
    return bytes;
  };

  readonly schedule = (delay: number, task: () => void): (() => void) => {
    const entry = { at: this.#time + delay, task };
    this.#tasks.push(entry);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry);
    };
  };

  /** Let `seconds` pass, with every timer on the way, and let promises settle after each. */
  async advance(seconds: number): Promise<void> {
    const end = this.#time + seconds * 1000;
    for (;;) {
      const next = this.#tasks.reduce<{ at: number; task: () => void } | undefined>(
        (first, entry) => (first && first.at <= entry.at ? first : entry),
        undefined,
      );
      if (next === undefined || next.at > end) break;
      this.#tasks = this.#tasks.filter((other) => other !== next);
      this.#time = Math.max(this.#time, next.at);
      next.task();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#time = end;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
