const chunkBits = 12;
const chunks = 1 << (16 - chunkBits);

/**
 * Message ids for one peer: in sequence, and none again before EXCHANGE_LIFETIME is over (RFC 7252, Section 4.4).
 *
 * The times of use are kept by chunks of 4,096 ids, which errs on the safe side.
 */
export class MessageIds {
  readonly #lifetime: number;
  readonly #lastUse: Float64Array = new Float64Array(chunks).fill(Number.NEGATIVE_INFINITY);
  #next: number;
  /** Ids given out, counted up to all of them. */
  #taken = 0;
  lastUse: number = Number.NEGATIVE_INFINITY;

  /** `start` is random, so that ids are hard to guess from outside the path. */
  constructor(start: number, lifetime: number) {
    this.#next = start & 0xffff;
    this.#lifetime = lifetime;
  }

  /** The next id; `undefined` when all are in use. */
  take(now: number): number | undefined {
    const id = this.#next;
    const chunk = id >>> chunkBits;
    if ((id & ((1 << chunkBits) - 1)) === 0 && now - this.#lastUse[chunk]! < this.#lifetime) return undefined;
    this.#lastUse[chunk] = now;
    this.lastUse = now;
    this.#next = (id + 1) & 0xffff;
    if (this.#taken <= 0xffff) this.#taken++;
    return id;
  }

  /** Whether none is left beyond the 4,096 that are being given out. */
  isShort(now: number): boolean {
    return now - this.#lastUse[((this.#next >>> chunkBits) + 1) % chunks]! < this.#lifetime;
  }

  /** Whether an id may have been used within the lifetime. */
  isActive(id: number, now: number): boolean {
    return ((this.#next - 1 - id) & 0xffff) < this.#taken && now - this.#lastUse[id >>> chunkBits]! < this.#lifetime;
  }
}

/** Tries before all ids count as taken. */
const tries = 64;

/**
 * Message ids of requests to groups.
 *
 * A Reset from a member looks like one to a unicast message from us, and a member takes a unicast message with the id of a group request for its duplicate.
 * So no id is shared between the two while it is active (RFC 7252, Section 8.1).
 */
export class GroupMessageIds {
  readonly #lifetime: number;
  /** When each was used, oldest first. */
  readonly #active: Map<number, number> = new Map();

  constructor(lifetime: number) {
    this.#lifetime = lifetime;
  }

  /** An id that neither a group nor one of these peers was sent within the lifetime; `undefined` when none is found. */
  take(now: number, peers: Iterable<{ readonly ids: MessageIds | undefined }>, random: { uint32(): number }): number | undefined {
    this.#forget(now);
    const unicast: MessageIds[] = [];
    for (const { ids } of peers) if (ids !== undefined) unicast.push(ids);
    for (let i = 0; i < tries; i++) {
      const id = random.uint32() & 0xffff;
      if (this.#active.has(id) || unicast.some((ids) => ids.isActive(id, now))) continue;
      this.#active.set(id, now);
      return id;
    }
    return undefined;
  }

  has(id: number, now: number): boolean {
    if (this.#active.size === 0) return false;
    this.#forget(now);
    return this.#active.has(id);
  }

  #forget(now: number): void {
    for (const [id, time] of this.#active) {
      if (now - time < this.#lifetime) return;
      this.#active.delete(id);
    }
  }
}
