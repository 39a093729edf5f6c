import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { Agent, type CoapRequestParams, createServer, type IncomingMessage, type ObserveReadStream, type ObserveWriteStream, type OutgoingMessage } from 'coap';
import {
  Code,
  ContentFormat,
  type DatagramTransport,
  decodeMessage,
  encodeMessage,
  formatCode,
  Method,
  type Option,
  OptionNumber,
  type Peer,
  pathOptions,
  queryOptions,
  type Response,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { freePort } from '../support/ports.ts';
import { testsWith } from './matrix.ts';
import { body, type Ours, type OursOptions, ours, plainServer } from './ours.ts';
import { pause, within } from './processes.ts';

const test = testsWith({ peer: 'node-coap', transport: 'UDP', security: 'none' });

/** A node-coap client on a socket of 127.0.0.1, and one request of it at a time. */
class Client {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(agent: Agent, port: number) {
    this.#agent = agent;
    this.#port = port;
  }

  static async start(t: TestContext, port: number): Promise<Client> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.after(() => socket.close());
    return new Client(new Agent({ type: 'udp4', socket }), port);
  }

  ask(pathname: string, params: CoapRequestParams = {}, payload?: string): Promise<IncomingMessage> {
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = this.#agent.request({ hostname: '127.0.0.1', port: this.#port, pathname, ...params });
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
      outgoing.end(payload === undefined ? undefined : Buffer.from(payload));
    });
    return within(10_000, `node-coap: ${params.method ?? 'GET'} ${pathname}`, answer);
  }
}

function summary(response: IncomingMessage): readonly [string, string] {
  return [response.code, response.payload.toString()];
}

test('node-coap client -> our server: GET, with a query', 'methods', async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  const response = await client.ask('/hello');
  assert.deepEqual(summary(response), ['2.05', 'Hello World!']);
  assert.equal(response.headers['Content-Format'], 'text/plain');
  assert.deepEqual(summary(await client.ask('/query', { query: 'a=1&b=2' })), ['2.05', 'a=1|b=2']);
});

test('node-coap client -> our server: non-confirmable GET', ['NON', 'methods'], async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  assert.deepEqual(summary(await client.ask('/hello', { confirmable: false })), ['2.05', 'Hello World!']);
});

test('node-coap client -> our server: PUT, POST, DELETE, 4.04', ['errors', 'methods'], async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  assert.deepEqual(summary(await client.ask('/value', { method: 'PUT' }, 'first')), ['2.04', '']);
  assert.deepEqual(summary(await client.ask('/value')), ['2.05', 'first']);
  assert.deepEqual(summary(await client.ask('/value', { method: 'POST' }, 'second')), ['2.04', '6 bytes']);
  assert.deepEqual(summary(await client.ask('/value', { method: 'DELETE' })), ['2.02', '']);
  assert.deepEqual(summary(await client.ask('/value')), ['4.04', '']);
  assert.deepEqual(server.bodies, ['first', 'second']);
});

test('node-coap client -> our server: FETCH, PATCH and iPATCH', 'methods', async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  assert.deepEqual(summary(await client.ask('/value', { method: 'FETCH', contentFormat: 'text/plain' }, 'this')), ['2.05', 'fetched this']);
  assert.deepEqual(summary(await client.ask('/value', { method: 'PATCH', contentFormat: 'text/plain' }, 'one')), ['2.04', '']);
  assert.deepEqual(summary(await client.ask('/value', { method: 'iPATCH', contentFormat: 'text/plain' }, 'two')), ['2.04', '']);
  assert.deepEqual(server.bodies, ['one', 'two']);
});

test('node-coap client -> our server: separate response', 'separate response', async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  assert.deepEqual(summary(await client.ask('/slow')), ['2.05', 'slow']);
});

