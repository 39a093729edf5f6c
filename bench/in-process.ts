import { median, medianRatio, type Row, rounded, summary } from './row.ts';
import type { Run } from './run.ts';

/** One way to do a task, as fast as its library does it. */
export interface Way {
  /** What stands in `peer` of a row. */
  readonly name: string;
  readonly run: () => unknown;
}

/** Turns of a round, of which the median counts: one alone may hold a collection of garbage. */
const turns = 5;
/** Turns that let the platform compile what is hot. */
const warmingTurns = 8;
/** CPU time of one turn, in microseconds. */
const turnTime = 30_000;

function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

let last: unknown;

/** CPU time of one operation in microseconds: what its garbage and its compiling cost is part of it. */
function once(way: Way, operations: number): number {
  const before = cpuTime();
  // What is kept has been computed.
  for (let i = 0; i < operations; i++) last = way.run();
  return (cpuTime() - before) / operations;
}

/** Operations that fill a turn. */
function calibrate(way: Way, turnTime: number): number {
  let operations = 16;
  let cost = once(way, operations);
  while (cost * operations < turnTime / 4) {
    operations *= 4;
    cost = once(way, operations);
  }
  return Math.max(1, Math.round(turnTime / cost));
}

/** Of all ways in turn: what an operation of each costs in a round. */
function measured(bench: string, ways: readonly Way[], { rounds, quick, progress }: Run): readonly (readonly number[])[] {
  const operations = ways.map((way) => calibrate(way, quick ? turnTime / 10 : turnTime));
  const turn = (): readonly number[] => ways.map((way, index) => once(way, operations[index]!));
  progress(`${bench}: warming up`);
  for (let i = 0; i < warmingTurns; i++) turn();
  const costs: number[][] = ways.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    progress(`${bench}: round ${round} of ${rounds}`);
    const ofTurns = Array.from({ length: turns }, turn);
    for (const [index, cost] of costs.entries()) cost.push(median(ofTurns.map((of) => of[index]!)));
  }
  if (last === undefined) throw new Error(`${bench}: expected a result, got none`);
  return costs;
}

const perSecond = (cost: number): number => 1e6 / cost;

/**
 * Measures our way and the others in this process, in turn, round by round. A ratio is the median of the rounds' own ratios, so that a neighbour's noise meets
 * both sides of it.
 */
export function measureInProcess(bench: string, ours: Way, others: readonly Way[], run: Run): Row[] {
  const [ourCosts, ...theirCosts] = measured(bench, [ours, ...others], run) as [readonly number[], ...(readonly number[])[]];
  return others.map(({ name }, index): Row => {
    const costs = theirCosts[index]!;
    const their = summary(costs.map(perSecond));
    return {
      bench,
      ...summary(ourCosts.map(perSecond)),
      unit: 'op/s',
      rounds: run.rounds,
      peer: name,
      peer_value: their.value,
      peer_spread: their.spread,
      ratio: medianRatio(costs, ourCosts),
      server_cpu_us: rounded(median(ourCosts), 3),
      peer_cpu_us: rounded(median(costs), 3),
    };
  });
}
