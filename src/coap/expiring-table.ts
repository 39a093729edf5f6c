import type { Cancel, Env } from '../core/env.ts';
import { Tally } from '../core/tally.ts';

export interface ExpiringTableOptions {
  /** Milliseconds that an entry stays after it was last used. */
  readonly lifetime: number;
  readonly entries: number;
  /** Bytes of all entries together, as the caller counts them. */
  readonly bytes?: number;
  /** Entries of one owner. */
  readonly perOwner?: number;
}

interface Entry<V> {
  readonly owner: string;
  readonly value: V;
  bytes: number;
  expires: number;
}

/** Why an entry left: its lifetime ended, or a bound was reached. */
export type RemovalReason = 'expired' | 'evicted';

/**
 * State that peers make us keep: bounded in entries, in bytes and for each owner, and gone after a time without use.
 *
 * Over a bound the entry that was longest unused goes, for the owner's bound one of the same owner. Entries stand in order of expiry, so one timer serves
 * them all, and it exists only while there are entries.
 */
export class ExpiringTable<V> {
  readonly #env: Env;
  readonly #options: ExpiringTableOptions;
  readonly #removed: ((value: V, reason: RemovalReason) => void) | undefined;
  readonly #entries = new Map<string, Entry<V>>();
  readonly #owners = new Tally();
  #bytes = 0;
  #sweep: Cancel | undefined;

  constructor(env: Env, options: ExpiringTableOptions, removed?: (value: V, reason: RemovalReason) => void) {
    this.#env = env;
    this.#options = options;
    this.#removed = removed;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(key: string): boolean {
    return this.peek(key) !== undefined;
  }

  /** The value under `key`; its time goes on. */
  peek(key: string): V | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expires > this.#env.now() ? entry.value : undefined;
  }

  /** All values; their times go on. */
  *values(): IterableIterator<V> {
    for (const { value } of this.#entries.values()) yield value;
  }

  /** Entries of one owner. */
  countOf(owner: string): number {
    return this.#owners.of(owner);
  }

  /** The value under `key`; its time starts anew. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = this.#env.now();
    if (entry.expires <= now) {
      this.#expire(now);
      return undefined;
    }
    this.#entries.delete(key);
    entry.expires = now + this.#options.lifetime;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Put `value` in the place of what was there. `false`: it is larger than all that the table may hold. */
  set(key: string, owner: string, value: V, bytes = 0): boolean {
    this.delete(key);
    if (bytes > this.#bytesAllowed || this.#options.entries < 1) return false;
    if (this.#owners.of(owner) >= (this.#options.perOwner ?? Infinity)) this.#evictOldestOf(owner);
    this.#entries.set(key, { owner, value, bytes, expires: this.#env.now() + this.#options.lifetime });
    this.#owners.add(owner);
    this.#bytes += bytes;
    this.#evictOver(key);
    if (this.#sweep === undefined) this.#arm(this.#options.lifetime);
    return true;
  }

  /** Count the entry as `bytes` from now on. `false`: it became larger than all that the table may hold, and went. */
  resize(key: string, bytes: number): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    if (bytes > this.#bytesAllowed) {
      this.delete(key);
      return false;
    }
    this.#evictOver(key);
    return true;
  }

  /** Take the entry out, without calling `removed`. */
  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#take(key, entry);
    if (this.#entries.size === 0) this.#disarm();
    return true;
  }

  /** Forget everything, without calling `removed`. */
  clear(): void {
    this.#entries.clear();
    this.#owners.clear();
    this.#bytes = 0;
    this.#disarm();
  }

  get #bytesAllowed(): number {
    return this.#options.bytes ?? Infinity;
  }

  #take(key: string, entry: Entry<V>): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    this.#owners.remove(entry.owner);
  }

  #evictOldestOf(owner: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.owner !== owner) continue;
      this.#take(key, entry);
      this.#removed?.(entry.value, 'evicted');
      return;
    }
  }

  #evictOver(keep: string): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#options.entries && this.#bytes <= this.#bytesAllowed) return;
      if (key === keep) continue;
      this.#take(key, entry);
      this.#removed?.(entry.value, 'evicted');
    }
  }

  #expire(now: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.expires > now) break;
      this.#take(key, entry);
      this.#removed?.(entry.value, 'expired');
    }
    if (this.#entries.size === 0) this.#disarm();
  }

  #arm(delay: number): void {
    this.#sweep = this.#env.schedule(delay, () => {
      this.#sweep = undefined;
      const now = this.#env.now();
      this.#expire(now);
      for (const entry of this.#entries.values()) {
        if (this.#sweep === undefined) this.#arm(entry.expires - now);
        break;
      }
    });
  }

  #disarm(): void {
    this.#sweep?.();
    this.#sweep = undefined;
  }
}
