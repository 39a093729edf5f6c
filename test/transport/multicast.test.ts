import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { allCoapNodes, Code, Endpoint, pathOptions, Router } from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { tap, udp } from '../../src/transport/index.ts';
import { freePort } from '../support/ports.ts';

/** Whether this machine carries a datagram to a group over its loopback interface; else why not. */
async function carries(group: string, on: string): Promise<string | undefined> {
  const receiver = await udp({ address: on, groups: [{ address: group, port: await freePort() }] }).catch((error: Error) => error);
  if (receiver instanceof Error) return receiver.message;
  await receiver.close();
  const sender = createSocket(on.includes(':') ? 'udp6' : 'udp4');
  return new Promise((done) => {
    sender.on('error', (error) => done(error.message));
    sender.bind(0, on, () => {
      if (!on.includes(':')) sender.setMulticastInterface(on);
      sender.send('x', 9, group, (error) => {
        sender.close();
        done(error?.message);
      });
    });
  });
}

for (const [group, on] of [
  [allCoapNodes.ipv4, '127.0.0.1'],
  ['ff02::fd%lo', '::1'],
] as const) {
  test(`RFC 7252 8: discovery by multicast to ${group} on loopback, two servers and a client`, async (t) => {
    const reason = await carries(group, on);
    if (reason !== undefined) {
      t.diagnostic(`left out: this machine carries no multicast to ${group} on ${on}: ${reason}`);
      return;
    }
    const port = await freePort();
    const served: (string | undefined)[] = [];
    const servers = await Promise.all(
      ['one', 'two'].map(async (name) => {
        const router = new Router();
        router.resource(`/${name}`, { get: () => name, attributes: { rt: 'test' } });
        const transport = await udp({ address: on, groups: [{ address: group, port }] });
        return new Endpoint({
          transport,
          handler: (request, reply) => {
            served.push(request.group);
            router.handler(request, reply);
          },
          multicast: { leisure: 50 },
        });
      }),
    );
    const client = new Endpoint({ transport: tap(await udp({ address: on }), () => {}) });
    const all = await client.resolve(group, port);
    assert.equal(all.group, true);
    const found = new Map<string, number>();
    for await (const response of client.requestGroup({ peer: all, options: pathOptions(['.well-known', 'core']) }, { wait: 1000 })) {
      assert.equal(response.code, Code.Content);
      found.set(fromUtf8(response.payload), response.peer!.port);
      if (found.size === 2) break;
    }
    assert.deepEqual([...found.keys()].sort(), ['</one>;rt="test"', '</two>;rt="test"']);
    assert.deepEqual(served, [group.split('%')[0], group.split('%')[0]]);
    // The response came from the server's own address, where it answers alone.
    const response = await client.request({ peer: await client.resolve(on, found.get('</one>;rt="test"')!), options: pathOptions(['one']) });
    assert.equal(fromUtf8(response.payload), 'one');
    assert.equal(served[2], undefined);
    await Promise.all([client.close(), ...servers.map((server) => server.close())]);
  });
}

test('RFC 4007 11: a group with a zone is joined on the interface of the zone', async (t) => {
  const joined = (): readonly string[] => {
    const lines = readFileSync('/proc/net/igmp6', 'latin1').trim().split('\n');
    return lines.map((line) => line.split(/\s+/)).flatMap(([, on, group]) => (group === 'ff0200000000000000000000000000fd' ? [on!] : []));
  };
  let before: readonly string[];
  try {
    before = joined();
  } catch (error) {
    t.diagnostic(`left out: this system does not list its groups: ${(error as Error).message}`);
    return;
  }
  if (before.includes('lo')) {
    t.diagnostic('left out: somebody has joined the group on lo already');
    return;
  }
  const transport = await udp({ address: '::1', groups: [{ address: 'ff02::fd%lo', port: await freePort() }] }).catch((error: Error) => error);
  if (transport instanceof Error) {
    t.diagnostic(`left out: this machine joins no group on lo: ${transport.message}`);
    return;
  }
  t.after(() => transport.close());
  assert.ok(joined().includes('lo'), `joined on ${joined().join(', ')}`);
});

test('udp: groups that cannot be joined', async () => {
  const port = await freePort();
  for (const options of [
    { groups: [{ address: '10.0.0.1', port }] },
    { groups: [{ address: 'nowhere', port }] },
    { groups: [{ address: allCoapNodes.ipv4, port, interface: '203.0.113.1' }] },
    { address: '0.0.0.0', port, groups: [{ address: allCoapNodes.ipv4, port }] },
    { multicastInterface: 'nowhere' },
  ])
    await assert.rejects(udp(options), { code: 'ERR_TRANSPORT_BIND' });
  // What was opened is closed again.
  const again = await udp({ port });
  await again.close();
});
