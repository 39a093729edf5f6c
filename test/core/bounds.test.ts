import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AceClient } from '../../src/client/index.ts';
import { backOff, EchoRandomValues, EchoTimestamps, Endpoint, echo, ProxyServer, RateLimit, TimeLimit, type TransportBase } from '../../src/coap/index.ts';
import { boundsWith } from '../../src/core/bounds.ts';
import { systemEnv } from '../../src/core/env.ts';
import { Gateway } from '../../src/gateway/index.ts';
import { oscoreProfile, symmetricKey } from '../../src/index.ts';
import { ContextTable, oscore, RenewableContext } from '../../src/oscore/index.ts';
import { ResourceServer, type ResourceServerOptions } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { serveHttp, tcpServer, udp, wsServer } from '../../src/transport/index.ts';
import { Simulator } from '../support/simulator.ts';

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
    for (const name of ['maxObservers', 'maxObserversPerPeer', 'idle', 'patience', 'refresh'] as const)
      assert.throws(() => new Endpoint({ transport, observe: { [name]: bad } }), wrong, name);
    for (const name of ['lifetime', 'addresses', 'window'] as const)
      assert.throws(() => new Endpoint({ transport, amplification: { [name]: bad } }), wrong, name);
    const stateless = { lifetime: bad, response: () => {} };
    assert.throws(() => new Endpoint({ transport, extendedTokens: {}, stateless }), wrong, 'stateless');
  }
  for (const rate of [{ burst: 0 }, { burst: Number.NaN }, { rate: 0 }, { rate: Number.NaN }, { entries: Number.NaN }])
    assert.throws(() => new RateLimit(systemEnv, { burst: 1, rate: 1, entries: 1, ...rate }), wrong, JSON.stringify(rate));
});

test('bounds: layers and proxies take no limit that bounds nothing', () => {
  const wrong = { name: 'CoapError', code: 'ERR_COAP_PARAMETER' };
  for (const bad of none) {
    for (const name of ['maxValues', 'lifetime'] as const) assert.throws(() => echo({ [name]: bad }, systemEnv), wrong, name);
    assert.throws(() => new EchoTimestamps(systemEnv, bad), wrong);
    assert.throws(() => new EchoRandomValues(systemEnv, { window: bad }), wrong);
    assert.throws(() => new EchoRandomValues(systemEnv, { window: 1, entries: bad }), wrong);
    for (const name of ['entries', 'waiting', 'longest'] as const) assert.throws(() => backOff({ [name]: bad }, systemEnv), wrong, name);
    assert.throws(() => new ProxyServer({ timeout: bad }), wrong);
    for (const name of ['exchanges', 'exchangesPerClient', 'addresses'] as const)
      assert.throws(() => new ProxyServer({ limits: { [name]: bad } }), wrong, name);
    for (const name of ['entries', 'bytes', 'payload', 'lifetime'] as const) assert.throws(() => new ProxyServer({ cache: { [name]: bad } }), wrong, name);
  }
});

test('bounds: OSCORE takes no limit that bounds nothing', () => {
  const wrong = { name: 'OscoreError', code: 'ERR_OSCORE_PARAMETERS' };
  const parameters = { masterSecret: new Uint8Array(16), senderId: Uint8Array.of(0), recipientId: Uint8Array.of(1) };
  const store = { reserve: () => Promise.resolve(0), load: () => undefined };
  const options = { contexts: new ContextTable(), store, env: systemEnv };
  for (const bad of none) {
    for (const name of ['limit', 'cached'] as const) assert.throws(() => new ContextTable({ [name]: bad }), wrong, name);
    assert.throws(() => new RenewableContext(parameters, { waiting: bad }), wrong);
    for (const name of ['block', 'waiting', 'warnBelow'] as const) assert.throws(() => oscore({ ...options, [name]: bad }), wrong, name);
    for (const name of ['lookups', 'requests', 'bytes', 'timeout'] as const) assert.throws(() => oscore({ ...options, lookups: { [name]: bad } }), wrong, name);
  }
});

test('times to wait: what is no number ends no wait, and is refused; one that is over is one', async () => {
  const wrong = { name: 'CoapError', code: 'ERR_COAP_PARAMETER' };
  const sim = new Simulator();
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env() });
  const peer = sim.peer('10.0.0.2', 5683);
  const group = sim.join('224.0.1.187', 5683, '10.0.0.1:5683');
  for (const bad of [Number.NaN, '7' as unknown as number, null as unknown as number]) {
    await assert.rejects(endpoint.request({ peer }, { timeout: bad }), wrong);
    await assert.rejects(endpoint.ping(peer, { timeout: bad }), wrong);
    await assert.rejects(endpoint.send({ peer }, { wait: bad }), wrong);
    assert.throws(() => endpoint.close({ grace: bad }), wrong);
    assert.throws(() => endpoint.requestGroup({ peer: group }, { wait: bad }), wrong);
    assert.throws(() => endpoint.requestGroup({ peer: group }, { responses: bad }), wrong);
    assert.throws(() => new TimeLimit({ timeout: bad }, systemEnv), wrong);
  }
  assert.equal(endpoint.stats()['deadlines'], 0);
  for (const timeout of [0, -1]) await assert.rejects(sim.finish(endpoint.request({ peer }, { timeout })), { code: 'ERR_COAP_TIMEOUT' });
  await endpoint.close();
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
