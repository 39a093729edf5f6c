import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBlock } from './shell.ts';

test('README, "What went over the wire?": an exchange passes the tap and becomes a ladder and a page', async (t) => {
  const { text, folder } = await runBlock(t, 'picture');
  assert.match(text, /^2\.05 Content .* protected by OSCORE\n\d+\.\d C$/m);
  const page = readFileSync(join(folder, 'exchange.html'), 'utf8');
  for (const shown of [text, page]) {
    assert.match(shown, /4\.01/);
    assert.match(shown, /authz-info/);
    assert.match(shown, /\/temperature/);
  }
  assert.match(page, /^<!doctype html>/i);
  assert.doesNotMatch(text, /error:/);
});
