import type { Env } from '../../core/env.ts';
import { CoapError } from '../errors.ts';

/** A token bucket for each key. */
export interface RateLimitOptions {
  /** What one key may take at once. */
  readonly burst: number;
  /** What it may take per second after that. */
  readonly rate: number;
  /** Keys that are remembered; when there are more, the one that was quiet for longest is forgotten. */
  readonly entries: number;
}

interface Bucket {
  tokens: number;
  at: number;
  /** Refusals since the last that was let through. */
  refusals: number;
}

/** A token bucket for each key: a client, or an address. A full bucket is no entry, so what is kept goes away by itself. The wall clock has no part in it. */
export class RateLimit {
  readonly #env: Env;
  readonly #options: RateLimitOptions;
  /** In order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(env: Env, options: RateLimitOptions) {
    const { burst, rate, entries } = options;
    if (!(burst >= 1) || !(rate > 0) || !(entries >= 1))
      throw new CoapError('ERR_COAP_PARAMETER', `expected a burst and entries of at least 1 and a rate above 0, got ${burst}, ${entries} and ${rate}`);
    this.#env = env;
    this.#options = options;
  }

  /** Buckets that are not full. */
  get size(): number {
    const now = this.#env.now();
    for (const [key, bucket] of this.#buckets) {
      // The longest quiet come first, but one of them may have been emptier than those behind it.
      if (this.#level(bucket, now) >= this.#options.burst) this.#buckets.delete(key);
    }
    return this.#buckets.size;
  }

  /** Take one; the result is 0, or the seconds until it is worth to come again. */
  take(key: string): number {
    const { burst, rate, entries } = this.#options;
    const now = this.#env.now();
    const known = this.#buckets.get(key);
    const level = known === undefined ? burst : this.#level(known, now);
    const isLet = level >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: isLet ? level - 1 : level, at: now, refusals: isLet ? 0 : known!.refusals + 1 });
    if (this.#buckets.size > entries) this.#buckets.delete(this.#buckets.keys().next().value!);
    return isLet ? 0 : Math.max(1, Math.ceil((1 - level) / rate));
  }

  /** How often the key was refused in a row, the last time included. */
  refusals(key: string): number {
    return this.#buckets.get(key)?.refusals ?? 0;
  }

  #level(bucket: Bucket, now: number): number {
    return Math.min(this.#options.burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#options.rate);
  }
}

/**
 * What an address counts as: an IPv4 address as itself, an IPv6 address as the /64 that it is in, since whoever has one address of that has them all
 * (RFC 4291, Section 2.5.4).
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  // The same host, written for a socket of both families.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    while (groups.length + after.length < 8) groups.push('0');
    groups.push(...after);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')}::/64`;
}
