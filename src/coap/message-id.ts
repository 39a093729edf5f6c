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
    return id;
  }
}
