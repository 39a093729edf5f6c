import type { Env } from './env.ts';

/** Counts by key that fade as time passes. Of so many keys at most: beyond it the one that was counted longest ago is forgotten. The wall clock has no part in it. */
export class FadingCounts {
  readonly #env: Pick<Env, 'now'>;
  readonly #perSecond: number;
  readonly #entries: number;
  /** In the order in which they were last counted. */
  readonly #counts: Map<string, { readonly count: number; readonly at: number }> = new Map();

  /** @param perSecond - how much of a count fades in a second */
  constructor(env: Pick<Env, 'now'>, perSecond: number, entries: number) {
    this.#env = env;
    this.#perSecond = perSecond;
    this.#entries = entries;
  }

  /** Keys whose count has not faded. */
  get size(): number {
    for (const key of this.#counts.keys()) this.of(key);
    return this.#counts.size;
  }

  /** What is left of the count of a key; 0 where nothing is. */
  of(key: string): number {
    const counted = this.#counts.get(key);
    if (counted === undefined) return 0;
    const left = counted.count - ((this.#env.now() - counted.at) / 1000) * this.#perSecond;
    if (left > 0) return left;
    this.#counts.delete(key);
    return 0;
  }

  /** Count a key once more. */
  add(key: string): void {
    const count = this.of(key) + 1;
    this.#counts.delete(key);
    this.#counts.set(key, { count, at: this.#env.now() });
    if (this.#counts.size > this.#entries) this.#counts.delete(this.#counts.keys().next().value!);
  }
}
