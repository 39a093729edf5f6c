import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, findOption, Method, OptionNumber, type Request, type Response, uintOption } from '../../src/coap/index.ts';
import { concat, emptyBytes, fromHex, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import {
  decodeOscoreOption,
  deriveContext,
  encodeOscoreOption,
  OscoreError,
  protectResponse,
  RenewableContext,
  type RenewableOptions,
  sequenceLimit,
} from '../../src/oscore/index.ts';
import { ends, heardCodes, kidContextOf } from './renewal-support.ts';
import { ask, type Heard, mirrored, parameters, request, Side, settle, Wire } from './support.ts';

function types({ events }: Side): string[] {
  return events.map(({ type }) => type).filter((type) => type.startsWith('renew'));
}

function isRequest2(message: Request): boolean {
  const kidContext = kidContextOf(message);
  return kidContext !== undefined && kidContext[0] === 0x58;
}

const notFound: Response = { code: Code.Unauthorized, options: [uintOption(OptionNumber.MaxAge, 0)], payload: utf8('Security context not found') };

/** A server that answers whatever the test says. */
function withServer(answer: (message: Request) => Response, options: RenewableOptions = {}) {
  const client = new Side([]);
  const renewable = new RenewableContext(parameters, options);
  client.contexts.addRenewable(renewable);
  const requests: Request[] = [];
  const requester = client.layer.outbound((message, listener) => {
    requests.push(message);
    listener.response(answer(message), true);
    return () => {};
  });
  return { client, renewable, requests, ask: (payload: string) => ask(requester, request(renewable, Method.POST, [], payload)) };
}

/** Response #1 by hand, with whatever in it the test wants to be different. */
function response1(
  message: Request,
  of: { readonly r2?: Uint8Array; readonly code?: number; readonly sequence?: number; readonly wrapped?: Uint8Array } = {},
): Response {
  const { r2 = fromHex('a0a1a2a3a4a5a6a7'), code = Code.Unauthorized, sequence, wrapped = encode(r2) } = of;
  const option = decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value);
  const id1 = decode(option.kidContext!) as Uint8Array;
  const first = deriveContext({ ...mirrored(parameters), idContext: id1 });
  const second = deriveContext({ ...mirrored(parameters), idContext: concat(r2, id1) });
  const binding = { aad: second.recipient.aad(option.partialIv!), nonce: first.recipient.nonce(option.partialIv!) };
  const response = protectResponse({ code, options: [], payload: emptyBytes }, second, binding, sequence);
  const { partialIv } = decodeOscoreOption(findOption(response.options, OptionNumber.Oscore)!.value);
  const value = encodeOscoreOption(partialIv === undefined ? { kidContext: wrapped } : { kidContext: wrapped, partialIv });
  return { ...response, options: [{ number: OptionNumber.Oscore, value }] };
}

test('RFC 8613 B.2, step 3: response #1 may have a Partial IV of its own', async () => {
  for (const sequence of [undefined, 0, 5]) {
    const {
      client,
      requests,
      ask: asked,
    } = withServer((message) => (isRequest2(message) ? notFound : response1(message, sequence === undefined ? {} : { sequence })));
    asked('x');
    await settle();
    // An R2 of 8 bytes and an R3 of 8 fit into the short form.
    assert.equal(kidContextOf(requests[1]!)!.length, 17, `${sequence}`);
    assert.deepEqual(types(client).slice(0, 2), ['renewing', 'renewing']);
  }
});

test('RFC 8613 B.2, step 3: what is not a response #1 ends the procedure', async () => {
  const r2 = fromHex('a0a1a2a3a4a5a6a7');
  for (const wrong of [
    { r2: r2.subarray(1) },
    { code: Code.Changed },
    { wrapped: r2 },
    { wrapped: encode(concat(r2, r2)) },
    { wrapped: encode('a0a1a2a3a4a5a6a7') },
  ]) {
    const { client, renewable, requests, ask: asked } = withServer((message) => response1(message, wrong));
    const heard = asked('x');
    await settle();
    assert.deepEqual(heardCodes([heard]), ['ERR_OSCORE_RESPONSE']);
    assert.equal(requests.length, 1);
    assert.equal(renewable.current, undefined);
    assert.deepEqual(client.discarded, ['decrypt']);
    assert.deepEqual(client.layer.stats(), { contexts: 0, sequences: 0, waiting: 0, exchanges: 0, renewing: 0 });
  }
});

