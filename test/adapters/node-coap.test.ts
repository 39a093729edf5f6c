import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram, { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Agent, type CoapRequestParams, createServer, type IncomingMessage, type ObserveReadStream } from 'coap';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { protect } from '../../src/adapters/node-coap/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import type { ResourceServerEvent } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { CoapClient, request, udp } from '../../src/transport/index.ts';
import { root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { listener, uploads, watched } from './program.ts';

const tokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(7) } } as const;
const open = ['/hello', '/json', '/large', '/upload', '/echo', '/slow', '/nothing', '/clock'];

/** The program behind a guard; what differs from `coap.createServer(listener)` is this call. */
async function guarded(t: TestContext, as = 'coap://127.0.0.1:1/token'): Promise<{ readonly port: number; readonly events: ResourceServerEvent[] }> {
  const port = await freePort();
  const events: ResourceServerEvent[] = [];
  const server = protect(listener, {
    audience: 'rs1',
    issuers: [{ uri: as, tokenKeys: [tokenKey] }],
    scopes: { r_temp: { '/temperature': ['GET'] }, w_led: { '/led': ['GET', 'PUT', 'POST'] }, bodies: { '/private': ['GET'] } },
    public: open,
    store: memoryStore(),
    emit: (event) => events.push(event),
  });
  await new Promise<void>((ready) => server.listen(port, '127.0.0.1', () => ready()));
  t.after(() => new Promise<void>((closed) => server.close(() => closed())));
  return { port, events };
}

/** A client of node-coap, on a socket of 127.0.0.1. */
async function nodeCoapClient(t: TestContext, port: number): Promise<(path: string, params?: CoapRequestParams, payload?: string) => Promise<IncomingMessage>> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => {
    socket.close();
    // node-coap repeats what was not answered in time, whether its socket is open or not.
    socket.send = () => {};
  });
  const agent = new Agent({ type: 'udp4', socket });
  return (pathname, params = {}, payload) =>
    new Promise((resolve, reject) => {
      const outgoing = agent.request({ hostname: '127.0.0.1', port, pathname, ...params });
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
      outgoing.end(payload === undefined ? undefined : Buffer.from(payload));
    });
}

test('node-coap: the program answers the same behind its own server and behind ours', async (t) => {
  const theirs = await freePort();
  const original = createServer(listener);
  await new Promise<void>((ready) => original.listen(theirs, '127.0.0.1', () => ready()));
  t.after(() => new Promise<void>((closed) => original.close(() => closed())));
  const ours = (await guarded(t)).port;
  const requests: readonly (readonly [string, CoapRequestParams?, string?])[] = [
    ['/hello'],
    ['/hello', { query: 'a=1&b=2' }],
    ['/hello', { confirmable: false }],
    ['/json', { accept: 'application/json', query: 'q' }],
    ['/json'],
    ['/json', { method: 'FETCH', accept: 'application/json', contentFormat: 'application/json' }, '{}'],
    ['/upload', { method: 'POST', query: 'small' }, 'body'],
    ['/echo', { method: 'PUT' }, 'there and back'],
    ['/echo'],
    ['/large'],
    ['/slow'],
    ['/nothing'],
  ];
  const [from, to] = [await nodeCoapClient(t, theirs), await nodeCoapClient(t, ours)];
  const known = ({ code, payload, headers }: IncomingMessage): unknown => {
    const { ETag, Block2, Size2, ...rest } = headers;
    // node-coap makes an ETag and ours another one for a body in blocks.
    return { code, payload: payload.toString(), headers: payload.length > 1024 ? rest : { ...rest, ETag } };
  };
  for (const [path, params, payload] of requests) {
    assert.deepEqual(known(await to(path, params, payload)), known(await from(path, params, payload)), `${params?.method ?? 'GET'} ${path}`);
  }
});

interface Ace {
  readonly client: AceClient;
  readonly port: number;
  readonly events: ResourceServerEvent[];
  uri(path: string): string;
}

/** An AS, the program behind its guard, and a client with rights to what it protects. */
async function ace(t: TestContext, scope = 'r_temp w_led'): Promise<Ace> {
  const credentials = { masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(0xa0), recipientId: Uint8Array.of(0xc0) };
  const as = new AuthorizationServer({
    store: memoryStore(),
    profiles: [oscoreProfile],
    clients: [{ id: 'c1', credentials, grants: [{ audience: 'rs1', scope }] }],
    resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey] }],
  });
  const { local } = await as.listen(await udp());
  const token = `coap://127.0.0.1:${local.port}/token`;
  const { port, events } = await guarded(t, token);
  const client = new AceClient({
    transport: await udp(),
    store: memoryStore(),
    profiles: [oscoreProfile],
    authorizationServers: [{ uri: token, credentials: { ...credentials, senderId: Uint8Array.of(0xc0), recipientId: Uint8Array.of(0xa0) } }],
  });
  t.after(async () => {
    await client.close();
    await as.close();
  });
  return { client, port, events, uri: (path) => `coap://127.0.0.1:${port}${path}` };
}

