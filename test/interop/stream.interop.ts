import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { Code, Endpoint, type EndpointEvent, Method, type Peer, pathOptions, Router, type StreamTransport } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { tcp, tcpServer, ws, wsServer } from '../../src/transport/index.ts';
import { root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { Californium } from './californium.ts';
import { testsWith } from './matrix.ts';
import { body } from './ours.ts';
import { Background, pause, runCommand, scratch, within } from './processes.ts';
import { coapClient, coapServer, python } from './tools.ts';

const test = testsWith({ peer: 'libcoap', transport: 'TCP', security: 'none' });

interface Site {
  readonly server: Endpoint;
  readonly bodies: string[];
  readonly events: EndpointEvent[];
  uri(path: string): string;
}

/** Our server, whose clock ticks. */
async function site(t: TestContext, transport: StreamTransport): Promise<Site> {
  const router = new Router();
  const bodies: string[] = [];
  const events: EndpointEvent[] = [];
  let ticks = 0;
  router.resource('/hello', { get: () => 'Hello World!' });
  router.resource('/large', { get: () => body(40_000) });
  router.resource('/value', {
    put: (request) => {
      bodies.push(request.text());
      return { code: Code.Changed };
    },
  });
  const clock = router.resource('/clock', { get: () => `tick ${ticks++}`, observable: true });
  const beat = (): void => {
    clock.changed();
    stop = systemEnv.schedule(300, beat);
  };
  let stop = systemEnv.schedule(300, beat);
  const server = new Endpoint({ transport, handler: router.handler, emit: (event) => events.push(event) });
  t.after(async () => {
    stop();
    await server.close();
  });
  return { server, bodies, events, uri: (path) => `${transport.scheme}://127.0.0.1:${server.local.port}${path}` };
}

async function coap(method: string, uri: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runCommand(coapClient, ['-B', '10', '-m', method, ...args, uri]);
  assert.equal(status, 0, stderr);
  return stdout.toString();
}

test('libcoap client -> our server, coap+tcp: GET, PUT, and bodies larger than a message', ['block-wise', 'methods'], async (t) => {
  const { bodies, uri } = await site(t, await tcpServer());
  assert.equal(await coap('get', uri('/hello')), 'Hello World!\n');
  await coap('put', uri('/value'), '-e', 'short');
  const folder = scratch(t);
  writeFileSync(join(folder, 'in'), body(5000));
  await coap('put', uri('/value'), '-f', join(folder, 'in'));
  await coap('put', uri('/value'), '-f', join(folder, 'in'), '-b', '256');
  assert.deepEqual(bodies, ['short', body(5000), body(5000)]);
  await coap('get', uri('/large'), '-o', join(folder, 'out'));
  assert.equal(readFileSync(join(folder, 'out'), 'utf8'), body(40_000));
});

test('libcoap client -> our server, coap+tcp: observe', 'observe', async (t) => {
  const { server, uri } = await site(t, await tcpServer());
  const text = await coap('get', uri('/clock'), '-s', '2', '-w');
  const lines = text.split('\n').filter((line) => line !== '');
  assert.ok(lines.length >= 4, text);
  assert.deepEqual(
    lines,
    lines.map((_, index) => `tick ${index}`),
  );
  assert.equal(server.stats()['observers'], 0);
});

/** A server that does not say when it is ready. */
async function reached(client: Endpoint, peer: Peer): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await client.ping(peer, { timeout: 2000 });
      return;
    } catch (error) {
      if (attempt > 40) throw error;
      await pause(250);
    }
  }
}

async function client(t: TestContext, transport: StreamTransport, port: number): Promise<{ readonly endpoint: Endpoint; readonly peer: Peer }> {
  const endpoint = new Endpoint({ transport });
  t.after(() => endpoint.close());
  const peer = await endpoint.resolve('127.0.0.1', port);
  await reached(endpoint, peer);
  return { endpoint, peer };
}

