import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { rounded } from './row.ts';
import { manyRounds, type Run } from './run.ts';

/** Where, when and how rows were measured. */
export interface Conditions {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly kernel: string;
  readonly node: string;
  /** Of the minute, of five and of fifteen before the run. */
  readonly load_before: readonly number[];
  readonly rounds: number;
  readonly quick: boolean;
}

export function conditions({ rounds, quick }: Run): Conditions {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_bytes: totalmem(),
    kernel: `${type()} ${release()}`,
    node: process.versions.node,
    load_before: loadavg().map((load) => rounded(load, 2)),
    rounds,
    quick,
  };
}

/** One line. */
export function describe({ date, cpu, cores, memory_bytes, kernel, node, load_before, rounds, quick }: Conditions): string {
  const memory = `${Math.round(memory_bytes / 2 ** 30)} GiB`;
  const medians =
    rounds === 1 ? 'one round' : `medians of ${rounds} rounds, of ${manyRounds({ rounds })} where they are short, with the smallest and the largest`;
  const how = quick ? ' A quick run, in short rounds: its figures show that each row works, no more.' : '';
  return `${cores} cores of ${cpu}, ${memory}, ${kernel}, Node ${node}; ${date} UTC, load before ${load_before.join(' ')}; ${medians}.${how}`;
}
