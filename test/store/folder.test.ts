import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeFolder } from '../../src/store/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-folder-'));
after(() => rmSync(base, { recursive: true, force: true }));

test('makeFolder: it and those above it, for their owner alone; the topmost that was made', () => {
  const [a, b, c] = [join(base, 'a'), join(base, 'a', 'b'), join(base, 'a', 'b', 'c')];
  assert.equal(makeFolder(c), a);
  for (const path of [a, b, c]) assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(makeFolder(c), undefined);
  assert.equal(makeFolder(join(c, 'd')), join(c, 'd'));
  assert.equal(makeFolder('/'), undefined);
  symlinkSync(c, join(base, 'link'));
  assert.equal(makeFolder(join(base, 'link')), undefined);
});

test('makeFolder: what cannot be made is an error at once', () => {
  writeFileSync(join(base, 'file'), '');
  symlinkSync(join(base, 'nowhere'), join(base, 'dangling'));
  const cases: readonly (readonly [string, string])[] = [
    [join(base, 'file'), 'EEXIST'],
    [join(base, 'file', 'x'), 'ENOTDIR'],
    [join(base, 'file', 'x', 'y'), 'ENOTDIR'],
    [join(base, 'dangling'), 'EEXIST'],
    ['', 'ENOENT'],
  ];
  for (const [path, code] of cases) assert.throws(() => makeFolder(path), { code }, path);
});

test('makeFolder: below /proc, where mkdir says that what is above is missing', { skip: existsSync('/proc/self') ? false : 'there is no /proc here' }, () => {
  for (const path of ['/proc/ace-coap', '/proc/ace-coap/x/y', '/proc/self/fd/x']) assert.throws(() => makeFolder(path), { code: 'ENOENT' }, path);
});