test('our client -> libcoap server, coap+tcp: ping, GET, PUT, large bodies, observe', ['block-wise', 'observe', 'methods'], async (t) => {
  const port = await freePort();
  new Background(t, coapServer, ['-A', '127.0.0.1', '-p', String(port), '-d', '10', '-e']);
  const { endpoint, peer } = await client(t, await tcp(), port);
  const get = async (path: string): Promise<string> => fromUtf8((await endpoint.request({ peer, options: pathOptions([path]) }, { timeout: 10_000 })).payload);
  assert.match(await get('time'), /^\w{3} \d\d \d\d:\d\d:\d\d$/);
  for (const length of [10, 1000, 20_000]) {
    const put = await endpoint.request({ peer, code: Method.PUT, options: pathOptions(['example_data']), payload: utf8(body(length)) }, { timeout: 10_000 });
    assert.ok(put.code === Code.Changed || put.code === Code.Created, String(put.code));
    assert.equal(await get('example_data'), body(length));
  }
  let seen = 0;
  for await (const { payload } of endpoint.observe({ peer, options: pathOptions(['time']) })) {
    assert.match(fromUtf8(payload), /\d\d:\d\d:\d\d/);
    if (++seen === 3) break;
  }
});

const script = (name: string): string => join(root, 'test', 'interop', 'aiocoap', name);

// For WebSockets, aiocoap binds the port that is 3000 above the one it is given.
for (const [scheme, transport, name, listen, open, offset] of [
  ['coap+tcp', 'TCP', 'tcp', tcpServer, tcp, 0],
  ['coap+ws', 'WebSockets', 'ws', wsServer, ws, 3000],
] as const) {
  test(`aiocoap client -> our server, ${scheme}: GET, PUT, large bodies, observe`, {
    peer: 'aiocoap',
    transport,
    feature: ['block-wise', 'observe', 'methods'],
  }, async (t) => {
    const { bodies, uri } = await site(t, await listen());
    const peer = new Background(t, python, [script('stream_client.py'), name, uri('')]);
    const heard: Record<string, unknown> = JSON.parse(await peer.line(20_000));
    assert.deepEqual(heard, { hello: 'Hello World!', large: 40_000, put: '2.04 Changed', clock: 3 });
    assert.deepEqual(bodies, [body(5000)]);
  });

  test(`our client -> aiocoap server, ${scheme}: ping, GET, PUT, large bodies, observe`, {
    peer: 'aiocoap',
    transport,
    feature: ['block-wise', 'observe', 'methods'],
  }, async (t) => {
    const port = await freePort();
    const server = new Background(t, python, [script('stream_server.py'), name, String(port)]);
    assert.equal(await within(15_000, 'aiocoap', server.line()), '{"ready": true}');
    const { endpoint, peer } = await client(t, await open(), port + offset);
    const put = await endpoint.request({ peer, code: Method.PUT, options: pathOptions(['value']), payload: utf8(body(20_000)) }, { timeout: 10_000 });
    assert.equal(put.code, Code.Changed);
    const got = await endpoint.request({ peer, options: pathOptions(['value']) }, { timeout: 10_000 });
    assert.equal(fromUtf8(got.payload), body(20_000));
    let seen = 0;
    for await (const { payload } of endpoint.observe({ peer, options: pathOptions(['clock']) })) {
      assert.match(fromUtf8(payload), /^tick \d+$/);
      if (++seen === 3) break;
    }
  });
}

const californium = new Californium({ after });

test('Californium client -> our server, coap+tcp: a first message that is no CSM ends the connection', {
  peer: 'Californium',
  feature: 'errors',
}, async (t) => {
  const { server, events, uri } = await site(t, await tcpServer());
  const peer = await californium.connect(t, uri(''), undefined, { transport: 'tcp' });
  assert.equal(await peer.ask({ path: '/hello' }, 2000), undefined);
  const ended = events.flatMap((event) => (event.type === 'connection' && event.state === 'closed' ? [event.error?.message] : []));
  assert.deepEqual(ended, ['expected a CSM as the first message, got another']);
  assert.equal(server.stats()['connections'], 0);
});

for (const direction of ['Californium client -> our server', 'our client -> Californium server']) {
  const reason = 'Californium 3.13.0 sends no CSM and drops what has a code of class 7, so RFC 8323, Section 5.3, has no connection with it';
  console.log(`${direction}, coap+tcp: requests, observe and OSCORE cannot run: ${reason}`);
}
