import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Code, findOption, formatCode, type Message, Method, OptionNumber, opaqueOption, type Response, stringOption, uintOf } from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { type ContextParameters, deriveContext } from '../../src/oscore/index.ts';
import { testsWith } from './matrix.ts';
import { AiocoapServer, aeadNames, contextA, contextFolder, mirrored, type ProtectedClient, protectedClient } from './oscore-peers.ts';
import { body, type Ours } from './ours.ts';

const test = testsWith({ peer: 'aiocoap', transport: 'UDP', security: 'OSCORE' });

/** An aiocoap server in the mirror of the context, or in what is given, and our client in the context. */
async function pair(t: TestContext, of: ContextParameters = contextA, atServer: ContextParameters = mirrored(of)): Promise<ProtectedClient> {
  const server = await AiocoapServer.start(t, [contextFolder(t, 'server', atServer)]);
  return protectedClient(t, server.port, deriveContext(of));
}

function summary(response: Response): readonly [string, string, number | undefined, boolean] {
  const { code, payload, options, association } = response;
  return [formatCode(code), fromUtf8(payload), uintOf(options, OptionNumber.ContentFormat), association !== undefined];
}

const helloWorld = ['2.05', 'Hello World!', 0, true] as const;

function sent(client: Ours): Message[] {
  return client.passed.filter(({ direction, message }) => direction === 'out' && message.code !== 0).map(({ message }) => message);
}

test('our client -> aiocoap server: Uri-Host stands outside', 'methods', async (t) => {
  const client = await pair(t);
  const host = stringOption(OptionNumber.UriHost, 'localhost');
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1', '', [host])), helloWorld);
  assert.equal(fromUtf8(findOption(sent(client)[0]!.options, OptionNumber.UriHost)!.value), 'localhost');
});

test('our client -> aiocoap server: block-wise GET, inside OSCORE', 'block-wise', async (t) => {
  const client = await pair(t);
  assert.deepEqual(summary(await client.ask(Method.GET, '/large')), ['2.05', body(5600), 0, true]);
  assert.equal(sent(client).length, 6);
  assert.ok(client.passed.every(({ message }) => findOption(message.options, OptionNumber.Block2) === undefined));
});

// aiocoap knows the blocks of one transfer by all options of their requests.
test('our client -> aiocoap server: RFC 7959 2.4: a GET with an ETag that is not valid has it in the requests for later blocks', 'block-wise', async (t) => {
  const client = await pair(t);
  const response = await client.ask(Method.GET, '/large', '', [opaqueOption(OptionNumber.ETag, Uint8Array.of(1, 2, 3))]);
  assert.equal(fromUtf8(response.payload), body(5600));
  assert.equal(sent(client).length, 6, 'nothing was fetched anew');
});

test('our client -> aiocoap server: block-wise PUT and POST, inside OSCORE', 'block-wise', async (t) => {
  const client = await pair(t);
  assert.equal(formatCode((await client.ask(Method.PUT, '/large', body(4000))).code), '2.04');
  assert.equal(sent(client).length, 4);
  assert.equal(fromUtf8((await client.ask(Method.GET, '/large')).payload), body(4000));
  assert.deepEqual(summary(await client.ask(Method.POST, '/large', body(3000))), ['2.04', body(3000), 0, true]);
});

test('our client -> aiocoap server: separate response under OSCORE', 'separate response', async (t) => {
  const client = await pair(t);
  assert.deepEqual(summary(await client.ask(Method.GET, '/slow')), ['2.05', 'slow', 0, true]);
  assert.equal(client.passed[1]!.message.code, 0);
});

test('our client -> aiocoap server: many requests at once', 'methods', async (t) => {
  const client = await pair(t);
  const responses = await Promise.all(Array.from({ length: 50 }, () => client.ask(Method.GET, '/oscore/hello/1')));
  assert.ok(responses.every(({ code, association }) => code === Code.Content && association === client.context));
});

test('our client -> aiocoap server: after a restart of the server, our client answers the Echo once', 'Echo', async (t) => {
  const folder = contextFolder(t, 'server', mirrored(contextA));
  const first = await AiocoapServer.start(t, [folder]);
  const context = deriveContext(contextA);
  const client = await protectedClient(t, first.port, context);
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), helloWorld);
  // No time to write down which requests it has received.
  await first.process.stop('SIGKILL');
  client.passed.splice(0);
  await AiocoapServer.start(t, [folder], first.port);
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), helloWorld);
  assert.equal(client.passed.length, 4, 'a request, the challenge, the request that shows it, the response');
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), helloWorld);
  assert.equal(client.passed.length, 6, 'the window is known again');
});

test('our client -> aiocoap server: non-default algorithms', 'algorithms', async (t) => {
  for (const [aead, name] of aeadNames) {
    await t.test(name, async (inner) => {
      const client = await pair(inner, { ...contextA, aead });
      assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), helloWorld);
      assert.deepEqual(summary(await client.ask(Method.POST, '/large', body(1500))), ['2.04', body(1500), 0, true]);
    });
  }
  await t.test('HKDF with SHA-512', async (inner) => {
    const client = await pair(inner, { ...contextA, hkdf: 7 });
    assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), helloWorld);
  });
});
