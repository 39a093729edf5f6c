import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { ContentFormat, findOption, Method, OptionNumber, readUint } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type ContextParameters, deriveContext } from '../../src/oscore/index.ts';
import { Californium, type CaliforniumClient, type EndpointOptions } from './californium.ts';
import { testsWith } from './matrix.ts';
import { aeadNames, contextA, mirrored, type ProtectedServer, protectedServer } from './oscore-peers.ts';
import { body, type Ours, type PlainServer, plainServer } from './ours.ts';
import { pause } from './processes.ts';

const test = testsWith({ peer: 'Californium', transport: 'UDP', security: 'none' });

const californium = new Californium({ after });

async function plain(t: TestContext, options: EndpointOptions = {}): Promise<{ server: PlainServer; client: CaliforniumClient }> {
  const server = await plainServer(t);
  return { server, client: await californium.connect(t, server.uri(''), undefined, options) };
}

/** Our server in the mirror of the context, and a Californium client in the context. */
async function pair(t: TestContext, of: ContextParameters = contextA): Promise<{ server: ProtectedServer; client: CaliforniumClient }> {
  const server = await protectedServer(t, [deriveContext(mirrored(of))]);
  return { server, client: await californium.connect(t, server.uri(''), of) };
}

async function answered(client: CaliforniumClient, order: Parameters<CaliforniumClient['ask']>[0]): Promise<readonly unknown[]> {
  const told = await client.ask({ ...order, ...(order.payload === undefined ? {} : { contentFormat: 0 }) });
  return [told?.code, told?.text, told?.protected];
}

/** A request, its acknowledgement, the response, and the acknowledgement of that. */
async function separate(server: Ours): Promise<void> {
  // It shows the response before it acknowledges it.
  await pause(100);
  const [request, acknowledgement, response, last] = server.passed.map(({ message }) => message);
  assert.deepEqual([acknowledgement?.code, last?.code], [0, 0]);
  assert.deepEqual([acknowledgement?.id, last?.id], [request?.id, response?.id]);
}

test('Californium client -> our server: every method', 'methods', async (t) => {
  const { server, client } = await plain(t);
  assert.deepEqual(await answered(client, { path: '/query?a=1&b=2' }), ['2.05', 'a=1|b=2', false]);
  assert.deepEqual(await answered(client, { path: '/hello', nonConfirmable: true }), ['2.05', 'Hello World!', false]);
  assert.deepEqual(await answered(client, { path: '/value', method: 'PUT', payload: 'put' }), ['2.04', '', false]);
  assert.deepEqual(await answered(client, { path: '/value' }), ['2.05', 'put', false]);
  assert.deepEqual(await answered(client, { path: '/value', method: 'FETCH', payload: 'this' }), ['2.05', 'fetched this', false]);
  assert.deepEqual(await answered(client, { path: '/value', method: 'PATCH', payload: 'one' }), ['2.04', '', false]);
  assert.deepEqual(await answered(client, { path: '/value', method: 'iPATCH', payload: 'two' }), ['2.04', '', false]);
  assert.deepEqual(await answered(client, { path: '/value', method: 'POST', payload: 'three' }), ['2.04', '5 bytes', false]);
  assert.deepEqual(server.bodies, ['put', 'one', 'two', 'three']);
  assert.deepEqual(await answered(client, { path: '/value', method: 'DELETE' }), ['2.02', '', false]);
  assert.equal((await answered(client, { path: '/value' }))[0], '4.04');
  assert.equal((await answered(client, { path: '/value', method: 'PUT', payload: 'new' }))[0], '2.01');
  assert.equal((await answered(client, { path: '/hello', method: 'PUT', payload: 'x' }))[0], '4.05');
  assert.equal((await answered(client, { path: '/hello', accept: 60 }))[0], '4.06');
});

test('Californium client -> our server: /.well-known/core', 'discovery', async (t) => {
  const { client } = await plain(t);
  const told = await client.ask({ path: '/.well-known/core?href=/h*' });
  assert.deepEqual([told?.code, told?.contentFormat, told?.text], ['2.05', ContentFormat.LinkFormat, '</hello>;ct=0;title="A greeting"']);
});

test('Californium client -> our server: separate response', 'separate response', async (t) => {
  const { server, client } = await plain(t);
  assert.equal((await client.ask({ path: '/slow' }))?.text, 'slow');
  await separate(server);
});

test('Californium client -> our server: observe, and its cancellation', 'observe', async (t) => {
  const { server, client } = await plain(t);
  const beat = (): void => {
    server.clock.changed();
    stop = systemEnv.schedule(200, beat);
  };
  let stop = systemEnv.schedule(200, beat);
  t.after(() => stop());
  const { responses, cancelled } = await client.observe('/clock', 4);
  assert.deepEqual(
    [...responses, cancelled!].map(({ text }) => text),
    ['tick 0', 'tick 1', 'tick 2', 'tick 3', 'tick 4'],
  );
  assert.equal(cancelled!.observe, null);
  assert.equal(server.clock.observers, 0, 'the client cancelled');
  const numbers = server.passed
    .filter(({ direction, message }) => direction === 'out' && findOption(message.options, OptionNumber.Observe) !== undefined)
    .map(({ message }) => readUint(findOption(message.options, OptionNumber.Observe)!.value));
  assert.ok(
    numbers.every((number, index) => index === 0 || number > numbers[index - 1]!),
    numbers.join(' '),
  );
});

