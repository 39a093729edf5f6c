import assert from 'node:assert/strict';
import { createSocket, Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { Code, type DatagramTransport, Endpoint, type Peer, pathOptions, type Request, Router, type TransportBase } from '../../src/coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { TransportError, tap, tcpServer, udp, wsServer } from '../../src/transport/index.ts';
import { until } from '../support/wait.ts';

async function received(transport: DatagramTransport): Promise<{ datagram: Uint8Array; peer: Peer }> {
  return new Promise((got) => transport.start((datagram, peer) => got({ datagram, peer })));
}

for (const [address, key] of [
  ['127.0.0.1', (port: number) => `127.0.0.1:${port}`],
  ['::1', (port: number) => `[::1]:${port}`],
] as const) {
  test(`udp: datagrams between sockets on ${address}`, async () => {
    const a = await udp({ address });
    const b = await udp({ address });
    const got = received(b);
    assert.equal(a.local.address, address);
    a.send(utf8('hello'), await a.resolve(address, b.local.port));
    const { datagram, peer } = await got;
    assert.equal(fromUtf8(datagram), 'hello');
    assert.equal(Object.getPrototypeOf(datagram), Uint8Array.prototype);
    assert.deepEqual(peer, { key: key(a.local.port), address, port: a.local.port });
    const back = received(a);
    b.send(utf8('again'), peer);
    assert.equal((await back).peer.key, (await a.resolve(address, b.local.port)).key);
    await Promise.all([a.close(), b.close()]);
  });
}

test('udp: source ports beside the first send and receive, and are gone when they are closed', async () => {
  const a = await udp({ sourcePorts: 3 });
  const b = await udp();
  const sources = a.sources!;
  assert.equal(sources.most, 3);
  const heard: { text: string; port: number; peer: Peer }[] = [];
  b.start((datagram, peer) => {
    heard.push({ text: fromUtf8(datagram), port: peer.port, peer });
    b.send(datagram, peer);
  });
  const back: Peer[] = [];
  a.start((_datagram, peer) => back.push(peer));
  const first = await a.resolve('127.0.0.1', b.local.port);
  const [one, two] = [sources.peer(first, 1), sources.peer(first, 2)];
  assert.deepEqual([one.source, two.key], [{ number: 1, first }, `${first.key} from 2`]);
  assert.equal(sources.peer(first, 1), one);
  for (const [text, peer] of Object.entries({ first, one, two })) a.send(utf8(text), peer);
  await until(() => back.length === 3);
  assert.equal(new Set(heard.map(({ port }) => port)).size, 3);
  assert.equal(heard.find(({ text }) => text === 'first')!.port, a.local.port);
  assert.deepEqual(new Set(back), new Set([first, one, two]));
  sources.close(2);
  a.send(utf8('lost'), two);
  a.send(utf8('end'), one);
  await until(() => back.length === 4);
  assert.deepEqual([back[3], heard.length], [one, 4]);
  await Promise.all([a.close(), b.close()]);
  await assert.rejects(udp({ sourcePorts: 0 }), { code: 'ERR_TRANSPORT_OPTION' });
});

test('udp: a source port that cannot be bound throws nothing and is tried again; one that is bound outlives an error of a datagram', async (t) => {
  const a = await udp({ sourcePorts: 3 });
  const b = await udp();
  t.after(() => Promise.all([a.close(), b.close()]));
  const heard: string[] = [];
  b.start((datagram) => heard.push(fromUtf8(datagram)));
  const opened: Socket[] = [];
  let bound = { address: '192.0.2.1', port: 0 };
  const bind = Socket.prototype.bind;
  // As where an interface has gone, or no descriptor is left.
  t.mock.method(Socket.prototype, 'bind', function (this: Socket) {
    opened.push(this);
    return bind.call(this, bound);
  });
  const first = await a.resolve('127.0.0.1', b.local.port);
  const unbound = a.sources!.peer(first, 1);
  a.send(utf8('lost'), unbound);
  await new Promise(setImmediate);
  bound = { address: '127.0.0.1', port: 0 };
  const again = a.sources!.peer(first, 1);
  a.send(utf8('first'), again);
  await until(() => heard.length === 1);
  assert.equal(opened.length, 2);
  for (const text of ['ICMP', 'ICMP again']) opened[1]!.emit('error', new Error(text));
  assert.equal(a.sources!.peer(first, 1), again);
  a.send(utf8('second'), again);
  await until(() => heard.length === 2);
  assert.deepEqual([heard, opened.length], [['first', 'second'], 2]);
});

test('RFC 7252 4.4: a client that has used up the message ids for a server goes on from another port', async (t) => {
  const ports = new Set<number>();
  const server = new Endpoint({
    transport: await udp(),
    handler: ({ peer }, reply) => {
      ports.add(peer.port);
      reply.respond({ code: Code.Content, options: [], payload: utf8('here') });
    },
  });
  // What takes the message ids goes nowhere.
  let lose = true;
  const socket = await udp();
  const transport: DatagramTransport = {
    start: (receive) => socket.start(receive),
    send: (datagram, peer) => (lose ? undefined : socket.send(datagram, peer)),
    resolve: (host, port) => socket.resolve(host, port),
    local: socket.local,
    sources: socket.sources!,
    close: () => socket.close(),
  };
  const client = new Endpoint({ transport });
  t.after(() => Promise.all([client.close(), server.close()]));
  const peer = await client.resolve('127.0.0.1', server.local.port);
  const lost: Request = { code: 1, options: [], payload: new Uint8Array(0), peer, nonConfirmable: true };
  for (let i = 0; i < 0xf000; i++) client.requester(lost, { response: () => {}, error: () => {} })();
  lose = false;
  for (let i = 0; i < 3; i++) assert.equal(fromUtf8((await client.request({ peer })).payload), 'here');
  assert.equal(ports.size, 1);
  assert.equal(ports.has(client.local.port), false);
});

test('udp: one object for each peer', async () => {
  const transport = await udp();
  const peer = await transport.resolve('127.0.0.1', 5683);
  assert.equal(await transport.resolve('127.0.0.1', 5683), peer);
  assert.notEqual(await transport.resolve('127.0.0.1', 5684), peer);
  assert.equal((await transport.resolve('localhost', 5683)).key, peer.key);
  await transport.close();
});

test('udp: every spelling of an IPv6 address is the same peer', async () => {
  const transport = await udp({ address: '::1' });
  const peer = await transport.resolve('::1', 5683);
  assert.equal(await transport.resolve('0:0:0:0:0:0:0:1', 5683), peer);
  assert.equal((await transport.resolve('2001:DB8::0:1', 5683)).key, '[2001:db8::1]:5683');
  assert.equal((await transport.resolve('192.0.2.1', 5683)).address, '::ffff:192.0.2.1');
  await transport.close();
});

test('udp: hosts and ports that cannot be', async () => {
  const transport = await udp();
  for (const [host, port] of [
    ['127.0.0.1', 0],
    ['127.0.0.1', 65_536],
    ['::1', 5683],
    ['no.such.host.invalid', 5683],
  ] as const) {
    await assert.rejects(transport.resolve(host, port), (error) => error instanceof TransportError && error.code === 'ERR_TRANSPORT_RESOLVE');
  }
  await assert.rejects(udp({ address: 'localhost' }), { code: 'ERR_TRANSPORT_BIND' });
  await assert.rejects(udp({ port: transport.local.port }), { code: 'ERR_TRANSPORT_BIND' });
  await transport.close();
});

test('udp: a socket that cannot be bound leaves nothing open', async (t) => {
  const transport = await udp();
  t.after(() => transport.close());
  const open = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'UDPWrap').length;
  const before = open();
  for (let i = 0; i < 10; i++) await assert.rejects(udp({ port: transport.local.port }), { code: 'ERR_TRANSPORT_BIND' });
  await until(() => open() <= before);
});

