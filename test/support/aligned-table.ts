/** A table in columns for a terminal. @param numbers - the columns that stand at the right */
export function alignedTable(heads: readonly string[], rows: readonly (readonly string[])[], numbers: ReadonlySet<number> = new Set()): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (numbers.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(heads), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
