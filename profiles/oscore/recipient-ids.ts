import { toHex } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import type { Env } from '../../src/core/env.ts';
import type { ContextTable } from '../../src/oscore/index.ts';
import type { Store } from '../../src/store/index.ts';

const folder = 'oscore/client-id/';

/** Seconds that a reservation outlives its token: clocks differ. */
const rest = 300;

/**
 * The Recipient IDs that a client gave to contexts with resource servers, unique among all processes that share a store (RFC 9203, Section 4.1): a context
 * that one of them saved may be restored by another.
 */
export class RecipientIds {
  readonly #store: Store;
  readonly #env: Env;
  readonly #contexts: ContextTable;
  readonly #excluded: Uint8Array[] = [];

  constructor(store: Store, env: Env, contexts: ContextTable) {
    this.#store = store;
    this.#env = env;
    this.#contexts = contexts;
  }

  /** It belongs to a context that is configured. */
  exclude(id: Uint8Array): void {
    this.#excluded.push(id.slice());
  }

  /**
   * The shortest that is free, for so many seconds.
   *
   * @throws {OscoreError} `ERR_OSCORE_LIMIT` when there is none
   */
  async reserve(seconds: number): Promise<Uint8Array> {
    const taken = [...this.#excluded];
    for (;;) {
      const id = this.#contexts.freeRecipientId(this.#env.random, taken);
      const key = folder + toHex(id);
      const stored = await this.#store.get(key);
      const now = this.#env.epoch();
      const free = stored === undefined || endOf(stored) <= now;
      if (free && (await this.#store.compareAndSet(key, stored, encode(now + seconds + rest)))) return id;
      taken.push(id);
    }
  }

  /** It stays reserved for so many seconds from now on. */
  keep(id: Uint8Array, seconds: number): Promise<void> {
    return this.#store.put(folder + toHex(id), encode(this.#env.epoch() + seconds + rest));
  }

  async free(id: Uint8Array): Promise<void> {
    await this.#store.delete(folder + toHex(id));
  }
}

/** An entry that cannot be read holds nothing. */
function endOf(stored: Uint8Array): number {
  try {
    const value = decode(stored);
    return typeof value === 'number' ? value : 0;
  } catch {
    return 0;
  }
}