test('node-coap: our AceClient reaches the program through OSCORE, by what its token covers', async (t) => {
  const { client, uri } = await ace(t, 'r_temp w_led');
  const read = await client.fetch(uri('/temperature'));
  assert.deepEqual([read.codeText, read.text(), read.protected], ['2.05', '21.5', true]);
  const put = await client.fetch(uri('/led'), { method: 'PUT', payload: 'on' });
  assert.deepEqual([put.codeText, put.protected], ['2.04', true]);
  assert.equal((await client.fetch(uri('/led'))).text(), 'on');
  // What the program itself refuses comes back protected.
  const refused = await client.fetch(uri('/led'), { method: 'POST' });
  assert.deepEqual([refused.codeText, refused.protected], ['4.05', true]);
  const hello = await client.fetch(uri('/hello'), { allowUnprotected: true });
  assert.deepEqual([hello.text(), hello.maxAge], ['Hello World!', 30]);
});

test('node-coap: without a token the program does not hear of the request, with one for another path neither', async (t) => {
  const { client, port, uri } = await ace(t, 'r_temp');
  for (const path of ['/led', '/temperature', '/private', '/nowhere', '/hello/', '/hello%2F', '/hello%3Fa', '/../led', '/hello/..%2Fled']) {
    assert.equal((await request(uri(path), { method: 'PUT', payload: 'forced' })).codeText, '4.01', path);
  }
  assert.equal((await client.fetch(uri('/temperature'))).codeText, '2.05');
  const led = await client.fetch(uri('/led'), { method: 'PUT', payload: 'forced', upgrade: false });
  assert.deepEqual([led.codeText, led.protected], ['4.03', true]);
  assert.equal((await (await nodeCoapClient(t, port))('/led')).code, '4.01');
});

test('node-coap: observation through OSCORE; the program hears `finish` when the observer leaves', async (t) => {
  const { client, uri } = await ace(t);
  const before = watched.ended;
  const seen: string[] = [];
  for await (const response of client.observe(uri('/temperature'))) {
    assert.equal(response.protected, true);
    seen.push(response.text());
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, ['20.5', '21.5', '22.5']);
  await until(() => watched.ended === before + 1);
  assert.equal(watched.begun, watched.ended);
});

test('node-coap: bodies in blocks both ways, and two uploads at once stay two', async (t) => {
  const { port } = await guarded(t);
  const client = new CoapClient({ parameters: { nstart: 8 } });
  const large = (await client.request(`coap://127.0.0.1:${port}/large`)).text();
  assert.equal(large.length, 3000);
  const bodies = ['a', 'b', 'c'].map((letter) => letter.repeat(5000));
  const answers = await Promise.all(bodies.map((payload, index) => client.request(`coap://127.0.0.1:${port}/upload?${index}`, { method: 'POST', payload })));
  assert.deepEqual(
    answers.map((answer) => [answer.codeText, answer.text(), answer.location]),
    Array(3).fill(['2.01', '5000', '/log/7']),
  );
  assert.deepEqual([uploads.get('0'), uploads.get('1'), uploads.get('2')], bodies);
  // From one address to one path: node-coap would join them.
  const same = await Promise.all(bodies.map((payload) => client.request(`coap://127.0.0.1:${port}/echo`, { method: 'POST', payload })));
  assert.deepEqual(
    same.map((answer) => answer.text()),
    bodies,
  );
  await client.close();
});

test('RFC 7252 5.4.1: an unknown critical option is answered with 4.02, and the program does not hear of it', async (t) => {
  const { port } = await guarded(t);
  const refused = await request(`coap://127.0.0.1:${port}/hello`, { options: [{ number: 65_001, value: Uint8Array.of(1) }] });
  assert.deepEqual([refused.codeText, refused.text()], ['4.02', 'not understood: option 65001']);
});

