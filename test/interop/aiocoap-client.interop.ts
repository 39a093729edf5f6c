import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Code, findOption, OptionNumber, uintOf } from '../../src/coap/index.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type ContextParameters, decodeOscoreOption, deriveContext } from '../../src/oscore/index.ts';
import { testsWith } from './matrix.ts';
import { AiocoapClient, aeadNames, contextA, contextFolder, mirrored, type ProtectedServer, protectedServer } from './oscore-peers.ts';
import { body, plainServer } from './ours.ts';
import { pause } from './processes.ts';

const test = testsWith({ peer: 'aiocoap', transport: 'UDP', security: 'OSCORE' });

interface Pair {
  readonly server: ProtectedServer;
  readonly client: AiocoapClient;
}

/** Our server in context B, or in the mirror of what is given, and an aiocoap client in the context. */
async function pair(t: TestContext, of: ContextParameters = contextA, atServer: ContextParameters = mirrored(of)): Promise<Pair> {
  const server = await protectedServer(t, [deriveContext(atServer)]);
  const client = await AiocoapClient.start(t, server.port, contextFolder(t, 'client', of));
  return { server, client };
}

test('aiocoap client -> our server: an ID Context that the server does not know', 'errors', async (t) => {
  const { server, client } = await pair(t, { ...contextA, idContext: Uint8Array.of(1, 2) }, mirrored(contextA));
  // It gives an unprotected answer to a protected request as an exception; what came shows on the wire.
  await assert.rejects(client.ask({ uri: server.uri('/oscore/hello/1') }), /NotAProtectedMessage/);
  assert.deepEqual(server.served, []);
  const { code, payload, options } = server.passed.at(-1)!.message;
  const shown = [code, fromUtf8(payload), uintOf(options, OptionNumber.MaxAge), findOption(options, OptionNumber.Oscore)];
  assert.deepEqual(shown, [Code.Unauthorized, 'Security context not found', 0, undefined]);
});

test('aiocoap client -> our server: block-wise GET, inside OSCORE', 'block-wise', async (t) => {
  const { server, client } = await pair(t);
  const { code, text } = await client.ask({ uri: server.uri('/large') });
  assert.deepEqual([code, text], ['2.05', body(5600)]);
  assert.equal(server.passed.length, 12, 'six blocks of 1024 bytes');
  assert.ok(server.passed.every(({ message }) => findOption(message.options, OptionNumber.Block2) === undefined));
});

test('aiocoap client -> our server: block-wise PUT and POST, inside OSCORE', 'block-wise', async (t) => {
  const { server, client } = await pair(t);
  assert.equal((await client.ask({ method: 'PUT', uri: server.uri('/large'), payload: body(4000) })).code, '2.04');
  assert.equal((await client.ask({ uri: server.uri('/large') })).text, body(4000));
  const both = await client.ask({ method: 'POST', uri: server.uri('/large'), payload: body(3000) });
  assert.deepEqual([both.code, both.text], ['2.04', body(3000)]);
});

test('aiocoap client -> our server: separate response under OSCORE', 'separate response', async (t) => {
  const { server, client } = await pair(t);
  const { code, text } = await client.ask({ uri: server.uri('/slow') });
  assert.deepEqual([code, text], ['2.05', 'slow']);
  assert.equal(server.passed[1]!.message.code, 0);
});

test('aiocoap client -> our server: observe without OSCORE, and its cancellation', { security: 'none', feature: 'observe' }, async (t) => {
  const server = await plainServer(t);
  const client = await AiocoapClient.start(t, server.port);
  const beat = (): void => {
    server.clock.changed();
    stop = systemEnv.schedule(200, beat);
  };
  let stop = systemEnv.schedule(200, beat);
  t.after(() => stop());
  const { responses } = await client.observe(server.uri('/clock'), 4);
  assert.deepEqual(
    responses.map(({ text }) => text),
    ['tick 0', 'tick 1', 'tick 2', 'tick 3'],
  );
  await pause(1000);
  assert.equal(server.clock.observers, 0, 'the next notification was answered with RST');
});

test('aiocoap client -> our server: block-wise PUT and GET without OSCORE, in blocks of 64 bytes', { security: 'none', feature: 'block-wise' }, async (t) => {
  const server = await plainServer(t, { blockwise: { szx: 2 } });
  const client = await AiocoapClient.start(t, server.port);
  assert.equal((await client.ask({ method: 'PUT', uri: server.uri('/value'), payload: body(1000), szx: 2 })).code, '2.04');
  assert.deepEqual(server.bodies, [body(1000)]);
  assert.equal((await client.ask({ uri: server.uri('/large') })).text, body(3000));
});

test('aiocoap client -> our server: after a restart of the server, the client answers the Echo once', 'Echo', async (t) => {
  const folder = contextFolder(t, 'client', contextA);
  const first = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const client = await AiocoapClient.start(t, first.port, folder);
  assert.equal((await client.ask({ uri: first.uri('/oscore/hello/1') })).code, '2.05');
  const request = first.passed[0]!.message;
  await client.process.stop('SIGTERM');

  const second = await protectedServer(t, [deriveContext(mirrored(contextA), { window: 'unverified' })]);
  const again = await AiocoapClient.start(t, second.port, folder);
  assert.equal((await again.ask({ uri: second.uri('/oscore/hello/1') })).text, 'Hello World!');
  assert.equal(second.passed.length, 4, 'a request, the challenge, the request that shows it, the response');
  assert.deepEqual(second.served, ['/oscore/hello/1']);
  const challenge = decodeOscoreOption(findOption(second.passed[1]!.message.options, OptionNumber.Oscore)!.value);
  assert.ok(challenge.partialIv !== undefined, 'a Partial IV of its own');
  assert.equal((await again.ask({ uri: second.uri('/oscore/hello/1') })).text, 'Hello World!');
  assert.equal(second.passed.length, 6, 'the window is known again');

  // What was sent before the restart is a replay.
  const attacker = await plainServer(t);
  const { code } = await attacker.endpoint.request(
    { peer: await attacker.peer(second.port), code: request.code, options: request.options, payload: request.payload },
    { timeout: 5000 },
  );
  assert.equal(code, Code.Unauthorized);
  assert.equal(second.served.length, 2);
});

test('aiocoap client -> our server: non-default algorithms', 'algorithms', async (t) => {
  for (const [aead, name] of aeadNames) {
    await t.test(name, async (inner) => {
      const { server, client } = await pair(inner, { ...contextA, aead });
      assert.equal((await client.ask({ uri: server.uri('/oscore/hello/1') })).text, 'Hello World!');
      const put = await client.ask({ method: 'POST', uri: server.uri('/large'), payload: body(1500) });
      assert.deepEqual([put.code, put.text], ['2.04', body(1500)]);
    });
  }
  await t.test('HKDF with SHA-512', async (inner) => {
    const { server, client } = await pair(inner, { ...contextA, hkdf: 7 });
    assert.equal((await client.ask({ uri: server.uri('/oscore/hello/1') })).text, 'Hello World!');
  });
});
