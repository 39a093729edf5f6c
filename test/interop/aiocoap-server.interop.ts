import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  Code,
  ContentFormat,
  echo,
  emptyOption,
  findOption,
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
  stringOption,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import {
  type ContextParameters,
  ContextTable,
  checkParameters,
  decodeOscoreOption,
  deriveContext,
  deriveKeys,
  type OscoreEvent,
  oscore,
  SecurityContext,
} from '../../src/oscore/index.ts';
import { AiocoapServer, aeadNames, contextA, contextC, contextFolder, mirrored, reservations } from './oscore-peers.ts';
import { body, type Ours, ours } from './ours.ts';

/** Our OSCORE client: the Echo layer above the OSCORE layer. */
interface Client extends Ours {
  readonly events: OscoreEvent[];
  readonly aiocoap: Peer;
  ask(method: number, path: string, payload?: string, ...options: readonly Option[]): Promise<Response>;
}

async function clientOf(t: TestContext, port: number, context: SecurityContext | undefined): Promise<Client> {
  const events: OscoreEvent[] = [];
  const contexts = new ContextTable();
  if (context !== undefined) contexts.add(context);
  const protection = oscore({ contexts, store: reservations(), env: systemEnv, emit: (event) => events.push(event) });
  const repeating = echo({}, systemEnv);
  const client = await ours(t, { layers: [repeating, protection] });
  t.after(() => repeating.close());
  const aiocoap = await client.peer(port);
  return {
    ...client,
    events,
    aiocoap,
    ask: (code, uri, payload = '', ...more) => {
      const [path, query] = uri.split('?');
      const options = [...pathOptions(path!.slice(1).split('/')), ...queryOptions(query === undefined ? [] : [query]), ...more];
      return client.endpoint.request(
        {
          code,
          peer: aiocoap,
          options: options.sort((a, b) => a.number - b.number),
          payload: utf8(payload),
          ...(context === undefined ? {} : { association: context }),
        },
        { timeout: 15_000 },
      );
    },
  };
}

/** An aiocoap server in the mirror of the context, or in what is given, and our client in the context. */
async function pair(
  t: TestContext,
  of: ContextParameters = contextA,
  atServer: ContextParameters = mirrored(of),
): Promise<Client & { context: SecurityContext }> {
  const server = await AiocoapServer.start(t, [contextFolder(t, 'server', atServer)]);
  const context = deriveContext(of);
  return { ...(await clientOf(t, server.port, context)), context };
}

function summary(response: Response): readonly [string, string, number | undefined, boolean] {
  const { code, payload, options, association } = response;
  return [formatCode(code), fromUtf8(payload), uintOf(options, OptionNumber.ContentFormat), association !== undefined];
}

const helloWorld = ['2.05', 'Hello World!', 0, true] as const;

function sent(client: Ours): Message[] {
  return client.passed.filter(({ direction, message }) => direction === 'out' && message.code !== 0).map(({ message }) => message);
}

test('our client -> aiocoap server: OSCORE test 0a, GET without OSCORE', async (t) => {
  const server = await AiocoapServer.start(t, []);
  const client = await clientOf(t, server.port, undefined);
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/coap')), ['2.05', 'Hello World!', 0, false]);
});

test('our client -> aiocoap server: OSCORE test 1a, GET', async (t) => {
  const client = await pair(t);
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), helloWorld);
  assert.deepEqual(
    client.passed.map(({ message }) => [message.code, message.options.map(({ number }) => number)]),
    [
      [Method.POST, [OptionNumber.Oscore]],
      [Code.Changed, [OptionNumber.Oscore]],
    ],
  );
});

test('our client -> aiocoap server: OSCORE test 2a, GET with an ID Context', async (t) => {
  const client = await pair(t, contextC);
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), helloWorld);
  const option = decodeOscoreOption(findOption(sent(client)[0]!.options, OptionNumber.Oscore)!.value);
  assert.deepEqual([toHex(option.kidContext!), toHex(option.kid!)], ['37cbf3210017a2d3', '']);
});

test('our client -> aiocoap server: OSCORE test 3a, GET with Uri-Query and ETag', async (t) => {
  const client = await pair(t);
  const response = await client.ask(Method.GET, '/oscore/hello/2?first=1');
  assert.deepEqual(summary(response), helloWorld);
  assert.equal(toHex(findOption(response.options, OptionNumber.ETag)!.value), '2b');
});

