import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  Code,
  ContentFormat,
  codeClass,
  decodeLinkFormat,
  formatCode,
  type Message,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  type Peer,
  pathOptions,
  queryOptions,
  type Response,
  sortOptions,
  uintOf,
} from '../../src/coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { freePort } from '../support/ports.ts';
import { testsWith } from './matrix.ts';
import { contextA, reservations } from './oscore-peers.ts';
import { body, type Ours, type OursOptions, ours } from './ours.ts';
import { Background, pause, within } from './processes.ts';
import { coapServer } from './tools.ts';

const test = testsWith({ peer: 'libcoap', transport: 'UDP', security: 'none' });

interface Pair extends Ours {
  readonly libcoap: Peer;
  ask(method: number, path: readonly string[], payload?: string, ...options: readonly Option[]): Promise<Response>;
}

/** libcoap's example server, and our client of it. */
async function pair(t: TestContext, options: OursOptions = {}): Promise<Pair> {
  const port = await freePort();
  const client = await ours(t, options);
  new Background(t, coapServer, ['-A', '127.0.0.1', '-p', String(port), '-d', '10', '-e']);
  const libcoap = await client.peer(port);
  // It does not say when it is ready.
  await within(10_000, `${coapServer} at port ${port}`, client.endpoint.ping(libcoap));
  client.passed.splice(0);
  return {
    ...client,
    libcoap,
    ask: (code, path, payload = '', ...more) =>
      client.endpoint.request({ code, peer: libcoap, options: sortOptions([...pathOptions(path), ...more]), payload: utf8(payload) }, { timeout: 20_000 }),
  };
}

function sent(client: Ours, code: number): Message[] {
  return client.passed.filter(({ direction, message }) => direction === 'out' && message.code === code).map(({ message }) => message);
}

test('our client -> libcoap server: GET', 'methods', async (t) => {
  const { ask } = await pair(t);
  const response = await ask(Method.GET, ['time']);
  assert.equal(formatCode(response.code), '2.05');
  assert.match(fromUtf8(response.payload), /^\w{3} \d\d \d\d:\d\d:\d\d$/);
  assert.match(fromUtf8((await ask(Method.GET, ['time'], '', ...queryOptions(['ticks']))).payload), /^\d+$/);
});

test('our client -> libcoap server: non-confirmable GET', ['NON', 'methods'], async (t) => {
  const { endpoint, libcoap } = await pair(t);
  const response = await endpoint.request({ peer: libcoap, options: pathOptions(['time']), nonConfirmable: true }, { timeout: 5000 });
  assert.equal(formatCode(response.code), '2.05');
});

test('our client -> libcoap server: /.well-known/core', 'discovery', async (t) => {
  const { ask } = await pair(t);
  const response = await ask(Method.GET, ['.well-known', 'core']);
  assert.equal(uintOf(response.options, OptionNumber.ContentFormat), ContentFormat.LinkFormat);
  const links = decodeLinkFormat(fromUtf8(response.payload));
  assert.deepEqual(
    links.map(({ target }) => target),
    ['/', '/time', '/async', '/example_data'],
  );
});

test('our client -> libcoap server: PUT, GET and DELETE of a resource that is made', 'methods', async (t) => {
  const { ask } = await pair(t);
  assert.equal(formatCode((await ask(Method.PUT, ['made', 'here'], 'one')).code), '2.01');
  assert.equal(fromUtf8((await ask(Method.GET, ['made', 'here'])).payload), 'one');
  assert.equal(formatCode((await ask(Method.PUT, ['made', 'here'], 'two')).code), '2.04');
  assert.equal(fromUtf8((await ask(Method.GET, ['made', 'here'])).payload), 'two');
  assert.equal(formatCode((await ask(Method.DELETE, ['made', 'here'])).code), '2.02');
  assert.equal(formatCode((await ask(Method.GET, ['made', 'here'])).code), '4.04');
});

test('our client -> libcoap server: 4.04 and 4.05', 'errors', async (t) => {
  const { ask } = await pair(t);
  assert.equal(formatCode((await ask(Method.GET, ['nothing'])).code), '4.04');
  assert.equal(formatCode((await ask(Method.DELETE, ['example_data'])).code), '4.05');
});

