import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../../src/core/env.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import { until } from '../../../../support/wait.ts';
import { app, inT8Lab, memberOf, meter, pump, T8Lab, taken } from './lab.ts';

const device = { externalId: meter.externalId };

/** The path of a configuration for the device, which is as it was asked for. */
async function configured(lab: T8Lab): Promise<string> {
  const made = await lab.client.configure(device, { supportedFeatures: '3', requestTestNotification: true });
  assert.equal(made.status, 201);
  assert.deepEqual(made.body, {
    self: made.location,
    ...device,
    supportedFeatures: '2',
    notificationDestination: `https://127.0.0.1:${lab.listener.port}/heard`,
    reliableDataService: false,
    maximumPacketSize: 65_536,
    status: 'ACTIVE',
  });
  await lab.listener.next(({ subscription }) => subscription === made.location);
  return lab.at(made.location);
}

test(
  'TS 29.122, 5.6.3.4: data that a device takes at once is answered with 200, and what it says back is uplink data',
  inT8Lab(async (lab) => {
    const { client, devices, listener } = lab;
    const configuration = await configured(lab);
    devices.answers = [taken('17 kWh')];
    const sent = await client.deliver(configuration, device, utf8('read'));
    assert.equal(sent.status, 200);
    assert.deepEqual(sent.body, { ...device, data: 'cmVhZA==', reliableDataService: false, deliveryStatus: 'SUCCESS' });
    assert.deepEqual(devices.taken.at(-1), { device: meter.externalId, path: '/nidd', text: 'read' });
    const uplink = await listener.next(({ data }) => data !== undefined);
    assert.deepEqual(uplink, { niddConfiguration: `https://scef.example${configuration}`, ...device, data: Buffer.from('17 kWh').toString('base64') });
  }),
);

test(
  'data for a device that sleeps waits: 201, and later a notification',
  inT8Lab(async (lab) => {
    const { client, devices, listener } = lab;
    const configuration = await configured(lab);
    devices.answers = [{ outcome: 'unreachable' }, taken()];
    const sent = await client.deliver(configuration, device, utf8('sleeper'));
    assert.deepEqual([sent.status, memberOf(sent.body, 'deliveryStatus')], [201, 'BUFFERING_TEMPORARILY_NOT_REACHABLE']);
    const listed = await client.ask('GET', `${configuration}/downlink-data-deliveries`);
    assert.deepEqual(listed.body, [sent.body]);
    assert.deepEqual(memberOf((await client.ask('GET', configuration)).body, 'niddDownlinkDataTransfers'), [sent.body]);
    const patched = await client.ask('PATCH', lab.at(sent.location), { priority: 7 });
    assert.deepEqual([patched.status, memberOf(patched.body, 'priority')], [200, 7]);
    assert.deepEqual(await listener.next(({ niddDownlinkDataTransfer }) => niddDownlinkDataTransfer === sent.location), {
      niddDownlinkDataTransfer: sent.location,
      deliveryStatus: 'SUCCESS',
    });
    const again = await client.ask('DELETE', lab.at(sent.location));
    assert.deepEqual([again.status, memberOf(again.body, 'cause')], [404, 'ALREADY_DELIVERED']);
  }),
);

test(
  'TS 29.122, 5.6.3.4: data that was delivered while what is to replace it came in is not replaced, and not sent again',
  inT8Lab(async (lab) => {
    const { client, devices, listener } = lab;
    const configuration = await configured(lab);
    devices.answers = [{ outcome: 'unreachable' }, taken()];
    const { location } = await client.deliver(configuration, device, utf8('one'));
    const replacing = lab.begin('PUT', lab.at(location), JSON.stringify({ ...device, data: 'dHdv' }));
    await listener.next(({ deliveryStatus }) => deliveryStatus === 'SUCCESS');
    assert.equal(await replacing.finish(), 404);
    assert.equal(memberOf((await client.ask('GET', lab.at(location))).body, 'deliveryStatus'), 'SUCCESS');
    assert.deepEqual(
      devices.taken.map(({ text }) => text),
      ['one'],
    );
  }),
);

