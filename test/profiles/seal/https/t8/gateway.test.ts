import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeviceRegistry, filtered, T8Policy } from '../../../../../profiles/seal/https/t8/index.ts';
import { utf8 } from '../../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../../src/core/env.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import { scale } from '../../../../support/scale.ts';
import { until } from '../../../../support/wait.ts';
import { digitDisguises, encodings } from './disguises.ts';
import { app, imsi, inT8Lab, memberOf, meter, pump, T8Lab, taken } from './lab.ts';

const transactions = `/3gpp-device-triggering/v1/${app}/transactions`;
const paramsOf = (body: unknown): readonly string[] => (memberOf(body, 'invalidParams') as readonly { readonly param: string }[]).map(({ param }) => param);

function trigger(lab: T8Lab, changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const whole = {
    externalId: meter.externalId,
    validityPeriod: 60,
    priority: 'NO_PRIORITY',
    applicationPortId: 1,
    triggerPayload: 'eA==',
    notificationDestination: `https://127.0.0.1:${lab.listener.port}/heard`,
    ...changes,
  };
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
}

test(
  'each member that is missing, doubled or wrong is named, all of them at once',
  inT8Lab(async (lab) => {
    const { client } = lab;
    const wrong: readonly (readonly [changes: Readonly<Record<string, unknown>>, params: readonly string[]])[] = [
      [{ externalId: undefined }, ['/externalId']],
      [{ msisdn: meter.msisdn }, ['/externalId']],
      [{ externalId: 'meter1' }, ['/externalId']],
      [{ externalId: undefined, msisdn: '+49' }, ['/msisdn']],
      [{ validityPeriod: undefined, priority: undefined }, ['/validityPeriod', '/priority']],
      [{ validityPeriod: -1 }, ['/validityPeriod']],
      [{ validityPeriod: 1.5 }, ['/validityPeriod']],
      [{ validityPeriod: '60' }, ['/validityPeriod']],
      [{ priority: 'HIGH' }, ['/priority']],
      [{ applicationPortId: 65_536 }, ['/applicationPortId']],
      [{ triggerPayload: 'x' }, ['/triggerPayload']],
      [{ triggerPayload: '' }, ['/triggerPayload']],
      [{ triggerPayload: 'A'.repeat(12_000) }, ['/triggerPayload']],
      [{ supportedFeatures: 'xyz' }, ['/supportedFeatures']],
      [{ requestTestNotification: 1 }, ['/requestTestNotification']],
      [{ notificationDestination: undefined }, ['/notificationDestination']],
    ];
    for (const [changes, params] of wrong) {
      const refused = await client.ask('POST', transactions, trigger(lab, changes));
      assert.deepEqual([refused.status, paramsOf(refused.body)], [400, params], JSON.stringify(changes));
    }
    assert.equal(lab.devices.taken.length, 0);
  }),
);

test(
  'a destination in the own network is refused, however it is written',
  inT8Lab(async (lab) => {
    const inside = [
      'http://as.example/n',
      'https://localhost/n',
      'https://127.0.0.1:1/n',
      'https://2130706433/n',
      'https://0x7f.1/n',
      'https://10.1.2.3/n',
      'https://172.20.0.1/n',
      'https://192.168.1.1/n',
      'https://169.254.169.254/n',
      'https://100.64.0.1/n',
      'https://[::1]/n',
      'https://[::ffff:127.0.0.1]/n',
      'https://[fd00::1]/n',
      'https://[fe80::1]/n',
      'https://user@as.example/n',
      'https://as.example/n#f',
      'ftp://as.example',
      'as.example',
      `https://as.example/${'x'.repeat(2048)}`,
    ];
    for (const notificationDestination of inside) {
      const refused = await lab.client.ask('POST', transactions, trigger(lab, { notificationDestination }));
      assert.deepEqual([refused.status, paramsOf(refused.body)], [400, ['/notificationDestination']], notificationDestination);
    }
  }),
);

