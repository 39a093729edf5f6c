import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { root } from '../../support/fixtures.ts';
import { repeat, scale } from '../../support/scale.ts';
import { reportUnder } from './report/report-under.ts';
import { isBinding, requirements } from './report/requirements.ts';
import type { Saboteur } from './saboteur.ts';
import { saboteurs } from './saboteurs.ts';

/** Processes at once. */
const pool = 2;
const quick = scale === 'quick';

const brokenBy = ({ row, alsoFails = [] }: Saboteur): readonly string[] => [row, ...alsoFails];

/** These rows, and those that refer to them. */
function withReferrers(rows: readonly string[]): Set<string> {
  const all = new Set(rows);
  for (let before = -1; before !== all.size; ) {
    before = all.size;
    for (const { id, by = [] } of requirements) if (by.some((other) => all.has(other))) all.add(id);
  }
  return all;
}

test('each row that binds has a saboteur', () => {
  const broken = withReferrers(saboteurs.flatMap(brokenBy));
  const safe = requirements.filter((row) => isBinding(row) && !broken.has(row.id));
  assert.deepEqual(
    safe.map(({ id }) => id),
    [],
  );
});

test('what a saboteur replaces stands in its file once', () => {
  for (const { row, file, replace } of saboteurs) {
    const times = readFileSync(join(root, 'dist', file), 'utf8').split(replace[0]).length - 1;
    assert.equal(times, 1, `${row}: expected ${JSON.stringify(replace[0])} once in ${file}, got it ${times} times`);
  }
});

/** In `npm test` a twentieth of them. */
const chosen = saboteurs.filter((_, index) => !quick || index % 20 === 0);

/** Rows that are looked at: those that are to fail, and in `npm test` a tenth of the others that have a check of their own. */
function lookedAt(saboteur: Saboteur, number: number): string[] {
  const broken = brokenBy(saboteur);
  return requirements.flatMap(({ id, by }, index) => (!quick || broken.includes(id) || (by === undefined && index % 10 === number % 10) ? [id] : []));
}

/** Rows that were looked at and that failed, and whether these are not those that were to. */
interface Outcome {
  readonly rows: number;
  readonly broken: number;
  readonly wrong: number;
}

async function outcomeOf(saboteur: Saboteur, number: number): Promise<Outcome & { readonly said: string }> {
  const rows = lookedAt(saboteur, number);
  const failed = (await reportUnder(saboteur, rows)).filter(({ status }) => status === 'fail');
  const meant = withReferrers(brokenBy(saboteur));
  const expected = rows.filter((id) => meant.has(id));
  const wrong = isDeepStrictEqual(
    failed.map(({ id }) => id),
    expected,
  )
    ? 0
    : 1;
  const said = `expected ${expected.join(', ')} to fail, got\n${failed.map(({ id, how }) => `${id}: ${how}`).join('\n')}`;
  return { rows: rows.length, broken: failed.length, wrong, said };
}

test(`${chosen.length} of ${saboteurs.length} saboteurs: each breaks its rows and no others`, { concurrency: pool }, async (t) => {
  const sabotage = async (saboteur: Saboteur, number: number): Promise<Outcome> => {
    let outcome: Outcome = { rows: 0, broken: 0, wrong: 1 };
    await t.test(`${saboteur.row}: ${saboteur.file}`, async () => {
      const { said, ...found } = await outcomeOf(saboteur, number);
      outcome = found;
      assert.equal(found.wrong, 0, said);
    });
    return outcome;
  };
  const rounds = Math.ceil(chosen.length / pool);
  const { wrong } = await repeat('seal-saboteurs', { quick: rounds, full: rounds }, async (round) => {
    const first = (round - 1) * pool;
    const outcomes = await Promise.all(chosen.slice(first, first + pool).map((saboteur, index) => sabotage(saboteur, first + index)));
    const sum = (name: keyof Outcome): number => outcomes.reduce((total, outcome) => total + outcome[name], 0);
    return { rows: sum('rows'), broken: sum('broken'), wrong: sum('wrong') };
  });
  // Those before an interruption count as well.
  assert.equal(wrong, 0);
});
