import { Expiry } from '../ace/index.ts';
import { decode, encode } from '../core/cbor.ts';
import type { Env } from '../core/env.ts';
import type { Store } from '../store/index.ts';
import { WriteBehind } from './write-behind.ts';

export interface RevokedTokensOptions {
  readonly store: Store;
  readonly env: Env;
  /** Token hashes at most; when one more comes, the one that was stored first goes. */
  readonly limit: number;
  /** A token with this sequence number must never be taken again, though its hash is forgotten (RFC 9200, Section 5.10.3). */
  retire(issuer: string, sequence: number): void;
  fault(error: unknown): void;
}

/** When a token ends that was seen here, and its sequence number if it has `exi`. */
export interface SeenToken {
  /** Seconds since 1970, with the leeway; absent: the list tells. */
  readonly end?: number;
  readonly sequence?: number;
}

interface Entry {
  /** Seconds since 1970. */
  readonly since: number;
  /** It is on the list of the AS: the token has not expired there. */
  listed: boolean;
  /** The token has come to this RS, however it was received. */
  seen: boolean;
  end?: number;
  sequence?: number;
}

const folder = 'rs/revoked/';

/**
 * The token hashes of revoked tokens, for each issuer its own.
 *
 * A hash is kept until its token has been seen here and has expired (RFC 9770, Section 11.1): a token with `exi` that comes for the first time after it left the
 * list would else begin a new life.
 */
export class RevokedTokens {
  readonly #options: RevokedTokensOptions;
  #limit: number;
  /** By issuer and hash, the oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #expiry: Expiry;
  readonly #writes: WriteBehind;

  constructor(options: RevokedTokensOptions) {
    this.#options = options;
    this.#limit = options.limit;
    this.#expiry = new Expiry(options.env, (key) => this.#delete(key));
    this.#writes = new WriteBehind((key) => this.#write(key), options.fault);
  }

  get size(): number {
    return this.#entries.size;
  }

  get writing(): number {
    return this.#writes.size;
  }

  /** Take up what an earlier run knew. */
  async start(): Promise<void> {
    const found: [string, Entry][] = [];
    for await (const [key, value] of this.#options.store.scan(folder)) {
      const entry = decodeEntry(value);
      if (entry !== undefined) found.push([key.slice(folder.length), entry]);
    }
    for (const [key, entry] of found.sort(([, a], [, b]) => a.since - b.since)) {
      this.#entries.set(key, entry);
      this.#settle(key, entry);
    }
  }

  /** Take so many hashes at most from now on. Those that are held stay: without its hash a revoked token would be taken again. */
  bound(limit: number): void {
    this.#limit = limit;
  }

  has(issuer: string, hashes: readonly string[]): boolean {
    return hashes.some((hash) => this.#entries.has(keyOf(issuer, hash)));
  }

  add(issuer: string, hashes: Iterable<string>): void {
    for (const hash of hashes) {
      const key = keyOf(issuer, hash);
      if (this.#entries.has(key)) continue;
      if (this.#entries.size >= this.#limit) this.#delete(this.#entries.keys().next().value!);
      this.#entries.set(key, { since: this.#options.env.epoch(), listed: true, seen: false });
      this.#writes.changed(key);
    }
  }

  /** The token of a hash has come here, or was here. */
  see(issuer: string, hashes: readonly string[], token: SeenToken): void {
    for (const hash of hashes) {
      const key = keyOf(issuer, hash);
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      Object.assign(entry, { seen: true, ...token });
      this.#writes.changed(key);
      this.#settle(key, entry);
    }
  }

  /** Tokens have left the list of their issuer: they have expired there. */
  leave(issuer: string, hashes: Iterable<string>): void {
    for (const hash of hashes) {
      const key = keyOf(issuer, hash);
      const entry = this.#entries.get(key);
      if (entry?.listed !== true) continue;
      entry.listed = false;
      this.#writes.changed(key);
      this.#settle(key, entry);
    }
  }

  /** The whole list of an issuer. */
  replace(issuer: string, hashes: readonly string[]): void {
    const listed = new Set(hashes);
    const prefix = keyOf(issuer, '');
    const gone = [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
    this.leave(
      issuer,
      gone.filter((hash) => !listed.has(hash)),
    );
    this.add(issuer, listed);
  }

  async close(): Promise<void> {
    this.#expiry.close();
    await this.#writes.idle();
    this.#entries.clear();
  }

  /** Forget a hash that has served, or let it wait for its end. */
  #settle(key: string, { listed, seen, end }: Entry): void {
    if (!seen) return;
    // By its own clock the RS would take the token until then, whatever the list says.
    if (end !== undefined) this.#expiry.set(key, end);
    else if (!listed) this.#delete(key);
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#expiry.delete(key);
    this.#writes.changed(key);
    if (entry.sequence !== undefined) this.#options.retire(issuerOf(key), entry.sequence);
  }

  async #write(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) await this.#options.store.delete(folder + key);
    else await this.#options.store.put(folder + key, encodeEntry(entry));
  }
}

const keyOf = (issuer: string, hash: string): string => `${encodeURIComponent(issuer)}/${hash}`;
const issuerOf = (key: string): string => decodeURIComponent(key.slice(0, key.lastIndexOf('/')));

function encodeEntry({ since, listed, seen, end, sequence }: Entry): Uint8Array {
  return encode([since, listed, seen, end ?? null, sequence ?? null]);
}

function decodeEntry(bytes: Uint8Array): Entry | undefined {
  const value = decode(bytes);
  const [since, listed, seen, end, sequence] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  if (typeof since !== 'number' || typeof listed !== 'boolean' || typeof seen !== 'boolean') return undefined;
  return { since, listed, seen, ...(typeof end === 'number' ? { end } : {}), ...(typeof sequence === 'number' ? { sequence } : {}) };
}
