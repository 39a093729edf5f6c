import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Metafile } from 'esbuild';
import { root } from '../support/fixtures.ts';

const bundle = join(root, 'dist', 'bundle');

test('the bundle of the command carries the licence of each package that is in it', () => {
  const { outputs } = JSON.parse(readFileSync(join(root, 'dist', 'bundle.json'), 'utf8')) as Metafile;
  const paths = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs).filter((path) => inputs[path]!.bytesInOutput > 0));
  const inside = new Set(paths.flatMap((path) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []));
  assert.ok(inside.has('commander') && inside.has('yaml'), [...inside].join(' '));
  const licenses = readFileSync(join(bundle, 'LICENSES'), 'utf8');
  const named = [...licenses.matchAll(/^==> (.*)\/[^/]+ <==$/gm)].map(([, path]) => path!);
  assert.deepEqual(named.sort(), [...inside].sort());
  assert.equal(licenses.match(/Permission (?:is hereby granted|to use)/g)?.length, named.length);
});
