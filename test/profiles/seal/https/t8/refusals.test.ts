import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemCauses, T8Client, T8Error } from '../../../../../profiles/seal/https/t8/index.ts';
import { utf8 } from '../../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { app, inT8Lab, memberOf, meter, pump, T8Lab } from './lab.ts';

const meter2 = { externalId: 'meter2@op.example', uri: 'coap://10.0.0.4' };
const unmeasured = { burst: 1_000, rate: 1_000 };

test('TS 29.122, 4.4.8.2: an SCS/AS that exceeds its rate is answered with 429, Retry-After and problem details, whatever it asks for', async () => {
  let now = 0;
  const env = { ...systemEnv, now: () => now };
  const lab = await T8Lab.start({ env, limits: { rate: { perScsAs: { burst: 3, rate: 0.5 }, perDevice: unmeasured } } });
  try {
    const own = `/3gpp-nidd/v1/${app}/configurations`;
    for (const path of [own, `${own}/absent`, `/3gpp-device-triggering/v1/${app}/transactions`])
      assert.notEqual((await lab.client.ask('GET', path)).status, 429);
    const refused = await lab.client.trigger({ externalId: meter.externalId }, utf8('x'));
    assert.deepEqual([refused.status, refused.retryAfter], [429, 2]);
    assert.deepEqual(refused.body, {
      title: 'Too Many Requests',
      status: 429,
      detail: 'expected fewer requests of this SCS/AS, got one more',
      cause: 'NF_CONGESTION_RISK',
    });
    assert.equal(lab.devices.taken.length, 0);
    assert.deepEqual(
      lab.events.filter(({ type }) => type === 'rate-exceeded'),
      [{ type: 'rate-exceeded', scsAsId: app }],
    );
    // Another SCS/AS has a rate of its own.
    assert.equal((await lab.clientOf('app2', lab.port).ask('GET', '/3gpp-nidd/v1/app2/configurations')).status, 200);
    // One that asks in its name does not use it up.
    for (let i = 0; i < 5; i++) assert.equal((await lab.clientOf('app2', lab.port).ask('GET', own)).status, 403);
    now += 2_000;
    assert.equal((await lab.client.ask('GET', own)).status, 200);
    assert.equal((await lab.client.ask('GET', own)).status, 429);
  } finally {
    await lab.close();
  }
});

test('an address has a rate before it is known who asks', async () => {
  let now = 0;
  const env = { ...systemEnv, now: () => now };
  const lab = await T8Lab.start({ env, limits: { rate: { perAddress: { burst: 2, rate: 0.5 }, perScsAs: unmeasured } } });
  try {
    const own = `/3gpp-nidd/v1/${app}/configurations`;
    assert.equal((await lab.client.ask('GET', own)).status, 200);
    assert.equal((await lab.clientOf('app2', lab.port).ask('GET', own)).status, 403);
    const refused = await lab.client.ask('GET', own);
    assert.deepEqual(
      [refused.status, refused.retryAfter, memberOf(refused.body, 'detail')],
      [429, 2, 'expected fewer requests from this address, got one more'],
    );
    assert.deepEqual(lab.events.at(-1), { type: 'address-rate-exceeded', address: '127.0.0.1' });
    now += 2_000;
    assert.equal((await lab.client.ask('GET', own)).status, 200);
  } finally {
    await lab.close();
  }
});

test('rates that are changed count from the next request on; what was counted for others stays', async () => {
  const env = { ...systemEnv, now: () => 0 };
  const lab = await T8Lab.start({ env, limits: { rate: { perScsAs: { burst: 1, rate: 0.5 }, perAddress: { burst: 4, rate: 0.5 } } } });
  try {
    const ask = async (): Promise<number> => (await lab.client.ask('GET', `/3gpp-nidd/v1/${app}/configurations`)).status;
    assert.deepEqual([await ask(), await ask()], [200, 429]);
    lab.gateway.changeRates({ perScsAs: { burst: 2, rate: 0.5 }, perAddress: { burst: 4, rate: 0.5 } });
    assert.deepEqual([await ask(), await ask()], [200, 200]);
    // The address has sent four by now.
    assert.equal(await ask(), 429);
    lab.gateway.changeRates({});
    for (let i = 0; i < 10; i++) assert.equal(await ask(), 200);
  } finally {
    await lab.close();
  }
});