test('our client -> aiocoap server: OSCORE test 4a, GET with Accept and Max-Age', async (t) => {
  const client = await pair(t);
  const response = await client.ask(Method.GET, '/oscore/hello/3', '', uintOption(OptionNumber.Accept, ContentFormat.TextPlain));
  assert.deepEqual(summary(response), helloWorld);
  assert.equal(uintOf(response.options, OptionNumber.MaxAge), 5);
});

test('our client -> aiocoap server: OSCORE test 5a, Observe of what cannot be observed', async (t) => {
  const client = await pair(t);
  const responses: Response[] = [];
  const options = pathOptions(['oscore', 'hello', '1']);
  for await (const response of client.endpoint.observe({ peer: client.aiocoap, options, association: client.context })) responses.push(response);
  assert.deepEqual(responses.map(summary), [helloWorld]);
  assert.equal(sent(client)[0]!.code, Method.FETCH);
});

test('our client -> aiocoap server: OSCORE test 6a, Observe that the server ends with 5.00', async (t) => {
  const client = await pair(t);
  const responses: Response[] = [];
  const options = pathOptions(['oscore', 'observe1']);
  const signal = AbortSignal.timeout(10_000);
  for await (const response of client.endpoint.observe({ peer: client.aiocoap, options, association: client.context }, { signal })) responses.push(response);
  assert.deepEqual(responses.map(summary), [
    ['2.05', 'one', 0, true],
    ['2.05', 'two', 0, true],
    ['5.00', 'Terminate Observe', 0, true],
  ]);
});

test('our client -> aiocoap server: OSCORE test 7a, Observe and its cancellation', async (t) => {
  const client = await pair(t);
  const seen: string[] = [];
  const options = pathOptions(['oscore', 'observe2']);
  const signal = AbortSignal.timeout(10_000);
  for await (const response of client.endpoint.observe({ peer: client.aiocoap, options, association: client.context }, { signal })) {
    seen.push(fromUtf8(response.payload));
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ['one', 'two']);
  // What comes after the cancellation shows that it was understood.
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/observe2')), ['2.05', 'two', 0, true]);
  const [registration, cancellation] = sent(client);
  assert.deepEqual(
    [registration, cancellation].map((message) => [message!.code, uintOf(message!.options, OptionNumber.Observe)]),
    [
      [Method.FETCH, 0],
      [Method.FETCH, 1],
    ],
  );
  assert.equal(toHex(cancellation!.token), toHex(registration!.token));
  const answer = client.passed.find(({ direction, message }) => direction === 'in' && message.id === cancellation!.id)!.message;
  assert.equal(uintOf(answer.options, OptionNumber.Observe), undefined);
});

test('our client -> aiocoap server: OSCORE test 8a, POST', async (t) => {
  const client = await pair(t);
  const format = uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain);
  assert.deepEqual(summary(await client.ask(Method.POST, '/oscore/hello/6', 'J', format)), ['2.04', 'J', 0, true]);
});

test('our client -> aiocoap server: OSCORE test 9a, PUT with If-Match', async (t) => {
  const client = await pair(t);
  const format = uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain);
  const match = (value: number): Option => opaqueOption(OptionNumber.IfMatch, Uint8Array.of(value));
  assert.equal(formatCode((await client.ask(Method.PUT, '/oscore/hello/7', 'z', format, match(0x7b))).code), '2.04');
  assert.equal(formatCode((await client.ask(Method.PUT, '/oscore/hello/7', 'z', format, match(0x7c))).code), '4.12');
});

test('our client -> aiocoap server: OSCORE test 10a, PUT with If-None-Match', async (t) => {
  const client = await pair(t);
  const response = await client.ask(Method.PUT, '/oscore/hello/7', 'z', emptyOption(OptionNumber.IfNoneMatch));
  assert.deepEqual([formatCode(response.code), response.association], ['4.12', client.context]);
});

test('our client -> aiocoap server: OSCORE test 11a, DELETE', async (t) => {
  const client = await pair(t);
  assert.equal(formatCode((await client.ask(Method.DELETE, '/oscore/test')).code), '2.02');
});

test('our client -> aiocoap server: OSCORE test 12a, a Sender ID that the server does not know', async (t) => {
  const client = await pair(t, { ...contextA, senderId: Uint8Array.of(0x77) }, mirrored(contextA));
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), ['4.01', 'Security context not found', undefined, false]);
});

test('our client -> aiocoap server: OSCORE test 13a, another Sender Key', async (t) => {
  const client = await pair(t, { ...contextA, masterSecret: new Uint8Array(16) }, mirrored(contextA));
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1')), ['4.00', 'Decryption failed', undefined, false]);
});

