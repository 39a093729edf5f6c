import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { endpointOf, healthCheck, measuredStore, ServerMetrics, type StoreOperation, serveMetrics } from '../../src/operate/index.ts';
import { memoryStore, type Store, StoreError } from '../../src/store/index.ts';
import { Simulator } from '../support/simulator.ts';

function open(stats: () => Record<string, number> = () => ({})): Promise<ServerMetrics> {
  return ServerMetrics.open({ paths: ['/token'], profiles: { coap_dtls: 1, coap_oscore: 2 }, stats });
}

/** The samples of a metric, by their labels. */
async function samples(metrics: ServerMetrics, name: string): Promise<Record<string, number>> {
  const { text } = await metrics.scrape();
  const lines = [...text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))];
  return Object.fromEntries(lines.map(([, labels = '', value]) => [labels, Number(value)]));
}

describe('metrics', () => {
  it('requests by path, method and code; a path that the server does not have is other', async () => {
    const metrics = await open();
    for (const path of ['/token', '/token', '/x', '/y']) metrics.observe({ type: 'answered', path, method: 'POST', code: '4.01', milliseconds: 20 });
    assert.deepEqual(await samples(metrics, 'ace_requests_total'), {
      'path="/token",method="POST",code="4.01"': 2,
      'path="other",method="POST",code="4.01"': 2,
    });
    assert.equal((await samples(metrics, 'ace_request_seconds_sum'))['path="/token"'], 0.04);
  });

  it('tokens by profile and scope; however many scopes there are, the time series are bounded', async () => {
    const metrics = await open();
    const issue = (scope: string): void =>
      metrics.observe({
        type: 'token-issued',
        token: 't',
        client: 'c',
        audience: 'rs1',
        scope,
        expiresIn: 1,
        profile: 2,
        update: false,
        grant: 'client_credentials',
      });
    for (let i = 0; i < 1000; i++) issue(`scope${i}`);
    issue('x'.repeat(2000));
    const issued = await samples(metrics, 'ace_tokens_issued_total');
    assert.equal(Object.keys(issued).length, 65);
    assert.equal(issued['profile="coap_oscore",scope="scope0"'], 1);
    assert.equal(issued['profile="coap_oscore",scope="other"'], 937);
  });

  it('refusals and faults by reason, sessions, and what the server holds', async () => {
    const metrics = await open(() => ({ tokens: 7, 'profile2.peers': 3 }));
    metrics.observe({ type: 'refused', reason: 'unprotected', peer: 'p' });
    metrics.observe({ type: 'token-refused', client: 'c', reason: 'invalid_scope', detail: '' });
    metrics.observe({ type: 'fault', reason: 'ERR_STORE_IO', detail: '' });
    metrics.observeSession({ type: 'handshake-failed' });
    metrics.observeSession({ type: 'session', state: 'opened' });
    assert.deepEqual(await samples(metrics, 'ace_refusals_total'), {
      'event="refused",reason="unprotected"': 1,
      'event="token-refused",reason="invalid_scope"': 1,
    });
    assert.deepEqual(await samples(metrics, 'ace_faults_total'), { 'reason="ERR_STORE_IO"': 1 });
    assert.deepEqual(await samples(metrics, 'ace_dtls_sessions_total'), { 'outcome="failed"': 1, 'outcome="opened"': 1 });
    assert.deepEqual(await samples(metrics, 'ace_entries'), { 'kind="tokens"': 7, 'kind="profile2.peers"': 3 });
  });
});

describe('metrics of HTTP', () => {
  it('requests by face, endpoint, method and status, and logins by outcome', async () => {
    const metrics = await open();
    const answered = (endpoint: string, status: number): void =>
      metrics.observe({ type: 'http-answered', face: 'sim-s', endpoint, method: 'POST', status, milliseconds: 30 });
    for (const status of [200, 200, 401, 0]) answered('/token', status);
    for (let i = 0; i < 1000; i++) answered(`/x${i}`, 404);
    const [client, address] = ['app', '192.0.2.1'];
    metrics.observe({ type: 'login', user: 'anna', client, address });
    for (const reason of ['credentials', 'credentials', 'locked'] as const) metrics.observe({ type: 'login-refused', reason, client, address });
    metrics.observe({ type: 'login-locked', by: 'address', client, address, seconds: 30 });
    const requests = await samples(metrics, 'ace_http_requests_total');
    const of = (endpoint: string, status: number): string => `face="sim-s",endpoint="${endpoint}",method="POST",status="${status}"`;
    assert.deepEqual([requests[of('/token', 200)], requests[of('/token', 401)], requests[of('/token', 0)]], [2, 1, 1]);
    assert.equal(requests[of('other', 404)], 1000 - 63);
    assert.deepEqual(await samples(metrics, 'ace_logins_total'), {
      'outcome="success"': 1,
      'outcome="credentials"': 2,
      'outcome="locked"': 1,
      'outcome="lockout-address"': 1,
    });
    assert.equal((await samples(metrics, 'ace_http_request_seconds_count'))['face="sim-s",endpoint="/token"'], 4);
  });

  it('a path counts under the longest endpoint that it is, or is under', () => {
    const endpoints = ['/token', '/things', '/things/light'];
    const cases = { '/token': '/token', '/tokens': 'other', '/things/a': '/things', '/things/light/1': '/things/light', '/': 'other', '': 'other' };
    for (const [path, endpoint] of Object.entries(cases)) assert.equal(endpointOf(path, endpoints), endpoint, path);
    assert.equal(endpointOf('/anything', ['/', '/a']), '/');
  });
});

