import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { WebSocket } from 'ws';
import {
  CoapError,
  Code,
  Endpoint,
  encodeFrame,
  FrameReader,
  Method,
  type Peer,
  pathOptions,
  type Reply,
  type Response,
  Router,
  SignalingCode,
  type StreamTransport,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { tcp, tcpServer, tls, tlsServer, udp, wsServer } from '../../src/transport/index.ts';
import { until } from '../support/wait.ts';
import { certificate, kinds, pair } from './stream-transports.ts';

const csm = encodeFrame('length', SignalingCode.CSM, emptyBytes, [], emptyBytes);

const large = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

/** A router with something of each kind. */
function site(): { readonly router: Router; tick(): void; readonly bodies: Uint8Array[] } {
  const router = new Router({});
  const bodies: Uint8Array[] = [];
  let ticks = 0;
  router.resource('/hello', { get: () => 'Hello' });
  router.resource('/large', {
    get: () => ({ payload: large(60_000) }),
    put: (request) => {
      bodies.push(request.payload.slice());
      return { code: Code.Changed };
    },
  });
  router.resource('/slow', { get: () => new Promise(() => {}) });
  const clock = router.resource('/clock', { get: () => `tick ${ticks}`, observable: true });
  return {
    router,
    bodies,
    tick: () => {
      ticks++;
      clock.changed();
    },
  };
}

for (const kind of kinds) {
  const { scheme } = kind;

  test(`${scheme}: requests share one connection, which goes with the endpoint`, async (t) => {
    const { router } = site();
    const { client, server, peer } = await pair(t, kind, { server: { handler: router.handler } });
    assert.equal(peer.key, `${kind.key}:127.0.0.1:${server.local.port}`);
    assert.equal(peer.scheme, scheme);
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.request({ peer, options: pathOptions(['hello']) })));
    assert.deepEqual(new Set(answers.map(({ payload }) => fromUtf8(payload))), new Set(['Hello']));
    assert.equal((await client.request({ peer, options: pathOptions(['nothing']) })).code, Code.NotFound);
    await client.ping(peer);
    assert.equal(server.stats()['connections'], 1);
    assert.equal(client.stats()['connections'], 1);
    await client.close();
    await until(() => server.stats()['connections'] === 0);
    for (const stats of [client.stats(), server.stats()]) {
      for (const name of ['connections', 'held', 'waiting', 'unanswered', 'buffered', 'deadlines', 'requests', 'replies']) assert.equal(stats[name], 0, name);
    }
  });

  test(`${scheme}: large bodies both ways`, async (t) => {
    const { router, bodies } = site();
    const { client, peer } = await pair(t, kind, { server: { handler: router.handler } });
    const got = await client.request({ peer, options: pathOptions(['large']) });
    assert.deepEqual(got.payload, large(60_000));
    const put = await client.request({ peer, code: Method.PUT, options: pathOptions(['large']), payload: large(50_001) });
    assert.equal(put.code, Code.Changed);
    assert.deepEqual(bodies, [large(50_001)]);
  });

  test(`${scheme}: RFC 8323 7: notifications in order, and an end on both sides`, async (t) => {
    const { router, tick } = site();
    const { client, server, peer } = await pair(t, kind, { server: { handler: router.handler } });
    const heard: string[] = [];
    for await (const { payload } of client.observe({ peer, options: pathOptions(['clock']) })) {
      heard.push(fromUtf8(payload));
      if (heard.length === 4) break;
      tick();
    }
    assert.deepEqual(heard, ['tick 0', 'tick 1', 'tick 2', 'tick 3']);
    await until(() => server.stats()['observers'] === 0 && server.stats()['replies'] === 0);
  });

  test(`${scheme}: RFC 8323 7.4: observers go with their connection, and the observation ends with an error`, async (t) => {
    const { router } = site();
    const { client, server, peer } = await pair(t, kind, { server: { handler: router.handler } });
    const first = client.observe({ peer, options: pathOptions(['clock']) });
    await first.next();
    assert.equal(server.stats()['observers'], 1);
    await client.close();
    await until(() => server.stats()['observers'] === 0 && router.stats().observers === 0);
    const again = new Endpoint({ transport: await kind.client() });
    t.after(() => again.close());
    const second = again.observe({ peer: await again.resolve('127.0.0.1', server.local.port), options: pathOptions(['clock']) });
    await second.next();
    await server.close();
    await assert.rejects(second.next(), (error) => error instanceof CoapError && error.code === 'ERR_COAP_CONNECTION');
  });

  test(`${scheme}: RFC 8323 3.3: the server asks the client over the same connection`, async (t) => {
    let from: Peer | undefined;
    const { router } = site();
    const { client, server, peer } = await pair(t, kind, {
      client: { handler: router.handler },
      server: {
        handler: (request, reply) => {
          from = request.peer;
          reply.respond({ code: Code.Content, options: [], payload: emptyBytes });
        },
      },
    });
    await client.request({ peer });
    const answer = await server.request({ peer: from!, options: pathOptions(['hello']) });
    assert.equal(fromUtf8(answer.payload), 'Hello');
    await client.close();
    await until(() => server.stats()['connections'] === 0);
    await assert.rejects(server.request({ peer: from! }), (error) => error instanceof CoapError && error.code === 'ERR_COAP_CONNECTION');
  });

  test(`${scheme}: a request is failed when the server goes, and the next one opens a new connection`, async (t) => {
    const { router } = site();
    const { client, server, peer } = await pair(t, kind, { server: { handler: router.handler } });
    const waiting = client.request({ peer, options: pathOptions(['slow']) });
    await until(() => server.stats()['unanswered'] === 1);
    const failed = assert.rejects(waiting, (error) => error instanceof CoapError && error.code === 'ERR_COAP_CONNECTION');
    // It never answers, so it is not waited for.
    await server.close({ grace: 50 });
    await failed;
    await assert.rejects(client.request({ peer }), (error) => error instanceof CoapError && error.code === 'ERR_COAP_CONNECTION');
    const second = new Endpoint({ transport: await kind.server({ port: server.local.port }), handler: router.handler });
    t.after(() => second.close());
    assert.equal((await client.request({ peer, options: pathOptions(['hello']) })).code, Code.Content);
  });

  test(`${scheme}: RFC 8974 2.2.1 and 3: what the peer announced is known without trial, and stateless requests use it`, async (t) => {
    const states: string[] = [];
    const stateless = { response: (_response: Response, state: Uint8Array) => states.push(fromUtf8(state)) };
    const { router } = site();
    const handler = router.handler;
    const { client, peer } = await pair(t, kind, { client: { extendedTokens: {}, stateless }, server: { handler, extendedTokens: { accept: 100 } } });
    const request = { peer, options: pathOptions(['hello']) };
    assert.throws(() => client.requestStateless(request, utf8('state')), { code: 'ERR_COAP_TOKEN' });
    assert.equal(await client.discoverTokenLength(peer, 50), 100);
    client.requestStateless(request, utf8('state'));
    await until(() => states.length === 1);
    assert.deepEqual([states, client.stats()['requests']], [['state'], 0]);
    assert.throws(() => client.requestStateless(request, new Uint8Array(100)), { code: 'ERR_COAP_TOKEN' });

    const plain = await pair(t, kind, { client: { extendedTokens: {} }, server: { handler } });
    assert.equal(await plain.client.discoverTokenLength(plain.peer, 50), 8);
  });

  test(`${scheme}: RFC 8323 5.5: an endpoint that closes answers what it was asked, and takes on nothing new`, async (t) => {
    const replies: Reply[] = [];
    const events: string[] = [];
    const { client, server, peer } = await pair(t, kind, {
      client: { emit: (event) => events.push(event.type === 'connection' ? event.state : event.type) },
      server: { handler: (_request, reply) => replies.push(reply) },
    });
    const waiting = client.request({ peer });
    await until(() => replies.length === 1);
    const closed = server.close();
    await until(() => events.includes('released'));
    const late = assert.rejects(client.request({ peer }), (error) => error instanceof CoapError && error.code === 'ERR_COAP_CONNECTION');
    assert.equal(server.stats()['connections'], 1);
    replies[0]!.respond({ code: Code.Content, options: [], payload: utf8('in time') });
    assert.equal(fromUtf8((await waiting).payload), 'in time');
    await closed;
    await late;
    assert.equal(replies.length, 1);
    for (const name of ['connections', 'unanswered', 'replies', 'deadlines']) assert.equal(server.stats()[name], 0, name);
  });

  test(`${scheme}: another scheme is refused before anything leaves`, async (t) => {
    const transport = await kind.client();
    t.after(() => transport.close());
    const other = scheme === 'coap+tcp' ? 'coaps+tcp' : 'coap+tcp';
    await assert.rejects(transport.resolve('127.0.0.1', 1, other), (error) => error instanceof ProtocolError && error.code === 'ERR_TRANSPORT_SCHEME');
    const datagrams = await udp();
    await assert.rejects(datagrams.resolve('127.0.0.1', 1, scheme), (error) => error instanceof ProtocolError && error.code === 'ERR_TRANSPORT_SCHEME');
    await datagrams.close();
  });

  test(`${scheme}: connections over the limit for an address are closed, the others serve on`, async (t) => {
    const { router } = site();
    const { client, server, peer } = await pair(t, kind, { server: { handler: router.handler }, listener: { connectionsPerAddress: 1 } });
    await client.request({ peer, options: pathOptions(['hello']) });
    const other = new Endpoint({ transport: await kind.client() });
    await assert.rejects(other.request({ peer: await other.resolve('127.0.0.1', server.local.port) }), CoapError);
    await other.close();
    assert.equal((await client.request({ peer, options: pathOptions(['hello']) })).code, Code.Content);
  });
}

