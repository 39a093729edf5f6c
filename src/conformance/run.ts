import { Bench, type BenchOptions, defaultSource } from './bench.ts';
import type { ConformanceCase } from './case.ts';
import { ConformanceError, Nonconformity, NotApplicable } from './errors.ts';
import { hasPulse, type Way } from './pulse.ts';
import { Sources } from './sources.ts';
import { missing, type Target } from './target.ts';
import type { Exchanged } from './transcript.ts';

/**
 * What became of a case. `not applicable`: the target lacks what it is about; `not run`: nobody has told the checker enough of the target; `checker fault`: the
 * checker broke, which says nothing of the target.
 */
export type Outcome = 'pass' | 'fail' | 'not applicable' | 'not run' | 'checker fault';

/** A case that was run, or could not be. */
export interface CaseResult {
  readonly case: ConformanceCase;
  readonly outcome: Outcome;
  /** What the standard wants and what came, of a failure. */
  readonly wanted?: string;
  readonly came?: string;
  /** Why it was not run, or is not applicable; the fault. */
  readonly reason?: string;
  /** The target no longer answered afterwards: a failure whatever the level of the case. */
  readonly died?: boolean;
  /** What went over the network, of a failure. */
  readonly exchanged: readonly Exchanged[];
  /** In milliseconds. */
  readonly duration: number;
}

const ways: readonly Way[] = ['udp', 'dtls', 'tcp', 'as'];

/**
 * Run the cases one after the other, each with sockets of its own, and look after each whether the target still answers.
 *
 * @throws {ConformanceError} `ERR_CONFORMANCE_UNREACHABLE` when the target does not answer before the first case
 */
export async function* runCases(target: Target, cases: readonly ConformanceCase[], given: BenchOptions = {}): AsyncGenerator<CaseResult, void, undefined> {
  const options = { sources: new Sources(given.source ?? defaultSource), ...given };
  const dead = new Set<Way>();
  for (const way of ways.filter((way) => missing(target, [way]) === undefined && cases.some(({ needs }) => needs.includes(way))))
    if (!(await hasPulse(target, way, options)))
      throw new ConformanceError('ERR_CONFORMANCE_UNREACHABLE', `expected an answer of the target over ${way}, got none`);
  for (const one of cases) {
    const lack = missing(target, one.needs);
    const gone = one.needs.find((need): need is Way => dead.has(need as Way));
    if (lack !== undefined || gone !== undefined) {
      yield {
        case: one,
        outcome: 'not run',
        reason: lack === undefined ? `the target no longer answers over ${gone}` : `not known: ${lack}`,
        exchanged: [],
        duration: 0,
      };
      continue;
    }
    const result = await runCase(target, one, options);
    const lost = await lifeless(target, one, options);
    if (lost !== undefined) dead.add(lost);
    yield lost === undefined
      ? result
      : { ...result, outcome: 'fail', died: true, wanted: 'the target to go on answering', came: `nothing over ${lost} any more` };
  }
}

/** The way of a case over which the target is heard no longer. */
async function lifeless(target: Target, { needs }: ConformanceCase, options: BenchOptions): Promise<Way | undefined> {
  for (const way of ways) if (needs.includes(way) && !(await hasPulse(target, way, options))) return way;
  return undefined;
}

async function runCase(target: Target, one: ConformanceCase, options: BenchOptions): Promise<CaseResult> {
  const bench = new Bench(target, options);
  const begin = bench.env.now();
  const verdict = await one.run(bench).then(
    (): Verdict => ({ outcome: 'pass' }),
    (error: unknown) => verdictOf(error),
  );
  const duration = Math.round(bench.env.now() - begin);
  const exchanged = verdict.outcome === 'fail' || verdict.outcome === 'checker fault' ? bench.exchanged : [];
  await bench.close();
  await bench.pause(bench.patience.pace);
  return { case: one, ...verdict, exchanged, duration };
}

type Verdict = Pick<CaseResult, 'outcome' | 'wanted' | 'came' | 'reason'>;

function verdictOf(error: unknown): Verdict {
  if (error instanceof Nonconformity) return { outcome: 'fail', wanted: error.wanted, came: error.came };
  if (error instanceof NotApplicable) return { outcome: 'not applicable', reason: error.message };
  return { outcome: 'checker fault', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
