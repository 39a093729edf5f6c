import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  allowTargets,
  Code,
  decodeMessage,
  Endpoint,
  findOption,
  formatCode,
  Method,
  OptionNumber,
  type Peer,
  type ProxyEvent,
  ProxyServer,
  pathOptions,
  type Response,
  type ReverseRoute,
  uintOf,
} from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { tap, udp } from '../../src/transport/index.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { testsWith } from './matrix.ts';
import { AiocoapClient, AiocoapServer, contextA, contextFolder, mirrored, protectedServer, reservations } from './oscore-peers.ts';
import { body, type Ours, type OursOptions, ours, type Passed, plainServer } from './ours.ts';
import { Background, pause, runCommand, within } from './processes.ts';
import { coapClient, coapServer, python } from './tools.ts';

const test = testsWith({ peer: 'libcoap', transport: 'UDP', security: 'none' });

interface OurProxy {
  readonly uri: string;
  readonly port: number;
  readonly events: ProxyEvent[];
  /** What came and went on the side of the servers. */
  readonly behind: Passed[];
}

/** Our forward proxy for servers on loopback, with a socket for each side. */
async function ourProxy(t: TestContext, reverse?: ReverseRoute): Promise<OurProxy> {
  const events: ProxyEvent[] = [];
  const behind: Passed[] = [];
  const socket = tap(await udp(), ({ direction, datagram }) => behind.push({ direction, message: decodeMessage(datagram.slice()) }));
  const upstream = new Endpoint({ transport: socket });
  const proxying = new ProxyServer({
    forward: { allow: allowTargets('127.0.0.1:*') },
    ...(reverse === undefined ? {} : { reverse: [reverse] }),
    upstreams: { coap: upstream },
    emit: (event) => events.push(event),
  });
  const front = new Endpoint({ transport: await udp(), proxying });
  t.after(async () => {
    await front.close();
    await upstream.close();
  });
  const { port } = front.local;
  return { uri: `coap://127.0.0.1:${port}`, port, events, behind };
}

async function libcoap(proxy: OurProxy, uri: string, ...args: string[]): Promise<{ readonly text: string; readonly refusal: string }> {
  const { status, stdout, stderr } = await runCommand(coapClient, ['-B', '10', '-P', proxy.uri, ...args, uri]);
  assert.equal(status, 0, stderr);
  return { text: stdout.toString().replace(/\n+$/, ''), refusal: /^\d\.\d\d/m.exec(stderr)?.[0] ?? '' };
}

const servings = (proxy: OurProxy): unknown[] => proxy.events.map((event) => (event.type === 'forwarded' ? event.from : event.type));

test('libcoap client -> our proxy -> our server: GET, cached; PUT, and the GET after it', ['proxy', 'methods'], async (t) => {
  const server = await plainServer(t);
  const proxy = await ourProxy(t);
  for (let i = 0; i < 2; i++) assert.deepEqual(await libcoap(proxy, server.uri('/hello')), { text: 'Hello World!', refusal: '' });
  assert.deepEqual(servings(proxy), ['origin', 'cache']);
  assert.equal((await libcoap(proxy, server.uri('/value'))).text, 'empty');
  await libcoap(proxy, server.uri('/value'), '-m', 'put', '-e', 'new');
  assert.equal((await libcoap(proxy, server.uri('/value'))).text, 'new');
  assert.equal((await libcoap(proxy, server.uri('/query?a=1&b=2'))).text, 'a=1|b=2');
  assert.equal((await libcoap(proxy, server.uri('/value'), '-m', 'fetch', '-t', '0', '-e', 'this')).text, 'fetched this');
});

test('libcoap client -> our proxy -> our server: block-wise, both ways', ['proxy', 'block-wise'], async (t) => {
  const server = await plainServer(t);
  const proxy = await ourProxy(t);
  assert.equal((await libcoap(proxy, server.uri('/large'))).text, body(3000).trimEnd());
  assert.equal((await libcoap(proxy, server.uri('/large'), '-b', '64')).text, body(3000).trimEnd());
  await libcoap(proxy, server.uri('/value'), '-m', 'put', '-b', '128', '-e', body(2000).replaceAll('\n', '.'));
  assert.equal(server.bodies[0]?.length, 2000);
});

