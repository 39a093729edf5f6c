import type { CaseResult, Outcome } from './run.ts';

/** How many cases ended how; failures by the level of what they break. */
export interface Summary {
  readonly cases: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly failed: Readonly<Record<'MUST' | 'SHOULD' | 'MAY', number>>;
}

/** What a run comes to. */
export function summaryOf(results: readonly CaseResult[]): Summary {
  const outcomes = { pass: 0, fail: 0, 'not applicable': 0, 'not run': 0, 'checker fault': 0 };
  const failed = { MUST: 0, SHOULD: 0, MAY: 0 };
  for (const result of results) {
    outcomes[result.outcome]++;
    if (result.outcome === 'fail') failed[levelOf(result)]++;
  }
  return { cases: results.length, outcomes, failed };
}

/** What a failure breaks. A target that dies has failed, whatever the case was about. */
export function levelOf({ case: { level }, died = false }: CaseResult): 'MUST' | 'SHOULD' | 'MAY' {
  return died ? 'MUST' : level;
}

/** Whether a failure counts against the target: one of a MUST does, any does when the check is strict. */
export function counts(result: CaseResult, strict = false): boolean {
  return result.outcome === 'fail' && (strict || levelOf(result) === 'MUST');
}
