import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parties, rsUri } from './parties.ts';

test('RFC 9770 11.1: each revoked token is expunged, also where the store fails for another; that one is told of, and goes with the next list', async () => {
  const parties = await new Parties({ as: { revocation: {} } }).start();
  await parties.client.close();
  const { client: store } = parties.stores;
  let damaged: string | undefined;
  const compareAndSet: typeof store.compareAndSet = async (key, ...rest) => {
    if (key === damaged) throw new Error('the disk is full');
    return store.compareAndSet(key, ...rest);
  };
  const failing = Object.assign(Object.create(store), { compareAndSet }) as typeof store;
  parties.client = parties.newClient({ store: failing, revocation: { observe: false, interval: 10 } });
  for (const scope of ['r_temp', 'w_led']) {
    const path = scope === 'r_temp' ? 'temperature' : 'led';
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/${path}`, { scope }))).codeText, '2.05');
  }
  const stored = async (): Promise<readonly string[]> => {
    const keys: string[] = [];
    for await (const [key] of store.scan('client/session/')) keys.push(key);
    return keys;
  };
  const [first] = await stored();
  assert.deepEqual([parties.client.stats()['sessions'], (await stored()).length], [2, 2]);
  damaged = first;
  for (const event of parties.asEvents) if (event.type === 'token-issued') await parties.finish(parties.as.revoke(event.token));
  await parties.simulator.sleep(11_000);
  assert.deepEqual([parties.client.stats()['sessions'], await stored()], [0, [first]]);
  assert.ok(parties.clientEvents.some((event) => event.type === 'step' && event.step === 'revocations' && event.detail.includes('the disk is full')));
  damaged = undefined;
  await parties.simulator.sleep(100_000);
  assert.deepEqual(await stored(), []);
  await parties.close();
});

test('RFC 9770 11.1: a session goes with the token that changed its rights, as with the one that it was made with', async () => {
  for (const which of [0, 1]) {
    const parties = await new Parties({ as: { revocation: {} }, client: { revocation: { observe: false, interval: 10 } } }).start();
    await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
    await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
    const issued = parties.asEvents.flatMap((event) => (event.type === 'token-issued' ? [event.token] : []));
    assert.deepEqual([issued.length, parties.client.stats()['sessions']], [2, 1]);
    await parties.finish(parties.as.revoke(issued[which]!));
    await parties.simulator.sleep(11_000);
    assert.equal(parties.client.stats()['sessions'], 0, `token ${which}`);
    for await (const [key] of parties.stores.client.scan('client/session/')) assert.fail(key);
    await parties.close();
  }
});