test('RFC 8613 B.2: a server that answers every request with response #1 is asked no more after three', async () => {
  const { client, requests, ask: asked } = withServer((message) => response1(message));
  const heards = ['x', 'y'].map(asked);
  await settle();
  assert.deepEqual(heardCodes(heards), ['ERR_OSCORE_RENEWAL', 'ERR_OSCORE_RENEWAL']);
  assert.equal(requests.length, 4);
  assert.deepEqual(client.layer.stats(), { contexts: 0, sequences: 0, waiting: 0, exchanges: 0, renewing: 0 });
});

test('RFC 8613 B.2: an error without protection fails what waits, and the next request tries again', async () => {
  for (const failing of [0, 1]) {
    const { client, wire, renewable, ask: asked } = ends();
    let count = 0;
    const answer = wire.changeResponse;
    wire.changeResponse = (message) => (count++ === failing ? notFound : message);
    const heards = failing === 0 ? [asked('head')] : ['head', 'second', 'third'].map((text) => asked(text));
    await settle();
    assert.deepEqual(heardCodes(heards), [Code.Unauthorized, ...heards.slice(1).map(() => 'ERR_OSCORE_RENEWAL')]);
    assert.equal(heards[0]!.responses[0]!.response.association, undefined);
    for (const { errors } of heards.slice(1)) assert.ok(errors[0] instanceof OscoreError && errors[0].cause instanceof OscoreError);
    assert.equal(types(client).at(-1), 'renewal-failed');
    assert.equal(renewable.current, undefined);
    assert.equal(client.contexts.size, 0);
    wire.changeResponse = answer;
    const again = asked('again');
    await settle();
    assert.deepEqual(heardCodes([again]), [Code.Content]);
  }
});

test('RFC 8613 B.2: a procedure that fails leaves the context in use where it is', async () => {
  const current = deriveContext(parameters);
  const { client, wire, renewable, server, seen, ask: asked } = ends({ current }, { current: deriveContext(mirrored(parameters)) });
  renewable.renew();
  const answer = wire.changeResponse;
  wire.changeResponse = () => notFound;
  const heard = asked('x');
  await settle();
  assert.deepEqual(heardCodes([heard]), [Code.Unauthorized]);
  assert.ok(client.contexts.has(current));
  assert.equal(server.contexts.size, 1);
  assert.equal(seen.length, 0);
  wire.changeResponse = answer;
  const next = asked('y');
  await settle();
  assert.deepEqual(heardCodes([next]), [Code.Content]);
  assert.equal(renewable.current, current);
  assert.deepEqual(types(client), ['renewing', 'renewal-failed']);
});

test('an unprotected 4.01 to a request that may be executed twice: it is sent again under a new context', async () => {
  for (const code of [Method.GET, Method.FETCH]) {
    const current = deriveContext(parameters);
    const { client, wire, renewable, ask: asked } = ends({ current }, { current: deriveContext(mirrored(parameters)) });
    let count = 0;
    wire.changeResponse = (message) => (count++ === 0 ? notFound : message);
    const heard = asked('', code);
    await settle();
    assert.deepEqual(heardCodes([heard]), [Code.Content]);
    assert.equal(heard.responses[0]!.response.association, renewable);
    assert.equal(client.contexts.has(current), false);
    assert.deepEqual(types(client), ['renewing', 'renewing', 'renewed']);
  }
});

test('an unprotected 4.01 or 4.00 to any other request is for the application, and the next request renews', async () => {
  for (const refusal of [notFound, { ...notFound, code: Code.BadRequest }]) {
    const current = deriveContext(parameters);
    const { client, wire, seen, ask: asked } = ends({ current }, { current: deriveContext(mirrored(parameters)) });
    let count = 0;
    wire.changeResponse = (message) => (count++ === 0 ? refusal : message);
    const heard = asked('x');
    await settle();
    assert.deepEqual(heardCodes([heard]), [refusal.code]);
    assert.ok(client.contexts.has(current), 'anybody may have made it');
    assert.equal(seen.length, 1);
    const next = asked('y');
    await settle();
    assert.deepEqual(heardCodes([next]), [Code.Content]);
    assert.deepEqual(
      seen.map(({ payload }) => fromUtf8(payload)),
      ['x', 'y'],
    );
    assert.deepEqual(types(client), ['renewing', 'renewing', 'renewed']);
  }
});

