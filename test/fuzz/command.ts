import { parseArgs } from 'node:util';
import { fromHex } from '../../src/core/bytes.ts';
import { SeededRandom } from '../support/random.ts';
import type { Branches } from './coverage/branches.ts';
import { minimise, readCorpus, shrinkCrash, writeCorpus } from './coverage/corpus.ts';
import { Guide } from './coverage/guide.ts';
import { type Counted, Crash, fuzz, runOnce, type Target, type TargetEntry } from './target.ts';
import { targets } from './targets.ts';

const usage = `Usage: npm run fuzz -- [OPTIONS] [TARGET...]

Mutated inputs for every decoder, engine and endpoint, or for those with a TARGET in their name. Inputs that take new branches are kept for others to be made of.

  --runs N         inputs in all (1,000,000), divided among the targets by their shares
  --time SECONDS   end each target when its share of this time is over
  --seed TEXT      the same text makes the same inputs (1)
  --repeat HEX     give one input to one target, and tell what comes of it
  --unguided       keep no inputs
  --keep           write what was kept, few and short inputs, to fixtures/fuzz
  --list           print the names of the targets`;

class WrongUse extends Error {}

function wholeNumber(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new WrongUse(`--${option}: expected a whole number from 1 on, got ${text}`);
  return number;
}

/** The targets with one of these names, or with one of these parts of names. */
function choose(parts: readonly string[]): readonly TargetEntry[] {
  if (parts.length === 0) return targets;
  const chosen = new Set<TargetEntry>();
  for (const part of parts) {
    const exact = targets.filter(({ name }) => name === part);
    const found = exact.length > 0 ? exact : targets.filter(({ name }) => name.toLowerCase().includes(part.toLowerCase()));
    if (found.length === 0) throw new WrongUse(`expected a part of the name of a target, got ${part}`);
    for (const entry of found) chosen.add(entry);
  }
  return [...chosen];
}

async function repeatInput(chosen: readonly TargetEntry[], hex: string, branches: Branches): Promise<void> {
  if (chosen.length > 1) throw new WrongUse(`--repeat: expected the name of one target, got ${chosen.map(({ name }) => name).join(', ')}`);
  const target = await chosen[0]!.open();
  try {
    const guide = new Guide(branches, []);
    const taken = await runOnce(target, fromHex(hex), guide);
    await target.settle?.();
    console.log(`${target.name}: ${taken ? 'taken' : 'refused'}, ${guide.steps} branches`);
  } finally {
    await target.close?.();
  }
}

/** Milliseconds between two lines about one target. */
const patience = 10_000;

interface Round {
  readonly inputs: number;
  readonly seed: string;
  readonly seconds: number | undefined;
  readonly guided: boolean;
  readonly keep: boolean;
  readonly branches: Branches;
}

async function fuzzTarget(target: Target, { inputs, seed, seconds, guided, keep, branches }: Round): Promise<Counted> {
  const started = performance.now();
  const used = process.cpuUsage();
  const corpus = readCorpus(target.name);
  const whole: Target = { ...target, seeds: [...target.seeds, ...corpus] };
  const guide = new Guide(branches, whole.seeds, guided);
  for (const known of whole.seeds) await runOnce(target, known, guide);
  const before = guide.reached;
  let told = started;
  const enough = (done: number): boolean => {
    const now = performance.now();
    if (now - told > patience) {
      told = now;
      console.log(`  ${target.name}: ${done} of ${inputs} inputs, ${((now - started) / 1000).toFixed(0)} s`);
    }
    return seconds !== undefined && now - started > seconds * 1000;
  };
  const counted = await fuzz(whole, new SeededRandom(`${target.name} ${seed}`), inputs, { guide, enough });
  const refused = counted.inputs - counted.taken;
  const { user, system } = process.cpuUsage(used);
  const time = ((user + system) / 1e6).toFixed(1);
  const reached = `${guide.reached} branches (${guide.reached - before} new), at most ${guide.steps} steps`;
  console.log(`${target.name.padEnd(40)} ${counted.inputs} inputs, ${counted.taken} taken, ${refused} refused, ${time} s of processor, ${reached}`);
  if (keep) writeCorpus(target.name, await minimise(target, guide.pool.slice(target.seeds.length), branches));
  return counted;
}

async function run(args: string[], branches: Branches): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '1000000' },
      time: { type: 'string' },
      seed: { type: 'string', default: '1' },
      repeat: { type: 'string' },
      unguided: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || values.list) {
    console.log(values.help ? usage : targets.map(({ name }) => name).join('\n'));
    return;
  }
  const { seed, keep, unguided } = values;
  const runs = wholeNumber('runs', values.runs);
  const time = values.time === undefined ? undefined : wholeNumber('time', values.time);
  const chosen = choose(positionals);
  if (values.repeat !== undefined) return repeatInput(chosen, values.repeat, branches);
  // Most inputs are refused, and half the time would go into stacks that nobody sees.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  const sum = { inputs: 0, taken: 0 };
  for (const { open, share } of chosen) {
    const target = await open();
    try {
      const seconds = time === undefined ? undefined : time / chosen.length;
      const counted = await fuzzTarget(target, { inputs: Math.ceil((runs * share) / shares), seed, seconds, guided: !unguided, keep, branches });
      sum.inputs += counted.inputs;
      sum.taken += counted.taken;
    } catch (error) {
      Error.stackTraceLimit = stackTraceLimit;
      throw error instanceof Crash ? await shrinkCrash(target, error) : error;
    } finally {
      await target.close?.();
    }
  }
  console.log(`fuzz: ${sum.inputs} inputs for ${chosen.length} targets with seed ${seed}, ${sum.taken} taken, ${sum.inputs - sum.taken} refused, 0 faults`);
}

/** @returns the exit code */
export async function fuzzCommand(args: string[], branches: Branches): Promise<number> {
  try {
    await run(args, branches);
    return 0;
  } catch (error) {
    const wrongUse = error instanceof WrongUse || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    console.error(wrongUse ? `${(error as Error).message}\n\n${usage}` : error instanceof Crash ? error.message : error);
    return wrongUse ? 2 : 1;
  }
}
