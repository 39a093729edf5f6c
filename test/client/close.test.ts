import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parties } from './parties.ts';

test('RFC 9175 2.3: a client that was given an Echo value leaves no timer behind when it is closed', async () => {
  const parties = await new Parties({ rs: { freshness: { required: ({ association }) => association !== undefined, preemptive: true } } }).start();
  assert.equal((await parties.finish(parties.client.fetch('coap://10.0.0.2/temperature'))).text(), '21.5');
  await parties.close();
  assert.equal(parties.simulator.pending, 0);
});

test('close: a session that comes of the store in the meantime is not begun, and nobody follows a list for it', async () => {
  const parties = await new Parties({ as: { revocation: {} } }).start();
  await parties.finish(parties.client.fetch('coap://10.0.0.2/temperature'));
  await parties.client.close();
  const { client: store } = parties.stores;
  let give: () => void = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  const slow = { ...store, get: (key: string) => given.then(() => store.get(key)) };
  parties.client = parties.newClient({ store: slow, revocation: {} });
  const refused = assert.rejects(parties.client.fetch('coap://10.0.0.2/temperature'));
  await parties.simulator.sleep(10);
  const closed = parties.client.close();
  give();
  await parties.finish(Promise.all([refused, closed]));
  assert.equal(parties.client.stats()['sessions'], 0);
  await parties.close();
  assert.equal(parties.simulator.pending, 0);
});