test('Californium client -> our server: block-wise PUT, POST and GET, of the size that needs no option and in blocks of 64 bytes', 'block-wise', async (t) => {
  for (const options of [{}, { blockSize: 64 }]) {
    const { server, client } = await plain(t, options);
    assert.equal((await client.ask({ path: '/value', method: 'PUT', payload: body(2000) }))?.code, '2.04');
    assert.equal((await client.ask({ path: '/value' }))?.text, body(2000));
    assert.equal((await client.ask({ path: '/value', method: 'POST', payload: body(1500) }))?.text, '1500 bytes');
    assert.deepEqual(server.bodies, [body(2000), body(1500)]);
    assert.equal((await client.ask({ path: '/large' }))?.text, body(3000));
  }
});

test('Californium client -> our server, OSCORE: every method', { security: 'OSCORE', feature: 'methods' }, async (t) => {
  const { server, client } = await pair(t);
  assert.deepEqual(await answered(client, { path: '/large', method: 'PUT', payload: 'put' }), ['2.04', '', true]);
  assert.deepEqual(await answered(client, { path: '/large' }), ['2.05', 'put', true]);
  assert.deepEqual(await answered(client, { path: '/large', method: 'POST', payload: 'posted' }), ['2.04', 'posted', true]);
  assert.deepEqual(await answered(client, { path: '/oscore/test', method: 'DELETE' }), ['2.02', '', true]);
  for (const method of ['FETCH', 'PATCH', 'iPATCH'] as const) {
    assert.deepEqual(await answered(client, { path: '/large', method, payload: 'x' }), ['4.05', '', true], method);
  }
  assert.deepEqual(await answered(client, { path: '/nothing' }), ['4.04', '', true]);
  const requests = server.passed.filter(({ direction, message }) => direction === 'in' && message.code !== 0);
  assert.ok(requests.every(({ message }) => message.code === Method.POST));
});

test('Californium client -> our server, OSCORE: block-wise GET, PUT and POST', { security: 'OSCORE', feature: 'block-wise' }, async (t) => {
  const { server, client } = await pair(t);
  assert.equal((await client.ask({ path: '/large' }))?.text, body(5600));
  assert.equal((await client.ask({ path: '/large', method: 'PUT', payload: body(4000) }))?.code, '2.04');
  assert.equal((await client.ask({ path: '/large' }))?.text, body(4000));
  assert.equal((await client.ask({ path: '/large', method: 'POST', payload: body(3000) }))?.text, body(3000));
  assert.ok(server.passed.length > 30);
  const { Block1, Block2 } = OptionNumber;
  assert.ok(server.passed.every(({ message }) => [Block1, Block2].every((number) => findOption(message.options, number) === undefined)));
});

test('Californium client -> our server, OSCORE: separate response', { security: 'OSCORE', feature: 'separate response' }, async (t) => {
  const { server, client } = await pair(t);
  assert.equal((await client.ask({ path: '/slow' }))?.text, 'slow');
  await separate(server);
});

test('Californium client -> our server, OSCORE: non-confirmable', { security: 'OSCORE', feature: 'NON' }, async (t) => {
  const { server, client } = await pair(t);
  assert.equal((await client.ask({ path: '/oscore/hello/1', nonConfirmable: true }))?.text, 'Hello World!');
  assert.deepEqual(
    server.passed.map(({ message }) => message.type),
    [1, 1],
  );
});

test('Californium client -> our server, OSCORE: an ID Context that the server does not know', { security: 'OSCORE', feature: 'errors' }, async (t) => {
  const server = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const client = await californium.connect(t, server.uri(''), { ...contextA, idContext: Uint8Array.of(1, 2) });
  const told = await client.ask({ path: '/oscore/hello/1' });
  assert.deepEqual([told?.code, told?.text, told?.maxAge, told?.protected], ['4.01', 'Security context not found', 0, false]);
  assert.deepEqual(server.served, []);
});

test('Californium client -> our server, OSCORE: after a restart of the server, RFC 8613 Appendix B.1.2', { security: 'OSCORE', feature: 'Echo' }, async (t) => {
  const server = await protectedServer(t, [deriveContext(mirrored(contextA), { window: 'unverified' })]);
  const client = await californium.connect(t, server.uri(''), contextA);
  const challenge = await client.ask({ path: '/oscore/hello/1' });
  assert.deepEqual([challenge?.code, challenge?.protected, server.served], ['4.01', true, []]);
  // Californium 3.13.0 leaves the Echo to its application.
  const told = await client.ask({ path: '/oscore/hello/1', echo: challenge!.echo! });
  assert.deepEqual([told?.code, told?.text, server.served], ['2.05', 'Hello World!', ['/oscore/hello/1']]);
  assert.equal((await client.ask({ path: '/oscore/hello/1' }))?.code, '2.05', 'the window is known again');
  await client.rewind(0);
  assert.equal((await client.ask({ path: '/oscore/hello/1' }))?.code, '4.01', 'and what came before it is a replay');
  assert.equal(server.served.length, 2);
});

test('Californium client -> our server, OSCORE: algorithms', { security: 'OSCORE', feature: 'algorithms' }, async (t) => {
  for (const [aead, name] of aeadNames) {
    await t.test(name, async (inner) => {
      const { client } = await pair(inner, { ...contextA, aead });
      assert.equal((await client.ask({ path: '/oscore/hello/1' }))?.text, 'Hello World!');
      const told = await client.ask({ path: '/large', method: 'POST', payload: body(1500) });
      assert.deepEqual([told?.code, told?.text], ['2.04', body(1500)]);
    });
  }
  await t.test('HKDF with SHA-512', async (inner) => {
    const { client } = await pair(inner, { ...contextA, hkdf: 7 });
    assert.equal((await client.ask({ path: '/oscore/hello/1' }))?.text, 'Hello World!');
  });
});
