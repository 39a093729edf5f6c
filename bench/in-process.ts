import type { Row } from './row.ts';
import { median, rounded } from './throughput.ts';

/** One way to do a task, as fast as its library does it. */
export interface Way {
  /** What stands in `peer` of a row. */
  readonly name: string;
  readonly run: () => unknown;
}

/** Counted rounds, after those that let the platform compile what is hot. */
const rounds = 25;
const warmingRounds = 8;
/** CPU time of one round, in microseconds. */
const roundTime = 30_000;

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

/** Operations that fill a round. */
function calibrate(way: Way): number {
  let operations = 16;
  let cost = once(way, operations);
  while (cost * operations < roundTime / 4) {
    operations *= 4;
    cost = once(way, operations);
  }
  return Math.max(1, Math.round(roundTime / cost));
}

/**
 * Measures our way and the others in this process, in turn, round by round. A ratio is the median of the rounds' own ratios, so that a neighbour's noise meets
 * both sides of it.
 */
export function measureInProcess(bench: string, ours: Way, others: readonly Way[], progress: (text: string) => void): Row[] {
  const ways = [ours, ...others];
  const operations = ways.map(calibrate);
  const costs: number[][] = ways.map(() => []);
  for (let round = 1 - warmingRounds; round <= rounds; round++) {
    for (const [index, way] of ways.entries()) {
      progress(`${bench}: ${way.name}, ${round < 1 ? 'warming up' : `round ${round} of ${rounds}`}`);
      const cost = once(way, operations[index]!);
      if (round > 0) costs[index]!.push(cost);
    }
  }
  if (last === undefined) throw new Error(`${bench}: expected a result, got none`);
  const [ourCosts, ...theirCosts] = costs as [number[], ...number[][]];
  const our = median(ourCosts);
  return others.map(({ name }, index) => ({
    bench,
    value: Math.round(1e6 / our),
    unit: 'op/s',
    peer: name,
    ratio: rounded(median(theirCosts[index]!.map((cost, round) => cost / ourCosts[round]!)), 3),
    server_cpu_us: rounded(our, 3),
  }));
}
