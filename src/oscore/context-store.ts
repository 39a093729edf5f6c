import type { ContextOptions } from './context.ts';
import type { ContextParameters } from './derive.ts';

/**
 * A context as a store gives it. Where nothing else is said, its window is `unverified`: which numbers it received before it was loaded is not known here, be
 * it that this process started or that the context had to leave the table.
 */
export interface StoredContext extends ContextOptions {
  readonly parameters: ContextParameters;
}

/**
 * Where sender sequence numbers become durable (RFC 8613, Appendix B.1.1), and where contexts come from that are not in the table.
 *
 * The key of a counter is a digest of the Sender Key, not of a configuration entry: however often the same keys are configured, they share one counter.
 */
export interface ContextStore {
  /**
   * Reserve `count` numbers for this sender key, durably and before any of them is used. Returns the first; no other caller, in this process or another, now
   * or after a crash, ever gets one of them.
   */
  reserve(senderKeyId: string, count: number): Promise<number>;
  /**
   * The context of a request that no context of the table is for, or `undefined` when there is none. Absent: the table has them all.
   *
   * Whoever sends a request chooses kid and kid context, so it is asked for many that nobody has. Without a kid context the answer is the one context that
   * has this Recipient ID. It may be asked again for a context that it gave before.
   */
  load?(kid: Uint8Array, kidContext: Uint8Array | undefined): StoredContext | undefined | Promise<StoredContext | undefined>;
}