test('our client -> aiocoap server: OSCORE test 14a, another Recipient Key', async (t) => {
  const server = await AiocoapServer.start(t, [contextFolder(t, 'server', mirrored(contextA))]);
  const checked = checkParameters(contextA);
  const context = new SecurityContext(checked, { ...deriveKeys(checked), recipientKey: new Uint8Array(16) }, {});
  const client = await clientOf(t, server.port, context);
  await assert.rejects(
    client.endpoint.request({ peer: client.aiocoap, options: pathOptions(['oscore', 'hello', '1']), association: context }, { timeout: 2000 }),
    { code: 'ERR_OSCORE_RESPONSE' },
  );
  assert.deepEqual(
    client.events.flatMap((event) => (event.type === 'discarded' ? [event.reason] : [])),
    ['decrypt'],
  );
});

test('our client -> aiocoap server: OSCORE test 15a, a sequence number that was used', async (t) => {
  const server = await AiocoapServer.start(t, [contextFolder(t, 'server', mirrored(contextA))]);
  const first = await clientOf(t, server.port, deriveContext(contextA));
  assert.deepEqual(summary(await first.ask(Method.GET, '/oscore/hello/1')), helloWorld);
  // A second client that starts to count anew, as no client of ours does with a store that lasts.
  const second = await clientOf(t, server.port, deriveContext(contextA));
  assert.deepEqual(summary(await second.ask(Method.GET, '/oscore/hello/1')), ['4.01', 'Replay detected', undefined, false]);
});

test('our client -> aiocoap server: OSCORE test 17a, a protected resource without OSCORE', async (t) => {
  const server = await AiocoapServer.start(t, [contextFolder(t, 'server', mirrored(contextA))]);
  const client = await clientOf(t, server.port, undefined);
  assert.equal(formatCode((await client.ask(Method.GET, '/oscore/hello/1')).code), '4.01');
});

test('our client -> aiocoap server: Uri-Host stands outside', async (t) => {
  const client = await pair(t);
  const host = stringOption(OptionNumber.UriHost, 'localhost');
  assert.deepEqual(summary(await client.ask(Method.GET, '/oscore/hello/1', '', host)), helloWorld);
  assert.equal(fromUtf8(findOption(sent(client)[0]!.options, OptionNumber.UriHost)!.value), 'localhost');
});

test('our client -> aiocoap server: block-wise GET, inside OSCORE', async (t) => {
  const client = await pair(t);
  assert.deepEqual(summary(await client.ask(Method.GET, '/large')), ['2.05', body(5600), 0, true]);
  assert.equal(sent(client).length, 6);
  assert.ok(client.passed.every(({ message }) => findOption(message.options, OptionNumber.Block2) === undefined));
});

// aiocoap knows the blocks of one transfer by all options of their requests.
test('our client -> aiocoap server: RFC 7959 2.4: a GET with an ETag that is not valid has it in the requests for later blocks', async (t) => {
  const client = await pair(t);
  const response = await client.ask(Method.GET, '/large', '', opaqueOption(OptionNumber.ETag, Uint8Array.of(1, 2, 3)));
  assert.equal(fromUtf8(response.payload), body(5600));
  assert.equal(sent(client).length, 6, 'nothing was fetched anew');
});

test('our client -> aiocoap server: block-wise PUT and POST, inside OSCORE', async (t) => {
  const client = await pair(t);
  assert.equal(formatCode((await client.ask(Method.PUT, '/large', body(4000))).code), '2.04');
  assert.equal(sent(client).length, 4);
  assert.equal(fromUtf8((await client.ask(Method.GET, '/large')).payload), body(4000));
  assert.deepEqual(summary(await client.ask(Method.POST, '/large', body(3000))), ['2.04', body(3000), 0, true]);
});

test('our client -> aiocoap server: separate response under OSCORE', async (t) => {
  const client = await pair(t);
  assert.deepEqual(summary(await client.ask(Method.GET, '/slow')), ['2.05', 'slow', 0, true]);
  assert.equal(client.passed[1]!.message.code, 0);
});

test('our client -> aiocoap server: many requests at once', async (t) => {
  const client = await pair(t);
  const responses = await Promise.all(Array.from({ length: 50 }, () => client.ask(Method.GET, '/oscore/hello/1')));
  assert.ok(responses.every(({ code, association }) => code === Code.Content && association === client.context));
});

test('our client -> aiocoap server: after a restart of the server, our client answers the Echo once', async (t) => {
  const folder = contextFolder(t, 'server', mirrored(contextA));
  const first = await AiocoapServer.start(t, [folder]);
  const context = deriveContext(contextA);
  const client = await clientOf(t, first.port, context);
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

test('our client -> aiocoap server: non-default algorithms', async (t) => {
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