test('our client -> libcoap server: observe, and its cancellation', 'observe', async (t) => {
  const client = await pair(t);
  const seen: string[] = [];
  for await (const response of client.endpoint.observe({ peer: client.libcoap, options: pathOptions(['time']) }, { signal: AbortSignal.timeout(10_000) })) {
    assert.equal(formatCode(response.code), '2.05');
    seen.push(fromUtf8(response.payload));
    if (seen.length === 4) break;
  }
  assert.equal(new Set(seen).size >= 3, true, seen.join(', '));
  await pause(1500);
  const registrations = sent(client, Method.GET);
  assert.deepEqual(
    registrations.map(({ options }) => uintOf(options, OptionNumber.Observe)),
    [0, 1],
  );
  assert.equal(toHex(registrations[0]!.token), toHex(registrations[1]!.token));
  const after = client.passed.findIndex(({ message }) => message === registrations[1]);
  const notifications = client.passed.slice(after).filter(({ message }) => uintOf(message.options, OptionNumber.Observe) !== undefined);
  assert.equal(notifications.length, 1, 'the cancellation itself, and no notification after it');
});

test('our client -> libcoap server: block-wise PUT and GET in blocks of 64 bytes', 'block-wise', async (t) => {
  const client = await pair(t, { blockwise: { szx: 2 } });
  const written = await client.ask(Method.PUT, ['example_data'], body(1000));
  assert.equal(codeClass(written.code), 2);
  assert.equal(sent(client, Method.PUT).length, 16);
  const read = await client.ask(Method.GET, ['example_data']);
  assert.equal(fromUtf8(read.payload), body(1000));
  assert.equal(sent(client, Method.GET).length, 16);
  assert.equal(new Set(client.passed.filter(({ direction }) => direction === 'out').map(({ message }) => toHex(message.token))).size, 32, 'no token twice');
});

test('our client -> libcoap server: block-wise PUT and GET in blocks of 1024 bytes', 'block-wise', async (t) => {
  const { ask } = await pair(t);
  assert.equal(codeClass((await ask(Method.PUT, ['example_data'], body(5000))).code), 2);
  assert.equal(fromUtf8((await ask(Method.GET, ['example_data'])).payload), body(5000));
});

// coap-server passes a later block on to its resource unless an ETag of the request is that of the block, and its resource sends no ETag with it.
test('our client -> libcoap server: RFC 7252 5.10.6.2: a GET with an ETag that is not valid, answered in blocks', 'block-wise', async (t) => {
  const client = await pair(t);
  await client.ask(Method.PUT, ['example_data'], body(3000));
  client.passed.splice(0);
  const response = await client.ask(Method.GET, ['example_data'], '', opaqueOption(OptionNumber.ETag, Uint8Array.of(1, 2, 3)));
  assert.equal(fromUtf8(response.payload), body(3000));
  assert.deepEqual(
    sent(client, Method.GET).map(({ options }) => options.some(({ number }) => number === OptionNumber.ETag)),
    [true, true, false, false, false],
  );
});

test('our client -> libcoap server: separate response', 'separate response', async (t) => {
  const client = await pair(t);
  const response = await client.ask(Method.GET, ['async'], '', ...queryOptions(['1']));
  assert.equal(fromUtf8(response.payload), 'done');
  const [request, acknowledgement, separate, last] = client.passed.map(({ message }) => message);
  assert.deepEqual([request?.code, acknowledgement?.code, separate?.code, last?.code], [Method.GET, 0, Code.Content, 0]);
  assert.equal(acknowledgement?.id, request?.id);
  assert.equal(last?.id, separate?.id);
});

test('our client -> libcoap server: ping', 'methods', async (t) => {
  const { endpoint, libcoap } = await pair(t);
  await endpoint.ping(libcoap, { timeout: 5000 });
});

test(
  'our client -> libcoap server: OSCORE test 16a, a server without OSCORE answers 4.02, and the client knows that nothing protects it',
  'errors',
  async (t) => {
    const context = deriveContext(contextA);
    const contexts = new ContextTable();
    contexts.add(context);
    const { endpoint, libcoap } = await pair(t, { layers: [oscore({ contexts, store: reservations(), env: systemEnv })] });
    const response = await endpoint.request({ peer: libcoap, options: pathOptions(['time']), association: context }, { timeout: 5000 });
    assert.equal(formatCode(response.code), '4.02');
    assert.equal(response.association, undefined);
  },
);
