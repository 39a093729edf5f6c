import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { Code, ContentFormat, findOption, formatCode, Method, type Option, OptionNumber, uintOf, uintOption } from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { type ContextParameters, decodeOscoreOption, deriveContext } from '../../src/oscore/index.ts';
import { Californium, type EndpointOptions } from './californium.ts';
import { testsWith } from './matrix.ts';
import { aeadNames, contextA, mirrored, type ProtectedClient, protectedClient } from './oscore-peers.ts';
import { body } from './ours.ts';
import { pause } from './processes.ts';

const test = testsWith({ peer: 'Californium', transport: 'UDP', security: 'none' });

const californium = new Californium({ after });

/** Our client in the context, if there is one, and a Californium server in the mirror of it. */
async function pair(t: TestContext, of?: ContextParameters, options: EndpointOptions = {}): Promise<ProtectedClient> {
  if (of === undefined) return protectedClient(t, await californium.serve(t, undefined, options));
  return protectedClient(t, await californium.serve(t, mirrored(of), options), deriveContext(of));
}

async function answered(
  client: ProtectedClient,
  method: number,
  path: string,
  payload = '',
  options: readonly Option[] = [],
): Promise<readonly [string, string]> {
  const format = payload === '' ? [] : [uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain)];
  const { code, payload: text, association } = await client.ask(method, path, payload, [...format, ...options]);
  assert.equal(association, client.context);
  return [formatCode(code), fromUtf8(text)];
}

for (const [name, security, context] of [
  ['our client -> Californium server', 'none', undefined],
  ['our client -> Californium server, OSCORE', 'OSCORE', contextA],
] as const) {
  test(`${name}: every method`, { security, feature: 'methods' }, async (t) => {
    const client = await pair(t, context);
    assert.deepEqual(await answered(client, Method.GET, '/query?a=1&b=2'), ['2.05', 'a=1|b=2']);
    assert.deepEqual(await answered(client, Method.PUT, '/value', 'put'), ['2.04', '']);
    assert.deepEqual(await answered(client, Method.GET, '/value'), ['2.05', 'put']);
    assert.deepEqual(await answered(client, Method.FETCH, '/value', 'this'), ['2.05', 'fetched this']);
    assert.deepEqual(await answered(client, Method.PATCH, '/value', 'patched'), ['2.04', '']);
    assert.deepEqual(await answered(client, Method.iPATCH, '/value', 'again'), ['2.04', '']);
    assert.deepEqual(await answered(client, Method.POST, '/value', 'posted'), ['2.04', 'posted']);
    assert.deepEqual(await answered(client, Method.DELETE, '/value'), ['2.02', '']);
    assert.deepEqual(await answered(client, Method.GET, '/value'), ['4.04', '']);
    assert.deepEqual(await answered(client, Method.PUT, '/value', 'new'), ['2.01', '']);
    assert.deepEqual(await answered(client, Method.PUT, '/slow', 'x'), ['4.05', '']);
    assert.deepEqual(await answered(client, Method.GET, '/nothing'), ['4.04', '']);
  });

  test(`${name}: block-wise GET, PUT and POST`, { security, feature: 'block-wise' }, async (t) => {
    const client = await pair(t, context);
    assert.deepEqual(await answered(client, Method.GET, '/large'), ['2.05', body(5600)]);
    assert.deepEqual(await answered(client, Method.PUT, '/large', body(4000)), ['2.04', '']);
    assert.deepEqual(await answered(client, Method.GET, '/large'), ['2.05', body(4000)]);
    assert.deepEqual(await answered(client, Method.POST, '/large', body(3000)), ['2.04', body(3000)]);
    // Under OSCORE the blocks stand inside.
    const seen = client.passed.some(({ message }) =>
      [OptionNumber.Block1, OptionNumber.Block2].some((number) => findOption(message.options, number) !== undefined),
    );
    assert.equal(seen, context === undefined);
  });

  test(`${name}: separate response`, { security, feature: 'separate response' }, async (t) => {
    const client = await pair(t, context);
    assert.deepEqual(await answered(client, Method.GET, '/slow'), ['2.05', 'slow']);
    const [request, acknowledgement, response, last] = client.passed.map(({ message }) => message);
    assert.deepEqual([acknowledgement?.code, last?.code], [0, 0]);
    assert.deepEqual([acknowledgement?.id, last?.id], [request?.id, response?.id]);
  });

  test(`${name}: many requests at once`, { security, feature: 'methods' }, async (t) => {
    const client = await pair(t, context);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => answered(client, Method.GET, `/query?n=${index}`)));
    assert.deepEqual(
      answers,
      answers.map((_, index) => ['2.05', `n=${index}`]),
    );
  });
}

