import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CoapError,
  Code,
  findOption,
  Method,
  OptionNumber,
  opaqueOption,
  pathOptions,
  type Reply,
  type Request,
  type Response,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { decodeOscoreOption, decodePartialIv, deriveContext, protectResponse, type RequestBinding, type SecurityContext } from '../../src/oscore/index.ts';
import { answering, ask, FakeStore, pair, parameters, peer, request, Side, settle, Wire } from './support.ts';

function connect(handler = answering('ok'), store = new FakeStore()) {
  const contexts = pair();
  const client = new Side([contexts.client], store);
  const server = new Side([contexts.server]);
  return { ...contexts, sides: { client, server }, wire: new Wire(client.layer, server.layer, handler) };
}

/** What the server keeps of a request. */
function bindingAt(server: SecurityContext, message: Request): RequestBinding {
  const partialIv = decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value).partialIv!;
  return { aad: server.recipient.aad(partialIv), nonce: server.recipient.nonce(partialIv) };
}

const idle = { contexts: 1, sequences: 1, waiting: 0, exchanges: 0 };

test('a request of no context, or of another kind of association, leaves as it is', () => {
  const { wire, sides } = connect();
  const dtls = { kind: 'dtls', id: 'd1', credential: undefined };
  for (const association of [undefined, dtls]) {
    const sent = request(association, Method.GET, pathOptions(['time']));
    const heard = ask(wire.requester, sent);
    assert.equal(wire.requests.at(-1), sent);
    assert.equal(fromUtf8(heard.responses[0]!.response.payload), 'ok');
  }
  assert.deepEqual(sides.client.events, []);
});

test('RFC 8613 8.1 and 8.4: ask and hear', async () => {
  const { client, wire, sides } = connect();
  const heard = ask(wire.requester, request(client, Method.PUT, pathOptions(['led']), 'on'));
  await settle();
  assert.equal(wire.requests[0]!.code, Method.POST);
  assert.equal(wire.requests[0]!.association, undefined);
  const [{ response, last } = { response: undefined, last: false }] = heard.responses;
  assert.ok(last);
  assert.equal(response!.association, client);
  assert.equal(response!.peer, peer);
  assert.equal(response!.sequence, undefined);
  assert.equal(fromUtf8(response!.payload), 'ok');
  assert.deepEqual(sides.client.layer.stats(), idle);
});

test('once numbers are in hand, request and response take one turn', async () => {
  const { client, wire } = connect();
  ask(wire.requester, request(client));
  await settle();
  const heard = ask(wire.requester, request(client));
  assert.equal(heard.responses.length, 1);
});

test('RFC 8613 7.2: 1,000 requests at once, each with a number of its own, in order', async () => {
  const { client, wire, sides } = connect();
  const heard = Array.from({ length: 1000 }, (_, i) => ask(wire.requester, request(client, Method.GET, pathOptions([`${i}`]))));
  assert.equal(sides.client.layer.stats()['waiting'], 1000);
  await settle();
  const numbers = wire.requests.map((message) => decodePartialIv(decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value).partialIv!));
  assert.deepEqual(numbers, [...Array(1000).keys()]);
  assert.ok(heard.every(({ responses, errors }) => responses.length === 1 && errors.length === 0));
  assert.deepEqual(sides.client.layer.stats(), idle);
});

test('RFC 8613 7.2: two contexts with the same keys share one sequence', async () => {
  const { client, wire, sides } = connect();
  const twin = deriveContext(parameters, { credential: 'twin' });
  sides.client.contexts.remove(client);
  sides.client.contexts.add(twin);
  ask(wire.requester, request(twin));
  await settle();
  sides.client.contexts.replace(client);
  ask(wire.requester, request(client));
  await settle();
  assert.equal(new Set(sides.client.store.reservations.map(({ key }) => key)).size, 1);
  assert.equal(wire.responses.filter(({ code }) => code === Code.Changed).length, 2);
});

test('a store that fails: nothing is sent', async () => {
  const store = new FakeStore();
  store.failing = true;
  const { client, wire, sides } = connect(answering('ok'), store);
  const heard = ask(wire.requester, request(client));
  await settle();
  assert.deepEqual(
    heard.errors.map(({ code }) => code),
    ['ERR_OSCORE_STORE'],
  );
  assert.equal(wire.requests.length, 0);
  assert.ok(sides.client.events.some((event) => event.type === 'sequence' && event.code === 'ERR_OSCORE_STORE'));
  assert.deepEqual(sides.client.layer.stats(), idle);
});