test('what is sent to a device has a rate, of both APIs and of all SCS/AS together; what may not be sent does not count', async () => {
  let now = 0;
  const env = { ...systemEnv, now: () => now };
  const rules = ['app1', 'app2'].map((scsAsId) => ({ scsAsId, devices: 'meter*@op.example', api: '*', effect: 'allow' }) as const);
  const lab = await T8Lab.start({ env, rules, limits: { rate: { perScsAs: unmeasured, perDevice: { burst: 2, rate: 0.1 } } } });
  try {
    await lab.gateway.devices.put(meter2);
    const device = { externalId: meter.externalId };
    const other = lab.clientOf('app2', lab.port);
    for (let i = 0; i < 5; i++) assert.equal((await other.trigger({ externalId: pump.externalId }, utf8('x'))).status, 403);
    for (let i = 0; i < 5; i++) assert.equal((await lab.client.trigger(device, utf8('x'), { validityPeriod: -1 })).status, 400);
    const configuration = lab.at((await lab.client.configure(device)).location);
    assert.equal((await lab.client.deliver(configuration, device, utf8('1'))).status, 200);
    const made = await other.trigger({ msisdn: meter.msisdn! }, utf8('2'));
    assert.equal(made.status, 201);
    const refusals = [
      await lab.client.deliver(configuration, device, utf8('3')),
      await lab.client.trigger(device, utf8('3')),
      await other.ask('PATCH', lab.at(made.location), { validityPeriod: 9 }),
    ];
    for (const { status, retryAfter, body } of refusals)
      assert.deepEqual(
        [status, retryAfter, memberOf(body, 'cause'), memberOf(body, 'detail')],
        [429, 10, 'NF_CONGESTION_RISK', 'expected fewer requests for this device, got one more'],
      );
    // Who may not address it learns nothing of its rate.
    assert.equal((await lab.clientOf('app3', lab.port).trigger(device, utf8('x'))).status, 403);
    assert.equal((await lab.client.trigger({ externalId: meter2.externalId }, utf8('4'))).status, 201);
    now += 10_000;
    assert.equal((await lab.client.trigger(device, utf8('5'))).status, 201);
    const told = lab.events.filter((event) => event.type === 'rate-exceeded');
    assert.deepEqual(
      told.map((event) => event.type === 'rate-exceeded' && [event.scsAsId, event.device]),
      [
        ['app1', meter.externalId],
        ['app1', meter.externalId],
        ['app2', meter.externalId],
      ],
    );
    assert.equal(lab.gateway.stats()['rates']! > 0, true);
  } finally {
    await lab.close();
  }
});

