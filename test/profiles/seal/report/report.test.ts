import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { root } from '../../../support/fixtures.ts';
import { files } from '../rows/files.ts';
import { asJson, asMarkdown, asTable } from './render.ts';
import { report } from './report.ts';
import { reasons, requirements } from './requirements.ts';

test('every row of the requirements is there once, in order, and refers to rows that are there', () => {
  const ids = requirements.map(({ id }) => id);
  assert.equal(ids.length, 164);
  assert.deepEqual(ids, [...new Set(ids)].sort());
  for (const { id, by = [], notProvided, shown } of requirements) {
    assert.ok(
      by.every((other) => ids.includes(other) && other !== id),
      id,
    );
    assert.ok(notProvided === undefined ? shown !== undefined || by.length > 0 : notProvided in reasons, id);
  }
  const unknown = files.flatMap((rows) => Object.keys(rows)).filter((id) => !ids.includes(id));
  assert.deepEqual(unknown, []);
});

describe('the requirements of TS 33.434 and its companions, row by row', () => {
  const verdicts = report(files);
  for (const { id, text, notProvided } of requirements) {
    if (notProvided !== undefined) continue;
    test(`${id}: ${text}`, async () => {
      const { status, how } = (await verdicts).find((verdict) => verdict.id === id)!;
      assert.equal(status, 'pass', how);
    });
  }
  test('the others are not provided, and say why', async () => {
    assert.deepEqual(
      (await verdicts).filter(({ status }) => status === 'not-provided').map(({ id, how }) => [id, how]),
      requirements.filter(({ notProvided }) => notProvided !== undefined).map(({ id, notProvided }) => [id, reasons[notProvided!]]),
    );
  });
  test('the table of the README is the one of `npm run -s seal-report -- --markdown`', async () => {
    assert.ok(readFileSync(join(root, 'README.md'), 'utf8').includes(asMarkdown(await verdicts)));
  });
});

test('a row fails when one of its checks does, when it has none, and when a row fails that it refers to', async () => {
  const broken = (): void => assert.fail('it is broken');
  const some = [
    { 'R-201': () => {}, 'R-202': () => {}, 'R-203': async () => {} },
    { 'R-203': broken, 'R-007': () => {} },
  ];
  const verdicts = await report(some, ['R-003', 'R-007', 'R-080', 'R-200', 'R-201', 'R-203']);
  assert.deepEqual(
    verdicts.map(({ id, status }) => `${id} ${status}`),
    ['R-003 fail', 'R-007 fail', 'R-080 not-provided', 'R-200 fail', 'R-201 pass', 'R-203 fail'],
  );
  assert.deepEqual(
    verdicts.filter(({ status }) => status === 'fail').map(({ how }) => how),
    ['no check holds it', 'it stands as not provided, and has a check', 'broken by R-203', 'it is broken'],
  );
});

test('the report as lines of JSON, as a table, and as Markdown by class', async () => {
  const verdicts = await report([{ 'R-066': () => {} }], ['R-007', 'R-066']);
  assert.deepEqual(
    asJson(verdicts)
      .split('\n')
      .map((line) => JSON.parse(line)),
    verdicts,
  );
  assert.match(asTable(verdicts), /^R-007 {2}not-provided[\s\S]+\nR-066 {2}pass[\s\S]+\n2 rows: 1 pass, 0 fail, 1 not provided$/);
  assert.match(asMarkdown(verdicts), /^### ENV\n\n\| row [\s\S]+\n\| R-007 \|[\s\S]+\n\n### KM\n\n[\s\S]+\n\| R-066 \| TS 33\.434, Table 5\.3\.2-1 \|/);
});