test('RFC 8613 7.2.1: the end of the numbers', async () => {
  const store = new FakeStore();
  const { client, wire, sides } = connect(answering('ok'), store);
  store.counters.set(client.senderKeyId, 2 ** 40 - 1);
  const last = ask(wire.requester, request(client));
  await settle();
  assert.equal(last.responses.length, 1);
  const heard = ask(wire.requester, request(client));
  await settle();
  assert.deepEqual(
    heard.errors.map(({ code }) => code),
    ['ERR_OSCORE_SEQUENCE'],
  );
  assert.equal(wire.requests.length, 1);
  assert.ok(sides.client.events.some((event) => event.type === 'sequence' && event.code === 'ERR_OSCORE_SEQUENCE'));
});

test('a context that is not in the table, or leaves it while a request waits, sends nothing', async () => {
  const { client, wire, sides } = connect();
  const foreign = ask(wire.requester, request(deriveContext(parameters)));
  const waiting = ask(wire.requester, request(client));
  sides.client.contexts.remove(client);
  await settle();
  for (const { errors } of [foreign, waiting])
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['ERR_OSCORE_CONTEXT'],
    );
  assert.equal(wire.requests.length, 0);
  assert.deepEqual(sides.client.layer.stats(), { ...idle, contexts: 0, sequences: 0 });
});

test('a context that leaves while a response is on its way: the caller hears it at once, and the response is dropped', async () => {
  let reply: Reply | undefined;
  const { client, wire, sides } = connect((_, given) => {
    reply = given;
  });
  const heard = ask(wire.requester, request(client));
  await settle();
  sides.client.contexts.remove(client);
  assert.deepEqual(
    heard.errors.map(({ code }) => code),
    ['ERR_OSCORE_CONTEXT'],
  );
  assert.equal(wire.cancelled, 1);
  assert.deepEqual(sides.client.layer.stats(), { ...idle, contexts: 0, sequences: 0 });
  reply!.respond({ code: Code.Content, options: [], payload: utf8('late') });
  assert.deepEqual(heard.responses, []);
  assert.equal(heard.errors.length, 1);
});

test('a request that cannot be protected is an error, not an exception', async () => {
  const { client, wire } = connect();
  const heard = ask(wire.requester, request(client, Method.GET, [opaqueOption(OptionNumber.Oscore, emptyBytes)]));
  await settle();
  assert.deepEqual(
    heard.errors.map(({ code }) => code),
    ['ERR_OSCORE_NESTED'],
  );
});

test('a layer below that throws is an error, not an exception', async () => {
  const { client } = pair();
  const side = new Side([client]);
  const requester = side.layer.outbound(() => {
    throw new CoapError('ERR_COAP_CLOSED', 'closed');
  });
  const heard = ask(requester, request(client));
  await settle();
  assert.equal(heard.errors[0]?.code, 'ERR_COAP_CLOSED');
  assert.deepEqual(side.layer.stats(), idle);
});

test('what an observation is known by goes along, what protects it does not', async () => {
  const { client, wire } = connect();
  const observation = {};
  ask(wire.requester, { ...request(client, Method.GET, [uintOption(OptionNumber.Observe, 0)]), observation, nonConfirmable: true });
  await settle();
  const [sent] = wire.requests;
  assert.equal(sent!.observation, observation);
  assert.equal(sent!.nonConfirmable, true);
  assert.equal(sent!.association, undefined);
  assert.equal(sent!.peer, peer);
});

test('cancel: while it waits nothing is sent, later the exchange below ends', async () => {
  const { client, wire, sides } = connect(() => {});
  ask(wire.requester, request(client)).cancel();
  await settle();
  assert.equal(wire.requests.length, 0);
  const heard = ask(wire.requester, request(client));
  await settle();
  heard.cancel();
  heard.cancel();
  assert.equal(wire.requests.length, 1);
  assert.equal(wire.cancelled, 1);
  assert.deepEqual(sides.client.layer.stats(), idle);
});

const outer: Response = { code: Code.Content, options: [], payload: utf8('forged') };

test('RFC 8613 2: a success without protection is dropped', async () => {
  const { client, wire, sides } = connect();
  wire.changeResponse = () => outer;
  const heard = ask(wire.requester, request(client));
  await settle();
  assert.deepEqual(heard.responses, []);
  assert.deepEqual(
    heard.errors.map(({ code }) => code),
    ['ERR_OSCORE_RESPONSE'],
  );
  assert.deepEqual(sides.client.discarded, ['unprotected']);
  assert.deepEqual(sides.client.layer.stats(), idle);
});

