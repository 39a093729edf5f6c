import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code, Endpoint, OptionNumber, opaqueOption, stringOption } from '../../src/coap/index.ts';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { CoapClient, type CoapRequestInit, observe, request, type Scheme, schemes, serve, udp } from '../../src/transport/index.ts';
import { root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { pause, until } from '../support/wait.ts';

const listen = 'coap://127.0.0.1:0';

test('request: what the response says, by name', async () => {
  const options = [
    stringOption(OptionNumber.LocationPath, 'log'),
    stringOption(OptionNumber.LocationPath, 'a/b c'),
    stringOption(OptionNumber.LocationQuery, 'v=2'),
    stringOption(OptionNumber.LocationQuery, 'x&y'),
  ];
  const server = await serve({
    listen,
    resources: {
      '/full': () => ({ payload: '{"a":1}', contentFormat: 50, etag: fromHex('0102'), maxAge: 7 }),
      '/log': { post: () => ({ code: Code.Created, options }) },
      '/cbor': () => ({ payload: fromHex('a10102'), contentFormat: 60 }),
      '/root': () => ({ options: [stringOption(OptionNumber.LocationQuery, 'q')] }),
      '/reserved': () => ({ options: [...options, opaqueOption(128, new Uint8Array(1))] }),
    },
  });
  const full = await request(`${server.url}/full`);
  assert.deepEqual([full.ok, full.code, full.codeText, full.contentFormat, full.maxAge, full.json()], [true, 69, '2.05', 50, 7, { a: 1 }]);
  assert.equal(toHex(full.etag!), '0102');
  assert.equal(full.location, undefined);
  assert.throws(() => full.cbor(), { code: 'ERR_COAP_PAYLOAD' });
  const created = await request(`${server.url}/log`, { method: 'POST' });
  assert.deepEqual([created.codeText, created.location, created.maxAge], ['2.01', '/log/a%2Fb%20c?v=2&x%26y', 60]);
  assert.equal((await request(`${server.url}/root`)).location, '/?q');
  const reserved = await request(`${server.url}/reserved`);
  assert.throws(() => reserved.location, { code: 'ERR_COAP_OPTION' });
  const cbor = await request(`${server.url}/cbor`);
  assert.deepEqual(cbor.cbor(), new Map([[1, 2]]));
  assert.throws(() => cbor.json(), { name: 'BytesError' });
  const missing = await request(`${server.url}/missing`);
  assert.deepEqual([missing.ok, missing.codeText], [false, '4.04']);
  assert.throws(() => missing.json(), { code: 'ERR_COAP_PAYLOAD' });
  await server.close();
});

test('request: what an init says, as the server sees it', async () => {
  const server = await serve({
    listen,
    handler: ({ code, options, payload, nonConfirmable = false }, reply) => {
      const seen = { method: code, options: options.map(({ number, value }) => `${number}:${toHex(value)}`), payload: toHex(payload), non: nonConfirmable };
      reply.respond({ code: Code.Changed, options: [], payload: utf8(JSON.stringify(seen)) });
    },
  });
  const seen = async (init: CoapRequestInit): Promise<unknown> => (await request(`${server.url}/a?b=c`, init)).json();
  const uri = ['11:61', '15:623d63'];
  assert.deepEqual(await seen({}), { method: 1, options: uri, payload: '', non: false });
  assert.deepEqual(await seen({ method: 'iPATCH', payload: 'hi', confirmable: false }), {
    method: 7,
    options: ['11:61', '12:', '15:623d63'],
    payload: '6869',
    non: true,
  });
  assert.deepEqual(await seen({ method: 'PUT', payload: fromHex('00ff') }), { method: 3, options: uri, payload: '00ff', non: false });
  assert.deepEqual(await seen({ method: 'POST', payload: { b: 1, a: [true] }, contentFormat: 'application/cbor' }), {
    method: 2,
    options: ['11:61', '12:3c', '15:623d63'],
    payload: 'a2616181f5616201',
    non: false,
  });
  assert.deepEqual(await seen({ method: 'POST', payload: null, contentFormat: 50, accept: 'application/json' }), {
    method: 2,
    options: ['11:61', '12:32', '15:623d63', '17:32'],
    payload: '6e756c6c',
    non: false,
  });
  assert.deepEqual(
    await seen({
      method: 'PUT',
      ifMatch: [fromHex('01'), new Uint8Array(0)],
      ifNoneMatch: true,
      etag: fromHex('02'),
      options: [opaqueOption(65_000, fromHex('03'))],
    }),
    { method: 3, options: ['1:01', '1:', '4:02', '5:', '11:61', '15:623d63', '65000:03'], payload: '', non: false },
  );
  await server.close();
});

test('request: an ETag at hand is confirmed by 2.03, conditions are kept', async () => {
  const server = await serve({ listen, resources: { '/a': { get: () => ({ payload: 'a', etag: fromHex('01') }), put: () => undefined } } });
  assert.equal((await request(`${server.url}/a`, { etag: [fromHex('02'), fromHex('01')] })).codeText, '2.03');
  assert.equal((await request(`${server.url}/a`, { method: 'PUT', ifMatch: fromHex('02') })).codeText, '4.12');
  assert.equal((await request(`${server.url}/a`, { method: 'PUT', ifMatch: fromHex('01') })).codeText, '2.04');
  assert.equal((await request(`${server.url}/a`, { method: 'PUT', ifNoneMatch: true })).codeText, '4.12');
  await server.close();
});

test('request: what cannot be sent is a typed error', async () => {
  const circle: unknown[] = [];
  circle.push(circle);
  const cases: readonly (readonly [string, object, string])[] = [
    ['http://127.0.0.1/', {}, 'ERR_TRANSPORT_SCHEME'],
    ['127.0.0.1', {}, 'ERR_TRANSPORT_SCHEME'],
    ['coap://', {}, 'ERR_COAP_URI'],
    ['coap://127.0.0.1:0/', {}, 'ERR_COAP_URI'],
    ['coap://name.invalid/', {}, 'ERR_TRANSPORT_RESOLVE'],
    ['coap://127.0.0.1/', { method: 'get' }, 'ERR_COAP_METHOD'],
    ['coap://127.0.0.1/', { method: 'toString' }, 'ERR_COAP_METHOD'],
    ['coap://127.0.0.1/', { accept: 'no/such' }, 'ERR_COAP_CONTENT_FORMAT'],
    ['coap://127.0.0.1/', { contentFormat: 65_536 }, 'ERR_COAP_CONTENT_FORMAT'],
    ['coap://127.0.0.1/', { payload: {} }, 'ERR_COAP_VALUE'],
    ['coap://127.0.0.1/', { payload: {}, contentFormat: 0 }, 'ERR_COAP_VALUE'],
    ['coap://127.0.0.1/', { payload: circle, contentFormat: 50 }, 'ERR_COAP_VALUE'],
    ['coap://127.0.0.1/', { payload: circle, contentFormat: 60 }, 'ERR_COAP_VALUE'],
    ['coap://127.0.0.1/', { payload: () => {}, contentFormat: 50 }, 'ERR_COAP_VALUE'],
    ['coap://127.0.0.1/', { payload: Symbol('a'), contentFormat: 60 }, 'ERR_COAP_VALUE'],
    ['coap://127.0.0.1/', { signal: AbortSignal.abort() }, 'ERR_COAP_ABORTED'],
    [`coap://127.0.0.1:${await freePort()}/`, { timeout: 50 }, 'ERR_COAP_TIMEOUT'],
  ];
  for (const [uri, init, code] of cases) await assert.rejects(request(uri, init), { code }, `${uri} ${code}`);
});

test('request: an abort ends it while the server is silent, and leaves nothing behind', async () => {
  const server = await serve({ listen, handler: () => {}, drain: 0 });
  const client = new CoapClient();
  const stop = new AbortController();
  const answer = client.request(server.url, { signal: stop.signal });
  await until(() => server.stats()['running'] === 1);
  stop.abort(new Error('enough'));
  await assert.rejects(answer, (error: Error & { code?: string }) => error.code === 'ERR_COAP_ABORTED' && (error.cause as Error).message === 'enough');
  assert.deepEqual([client.stats()['users'], client.stats()['endpoint.requests']], [0, 0]);
  await client.close();
  await server.close();
});

test('client: requests share a socket, and hosts of another family have one of their own', async () => {
  const ports = new Set<number>();
  const resources = { '/a': (incoming: { readonly peer: { readonly port: number } }) => String(ports.add(incoming.peer.port).size) };
  const server = await serve({ listen: [listen, 'coap://[::1]:0'], resources });
  const client = new CoapClient();
  for (let i = 0; i < 3; i++) assert.equal((await client.request(`${server.urls[0]}/a`)).text(), '1');
  assert.equal(client.stats()['channels'], 1);
  assert.equal((await client.request(`${server.urls[1]}/a`)).text(), '2');
  assert.equal(client.stats()['channels'], 2);
  assert.equal((await request(`${server.urls[0]}/a`, { client })).text(), '2');
  await client.close();
  await assert.rejects(client.request(`${server.urls[0]}/a`), { code: 'ERR_COAP_CLOSED' });
  await server.close();
});

test('client: close fails what is under way', async () => {
  const server = await serve({ listen, handler: () => {}, drain: 0 });
  const client = new CoapClient();
  const answer = client.request(server.url);
  const ended = assert.rejects(answer, { code: 'ERR_COAP_CLOSED' });
  await client[Symbol.asyncDispose]();
  await ended;
  await server.close();
});

test('observe: notifications in a loop; leaving it deregisters before the socket is closed', async () => {
  let ticks = 0;
  const server = await serve({ listen, resources: { '/tick': { get: () => `tick ${ticks++}`, observable: true } } });
  const seen: string[] = [];
  for await (const response of observe(`${server.url}/tick`)) {
    seen.push(response.text());
    if (seen.length === 3) break;
    server.changed('/tick');
  }
  assert.deepEqual(seen, ['tick 0', 'tick 1', 'tick 2']);
  // The deregistration has been answered by now.
  assert.equal(server.stats()['observations'], 0);
  assert.equal(server.stats()['endpoint.observe.observers'], 0);
  await server.close();
});

test('observe: a resource that cannot be observed is the only item; an abort and a timeout are errors', async () => {
  const server = await serve({ listen, resources: { '/still': () => 'still', '/tick': { get: () => 'tick', observable: true } } });
  const items: string[] = [];
  for await (const response of observe(`${server.url}/still`)) items.push(response.text());
  assert.deepEqual(items, ['still']);
  const stop = new AbortController();
  const aborted = (async () => {
    for await (const response of observe(`${server.url}/tick`, { signal: stop.signal, timeout: 1_000 })) {
      items.push(response.text());
      // The timeout is for the first answer.
      systemEnv.schedule(1_200, () => stop.abort());
    }
  })();
  await assert.rejects(aborted, { code: 'ERR_COAP_ABORTED' });
  assert.deepEqual(items, ['still', 'tick']);
  await until(() => server.stats()['observations'] === 0);
  const silent = observe(`coap://127.0.0.1:${await freePort()}/`, { timeout: 50 });
  await assert.rejects(silent.next(), { code: 'ERR_COAP_TIMEOUT' });
  await server.close();
});

test('observe: of what a slow loop has not taken, the newest are kept, and no more than the limit', async () => {
  let ticks = 0;
  const server = await serve({ listen, resources: { '/tick': { get: () => `tick ${ticks++}`, observable: true } } });
  const client = new CoapClient({ limits: { notifications: 4 } });
  const loop = client.observe(`${server.url}/tick`);
  assert.equal((await loop.next()).value?.text(), 'tick 0');
  for (let i = 0; i < 40; i++) {
    server.changed('/tick');
    // Each is acknowledged, so that none is superseded on its way.
    await until(() => (server.stats()['endpoint.transmissions'] ?? 0) === 0);
    await pause(2);
  }
  await pause(50);
  const last: string[] = [];
  for (let i = 0; i < 4; i++) last.push((await loop.next()).value!.text());
  assert.deepEqual(last, ['tick 37', 'tick 38', 'tick 39', 'tick 40']);
  await loop.return();
  await client.close();
  await server.close();
});

test('schemes: a row is all that a scheme takes; channels that nobody uses give way', async () => {
  const opened: string[] = [];
  const closed: string[] = [];
  const [coap] = schemes;
  const perHost: Scheme = {
    name: 'coap+test',
    defaultPort: 61_616,
    route: async ({ host, port }) => ({
      key: `test ${host} ${port}`,
      host: '127.0.0.1',
      open: async (options) => {
        opened.push(`${host}:${port}`);
        const endpoint = new Endpoint({ ...options, transport: await udp() });
        return {
          resolve: () => endpoint.resolve('127.0.0.1', serverPort),
          request: (outgoing, about) => endpoint.request(outgoing, about),
          observe: (outgoing, about) => endpoint.observe(outgoing, about),
          stats: () => endpoint.stats(),
          close: () => {
            closed.push(`${host}:${port}`);
            return endpoint.close();
          },
        };
      },
    }),
    listen: (uri, options) => coap!.listen(uri, options),
  };
  const server = await serve({ listen: 'coap+test://127.0.0.1:0', resources: (incoming) => incoming.path, schemes: [...schemes, perHost] });
  assert.match(server.url, /^coap\+test:\/\/127\.0\.0\.1:\d+$/);
  const serverPort = Number(server.url.split(':').at(-1));
  const client = new CoapClient({ channels: 2, schemes: [...schemes, perHost] });
  for (const host of ['one', 'two:7', 'one', 'three']) assert.equal((await client.request(`COAP+TEST://${host}/a`)).text(), '/a');
  assert.deepEqual(opened, ['one:61616', 'two:7', 'three:61616']);
  await until(() => closed.length === 1);
  assert.deepEqual(closed, ['two:7']);
  await client.close();
  await server.close();
});

test('schemes: when all channels are in use the next is refused; one that ended by itself is opened anew', async () => {
  const server = await serve({ listen, handler: () => {}, drain: 0 });
  let end = (): void => {};
  let opened = 0;
  const [coap] = schemes;
  const mortal: Scheme = {
    ...coap!,
    route: async (uri) => {
      const route = await coap!.route(uri);
      return {
        ...route,
        key: uri.path.join('/'),
        open: async (options) => {
          opened++;
          const channel = (await route.open(options)) as Endpoint;
          const ended = new Promise<void>((resolve) => {
            end = resolve;
          });
          return {
            resolve: (host, port) => channel.resolve(host, port),
            request: (outgoing, about) => channel.request(outgoing, about),
            observe: (outgoing, about) => channel.observe(outgoing, about),
            stats: () => channel.stats(),
            close: () => channel.close(),
            ended: ended.then(() => channel.close()),
          };
        },
      };
    },
  };
  const client = new CoapClient({ channels: 1, schemes: [mortal] });
  const first = client.request(`${server.url}/a`);
  await until(() => server.stats()['running'] === 1);
  await assert.rejects(client.request(`${server.url}/b`), { code: 'ERR_TRANSPORT_BUSY' });
  end();
  await assert.rejects(first, { code: 'ERR_COAP_CLOSED' });
  await until(() => client.stats()['channels'] === 0);
  await assert.rejects(client.request(`${server.url}/b`, { timeout: 50 }), { code: 'ERR_COAP_TIMEOUT' });
  assert.equal(opened, 2);
  await client.close();
  await server.close();
});

test('example: a program that serves, asks and observes ends by itself', async () => {
  mkdirSync(join(root, 'dist', 'readme'), { recursive: true });
  const folder = mkdtempSync(join(root, 'dist', 'readme', 'serve-'));
  const file = join(folder, 'example.mjs');
  writeFileSync(
    file,
    `import { observe, request, serve } from 'ace-coap';

let light = 'off';
const server = await serve({
  listen: 'coap://127.0.0.1:0',
  resources: {
    '/light': {
      get: () => light,
      put: (request) => {
        light = request.text();
        server.changed('/light');
      },
      observable: true,
    },
  },
});
const uri = server.url + '/light';
for await (const state of observe(uri)) {
  console.log(state.codeText, state.text());
  if (state.text() === 'on') break;
  await request(uri, { method: 'PUT', payload: 'on' });
}
await server.close();
`,
  );
  try {
    const child = spawn(process.execPath, [file], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    const status = await new Promise((resolve) => child.on('exit', resolve));
    assert.deepEqual([status, output], [0, '2.05 off\n2.05 on\n']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