test('libcoap client -> our proxy -> our server: observe', ['proxy', 'observe'], async (t) => {
  const server = await plainServer(t);
  const proxy = await ourProxy(t);
  const timer = setInterval(() => server.clock.changed(), 300);
  t.after(() => clearInterval(timer));
  const { text } = await libcoap(proxy, server.uri('/clock'), '-s', '3');
  const ticks = text.match(/tick \d+/g) ?? [];
  assert.ok(ticks.length >= 3, text);
  await pause(1000);
  assert.equal(server.clock.observers, 0);
});

test('libcoap client -> our proxy: Hop-Limit, a target that is not permitted, a server that is not there', ['proxy', 'errors'], async (t) => {
  const server = await plainServer(t);
  const proxy = await ourProxy(t);
  assert.equal((await libcoap(proxy, server.uri('/hello'), '-H', '1')).refusal, '5.08');
  assert.equal((await libcoap(proxy, server.uri('/hello'), '-H', '2')).text, 'Hello World!');
  assert.equal(uintOf(server.passed[0]!.message.options, OptionNumber.HopLimit), 1);
  assert.equal((await libcoap(proxy, 'coap://127.0.0.2/x')).refusal, '5.05');
});

test('libcoap client -> our reverse proxy -> libcoap server', 'proxy', async (t) => {
  const port = await freePort();
  new Background(t, coapServer, ['-A', '127.0.0.1', '-p', String(port), '-d', '10', '-e']);
  const probe = await ours(t);
  await within(10_000, 'libcoap server', probe.endpoint.ping(await probe.peer(port)));
  const proxy = await ourProxy(t, { path: '/far', target: `coap://127.0.0.1:${port}` });
  const get = async (path: string, ...args: string[]): Promise<string> => {
    const { stdout } = await runCommand(coapClient, ['-B', '10', ...args, `${proxy.uri}${path}`]);
    return stdout.toString().trim();
  };
  assert.match(await get('/far/time'), /^\w{3} \d\d \d\d:\d\d:\d\d$/);
  await get('/far/example_data', '-m', 'put', '-e', 'through');
  assert.equal(await get('/far/example_data'), 'through');
});

test('aiocoap client -> our proxy -> our server: GET, PUT, block-wise, observe', {
  peer: 'aiocoap',
  feature: ['proxy', 'block-wise', 'observe', 'methods'],
}, async (t) => {
  const server = await plainServer(t);
  const proxy = await ourProxy(t);
  const client = await AiocoapClient.start(t, server.port, undefined, proxy.uri);
  for (let i = 0; i < 2; i++) assert.equal((await client.ask({ uri: server.uri('/hello') })).text, 'Hello World!');
  assert.deepEqual(servings(proxy), ['origin', 'cache']);
  assert.equal((await client.ask({ uri: server.uri('/value'), method: 'PUT', payload: body(3000) })).code, '2.04');
  assert.equal((await client.ask({ uri: server.uri('/value') })).text, body(3000));
  const timer = setInterval(() => server.clock.changed(), 300);
  t.after(() => clearInterval(timer));
  const { responses } = await client.observe(server.uri('/clock'), 3);
  assert.equal(responses.length, 3);
});

// aiocoap 0.4.17 leaves Proxy-Scheme and Uri-Port out of what it protects, so that its requests under OSCORE name no target: it can use a reverse proxy only.
test('aiocoap client -> our reverse proxy -> our server: OSCORE end to end; the proxy sees no path and stores nothing', {
  peer: 'aiocoap',
  security: 'OSCORE',
  feature: 'proxy',
}, async (t) => {
  const server = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const proxy = await ourProxy(t, { target: `coap://127.0.0.1:${server.port}` });
  const client = await AiocoapClient.start(t, proxy.port, contextFolder(t, 'client', contextA));
  for (let i = 0; i < 2; i++) {
    const { code, text, protected: isProtected } = await client.ask({ uri: `${proxy.uri}/oscore/hello/1` });
    assert.deepEqual({ code, text, isProtected }, { code: '2.05', text: 'Hello World!', isProtected: true });
  }
  const { responses } = await client.observe(`${proxy.uri}/oscore/observe2`, 2);
  assert.deepEqual(
    responses.map(({ text }) => text),
    ['one', 'two'],
  );
  assert.equal(server.served.filter((path) => path === '/oscore/hello/1').length, 2);
  assert.equal(servings(proxy).includes('cache'), false);
  for (const { message } of proxy.behind) assert.equal(findOption(message.options, OptionNumber.UriPath), undefined);
});

