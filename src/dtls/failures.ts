import type { Env } from '../core/env.ts';
import { FadingCounts } from '../core/fading-counts.ts';

/** How many handshakes of one address may fail at once, and per second after that. */
export interface FailureRate {
  readonly burst: number;
  readonly rate: number;
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
  readonly #burst: number;
  readonly #byAddress: FadingCounts;

  constructor({ burst, rate }: FailureRate, env: Env) {
    this.#burst = burst;
    this.#byAddress = new FadingCounts(env, rate, most);
  }

  /** Addresses with failures that count still. */
  get size(): number {
    return this.#byAddress.size;
  }

  /** Whether another handshake of the address may begin beside those that go on. */
  admits(address: string, underWay: number): boolean {
    const count = this.#byAddress.of(address);
    return count === 0 || count + underWay + 1 <= this.#burst;
  }

  add(address: string): void {
    this.#byAddress.add(address);
  }
}
