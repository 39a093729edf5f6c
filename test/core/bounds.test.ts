import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AceClient } from '../../src/client/index.ts';
import { Endpoint, RateLimit, type TransportBase } from '../../src/coap/index.ts';
import { boundsWith } from '../../src/core/bounds.ts';
import { systemEnv } from '../../src/core/env.ts';
import { Gateway } from '../../src/gateway/index.ts';
import { oscoreProfile, symmetricKey } from '../../src/index.ts';
import { ResourceServer, type ResourceServerOptions } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { serveHttp, tcpServer, udp, wsServer } from '../../src/transport/index.ts';

/** What a program makes of a setting that is absent or mistyped, and what no bound can be. */
const none: readonly number[] = [Number.NaN, -1, Number('x'), '7' as unknown as number, null as unknown as number];

test('bounds: what is absent or undefined is as usual, what is infinite bounds nothing on purpose, and what is no number is refused by its name', () => {
  const usual = { connections: 8, bytes: 64 };
  const refuse = (message: string): Error => new TypeError(message);
  assert.deepEqual(boundsWith(usual, undefined, refuse), usual);
  assert.deepEqual(boundsWith(usual, { bytes: undefined }, refuse), usual);
  assert.deepEqual(boundsWith(usual, { bytes: 0 }, refuse), { connections: 8, bytes: 0 });
  assert.deepEqual(boundsWith(usual, { connections: Number.POSITIVE_INFINITY, more: 1 } as object, refuse), {
    connections: Number.POSITIVE_INFINITY,
    bytes: 64,
  });
  for (const bytes of none)
    assert.throws(() => boundsWith(usual, { bytes }, refuse), { name: 'TypeError', message: /^bytes: expected a number from 0 on, got / });
});

test('bounds: an endpoint takes no limit that bounds nothing', async (t: TestContext) => {
  const transport = await udp();
  t.after(() => transport.close());
  const wrong = { name: 'CoapError', code: 'ERR_COAP_PARAMETER' };
  for (const bad of none) {
    for (const name of ['peers', 'queue', 'replies', 'requests', 'notifications'] as const)
      assert.throws(() => new Endpoint({ transport, limits: { [name]: bad } }), wrong, name);
    assert.throws(() => new Endpoint({ transport, limits: { duplicates: { entries: 1, bytes: bad } } }), wrong, 'duplicates');
    assert.throws(() => new Endpoint({ transport, connections: { outgoing: bad } }), wrong, 'connections');
    for (const name of ['maxBody', 'maxBytes', 'maxTransfers', 'maxTransfersPerPeer', 'lifetime'] as const)
      assert.throws(() => new Endpoint({ transport, blockwise: { [name]: bad } }), wrong, name);
    assert.throws(() => new Endpoint({ transport, qBlock: { maxBytes: bad } }), wrong, 'qBlock');
  }
  for (const rate of [{ burst: 0 }, { burst: Number.NaN }, { rate: 0 }, { rate: Number.NaN }, { entries: Number.NaN }])
    assert.throws(() => new RateLimit(systemEnv, { burst: 1, rate: 1, entries: 1, ...rate }), wrong, JSON.stringify(rate));
});

test('bounds: servers of connections take no limit that bounds nothing', async () => {
  const refused = (opening: Promise<Pick<TransportBase, 'close'>>, what: string): Promise<void> =>
    assert.rejects(
      opening.then((opened) => opened.close()),
      { name: 'TransportError', code: 'ERR_TRANSPORT_OPTION' },
      what,
    );
  for (const bad of none) {
    await refused(tcpServer({ connections: bad }), 'tcp');
    await refused(wsServer({ connectionsPerAddress: bad }), 'ws');
    await refused(
      serveHttp({ bounds: { connections: bad } }, () => {}),
      'http',
    );
  }
});

test('bounds: a gateway, a resource server and a client take no limit that bounds nothing', async (t: TestContext) => {
  const transport = await udp();
  t.after(() => transport.close());
  const store = memoryStore();
  const tokenKey = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16));
  const rs: ResourceServerOptions = { audience: 'rs1', issuers: [{ uri: 'coap://127.0.0.1/token', tokenKeys: [tokenKey] }], profiles: [oscoreProfile], store };
  for (const bad of none) {
    for (const name of ['requests', 'requestsPerClient', 'body'] as const)
      assert.throws(() => new Gateway({ authorize: false, upstreams: {}, limits: { [name]: bad } }), { code: 'ERR_COAP_PARAMETER' }, name);
    for (const name of ['tokens', 'revoked', 'payload', 'upload', 'pending', 'uploadBurst', 'uploadRate'] as const)
      assert.throws(() => new ResourceServer({ ...rs, limits: { [name]: bad } }), { code: 'ERR_RS_CONFIG' }, name);
    const client = { transport, store, profiles: [oscoreProfile], authorizationServers: [], limits: { sessions: bad } };
    assert.throws(() => new AceClient(client), { code: 'ERR_ACE_CONFIG' });
  }
  assert.throws(() => new Gateway({ authorize: false, upstreams: {}, limits: { rate: { burst: 0, rate: 1 } } }), { code: 'ERR_COAP_PARAMETER' });
  const server = new ResourceServer(rs);
  assert.throws(() => server.reconfigure({ limits: { uploadRate: 0 } }), { code: 'ERR_RS_CONFIG' });
  await server.close();
});
