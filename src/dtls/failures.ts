import type { Env } from '../core/env.ts';

/** How many handshakes of one address may fail at once, and per second after that. */
export interface FailureRate {
  readonly burst: number;
  readonly rate: number;
}

interface Failed {
  /** Failures that count still, at that time. */
  count: number;
  at: number;
}

/** Addresses that are remembered; beyond it the one that failed longest ago is forgotten. */
const most = 4096;

/**
 * Handshakes that failed by what the client did, by address: whoever guesses keys or identities is slowed down at his own cost. Who proved himself before is not
 * touched, and the address is one that a cookie came back from, so nobody is shut out in the name of another.
 *
 * It is checked when a handshake begins, and those that go on count as if they failed once others have: many at once are no more guesses than one after the other.
 */
export class Failures {
  readonly #env: Env;
  readonly #rate: FailureRate;
  /** In the order of their last failure. */
  readonly #byAddress: Map<string, Failed> = new Map();

  constructor(rate: FailureRate, env: Env) {
    this.#rate = rate;
    this.#env = env;
  }

  /** Addresses with failures that count still. */
  get size(): number {
    for (const [address, failed] of this.#byAddress) if (this.#countOf(failed) === 0) this.#byAddress.delete(address);
    return this.#byAddress.size;
  }

  /** Whether another handshake of the address may begin beside those that go on. */
  admits(address: string, underWay: number): boolean {
    const failed = this.#byAddress.get(address);
    if (failed === undefined) return true;
    const count = this.#countOf(failed);
    if (count > 0) return count + underWay + 1 <= this.#rate.burst;
    this.#byAddress.delete(address);
    return true;
  }

  add(address: string): void {
    const failed = this.#byAddress.get(address);
    const count = (failed === undefined ? 0 : this.#countOf(failed)) + 1;
    this.#byAddress.delete(address);
    this.#byAddress.set(address, { count, at: this.#env.now() });
    if (this.#byAddress.size <= most) return;
    for (const oldest of this.#byAddress.keys()) {
      this.#byAddress.delete(oldest);
      return;
    }
  }

  #countOf({ count, at }: Failed): number {
    return Math.max(0, count - ((this.#env.now() - at) / 1000) * this.#rate.rate);
  }
}
