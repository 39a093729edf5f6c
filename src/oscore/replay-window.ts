/** The largest window: a received number costs at most this many steps. */
export const largestReplayWindow = 1024;

/**
 * The anti-replay sliding window of a Recipient Context (RFC 8613, Sections 3.2.2 and 7.4).
 *
 * It holds the highest number that verified and which of the `size` numbers up to it were received. `accepts` looks, `commit` moves: the caller verifies the
 * message between the two, in one turn, so that a forged number moves nothing. Numbers go up to 2^40-1, so they meet no 32-bit operator; positions do.
 */
export class ReplayWindow {
  readonly size: number;
  #highest = -1;
  /** Numbers below it are refused unless they are proven fresh. */
  #floor = 0;
  /** 32 bits each. A typed array takes four times as much memory, and there is one window for each context. */
  readonly #received: number[];

  /** `size` is 1 to 1,024. */
  constructor(size: number) {
    this.size = size;
    this.#received = new Array<number>(Math.ceil(size / 32)).fill(0);
  }

  /** The highest number that was committed; -1 when there was none. */
  get highest(): number {
    return this.#highest;
  }

  /**
   * Whether the number may be new.
   *
   * `fresh`: the message proves that it was made after the window was lost, so the lower limit of Appendix B.1.2 does not count for it.
   */
  accepts(sequence: number, fresh = false): boolean {
    if (sequence > this.#highest) return true;
    if (sequence <= this.#highest - this.size) return false;
    if (sequence < this.#floor && !fresh) return false;
    const position = sequence % this.size;
    return (this.#received[position >>> 5]! & (1 << (position & 31))) === 0;
  }

  /** Take note of a number whose message verified, and which `accepts`. */
  commit(sequence: number): void {
    if (sequence > this.#highest) this.#slide(sequence);
    const position = sequence % this.size;
    this.#received[position >>> 5] = this.#received[position >>> 5]! | (1 << (position & 31));
  }

  /**
   * Begin again after the window was lost: `sequence` is its lower limit. The message proves to be fresh.
   *
   * @see https://www.rfc-editor.org/rfc/rfc8613#appendix-B.1.2
   */
  restore(sequence: number): void {
    this.#floor = sequence;
    this.commit(sequence);
  }

  #slide(sequence: number): void {
    if (sequence - this.#highest >= this.size) this.#received.fill(0);
    else {
      for (let passed = this.#highest + 1; passed <= sequence; passed++) {
        const position = passed % this.size;
        this.#received[position >>> 5] = this.#received[position >>> 5]! & ~(1 << (position & 31));
      }
    }
    this.#highest = sequence;
  }
}
