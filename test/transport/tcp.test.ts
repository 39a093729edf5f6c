import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, Endpoint, pathOptions, Router } from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { tcp, tcpServer } from '../../src/transport/index.ts';

test('tcp: get', async (t) => {
  const router = new Router({});
  router.resource('/hello', { get: () => 'Hello' });
  const server = new Endpoint({ transport: await tcpServer(), handler: router.handler });
  const client = new Endpoint({ transport: await tcp() });
  t.after(() => Promise.all([client.close(), server.close()]));
  const peer = await client.resolve('127.0.0.1', server.local.port);
  const response = await client.request({ peer, options: pathOptions(['hello']) });
  assert.equal(response.code, Code.Content);
  assert.equal(fromUtf8(response.payload), 'Hello');
});
