import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { Destinations } from '../../../../../profiles/seal/https/t8/destinations.ts';
import { NotificationListener } from '../../../../../profiles/seal/https/t8/index.ts';
import { Outbox, type OutboxEvent, type OutboxOptions } from '../../../../../profiles/seal/https/t8/outbox.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { LabAuthority } from '../../../../../src/pki/index.ts';
import { memoryStore } from '../../../../../src/store/index.ts';
import { fetchHttps } from '../../../../../src/transport/index.ts';

/** A destination that takes connections and says nothing. */
async function silent(): Promise<{ readonly authority: string; connections(): number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  return {
    authority: `127.0.0.1:${port}`,
    connections: () => sockets.size,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('an SCS/AS with destinations that are dead holds up no other', async () => {
  const authority = await LabAuthority.make('lab', systemEnv);
  const own = await authority.issue({ commonName: 'scef', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server', 'client'] });
  const listener = await NotificationListener.listen({ ...own, clientCa: authority.cert });
  const dead = await Promise.all(Array.from({ length: 4 }, silent));
  const alive = `127.0.0.1:${listener.port}`;
  const events: OutboxEvent[] = [];
  const options: OutboxOptions = {
    store: memoryStore(),
    env: systemEnv,
    filter: { check: async () => undefined } as unknown as OutboxOptions['filter'],
    destinations: new Destinations([alive, ...dead.map((one) => one.authority)]),
    tls: { ca: authority.cert, cert: own.cert, key: own.key },
    emit: (event) => events.push(event),
  };
  const outbox = new Outbox(options);
  const tell = (scsAsId: string, destination: string, path: string): Promise<unknown> =>
    outbox.send({ scsAsId, destination: `https://${destination}/${path}`, body: JSON.stringify({ path }) });
  for (let i = 0; i < 10; i++) for (const one of dead) await tell('app1', one.authority, `${i}`);
  // Its own too, where they go elsewhere.
  for (const scsAsId of ['app2', 'app1']) await tell(scsAsId, alive, scsAsId);
  await listener.next(({ path }) => path === 'app2', 5_000);
  const taken = dead.map((one) => one.connections());
  assert.ok(Math.max(...taken) <= 4, String(taken));
  assert.ok(taken.reduce((all, one) => all + one, 0) <= 8, String(taken));
  assert.deepEqual(
    events.filter(({ type }) => type !== 'notified'),
    [],
  );
  await outbox.close();
  for (const one of dead) one.close();
  await listener.close();
});

test('of one destination, notifications leave in their order, some at once', async () => {
  const authority = await LabAuthority.make('lab', systemEnv);
  const own = await authority.issue({ commonName: 'scef', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server', 'client'] });
  const listener = await NotificationListener.listen({ ...own, clientCa: authority.cert });
  const outbox = new Outbox({
    store: memoryStore(),
    env: systemEnv,
    filter: { check: async () => undefined } as unknown as OutboxOptions['filter'],
    destinations: new Destinations([`127.0.0.1:${listener.port}`]),
    tls: { ca: authority.cert, cert: own.cert, key: own.key },
    emit: () => {},
  });
  for (let i = 0; i < 30; i++) await outbox.send({ scsAsId: 'app1', destination: `https://127.0.0.1:${listener.port}/`, body: JSON.stringify({ i }) });
  for (let i = 0; i < 30; i++) await listener.next((heard) => heard['i'] === i, 5_000);
  assert.equal(listener.heard.length, 30);
  await outbox.close();
  await listener.close();
});

test('an SCS/AS that looks at no notification keeps the last ones alone', async () => {
  const authority = await LabAuthority.make('lab', systemEnv);
  const own = await authority.issue({ commonName: 'scef', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server', 'client'] });
  const listener = await NotificationListener.listen({ ...own, clientCa: authority.cert }, 2);
  const tls = { ca: authority.cert, cert: own.cert, key: own.key };
  for (let i = 0; i < 4; i++) await fetchHttps(`https://127.0.0.1:${listener.port}/`, { ...tls, method: 'POST', body: JSON.stringify({ i }) });
  assert.deepEqual(listener.heard, [{ i: 2 }, { i: 3 }]);
  await listener.close();
});
