import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CoapClient, request, schemes, serve, tlsSchemes } from '../../src/transport/index.ts';
import { root } from '../support/fixtures.ts';

const pem = (name: string): Uint8Array => readFileSync(join(root, 'fixtures', 'tls', name));
const cert = pem('localhost.pem');
const key = pem('localhost.key.pem');
const ofServer = [...schemes, ...tlsSchemes({ cert, key })];
const ofClient = [...schemes, ...tlsSchemes({ ca: cert })];

test('RFC 8323 8: one server listens at every scheme, one client reaches it by each, observation and large bodies too', async (t) => {
  const names = ['coap', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'];
  let state = 'first';
  const server = await serve({
    listen: names.map((name) => `${name}://127.0.0.1:0`),
    schemes: ofServer,
    resources: {
      '/state': { get: () => state, observable: true },
      '/echo': { post: (asked) => asked.payload },
    },
  });
  t.after(() => server.close());
  const client = new CoapClient({ schemes: ofClient });
  t.after(() => client.close());
  assert.deepEqual(
    server.urls.map((url) => url.slice(0, url.indexOf(':'))),
    names,
  );
  for (const url of server.urls) {
    // The certificate is for the name.
    const at = url.replace('127.0.0.1', 'localhost');
    assert.equal((await client.request(`${at}/state`)).text(), state, at);
    const large = new Uint8Array(10_000).fill(7);
    assert.deepEqual((await client.request(`${at}/echo`, { method: 'POST', payload: large })).payload, large, at);
    const stream = client.observe(`${at}/state`);
    assert.equal((await stream.next()).value!.text(), state);
    state = `changed for ${at}`;
    server.changed('/state');
    assert.equal((await stream.next()).value!.text(), state);
    await stream.return!();
  }
});

test('TLS: without certificates a server does not start, and a client takes none that nobody vouches for', async (t) => {
  await assert.rejects(serve({ listen: 'coaps+tcp://127.0.0.1:0', resources: {} }), { code: 'ERR_TRANSPORT_TLS' });
  const server = await serve({ listen: 'coaps+tcp://127.0.0.1:0', schemes: ofServer, resources: { '/': () => 'ok' } });
  t.after(() => server.close());
  await assert.rejects(request(server.url.replace('127.0.0.1', 'localhost'), { timeout: 5000 }), { name: 'CoapError' });
});
