import type { Env } from '../core/env.ts';
import type { Emit } from './events.ts';

/** Seconds by which the wall clock may move against the steady one between two looks: less is drift, or the rounding of timers. */
const tolerance = 5;

/**
 * Tells when the wall clock was set.
 *
 * The AS goes by the wall clock and follows it: a token is good until its `exp` on that clock, which is what a resource server compares too. Set back by an
 * hour, what lives then lives an hour longer. What has expired stays so, since in a store time never goes back while the process lives; and what is made now
 * with a life of less than the hour has expired for it, as it has for a resource server whose clock is right. Revocations, single use and sequence numbers do not
 * depend on the clock, and rate limits go by the steady one. The AS cannot know which of two times is right, so it says that there were two.
 */
export class ClockWatch {
  readonly #env: Env;
  readonly #emit: Emit;
  #offset: number;

  constructor(env: Env, emit: Emit) {
    this.#env = env;
    this.#emit = emit;
    this.#offset = this.#look();
  }

  check(): void {
    const offset = this.#look();
    const moved = offset - this.#offset;
    this.#offset = offset;
    if (Math.abs(moved) > tolerance) this.#emit({ type: 'clock', reason: moved < 0 ? 'back' : 'forward', seconds: Math.round(Math.abs(moved)) });
  }

  #look(): number {
    return this.#env.epoch() - this.#env.now() / 1000;
  }
}
