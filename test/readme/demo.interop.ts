import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBlock } from './shell.ts';

test('README, "Two commands": the demo shows each step', async (t) => {
  // CI has installed and built, and runs the demo by npm too: a build under the feet of other tests would disturb them.
  const npm = 'case "$*" in ci) ;; "run demo") exec ace-coap demo ;; *) exit 2 ;; esac';
  const { text } = await runBlock(t, 'demo', { commands: { npm } });
  assert.match(text, /^ok +1 /m);
  assert.match(text, /Bytes of each message on the wire/);
  assert.doesNotMatch(text, /FAIL|error:/);
});