test(
  'who asks for another SCS/AS, another device or another API is refused with 403, and learns nothing of what there is',
  inT8Lab(async (lab) => {
    const { client, events } = lab;
    events.length = 0;
    const asked = [
      await client.ask('POST', transactions, trigger(lab, { externalId: 'meter9@op.example' })),
      await client.ask('POST', transactions, trigger(lab, { externalId: pump.externalId })),
      await client.ask('POST', transactions, trigger(lab, { externalId: 'nobody@op.example' })),
      await client.ask('POST', transactions, trigger(lab, { externalId: undefined, msisdn: '4915112345678' })),
    ];
    for (const { status, body } of asked) assert.deepEqual([status, body], [403, asked[0]!.body]);
    const other = await client.ask('GET', '/3gpp-device-triggering/v1/app2/transactions');
    assert.equal(other.status, 403);
    const decisions = events.filter(({ type }) => type === 'decision');
    assert.deepEqual(
      decisions.map((event) => event.type === 'decision' && [event.device, event.api, event.permitted]),
      ['unknown', pump.externalId, 'unknown', 'unknown'].map((device) => [device, 'device-triggering', false]),
    );
  }),
);

test(
  'a resource of another SCS/AS is not there; so are paths, methods and media types that nobody serves',
  inT8Lab(async (lab) => {
    const { client } = lab;
    const made = await client.ask('POST', transactions, trigger(lab));
    const stranger = lab.clientOf('app2', lab.port);
    assert.equal((await stranger.ask('GET', lab.at(made.location).replace(app, 'app2'))).status, 404);
    for (const [method, target, status] of [
      ['GET', '/', 404],
      ['GET', `/3gpp-nidd/v1/${app}`, 404],
      ['GET', `/3gpp-nidd/v2/${app}/configurations`, 404],
      ['GET', `${transactions}/none`, 404],
      ['GET', `${transactions}/none/more`, 404],
      ['GET', `${transactions}/%ff`, 400],
      ['PUT', transactions, 405],
      ['POST', lab.at(made.location), 405],
      ['PATCH', lab.at(made.location), 200],
    ] as const)
      assert.equal((await client.ask(method, target, method === 'GET' ? undefined : {})).status, status, `${method} ${target}`);
    assert.equal((await client.ask('PATCH', transactions, {})).status, 405);
    const wrongType = await client.ask('PUT', `${lab.at(made.location)}`, undefined);
    assert.equal(wrongType.status, 415);
  }),
);

test(
  'the answer of a device that leaks an IMSI leaves in no form',
  inT8Lab(async (lab) => {
    const { client, devices, events, listener } = lab;
    const { location } = await client.configure({ externalId: meter.externalId });
    events.length = 0;
    for (const answer of [
      { outcome: 'refused', why: '5.00', diagnostic: `no context for ${imsi}` },
      taken(`{"id":"${Buffer.from(imsi).toString('hex')}"}`),
      taken('imsi-310410123456789'),
    ] as const) {
      devices.answers = [answer];
      const { status, body } = await client.deliver(lab.at(location), { externalId: meter.externalId }, utf8('x'));
      assert.equal(status, 500);
      assert.deepEqual([memberOf(body, 'cause'), memberOf(body, 'problemDetail')], ['SYSTEM_FAILURE', undefined]);
      assert.doesNotMatch(JSON.stringify(body), /\d{4}/);
    }
    const left = await client.ask('GET', `${lab.at(location)}/downlink-data-deliveries`);
    assert.deepEqual([left.status, left.body], [200, []], 'what was answered with an error is no resource');
    devices.answers = [taken()];
    const blocked = events.filter(({ type }) => type === 'egress-blocked');
    assert.deepEqual(
      blocked.map((event) => event.type === 'egress-blocked' && [event.message, event.part, event.rule]),
      [
        ['response', 'body', 'known-imsi'],
        ['notification', 'body', 'known-imsi'],
        ['notification', 'body', 'imsi-name'],
      ],
    );
    assert.doesNotMatch(JSON.stringify(events), /2620112|3104101/);
    assert.ok(!listener.heard.some((notification) => JSON.stringify(notification).includes('data')));
  }),
);