/** A raw connection, and what it hears. */
async function raw(port: number): Promise<{ readonly socket: Socket; readonly heard: FrameReader; codes(): number[] }> {
  const socket = connect({ host: '127.0.0.1', port });
  const heard = new FrameReader('length', 100_000);
  const codes: number[] = [];
  socket.on('data', (bytes) => {
    heard.push(new Uint8Array(bytes));
    for (let message = heard.next(); message !== undefined; message = heard.next()) codes.push(message.code);
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, heard, codes: () => codes };
}

async function serving(t: { after(task: () => unknown): void }, transport: StreamTransport, limits = {}): Promise<Endpoint> {
  const server = new Endpoint({ transport, handler: site().router.handler, connections: limits });
  t.after(() => server.close());
  return server;
}

test('tcp: many connections, half of them dead, and nothing is left of them', async (t) => {
  const server = await serving(t, await tcpServer(), { handshake: 300, message: 300 });
  const { port } = server.local;
  const all = await Promise.all(Array.from({ length: 120 }, () => raw(port)));
  for (const [index, { socket }] of all.entries()) {
    // Silent, in the middle of a message, gone without a word, and well-behaved.
    if (index % 4 === 1) socket.write(new Uint8Array([...csm, 0xe0, 0x01]));
    if (index % 4 === 2) socket.resetAndDestroy();
    if (index % 4 === 3) socket.write(new Uint8Array([...csm, ...encodeFrame('length', Method.GET, fromHex('01'), pathOptions(['hello']), emptyBytes)]));
  }
  await until(() => server.stats()['connections'] === 30);
  for (const [index, { socket, codes }] of all.entries()) {
    // What the server has sent may still be on its way.
    if (index % 4 < 2) await until(() => codes().at(-1) === SignalingCode.Abort);
    if (index % 4 === 3) assert.deepEqual(codes(), [SignalingCode.CSM, Code.Content]);
    socket.destroy();
  }
  await until(() => server.stats()['connections'] === 0);
  assert.deepEqual([server.stats()['held'], server.stats()['deadlines']], [0, 0]);
});

test('tcp: a client that never reads is disconnected, with a bounded buffer', async (t) => {
  const reasons: string[] = [];
  const server = new Endpoint({
    transport: await tcpServer(),
    handler: (_request, reply) => reply.respond({ code: Code.Content, options: [], payload: new Uint8Array(1000) }),
    connections: { stall: 300 },
    emit: (event) => {
      if (event.type === 'connection' && event.state === 'closed') reasons.push(event.error.code);
    },
  });
  t.after(() => server.close());
  const { socket } = await raw(server.local.port);
  socket.pause();
  socket.write(csm);
  const many = new Uint8Array(200_000).fill(0);
  for (let i = 1; i < many.length; i += 2) many[i] = Method.GET;
  for (let i = 0; i < 10; i++) socket.write(many);
  let most = 0;
  await until(() => {
    most = Math.max(most, server.stats()['buffered']!);
    return reasons.length > 0;
  }, 10_000);
  assert.deepEqual(reasons, ['ERR_COAP_BACKPRESSURE']);
  assert.ok(most < 200_000, String(most));
  socket.destroy();
});

test('tcp: a half-open peer that no longer answers is found out by a Ping', async (t) => {
  const server = await serving(t, await tcpServer(), { idle: 100, release: 100 });
  const { socket, codes } = await raw(server.local.port);
  socket.write(csm);
  socket.write(encodeFrame('length', Method.GET, fromHex('07'), [{ number: 6, value: emptyBytes }, ...pathOptions(['clock'])], emptyBytes));
  await until(() => server.stats()['observers'] === 1);
  await until(() => server.stats()['connections'] === 0);
  assert.ok(codes().includes(SignalingCode.Ping));
  assert.equal(server.stats()['observers'], 0);
  socket.destroy();
});

test('tcp: RFC 8323 5.5: who asks on after our Release hears 5.03, and is closed when the time is over', async (t) => {
  const server = await serving(t, await tcpServer());
  const { socket, codes } = await raw(server.local.port);
  const hello = encodeFrame('length', Method.GET, fromHex('01'), pathOptions(['hello']), emptyBytes);
  socket.write(new Uint8Array([...csm, ...hello]));
  await until(() => codes().length === 2);
  const closed = server.close({ grace: 200 });
  await until(() => codes().length === 3);
  socket.write(hello);
  await until(() => codes().length === 4);
  assert.deepEqual(codes(), [SignalingCode.CSM, Code.Content, SignalingCode.Release, Code.ServiceUnavailable]);
  await once(socket, 'close');
  await closed;
});

test('tcp: a connection that nobody uses is released by the client, and opened again when it is needed', async (t) => {
  const server = await serving(t, await tcpServer());
  const client = new Endpoint({ transport: await tcp(), connections: { idle: 50 } });
  t.after(() => client.close());
  const peer = await client.resolve('127.0.0.1', server.local.port);
  for (let i = 0; i < 2; i++) {
    assert.equal((await client.request({ peer, options: pathOptions(['hello']) })).code, Code.Content);
    await until(() => client.stats()['connections'] === 0 && server.stats()['connections'] === 0);
  }
});

test('tls: a certificate that is for another host, or that nobody vouches for, is refused', async (t) => {
  const server = await serving(t, await tlsServer({ ...certificate, address: '0.0.0.0' }));
  for (const [options, host] of [
    [{ ca: certificate.cert, address: '0.0.0.0' }, '127.0.0.2'],
    [{}, '127.0.0.1'],
  ] as const) {
    const client = new Endpoint({ transport: await tls(options) });
    t.after(() => client.close());
    const peer = await client.resolve(host, server.local.port);
    await assert.rejects(
      client.request({ peer }),
      (error) => error instanceof CoapError && error.code === 'ERR_COAP_CONNECTION' && error.cause instanceof Error,
    );
  }
  const client = new Endpoint({ transport: await tls({ ca: certificate.cert }) });
  t.after(() => client.close());
  const named = await client.resolve('localhost', server.local.port);
  assert.equal(named.key, `tls:localhost:${server.local.port}`);
  assert.equal((await client.request({ peer: named, options: pathOptions(['hello']) })).code, Code.Content);
});

test('tls: clients have to show a certificate where one is asked for', async (t) => {
  const server = await serving(t, await tlsServer({ ...certificate, clientCa: certificate.cert }));
  const without = new Endpoint({ transport: await tls({ ca: certificate.cert }) });
  const withOne = new Endpoint({ transport: await tls({ ca: certificate.cert, ...certificate }) });
  t.after(() => Promise.all([without.close(), withOne.close()]));
  await assert.rejects(without.request({ peer: await without.resolve('127.0.0.1', server.local.port) }), CoapError);
  assert.equal((await withOne.request({ peer: await withOne.resolve('127.0.0.1', server.local.port) })).code, Code.NotFound);
});

test('RFC 8323 8.2: on a port of its own, a TLS connection without ALPN is closed, by either side', async (t) => {
  const server = await serving(t, await tlsServer(certificate));
  const socket = tlsConnect({ host: '127.0.0.1', port: server.local.port, ca: certificate.cert, servername: '' });
  socket.on('error', () => {});
  await once(socket, 'close');
  assert.equal(server.stats()['connections'], 0);
});

test('tls: what is no certificate is refused with a typed error', async () => {
  await assert.rejects(tlsServer({ cert: 'none', key: 'none' }), (error) => error instanceof ProtocolError && error.code === 'ERR_TRANSPORT_TLS');
});

test('RFC 8323 4.1: the opening handshake needs the path, the subprotocol, and no page of a browser', async (t) => {
  const server = await serving(t, await wsServer({ origins: ['https://example.org'] }));
  const at = (path: string): string => `ws://127.0.0.1:${server.local.port}${path}`;
  const status = (socket: WebSocket): Promise<number | undefined> =>
    new Promise((resolve) => {
      socket.on('error', () => {});
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.on('open', () => {
        socket.terminate();
        resolve(101);
      });
    });
  assert.equal(await status(new WebSocket(at('/.well-known/coap'), ['coap'])), 101);
  assert.equal(await status(new WebSocket(at('/.well-known/coap'), ['coap'], { origin: 'https://example.org' })), 101);
  assert.equal(await status(new WebSocket(at('/.well-known/coap'), ['coap'], { origin: 'https://evil.example' })), 403);
  assert.equal(await status(new WebSocket(at('/.well-known/coap'), ['mqtt'])), 400);
  assert.equal(await status(new WebSocket(at('/.well-known/coap'))), 400);
  assert.equal(await status(new WebSocket(at('/'), ['coap'])), 404);
});

test('RFC 8323 4.2: text frames and frames that are too large end the connection', async (t) => {
  const server = await serving(t, await wsServer({ maxMessageSize: 2000 }));
  for (const [what, code] of [
    ['text', 1003],
    [new Uint8Array(2001), 1009],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${server.local.port}/.well-known/coap`, ['coap']);
    await once(socket, 'open');
    socket.send(what);
    const [closed] = (await once(socket, 'close')) as [number];
    assert.equal(closed, code);
  }
  await until(() => server.stats()['connections'] === 0);
});
