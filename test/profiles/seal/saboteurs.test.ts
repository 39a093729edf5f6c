import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../support/fixtures.ts';
import { scale } from '../../support/scale.ts';
import { MutatedBuild } from './report/mutated-build.ts';
import { isBinding, requirements } from './report/requirements.ts';
import { type Saboteur, saboteurs } from './saboteurs.ts';

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

/** Rows that oidc-provider holds by itself: nothing of ours can be taken out so that they break. */
const heldByLibrary: readonly string[] = ['R-110', 'R-112', 'R-116'];

test('each row that binds has a saboteur, but for those that a library holds', () => {
  const broken = withReferrers(saboteurs.flatMap(brokenBy));
  const safe = requirements.filter((row) => isBinding(row) && !broken.has(row.id));
  assert.deepEqual(
    safe.map(({ id }) => id),
    heldByLibrary,
  );
});

test('what a saboteur replaces stands in its file once', () => {
  for (const { row, file, replace } of saboteurs) {
    const times = readFileSync(join(root, 'dist', file), 'utf8').split(replace[0]).length - 1;
    assert.equal(times, 1, `${row}: expected ${JSON.stringify(replace[0])} once in ${file}, got it ${times} times`);
  }
});

/** In `npm test` a tenth of them. */
const chosen = saboteurs.filter((_, index) => !quick || index % 10 === 0);

/** Rows that are looked at: those that are to fail, and in `npm test` a tenth of the others that have a check of their own. */
function lookedAt(saboteur: Saboteur, number: number): string[] {
  const broken = brokenBy(saboteur);
  return requirements.flatMap(({ id, by }, index) => (!quick || broken.includes(id) || (by === undefined && index % 10 === number % 10) ? [id] : []));
}

test(`${chosen.length} of ${saboteurs.length} saboteurs: each breaks its rows and no others`, { concurrency: pool }, async (t) => {
  const waiting = [...chosen.entries()];
  let broken = 0;
  const check = async (build: MutatedBuild, saboteur: Saboteur, number: number): Promise<void> => {
    const rows = lookedAt(saboteur, number);
    const failed = (await build.report(saboteur, rows)).filter(({ status }) => status === 'fail');
    const meant = withReferrers(brokenBy(saboteur));
    const expected = rows.filter((id) => meant.has(id));
    broken += failed.length;
    const said = failed.map(({ id, how }) => `${id}: ${how}`).join('\n');
    assert.deepEqual(
      failed.map(({ id }) => id),
      expected,
      `expected ${expected.join(', ')} to fail, got\n${said}`,
    );
  };
  const work = async (): Promise<void> => {
    const build = new MutatedBuild();
    t.after(() => build.close());
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [number, saboteur] = next;
      await t.test(`${saboteur.row}: ${saboteur.file}`, () => check(build, saboteur, number));
    }
  };
  await Promise.all(Array.from({ length: pool }, work));
  if (!quick) console.log(`soak seal-saboteurs: ${chosen.length} rounds ${JSON.stringify({ rows: chosen.length * requirements.length, broken })}`);
});