describe('a measured store', () => {
  it('does what the store does, and tells how long each operation took and whether it failed', async () => {
    const told: string[] = [];
    const observe = (operation: StoreOperation, seconds: number, outcome: string): void => {
      assert.ok(seconds >= 0 && seconds < 5);
      told.push(`${operation} ${outcome}`);
    };
    const store = measuredStore(memoryStore(), observe);
    const value = Uint8Array.of(1);
    await store.put('a', value);
    assert.deepEqual(await store.get('a'), value);
    assert.equal(await store.compareAndSet('a', value, Uint8Array.of(2)), true);
    assert.equal(await store.batch([{ key: 'b', value }]), true);
    assert.equal(await store.increment('n', 3), 0);
    const keys: string[] = [];
    for await (const [key] of store.scan('')) keys.push(key);
    assert.deepEqual(keys, ['a', 'b', 'n']);
    for await (const [key] of store.scan('')) if (key === 'a') break;
    assert.equal(await store.delete('a'), true);
    await store.close();
    await assert.rejects(store.get('a'), { code: 'ERR_STORE_CLOSED' });
    await assert.rejects(async () => {
      for await (const entry of store.scan('')) assert.ok(entry);
    });
    assert.deepEqual(told, [
      ...['put done', 'get done', 'compareAndSet done', 'batch done', 'increment done', 'scan done', 'scan done', 'delete done'],
      ...['get failed', 'scan failed'],
    ]);
  });
});

describe('health', () => {
  const failing = (get: Store['get']): Pick<Store, 'get'> => ({ get });

  it('is well while the store answers and the server takes requests', async () => {
    const sim = new Simulator();
    let state: string | undefined = 'starting';
    const check = healthCheck({ store: memoryStore(), env: sim.env(), state: () => state });
    assert.equal(await check(), 'starting');
    state = undefined;
    assert.equal(await check(), undefined);
    state = 'draining';
    assert.equal(await check(), 'draining');
  });

  it('of a server without a store is that it takes requests', async () => {
    let fault: string | undefined = 'it does not listen';
    const check = healthCheck({ env: new Simulator().env(), state: () => fault });
    assert.equal(await check(), 'it does not listen');
    fault = undefined;
    assert.equal(await check(), undefined);
  });

  it('is not when the store fails, or does not answer', async () => {
    const sim = new Simulator();
    const broken = failing(() => Promise.reject(new StoreError('ERR_STORE_IO', 'disk')));
    assert.equal(await healthCheck({ store: broken, env: sim.env(), state: () => undefined })(), 'the store fails: ERR_STORE_IO');
    let asked = 0;
    const stuck = failing(() => {
      asked++;
      return new Promise(() => {});
    });
    const check = healthCheck({ store: stuck, env: sim.env(), state: () => undefined });
    const all = await sim.finish(Promise.all([check(), check(), check()]));
    assert.deepEqual(all, Array(3).fill('the store does not answer within 2000 ms'));
    assert.equal(asked, 1);
  });
});

describe('metrics over HTTP', () => {
  it('serves /metrics and /healthz on loopback, and nothing else', async () => {
    const metrics = await open();
    let reason: string | undefined;
    const server = await serveMetrics({ address: '127.0.0.1', port: 0, scrape: () => metrics.scrape(), health: async () => reason });
    const get = async (path: string, method = 'GET'): Promise<readonly [number, string]> => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
      return [response.status, await response.text()];
    };
    try {
      const [status, text] = await get('/metrics?x=1');
      assert.equal(status, 200);
      assert.match(text, /^# TYPE ace_requests_total counter$/m);
      assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
      reason = 'draining';
      assert.deepEqual(await get('/healthz'), [503, 'draining\n']);
      assert.equal((await get('/__proto__'))[0], 404);
      assert.equal((await get('/metrics', 'POST'))[0], 405);
      await assert.rejects(serveMetrics({ address: '127.0.0.1', port: server.port, scrape: () => metrics.scrape(), health: async () => undefined }), {
        code: 'ERR_METRICS_BIND',
      });
    } finally {
      await server.close();
    }
  });

  it('a request that is never finished does not keep it from closing', async () => {
    const metrics = await open();
    const server = await serveMetrics({ address: '127.0.0.1', port: 0, scrape: () => metrics.scrape(), health: async () => undefined });
    const open1 = request({ host: '127.0.0.1', port: server.port, method: 'POST', path: '/metrics' });
    open1.on('error', () => {});
    open1.write('x');
    await new Promise((resolve) => open1.once('socket', (socket) => socket.once('connect', resolve)));
    await server.close();
    open1.destroy();
  });
});