test('a protected 4.01 is the answer of the application', async () => {
  const { renewable, client, wire } = ends();
  const server = new Side([]);
  server.contexts.addRenewable(new RenewableContext(mirrored(parameters)));
  const refusing = new Wire(client.layer, server.layer, (_, reply) => reply.respond({ code: Code.Unauthorized, options: [], payload: emptyBytes }));
  const heard = ask(refusing.requester, request(renewable));
  await settle();
  assert.equal(heard.responses[0]!.response.association, renewable);
  assert.equal(refusing.requests.length, 2);
  assert.equal(wire.requests.length, 0);
});

test('requests that wait are bounded, and leave the queue when they are cancelled', async () => {
  const { client, wire, seen, ask: asked } = ends({ waiting: 2 });
  client.store.held = [];
  const heards = ['head', 'a', 'b', 'c'].map((text) => asked(text));
  await settle();
  assert.deepEqual(heardCodes(heards), [undefined, undefined, undefined, 'ERR_OSCORE_LIMIT']);
  assert.equal(client.layer.stats()['renewing'], 3);
  heards[1]!.cancel();
  assert.equal(client.layer.stats()['renewing'], 2);
  client.store.release();
  await settle();
  assert.deepEqual(heardCodes(heards), [Code.Content, undefined, Code.Content, 'ERR_OSCORE_LIMIT']);
  assert.deepEqual(
    seen.map(({ payload }) => fromUtf8(payload)),
    ['head', 'b'],
  );
  assert.equal(wire.requests.filter(isRequest2).length, 1);
});

test('when the request that runs the procedure is cancelled, the next one runs it', async () => {
  for (const lost of [0, 1]) {
    const { client, wire, seen, ask: asked } = ends();
    let count = 0;
    wire.changeRequest = (message) => (count++ === lost ? undefined : message);
    const heards = ['head', 'a', 'b'].map((text) => asked(text));
    await settle();
    assert.deepEqual(heardCodes(heards), [undefined, undefined, undefined]);
    heards[0]!.cancel();
    await settle();
    assert.deepEqual(heardCodes(heards), [undefined, Code.Content, Code.Content]);
    assert.deepEqual(
      seen.map(({ payload }) => fromUtf8(payload)),
      ['a', 'b'],
    );
    assert.equal(client.contexts.size, 1);
    assert.deepEqual([client.layer.stats()['renewing'], client.layer.stats()['exchanges']], [0, 0]);
  }
});

test('a request that cannot be protected is its own fault: the next one runs the procedure', async () => {
  const { ask: asked, wire } = ends();
  const nested = asked('x', Method.POST, [{ number: OptionNumber.Oscore, value: emptyBytes }]);
  const good = asked('y');
  await settle();
  assert.deepEqual(heardCodes([nested, good]), ['ERR_OSCORE_NESTED', Code.Content]);
  assert.equal(wire.requests.length, 2);
});

test('code above that throws does not hold up what waits', async () => {
  for (const reply of [undefined, notFound]) {
    const { client, wire, renewable, ask: asked } = ends();
    if (reply !== undefined) wire.changeResponse = () => reply;
    wire.requester(request(renewable), {
      response: () => {
        throw new Error('of the application');
      },
      error: () => {},
    });
    const heards = ['a', 'b'].map((text) => asked(text));
    await settle();
    assert.deepEqual(heardCodes(heards), reply === undefined ? [Code.Content, Code.Content] : [Code.Unauthorized, Code.Unauthorized]);
    assert.ok(client.events.some((event) => event.type === 'failed'));
    assert.deepEqual([client.layer.stats()['renewing'], client.layer.stats()['exchanges']], [0, 0]);
  }
});

test('RFC 8613 7.2.1: when the numbers are used up, the procedure runs, whatever the method', async () => {
  const current = deriveContext(parameters);
  const { client, seen, ask: asked } = ends({ current }, { current: deriveContext(mirrored(parameters)) });
  client.store.counters.set(current.senderKeyId, sequenceLimit - 1);
  const heards = ['last', 'one more', 'and one'].map((text) => asked(text));
  await settle();
  assert.deepEqual(heardCodes(heards), [Code.Content, Code.Content, Code.Content]);
  assert.deepEqual(
    seen.map(({ payload }) => fromUtf8(payload)),
    ['last', 'one more', 'and one'],
  );
  assert.equal(client.contexts.has(current), false);
});

test('a store that fails fails the procedure', async () => {
  const { client, ask: asked } = ends();
  client.store.failing = true;
  const heards = ['x', 'y'].map((text) => asked(text));
  await settle();
  assert.deepEqual(heardCodes(heards), ['ERR_OSCORE_STORE', 'ERR_OSCORE_RENEWAL']);
  assert.equal(client.contexts.size, 0);
});

