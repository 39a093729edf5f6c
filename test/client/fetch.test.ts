import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parties, rsUri } from './parties.ts';

test('fetch: from a URI to a protected answer, and the second request goes straight', async () => {
  const parties = await new Parties().start();
  const response = await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.equal(response.codeText, '2.05');
  assert.equal(response.text(), '21.5');
  assert.equal(response.protected, true);
  assert.deepEqual(parties.steps(), ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response']);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
  assert.deepEqual(parties.steps(), ['request', 'response']);
  assert.deepEqual(parties.handled, ['GET /temperature', 'GET /temperature']);
  await parties.close();
});
