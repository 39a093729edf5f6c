import { toHex } from '../core/bytes.ts';
import { printable, printableLines } from '../core/printable.ts';
import type { CaseResult, Outcome } from './run.ts';
import { levelOf, type Summary, summaryOf } from './summary.ts';
import type { Exchanged } from './transcript.ts';

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

/** The report for a person: what was counted by standard, each failure with its datagrams, and what was left out, and why. */
export function renderReport(results: readonly CaseResult[]): string {
  const standards = [...new Set(results.map(({ case: { standard } }) => standard))];
  const width = Math.max(...standards.map((standard) => standard.length), 0);
  const counted = standards.map((standard) => {
    const own = results.filter(({ case: one }) => one.standard === standard);
    return `${standard.padEnd(width)}  ${describeSummary(summaryOf(own))}`;
  });
  const failures = results.filter(({ outcome }) => outcome === 'fail' || outcome === 'checker fault').map(renderFailure);
  const left = (['not applicable', 'not run'] as const).map((outcome) => renderLeft(results, outcome)).filter((text) => text !== '');
  return [...failures, ...left, counted.join('\n'), describeSummary(summaryOf(results))].filter((text) => text !== '').join('\n\n');
}

function renderFailure(result: CaseResult): string {
  const { case: one, outcome, wanted, came, reason, died = false, exchanged } = result;
  const head = `${outcome === 'fail' ? `FAIL ${levelOf(result)}` : 'CHECKER FAULT'}  ${one.id}  ${one.standard}, Section ${one.section}`;
  // What the target has sent stands in it.
  const verdict = outcome === 'fail' ? [`  expected ${printable(wanted ?? '')}`, `  got ${printable(came ?? '')}`] : [`  ${printableLines(reason ?? '')}`];
  return [head, `  ${one.title}.`, ...verdict, ...(died ? ['  The target was no longer heard after this case.'] : []), ...exchanged.map(renderExchanged)].join(
    '\n',
  );
}

/** Bytes of a datagram that are shown to a person; JSON has them all. */
const shown = 96;

function renderExchanged({ direction, transport, at, bytes }: Exchanged): string {
  const rest = bytes.length > shown ? `... (${bytes.length} bytes)` : '';
  return `  ${direction === 'out' ? '-->' : '<--'} ${transport} ${String(at).padStart(5)} ms  ${toHex(bytes.subarray(0, shown))}${rest}`;
}

/** Cases that were left out for one reason stand on one line. */
function renderLeft(results: readonly CaseResult[], outcome: 'not applicable' | 'not run'): string {
  const reasons = new Map<string, string[]>();
  for (const { case: one, outcome: own, reason = '' } of results) if (own === outcome) reasons.set(reason, [...(reasons.get(reason) ?? []), one.id]);
  return [...reasons].map(([reason, ids]) => `${outcome}: ${printable(reason)}\n  ${shortList(ids)}`).join('\n');
}

/** Cases that are named of those with one reason. */
const named = 8;

function shortList(ids: readonly string[]): string {
  const rest = ids.length - named;
  return [...ids.slice(0, named), ...(rest > 0 ? [`and ${rest} more`] : [])].join(' ');
}

function describeSummary({ cases, outcomes, failed }: Summary): string {
  const failures = (['MUST', 'SHOULD', 'MAY'] as const).filter((level) => failed[level] > 0).map((level) => `${failed[level]} ${level} failed`);
  const others = (['not applicable', 'not run', 'checker fault'] as const)
    .filter((outcome: Outcome) => outcomes[outcome] > 0)
    .map((outcome) => `${outcomes[outcome]} ${outcome}`);
  return `${plural(cases, 'case')}: ${[`${outcomes.pass} pass`, ...failures, ...others].join(', ')}`;
}

/** The report as data for JSON; bytes are hexadecimal. */
export function reportData(target: string, results: readonly CaseResult[]): unknown {
  return {
    target,
    summary: summaryOf(results),
    cases: results.map(({ case: { id, title, standard, section, level }, exchanged, ...rest }) => ({
      id,
      title,
      standard,
      section,
      level,
      ...rest,
      datagrams: exchanged.map(({ bytes, ...entry }) => ({ ...entry, bytes: toHex(bytes) })),
    })),
  };
}

const entities: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };

/** Text for XML; what XML cannot hold at all falls out. */
function escaped(text: string): string {
  return text.replace(/[^\t\n\r -\ud7ff\ue000-\ufffd]/g, '').replace(/[<>&"]/g, (character) => entities[character]!);
}

/** The report as JUnit XML: a suite for each standard. A failure of a SHOULD is one only when the check is strict; otherwise it counts as skipped. */
export function renderJUnit(results: readonly CaseResult[], options: { readonly strict?: boolean } = {}): string {
  const { strict = false } = options;
  const standards = [...new Set(results.map(({ case: { standard } }) => standard))];
  const suites = standards.map((standard) => {
    const own = results.filter(({ case: one }) => one.standard === standard);
    const marks = own.map((result) => markOf(result, strict));
    const count = (kind: string): number => marks.filter((mark) => mark.kind === kind).length;
    const cases = own.map(({ case: { id, title, section, level }, duration }, index) => {
      const name = escaped(`${id}: ${title} (${level}, Section ${section})`);
      return `    <testcase classname="${escaped(standard)}" name="${name}" time="${(duration / 1000).toFixed(3)}">${marks[index]!.xml}</testcase>`;
    });
    return `  <testsuite name="${escaped(standard)}" tests="${own.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}">\n${cases.join('\n')}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="ace-coap conformance">\n${suites.join('\n')}\n</testsuites>\n`;
}

function markOf(result: CaseResult, strict: boolean): { readonly kind: 'pass' | 'failure' | 'error' | 'skipped'; readonly xml: string } {
  const { outcome, wanted = '', came = '', reason = '', exchanged } = result;
  const accusation = `expected ${wanted}, got ${came}`;
  if (outcome === 'pass') return { kind: 'pass', xml: '' };
  if (outcome === 'checker fault') return { kind: 'error', xml: `<error message="${escaped(reason)}"/>` };
  if (outcome !== 'fail') return { kind: 'skipped', xml: `<skipped message="${escaped(`${outcome}: ${reason}`)}"/>` };
  if (!strict && levelOf(result) !== 'MUST') return { kind: 'skipped', xml: `<skipped message="${escaped(`${levelOf(result)}: ${accusation}`)}"/>` };
  return { kind: 'failure', xml: `<failure message="${escaped(accusation)}">${escaped(exchanged.map(renderExchanged).join('\n'))}</failure>` };
}
