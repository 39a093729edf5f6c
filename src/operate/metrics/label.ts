/** Longer than every name that is worth a time series of its own. */
const longest = 100;

/**
 * The values of a label, bounded: each is a time series that lives as long as the process. The first `most` different ones stand for themselves, and all others
 * are `other`.
 */
export class BoundedLabel {
  #most: number;
  readonly #known: Set<string>;

  /** `known` stand for themselves whatever comes first. */
  constructor(most: number, known: Iterable<string> = []) {
    this.#known = new Set(known);
    this.#most = Math.max(most, this.#known.size);
  }

  /** These stand for themselves from now on. */
  add(values: Iterable<string>): void {
    for (const value of values) this.#known.add(value);
    this.#most = Math.max(this.#most, this.#known.size);
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#most || value.length > longest) return 'other';
    this.#known.add(value);
    return value;
  }
}