test(
  'whatever writes an answer, and however it writes it: in pieces, in headers, in trailers, compressed',
  inT8Lab(async (lab) => {
    const leaks: Readonly<Record<string, Parameters<typeof filtered>[1]>> = {
      pieces: (_request, response) => {
        response.write('{"note":"262011');
        response.write('234567890"}');
        response.end();
      },
      header: (_request, response) => void response.writeHead(302, { location: `/users/${imsi}` }).end(),
      list: (_request, response) => void response.writeHead(200, ['x-a', 'b', 'x-b', Buffer.from(imsi).toString('base64')]).end(),
      'status message': (_request, response) => void response.writeHead(200, imsi, {}).end('ok'),
      early: (_request, response) => {
        response.writeEarlyHints({ link: `</${imsi}>; rel=preload` });
        response.flushHeaders();
        response.end('ok');
      },
      trailer: (_request, response) => {
        response.writeHead(200, { trailer: 'x-id' });
        response.write('ok');
        response.addTrailers({ 'x-id': imsi });
        response.end();
      },
      compressed: (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from(imsi)),
      'UTF-16': (_request, response) => void response.end(imsi, 'utf16le'),
      long: (_request, response) => {
        for (let i = 0; i < 20; i++) response.write(Buffer.alloc(65_536));
        response.end(imsi);
      },
      fine: (_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end('ok'),
    };
    const statuses: Record<string, number> = {};
    for (const [name, handler] of Object.entries(leaks)) {
      const { status, text } = await lab.served(filtered(lab.gateway.filter, handler));
      statuses[name] = status;
      assert.doesNotMatch(text, /2620112/, name);
    }
    const blocked = {
      pieces: 500,
      header: 500,
      list: 500,
      'status message': 200,
      early: 200,
      trailer: 200,
      compressed: 500,
      'UTF-16': 500,
      long: 500,
      fine: 200,
    };
    assert.deepEqual(statuses, blocked);
  }),
);

test(
  'an answer in pieces of any length, in any encoding, never lets an IMSI out',
  inT8Lab(async (lab) => {
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
    const ways = fc.constantFrom(...Object.values(encodings));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.values(digitDisguises)), ways, cuts, async (write, encode, lengths) => {
        const whole = Buffer.from(`{"note":"${encode(write(imsi))}"}`, 'latin1');
        const { status, text } = await lab.served(
          filtered(lab.gateway.filter, (_request, response) => {
            for (let at = 0, piece = 0; at < whole.length; piece++) {
              const end = at + lengths[piece % lengths.length]!;
              response.write(whole.subarray(at, end));
              at = end;
            }
            response.end();
          }),
        );
        assert.deepEqual([status, text.includes('SYSTEM_FAILURE'), text.includes('note')], [500, true, false]);
      }),
      { numRuns: scale === 'quick' ? 10 : 300 },
    );
  }),
);

test('what waits goes on after a restart, and what is too old ends', async () => {
  const store = memoryStore();
  const first = await T8Lab.start({ store });
  first.devices.answers = [{ outcome: 'unreachable' }];
  const make = async (validityPeriod: number): Promise<string> =>
    first.at((await first.client.trigger({ externalId: meter.externalId }, utf8('x'), { validityPeriod })).location);
  const [long, short] = [await make(60), await make(5)];
  await first.close();
  const second = await T8Lab.start({ store, env: { ...systemEnv, epoch: () => systemEnv.epoch() + 10 } });
  const resultOf = async (location: string): Promise<unknown> => memberOf((await second.client.ask('GET', location)).body, 'deliveryResult');
  assert.deepEqual([await resultOf(short), await resultOf(long)], ['EXPIRED', 'SUCCESS']);
  assert.equal(second.devices.taken.length, 1);
  await second.close();
});

test('rules: the store of one process counts in another from the next request on, and a denial is stronger', async () => {
  const store = memoryStore();
  const [here, there] = [new T8Policy(store), new T8Policy(store)];
  const rule = { scsAsId: 'a/b', devices: '*@op.example', api: 'nidd', effect: 'allow' } as const;
  assert.equal(await here.permits('a/b', meter.externalId, 'nidd'), false);
  await there.put(rule);
  assert.equal(await here.permits('a/b', meter.externalId, 'nidd'), true);
  assert.equal(await here.permits('a/b', meter.externalId, 'device-triggering'), false);
  assert.equal(await here.permits('a', meter.externalId, 'nidd'), false);
  assert.equal(await here.permits('a/b', 'meter1@opxexample', 'nidd'), false);
  await there.put({ ...rule, devices: meter.externalId, api: '*', effect: 'deny' });
  assert.equal(await here.permits('a/b', meter.externalId, 'nidd'), false);
  assert.equal(await here.permits('a/b', pump.externalId, 'nidd'), true);
  assert.equal(await there.remove(rule), true);
  assert.equal(await here.permits('a/b', pump.externalId, 'nidd'), false);
  await assert.rejects(here.put({ ...rule, scsAsId: '' }), { code: 'ERR_T8_CONFIG' });
  await assert.rejects(here.put({ ...rule, devices: '*'.repeat(9) }), { code: 'ERR_T8_CONFIG' });
});

