/** `npm run -s bench -- [--json] [NAME...]`: throughput, sizes and time of the core, each beside its peer or limit in one run. */
import { parseArgs } from 'node:util';
import { benches } from './benches.ts';
import type { Row } from './row.ts';
import { Progress, printTable } from './table.ts';

const usage = `Usage: npm run -s bench -- [--json] [NAME...]

NAME is a row, or the beginning of one followed by *: ${benches.map((bench) => bench.name).join(', ')}`;

function chosen(names: readonly string[]): readonly (typeof benches)[number][] {
  const matches = (name: string, wanted: string): boolean => (wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted);
  for (const wanted of names) {
    if (!benches.some(({ name }) => matches(name, wanted))) throw new RangeError(`expected the name of a row, got "${wanted}"`);
  }
  return names.length === 0 ? benches : benches.filter(({ name }) => names.some((wanted) => matches(name, wanted)));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });
  if (values.help) {
    console.log(usage);
    return;
  }
  const selection = chosen(positionals);
  const progress = new Progress(values.json !== true);
  const rows: Row[] = [];
  for (const bench of selection) {
    for (const row of await bench.run((text) => progress.show(text))) {
      rows.push(row);
      if (values.json) console.log(JSON.stringify(row));
    }
  }
  progress.end();
  if (!values.json) printTable(rows);
}

try {
  await main();
} catch (error) {
  const wrongUse = error instanceof RangeError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(wrongUse ? `${(error as Error).message}\n\n${usage}` : error);
  process.exitCode = wrongUse ? 2 : 1;
}
