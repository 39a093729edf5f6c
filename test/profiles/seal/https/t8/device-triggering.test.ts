import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../../../../src/core/bytes.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import { app, inT8Lab, meter, T8Lab, taken } from './lab.ts';

test(
  'TS 29.122, 5.7: a trigger is made, reaches the device, and its end is told',
  inT8Lab(async (lab) => {
    const { client, devices, listener } = lab;
    const made = await client.trigger({ externalId: meter.externalId }, utf8('wake up'), { applicationPortId: 5 });
    assert.equal(made.status, 201);
    assert.match(made.location!, /^https:\/\/scef\.example\/3gpp-device-triggering\/v1\/app1\/transactions\/[\w-]{16}$/);
    const { self, deliveryResult } = made.body as Record<string, unknown>;
    assert.deepEqual([self, deliveryResult], [made.location, 'TRIGGERED']);
    assert.deepEqual(await listener.next(({ transaction }) => transaction === made.location), { transaction: made.location, result: 'SUCCESS' });
    assert.deepEqual(devices.taken.at(-1), { device: meter.externalId, path: '/trigger?port=5', text: 'wake up' });
    const read = await client.ask('GET', lab.at(made.location));
    assert.equal((read.body as Record<string, unknown>)['deliveryResult'], 'SUCCESS');
    const all = await client.ask('GET', `/3gpp-device-triggering/v1/${app}/transactions`);
    assert.deepEqual(all.body, [read.body]);
    assert.equal((await client.ask('DELETE', lab.at(made.location))).status, 204);
    assert.equal((await client.ask('GET', lab.at(made.location))).status, 404);
  }),
);

test(
  'every outcome has its result',
  inT8Lab(async (lab) => {
    const { client, devices, listener } = lab;
    const cases = [
      [{ outcome: 'refused', why: '4.04' }, 'FAILURE', 60],
      [{ outcome: 'failed', reason: 'no store' }, 'UNKNOWN', 60],
      [{ outcome: 'unreachable' }, 'UNCONFIRMED', 0],
      [{ outcome: 'unreachable' }, 'EXPIRED', 1],
    ] as const;
    for (const [answer, result, validityPeriod] of cases) {
      devices.answers = [answer];
      const { location } = await client.trigger({ msisdn: meter.msisdn! }, utf8('x'), { validityPeriod });
      assert.equal((await listener.next(({ transaction }) => transaction === location))['result'], result);
    }
    devices.answers = [taken()];
  }),
);

test('a trigger that could be neither replaced nor recalled waits as before', async () => {
  const store = memoryStore();
  let fails = false;
  const failing: Store = {
    ...store,
    compareAndSet: async (key, ...rest) => {
      if (fails && key.startsWith('t8/triggers/')) throw new Error('the disk is full');
      return store.compareAndSet(key, ...rest);
    },
  };
  const lab = await T8Lab.start({ store: failing });
  try {
    const { client, devices } = lab;
    devices.answers = [{ outcome: 'unreachable' }];
    const { location, body } = await client.trigger({ externalId: meter.externalId }, utf8('x'));
    const { self: _self, deliveryResult: _result, ...again } = body as Record<string, unknown>;
    fails = true;
    for (const [method, sent] of [['PUT', again], ['DELETE']] as const) {
      assert.equal((await client.ask(method, lab.at(location), sent)).status, 500);
      assert.equal(lab.gateway.stats()['waiting'], 1, method);
    }
  } finally {
    await lab.close();
  }
});