test('RFC 8613 8.2: an error without protection passes, without association', async () => {
  const { client, wire } = connect();
  for (const code of [Code.Unauthorized, Code.BadRequest, Code.BadOption, Code.GatewayTimeout]) {
    wire.changeResponse = () => ({ ...outer, code, association: { kind: 'dtls', id: 'd', credential: undefined } });
    const heard = ask(wire.requester, request(client));
    await settle();
    assert.equal(heard.responses[0]!.response.code, code);
    assert.ok(!('association' in heard.responses[0]!.response));
  }
});

test('RFC 8613 8.4, step 8: a response that does not verify is dropped, and the caller hears that nothing comes', async () => {
  const { client, wire, sides } = connect();
  const changes: ((response: Response) => Response)[] = [
    (response) => ({ ...response, payload: response.payload.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) }),
    (response) => ({ ...response, payload: emptyBytes }),
    (response) => ({ ...response, options: [opaqueOption(OptionNumber.Oscore, fromHex('ff'))] }),
    (response) => ({ ...response, options: [opaqueOption(OptionNumber.Oscore, fromHex('0100'))] }),
    (response) => ({ ...response, options: [opaqueOption(OptionNumber.Oscore, fromHex('08ff'))] }),
  ];
  for (const change of changes) {
    wire.changeResponse = change;
    const heard = ask(wire.requester, request(client));
    await settle();
    assert.deepEqual(heard.responses, []);
    assert.deepEqual(
      heard.errors.map(({ code }) => code),
      ['ERR_OSCORE_RESPONSE'],
    );
  }
  assert.deepEqual(sides.client.discarded, ['decrypt', 'decode', 'decode', 'decrypt', 'decrypt']);
  assert.deepEqual(sides.client.layer.stats(), idle);
});

test('RFC 7252 5.4.1: a response with an unknown critical Inner option is dropped', async () => {
  const { client, wire, sides } = connect((_, reply) =>
    reply.respond({ code: Code.Content, options: [opaqueOption(65_001, emptyBytes)], payload: emptyBytes }),
  );
  const heard = ask(wire.requester, request(client));
  await settle();
  assert.equal(heard.errors[0]?.code, 'ERR_OSCORE_RESPONSE');
  assert.deepEqual(sides.client.discarded, ['plaintext']);
});

test('onVerified runs once, at the first message that verifies', async () => {
  let verified = 0;
  const client = deriveContext(parameters, { onVerified: () => verified++ });
  const { server } = pair();
  const sides = { client: new Side([client]), server: new Side([server]) };
  const wire = new Wire(sides.client.layer, sides.server.layer, answering('ok'));
  wire.changeResponse = () => ({ ...outer, code: Code.Unauthorized });
  ask(wire.requester, request(client));
  await settle();
  assert.equal(verified, 0);
  wire.changeResponse = (response) => response;
  for (let i = 0; i < 3; i++) ask(wire.requester, request(client));
  assert.equal(verified, 1);
});

function observing() {
  let reply: Reply | undefined;
  const connected = connect((_, given) => {
    reply = given;
  });
  const notify = (text: string): void => reply!.notify({ code: Code.Content, options: [uintOption(OptionNumber.Observe, 9)], payload: utf8(text) });
  const start = async (options = [uintOption(OptionNumber.Observe, 0)]) => {
    const heard = ask(connected.wire.requester, request(connected.client, Method.GET, options));
    await settle();
    return heard;
  };
  return { ...connected, notify, start, respond: (response: Response) => reply!.respond(response) };
}

test('RFC 8613 4.1.3.5.2: notifications are numbered by Partial IV, the one without is the oldest', async () => {
  const { notify, start, sides, respond } = observing();
  const heard = await start();
  for (const text of ['a', 'b', 'c']) notify(text);
  await settle();
  assert.deepEqual(
    heard.responses.map(({ response, last }) => [fromUtf8(response.payload), response.sequence, last]),
    [
      ['a', -1, false],
      ['b', 0, false],
      ['c', 1, false],
    ],
  );
  assert.equal(sides.client.layer.stats()['exchanges'], 1);
  respond({ code: Code.NotFound, options: [], payload: emptyBytes });
  await settle();
  const end = heard.responses.at(-1)!;
  assert.deepEqual([end.response.code, end.response.sequence, end.last], [Code.NotFound, undefined, true]);
  assert.deepEqual(sides.client.layer.stats(), idle);
});