test('udp: a port that is none is not another one, and what is no size is an error', async () => {
  const refused = (opening: Promise<TransportBase>, code: string, what: string): Promise<void> =>
    assert.rejects(
      opening.then((opened) => opened.close()),
      { name: 'TransportError', code },
      what,
    );
  for (const port of [-1, 1.5, 65_536, 70_000, Number.NaN]) {
    await refused(udp({ port }), 'ERR_TRANSPORT_BIND', `udp ${port}`);
    await refused(tcpServer({ port }), 'ERR_TRANSPORT_BIND', `tcp ${port}`);
    await refused(wsServer({ port }), 'ERR_TRANSPORT_BIND', `ws ${port}`);
    await refused(udp({ groups: [{ address: '224.0.1.187', port }] }), 'ERR_TRANSPORT_BIND', `group ${port}`);
  }
  for (const size of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY])
    for (const name of ['bufferSize', 'peers', 'sourcePorts'] as const) await refused(udp({ [name]: size }), 'ERR_TRANSPORT_OPTION', `${name} ${size}`);
  await refused(udp({ bufferSize: 2 ** 31 }), 'ERR_TRANSPORT_OPTION', 'bufferSize');
  await refused(udp({ peers: 0 }), 'ERR_TRANSPORT_OPTION', 'peers');
});

