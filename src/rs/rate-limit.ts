import type { Env } from '../core/env.ts';

export interface RateLimitOptions {
  /** Uploads that one address may make at once. */
  readonly burst: number;
  /** Uploads per second after that. */
  readonly rate: number;
  /** Addresses that are remembered; when there are more, the one that was quiet for longest is forgotten. */
  readonly addresses: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** A token bucket for each address (RFC 9200, Section 5.10.1.2). A full bucket is no entry, so what is kept goes away by itself. */
export class RateLimit {
  readonly #env: Env;
  readonly #options: RateLimitOptions;
  /** In order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(env: Env, options: RateLimitOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Buckets that are not full. */
  get size(): number {
    const now = this.#env.now();
    for (const [address, bucket] of this.#buckets) {
      // The longest quiet come first, but one of them may have been emptier than those behind it.
      if (this.#level(bucket, now) >= this.#options.burst) this.#buckets.delete(address);
    }
    return this.#buckets.size;
  }

  /** Take one upload; the result is 0, or the seconds until it is worth to come again. */
  take(address: string): number {
    const { burst, rate, addresses } = this.#options;
    const now = this.#env.now();
    const known = this.#buckets.get(address);
    const level = known === undefined ? burst : this.#level(known, now);
    this.#buckets.delete(address);
    this.#buckets.set(address, { tokens: level >= 1 ? level - 1 : level, at: now });
    if (this.#buckets.size > addresses) this.#buckets.delete(this.#buckets.keys().next().value!);
    return level >= 1 ? 0 : Math.max(1, Math.ceil((1 - level) / rate));
  }

  #level(bucket: Bucket, now: number): number {
    return Math.min(this.#options.burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#options.rate);
  }
}
