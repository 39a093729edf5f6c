/** `npm run -s bench -- [OPTIONS] [NAME...]`: throughput, sizes and time, each beside its peers and limits in one run. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeBlock } from '../test/support/readme-block.ts';
import { benches } from './benches.ts';
import { charts } from './charts.ts';
import { conditions, describe } from './machine.ts';
import { markdown, type Report, readReport, writeReport } from './report.ts';
import { type Row, rounded } from './row.ts';
import type { Run } from './run.ts';
import { Progress, printTable } from './table.ts';

const usage = `Usage: npm run -s bench -- [OPTIONS] [NAME...]

  --rounds N      rounds of each row, three times as many where they are short; the median counts (5)
  --quick         short rounds: to see that each row works
  --json          one JSON object a line, as rows are measured
  --out FILE      write all rows and the machine as JSON
  --from FILE     measure nothing: take the rows that --out wrote
  --markdown      print the tables of README.md
  --readme FILE   put them between the lines <!-- bench --> and <!-- /bench --> of FILE
  --svg FOLDER    draw the charts of README.md

All of it: npm run -s bench -- --out fixtures/bench.json --svg fixtures/charts --readme README.md

NAME is a row, or the beginning of one followed by *: ${benches.map((bench) => bench.name).join(', ')}`;

function chosen(names: readonly string[]): readonly (typeof benches)[number][] {
  const matches = (name: string, wanted: string): boolean => (wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted);
  for (const wanted of names) {
    if (!benches.some(({ name }) => matches(name, wanted))) throw new RangeError(`expected the name of a row, got "${wanted}"`);
  }
  return names.length === 0 ? benches : benches.filter(({ name }) => names.some((wanted) => matches(name, wanted)));
}

function roundsOf(text: string | undefined, quick: boolean): number {
  if (text === undefined) return quick ? 3 : 5;
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`--rounds: expected a number from 1 on, got "${text}"`);
  return rounds;
}

/** A row that fails is told of, and the others go on. */
async function measureAll(selection: readonly (typeof benches)[number][], run: Run, measured: (row: Row) => void): Promise<Report> {
  const before = conditions(run);
  const rows: Row[] = [];
  const seconds: Record<string, number> = {};
  for (const bench of selection) {
    const started = performance.now();
    try {
      for (const row of await bench.run(run)) {
        rows.push(row);
        measured(row);
      }
    } catch (error) {
      run.progress('');
      console.error(`${bench.name}: ${(error as Error).message}`);
      process.exitCode = 1;
    }
    seconds[bench.name] = rounded((performance.now() - started) / 1000, 1);
  }
  return { ...before, seconds, rows };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
      from: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      readme: { type: 'string' },
      svg: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const selection = chosen(positionals);
  const progress = new Progress(!values.json);
  const run: Run = { rounds: roundsOf(values.rounds, values.quick), quick: values.quick, progress: (text) => progress.show(text) };
  const print = (row: Row): void => {
    if (values.json) console.log(JSON.stringify(row));
  };
  const report = values.from === undefined ? await measureAll(selection, run, print) : readReport(values.from);
  progress.end();
  if (values.out !== undefined) writeFileSync(values.out, writeReport(report));
  if (values.svg !== undefined) {
    mkdirSync(values.svg, { recursive: true });
    for (const { file, svg } of charts(report.rows)) writeFileSync(join(values.svg, file), svg);
  }
  if (values.readme !== undefined) writeFileSync(values.readme, writeBlock(readFileSync(values.readme, 'utf8'), 'bench', markdown(report)));
  if (values.markdown) console.log(markdown(report));
  else if (!values.json) {
    console.log(`${describe(report)}\n`);
    printTable(report.rows);
  }
}

try {
  await main();
} catch (error) {
  const wrongUse = error instanceof RangeError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(wrongUse ? `${(error as Error).message}\n\n${usage}` : error);
  process.exitCode = wrongUse ? 2 : 1;
}
