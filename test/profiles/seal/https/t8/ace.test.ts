import assert from 'node:assert/strict';
import { test } from 'node:test';
import { t8Steps } from '../../../../../src/cli/demo/seal/t8.ts';

test('a device over ACE and OSCORE behind a T8 gateway, as the demo shows it', async () => {
  for await (const { step, code, ok } of t8Steps()) assert.ok(ok, `${step}: ${code}`);
});
