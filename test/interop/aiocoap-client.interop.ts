import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Code, findOption, Method, OptionNumber, uintOf } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type ContextParameters, decodeOscoreOption, deriveContext } from '../../src/oscore/index.ts';
import { AiocoapClient, aeadNames, contextA, contextC, contextFolder, mirrored, type ProtectedServer, protectedServer } from './oscore-peers.ts';
import { body, plainServer } from './ours.ts';
import { pause } from './processes.ts';

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

/** The code on the outside and the OSCORE option of each message that came and went, in order. */
function outside(server: ProtectedServer): { readonly code: number; readonly oscore: boolean }[] {
  return server.passed.map(({ message }) => ({ code: message.code, oscore: findOption(message.options, OptionNumber.Oscore) !== undefined }));
}

const protectedGet = [
  { code: Method.POST, oscore: true },
  { code: Code.Changed, oscore: true },
];

test('aiocoap client -> our server: OSCORE test 0b, GET without OSCORE', async (t) => {
  const server = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const client = await AiocoapClient.start(t, server.port);
  const { code, text, contentFormat, protected: isProtected } = await client.ask({ uri: server.uri('/oscore/hello/coap') });
  assert.deepEqual({ code, text, contentFormat, isProtected }, { code: '2.05', text: 'Hello World!', contentFormat: 0, isProtected: false });
});

test('aiocoap client -> our server: OSCORE test 1b, GET', async (t) => {
  const { server, client } = await pair(t);
  const { code, text, contentFormat, protected: isProtected } = await client.ask({ uri: server.uri('/oscore/hello/1') });
  assert.deepEqual({ code, text, contentFormat, isProtected }, { code: '2.05', text: 'Hello World!', contentFormat: 0, isProtected: true });
  assert.deepEqual(outside(server), protectedGet);
});

test('aiocoap client -> our server: OSCORE test 2b, GET with an ID Context', async (t) => {
  const { server, client } = await pair(t, contextC);
  const { code, text } = await client.ask({ uri: server.uri('/oscore/hello/1') });
  assert.deepEqual([code, text], ['2.05', 'Hello World!']);
  const [request, response] = server.passed.map(({ message }) => decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value));
  assert.equal(toHex(request!.kidContext!), '37cbf3210017a2d3');
  assert.deepEqual(response, {}, 'neither ID Context nor Sender ID in the response');
});

test('aiocoap client -> our server: OSCORE test 3b, GET with Uri-Query and ETag', async (t) => {
  const { server, client } = await pair(t);
  const { code, text, etag } = await client.ask({ uri: server.uri('/oscore/hello/2?first=1') });
  assert.deepEqual([code, text, etag], ['2.05', 'Hello World!first=1', '2b']);
});

test('aiocoap client -> our server: OSCORE test 4b, GET with Accept and Max-Age', async (t) => {
  const { server, client } = await pair(t);
  const { code, text, maxAge } = await client.ask({ uri: server.uri('/oscore/hello/3'), accept: 0 });
  assert.deepEqual([code, text, maxAge], ['2.05', 'Hello World!', 5]);
});

test('aiocoap client -> our server: OSCORE test 5b, Observe of what cannot be observed', async (t) => {
  const { server, client } = await pair(t);
  const { responses } = await client.observe(server.uri('/oscore/hello/1'), 1);
  assert.deepEqual([responses[0]!.code, responses[0]!.text], ['2.05', 'Hello World!']);
  assert.equal(server.passed[0]!.message.code, Method.FETCH);
  assert.equal(uintOf(server.passed[1]!.message.options, OptionNumber.Observe), undefined);
});

