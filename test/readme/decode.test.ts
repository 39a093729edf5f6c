import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBlock } from './shell.ts';

test('README, "For a device debugger": a captured datagram is decoded, and a protected one opened', async (t) => {
  const { text } = await runBlock(t, 'decode');
  assert.match(text, /temperature/);
  assert.match(text, /tv1/);
  assert.doesNotMatch(text, /error:/);
});
