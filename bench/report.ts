import { readFileSync } from 'node:fs';
import { entryOf, goalOf } from './catalogue.ts';
import { charts } from './charts.ts';
import { type Conditions, describe } from './machine.ts';
import { number, type Row, type Spread } from './row.ts';

/** What `--out` writes and `--from` reads. */
export interface Report extends Conditions {
  /** That each bench took. */
  readonly seconds: Readonly<Record<string, number>>;
  readonly rows: readonly Row[];
}

/** @throws {RangeError} it is no report */
export function readReport(file: string): Report {
  const text = readFileSync(file, 'utf8');
  try {
    const report = JSON.parse(text) as Report;
    if (!Array.isArray(report.rows)) throw new RangeError('expected rows');
    for (const { bench } of report.rows) entryOf(bench);
    return report;
  } catch (error) {
    throw new RangeError(`${file}: expected a report of this bench: ${(error as Error).message}`);
  }
}

/** One row a line, so that a difference of two reports can be read. */
export function writeReport({ rows, ...conditions }: Report): string {
  const head = JSON.stringify(conditions, null, 2).replace(/\n}$/, ',\n  "rows": [\n');
  return `${head}${rows.map((row) => `    ${JSON.stringify(row)}`).join(',\n')}\n  ]\n}\n`;
}

function spread(range: Spread | null): string {
  return range === null ? '' : `, ${number(range[0])} to ${number(range[1])}`;
}

/** `met`, `missed`, or nothing where there is no goal or nothing to hold against it. */
export function outcome({ bench, peer, unit, ratio }: Row): 'met' | 'missed' | undefined {
  const goal = goalOf(bench, peer, unit);
  return goal === undefined || ratio === null ? undefined : ratio >= goal ? 'met' : 'missed';
}

function ours({ value, unit, spread: range, server_cpu_us: cpu, wire_bytes: wire, memory_bytes: memory }: Row): string {
  if (value === null) return '-';
  const more = [
    ...(cpu === null || unit === 'ms' ? [] : [`${number(cpu)} µs CPU`]),
    ...(wire === undefined ? [] : [`${number(wire)} bytes on the wire`]),
    ...(memory === undefined ? [] : [`${number(memory / 2 ** 20)} MiB resident`]),
  ];
  return [`${number(value)} ${unit}${spread(range)}`, ...more].join('; ');
}

function theirs(row: Row): string {
  const { unit, peer, peer_value: value, peer_spread: range, ratio, note } = row;
  if (peer === 'none') return '-';
  if (value === null) return `${peer}: not here`;
  if (peer === 'limit') return `limit ${number(value)}: ${outcome(row)}`;
  if (peer === 'floor') return `floor ${number(value)}`;
  const goal = goalOf(row.bench, peer, unit);
  const judged = goal === undefined ? '' : `, our goal is ${goal}: ${outcome(row)}`;
  return `${ratio!.toFixed(2)} of ${peer}${judged} (${number(value)} ${unit}${spread(range)})${note === undefined ? '' : `; ${note}`}`;
}

/** Rows of one bench and unit stand together: ours is measured once for all its peers. */
function together(rows: readonly Row[]): readonly (readonly Row[])[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.bench} ${row.unit}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

const isWire = ({ bench }: Row): boolean => bench.startsWith('wire-');

function wireTable(rows: readonly Row[]): readonly string[] {
  const lines = together(rows).map((group) => {
    const beside = (peer: string): string => {
      const value = group.find((row) => row.peer === peer)?.peer_value;
      return value === null || value === undefined ? '' : number(value);
    };
    return `| \`${group[0]!.bench}\`: ${entryOf(group[0]!.bench).what} | ${number(group[0]!.value!)} | ${beside('limit')} | ${beside('floor')} |`;
  });
  return lines.length === 0 ? [] : ['| bytes of the payload | ours | limit we set | floor |', '|---|---:|---:|---:|', ...lines];
}

/** Of README.md: the charts, which lie where `fixtures/charts` is, and the tables. */
export function markdown(report: Report): string {
  const lines = together(report.rows.filter((row) => !isWire(row))).map((group) => {
    const { bench, unit } = group[0]!;
    const of = unit === 'bytes' && bench.includes('handshake') ? ', its bytes' : '';
    return `| \`${bench}\`: ${entryOf(bench).what}${of} | ${ours(group[0]!)} | ${group.map(theirs).join('<br>')} |`;
  });
  const wire = wireTable(report.rows.filter(isWire));
  return [
    describe(report),
    '',
    ...charts(report.rows).map(({ file, title }) => `![${title}](fixtures/charts/${file})`),
    '',
    'A ratio above 1 means that ours is better: CPU time for each request or operation, theirs by ours, the median of its rounds. Behind a figure stand the smallest and the largest of its rounds; in parentheses what the peer reached.',
    '',
    '| what | ours | beside |',
    '|---|---|---|',
    ...lines,
    ...(wire.length === 0 ? [] : ['', ...wire]),
  ].join('\n');
}
