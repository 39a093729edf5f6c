import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBlock } from './shell.ts';

test('README, "For a gateway integrator": a node-coap program is protected, and says where tokens come from', async (t) => {
  const { text } = await runBlock(t, 'node-coap');
  assert.match(text, /^Hello World!$/m);
  assert.match(text, /4\.01/);
  assert.match(text, /coap:\/\/127\.0\.0\.1:\d+\/token/);
  assert.match(text, /^21\.5$/m);
  assert.ok(text.indexOf('4.01') < text.search(/^21\.5$/m), text);
});
