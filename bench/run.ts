/** How a run of the bench measures. */
export interface Run {
  /** Rounds of each row, of which the median counts. */
  readonly rounds: number;
  /** Rounds are short: to see that each row works, not what it gives. */
  readonly quick: boolean;
  progress(text: string): void;
}

/** Rounds of a row whose rounds are over in a part of a second: a neighbour's noise lasts longer than five of them. */
export function manyRounds({ rounds }: Pick<Run, 'rounds'>): number {
  return rounds === 1 ? 1 : 3 * rounds;
}

/** How many of `count`, in a run that may be quick. */
export function counted({ quick }: Run, count: number): number {
  return quick ? Math.ceil(count / 20) : count;
}
