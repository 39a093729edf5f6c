import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../../src/core/env.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import { until } from '../../../../support/wait.ts';
import { meter, T8Lab, taken } from './lab.ts';

/** Pauses are short. */
const hasty: Env = { ...systemEnv, schedule: (delay, task) => systemEnv.schedule(Math.min(delay, 50), task) };
const byNumber = { msisdn: meter.msisdn! };
/** Whom the SCS/AS may address as well. */
const other = { externalId: 'meter2@op.example', uri: 'coap://10.0.0.4' };

test('TS 33.187 4.7: what waits for a device goes to no other one that has its telephone number by then', async () => {
  const lab = await T8Lab.start({ env: hasty });
  try {
    const { client, devices, listener, gateway } = lab;
    devices.answers = [{ outcome: 'unreachable' }];
    const { location: configuration } = await client.configure(byNumber);
    const data = await client.deliver(lab.at(configuration), byNumber, utf8('for meter1'));
    const trigger = await client.trigger(byNumber, utf8('for meter1'));
    assert.deepEqual([data.status, trigger.status], [201, 201]);
    const { msisdn: _, ...withoutNumber } = meter;
    await gateway.devices.put(withoutNumber);
    await gateway.devices.put({ ...other, ...byNumber });
    devices.answers = [taken()];
    const failed = await listener.next(({ niddDownlinkDataTransfer }) => niddDownlinkDataTransfer === data.location);
    assert.equal(failed['deliveryStatus'], 'FAILURE_NEXT_HOP');
    assert.equal((await listener.next(({ transaction }) => transaction === trigger.location))['result'], 'FAILURE');
    assert.deepEqual(devices.taken, []);
  } finally {
    await lab.close();
  }
});

test('what waits is not given up because the store could not say for a while whether it may be sent', async () => {
  const store = memoryStore();
  let failures = 0;
  const failing: Store = {
    ...store,
    get: async (key) => {
      if (failures > 0 && key.startsWith('t8/devices/')) {
        failures--;
        throw new Error('the store is gone');
      }
      return store.get(key);
    },
  };
  const lab = await T8Lab.start({ store: failing, env: hasty });
  try {
    const { client, devices, listener } = lab;
    devices.answers = [{ outcome: 'unreachable' }];
    const { location } = await client.trigger({ externalId: meter.externalId }, utf8('x'));
    failures = 2;
    devices.answers = [taken()];
    assert.equal((await listener.next(({ transaction }) => transaction === location))['result'], 'SUCCESS');
    assert.equal(failures, 0);
    assert.equal(lab.events.filter((event) => event.type === 'fault').length, 2);
  } finally {
    await lab.close();
  }
});

test('TS 29.122, 5.6.2.1.2: a configuration whose duration is over is not there, and nothing under it is sent, after a restart either', async () => {
  const store = memoryStore();
  const env = { ...systemEnv, skew: 0, epoch: (): number => systemEnv.epoch() + env.skew };
  const device = { externalId: meter.externalId };
  let location: string | undefined;
  const first = await T8Lab.start({ store, env });
  try {
    first.devices.answers = [{ outcome: 'unreachable' }];
    const duration = new Date((Math.floor(env.epoch()) + 60) * 1000).toISOString();
    location = (await first.client.configure(device, { duration })).location;
    const configuration = first.at(location);
    assert.equal((await first.client.deliver(configuration, device, utf8('waits'))).status, 201);
    env.skew = 61;
    assert.equal((await first.client.deliver(configuration, device, utf8('late'))).status, 404);
    assert.equal((await first.client.ask('GET', configuration)).status, 404);
  } finally {
    await first.close();
  }
  const second = await T8Lab.start({ store, env });
  try {
    await until(() => second.events.some((event) => event.type === 'delivery-ended' && event.result === 'FAILURE'));
    assert.deepEqual(second.devices.taken, []);
  } finally {
    await second.close();
  }
});
