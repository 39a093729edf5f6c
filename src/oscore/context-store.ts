/**
 * Where sender sequence numbers become durable (RFC 8613, Appendix B.1.1).
 *
 * The key is a digest of the Sender Key, not of a configuration entry: however often the same keys are configured, they share one counter.
 */
export interface ContextStore {
  /**
   * Reserve `count` numbers for this sender key, durably and before any of them is used. Returns the first; no other caller, in this process or another, now
   * or after a crash, ever gets one of them.
   */
  reserve(senderKeyId: string, count: number): Promise<number>;
}
