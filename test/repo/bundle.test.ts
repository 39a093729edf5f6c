import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../support/fixtures.ts';

const bundle = join(root, 'dist', 'bundle');

test('the bundle of the command carries the licence of each package that is in it', () => {
  const inside = new Set<string>();
  for (const name of readdirSync(join(bundle, 'cli'))) {
    for (const [, path] of readFileSync(join(bundle, 'cli', name), 'utf8').matchAll(/^\s*\/\/ (?:\.\.\/)*node_modules\/((?:@[^/]+\/)?[^/\s]+)\//gm))
      inside.add(path!);
  }
  assert.ok(inside.has('commander') && inside.has('yaml'), [...inside].join(' '));
  const licenses = readFileSync(join(bundle, 'LICENSES'), 'utf8');
  const named = [...licenses.matchAll(/^==> (.*)\/[^/]+ <==$/gm)].map(([, path]) => path!);
  assert.deepEqual(named.sort(), [...inside].sort());
  assert.equal(licenses.match(/Permission (?:is hereby granted|to use)/g)?.length, named.length);
});