test('aiocoap client -> our server: OSCORE test 6b, Observe that the server ends with 5.00', async (t) => {
  const { server, client } = await pair(t);
  const { responses } = await client.observe(server.uri('/oscore/observe1'), 3);
  assert.deepEqual(
    responses.map(({ code, text }) => [code, text]),
    [
      ['2.05', 'one'],
      ['2.05', 'two'],
      ['5.00', 'Terminate Observe'],
    ],
  );
  const sent = server.passed.filter(({ direction, message }) => direction === 'out' && message.code !== 0).map(({ message }) => message);
  assert.deepEqual(
    sent.map(({ code, options }) => [code, uintOf(options, OptionNumber.Observe) !== undefined]),
    [
      [Code.Content, true],
      [Code.Content, true],
      // RFC 8613 §4.2: 2.04 where there is no Observe option. The test specification, which is older, has 2.05.
      [Code.Changed, false],
    ],
  );
});

test('aiocoap client -> our server: OSCORE test 7b, Observe and a GET with Observe = 1', async (t) => {
  const { server, client } = await pair(t);
  const { responses } = await client.observe(server.uri('/oscore/observe2'), 2);
  assert.deepEqual(
    responses.map(({ code, text }) => [code, text]),
    [
      ['2.05', 'one'],
      ['2.05', 'two'],
    ],
  );
  const before = server.passed.length;
  const { code, text } = await client.ask({ uri: server.uri('/oscore/observe2'), observe: 1 });
  assert.deepEqual([code, text], ['2.05', 'two']);
  const answer = server.passed.slice(before).find(({ direction }) => direction === 'out')!.message;
  assert.equal(uintOf(answer.options, OptionNumber.Observe), undefined);
});

test('aiocoap client -> our server: OSCORE test 8b, POST', async (t) => {
  const { server, client } = await pair(t);
  const { code, text, contentFormat } = await client.ask({ method: 'POST', uri: server.uri('/oscore/hello/6'), contentFormat: 0, payload: 'J' });
  assert.deepEqual([code, text, contentFormat], ['2.04', 'J', 0]);
});

test('aiocoap client -> our server: OSCORE test 9b, PUT with If-Match', async (t) => {
  const { server, client } = await pair(t);
  const uri = server.uri('/oscore/hello/7');
  assert.equal((await client.ask({ method: 'PUT', uri, contentFormat: 0, ifMatch: '7b', payload: 'z' })).code, '2.04');
  assert.equal((await client.ask({ method: 'PUT', uri, contentFormat: 0, ifMatch: '7c', payload: 'z' })).code, '4.12');
});

test('aiocoap client -> our server: OSCORE test 10b, PUT with If-None-Match', async (t) => {
  const { server, client } = await pair(t);
  const { code } = await client.ask({ method: 'PUT', uri: server.uri('/oscore/hello/7'), contentFormat: 0, ifNoneMatch: true, payload: '\u008a' });
  assert.equal(code, '4.12');
});

test('aiocoap client -> our server: OSCORE test 11b, DELETE', async (t) => {
  const { server, client } = await pair(t);
  assert.equal((await client.ask({ method: 'DELETE', uri: server.uri('/oscore/test') })).code, '2.02');
});

/** aiocoap gives an unprotected answer to a protected request as an exception; what came shows on the wire. */
async function refused(t: TestContext, of: ContextParameters, order: { readonly rewind?: number } = {}): Promise<ProtectedServer> {
  const { server, client } = await pair(t, of, mirrored(contextA));
  if (order.rewind !== undefined) {
    await client.ask({ uri: server.uri('/oscore/hello/1') });
    await client.rewind(order.rewind);
    server.served.splice(0);
  }
  await assert.rejects(client.ask({ uri: server.uri('/oscore/hello/1') }), /NotAProtectedMessage/);
  assert.deepEqual(server.served, []);
  return server;
}

function lastAnswer(server: ProtectedServer): readonly [number, string, number | undefined, boolean] {
  const { code, payload, options } = server.passed.at(-1)!.message;
  return [code, Buffer.from(payload).toString(), uintOf(options, OptionNumber.MaxAge), findOption(options, OptionNumber.Oscore) !== undefined];
}