test('RFC 8613 7.4.1: old notifications and repeated ones are dropped, in every order of arrival', async () => {
  const kept: Response[] = [];
  const { notify, start, sides, wire, client } = observing();
  wire.changeResponse = (response) => {
    kept.push(response);
    return undefined;
  };
  await start();
  for (const text of ['a', 'b', 'c']) notify(text);
  await settle();
  assert.equal(kept.length, 3);
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [2, 1, 0],
    [0, 0, 1, 1, 2, 2, 0],
    [2, 2],
  ]) {
    const heard: string[] = [];
    const expected = order.filter((i, at) => order.slice(0, at).every((before) => before < i)).map((i) => 'abc'[i]!);
    // The same registration again: nothing else would verify these notifications.
    const fresh = new Side([client], new FakeStore());
    const exchange = fresh.layer.outbound((_, listener) => {
      for (const i of order) listener.response({ ...kept[i]!, peer }, false);
      return () => {};
    });
    exchange(request(client, Method.GET, [uintOption(OptionNumber.Observe, 0)]), { response: ({ payload }) => heard.push(fromUtf8(payload)), error: () => {} });
    await settle();
    assert.deepEqual(heard, expected, `${order}`);
    assert.equal(fresh.discarded.length, order.length - expected.length);
    assert.ok(fresh.discarded.every((reason) => reason === 'notification'));
  }
  assert.deepEqual(sides.client.discarded, []);
});

test('RFC 8613 8.4.2: a bad notification does not end the observation', async () => {
  const { notify, start, wire, sides } = observing();
  const heard = await start();
  notify('a');
  wire.changeResponse = (response) => ({ ...response, payload: response.payload.map((byte) => byte ^ 1) });
  notify('b');
  await settle();
  wire.changeResponse = () => outer;
  notify('c');
  wire.changeResponse = (response) => response;
  notify('d');
  assert.deepEqual(
    heard.responses.map(({ response }) => fromUtf8(response.payload)),
    ['a', 'd'],
  );
  assert.deepEqual(heard.errors, []);
  assert.deepEqual(sides.client.discarded, ['decrypt', 'unprotected']);
});

test('RFC 8613 4.1.3.5.2: a notification that nobody registered for is dropped', async () => {
  for (const options of [[], [uintOption(OptionNumber.Observe, 1)]]) {
    const { client, server, wire, sides } = connect();
    wire.changeResponse = () => undefined;
    let answered = false;
    const heard = ask(
      sides.client.layer.outbound((message, listener) => {
        const binding = bindingAt(server, message);
        listener.response(protectResponse({ code: Code.Content, options: [uintOption(OptionNumber.Observe, 1)], payload: utf8('x') }, server, binding), true);
        answered = true;
        return () => {};
      }),
      request(client, Method.GET, options),
    );
    await settle();
    assert.ok(answered);
    assert.deepEqual(heard.responses, []);
    assert.equal(heard.errors[0]?.code, 'ERR_OSCORE_RESPONSE');
    assert.deepEqual(sides.client.discarded, ['unexpected']);
  }
});

test('RFC 8613 4.1.3.5.2: an answer without Inner Observe ends the observation, whatever the outside says', async () => {
  const { client, server } = pair();
  const side = new Side([client]);
  let stopped = 0;
  const requester = side.layer.outbound((message, listener) => {
    const answer = protectResponse({ code: Code.Content, options: [], payload: utf8('once') }, server, bindingAt(server, message));
    listener.response({ ...answer, options: [uintOption(OptionNumber.Observe, 3), ...answer.options] }, false);
    listener.response(answer, true);
    return () => stopped++;
  });
  const heard = ask(requester, request(client, Method.GET, [uintOption(OptionNumber.Observe, 0)]));
  await settle();
  assert.deepEqual(
    heard.responses.map(({ last }) => last),
    [true],
  );
  assert.equal(stopped, 1, 'the exchange below ends');
  assert.deepEqual(side.layer.stats(), idle);
});

test('RFC 8613 7.2: one of two contexts that share a Sender Key leaves while both wait', async () => {
  const { client } = pair();
  const twin = deriveContext({ ...parameters, recipientId: fromHex('52') });
  assert.equal(twin.senderKeyId, client.senderKeyId);
  const side = new Side([client, twin]);
  const wire = new Wire(side.layer, new Side([]).layer, answering('ok'));
  const leaving = ask(wire.requester, request(twin));
  const staying = ask(wire.requester, request(client));
  side.contexts.remove(twin);
  await settle();
  assert.deepEqual(
    leaving.errors.map(({ code }) => code),
    ['ERR_OSCORE_CONTEXT'],
  );
  assert.deepEqual(staying.errors, []);
  assert.equal(wire.requests.length, 1);
  assert.equal(side.layer.stats()['sequences'], 1);
  side.contexts.remove(client);
  assert.equal(side.layer.stats()['sequences'], 0);
});
