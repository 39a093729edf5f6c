import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cryptoInUse } from '../../src/core/crypto/index.ts';
import { root } from './fixtures.ts';

/** How heavy the heavy tests are: `quick` in `npm test`, `full` (the numbers that the issues name) in `npm run soak`. */
export type Scale = 'quick' | 'full';

export const scale: Scale = process.env['ACE_SCALE'] === 'full' ? 'full' : 'quick';

export type Counts = Readonly<Record<Scale, number>>;

const thinned = new Set<string>();

/**
 * Which share of a costly list of cases runs in `npm test`: one in `portable` of them with the portable crypto provider, whose curves take 10 to 50 times as long, one in
 * `usual` with the other; at full scale all of them. What is left out is printed.
 */
export function oneIn(portable: number, cases: string, usual = 1): number {
  if (scale === 'full') return 1;
  const isPortable = cryptoInUse() === 'portable';
  const share = isPortable ? portable : usual;
  if (share > 1 && !thinned.has(cases)) console.log(`${isPortable ? 'portable crypto' : 'quick'}: one in ${share} of ${cases}`);
  thinned.add(cases);
  return share;
}

interface Progress {
  done: number;
  totals: Record<string, number>;
}

const folder = join(root, 'node_modules', '.cache', 'ace-coap', 'soak');

function load(file: string): Progress {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Progress;
  } catch {
    return { done: 0, totals: {} };
  }
}

/** Milliseconds. */
const saveInterval = 1000;

/** A soak may be ended at any moment, and what it has done so far is not to be lost. */
function save(file: string, progress: Progress): void {
  writeFileSync(`${file}.new`, JSON.stringify(progress));
  renameSync(`${file}.new`, file);
}

/**
 * Run `round` for the fixed seeds 1 to the count of this scale and return the sums of the numbers that the rounds return.
 *
 * At full scale the progress is written once a second, so that an interrupted soak goes on where it stopped, and the totals are printed.
 */
export async function repeat(
  name: string,
  counts: Counts,
  round: (seed: number) => Promise<Readonly<Record<string, number>>> | Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>>> {
  const file = join(folder, `${name}${cryptoInUse() === 'portable' ? '-portable' : ''}.json`);
  const rounds = counts[scale];
  const progress = scale === 'full' ? load(file) : { done: 0, totals: {} };
  if (scale === 'full') mkdirSync(folder, { recursive: true });
  let saved = performance.now();
  for (let seed = progress.done + 1; seed <= rounds; seed++) {
    for (const [key, value] of Object.entries(await round(seed))) progress.totals[key] = (progress.totals[key] ?? 0) + value;
    progress.done = seed;
    // Rounds of a part of a millisecond would take longer to write down than to run.
    if (scale !== 'full' || performance.now() - saved < saveInterval) continue;
    save(file, progress);
    saved = performance.now();
  }
  if (scale === 'full') {
    rmSync(file, { force: true });
    console.log(`soak ${name}: ${rounds} rounds ${JSON.stringify(progress.totals)}`);
  }
  return progress.totals;
}