test('node-coap client -> our server: observe, and its cancellation', 'observe', async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  const stream = (await client.ask('/clock', { observe: true })) as ObserveReadStream;
  const seen: string[] = [];
  stream.on('data', (chunk: Buffer) => {
    seen.push(chunk.toString());
    server.clock.changed();
  });
  while (seen.length < 5) await within(5000, 'a notification', once(stream, 'data'));
  assert.deepEqual(
    seen.slice(0, 5),
    Array.from({ length: 5 }, (_, index) => `tick ${index}`),
  );
  stream.close(true);
  await pause(500);
  assert.equal(server.clock.observers, 0);
});

test('node-coap client -> our server: block-wise GET in blocks of 64 bytes', 'block-wise', async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  assert.deepEqual(summary(await client.ask('/large', { options: { Block2: Buffer.of(2) } })), ['2.05', body(3000)]);
  assert.equal(server.passed.filter(({ direction }) => direction === 'in').length, 47);
});

test('node-coap client -> our server: block-wise GET in blocks of the size that the server chooses', 'block-wise', async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  assert.deepEqual(summary(await client.ask('/large')), ['2.05', body(3000)]);
});

test('node-coap client -> our server: block-wise PUT in blocks of 64 bytes', 'block-wise', async (t) => {
  const server = await plainServer(t);
  const client = await Client.start(t, server.port);
  assert.deepEqual(summary(await client.ask('/value', { method: 'PUT', options: { Block1: Buffer.of(2) } }, body(1000))), ['2.04', '']);
  assert.deepEqual(server.bodies, [body(1000)]);
  assert.equal(server.passed.filter(({ direction }) => direction === 'in').length, 16);
});

interface NodeServer extends Ours {
  readonly nodeCoap: Peer;
  /** Bodies that the server got. */
  readonly bodies: string[];
  ask(method: number, path: string, payload?: string, ...options: readonly Option[]): Promise<Response>;
}

/** A node-coap server, and our client of it. */
async function nodeServer(t: TestContext, options: OursOptions = {}): Promise<NodeServer> {
  const port = await freePort();
  const bodies: string[] = [];
  const server = createServer((incoming: IncomingMessage, outgoing: OutgoingMessage | ObserveWriteStream) => {
    const { pathname, searchParams } = new URL(incoming.url, 'coap://127.0.0.1');
    if (pathname === '/clock' && incoming.headers['Observe'] === 0) {
      tick(outgoing as ObserveWriteStream);
      return;
    }
    const response = outgoing as OutgoingMessage;
    if (pathname === '/hello') {
      response.setOption('Content-Format', 'text/plain');
      response.end(`Hello ${searchParams.get('name') ?? 'World'}!`);
    } else if (pathname === '/value') {
      bodies.push(incoming.payload.toString());
      response.code = '2.04';
      response.end();
    } else if (pathname === '/large') response.end(body(3000));
    else if (pathname === '/slow') systemEnv.schedule(800, () => response.end('slow'));
    else {
      response.code = '4.04';
      response.end();
    }
  });
  await new Promise<void>((ready) => server.listen(port, '127.0.0.1', () => ready()));
  t.after(() => new Promise<void>((closed) => server.close(() => closed())));
  const client = await ours(t, options);
  const nodeCoap = await client.peer(port);
  return {
    ...client,
    nodeCoap,
    bodies,
    ask: (code, uri, payload = '', ...more) => {
      const [path, query] = uri.split('?');
      const all = [...pathOptions(path!.slice(1).split('/')), ...queryOptions(query === undefined ? [] : [query]), ...more];
      return client.endpoint.request({ code, peer: nodeCoap, options: all.sort((a, b) => a.number - b.number), payload: utf8(payload) }, { timeout: 10_000 });
    },
  };
}

/** Five notifications. */
function tick(stream: ObserveWriteStream): void {
  let ticks = 0;
  const next = (): void => {
    if (ticks === 5) stream.end();
    else {
      stream.write(`tick ${ticks++}`);
      const stop = systemEnv.schedule(100, next);
      stream.once('finish', stop);
    }
  };
  stream.statusCode = '2.05';
  next();
}

