/** Sequence numbers that are remembered below the highest one (RFC 6347, Section 4.1.2.6). */
export const replayWindowSize = 64;

/** What a window remembers. */
export interface WindowState {
  readonly highest: number;
  readonly near: number;
  readonly far: number;
}

/**
 * The anti-replay window of one epoch.
 *
 * `accepts` looks, `commit` moves: the record is verified between the two, so that a forged number moves nothing. Numbers go up to 2^48-1, so they meet no
 * 32-bit operator; the window is two 32-bit words, because a server holds one for each peer.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2.6
 */
export class ReplayWindow {
  #highest: number;
  /** Bit n: the number n below the highest was received; the first 32, then the next 32. */
  #near: number;
  #far: number;

  constructor({ highest, near, far }: WindowState = { highest: -1, near: 0, far: 0 }) {
    this.#highest = highest;
    this.#near = near;
    this.#far = far;
  }

  get state(): WindowState {
    return { highest: this.#highest, near: this.#near, far: this.#far };
  }

  /** The highest number that was committed; -1 when there was none. */
  get highest(): number {
    return this.#highest;
  }

  /** Whether the number may be new. */
  accepts(sequence: number): boolean {
    const below = this.#highest - sequence;
    if (below < 0) return true;
    if (below >= replayWindowSize) return false;
    return ((below < 32 ? this.#near : this.#far) & (1 << (below & 31))) === 0;
  }

  /** Take note of a number whose record verified, and which `accepts`. */
  commit(sequence: number): void {
    const ahead = sequence - this.#highest;
    if (ahead <= 0) {
      const bit = 1 << (-ahead & 31);
      if (-ahead < 32) this.#near |= bit;
      else this.#far |= bit;
      return;
    }
    this.#highest = sequence;
    if (ahead >= replayWindowSize) {
      this.#near = 0;
      this.#far = 0;
    } else if (ahead >= 32) {
      this.#far = this.#near << (ahead - 32);
      this.#near = 0;
    } else {
      this.#far = (this.#far << ahead) | (this.#near >>> (32 - ahead));
      this.#near <<= ahead;
    }
    this.#near |= 1;
  }
}
