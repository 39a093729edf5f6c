import { toBase64Url } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import type { Env } from '../../src/core/env.ts';
import type { Claim, ContextLeases, SecurityContext } from '../../src/oscore/index.ts';
import type { Store } from '../../src/store/index.ts';

/** Who serves a context. */
interface Lease {
  /** Random, of one run of a process. */
  readonly owner: string;
  /** How often it was taken. */
  readonly epoch: number;
  /** Seconds since 1970. */
  readonly end: number;
}

const ownerLength = 12;

function encodeLease({ owner, epoch, end }: Lease): Uint8Array {
  return encode([owner, epoch, end]);
}

/** What is no lease belongs to nobody: it is taken over. */
function decodeLease(bytes: Uint8Array | undefined): Lease | undefined {
  const value = bytes === undefined ? undefined : decode(bytes);
  if (!Array.isArray(value)) return undefined;
  const [owner, epoch, end] = value as readonly unknown[];
  return typeof owner === 'string' && typeof epoch === 'number' && typeof end === 'number' ? { owner, epoch, end } : undefined;
}

/**
 * Leases of security contexts in a `Store`, under `oscore/lease/<digest of the Sender Key>`: owner, epoch and end, changed by compare-and-set only.
 *
 * A lease is read for each request, and prolonged while requests come. Once it has ended another process may take it; as long as none did, its owner goes on with
 * what it knows.
 */
export class StoredLeases implements ContextLeases {
  readonly #store: Store;
  readonly #env: Env;
  readonly #seconds: number;
  readonly #owner: string;
  /** What stands in the store of the leases that this process has, in the order in which they end. */
  readonly #held = new Map<string, Uint8Array>();

  /** @param seconds - how long a lease lasts after a request */
  constructor(store: Store, env: Env, seconds: number) {
    this.#store = store;
    this.#env = env;
    this.#seconds = seconds;
    this.#owner = toBase64Url(env.random(ownerLength));
  }

  /** Leases that were taken or prolonged, and have not been found to have ended. */
  get size(): number {
    return this.#held.size;
  }

  async claim({ senderKeyId }: SecurityContext, proven: () => boolean): Promise<Claim> {
    const key = `oscore/lease/${senderKeyId}`;
    for (;;) {
      const bytes = await this.#store.get(key);
      const lease = decodeLease(bytes);
      const now = this.#env.epoch();
      const ours = lease?.owner === this.#owner;
      if (lease !== undefined && ours && lease.end - now > this.#seconds / 2) return 'held';
      if (lease !== undefined && !ours && lease.end > now) {
        this.#held.delete(key);
        return { until: lease.end };
      }
      if (!ours && !proven()) return 'unproven';
      const next = encodeLease({ owner: this.#owner, epoch: (lease?.epoch ?? 0) + (ours ? 0 : 1), end: now + this.#seconds });
      if (!(await this.#store.compareAndSet(key, bytes, next))) continue;
      this.#keep(key, next, now);
      return ours ? 'held' : 'taken';
    }
  }

  #keep(key: string, bytes: Uint8Array, now: number): void {
    this.#held.delete(key);
    this.#held.set(key, bytes);
    for (const [oldest, held] of this.#held) {
      if (decodeLease(held)!.end > now) return;
      // There is nothing to give up any more.
      this.#held.delete(oldest);
    }
  }

  /** Give up what this process has, so that others need not wait. */
  async close(): Promise<void> {
    for (const [key, bytes] of this.#held) {
      const { owner, epoch } = decodeLease(bytes)!;
      await this.#store.compareAndSet(key, bytes, encodeLease({ owner, epoch, end: 0 }));
    }
    this.#held.clear();
  }
}
