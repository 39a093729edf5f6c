import { systemEnv } from '../../../../src/core/env.ts';
import type { Rows } from '../rows/lab.ts';
import { type Requirement, reasons, requirements } from './requirements.ts';

export type Status = 'pass' | 'fail' | 'not-provided';

export interface Verdict {
  readonly id: string;
  readonly status: Status;
  /** What was done, what was broken, or why there is nothing to do. */
  readonly how: string;
}

/** Checks that run at once: they wait for sockets and timers now and then, and share nothing. */
const concurrency = 4;
/** Milliseconds with nothing to do after which a check that does not end is broken: on a machine that has much else to do all takes longer. */
const patience = 20_000;

interface Outcome {
  readonly broken?: string;
}

/**
 * Run the checks of the requirements, each once, and say of each row whether it holds.
 *
 * @param files the checks; a row may have one in several of them, and holds when all pass
 * @param only these rows; all when absent
 */
export async function report(files: readonly Rows[], only?: readonly string[]): Promise<readonly Verdict[]> {
  const wanted = requirements.filter(({ id }) => only === undefined || only.includes(id));
  const needed = only === undefined ? requirements : withReferences(wanted);
  const outcomes = new Map<string, Outcome>();
  const waiting = needed.map(({ id }) => id).filter((id) => files.some((rows) => id in rows));
  const work = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) outcomes.set(id, await outcomeOf(id, files));
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return wanted.map((row) => verdictOn(row, outcomes));
}

function find(id: string): Requirement {
  const row = requirements.find((one) => one.id === id);
  if (row === undefined) throw new Error(`expected a row of fixtures/seal-rows.json, got ${id}`);
  return row;
}

/** Rows, and all that they refer to. */
function withReferences(rows: readonly Requirement[]): readonly Requirement[] {
  const all = new Set(rows);
  for (const { by } of all) for (const id of by ?? []) all.add(find(id));
  return [...all];
}

async function outcomeOf(id: string, files: readonly Rows[]): Promise<Outcome> {
  for (const rows of files) {
    const broken = await run(rows[id]);
    if (broken !== undefined) return { broken };
  }
  return {};
}

/** What is broken, in one line; `undefined`: nothing. */
async function run(check: Rows[string] | undefined): Promise<string | undefined> {
  if (check === undefined) return undefined;
  let cancel = (): void => {};
  const late = new Promise<string>((resolve) => {
    const idle = (): number => performance.eventLoopUtilization().idle;
    const end = idle() + patience;
    const look = (): void => {
      const left = Math.ceil(end - idle());
      if (left <= 0) resolve(`it did not end within ${patience / 1000} seconds`);
      else cancel = systemEnv.schedule(left, look);
    };
    look();
  });
  try {
    return await Promise.race([Promise.resolve(check()).then(() => undefined), late]);
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n').find((line) => line.trim() !== '') ?? error.name) : String(error);
  } finally {
    cancel();
  }
}

function verdictOn(row: Requirement, outcomes: ReadonlyMap<string, Outcome>): Verdict {
  const { id, notProvided, by = [], shown } = row;
  const outcome = outcomes.get(id);
  if (notProvided !== undefined && outcome === undefined) return { id, status: 'not-provided', how: reasons[notProvided]! };
  const broken = notProvided !== undefined ? 'it stands as not provided, and has a check' : brokenIn(row, outcome, outcomes);
  if (broken !== undefined) return { id, status: 'fail', how: broken };
  return { id, status: 'pass', how: [shown, by.length === 0 ? undefined : `by ${by.join(', ')}`].filter((part) => part !== undefined).join('; ') };
}

function brokenIn({ by = [] }: Requirement, outcome: Outcome | undefined, outcomes: ReadonlyMap<string, Outcome>): string | undefined {
  if (outcome === undefined && by.length === 0) return 'no check holds it';
  if (outcome?.broken !== undefined) return outcome.broken;
  const others = by.filter((id) => verdictOn(find(id), outcomes).status === 'fail');
  return others.length === 0 ? undefined : `broken by ${others.join(', ')}`;
}