test('observations under a context that is replaced end with an error', async () => {
  const { client, renewable, server } = ends();
  const replies: ((text: string) => void)[] = [];
  const wire = new Wire(client.layer, server.layer, (message, reply) => {
    const say = (text: string): void => reply.notify({ code: Code.Content, options: [uintOption(OptionNumber.Observe, 1)], payload: utf8(text) });
    if (findOption(message.options, OptionNumber.Observe) === undefined) reply.respond({ code: Code.Content, options: [], payload: emptyBytes });
    else {
      replies.push(say);
      say('one');
    }
  });
  const heard = ask(wire.requester, request(renewable, Method.GET, [uintOption(OptionNumber.Observe, 0)]));
  await settle();
  replies[0]!('two');
  await settle();
  assert.deepEqual(
    heard.responses.map(({ response }) => fromUtf8(response.payload)),
    ['one', 'two'],
  );
  renewable.renew();
  const other = ask(wire.requester, request(renewable));
  await settle();
  assert.deepEqual(heardCodes([heard, other]), ['ERR_OSCORE_CONTEXT', Code.Content]);
  assert.equal(client.contexts.size, 1);
});

test('a response under a context that was replaced meanwhile is taken, and then the context is gone', async () => {
  const { client, renewable, server } = ends();
  const late: (() => void)[] = [];
  const wire = new Wire(client.layer, server.layer, (message, reply) => {
    reply.respond({ code: Code.Content, options: [], payload: message.payload.slice() });
  });
  const outbound = client.layer.outbound((message, listener) =>
    wire.requester(message, {
      error: (error) => listener.error(error),
      response: (response, last) => {
        if (late.length === 0 && renewable.current !== undefined) late.push(() => listener.response(response, last));
        else listener.response(response, last);
      },
    }),
  );
  const asked = (text: string): Heard => ask(outbound, request(renewable, Method.POST, [], text));
  asked('first');
  await settle();
  const old = renewable.current!;
  const slow = asked('slow');
  await settle();
  assert.equal(late.length, 1);
  renewable.renew();
  const next = asked('next');
  await settle();
  assert.deepEqual(heardCodes([slow, next]), [undefined, Code.Content]);
  assert.ok(renewable.current !== old && client.contexts.has(old));
  late[0]!();
  assert.equal(fromUtf8(slow.responses[0]!.response.payload), 'slow');
  assert.equal(client.contexts.has(old), false);
});

test('the last request under a replaced context is answered with response #1: it is sent once more, and the context is gone', async () => {
  const { client, renewable, seen, wire } = ends();
  let held: (() => void) | undefined;
  let holds = false;
  const outbound = client.layer.outbound((message, listener) => {
    if (!holds) return wire.requester(message, listener);
    holds = false;
    held = () => wire.requester(message, listener);
    return () => {};
  });
  const asked = (text: string): Heard => ask(outbound, request(renewable, Method.POST, [], text));
  asked('first');
  await settle();
  const old = renewable.current!;
  holds = true;
  const slow = asked('slow');
  await settle();
  renewable.renew();
  asked('next');
  await settle();
  assert.ok(client.contexts.has(old));
  held!();
  await settle();
  assert.deepEqual(heardCodes([slow]), [Code.Content]);
  assert.deepEqual(
    seen.map(({ payload }) => fromUtf8(payload)),
    ['first', 'next', 'slow'],
  );
  assert.equal(client.contexts.size, 1);
  assert.deepEqual([client.layer.stats()['renewing'], client.layer.stats()['exchanges']], [0, 0]);
});

test('input parameters that leave the table take their contexts along, and what waits fails', async () => {
  const { client, renewable, ask: asked } = ends();
  asked('x');
  await settle();
  assert.equal(client.contexts.size, 1);
  renewable.renew();
  client.store.held = [];
  const heards = ['a', 'b'].map((text) => asked(text));
  await settle();
  assert.ok(client.contexts.removeRenewable(renewable));
  assert.deepEqual(heardCodes(heards), ['ERR_OSCORE_CONTEXT', 'ERR_OSCORE_CONTEXT']);
  assert.deepEqual(client.layer.stats(), { contexts: 0, sequences: 0, waiting: 0, exchanges: 0 });
  assert.equal(client.contexts.removeRenewable(renewable), false);
  const after = asked('c');
  await settle();
  assert.deepEqual(heardCodes([after]), ['ERR_OSCORE_CONTEXT']);
});
