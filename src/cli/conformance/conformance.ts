import { parseUri } from '../../coap/index.ts';
import {
  type CaseResult,
  type ConformanceCase,
  conformanceCases,
  counts,
  type Patience,
  renderJUnit,
  renderReport,
  reportData,
  runCases,
  type Target,
} from '../../conformance/index.ts';
import { printable, printableJson } from '../../core/printable.ts';
import { ExitCode, UsageError } from '../exit.ts';
import { checkOutput, writeOutput } from '../output-file.ts';
import { addressFor } from '../socket.ts';
import { out, spin, table } from '../terminal.ts';
import type { ConformanceFlags } from './flags.ts';
import { targetOf } from './target.ts';

/** `ace-coap conformance` */
export async function conformanceCommand(uris: readonly string[], flags: ConformanceFlags): Promise<void> {
  const { list = false, json = false, junit, only, strict = false } = flags;
  const cases = selected(only?.filter((word) => !isUri(word)));
  if (list) {
    printList(cases, json);
    return;
  }
  checkOutput(junit, '--junit');
  const target = await targetOf([...uris, ...(only ?? []).filter(isUri)], flags);
  const places = placesOf(target);
  const source = addressFor(places.map((uri) => parseUri(uri).host));
  const results = await run(target, cases, { patience: patienceOf(flags), source }, json);
  console.log(json ? printableJson(reportData(places.join(' '), results)) : renderReport(results));
  if (junit !== undefined) writeOutput(junit, renderJUnit(results, { strict }), { flag: '--junit' });
  const bad = results.some((result) => counts(result, strict) || result.outcome === 'checker fault');
  process.exitCode = bad ? ExitCode.refused : ExitCode.success;
}

/** `--only` takes all words behind it, and that may be the target. */
const isUri = (word: string): boolean => word.includes('://');

async function run(
  target: Target,
  cases: readonly ConformanceCase[],
  options: { readonly patience: Partial<Patience>; readonly source: string },
  json: boolean,
): Promise<CaseResult[]> {
  const spinner = spin('asking whether the target answers');
  const results: CaseResult[] = [];
  try {
    for await (const result of runCases(target, cases, options)) {
      results.push(result);
      spinner.note(`${results.length} of ${cases.length}: ${result.case.id}`);
      if (!json && process.stderr.isTTY !== true && result.outcome === 'fail')
        console.error(`${out('red', 'FAIL')} ${result.case.id}: ${printable(`expected ${result.wanted}, got ${result.came}`)}`);
    }
  } finally {
    spinner.end();
  }
  return results;
}

function selected(only: readonly string[] | undefined): readonly ConformanceCase[] {
  if (only === undefined) return conformanceCases;
  const patterns = only.map((pattern) => new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`));
  const cases = conformanceCases.filter(({ id }) => patterns.some((pattern) => pattern.test(id)));
  if (cases.length === 0) throw new UsageError(`--only: expected a pattern that some case matches, got ${only.join(' ')}; --list shows them`);
  return cases;
}

function printList(cases: readonly ConformanceCase[], json: boolean): void {
  if (json) {
    console.log(JSON.stringify(cases.map(({ run: _, ...rest }) => rest)));
    return;
  }
  console.log(
    table(
      ['case', 'level', 'section', 'the target conforms if'],
      cases.map(({ id, level, standard, section, title }) => [id, level, `${standard}, ${section}`, title]),
    ),
  );
}

function placesOf({ coap, coaps, tcp, as }: Target): readonly string[] {
  const places = [coap, coaps, tcp, as?.token].filter((uri) => uri !== undefined);
  if (places.length === 0) throw new UsageError('expected a URI, --target or --config, got none: nothing is known of what is to be checked');
  return places;
}

function patienceOf({ timeout, silence, pace }: ConformanceFlags): Partial<Patience> {
  const given = { answer: timeout, silence, pace };
  return Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value * 1000]])));
}
