import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBlock } from './shell.ts';

test('README, "For a SEAL operator": key material is put, and the device gets it', async (t) => {
  const { text } = await runBlock(t, 'seal');
  assert.match(text, /sesame/);
  assert.doesNotMatch(text, /error:/);
});
