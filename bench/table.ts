import { alignedTable } from '../test/support/aligned-table.ts';
import { outcome } from './report.ts';
import { number, type Row } from './row.ts';

/** One line on a terminal's standard error that says what is being measured; nothing elsewhere. */
export class Progress {
  readonly #on: boolean;

  constructor(wanted: boolean) {
    this.#on = wanted && process.stderr.isTTY === true;
  }

  show(text: string): void {
    if (this.#on) process.stderr.write(`\r\x1b[K${text}`);
  }

  end(): void {
    this.show('');
  }
}

const heads = ['bench', 'value', 'from', 'to', 'unit', 'peer', 'of it', 'ratio', 'goal', 'our CPU', 'wire', 'memory'] as const;
const numbers = new Set([1, 2, 3, 6, 7, 9, 10, 11]);

export function printTable(rows: readonly Row[]): void {
  const cells = rows.map((row) => [
    row.bench,
    row.value === null ? '-' : number(row.value),
    ...(row.spread?.map(number) ?? ['', '']),
    row.unit,
    row.peer,
    row.peer_value === null ? '-' : number(row.peer_value),
    row.ratio === null ? '-' : row.ratio.toFixed(2),
    outcome(row) ?? '',
    row.server_cpu_us === null ? '' : `${number(row.server_cpu_us)} us`,
    row.wire_bytes === undefined ? '' : `${number(row.wire_bytes)} B`,
    row.memory_bytes === undefined ? '' : `${number(row.memory_bytes / 2 ** 20)} MiB`,
  ]);
  console.log(alignedTable(heads, cells, numbers));
  for (const { bench, unit, note } of rows) if (note !== undefined) console.log(`\n${bench}, ${unit}: ${note}`);
  console.log(
    '\nA ratio above 1 means that ours is better: of servers and libraries, CPU time for each request or operation, theirs by ours; of sizes and of times that have a limit, the limit by the value.',
  );
}