test('aiocoap client -> our server: OSCORE test 12b, a Sender ID that the server does not know', async (t) => {
  const server = await refused(t, { ...contextA, senderId: Uint8Array.of(0x77) });
  assert.deepEqual(lastAnswer(server), [Code.Unauthorized, 'Security context not found', 0, false]);
});

test('aiocoap client -> our server: OSCORE test 13b, another Sender Key', async (t) => {
  const server = await refused(t, { ...contextA, masterSecret: new Uint8Array(16) });
  assert.deepEqual(lastAnswer(server), [Code.BadRequest, 'Decryption failed', 0, false]);
});

test('aiocoap client -> our server: an ID Context that the server does not know', async (t) => {
  const server = await refused(t, { ...contextA, idContext: Uint8Array.of(1, 2) });
  assert.deepEqual(lastAnswer(server), [Code.Unauthorized, 'Security context not found', 0, false]);
});

test('aiocoap client -> our server: OSCORE test 15b, a sequence number that was used', async (t) => {
  const server = await refused(t, contextA, { rewind: 0 });
  assert.deepEqual(lastAnswer(server), [Code.Unauthorized, 'Replay detected', 0, false]);
});

test('aiocoap client -> our server: OSCORE test 16b, a server without OSCORE', async (t) => {
  const server = await plainServer(t);
  const client = await AiocoapClient.start(t, server.port, contextFolder(t, 'client', contextA));
  await assert.rejects(client.ask({ uri: server.uri('/hello') }), /NotAProtectedMessage/);
  assert.equal(server.passed.at(-1)!.message.code, Code.BadOption);
});

test('aiocoap client -> our server: OSCORE test 17b, a protected resource without OSCORE', async (t) => {
  const server = await protectedServer(t, [deriveContext(mirrored(contextA))]);
  const client = await AiocoapClient.start(t, server.port);
  assert.equal((await client.ask({ uri: server.uri('/oscore/hello/1') })).code, '4.01');
});

test('aiocoap client -> our server: block-wise GET, inside OSCORE', async (t) => {
  const { server, client } = await pair(t);
  const { code, text } = await client.ask({ uri: server.uri('/large') });
  assert.deepEqual([code, text], ['2.05', body(5600)]);
  assert.equal(server.passed.length, 12, 'six blocks of 1024 bytes');
  assert.ok(server.passed.every(({ message }) => findOption(message.options, OptionNumber.Block2) === undefined));
});

test('aiocoap client -> our server: block-wise PUT and POST, inside OSCORE', async (t) => {
  const { server, client } = await pair(t);
  assert.equal((await client.ask({ method: 'PUT', uri: server.uri('/large'), payload: body(4000) })).code, '2.04');
  assert.equal((await client.ask({ uri: server.uri('/large') })).text, body(4000));
  const both = await client.ask({ method: 'POST', uri: server.uri('/large'), payload: body(3000) });
  assert.deepEqual([both.code, both.text], ['2.04', body(3000)]);
});

test('aiocoap client -> our server: separate response under OSCORE', async (t) => {
  const { server, client } = await pair(t);
  const { code, text } = await client.ask({ uri: server.uri('/slow') });
  assert.deepEqual([code, text], ['2.05', 'slow']);
  assert.equal(server.passed[1]!.message.code, 0);
});

test('aiocoap client -> our server: observe without OSCORE, and its cancellation', async (t) => {
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

test('aiocoap client -> our server: block-wise PUT and GET without OSCORE, in blocks of 64 bytes', async (t) => {
  const server = await plainServer(t, { blockwise: { szx: 2 } });
  const client = await AiocoapClient.start(t, server.port);
  assert.equal((await client.ask({ method: 'PUT', uri: server.uri('/value'), payload: body(1000), szx: 2 })).code, '2.04');
  assert.deepEqual(server.bodies, [body(1000)]);
  assert.equal((await client.ask({ uri: server.uri('/large') })).text, body(3000));
});

test('aiocoap client -> our server: after a restart of the server, the client answers the Echo once', async (t) => {
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

test('aiocoap client -> our server: non-default algorithms', async (t) => {
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
