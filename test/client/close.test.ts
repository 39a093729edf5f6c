import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parties } from './parties.ts';

test('RFC 9175 2.3: a client that was given an Echo value leaves no timer behind when it is closed', async () => {
  const parties = await new Parties({ rs: { freshness: { required: ({ association }) => association !== undefined, preemptive: true } } }).start();
  assert.equal((await parties.finish(parties.client.fetch('coap://10.0.0.2/temperature'))).text(), '21.5');
  await parties.close();
  assert.equal(parties.simulator.pending, 0);
});
