import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { allowTargets, CoapError, Endpoint, openRelay, type Upstream } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { udp } from '../../src/transport/index.ts';
import { deviceRouter, GatewayNet, type Got } from './support.ts';

describe('the gateway between HTTP and CoAP', () => {
  let net: GatewayNet;
  before(async () => {
    net = await GatewayNet.open({ name: 'gw1' });
  });
  after(() => net.close());
  const to = (path: string, options: Parameters<GatewayNet['send']>[1] = {}): Promise<Got> => net.send(net.hosting(path), options);

  test('RFC 8075 5.3 and 5.2: a target that the client names, and a path of the gateway', async () => {
    for (const path of [net.hosting('/light'), '/things/light']) {
      const { status, text, headers } = await net.send(path);
      assert.deepEqual([status, text, headers['content-type'], headers.etag], [200, 'on', 'text/plain; charset=utf-8', '"ab"']);
      assert.match(headers['cache-control'] ?? '', /^max-age=(?:30|29)$/);
    }
  });

  test('RFC 7252 10.2: a CoAP URI in the request line', async () => {
    assert.equal((await net.send(`coap://127.0.0.1:${net.device.local.port}/light`)).text, 'on');
  });

  test('RFC 9112 3.2.2: a name in the request line goes before the Host field', async () => {
    for (const path of [net.hosting('/light'), '/things/light']) assert.equal((await net.send(`http://gateway.example${path}`)).text, 'on');
    const named = await GatewayNet.open({ hosts: ['gateway.example'] });
    for (const [target, host, status] of [
      ['http://gateway.example/things/light', 'other.example', 200],
      ['HTTP://Gateway.Example:8080/things/light?a', 'other.example', 200],
      ['http://other.example/things/light', 'gateway.example', 421],
      ['http://user@gateway.example/things/light', 'gateway.example', 421],
      ['/things/light', 'other.example', 421],
    ] as const)
      assert.equal((await named.send(target, { headers: { host } })).status, status, target);
    await named.close();
  });

  test('RFC 7252 10.2.3: HEAD has the fields of GET and no body', async () => {
    const { status, headers, body } = await to('/light', { method: 'HEAD' });
    assert.deepEqual([status, headers['content-length'], body.length], [200, '2', 0]);
  });

  test('RFC 8075 7, Note 3: a condition that holds is a 304', async () => {
    const { status, headers, body } = await to('/light', { headers: { 'if-none-match': '"ab"' } });
    assert.deepEqual([status, headers.etag, body.length, headers['content-length']], [304, '"ab"', 0, undefined]);
    assert.equal((await to('/light', { headers: { 'if-none-match': '"ac"' } })).status, 200);
  });

  test('RFC 8075 8.1: what is fresh is answered from the cache, unless the client wants no such answer', async () => {
    const first = (await to('/count')).text;
    assert.equal((await to('/count')).text, first);
    assert.equal(net.events.at(-1)?.from, 'cache');
    assert.notEqual((await to('/count', { headers: { 'cache-control': 'no-cache' } })).text, first);
    assert.notEqual((await to('/count', { headers: { pragma: 'no-cache' } })).text, first);
  });

  test('RFC 8075 7, Notes 1, 2 and 7: POST, PUT, DELETE, and a method that the resource does not have', async () => {
    const created = await to('/log', { method: 'POST', body: 'x' });
    assert.deepEqual([created.status, created.text, created.headers.location], [201, 'made', net.hosting('/log/7?v=2')]);
    assert.equal((await net.send('/things/log', { method: 'POST' })).headers.location, '/things/log/7?v=2');
    assert.equal((await to('/light', { method: 'PUT', body: 'off', headers: { 'content-type': 'text/plain' } })).status, 204);
    assert.equal((await to('/light', { method: 'DELETE' })).status, 204);
    const wrong = await to('/log', { method: 'DELETE' });
    assert.deepEqual([wrong.status, wrong.reason], [400, 'CoAP server returned 4.05']);
    assert.equal((await to('/none')).status, 404);
    assert.equal((await to('/light', { method: 'OPTIONS' })).status, 501);
  });

  test('RFC 8075 8.3: bodies of 1 byte and of 64 KiB go both ways in blocks; one byte more is a 413', async () => {
    for (const length of [1, 65_536]) {
      const body = new Uint8Array(length).fill(length);
      assert.equal((await to('/large', { method: 'PUT', body, headers: { 'content-type': 'application/octet-stream' } })).status, 204);
      assert.deepEqual((await to('/large')).body, body);
    }
    const tooLong = new Uint8Array(65_537);
    const asked = net.asked;
    assert.equal((await to('/large', { method: 'PUT', body: tooLong })).status, 413);
    assert.equal((await to('/large', { method: 'PUT', body: tooLong, headers: { 'transfer-encoding': 'chunked' } })).status, 413);
    assert.equal(net.asked, asked, 'the server heard nothing of it');
  });

  test('RFC 8075 8.5: a server that does not answer is a 504', async () => {
    const impatient = await GatewayNet.open({ timeout: 100 });
    const { status, headers } = await impatient.send('/things/silent');
    assert.deepEqual([status, headers['cache-control']], [504, 'no-store']);
    assert.equal(impatient.events.at(-1)?.error, 'ERR_COAP_TIMEOUT');
    await impatient.close();
  });

  test('RFC 8768 5, RFC 9110 7.6.3: a request that was here before, or passed too many, is a 508', async () => {
    assert.equal((await to('/light', { headers: { via: '1.1 other, HTTP/1.1 GW1 (a comment)' } })).status, 508);
    assert.equal((await to('/light', { headers: { via: Array(16).fill('1.1 p').join(', ') } })).status, 508);
    assert.equal((await to('/light', { headers: { via: Array(15).fill('1.1 p').join(', ') } })).status, 200);
  });

  test('RFC 8075 10.4 and 8.4: what is not allowed is forbidden, multicast always', async () => {
    const asked = net.asked;
    for (const uri of [
      'coap://127.0.0.1:1/',
      'coap://localhost/',
      'coap://[ff02::fd]/',
      'coap+tcp://127.0.0.1/',
      `coap://127.0.0.1:${net.device.local.port}@127.0.0.2/`,
    ]) {
      const { status } = await net.send(`/hc/${uri.replace('[', '%5B').replace(']', '%5D')}`);
      assert.ok(status === 403 || status === 502 || status === 400, `${uri}: ${status}`);
    }
    assert.equal((await net.send('/hc/coap://127.0.0.1:1/')).status, 403);
    assert.equal((await net.send('/hc/coaps://127.0.0.1/')).status, 403, '10.3: coaps over https only');
    const elsewhere = await net.send('/elsewhere');
    assert.deepEqual([elsewhere.status, elsewhere.headers['content-type']], [404, 'application/problem+json']);
    assert.match(elsewhere.text, /nothing is served at this path; CoAP URIs are reached behind \/hc\//, 'whoever types the name of the gateway alone is told');
    assert.equal((await net.send('/things/../elsewhere')).status, 404);
    assert.equal(net.asked, asked);
    const broken = await GatewayNet.open({
      allow: () => {
        throw new Error('no policy');
      },
      limits: { requests: 2 },
    });
    for (let i = 0; i < 4; i++) assert.equal((await broken.send(broken.hosting('/light'))).status, 500, 'a policy that throws');
    assert.equal(broken.gateway.stats()['requests'], 0);
    await broken.close();
    const relay = await GatewayNet.open({ allow: openRelay });
    assert.equal((await relay.send('/hc/coap://224.0.1.187/')).status, 403);
    assert.equal((await relay.send('/hc/coap://%5Bff02::fd%5D/')).status, 403);
    await relay.close();
    const shut = await GatewayNet.open({ reverse: [] });
    const nothing = await shut.send('/things/light');
    assert.deepEqual([nothing.status, /\/hc\//.test(nothing.text)], [404, true]);
    await shut.close();
    const behind = await GatewayNet.open({ allow: undefined as never });
    assert.match((await behind.send('/elsewhere')).text, /"nothing is served at this path"/);
    await behind.close();
  });

  test('RFC 8075 5.5: the links of the gateway', async () => {
    const all = await net.send('/.well-known/core');
    assert.deepEqual([all.headers['content-type'], all.text], ['application/link-format', '</hc/>;rt="core.hc",</things>']);
    assert.equal((await net.send('/.well-known/core?rt=core.hc')).text, '</hc/>;rt="core.hc"');
    assert.equal((await net.send('/.well-known/core', { method: 'PUT' })).status, 405);
    const other = await GatewayNet.open({ mapping: { base: '/', template: '?uri={+tu}' }, reverse: [] });
    assert.equal((await other.send('/.well-known/core')).text, '</>;rt="core.hc";hct="?uri={+tu}"');
    assert.equal((await other.send(`/?uri=coap://127.0.0.1:${other.device.local.port}/light`)).text, 'on');
    await other.close();
  });

  test('pages of another origin have no access', async () => {
    assert.equal((await to('/light', { headers: { origin: 'https://evil.example' } })).status, 403);
    assert.equal((await to('/light', { headers: { origin: 'null' } })).status, 403);
    assert.equal((await to('/light', { headers: { origin: `http://127.0.0.1:${net.listener.port}` } })).status, 200);
    const named = await GatewayNet.open({ hosts: ['127.0.0.1'] });
    assert.equal((await named.send('/things/light')).status, 200);
    assert.equal((await named.send('/things/light', { headers: { host: 'rebound.example' } })).status, 421);
    await named.close();
  });

  test('two lengths, a length beside chunks, and a line end in a field are no requests', async () => {
    const raw = async (text: string): Promise<string> => {
      const socket = connect(net.listener.port, '127.0.0.1');
      let answer = '';
      socket.on('data', (part) => {
        answer += String(part);
      });
      socket.end(text);
      await once(socket, 'close');
      return answer;
    };
    const head = `POST ${net.hosting('/log')} HTTP/1.1\r\nHost: a\r\n`;
    const asked = net.asked;
    for (const fields of [
      'Content-Length: 1\r\nContent-Length: 2\r\n',
      'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n',
      'Accept: a\rb\r\n',
      'Transfer-Encoding: gzip\r\n',
    ])
      assert.match(await raw(`${head}${fields}\r\nx`), /^HTTP\/1\.1 400 /, fields);
    assert.match(await raw('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 501 /);
    assert.equal(net.asked, asked);
  });

  test('each request is an event, without its path', () => {
    const forwarded = net.events.find(({ type }) => type === 'forwarded')!;
    assert.deepEqual(
      [forwarded.target, forwarded.method, forwarded.status, forwarded.code, forwarded.client],
      [`coap://127.0.0.1:${net.device.local.port}`, 'GET', 200, 69, '127.0.0.1'],
    );
    assert.ok(!JSON.stringify(net.events).includes('light'));
  });
});

describe('who may use a gateway', () => {
  test('RFC 8075 10: authorize decides before a body is read, and sees what is wanted', async () => {
    const seen: unknown[] = [];
    const net = await GatewayNet.open({
      authorize: async ({ headers }, { method, origin, path, query }) => {
        seen.push([method, origin, path, query]);
        if (headers.authorization === 'Bearer broken') throw new Error('no verifier');
        if (headers.authorization === 'Bearer good') return { permit: true, client: 'client-1' };
        return { permit: false, status: 401, detail: 'expected a token', headers: { 'www-authenticate': 'Bearer' } };
      },
    });
    const refused = await net.send('/things/a%2Fb/%2e%2e/light?x=1', { method: 'POST', body: 'x' });
    assert.deepEqual([refused.status, refused.headers['www-authenticate'], net.asked], [401, 'Bearer', 0]);
    assert.deepEqual(seen, [['POST', undefined, ['things', 'light'], ['x=1']]]);
    const good = await net.send(net.hosting('/light'), { headers: { authorization: 'Bearer good' } });
    assert.deepEqual([good.status, net.events.at(-1)?.client], [200, 'client-1']);
    assert.match(good.headers['cache-control'] ?? '', /^private, max-age=/);
    assert.equal((await net.send('/things/light', { headers: { authorization: 'Bearer broken' } })).status, 500);
    await net.close();
  });

  test('RFC 8075 8.1: no more at once than the limits say, and no faster', async () => {
    const net = await GatewayNet.open({ timeout: 2_000, limits: { requests: 2, rate: { burst: 4, rate: 0.001 } } });
    const waiting = [net.send('/things/silent'), net.send('/things/silent?2')];
    while (net.gateway.stats()['requests'] !== 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const busy = await net.send('/things/light');
    assert.deepEqual([busy.status, busy.headers['retry-after']], [503, '5']);
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ status }) => status),
      [504, 504],
    );
    assert.deepEqual([(await net.send('/things/light')).status, (await net.send('/things/light')).status], [200, 200]);
    const many = await net.send('/things/light');
    assert.equal(many.status, 429);
    assert.ok(Number(many.headers['retry-after']) > 1);
    assert.equal(net.gateway.stats()['requests'], 0);
    await net.close();
  });

  test('RFC 8075 8.1: bodies that are slow to come are no more than the limits say, of one client and of all that were decided on at once', async () => {
    const decisions: (() => void)[] = [];
    const net = await GatewayNet.open({
      authorize: ({ headers }) => new Promise((resolve) => decisions.push(() => resolve({ permit: true, client: String(headers['x-client']) }))),
      limits: { requests: 3, requestsPerClient: 2 },
    });
    const sockets = ['a', 'a', 'a', 'b', 'b'].map((client) => {
      const socket = connect(net.listener.port, '127.0.0.1');
      socket.write(`PUT /things/light HTTP/1.1\r\nHost: a\r\nX-Client: ${client}\r\nContent-Length: 4\r\n\r\nof`);
      return socket;
    });
    while (decisions.length < sockets.length) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const decide of decisions) decide();
    while (net.events.length + net.gateway.stats()['requests']! < sockets.length) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.deepEqual(
      net.events.map(({ client, status, reason }) => [client, status, reason]),
      [
        ['a', 503, 'busy'],
        ['b', 503, 'busy'],
      ],
    );
    assert.equal(net.gateway.stats()['requests'], 3);
    for (const socket of sockets) socket.destroy();
    while (net.gateway.stats()['requests'] !== 0) await new Promise((resolve) => setTimeout(resolve, 2));
    await net.close();
  });

  test('a client that is gone leaves an answer to the next (RFC 8075 8.1)', async () => {
    const net = await GatewayNet.open();
    const socket = connect(net.listener.port, '127.0.0.1');
    socket.write(`GET ${net.hosting('/light')} HTTP/1.1\r\nHost: a\r\n\r\n`);
    while (net.asked === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    socket.destroy();
    assert.equal((await net.send(net.hosting('/light'))).text, 'on');
    assert.equal(net.asked, 1);
    await net.close();
  });

  test('a client that is gone before it is known who it is leaves nothing behind', async () => {
    let decide = (_authorization: { readonly permit: true }): void => {};
    const net = await GatewayNet.open({
      authorize: () =>
        new Promise((resolve) => {
          decide = resolve;
        }),
      limits: { requests: 1 },
    });
    const undecided = decide;
    const socket = connect(net.listener.port, '127.0.0.1');
    socket.write('PUT /things/light HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nof');
    while (decide === undecided) await new Promise((resolve) => setTimeout(resolve, 2));
    socket.destroy();
    while (net.listener.stats()['connections'] !== 0) await new Promise((resolve) => setTimeout(resolve, 2));
    const gone = decide;
    gone({ permit: true });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual([net.gateway.stats()['requests'], net.asked], [0, 0]);
    const next = net.send('/things/light');
    while (decide === gone) await new Promise((resolve) => setTimeout(resolve, 2));
    decide({ permit: true });
    assert.equal((await next).status, 200);
    await net.close();
  });

  test('what authorize gives and HTTP does not have is a 500, and the gateway goes on', async () => {
    const detail = 'no';
    const net = await GatewayNet.open({
      authorize: (_request, { query }) => {
        if (query.includes('field')) return { permit: false, status: 401, detail, headers: { 'www-authenticate': 'Bearer\r\nset-cookie: a=b' } };
        return query.includes('status') ? { permit: false, status: 99, detail } : { permit: true };
      },
    });
    for (const wrong of ['field', 'status']) {
      const { status, headers, text } = await net.send(`/things/light?${wrong}`);
      assert.deepEqual(
        [status, headers['content-type'], headers['set-cookie'], headers['www-authenticate']],
        [500, 'application/problem+json', undefined, undefined],
      );
      assert.equal((JSON.parse(text) as { readonly status: number }).status, 500);
    }
    assert.equal((await net.send('/things/light')).status, 200);
    await net.close();
  });

  test('an upstream that throws or has no address is a 502', async () => {
    const broken: Upstream = {
      requester: () => {
        throw new CoapError('ERR_COAP_OPTION', 'no');
      },
      resolve: async (address, port) => ({ key: `${address}:${port}`, address, port }),
    };
    const unresolved: Upstream = { ...broken, resolve: () => Promise.reject(new CoapError('ERR_TRANSPORT_RESOLVE', 'no address')) };
    for (const coap of [broken, unresolved]) {
      const net = await GatewayNet.open({ upstreams: { coap } });
      assert.equal((await net.send('/things/light')).status, 502);
      await net.close();
    }
  });
});

test('a device that takes OSCORE alone is reached through a gateway that has the keys', async () => {
  const store = { reserve: async (_key: string, _count: number): Promise<number> => 0 };
  const keys = { masterSecret: new Uint8Array(16).fill(7), senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2) };
  const context = deriveContext(keys);
  const serverContexts = new ContextTable();
  serverContexts.add(deriveContext({ ...keys, senderId: keys.recipientId, recipientId: keys.senderId }));
  const clientContexts = new ContextTable();
  clientContexts.add(context);
  const router = deviceRouter();
  let unprotected = 0;
  const device = new Endpoint({
    transport: await udp({ address: '127.0.0.1' }),
    handler: (request, reply) => {
      if (request.association === undefined) unprotected++;
      router.handler(request, reply);
    },
    layers: [oscore({ contexts: serverContexts, store, env: systemEnv })],
  });
  const endpoint = new Endpoint({ transport: await udp({ address: '127.0.0.1' }), layers: [oscore({ contexts: clientContexts, store, env: systemEnv })] });
  const protectedUpstream: Upstream = {
    requester: (request, listener) => endpoint.requester({ ...request, association: context }, listener),
    resolve: (host, port) => endpoint.resolve(host, port),
  };
  const net = await GatewayNet.open({
    upstreams: { coap: protectedUpstream },
    allow: allowTargets(),
    reverse: [{ path: '/device', target: `coap://127.0.0.1:${device.local.port}` }],
  });
  const body = new Uint8Array(5000).fill(3);
  assert.equal((await net.send('/device/light')).text, 'on');
  assert.equal((await net.send('/device/large', { method: 'PUT', body, headers: { 'content-type': 'application/octet-stream' } })).status, 204);
  assert.deepEqual((await net.send('/device/large')).body, body);
  assert.equal(unprotected, 0);
  await net.close();
  await endpoint.close();
  await device.close();
});
