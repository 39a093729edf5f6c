import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code, Endpoint, Router } from '../../src/coap/index.ts';
import { root } from '../support/fixtures.ts';
import { kinds } from '../transport/stream-transports.ts';
import { ace, aceExits } from './lab.ts';

const ca = ['--ca', join(root, 'fixtures', 'tls', 'localhost.pem')];

for (const kind of kinds) {
  const secure = kind.scheme.startsWith('coaps');
  const flags = secure ? ca : [];

  test(`ace-coap get, put, observe, discover and ping over ${kind.scheme}`, async (t) => {
    const router = new Router();
    let value = 'x'.repeat(20_000);
    const handle = router.resource('/value', {
      get: () => value,
      put: (request) => {
        value = request.text();
        handle.changed();
        return { code: Code.Changed };
      },
      observable: true,
    });
    const server = new Endpoint({ transport: await kind.server(), handler: router.handler });
    t.after(() => server.close());
    const base = `${kind.scheme}://127.0.0.1:${server.local.port}`;
    assert.equal((await ace(['get', `${base}/value`, ...flags])).stdout.trim(), value);
    await ace(['put', `${base}/value`, '-d', 'short', ...flags]);
    assert.equal(value, 'short');
    assert.equal((await ace(['observe', `${base}/value`, '--count', '1', ...flags])).stdout.trim(), 'short');
    assert.match((await ace(['discover', base, ...flags])).stdout, /\/value/);
    assert.match((await ace(['ping', base, ...flags])).stdout, /alive/);
    const { stderr } = await ace(['get', `${base}/value`, '-v', ...flags]);
    assert.match(stderr, /7\.01 CSM/);
    assert.match(stderr, /GET {2}token/);
    assert.equal(server.stats()['observers'], 0);
    if (secure) assert.match((await aceExits(3, ['get', `${base}/value`])).stderr, /certificate/i);
  });

  test(`${kind.scheme}: nobody is there`, async () => {
    const gone = await kind.server();
    const { port } = gone.local;
    await gone.close();
    assert.match((await aceExits(3, ['get', `${kind.scheme}://127.0.0.1:${port}/value`, ...flags])).stderr, /ECONNREFUSED/);
  });
}
