import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coapServer } from '../interop/tools.ts';
import { runBlock, shellBlocks } from './shell.ts';

test('README, "For a protocol tester": the checker against libcoap', async (t) => {
  assert.ok(shellBlocks().get('conformance')?.includes(coapServer), 'the server of libcoap, as it is installed for interop');
  const { text } = await runBlock(t, 'conformance');
  const [, cases, passes] = /^(\d+) cases: (\d+) pass/m.exec(text) ?? [];
  assert.ok(Number(cases) >= 50 && Number(passes) >= 1, text);
  assert.match(text, /^RFC 7252 /m);
  assert.doesNotMatch(text, /error:/);
});
