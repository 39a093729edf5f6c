import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { root } from '../../support/fixtures.ts';
import { scale } from '../../support/scale.ts';
import type { Verdict } from './report/report.ts';
import { isBinding, requirements } from './report/requirements.ts';
import { type Saboteur, saboteurs } from './saboteurs.ts';

const dist = join(root, 'dist');
const main = join(dist, 'test/profiles/seal/report/main.js');
const sabotage = pathToFileURL(join(dist, 'test/profiles/seal/report/sabotage.js')).href;

/** Processes at once. */
const pool = 2;

/** The report of a process in which a saboteur is at work. */
function reportUnder({ file, replace }: Saboteur, rows: readonly string[]): Promise<readonly Verdict[]> {
  const SABOTEUR = JSON.stringify({ url: pathToFileURL(join(dist, file)).href, replace });
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, SABOTEUR }, timeout: 120_000, maxBuffer: 1e7 };
    const args = ['--import', sabotage, main, '--json', ...rows.flatMap((id) => ['--row', id])];
    execFile(process.execPath, args, options, (error, out, err) => {
      const lines = out.split('\n').filter((line) => line.startsWith('{'));
      if (lines.length === rows.length) resolve(lines.map((line) => JSON.parse(line) as Verdict));
      else reject(new Error(`expected ${rows.length} rows under ${file}, got ${lines.length}: ${err}`, { cause: error }));
    });
  });
}

/** These rows, and those that refer to them. */
function withReferrers(rows: readonly string[]): string[] {
  const all = new Set(rows);
  for (let before = -1; before !== all.size; ) {
    before = all.size;
    for (const { id, by = [] } of requirements) if (by.some((other) => all.has(other))) all.add(id);
  }
  return [...all].sort();
}

test('each row that binds has a saboteur', () => {
  const broken = new Set(saboteurs.map(({ row }) => row));
  const safe = requirements.filter((row) => isBinding(row) && !broken.has(row.id) && !(row.by ?? []).some((id) => broken.has(id)));
  assert.deepEqual(
    safe.map(({ id }) => id),
    [],
  );
});

test('what a saboteur replaces stands in its file once', () => {
  for (const { row, file, replace } of saboteurs) {
    const parts = readFileSync(join(dist, file), 'utf8').split(replace[0]);
    assert.equal(parts.length, 2, `${row}: expected ${JSON.stringify(replace[0])} once in ${file}, got it ${parts.length - 1} times`);
  }
});

const quick = scale === 'quick';
/** In `npm test` a tenth of them, and of the rows that are not to fail a fifth. */
const chosen = saboteurs.filter((_, index) => !quick || index % 10 === 0);

test(`${chosen.length} of ${saboteurs.length} saboteurs: each breaks its rows and no others`, { concurrency: pool }, async (t) => {
  const work = chosen.map((saboteur, number) =>
    t.test(`${saboteur.row}: ${saboteur.file}`, async () => {
      const broken = [saboteur.row, ...(saboteur.alsoFails ?? [])];
      const looked = requirements.filter(({ id, by }, index) => !quick || broken.includes(id) || (by === undefined && index % 5 === number % 5));
      const rows = looked.map(({ id }) => id);
      const failed = (await reportUnder(saboteur, rows)).filter(({ status }) => status === 'fail');
      const expected = withReferrers(broken).filter((id) => rows.includes(id));
      const said = failed.map(({ id, how }) => `${id}: ${how}`).join('\n');
      assert.deepEqual(
        failed.map(({ id }) => id),
        expected,
        `expected ${expected.join(', ')} to fail, got\n${said}`,
      );
    }),
  );
  await Promise.all(work);
});