test('our client -> Californium server: an unknown critical option is answered with 4.02, an elective one ignored', 'errors', async (t) => {
  const client = await pair(t);
  assert.equal((await answered(client, Method.GET, '/value', '', [uintOption(2049, 1)]))[0], '4.02');
  assert.deepEqual(await answered(client, Method.GET, '/value', '', [uintOption(2050, 1)]), ['2.05', 'empty']);
});

test('our client -> Californium server: /.well-known/core, ping', ['discovery', 'methods'], async (t) => {
  const client = await pair(t);
  await client.endpoint.ping(client.server, { timeout: 5000 });
  const { payload, options } = await client.ask(Method.GET, '/.well-known/core');
  assert.equal(uintOf(options, OptionNumber.ContentFormat), ContentFormat.LinkFormat);
  const links = fromUtf8(payload).split(',');
  for (const link of ['</clock>;obs', '</large>', '</oscore/hello/coap>']) assert.ok(links.includes(link), links.join('\n'));
});

test('our client -> Californium server: observe, and its cancellation', 'observe', async (t) => {
  const client = await pair(t);
  const seen: number[] = [];
  for await (const { payload } of client.observe('/clock')) {
    seen.push(Number(/^tick (\d+)$/.exec(fromUtf8(payload))![1]));
    if (seen.length === 4) break;
  }
  assert.deepEqual(
    seen,
    seen.map((_, index) => seen[0]! + index),
  );
  // By its answer the server has heard of the cancellation, which was sent before.
  await client.ask(Method.GET, '/value');
  const count = client.passed.length;
  await pause(500);
  assert.equal(client.passed.length, count, 'nothing comes after the cancellation');
});

test('our client -> Californium server: block-wise in the blocks of 64 bytes that the server wants', 'block-wise', async (t) => {
  const client = await pair(t, undefined, { blockSize: 64 });
  assert.deepEqual(await answered(client, Method.PUT, '/large', body(1000)), ['2.04', '']);
  assert.deepEqual(await answered(client, Method.GET, '/large'), ['2.05', body(1000)]);
  const sizes = client.passed.filter(({ message }) => message.code === Code.Content).map(({ message }) => message.payload.length);
  assert.deepEqual(sizes, [...new Array<number>(15).fill(64), 40]);
});

test('our client -> Californium server, OSCORE: responses with a Partial IV of their own', { security: 'OSCORE', feature: 'methods' }, async (t) => {
  const client = await pair(t, contextA, { change: { partialIvInResponses: true } });
  for (let count = 0; count < 3; count++) assert.deepEqual(await answered(client, Method.GET, '/oscore/hello/1'), ['2.05', 'Hello World!']);
  const responses = client.passed.filter(({ direction }) => direction === 'in');
  const numbers = responses.map(({ message: { options } }) => decodeOscoreOption(findOption(options, OptionNumber.Oscore)!.value).partialIv);
  assert.deepEqual(
    numbers,
    [0, 1, 2].map((number) => Uint8Array.of(number)),
  );
});

test('our client -> Californium server, OSCORE: algorithms', { security: 'OSCORE', feature: 'algorithms' }, async (t) => {
  for (const [aead, name] of aeadNames) {
    await t.test(name, async (inner) => {
      const client = await pair(inner, { ...contextA, aead });
      assert.deepEqual(await answered(client, Method.GET, '/oscore/hello/1'), ['2.05', 'Hello World!']);
      assert.deepEqual(await answered(client, Method.POST, '/large', body(1500)), ['2.04', body(1500)]);
    });
  }
  await t.test('HKDF with SHA-512', async (inner) => {
    const client = await pair(inner, { ...contextA, hkdf: 7 });
    assert.deepEqual(await answered(client, Method.GET, '/oscore/hello/1'), ['2.05', 'Hello World!']);
  });
});