test('udp: what cannot be sent neither throws nor ends the socket', async () => {
  const a = await udp();
  const b = await udp();
  const got = received(b);
  const target = await a.resolve('127.0.0.1', b.local.port);
  a.send(utf8('x'), { key: 'p', address: '127.0.0.1', port: 0 });
  a.send(utf8('x'), { key: 'p', address: '127.0.0.1', port: 70_000 });
  a.send(utf8('x'), { key: 'p', address: 'not an address', port: 5683 });
  a.send(new Uint8Array(70_000), target);
  // Nobody listens there: the ICMP message that comes back is no reason to stop.
  const gone = createSocket('udp4');
  gone.bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address();
  gone.close();
  a.send(utf8('x'), await a.resolve('127.0.0.1', port));
  a.send(utf8('still here'), target);
  assert.equal(fromUtf8((await got).datagram), 'still here');
  await Promise.all([a.close(), b.close()]);
  a.send(utf8('x'), target);
  assert.equal(a.close(), a.close());
});

test('udp: an endpoint serves real datagrams, large bodies too', async () => {
  const router = new Router();
  const large = 'x'.repeat(5000);
  router.resource('/large', { get: () => large });
  const server = new Endpoint({ transport: await udp(), handler: router.handler });
  const client = new Endpoint({ transport: await udp() });
  const peer = await client.resolve('127.0.0.1', server.local.port);
  const response = await client.request({ peer, options: pathOptions(['large']) });
  assert.equal(response.code, Code.Content);
  assert.equal(fromUtf8(response.payload), large);
  await client.ping(peer);
  await Promise.all([client.close(), server.close()]);
});

test('tap: sees what passes in both directions and leaves the rest alone', async () => {
  const events: string[] = [];
  const server = new Endpoint({
    transport: await udp(),
    handler: (_request, reply) => reply.respond({ code: Code.Content, options: [], payload: utf8('ok') }),
  });
  const inner = await udp();
  const tapped = tap(inner, ({ direction, datagram, peer }) => events.push(`${direction} ${toHex(datagram.subarray(0, 2))} ${peer.port}`));
  assert.equal(tapped.local, inner.local);
  const client = new Endpoint({ transport: tapped });
  await client.request({ peer: await client.resolve('127.0.0.1', server.local.port) });
  assert.deepEqual(events, [`out 4501 ${server.local.port}`, `in 6545 ${server.local.port}`]);
  await Promise.all([client.close(), server.close()]);
});

test('udp: what is sent while something that came in is handled leaves in order, also before a close', async () => {
  const [a, b] = [await udp(), await udp()];
  const heard: string[] = [];
  b.start((datagram) => heard.push(fromUtf8(datagram)));
  let closed: Promise<void> | undefined;
  a.start((_datagram, peer) => {
    for (const part of ['first', 'second']) a.send(utf8(part), peer);
    closed = a.close();
    a.send(utf8('late'), peer);
  });
  b.send(utf8('close'), await b.resolve('127.0.0.1', a.local.port));
  await until(() => heard.length === 2);
  await closed;
  assert.deepEqual(heard, ['first', 'second']);
  await b.close();
});