test(
  'TS 29.500, Table 5.2.7.2-1, and TS 29.122, 4.4.5.3.1: the cause of each refusal',
  inT8Lab(async (lab) => {
    const { client } = lab;
    const device = { externalId: meter.externalId };
    const triggers = `/3gpp-device-triggering/v1/${app}/transactions`;
    const configuration = lab.at((await client.configure(device)).location);
    const trigger = lab.at((await client.trigger(device, utf8('x'))).location);
    const good = {
      ...device,
      validityPeriod: 1,
      priority: 'PRIORITY',
      applicationPortId: 1,
      triggerPayload: 'eA==',
      notificationDestination: 'https://as.example',
    };
    const refused: readonly (readonly [what: string, method: 'GET' | 'POST' | 'PATCH' | 'PUT', path: string, body: unknown, answer: readonly unknown[]])[] = [
      ['a member is missing, another wrong', 'POST', triggers, { ...good, priority: undefined, validityPeriod: -1 }, [400, 'MANDATORY_IE_MISSING']],
      ['no device', 'POST', triggers, { ...good, externalId: undefined }, [400, 'MANDATORY_IE_MISSING']],
      ['a member is wrong, and one that may be left out', 'POST', triggers, { ...good, priority: 'x', appSrcPortId: -1 }, [400, 'MANDATORY_IE_INCORRECT']],
      ['two devices', 'POST', triggers, { ...good, msisdn: meter.msisdn }, [400, 'MANDATORY_IE_INCORRECT']],
      ['a destination that is none', 'POST', triggers, { ...good, notificationDestination: 'https://10.0.0.1' }, [400, 'MANDATORY_IE_INCORRECT']],
      ['a member that may be left out is wrong', 'POST', triggers, { ...good, appSrcPortId: -1 }, [400, 'OPTIONAL_IE_INCORRECT']],
      ['no object', 'POST', triggers, [], [400, 'INVALID_MSG_FORMAT']],
      ['a member that is not to be changed', 'PATCH', trigger, { externalId: pump.externalId }, [403, 'MODIFICATION_NOT_ALLOWED']],
      ['a device that is not for this SCS/AS', 'POST', triggers, { ...good, externalId: pump.externalId }, [403, undefined]],
      ['data that is too long', 'POST', `${configuration}/downlink-data-deliveries`, { ...device, data: 'A'.repeat(12_000) }, [403, 'DATA_TOO_LARGE']],
      ['an API that is not there', 'GET', `/3gpp-monitoring-event/v1/${app}/subscriptions`, undefined, [404, 'RESOURCE_URI_STRUCTURE_NOT_FOUND']],
      ['a path that is not there', 'GET', `${configuration}/manage-ports`, undefined, [404, 'RESOURCE_URI_STRUCTURE_NOT_FOUND']],
      ['a resource that is not there', 'GET', `${triggers}/absent`, undefined, [404, undefined]],
      ['a method that is not there', 'PUT', triggers, good, [405, undefined]],
    ];
    for (const [what, method, path, body, answer] of refused) {
      const { status, body: problem } = await client.ask(method, path, body as never);
      assert.deepEqual([status, memberOf(problem, 'cause')], answer, what);
      assert.equal(memberOf(problem, 'status'), status, what);
    }
  }),
);

test('a cause has one status', () => {
  for (const [reason, status] of Object.entries(problemCauses)) {
    const { problem } = new T8Error('ERR_T8_REQUEST', 'x', { reason: reason as keyof typeof problemCauses });
    assert.deepEqual([problem.status, problem.cause], [status, reason]);
  }
});

/** A client of an SCEF that is this function. */
function clientOver(fetch: NonNullable<ConstructorParameters<typeof T8Client>[0]['fetch']>): T8Client {
  const notificationDestination = 'https://as.example/heard';
  return new T8Client({ apiRoot: 'https://scef.example', scsAsId: app, tls: {}, token: () => 'token', notificationDestination, fetch });
}

test('RFC 6750 5.3: T8Client gives its token to the SCEF alone, whatever URI a server has named', async () => {
  const asked: string[] = [];
  const client = clientOver(async (url) => {
    asked.push(url);
    return { status: 204, headers: {}, body: new Uint8Array() };
  });
  for (const elsewhere of ['https://scef.example.evil/x', 'http://scef.example/x', '//evil.example/x', 'https://scef.example:444/x'])
    await assert.rejects(client.ask('GET', elsewhere), { code: 'ERR_T8_CONFIG' });
  assert.deepEqual(asked, []);
  await client.ask('GET', 'https://scef.example/x');
  await client.ask('GET', '/y');
  assert.deepEqual(asked, ['https://scef.example/x', 'https://scef.example/y']);
});

test('T8Client: an answer that is no JSON is a typed error', async () => {
  const answer = { status: 200, headers: {}, body: utf8('<html>') };
  const client = clientOver(async () => answer);
  await assert.rejects(client.ask('GET', '/3gpp-nidd/v1/app1/configurations'), { name: 'T8Error', code: 'ERR_T8_ANSWER' });
});