test(
  'data that waits can be replaced and taken back',
  inT8Lab(async (lab) => {
    const { client, devices } = lab;
    const configuration = await configured(lab);
    devices.answers = [{ outcome: 'unreachable' }];
    const { location } = await client.deliver(configuration, device, utf8('one'), { maximumLatency: 60 });
    const replaced = await client.ask('PUT', lab.at(location), { ...device, data: 'dHdv' });
    assert.deepEqual([replaced.status, memberOf(replaced.body, 'data')], [200, 'dHdv']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal((await client.ask('DELETE', lab.at(location))).status, 204);
    assert.equal((await client.ask('GET', lab.at(location))).status, 404);
    assert.equal(lab.gateway.stats()['waiting'], 0);
  }),
);

test(
  'a device that refuses, is not there for who cannot wait, or is not allowed: the failures of TS 29.122, 5.6.5.3',
  inT8Lab(async (lab) => {
    const { client, devices } = lab;
    const configuration = await configured(lab);
    devices.answers = [{ outcome: 'refused', why: '4.04', diagnostic: 'no such meter' }];
    const refused = await client.deliver(configuration, device, utf8('x'));
    assert.equal(refused.status, 500);
    assert.deepEqual(memberOf(refused.body, 'problemDetail'), {
      title: 'Internal Server Error',
      status: 500,
      cause: 'NEXT_HOP',
      detail: 'the device refuses the data: 4.04 no such meter',
    });
    devices.answers = [{ outcome: 'unreachable' }];
    for (const more of [{ pdnEstablishmentOption: 'INDICATE_ERROR' }, { maximumLatency: 0 }]) {
      const asleep = await client.deliver(configuration, device, utf8('x'), more);
      assert.deepEqual([asleep.status, memberOf(memberOf(asleep.body, 'problemDetail'), 'cause')], [500, 'TEMPORARILY_NOT_REACHABLE']);
    }
    const another = await client.deliver(configuration, { externalId: pump.externalId }, utf8('x'));
    assert.deepEqual(
      [another.status, memberOf(another.body, 'invalidParams')],
      [400, [{ param: '/externalId', reason: 'expected the device of the configuration' }]],
    );
    assert.equal(lab.gateway.stats()['waiting'], 0);
  }),
);

test(
  'a configuration is changed, and ends with what waits under it',
  inT8Lab(async (lab) => {
    const { client, devices } = lab;
    await configured(lab);
    devices.answers = [{ outcome: 'unreachable' }];
    const { location } = await client.configure({ externalId: pump.externalId });
    const own = lab.at(location);
    await client.deliver(own, { externalId: pump.externalId }, utf8('x'));
    const patched = await client.ask('PATCH', own, { duration: '2100-01-01T00:00:00Z', pdnEstablishmentOption: 'INDICATE_ERROR' });
    assert.deepEqual([patched.status, memberOf(patched.body, 'duration')], [200, '2100-01-01T00:00:00Z']);
    assert.equal((await client.ask('PATCH', own, { externalId: meter.externalId })).status, 403);
    assert.equal((await client.ask('DELETE', own)).status, 204);
    assert.equal((await client.ask('GET', own)).status, 404);
    assert.equal(lab.gateway.stats()['waiting'], 0);
    const all = await client.ask('GET', `/3gpp-nidd/v1/${app}/configurations`);
    assert.equal((all.body as readonly unknown[]).length, 1);
  }),
);

test('TS 29.122, 5.6.3.4: the end of a delivery that the store does not take is kept, and told, once the store takes it', async () => {
  const store = memoryStore();
  let failures = 0;
  const failing: Store = {
    ...store,
    compareAndSet: (key, expected, value) => {
      const isEnd = key.startsWith('t8/nidd/downlinks/') && value !== undefined && Buffer.from(value).includes('endedAt');
      if (!isEnd || failures >= 2) return store.compareAndSet(key, expected, value);
      failures++;
      return Promise.reject(new Error('the disk is full'));
    },
  };
  // Pauses are a hundredth of what they are.
  const env: Env = { ...systemEnv, schedule: (delay, task) => systemEnv.schedule(delay / 100, task) };
  const lab = await T8Lab.start({ store: failing, env, limits: { patience: 0, attemptTimeout: 50_000 } });
  try {
    const { client, listener } = lab;
    const { location } = await client.configure(device);
    const sent = await client.deliver(lab.at(location), device, utf8('read'));
    assert.equal(sent.status, 201);
    const told = await listener.next(({ niddDownlinkDataTransfer }) => niddDownlinkDataTransfer === sent.location);
    assert.equal(told['deliveryStatus'], 'SUCCESS');
    assert.equal(memberOf((await client.ask('GET', lab.at(sent.location))).body, 'deliveryStatus'), 'SUCCESS');
    assert.deepEqual([failures, lab.devices.taken.length, lab.gateway.stats()['waiting']], [2, 1, 0]);
    assert.deepEqual(
      lab.events.filter(({ type }) => type === 'fault'),
      [1, 2].map(() => ({ type: 'fault', reason: 'the disk is full' })),
    );
  } finally {
    await lab.close();
  }
});

/** A store whose changes of some documents a test holds up, or makes fail. */
function heldStore(folder: string): { readonly store: Store; hold: Promise<void> | undefined; fails: boolean; waiting: number } {
  const store = memoryStore();
  const held = {
    hold: undefined as Promise<void> | undefined,
    fails: false,
    waiting: 0,
    store: {
      ...store,
      compareAndSet: async (key: string, expected: Uint8Array | undefined, value: Uint8Array | undefined) => {
        if (key.startsWith(folder)) {
          held.waiting++;
          await held.hold;
          held.waiting--;
          if (held.fails) throw new Error('the disk is full');
        }
        return store.compareAndSet(key, expected, value);
      },
    } as Store,
  };
  return held;
}

/** The URI of data that waits for the device, which cannot be reached. */
async function waitingData({ client, devices, at }: T8Lab): Promise<string | undefined> {
  const { location: configuration } = await client.configure(device);
  devices.answers = [{ outcome: 'unreachable' }];
  return (await client.deliver(at(configuration), device, utf8('one'))).location;
}

test('TS 29.122, 5.6.3.4: data cannot be taken back while it is replaced: it would be sent all the same', async () => {
  const held = heldStore('t8/nidd/downlinks/');
  const lab = await T8Lab.start({ store: held.store });
  try {
    const { client, devices } = lab;
    const location = await waitingData(lab);
    devices.answers = [taken()];
    let go: () => void = () => {};
    held.hold = new Promise((resolve) => {
      go = resolve;
    });
    const replacing = client.ask('PUT', lab.at(location), { ...device, data: 'dHdv' });
    await until(() => held.waiting === 1);
    assert.equal((await client.ask('DELETE', lab.at(location))).status, 409);
    go();
    assert.equal((await replacing).status, 200);
  } finally {
    await lab.close();
  }
});

test('data that could be neither replaced nor taken back waits as before', async () => {
  const held = heldStore('t8/nidd/downlinks/');
  const lab = await T8Lab.start({ store: held.store });
  try {
    const { client } = lab;
    const location = await waitingData(lab);
    held.fails = true;
    for (const [method, body] of [['PUT', { ...device, data: 'dHdv' }], ['DELETE']] as const) {
      assert.equal((await client.ask(method, lab.at(location), body)).status, 500);
      assert.equal(lab.gateway.stats()['waiting'], 1, method);
    }
  } finally {
    await lab.close();
  }
});

test('a request that waits for a device is answered when the gateway closes, and leaves no timer', async () => {
  const lab = await T8Lab.start({ limits: { patience: 60_000 } });
  try {
    const { location } = await lab.client.configure(device);
    lab.devices.send = () => new Promise(() => {});
    const sending = lab.client.deliver(lab.at(location), device, utf8('x'));
    await until(() => lab.gateway.stats()['waiting'] === 1);
    await lab.gateway.close();
    assert.equal((await sending).status, 201);
  } finally {
    await lab.close();
  }
});

test(
  'data for a configuration that is taken away while it comes in is not taken, and not sent',
  inT8Lab(async (lab) => {
    const { client, devices } = lab;
    const configuration = await configured(lab);
    const sending = lab.begin('POST', `${configuration}/downlink-data-deliveries`, JSON.stringify({ ...device, data: 'dHdv' }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await client.ask('DELETE', configuration)).status, 204);
    assert.equal(await sending.finish(), 404);
    assert.deepEqual([devices.taken, lab.gateway.stats()['nidd']], [[], 0]);
  }),
);
