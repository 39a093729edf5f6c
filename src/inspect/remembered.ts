interface Held<T> {
  readonly value: T;
  readonly bytes: number;
}

/** How much is remembered. */
export interface RememberedLimits {
  readonly entries: number;
  readonly bytes: number;
}

/** Bytes of an entry beside its key and what is said of it: places in tables, and objects. */
const overhead = 256;

/** What was put last, by name: bounded by number and by bytes, as a stranger decides how many and how long they are. The oldest goes first. */
export class Remembered<T> {
  readonly #limits: RememberedLimits;
  readonly #held = new Map<string, Held<T>>();
  #bytes = 0;

  constructor(limits: RememberedLimits) {
    this.#limits = limits;
  }

  get(key: string): T | undefined {
    return this.#held.get(key)?.value;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** As the newest. `bytes`: what the value holds; its key counts by itself. What is larger than all that may be held is not kept. */
  set(key: string, value: T, bytes: number): void {
    this.delete(key);
    const held = { value, bytes: bytes + key.length + overhead };
    this.#held.set(key, held);
    this.#bytes += held.bytes;
    while (this.#held.size > this.#limits.entries || this.#bytes > this.#limits.bytes) this.delete(this.#held.keys().next().value!);
  }

  delete(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#bytes -= held.bytes;
  }

  *values(): Generator<T> {
    for (const { value } of this.#held.values()) yield value;
  }
}
