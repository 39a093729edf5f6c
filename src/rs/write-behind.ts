/**
 * Brings the state of keys to a store, one key after the other, in the order in which they changed.
 *
 * A key that changes while it waits is written once, with the state that it has then; so what waits is bounded by the number of keys.
 */
export class WriteBehind {
  readonly #write: (key: string) => Promise<void>;
  readonly #fault: (error: unknown) => void;
  readonly #changed = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(write: (key: string) => Promise<void>, fault: (error: unknown) => void) {
    this.#write = write;
    this.#fault = fault;
  }

  get size(): number {
    return this.#changed.size;
  }

  changed(key: string): void {
    this.#changed.add(key);
    this.#running ??= this.#run();
  }

  /** Fulfilled when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    for (let key = this.#first(); key !== undefined; key = this.#first()) {
      this.#changed.delete(key);
      try {
        await this.#write(key);
      } catch (error) {
        this.#fault(error);
      }
    }
    this.#running = undefined;
  }

  #first(): string | undefined {
    return this.#changed.values().next().value;
  }
}
