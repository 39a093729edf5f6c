/** How many there are of each key. One of which there are none takes no room. */
export class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** One more. */
  add(key: string): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  /** One less, where there is one. */
  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }

  clear(): void {
    this.#counts.clear();
  }

  /** The keys of which there are some, each with how many. */
  [Symbol.iterator](): IterableIterator<[key: string, count: number]> {
    return this.#counts.entries();
  }
}