interface Asking extends Ours {
  readonly context: ReturnType<typeof deriveContext>;
  ask(uri: string, fields?: { readonly code?: number; readonly payload?: string; readonly protect?: boolean }): Promise<Response>;
}

/** Our client behind a foreign proxy. */
async function asking(t: TestContext, proxyPort: number, options: OursOptions = {}): Promise<Asking> {
  const context = deriveContext(contextA);
  const contexts = new ContextTable();
  contexts.add(context);
  const client = await ours(t, { layers: [oscore({ contexts, store: reservations(), env: systemEnv })], ...options });
  return {
    ...client,
    context,
    ask: async (uri, { code = Method.GET, payload = '', protect = false } = {}) => {
      const { port, pathname } = new URL(uri.replace('coap:', 'http:'));
      const peer: Peer = await client.endpoint.resolve('127.0.0.1', Number(port), { proxy: `coap://127.0.0.1:${proxyPort}` });
      const request = { code, peer, options: pathOptions(pathname.slice(1).split('/')), payload: utf8(payload) };
      return client.endpoint.request(protect ? { ...request, association: context } : request, { timeout: 15_000 });
    },
  };
}

const proxies: Readonly<Record<'libcoap' | 'aiocoap', (port: number) => readonly [string, readonly string[]]>> = {
  libcoap: (port) => [coapServer, ['-A', '127.0.0.1', '-p', String(port), '-P', ',proxy.example']],
  aiocoap: (port) => [
    'env',
    [
      'AIOCOAP_SERVER_TRANSPORT=simplesocketserver',
      'AIOCOAP_CLIENT_TRANSPORT=simple6',
      python,
      '-m',
      'aiocoap.cli.proxy',
      '--forward',
      '--bind',
      `127.0.0.1:${port}`,
    ],
  ],
};

function startProxy(t: TestContext, foreign: keyof typeof proxies, port: number): void {
  const [command, args] = proxies[foreign](port);
  new Background(t, command, args);
}

test('our client -> libcoap proxy -> our server: OSCORE end to end', { security: 'OSCORE', feature: 'proxy' }, async (t) => {
  const secured = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const port = await freePort();
  startProxy(t, 'libcoap', port);
  const client = await asking(t, port);
  await within(10_000, 'libcoap proxy', client.endpoint.ping(await client.peer(port)));
  for (let i = 0; i < 2; i++) {
    const response = await client.ask(secured.uri('/oscore/hello/1'), { protect: true });
    assert.deepEqual([formatCode(response.code), fromUtf8(response.payload), response.association], ['2.05', 'Hello World!', client.context]);
  }
});

test('our client -> libcoap proxy -> our server: GET, PUT, block-wise', ['proxy', 'block-wise', 'methods'], async (t) => {
  const server = await plainServer(t);
  const port = await freePort();
  startProxy(t, 'libcoap', port);
  const client = await asking(t, port);
  await within(10_000, 'libcoap proxy', client.endpoint.ping(await client.peer(port)));
  assert.equal(fromUtf8((await client.ask(server.uri('/hello'))).payload), 'Hello World!');
  assert.equal(formatCode((await client.ask(server.uri('/value'), { code: Method.PUT, payload: 'by proxy' })).code), '2.04');
  assert.equal(fromUtf8((await client.ask(server.uri('/value'))).payload), 'by proxy');
  assert.equal(fromUtf8((await client.ask(server.uri('/large'))).payload), body(3000));
});

test('our client -> aiocoap proxy -> our server: GET, PUT, block-wise', { peer: 'aiocoap', feature: ['proxy', 'block-wise', 'methods'] }, async (t) => {
  const server = await plainServer(t);
  const port = await freePort();
  startProxy(t, 'aiocoap', port);
  const client = await asking(t, port);
  await within(10_000, 'aiocoap proxy', client.endpoint.ping(await client.peer(port)));
  assert.equal(fromUtf8((await client.ask(server.uri('/hello'))).payload), 'Hello World!');
  assert.equal(formatCode((await client.ask(server.uri('/value'), { code: Method.PUT, payload: 'by proxy' })).code), '2.04');
  assert.equal(fromUtf8((await client.ask(server.uri('/large'))).payload), body(3000));
});

