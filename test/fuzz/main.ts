/** `npm run fuzz -- [--runs N] [--seed TEXT] [TARGET...]`: mutated inputs for every decoder and for an endpoint behind a socket, the same for the same seed. */
import { parseArgs } from 'node:util';
import { SeededRandom } from '../support/random.ts';
import { Crash, fuzz } from './target.ts';
import { targets } from './targets.ts';

const usage = `Usage: npm run fuzz -- [--runs N] [--seed TEXT] [TARGET...]

N inputs in all (1,000,000), divided among the targets. TARGET is a part of a name of:
  ${targets.map(({ name }) => name).join('\n  ')}`;

class WrongUse extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const runs = Number(values.runs);
  if (!Number.isSafeInteger(runs) || runs < 1) throw new WrongUse(`--runs: expected a whole number from 1 on, got ${values.runs}`);
  const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.some((part) => name.toLowerCase().includes(part.toLowerCase())));
  if (chosen.length === 0) throw new WrongUse(`expected a part of the name of a target, got ${positionals.join(', ')}`);
  const each = Math.ceil(runs / chosen.length);
  let inputs = 0;
  let taken = 0;
  for (const { name, open } of chosen) {
    const started = performance.now();
    const target = await open();
    try {
      const counted = await fuzz(target, new SeededRandom(`${name} ${values.seed}`), each);
      inputs += counted.inputs;
      taken += counted.taken;
      const seconds = (performance.now() - started) / 1000;
      console.log(`${name.padEnd(30)} ${counted.inputs} inputs, ${counted.taken} taken, ${counted.inputs - counted.taken} refused, ${seconds.toFixed(1)} s`);
    } finally {
      await target.close?.();
    }
  }
  console.log(`fuzz: ${inputs} inputs for ${chosen.length} targets with seed ${values.seed}, ${taken} taken, ${inputs - taken} refused, 0 faults`);
}

try {
  await main();
} catch (error) {
  const wrongUse = error instanceof WrongUse || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(wrongUse ? `${(error as Error).message}\n\n${usage}` : error instanceof Crash ? error.message : error);
  process.exitCode = wrongUse ? 2 : 1;
}
