import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer as createRelay, type Socket } from 'node:net';
import type { T8Event, T8Gateway, T8Rule } from '../../../../profiles/seal/https/t8/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import type { Rows } from './lab.ts';

const scsAsId = 'app1';
const meter = 'meter1@op.example';
const imsi = '262011234567890';

interface Plain {
  readonly gateway: T8Gateway;
  readonly events: readonly T8Event[];
  /** What comes to devices. */
  readonly sent: readonly string[];
  /** What the devices say back. */
  answer: string;
  /** The status of a request for a device, by the API. */
  ask(api: 'device-triggering' | 'nidd', externalId: string): Promise<number>;
  /** The status and body of data for the device of a configuration. */
  deliver(): Promise<string>;
}

/** A T8 gateway without the TLS that is in front of it: the rows that need it look at that. */
async function inPlainLab(rules: readonly T8Rule[], check: (lab: Plain) => Promise<void>): Promise<void> {
  const { T8Gateway: Gateway } = await import('../../../../profiles/seal/https/t8/index.ts');
  const sent: string[] = [];
  const events: T8Event[] = [];
  const lab: { answer: string } = { answer: '' };
  const gateway = new Gateway({
    guard: { check: async () => ({ clientId: scsAsId }) },
    store: memoryStore(),
    link: {
      send: async ({ externalId }) => {
        sent.push(externalId);
        return { outcome: 'taken', payload: utf8(lab.answer) };
      },
    },
    apiRoot: 'https://scef.example',
    rules,
    notifications: { allow: ['127.0.0.1:1'] },
    emit: (event) => events.push(event),
  });
  for (const externalId of [meter, 'pump1@op.example', 'pump2@op.example']) await gateway.devices.put({ externalId, uri: 'coap://10.0.0.2' });
  await gateway.devices.put({ externalId: 'sim@op.example', supi: `imsi-${imsi}`, uri: 'coap://10.0.0.3' });
  const server = createServer(gateway.handler as RequestListener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (path: string, body: object): Promise<Response> =>
    fetch(root + path, { method: 'POST', headers: { 'content-type': 'application/json', connection: 'close' }, body: JSON.stringify(body) });
  const notificationDestination = 'https://127.0.0.1:1/';
  const trigger = { validityPeriod: 9, priority: 'NO_PRIORITY', applicationPortId: 1, triggerPayload: 'eA==', notificationDestination };
  const configurations = `/3gpp-nidd/v1/${scsAsId}/configurations`;
  try {
    await check(
      Object.assign(lab, {
        gateway,
        events,
        sent,
        ask: async (api: string, externalId: string) =>
          (api === 'nidd'
            ? await post(configurations, { externalId, notificationDestination })
            : await post(`/3gpp-device-triggering/v1/${scsAsId}/transactions`, { externalId, ...trigger })
          ).status,
        deliver: async () => {
          const { pathname } = new URL((await post(configurations, { externalId: meter, notificationDestination })).headers.get('location')!);
          const response = await post(`${pathname}/downlink-data-deliveries`, { externalId: meter, data: 'eA==' });
          return `${response.status} ${await response.text()}`;
        },
      }),
    );
  } finally {
    server.closeAllConnections();
    server.close();
    await gateway.close();
  }
}

const allow = (devices: string, api: T8Rule['api'] = '*'): T8Rule => ({ scsAsId, devices, api, effect: 'allow' });

/** A relay before an HTTPS server that keeps what goes by, and may change what comes from clients. */
async function tapped(
  port: number,
  change: (bytes: Buffer) => Buffer,
): Promise<{ readonly port: number; readonly wire: Buffer[]; readonly fromClient: Buffer[]; close(): void }> {
  const wire: Buffer[] = [];
  const fromClient: Buffer[] = [];
  const sockets: Socket[] = [];
  const relay = createRelay((client) => {
    const server = connect(port, '127.0.0.1');
    sockets.push(client, server);
    client.on('data', (bytes) => {
      wire.push(bytes);
      fromClient.push(bytes);
      server.write(change(bytes));
    });
    server.on('data', (bytes) => {
      wire.push(bytes);
      client.write(bytes);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  };
  return { port: (relay.address() as AddressInfo).port, wire, fromClient, close };
}

/** The rows of TS 33.187, 4.7, that the gateway itself answers for. */
export const rows: Rows = {
  'R-401': async () => {
    const { app, meter: device, T8Lab } = await import('../https/t8/lab.ts');
    const lab = await T8Lab.start();
    let isChanging = false;
    const tap = await tapped(lab.port, (bytes) => {
      // Behind the ClientHello, a handshake record, all is protected.
      if (isChanging && bytes[0] !== 22) bytes[bytes.length - 1]! ^= 1;
      return bytes;
    });
    const client = lab.clientOf(app, tap.port);
    const made = await client.trigger({ externalId: device.externalId }, utf8('secret payload'));
    assert.equal(made.status, 201);
    await lab.listener.next(({ transaction }) => transaction === made.location);
    const wire = Buffer.concat(tap.wire).toString('latin1');
    for (const text of [device.externalId, Buffer.from('secret payload').toString('base64'), 'transactions', 'TRIGGERED'])
      assert.ok(!wire.includes(text), text);
    const before = lab.devices.taken.length;
    const replay = connect(lab.port, '127.0.0.1');
    replay.on('error', () => undefined).resume();
    replay.write(Buffer.concat(tap.fromClient));
    await once(replay, 'close');
    isChanging = true;
    await assert.rejects(client.trigger({ externalId: device.externalId }, utf8('changed')), { code: 'ERR_TRANSPORT_HTTPS' });
    assert.equal(lab.devices.taken.length, before);
    // The gateway itself speaks to nobody in the clear.
    const { location } = await lab.client.configure({ externalId: device.externalId });
    const clear = await lab.client.ask('PATCH', lab.at(location), { notificationDestination: 'http://as.example/' });
    assert.equal(clear.status, 400);
    tap.close();
    await lab.close();
  },
  'R-406': async () => {
    const { digitDisguises, encodings } = await import('../https/t8/disguises.ts');
    await inPlainLab([allow(meter)], async (lab) => {
      assert.match(await lab.deliver(), /^200 /);
      const disguises = Object.entries(digitDisguises);
      for (const [index, [encoding, encode]] of Object.entries(encodings).entries()) {
        const [disguise, write] = disguises[index % disguises.length]!;
        lab.answer = encode(write(imsi));
        const said = await lab.deliver();
        assert.match(said, /^500 /, `${encoding} of ${disguise}`);
        assert.doesNotMatch(said, /\d{4}/);
      }
      const { filter } = lab.gateway;
      const body = new Uint8Array();
      for (const headers of [{ location: `/users/${imsi}` }, { 'x-note': `imsi-310410123456789` }])
        assert.ok((await filter.check('response', { headers, body })) !== undefined);
      assert.ok((await filter.check('notification', { uri: `https://as.example/${encodeURIComponent(imsi)}`, body })) !== undefined);
      for (const members of [{ supi: 'x' }, { externalId: '310410123456789@op.example' }, { ue: { msisdn: '31041012345678' } }])
        assert.ok((await filter.check('response', { body: utf8(JSON.stringify(members)) })) !== undefined, JSON.stringify(members));
      const blocked = lab.events.filter(({ type }) => type === 'egress-blocked');
      assert.ok(blocked.length >= Object.keys(encodings).length && !JSON.stringify(blocked).includes('26201'));
    });
  },
  'R-407': async () => {
    await inPlainLab([allow('meter*'), { scsAsId: 'app2', devices: '*', api: '*', effect: 'allow' }], async (lab) => {
      assert.equal(await lab.ask('device-triggering', meter), 201);
      assert.equal(await lab.ask('device-triggering', 'pump1@op.example'), 403);
      assert.equal(await lab.ask('nidd', 'pump1@op.example'), 403);
      assert.deepEqual(new Set(lab.sent), new Set([meter]));
      assert.deepEqual(
        lab.events.flatMap((event) => (event.type === 'decision' && !event.permitted ? [event.device] : [])),
        ['pump1@op.example', 'pump1@op.example'],
      );
    });
  },
  'R-408': async () => {
    const deny: T8Rule = { scsAsId, devices: 'pump2@op.example', api: 'nidd', effect: 'deny' };
    await inPlainLab([allow(meter, 'nidd'), allow('pump*'), deny], async (lab) => {
      assert.equal(await lab.ask('nidd', meter), 201);
      assert.equal(await lab.ask('device-triggering', meter), 403);
      assert.equal(await lab.ask('nidd', 'pump1@op.example'), 201);
      assert.equal(await lab.ask('nidd', 'pump2@op.example'), 403);
      assert.equal(await lab.ask('device-triggering', 'pump2@op.example'), 201);
    });
  },
};
