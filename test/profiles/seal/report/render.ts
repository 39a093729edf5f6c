import type { Verdict } from './report.ts';
import { type Requirement, requirements } from './requirements.ts';

/** For programs: an object a line. */
export function asJson(verdicts: readonly Verdict[]): string {
  return verdicts.map((verdict) => JSON.stringify(verdict)).join('\n');
}

/** For people at a terminal. */
export function asTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ id, status, how }) => {
    const { clause, classes, text } = rowOf(id);
    return `${id}  ${status.padEnd(12)}  ${classes.join('/').padEnd(9)}  ${clause.padEnd(16)}  ${text}\n${' '.repeat(21)}${how}`;
  });
  return [...rows, '', summary(verdicts)].join('\n');
}

/** For the README: a table for each class, a row in the first of its classes. */
export function asMarkdown(verdicts: readonly Verdict[]): string {
  const byClass = new Map<string, string[]>();
  for (const { id, status, how } of verdicts) {
    const { document, clause, strength, classes, text } = rowOf(id);
    const lines = byClass.get(classes[0]!) ?? [];
    byClass.set(classes[0]!, lines);
    lines.push(`| ${id} | ${document}, ${clause} | ${text} | ${strength} | ${status === 'pass' ? status : `${status}: ${how}`} |`);
  }
  const tables = [...byClass].map(([name, lines]) =>
    [`### ${name}`, '', '| row | clause | what | strength | status |', '|---|---|---|---|---|', ...lines].join('\n'),
  );
  return [...tables, summary(verdicts)].join('\n\n');
}

function rowOf(id: string): Requirement {
  return requirements.find((row) => row.id === id)!;
}

function summary(verdicts: readonly Verdict[]): string {
  const count = (status: Verdict['status']): number => verdicts.filter((verdict) => verdict.status === status).length;
  return `${verdicts.length} rows: ${count('pass')} pass, ${count('fail')} fail, ${count('not-provided')} not provided`;
}