test('our client -> aiocoap proxy -> our server: OSCORE end to end', { peer: 'aiocoap', security: 'OSCORE', feature: 'proxy' }, async (t) => {
  const secured = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const port = await freePort();
  startProxy(t, 'aiocoap', port);
  const client = await asking(t, port);
  await within(10_000, 'aiocoap proxy', client.endpoint.ping(await client.peer(port)));
  const response = await client.ask(secured.uri('/oscore/hello/1'), { protect: true });
  assert.deepEqual([formatCode(response.code), fromUtf8(response.payload), response.association], ['2.05', 'Hello World!', client.context]);
});

/** The first notifications of an observation through a proxy, which is then cancelled. */
async function observed(client: Asking, uri: string, proxyPort: number, count: number, protect = false): Promise<Response[]> {
  const { port, pathname } = new URL(uri.replace('coap:', 'http:'));
  const peer = await client.endpoint.resolve('127.0.0.1', Number(port), { proxy: `coap://127.0.0.1:${proxyPort}` });
  const request = { peer, options: pathOptions(pathname.slice(1).split('/')) };
  const seen: Response[] = [];
  for await (const response of client.endpoint.observe(protect ? { ...request, association: client.context } : request)) {
    seen.push(response);
    if (seen.length === count) break;
  }
  return seen;
}

test('our client -> libcoap proxy -> our server: observe', ['proxy', 'observe'], async (t) => {
  // A server that is soon sure that nobody acknowledges.
  const server = await plainServer(t, { parameters: { ackTimeout: 100, maxRetransmit: 2 } });
  const port = await freePort();
  startProxy(t, 'libcoap', port);
  const client = await asking(t, port);
  await within(10_000, 'libcoap proxy', client.endpoint.ping(await client.peer(port)));
  const timer = setInterval(() => server.clock.changed(), 300);
  t.after(() => clearInterval(timer));
  const seen = await within(10_000, 'notifications', observed(client, server.uri('/clock'), port, 4));
  assert.deepEqual(
    seen.map(({ payload }) => fromUtf8(payload)),
    ['tick 0', 'tick 1', 'tick 2', 'tick 3'],
  );
  console.log('libcoap proxy: sends a deregistration on under another token, so that the server goes on until nobody acknowledges (RFC 7641, Section 3.6)');
  await until(() => server.clock.observers === 0);
});

test('our client -> libcoap proxy -> our server: observe under OSCORE', { security: 'OSCORE', feature: ['proxy', 'observe'] }, async (t) => {
  const server = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const port = await freePort();
  startProxy(t, 'libcoap', port);
  const client = await asking(t, port);
  await within(10_000, 'libcoap proxy', client.endpoint.ping(await client.peer(port)));
  const seen = await within(10_000, 'protected notifications', observed(client, server.uri('/oscore/observe2'), port, 2, true));
  assert.deepEqual(
    seen.map(({ payload, association }) => [fromUtf8(payload), association]),
    [
      ['one', client.context],
      ['two', client.context],
    ],
  );
});

test('our client -> aiocoap proxy -> our server: observe, which this proxy cannot', { peer: 'aiocoap', feature: ['proxy', 'errors'] }, async (t) => {
  const server = await plainServer(t);
  const port = await freePort();
  startProxy(t, 'aiocoap', port);
  const client = await asking(t, port);
  await within(10_000, 'aiocoap proxy', client.endpoint.ping(await client.peer(port)));
  const [only, ...more] = await within(10_000, 'the answer', observed(client, server.uri('/clock'), port, 2));
  assert.deepEqual([formatCode(only!.code), more.length, server.clock.observers], ['5.00', 0, 0]);
  console.log('aiocoap 0.4.17 proxy: cannot observe; it sends the request on that it received, which its own Message.encode refuses, and answers 5.00');
});

test('our client -> our proxy -> aiocoap server: OSCORE end to end', { peer: 'aiocoap', role: 'server', security: 'OSCORE', feature: 'proxy' }, async (t) => {
  const server = await AiocoapServer.start(t, [contextFolder(t, 'server', mirrored(contextA))]);
  const proxy = await ourProxy(t);
  const client = await asking(t, proxy.port);
  const response = await client.ask(`coap://127.0.0.1:${server.port}/oscore/hello/1`, { protect: true });
  assert.deepEqual([response.code, fromUtf8(response.payload), response.association], [Code.Content, 'Hello World!', client.context]);
});