test('devices: a number of its own, and a SUPI that the filter knows at once', async () => {
  const store = memoryStore();
  const [here, there] = [new DeviceRegistry(store), new DeviceRegistry(store)];
  assert.equal((await there.subscribers()).imsis.areIn(utf8(imsi)), false);
  await here.put(meter);
  assert.equal((await there.subscribers()).imsis.areIn(utf8(imsi)), true);
  assert.deepEqual(await there.byMsisdn(meter.msisdn!), meter);
  await assert.rejects(here.put({ ...pump, msisdn: meter.msisdn! }), { code: 'ERR_T8_CONFIG' });
  await here.put({ externalId: meter.externalId, uri: meter.uri });
  assert.equal(await there.byMsisdn(meter.msisdn!), undefined);
  assert.equal((await there.subscribers()).imsis.areIn(utf8(imsi)), false);
  assert.equal(await here.remove(meter.externalId), true);
  assert.equal(await here.remove(meter.externalId), false);
  for (const wrong of [{ externalId: 'meter' }, { msisdn: 'x' }, { supi: imsi }, { supi: 'imsi-12345' }, { uri: 'coap://a/b' }])
    await assert.rejects(here.put({ ...meter, ...wrong }), { code: 'ERR_T8_CONFIG' });
});

test(
  'RFC 9112 3.2: a request target that is no URL is a path that nobody serves, and no fault',
  inT8Lab(async (lab) => {
    for (const target of ['//', '//[', 'http://:0/']) assert.equal((await lab.served(lab.gateway.handler, target)).status, 404, target);
    assert.deepEqual(lab.events, []);
  }),
);

test('a gateway that is closed while it looks for what has ended leaves no timer', async () => {
  const store = memoryStore();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = (): void => {};
  const sweeps = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const slow: Store = {
    ...store,
    compareAndSet: async (key, expected, value) => {
      if (value === undefined && key.startsWith('t8/triggers/')) {
        asked();
        await held;
      }
      return store.compareAndSet(key, expected, value);
    },
  };
  const timers = new Set<object>();
  const env: Env = {
    ...systemEnv,
    schedule: (delay, task) => {
      const timer = {};
      timers.add(timer);
      const cancel = systemEnv.schedule(delay / 100, () => {
        timers.delete(timer);
        task();
      });
      return () => {
        timers.delete(timer);
        cancel();
      };
    },
  };
  const lab = await T8Lab.start({ store: slow, env, limits: { retention: 0 } });
  assert.equal((await lab.client.ask('POST', transactions, trigger(lab))).status, 201);
  await sweeps;
  const closed = lab.close();
  release();
  await closed;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(timers.size, 0);
});

test(
  'an SCS/AS that goes away while its body comes in is no fault of this side',
  inT8Lab(async (lab) => {
    const sent = lab.begin('POST', `/3gpp-nidd/v1/${app}/configurations`, '{}');
    await until(() => lab.underWay() === 1);
    sent.abort();
    await until(() => lab.underWay() === 0);
    assert.deepEqual(lab.events, []);
  }),
);

test(
  'RFC 7396 2: of two patches of one resource at once each counts, in whatever order their bodies come in',
  inT8Lab(async (lab) => {
    const { client, devices } = lab;
    devices.answers = [{ outcome: 'unreachable' }];
    const device = { externalId: meter.externalId };
    const { location: trigger } = await client.trigger(device, utf8('x'));
    const { location: configuration } = await client.configure(device);
    const { location: downlink } = await client.deliver(lab.at(configuration), device, utf8('x'));
    const cases = [
      [trigger, { priority: 'PRIORITY' }, { applicationPortId: 7 }],
      [configuration, { duration: '2100-01-01T00:00:00Z' }, { pdnEstablishmentOption: 'SEND_TRIGGER' }],
      [downlink, { priority: 7 }, { data: 'dHdv' }],
    ] as const;
    for (const [location, slow, quick] of cases) {
      const path = lab.at(location);
      const first = lab.begin('PATCH', path, JSON.stringify(slow));
      await until(() => lab.underWay() === 1);
      assert.equal((await client.ask('PATCH', path, quick)).status, 200);
      assert.equal(await first.finish(), 200);
      const { body } = await client.ask('GET', path);
      for (const [name, value] of Object.entries({ ...slow, ...quick })) assert.equal(memberOf(body, name), value, name);
    }
  }),
);
