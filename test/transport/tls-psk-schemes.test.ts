import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Router } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { CoapClient, serve, tlsPskSchemes } from '../../src/transport/index.ts';

const key = new Uint8Array(32).fill(7);

test('RFC 8323 9.2: the row of coaps+tcp with pre-shared keys, for a server and for clients', async () => {
  const router = new Router();
  router.resource('/hello', { get: () => 'hello' });
  const psk = async (identity: string): Promise<{ readonly key: Uint8Array; readonly credential: string } | undefined> =>
    identity === 'anna' ? { key, credential: 'anna' } : undefined;
  const server = await serve({ listen: 'coaps+tcp://127.0.0.1:0', handler: router.handler, schemes: tlsPskSchemes({ psk }) });
  const uri = `${server.url}/hello`;
  const as = (identity: string): CoapClient => new CoapClient({ schemes: tlsPskSchemes({ credentials: () => ({ identity: utf8(identity), key }) }) });
  const [anna, bert, nobody] = [as('anna'), as('bert'), new CoapClient({ schemes: tlsPskSchemes() })];
  try {
    assert.equal((await anna.request(uri)).text(), 'hello');
    await assert.rejects(bert.request(uri));
    await assert.rejects(nobody.request(uri), { code: 'ERR_TRANSPORT_CREDENTIALS', message: /credentials for a client/ });
  } finally {
    await Promise.all([anna, bert, nobody].map((client) => client.close()));
    await server.close();
  }
  await assert.rejects(serve({ listen: 'coaps+tcp://127.0.0.1:0', handler: router.handler, schemes: tlsPskSchemes() }), {
    code: 'ERR_TRANSPORT_CREDENTIALS',
    message: /psk for a server/,
  });
});
