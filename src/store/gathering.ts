/** Carries out together what is asked for at the same time: what comes while all lanes are busy waits, and goes with the next. */
export class Gathering<T> {
  readonly #carry: (items: readonly T[]) => Promise<void>;
  readonly #weight: (item: T) => number;
  readonly #most: number;
  #lanes: number;
  #waiting: T[] = [];
  #running = new Set<Promise<void>>();

  /**
   * @param carry - never rejects: it tells each item how it went
   * @param most - the weight of what goes together; one item alone may weigh more
   */
  constructor(carry: (items: readonly T[]) => Promise<void>, options: { readonly lanes: number; readonly most: number; readonly weight: (item: T) => number }) {
    this.#carry = carry;
    this.#lanes = options.lanes;
    this.#most = options.most;
    this.#weight = options.weight;
  }

  add(item: T): void {
    this.#waiting.push(item);
    if (this.#lanes === 0) return;
    this.#lanes--;
    const run = this.#run();
    this.#running.add(run);
    void run.then(() => this.#running.delete(run));
  }

  /** When nothing is under way or waits. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #run(): Promise<void> {
    await undefined;
    while (this.#waiting.length > 0) await this.#carry(this.#take());
    this.#lanes++;
  }

  #take(): T[] {
    let weight = this.#weight(this.#waiting[0]!);
    let count = 1;
    for (; count < this.#waiting.length; count++) {
      weight += this.#weight(this.#waiting[count]!);
      if (weight > this.#most) break;
    }
    return this.#waiting.splice(0, count);
  }
}