test('RFC 768: the program survives datagrams from port 0, and answers the next request', async (t) => {
  const original = dgram.createSocket;
  let socket: Socket | undefined;
  dgram.createSocket = ((...args: Parameters<typeof original>) => (socket = original(...args))) as typeof original;
  syncBuiltinESMExports();
  try {
    const { port } = await guarded(t);
    const remote: RemoteInfo = { address: '127.0.0.1', family: 'IPv4', port: 0, size: 10 };
    for (const hex of ['400100 01b568656c6c6f', '40000001', 'ff', '', '4001000203ff'])
      socket!.emit('message', Buffer.from(hex.replace(' ', ''), 'hex'), remote);
    dgram.createSocket = original;
    syncBuiltinESMExports();
    const ask = await nodeCoapClient(t, port);
    assert.equal((await ask('/hello')).payload.toString(), 'Hello World!');
  } finally {
    dgram.createSocket = original;
    syncBuiltinESMExports();
  }
});

test('node-coap: observation by a client of node-coap, on a public path of a server without a guard before it', async (t) => {
  const port = await freePort();
  const server = protect(listener, {
    audience: 'rs1',
    issuers: [{ uri: 'coap://127.0.0.1:1/token', tokenKeys: [tokenKey] }],
    public: ['/temperature'],
    store: memoryStore(),
  });
  const events: string[] = [];
  for (const name of ['listening', 'close']) server.on(name, () => events.push(name));
  await new Promise<void>((ready) => server.listen(port, 'localhost', () => ready()));
  const ask = await nodeCoapClient(t, port);
  const stream = (await ask('/temperature', { observe: true })) as ObserveReadStream;
  const seen: string[] = [];
  stream.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
  await until(() => seen.length === 3);
  assert.deepEqual(seen, ['20.5', '21.5', '22.5']);
  const before = watched.ended;
  stream.close(true);
  await until(() => watched.ended === before + 1);
  await new Promise<void>((closed) => server.close(() => closed()));
  assert.deepEqual(events, ['listening', 'close']);
});

test('node-coap: a port that is taken is told to the callback, or by an error event', async (t) => {
  const { port } = await guarded(t);
  const options = { audience: 'rs1', issuers: [{ uri: 'coap://127.0.0.1:1/token', tokenKeys: [tokenKey] }], store: memoryStore() };
  const told = await new Promise<Error | undefined>((done) => protect(listener, options).listen(port, '127.0.0.1', done));
  assert.equal((told as Error & { code: string }).code, 'ERR_TRANSPORT_BIND');
  const server = protect(listener, options).listen(port, '127.0.0.1');
  const [error] = (await once(server, 'error')) as [Error & { code: string }];
  assert.equal(error.code, 'ERR_TRANSPORT_BIND');
  server.close();
});

test('node-coap: discovery lists authz-info, or is the business of the program', async (t) => {
  const { port } = await guarded(t);
  assert.equal((await request(`coap://127.0.0.1:${port}/.well-known/core`)).text(), '</authz-info>;rt="ace.ai"');
  const own = protect((_req, res) => res.end('</mine>'), {
    audience: 'rs1',
    issuers: [{ uri: 'coap://127.0.0.1:1/token', tokenKeys: [tokenKey] }],
    store: memoryStore(),
    discovery: true,
  });
  const other = await freePort();
  await new Promise<void>((ready) => own.listen(other, '127.0.0.1', () => ready()));
  assert.equal((await request(`coap://127.0.0.1:${other}/.well-known/core`)).text(), '</mine>');
  await new Promise<void>((closed) => own.close(() => closed()));
});

test('node-coap: the example runs: one call in place of coap.createServer', async (t) => {
  mkdirSync(join(root, 'dist', 'readme'), { recursive: true });
  const folder = mkdtempSync(join(root, 'dist', 'readme', 'node-coap-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const file = join(folder, 'program.mjs');
  writeFileSync(
    file,
    `import { fromHex, memoryStore, symmetricKey } from 'ace-coap';
import { protect } from 'ace-coap/adapters/node-coap';

const server = protect((req, res) => res.end('Hello ' + req.url), {
  audience: 'rs1',
  issuers: [{ uri: 'coap://127.0.0.1:5783/token', tokenKeys: [symmetricKey('AES-CCM-16-64-128', fromHex('000102030405060708090a0b0c0d0e0f'))] }],
  scopes: { r_temp: { '/temperature': ['GET'] } },
  public: ['/hello'],
  store: memoryStore(),
});
server.listen(${port}, '127.0.0.1', () => console.log('ready'));
`,
  );
  const child = spawn(process.execPath, [file], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  assert.equal((await request(`coap://127.0.0.1:${port}/hello`)).text(), 'Hello /hello');
  assert.equal((await request(`coap://127.0.0.1:${port}/temperature`)).codeText, '4.01');
});
