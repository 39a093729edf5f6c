/**
 * Brings the state of keys to a store, one key after the other, in the order in which they changed.
 *
 * A key that changes while it waits is written once, with the state that it has then; so what waits is bounded by the number of keys. What the store did not take
 * is written again once it takes something, and at the end.
 */
export class WriteBehind {
  readonly #write: (key: string) => Promise<void>;
  readonly #fault: (error: unknown) => void;
  readonly #changed = new Set<string>();
  readonly #failed = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(write: (key: string) => Promise<void>, fault: (error: unknown) => void) {
    this.#write = write;
    this.#fault = fault;
  }

  get size(): number {
    return this.#changed.size + this.#failed.size;
  }

  changed(key: string): void {
    this.#failed.delete(key);
    this.#changed.add(key);
    this.#running ??= this.#run();
  }

  /** Fulfilled when nothing waits but what the store does not take. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#retry();
    if (this.#changed.size > 0) this.#running = this.#run();
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    for (let key = this.#first(); key !== undefined; key = this.#first()) {
      this.#changed.delete(key);
      try {
        await this.#write(key);
        this.#retry();
      } catch (error) {
        if (!this.#changed.has(key)) this.#failed.add(key);
        this.#fault(error);
      }
    }
    this.#running = undefined;
  }

  #retry(): void {
    for (const key of this.#failed) this.#changed.add(key);
    this.#failed.clear();
  }

  #first(): string | undefined {
    return this.#changed.values().next().value;
  }
}
