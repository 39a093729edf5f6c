import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, ContentFormat, Endpoint, formatCode, type Layer, Method, OptionNumber, pathOptions, Router, uintOf } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { CoapClient, request, type ServeEvent, type ServeOptions, type Server, serve, TransportError, udp } from '../../src/transport/index.ts';
import { until } from '../support/wait.ts';

const listen = 'coap://127.0.0.1:0';

/** A promise, and what fulfils it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

const portOf = ({ url }: Server): number => Number(new URL(url).port);

test('serve: resources on paths; a function stands for GET', async () => {
  const server = await serve({
    listen,
    resources: { '/hello': () => 'Hello World!', '/echo': { post: (incoming) => `${incoming.text()} ${incoming.query}` } },
  });
  assert.match(server.url, /^coap:\/\/127\.0\.0\.1:\d+$/);
  assert.equal((await request(`${server.url}/hello`)).text(), 'Hello World!');
  assert.equal((await request(`${server.url}/echo?a=1`, { method: 'POST', payload: 'x' })).text(), 'x a=1');
  assert.equal((await request(`${server.url}/hello`, { method: 'PUT' })).codeText, '4.05');
  assert.equal((await request(`${server.url}/.well-known/core`)).text(), '</hello>,</echo>');
  await server.close();
});

test('serve: one function for everything, synchronous or not', async () => {
  const server = await serve({
    listen,
    resources: (incoming) => (incoming.method === Method.GET ? incoming.path : Promise.resolve({ code: Code.Created, payload: incoming.text() })),
  });
  for (const path of ['/', '/a/b', '/.well-known/core']) assert.equal((await request(`${server.url}${path}`)).text(), path);
  const created = await request(`${server.url}/a`, { method: 'PUT', payload: 'x' });
  assert.deepEqual([created.codeText, created.text()], ['2.01', 'x']);
  await server.close();
});

test('serve: a router of one, at several addresses', async () => {
  const router = new Router();
  router.resource('/a', { get: () => 'a' });
  const server = await serve({ listen: [listen, 'coap://[::1]:0', listen], resources: router });
  assert.equal(new Set(server.urls).size, 3);
  for (const url of server.urls) assert.equal((await request(`${url}/a`)).text(), 'a');
  await server.close();
});

test('serve: a handler takes requests as they are', async () => {
  const server = await serve({ listen, handler: (incoming, reply) => reply.respond({ code: Code.Content, options: [], payload: incoming.payload }) });
  assert.equal((await request(server.url, { method: 'FETCH', payload: 'x' })).text(), 'x');
  assert.throws(() => server.resource('/a', {}), { code: 'ERR_TRANSPORT_OPTION' });
  assert.throws(() => server.changed('/a'), { code: 'ERR_TRANSPORT_OPTION' });
  await server.close();
});

test('serve: JSON and CBOR in a request; what is neither is answered with 4.00', async () => {
  const server = await serve({
    listen,
    resources: { '/json': { post: (incoming) => JSON.stringify(incoming.json()) }, '/cbor': { post: (incoming) => String(incoming.cbor()) } },
  });
  const json = (payload: unknown): ReturnType<typeof request> => request(`${server.url}/json`, { method: 'POST', payload, contentFormat: ContentFormat.Json });
  assert.equal((await json({ a: [1, null] })).text(), '{"a":[1,null]}');
  assert.equal((await json('{')).codeText, '4.00');
  const cbor = (payload: unknown): ReturnType<typeof request> => request(`${server.url}/cbor`, { method: 'POST', payload, contentFormat: 'application/cbor' });
  assert.equal((await cbor([1, 2])).text(), '1,2');
  assert.equal((await cbor(Uint8Array.of(0xff))).codeText, '4.00');
  await server.close();
});

test('serve: `concurrency` bounds the handlers, `limits.waiting` those that wait, and one more hears 5.03 with Max-Age', async () => {
  const { opened, open } = gate();
  let running = 0;
  let most = 0;
  const server = await serve({
    listen,
    concurrency: 2,
    limits: { waiting: 3 },
    resources: {
      '/slow': async () => {
        most = Math.max(most, ++running);
        await opened;
        running--;
        return 'done';
      },
    },
  });
  const client = new CoapClient({ parameters: { nstart: 10 } });
  const answers = Array.from({ length: 5 }, () => client.request(`${server.url}/slow`));
  await until(() => server.stats()['waiting'] === 3);
  assert.deepEqual([server.stats()['running'], server.stats()['observations']], [2, 0]);
  const refused = await client.request(`${server.url}/slow`);
  assert.deepEqual([refused.codeText, refused.maxAge], ['5.03', 1]);
  open();
  assert.deepEqual(
    (await Promise.all(answers)).map((answer) => answer.text()),
    Array(5).fill('done'),
  );
  assert.deepEqual([most, running, server.stats()['running'], server.stats()['waiting']], [2, 0, 0, 0]);
  await client.close();
  await server.close();
});

test('serve: an address that fills the queue gives its last place to one that has fewer; among equals who comes last is refused', async () => {
  const { opened, open } = gate();
  const server = await serve({
    listen,
    concurrency: 1,
    limits: { waiting: 3 },
    resources: { '/slow': (incoming) => opened.then(() => String(incoming.query)) },
  });
  const clients = await Promise.all(
    ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map(async (address) => new Endpoint({ transport: await udp({ address }), parameters: { nstart: 10 } })),
  );
  const ask = async (client: number, name: string): Promise<string> => {
    const endpoint = clients[client]!;
    const query = { number: OptionNumber.UriQuery, value: utf8(name) };
    const { code, payload } = await endpoint.request({ peer: await endpoint.resolve('127.0.0.1', portOf(server)), options: [...pathOptions(['slow']), query] });
    return code === Code.Content ? fromUtf8(payload) : formatCode(code);
  };
  const first: Promise<string>[] = [];
  for (const [waiting, name] of ['a', 'b', 'c', 'd'].entries()) {
    first.push(ask(0, name));
    await until(() => server.stats()['running'] === 1 && server.stats()['waiting'] === waiting);
  }
  const second = ask(1, 'e');
  assert.equal(await first.pop(), '5.03');
  const third = ask(2, 'f');
  assert.equal(await first.pop(), '5.03');
  // One of each waits now.
  assert.deepEqual([await ask(2, 'g'), await ask(0, 'h'), server.stats()['waiting']], ['5.03', '5.03', 3]);
  open();
  assert.deepEqual(await Promise.all([...first, second, third]), ['a', 'b', 'e', 'f']);
  assert.deepEqual([server.stats()['running'], server.stats()['waiting']], [0, 0]);
  await Promise.all(clients.map((client) => client.close()));
  await server.close();
});

test('serve: handlers that answer at once leave no trace of the queue, however many waited', async () => {
  const { opened, open } = gate();
  let first = true;
  const server = await serve({
    listen,
    concurrency: 1,
    resources: {
      '/a': () => {
        if (!first) return 'at once';
        first = false;
        return opened.then(() => 'late');
      },
    },
  });
  const client = new CoapClient({ parameters: { nstart: 200 } });
  const answers = Array.from({ length: 200 }, () => client.request(`${server.url}/a`));
  await until(() => server.stats()['waiting'] === 199);
  open();
  assert.equal((await Promise.all(answers)).filter((answer) => answer.text() === 'at once').length, 199);
  assert.deepEqual([server.stats()['running'], server.stats()['waiting']], [0, 0]);
  await client.close();
  await server.close();
});

test('serve: a handler that throws, at once or from the queue, is answered with 5.00 and gives its place back', async () => {
  const events: ServeEvent[] = [];
  const server = await serve({
    listen,
    concurrency: 1,
    emit: (event) => events.push(event),
    handler: () => {
      throw new Error('broken');
    },
  });
  const client = new CoapClient({ parameters: { nstart: 10 } });
  const answers = await Promise.all(Array.from({ length: 4 }, () => client.request(server.url)));
  assert.deepEqual(
    answers.map(({ codeText }) => codeText),
    Array(4).fill('5.00'),
  );
  assert.equal(events.filter((event) => event.type === 'failed' && (event.error as Error).message === 'broken').length, 4);
  assert.equal(server.stats()['running'], 0);
  await client.close();
  await server.close();
});

test('serve: an observer that went away while its request waited leaves queue and gate', async () => {
  const { opened, open } = gate();
  const server = await serve({
    listen,
    concurrency: 1,
    resources: { '/a': { get: () => opened.then(() => 'a'), observable: true } },
    parameters: { ackDelay: 0 },
  });
  const client = new CoapClient({ parameters: { nstart: 10 } });
  const first = client.request(`${server.url}/a`);
  await until(() => server.stats()['running'] === 1);
  const endpoint = new Endpoint({ transport: await udp() });
  const peer = await endpoint.resolve('127.0.0.1', portOf(server));
  const stream = endpoint.observe({ peer, options: pathOptions(['a']) });
  // Acknowledged too: a representation that came in the acknowledgement could not be reset.
  await until(() => server.stats()['waiting'] === 1 && endpoint.stats()['outstanding'] === 0);
  await stream.return?.();
  // It has no notification yet, so it deregisters by a Reset of the first.
  open();
  assert.equal((await first).text(), 'a');
  await until(() => server.stats()['waiting'] === 0 && server.stats()['running'] === 0 && server.stats()['observations'] === 0);
  await endpoint.close();
  await client.close();
  await server.close();
});

test('serve: close lets a handler finish; what comes meanwhile hears 5.03 with Max-Age', async () => {
  const { opened, open } = gate();
  const server = await serve({ listen, resources: { '/slow': () => opened.then(() => 'done') }, drain: 3000 });
  const client = new CoapClient({ parameters: { nstart: 10 } });
  const answer = client.request(`${server.url}/slow`);
  await until(() => server.stats()['running'] === 1);
  const closed = server.close();
  assert.equal(server.close(), closed);
  const refused = await client.request(`${server.url}/slow`);
  assert.deepEqual([refused.codeText, refused.maxAge], ['5.03', 3]);
  open();
  assert.equal((await answer).text(), 'done');
  await closed;
  assert.equal(server.stats()['running'], 0);
  await client.close();
});

test('serve: close gives a handler up that does not finish in time', async () => {
  const cancelled = gate();
  const server = await serve({ listen, handler: (_, reply) => reply.onCancel(cancelled.open) });
  const client = new CoapClient();
  const answer = client.request(server.url, { timeout: 2000 });
  answer.catch(() => {});
  await until(() => server.stats()['running'] === 1);
  await server.close({ drain: 50 });
  await cancelled.opened;
  await client.close();
  await assert.rejects(answer, { code: 'ERR_COAP_CLOSED' });
});

test('serve: close ends observations with 5.03, which is acknowledged before the socket goes', async () => {
  const server = await serve({ listen, resources: { '/time': { get: () => 'now', observable: true } } });
  const client = new CoapClient();
  const seen: string[] = [];
  const observing = (async () => {
    for await (const response of client.observe(`${server.url}/time`)) seen.push(`${response.codeText} ${response.text()}`);
  })();
  await until(() => seen.length === 1);
  assert.equal(server.stats()['observations'], 1);
  server.changed('/time');
  await until(() => seen.length === 2);
  await server.close();
  assert.equal(server.stats()['endpoint.replies'], 0);
  await observing;
  assert.deepEqual(seen, ['2.05 now', '2.05 now', '5.03 ']);
  assert.equal(server.stats()['observations'], 0);
  await client.close();
});

test('serve: an observer that stops, and one whose handler ends it, leave the gate', async () => {
  let gone = false;
  const server = await serve({ listen, resources: { '/time': { get: () => (gone ? { code: Code.NotFound } : 'now'), observable: true } } });
  const client = new CoapClient();
  for await (const response of client.observe(`${server.url}/time`)) {
    assert.equal(response.text(), 'now');
    assert.equal(server.stats()['observations'], 1);
    break;
  }
  await until(() => server.stats()['observations'] === 0);
  const codes: string[] = [];
  for await (const response of client.observe(`${server.url}/time`)) {
    codes.push(response.codeText);
    gone = true;
    server.changed('/time');
  }
  assert.deepEqual(codes, ['2.05', '4.04']);
  assert.deepEqual([server.stats()['observations'], server.stats()['endpoint.observe.observers']], [0, 0]);
  await client.close();
  await server.close();
});

test('serve: a signal closes the server; one that was aborted before keeps it from listening', async () => {
  const stop = new AbortController();
  const server = await serve({ listen, resources: () => 'a', signal: stop.signal });
  assert.equal((await request(server.url)).text(), 'a');
  stop.abort();
  await server.close();
  const again = await serve({ listen: server.url, resources: () => 'b' });
  assert.equal((await request(again.url)).text(), 'b');
  await again[Symbol.asyncDispose]();
  await assert.rejects(serve({ listen, resources: () => 'a', signal: stop.signal }), { code: 'ERR_TRANSPORT_ABORTED' });
});

test('serve: a URI that cannot be listened at, and options that say nothing or too much, are typed errors; nothing stays open', async () => {
  const first = await serve({ listen, resources: () => 'a' });
  const refusals: readonly (readonly [ServeOptions, string])[] = [
    [{ listen: [listen, first.url], resources: () => 'a' }, 'ERR_TRANSPORT_BIND'],
    [{ listen: 'coap://192.0.2.1', resources: () => 'a' }, 'ERR_TRANSPORT_BIND'],
    [{ listen: 'http://127.0.0.1', resources: () => 'a' }, 'ERR_TRANSPORT_SCHEME'],
    [{ listen: 'coap://127.0.0.1/path', resources: () => 'a' }, 'ERR_TRANSPORT_OPTION'],
    [{ listen: 'coap://127.0.0.1:65536', resources: () => 'a' }, 'ERR_COAP_URI'],
    [{ listen: [], resources: () => 'a' }, 'ERR_TRANSPORT_OPTION'],
    [{ listen }, 'ERR_TRANSPORT_OPTION'],
    [{ listen, resources: () => 'a', handler: () => {} }, 'ERR_TRANSPORT_OPTION'],
    [{ listen, resources: () => 'a', concurrency: 0 }, 'ERR_TRANSPORT_OPTION'],
    [{ listen, resources: () => 'a', drain: -1 }, 'ERR_TRANSPORT_OPTION'],
    [{ listen, resources: () => 'a', parameters: { nstart: 0 } }, 'ERR_COAP_PARAMETER'],
    [{ listen, resources: { path: () => 'a' } }, 'ERR_COAP_RESOURCE'],
  ];
  for (const [options, code] of refusals) await assert.rejects(serve(options), { code }, JSON.stringify(options));
  await first.close();
});

test('serve: bodies are bounded by blockwise.maxBody: 4.13 with Size1', async () => {
  let bytes = 0;
  const server = await serve({
    listen,
    blockwise: { maxBody: 4000 },
    resources: {
      '/body': {
        put: (incoming) => {
          bytes = incoming.payload.length;
          return undefined;
        },
      },
    },
  });
  assert.equal((await request(`${server.url}/body`, { method: 'PUT', payload: new Uint8Array(4000) })).codeText, '2.04');
  assert.equal(bytes, 4000);
  const refused = await request(`${server.url}/body`, { method: 'PUT', payload: new Uint8Array(4001) });
  assert.deepEqual([refused.codeText, uintOf(refused.options, OptionNumber.Size1)], ['4.13', 4000]);
  await server.close();
});

test('serve: a reply table that is full answers 5.03', async () => {
  const server = await serve({ listen, limits: { replies: 2 }, handler: () => {}, drain: 0 });
  const client = new CoapClient({ parameters: { nstart: 10 } });
  const unanswered = [client.request(server.url), client.request(server.url)];
  for (const answer of unanswered) answer.catch(() => {});
  await until(() => server.stats()['running'] === 2);
  assert.equal((await client.request(server.url)).codeText, '5.03');
  await client.close();
  await server.close();
});

test('RFC 7252 5.9.3.4: serve: a client that fills the reply table hears 5.03, and keeps no other out', async () => {
  const server = await serve({ listen, limits: { replies: 4 }, handler: () => {}, drain: 0 });
  const [flood, other] = [new CoapClient({ parameters: { nstart: 10 } }), new CoapClient()];
  const codes: string[] = [];
  for (let i = 0; i < 5; i++)
    flood.request(server.url).then(
      ({ codeText }) => codes.push(codeText),
      () => {},
    );
  await until(() => codes.length === 1);
  const heard = other.request(server.url).then(
    ({ codeText }) => codeText,
    () => 'nothing',
  );
  await until(() => codes.length === 2);
  assert.deepEqual(codes, ['5.03', '5.03']);
  await other.close();
  assert.equal(await heard, 'nothing', 'it waits for its answer');
  await flood.close();
  await server.close();
});

test('TransportError is a ProtocolError with a code, and names the schemes that there are', async () => {
  const error = await serve({ listen: 'coap+tcp://127.0.0.1', resources: () => 'a', schemes: [] }).catch((reason: unknown) => reason);
  assert.ok(error instanceof TransportError);
  const named = await request('coapx://127.0.0.1/a').catch((reason: unknown) => reason as TransportError);
  assert.ok(named instanceof TransportError && named.message.includes('coap://'), String(named));
});

test('serve: layers stand in front of the resources, made for each listener', async () => {
  let made = 0;
  const refuse: Layer = {
    name: 'refuse',
    outbound: (next) => next,
    inbound: (next) => (incoming, reply) => {
      if (incoming.code === Method.GET) next(incoming, reply);
      else reply.respond({ code: Code.Forbidden, options: [], payload: new Uint8Array(0) });
    },
  };
  const layers = (): readonly Layer[] => [{ ...refuse, name: `refuse ${made++}` }];
  const server = await serve({ listen: [listen, listen], resources: () => 'a', layers });
  for (const url of server.urls) {
    assert.equal((await request(url)).codeText, '2.05');
    assert.equal((await request(url, { method: 'PUT' })).codeText, '4.03');
  }
  assert.equal(made, 2);
  await server.close();
});
