import type { Env } from '../../core/env.ts';
import type { TransmissionParameters } from './parameters.ts';

/** How many interactions with one peer may be outstanding: NSTART (RFC 7252, Section 4.7). */
export interface OutstandingWindow {
  readonly size: number;
  /** A message leaves, beside so many that are outstanding. */
  began(outstanding: number): void;
  /** What left at `since`, and once, was answered. It is one of those outstanding. */
  answered(since: number, outstanding: number): void;
  /** What left last at `since` was not acknowledged in time. */
  lost(since: number, outstanding: number): void;
}

/** NSTART as it was configured. */
class FixedWindow implements OutstandingWindow {
  readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  began(): void {}

  answered(): void {}

  lost(): void {}
}

/**
 * NSTART, adjusted to what the path takes: it begins at what was configured, grows with what is answered, and begins anew where something was lost, or nothing was
 * sent for a time. RFC 7252, Section 4.8.1 leaves the mechanism open; it is that of TCP (RFC 5681, Sections 3.1 and 4.1, with the measurements of RFC 6298),
 * counted in messages.
 *
 * Where answers take so long that a lost one cannot be told from a slow one before it is sent again, it does not grow.
 */
class AdaptiveWindow implements OutstandingWindow {
  readonly #env: Env;
  readonly #parameters: TransmissionParameters;
  #size: number;
  /** From here on it grows by one in a round trip, below by one for each answer. */
  #threshold: number;
  /** Milliseconds: the smoothed time to an answer, and how far answers are from it. */
  #time = 0;
  #variation = 0;
  #lastLeft = Number.NEGATIVE_INFINITY;
  #shrunk = Number.NEGATIVE_INFINITY;

  constructor(parameters: TransmissionParameters, env: Env) {
    this.#env = env;
    this.#parameters = parameters;
    this.#size = parameters.nstart;
    this.#threshold = parameters.nstartLimit;
  }

  get size(): number {
    return this.#time + 4 * this.#variation > this.#parameters.ackTimeout ? this.#parameters.nstart : Math.floor(this.#size);
  }

  began(outstanding: number): void {
    const now = this.#env.now();
    if (outstanding === 0 && now - this.#lastLeft > this.#parameters.ackTimeout) this.#size = this.#parameters.nstart;
    this.#lastLeft = now;
  }

  answered(since: number, outstanding: number): void {
    const time = this.#env.now() - since;
    const isFirst = this.#time === 0 && this.#variation === 0;
    this.#variation = isFirst ? time / 2 : 0.75 * this.#variation + 0.25 * Math.abs(this.#time - time);
    this.#time = isFirst ? time : 0.875 * this.#time + 0.125 * time;
    // What was not used has shown nothing, and what left before a loss was in its way.
    if (outstanding < this.size || since < this.#shrunk) return;
    this.#size = Math.min(this.#parameters.nstartLimit, this.#size + (this.#size < this.#threshold ? 1 : 1 / this.#size));
  }

  lost(since: number, outstanding: number): void {
    // Of what left together, the first that is lost tells it.
    if (since < this.#shrunk) return;
    this.#shrunk = this.#env.now();
    this.#threshold = Math.max(2, outstanding / 2);
    this.#size = this.#parameters.nstart;
  }
}

/** Makes the window of each peer. */
export function windows(parameters: TransmissionParameters, env: Env): () => OutstandingWindow {
  if (parameters.nstartLimit > parameters.nstart) return () => new AdaptiveWindow(parameters, env);
  const fixed = new FixedWindow(parameters.nstart);
  return () => fixed;
}
