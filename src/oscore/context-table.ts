import { checkBounds } from '../core/bounds.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { SecurityContext } from './context.ts';
import { ContextCache } from './context-cache.ts';
import { OscoreError, wrongLimit } from './errors.ts';
import type { RenewableContext } from './renewable-context.ts';

/** How many contexts there may be. */
export interface ContextTableOptions {
  /** How many contexts the table holds at most. Default: 65,536. */
  readonly limit?: number;
  /** How many of them may be there because a look-up found them. Default: 8,192. One more, and the one that was used least recently leaves. */
  readonly cached?: number;
}

/** Ids as map keys: one character for each byte is cheaper to make than hexadecimal. */
export function keyOf(bytes: Uint8Array): string {
  let key = '';
  for (let i = 0; i < bytes.length; i++) key += String.fromCharCode(bytes[i]!);
  return key;
}

function sameIdContext(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

/**
 * The Security Contexts of an endpoint, found by Recipient ID and ID Context. Contexts come and go while traffic flows.
 *
 * A context that was added stays until it is removed. One that a look-up found gives way: to those that are added, and to others that are found.
 *
 * Whoever finds a context and waits asks again (`has`) before using it.
 */
export class ContextTable {
  readonly #limit: number;
  readonly #byRecipientId: Map<string, readonly SecurityContext[]> = new Map();
  readonly #contexts: Set<SecurityContext> = new Set();
  readonly #renewables: Map<string, RenewableContext> = new Map();
  readonly #cache: ContextCache;
  /** How many Recipient IDs of each length are in use. */
  readonly #used: number[] = [];
  readonly #watchers: ((removed: SecurityContext) => void)[] = [];

  /** @throws {OscoreError} `ERR_OSCORE_PARAMETERS` */
  constructor(options: ContextTableOptions = {}) {
    checkBounds(options, wrongLimit('contexts'));
    this.#limit = options.limit ?? 65_536;
    this.#cache = new ContextCache(options.cached ?? 8192);
  }

  /** Contexts in the table. */
  get size(): number {
    return this.#contexts.size;
  }

  /** Whether no context can be added before another is removed. */
  get full(): boolean {
    return this.#contexts.size >= this.#limit && this.#cache.size === 0;
  }

  /** How many of them a look-up found. */
  get cached(): number {
    return this.#cache.size;
  }

  /**
   * Add a context.
   *
   * @throws {OscoreError} `ERR_OSCORE_COLLISION` when another context has its Recipient ID and ID Context, `ERR_OSCORE_LIMIT` when the table is full
   */
  add(context: SecurityContext): void {
    if (this.#contexts.has(context)) {
      this.#cache.delete(context);
      return;
    }
    const other = this.#same(context);
    if (other !== undefined && !this.#cache.has(other))
      throw new OscoreError('ERR_OSCORE_COLLISION', `expected a Recipient ID that is not in use, got ${toHex(context.recipientId) || 'the empty one'}`);
    const victim = other ?? (this.#contexts.size >= this.#limit ? this.#cache.first() : undefined);
    if (victim !== undefined) this.remove(victim);
    if (this.#contexts.size >= this.#limit) throw new OscoreError('ERR_OSCORE_LIMIT', `expected at most ${this.#limit} contexts, got one more`);
    this.#insert(context);
  }

  /** Add a context in the place of the one with its Recipient ID and ID Context; returns the one that had to go. */
  replace(context: SecurityContext): SecurityContext | undefined {
    const old = this.#same(context);
    if (old === context) return undefined;
    if (old !== undefined) this.remove(old);
    this.add(context);
    return old;
  }

  /**
   * Take in a context that a look-up found, unless there is one with its Recipient ID and ID Context; returns the one that is in the table.
   *
   * @throws {OscoreError} `ERR_OSCORE_LIMIT` when the table is full of contexts that were added
   */
  cache(context: SecurityContext): SecurityContext {
    const other = this.#same(context);
    if (other !== undefined) return other;
    const victim = this.#cache.full || this.#contexts.size >= this.#limit ? this.#cache.first() : undefined;
    if (victim !== undefined) this.remove(victim);
    this.add(context);
    this.#cache.add(context);
    return context;
  }

  /** A new message of the context verified, or it protects one: of those that a look-up found it is the last to leave. */
  use(context: SecurityContext): void {
    if (this.#cache.size > 0) this.#cache.use(context);
  }

  /** Whether it was there. Answers to its pending requests are not sent, and responses to its own are dropped. */
  remove(context: SecurityContext): boolean {
    if (!this.#contexts.delete(context)) return false;
    this.#cache.delete(context);
    const key = keyOf(context.recipientId);
    const rest = (this.#byRecipientId.get(key) ?? []).filter((other) => other !== context);
    if (rest.length > 0) this.#byRecipientId.set(key, rest);
    else {
      this.#byRecipientId.delete(key);
      this.#used[key.length] = this.#used[key.length]! - 1;
    }
    for (const watch of this.#watchers) watch(context);
    return true;
  }

  /** Whether it is in the table: a context that was removed protects nothing any more. */
  has(context: SecurityContext): boolean {
    return this.#contexts.has(context);
  }

  /**
   * The context for a request.
   *
   * With a kid context it is the one of that ID Context and no other (RFC 8613, Section 5). Without, it is the one that has no ID Context, or else the only
   * one of this Recipient ID: trying several keys on each message would multiply the work that a stranger can cause.
   */
  find(kid: Uint8Array, kidContext?: Uint8Array): SecurityContext | undefined {
    const candidates = this.#byRecipientId.get(keyOf(kid));
    if (candidates === undefined) return undefined;
    if (kidContext === undefined && candidates.length === 1) return candidates[0];
    return candidates.find((context) => sameIdContext(context.idContext, kidContext));
  }

  /**
   * Let contexts be derived from these input parameters (RFC 8613, Appendix B.2); the one in use, if any, is added.
   *
   * @throws {OscoreError} `ERR_OSCORE_COLLISION` when others have its Recipient ID, or another context has its ID Context; `ERR_OSCORE_LIMIT`
   */
  addRenewable(renewable: RenewableContext): void {
    const key = keyOf(renewable.recipientId);
    const other = this.#renewables.get(key);
    if (other === renewable) return;
    if (other !== undefined)
      throw new OscoreError('ERR_OSCORE_COLLISION', `expected a Recipient ID that is not in use, got ${toHex(renewable.recipientId) || 'the empty one'}`);
    if (this.#renewables.size >= this.#limit) throw new OscoreError('ERR_OSCORE_LIMIT', `expected at most ${this.#limit} renewable contexts, got one more`);
    if (renewable.current !== undefined) this.add(renewable.current);
    this.#renewables.set(key, renewable);
  }

  /** Whether it was there. Its contexts leave the table, and requests that wait for a new one fail. */
  removeRenewable(renewable: RenewableContext): boolean {
    if (!this.hasRenewable(renewable)) return false;
    this.#renewables.delete(keyOf(renewable.recipientId));
    renewable.release(this);
    return true;
  }

  /** Whether requests for its Recipient ID come to it. */
  hasRenewable(renewable: RenewableContext): boolean {
    return this.#renewables.get(keyOf(renewable.recipientId)) === renewable;
  }

  /** The input parameters for a request that no context of the table fits. */
  renewable(kid: Uint8Array): RenewableContext | undefined {
    return this.#renewables.get(keyOf(kid));
  }

  /** Where there are renewable contexts: how many requests run the procedure of Appendix B.2 or wait for its end. */
  get renewing(): number | undefined {
    if (this.#renewables.size === 0) return undefined;
    let renewing = 0;
    for (const { queue } of this.#renewables.values()) renewing += queue.size;
    return renewing;
  }

  /**
   * The shortest Recipient ID, of at least one byte, that no context uses and that is not excluded; which of them is left to `random`.
   *
   * `longest` is what the AEAD allows: 7 bytes for AES-CCM-16-64-128.
   *
   * @throws {OscoreError} `ERR_OSCORE_LIMIT` when all IDs up to that length are taken
   */
  freeRecipientId(random: (length: number) => Uint8Array, exclude: readonly Uint8Array[] = [], longest = 7): Uint8Array {
    const excluded = new Set(exclude.map(keyOf));
    for (let length = 1; length <= longest; length++) {
      const possible = 256 ** length;
      if ((this.#used[length] ?? 0) >= possible) continue;
      const id = random(length).slice();
      const tries = Math.min(possible, this.#contexts.size + this.#renewables.size + excluded.size + 1);
      for (let i = 0; i < tries; i++) {
        const key = keyOf(id);
        if (!this.#byRecipientId.has(key) && !this.#renewables.has(key) && !excluded.has(key)) return id;
        increment(id);
      }
    }
    throw new OscoreError('ERR_OSCORE_LIMIT', `expected a free Recipient ID of at most ${longest} bytes, got none`);
  }

  /** `task` runs for each context that leaves the table. */
  onRemoved(task: (removed: SecurityContext) => void): void {
    this.#watchers.push(task);
  }

  #same({ recipientId, idContext }: SecurityContext): SecurityContext | undefined {
    return this.#byRecipientId.get(keyOf(recipientId))?.find((other) => sameIdContext(other.idContext, idContext));
  }

  #insert(context: SecurityContext): void {
    const key = keyOf(context.recipientId);
    const same = this.#byRecipientId.get(key) ?? [];
    if (same.length === 0) this.#used[key.length] = (this.#used[key.length] ?? 0) + 1;
    this.#byRecipientId.set(key, [...same, context]);
    this.#contexts.add(context);
  }

  /** All contexts in the table. */
  [Symbol.iterator](): IterableIterator<SecurityContext> {
    return this.#contexts.values();
  }
}

/** The next ID of the same length, the first after the last. */
function increment(id: Uint8Array): void {
  for (let i = id.length - 1; i >= 0; i--) {
    id[i] = id[i]! + 1;
    if (id[i] !== 0) return;
  }
}
