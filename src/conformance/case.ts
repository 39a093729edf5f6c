import type { Bench } from './bench.ts';
import type { Need } from './target.ts';

/** How much a standard insists (RFC 2119). */
export type Level = 'MUST' | 'SHOULD' | 'MAY';

/** One thing that a standard says and that can be seen from outside. */
export interface ConformanceCase {
  /** Stays the same between versions: `coap-msg-03`. */
  readonly id: string;
  /** What the target does if it conforms, as a sentence without a full stop. */
  readonly title: string;
  /** `RFC 7252`. */
  readonly standard: string;
  /** `4.2`. */
  readonly section: string;
  readonly level: Level;
  /** What must be known of the target; without it the case is not run. */
  readonly needs: readonly Need[];
  /**
   * Comes back when the target does as it should.
   *
   * @throws {Nonconformity} it does not
   * @throws {NotApplicable} it has nothing that the case is about
   */
  run(bench: Bench): Promise<void>;
}