test('our client -> node-coap server: GET, with a query and Accept', 'methods', async (t) => {
  const { ask } = await nodeServer(t);
  const response = await ask(Method.GET, '/hello');
  assert.deepEqual([formatCode(response.code), fromUtf8(response.payload)], ['2.05', 'Hello World!']);
  assert.equal(uintOf(response.options, OptionNumber.ContentFormat), ContentFormat.TextPlain);
  assert.equal(fromUtf8((await ask(Method.GET, '/hello?name=you', '', uintOption(OptionNumber.Accept, 0))).payload), 'Hello you!');
});

test('our client -> node-coap server: non-confirmable GET', ['NON', 'methods'], async (t) => {
  const { endpoint, nodeCoap } = await nodeServer(t);
  const { code } = await endpoint.request({ peer: nodeCoap, options: pathOptions(['hello']), nonConfirmable: true }, { timeout: 5000 });
  assert.equal(code, Code.Content);
});

test('our client -> node-coap server: PUT and 4.04', ['errors', 'methods'], async (t) => {
  const { ask, bodies } = await nodeServer(t);
  assert.equal(formatCode((await ask(Method.PUT, '/value', 'first')).code), '2.04');
  assert.deepEqual(bodies, ['first']);
  assert.equal(formatCode((await ask(Method.GET, '/nothing')).code), '4.04');
});

test('our client -> node-coap server: separate response', 'separate response', async (t) => {
  const client = await nodeServer(t);
  assert.equal(fromUtf8((await client.ask(Method.GET, '/slow')).payload), 'slow');
  assert.equal(client.passed[1]!.message.code, 0);
});

test('our client -> node-coap server: observe', 'observe', async (t) => {
  const { endpoint, nodeCoap } = await nodeServer(t);
  const seen: string[] = [];
  for await (const response of endpoint.observe({ peer: nodeCoap, options: pathOptions(['clock']) }, { signal: AbortSignal.timeout(10_000) })) {
    seen.push(fromUtf8(response.payload));
    if (seen.length === 5) break;
  }
  assert.deepEqual(seen, ['tick 0', 'tick 1', 'tick 2', 'tick 3', 'tick 4']);
});

test('our client -> node-coap server: block-wise GET in blocks of 64 bytes', 'block-wise', async (t) => {
  const client = await nodeServer(t, { blockwise: { szx: 2 } });
  assert.equal(fromUtf8((await client.ask(Method.GET, '/large')).payload), body(3000));
  assert.equal(client.passed.filter(({ direction }) => direction === 'out').length, 47);
});

test('our client -> node-coap server: block-wise GET in blocks of the size that the server chooses', 'block-wise', async (t) => {
  const client = await nodeServer(t);
  assert.equal(fromUtf8((await client.ask(Method.GET, '/large')).payload), body(3000));
});

/** Gives all requests one token, and each response the token of the last request. */
function withOneToken(transport: DatagramTransport): DatagramTransport {
  const token = Uint8Array.of(1, 2, 3, 4);
  let last: Uint8Array = token;
  return {
    start: (receive) => transport.start((datagram, peer) => receive(encodeMessage({ ...decodeMessage(datagram), token: last }), peer)),
    send: (datagram, peer) => {
      const message = decodeMessage(datagram);
      last = message.token.slice();
      transport.send(encodeMessage({ ...message, token }), peer);
    },
    resolve: (host, port) => transport.resolve(host, port),
    local: transport.local,
    close: () => transport.close(),
  };
}

// node-coap's server joins the blocks of a body by their token, and answers 5.00 to the last block of a client that keeps to RFC 9175 §4.2 and never uses a
// token twice. What stands between the two is the token alone.
test('our client -> node-coap server: block-wise PUT, with one token for all blocks', 'block-wise', async (t) => {
  const client = await nodeServer(t, { wrap: withOneToken });
  assert.equal(formatCode((await client.ask(Method.PUT, '/value', body(3000))).code), '2.04');
  assert.deepEqual(client.bodies, [body(3000)]);
  assert.equal(client.passed.filter(({ direction }) => direction === 'out').length, 3);
});
