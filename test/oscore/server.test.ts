import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Code,
  decodeMessage,
  encodeMessage,
  findOption,
  type Handler,
  type Message,
  Method,
  OptionNumber,
  opaqueOption,
  pathOptions,
  type Reply,
  type Request,
  type Response,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { deriveContext, encodeOscoreOption, encodePartialIv, protectRequest, type SecurityContext, unprotectResponse } from '../../src/oscore/index.ts';
import { answering, FakeStore, mirrored, pair, parameters, peer, request, Side, settle, Wire } from './support.ts';

interface Server {
  readonly client: SecurityContext;
  readonly server: SecurityContext;
  readonly side: Side;
  readonly wire: Wire;
  readonly seen: Request[];
  send(sequence: number, message?: Request): Response[];
}

function serve(handler?: Handler, of: Parameters<typeof pair>[0] = {}, store?: FakeStore): Server {
  const { client, server } = pair(of);
  const side = new Side([server], store);
  const seen: Request[] = [];
  const wire = new Wire(new Side([]).layer, side.layer, (message, reply) => {
    seen.push(message);
    (handler ?? answering('ok'))(message, reply);
  });
  return { client, server, side, wire, seen, send: (sequence, message = request(client)) => wire.inject(protectRequest(message, client, sequence).message) };
}

function refusal(code: number, text: string): Response {
  return { code, options: [uintOption(OptionNumber.MaxAge, 0)], payload: utf8(text) };
}

function changed(message: Request, value: string): Request {
  return {
    ...message,
    options: message.options.map((option) => (option.number === OptionNumber.Oscore ? opaqueOption(OptionNumber.Oscore, fromHex(value)) : option)),
  };
}

test('a request without the OSCORE option passes as it is', () => {
  const { wire, seen, side } = serve();
  const plain = { ...request(undefined, Method.POST, pathOptions(['authz-info']), 'token') };
  assert.deepEqual(
    wire.inject(plain).map(({ code }) => code),
    [Code.Content],
  );
  assert.equal(seen[0]!.association, undefined);
  assert.deepEqual(seen[0]!.payload, plain.payload);
  assert.deepEqual(side.events, []);
});

test('RFC 8613 8.2 and 8.3: a protected request reaches the handler in the same turn, and so does its protected answer', () => {
  const { client, server, wire, seen, side } = serve();
  const { message, binding } = protectRequest(request(client, Method.PUT, pathOptions(['led']), 'on'), client, 4);
  const [answer] = wire.inject(message);
  assert.equal(seen[0]!.code, Method.PUT);
  assert.equal(seen[0]!.association, server);
  assert.deepEqual(answer!.options, [opaqueOption(OptionNumber.Oscore, emptyBytes)], 'the nonce of the request, so no Partial IV');
  const { response } = unprotectResponse(answer!, client, binding);
  assert.equal(fromUtf8(response.payload), 'ok');
  assert.deepEqual(
    side.events.map(({ type }) => type),
    ['unprotected', 'protected'],
  );
  assert.deepEqual(side.store.reservations, [], 'no sequence number is needed');
});

test('RFC 8613 8.2, step 2: malformed options are refused with 4.02', () => {
  const { client, wire, seen, side } = serve();
  const { message } = protectRequest(request(client), client, 0);
  for (const value of ['', '00', '2900c1', '0e010203040506c1', '0f01020304050607c1', '1900', '190002c1', '0900', '0100', '08c1', '01'].filter(
    (hex) => hex !== '0900',
  ))
    assert.deepEqual(wire.inject(changed(message, value)), [refusal(Code.BadOption, 'Failed to decode COSE')], value);
  assert.deepEqual(wire.inject({ ...message, payload: emptyBytes }), [refusal(Code.BadOption, 'Failed to decode COSE')], 'RFC 8613 2: no payload');
  assert.deepEqual(wire.inject({ ...changed(message, '0900ee'), payload: emptyBytes }), [refusal(Code.BadOption, 'Failed to decode COSE')], 'whoever sends it');
  assert.equal(seen.length, 0);
  assert.ok(side.discarded.every((reason) => reason === 'decode'));
});

test('RFC 8613 8.2, step 2: no context for this kid is 4.01', () => {
  const { client, wire, seen, side } = serve();
  const { message } = protectRequest(request(client), client, 0);
  for (const value of ['0900', '0900c2', '0900c1c1', '190001aac1'])
    assert.deepEqual(wire.inject(changed(message, value)), [refusal(Code.Unauthorized, 'Security context not found')], value);
  assert.equal(seen.length, 0);
  assert.deepEqual(new Set(side.discarded), new Set(['context']));
});

test('RFC 8613 8.2, step 3: a replay is 4.01 and does not reach the handler', () => {
  const { client, wire, seen, side } = serve();
  const { message } = protectRequest(request(client), client, 40);
  assert.equal(wire.inject(message)[0]!.code, Code.Changed);
  assert.deepEqual(wire.inject(message), [refusal(Code.Unauthorized, 'Replay detected')]);
  assert.deepEqual(wire.inject({ ...message, peer: { ...peer, key: 'other', port: 9 } }), [refusal(Code.Unauthorized, 'Replay detected')]);
  const old = protectRequest(request(client), client, 8).message;
  assert.deepEqual(wire.inject(old), [refusal(Code.Unauthorized, 'Replay detected')], 'left of the window');
  assert.equal(wire.inject(protectRequest(request(client), client, 9).message)[0]!.code, Code.Changed, 'the left edge of the window');
  assert.equal(seen.length, 2);
  assert.deepEqual(side.discarded, ['replay', 'replay', 'replay']);
});

test('RFC 8613 7.4: a replay inside the window, at its edges and outside', () => {
  for (const replayWindow of [32, 1, 100, 1024]) {
    const { send, seen, server } = serve(undefined, { replayWindow });
    const highest = 5000;
    const numbers = [...Array(Math.min(replayWindow, 64)).keys()].map((i) => highest - i * Math.floor(replayWindow / Math.min(replayWindow, 64)));
    for (const sequence of numbers) assert.equal(send(sequence)[0]!.code, Code.Changed, `${sequence}`);
    const leftEdge = highest - replayWindow + 1;
    if (!numbers.includes(leftEdge)) assert.equal(send(leftEdge)[0]!.code, Code.Changed);
    const executed = seen.length;
    for (const sequence of [...numbers, leftEdge, leftEdge - 1, leftEdge - 100, 0])
      assert.deepEqual(send(sequence), [refusal(Code.Unauthorized, 'Replay detected')]);
    assert.equal(seen.length, executed);
    assert.equal(server.window.highest, highest);
  }
});

test('RFC 8613 5: a Partial IV with leading zeros is 4.02, whoever made it', () => {
  const { client, wire, seen, server } = serve();
  const { message, binding } = protectRequest(request(client), client, 5);
  assert.deepEqual(wire.inject(changed(message, '0a0005c1')), [refusal(Code.BadOption, 'Failed to decode COSE')]);
  const padded = fromHex('0005');
  const payload = client.sender.aead.seal(binding.nonce, client.sender.aad(padded), fromHex('01'));
  assert.deepEqual(wire.inject({ ...changed(message, '0a0005c1'), payload }), [refusal(Code.BadOption, 'Failed to decode COSE')]);
  assert.equal(server.window.highest, -1);
  assert.equal(seen.length, 0);
});

test('RFC 8613 3.3: a kid over the limit is the kid of nobody', () => {
  const { client, wire, side } = serve();
  const { message } = protectRequest(request(client), client, 5);
  for (const length of [8, 100, 252])
    assert.deepEqual(wire.inject(changed(message, `0905${'c1'.repeat(length)}`)), [refusal(Code.Unauthorized, 'Security context not found')]);
  assert.deepEqual(new Set(side.discarded), new Set(['context']));
});

test('RFC 8613 5.3: what verifies and holds a malformed message is answered as what does not verify, and does not move the window', () => {
  const { client, server, wire, seen } = serve();
  const { message, binding } = protectRequest(request(client), client, 9);
  // No code; a marker without payload; reserved delta and length; an option that is cut off, with each form of its length; a response code; an Empty message.
  for (const plaintext of ['', '01ff', '01f0', '01e0', '010f', '0171', '01d0', '011d', '011e00', '011d05aa', '45', '00', '01e1ffffaa']) {
    const payload = client.sender.aead.seal(binding.nonce, binding.aad, fromHex(plaintext));
    assert.deepEqual(wire.inject({ ...message, payload }), [refusal(Code.BadRequest, 'Decryption failed')], plaintext);
    assert.equal(server.window.highest, -1);
  }
  assert.equal(seen.length, 0);
});

test('RFC 8613 8.2, step 6: what does not verify is 4.00, one answer for all causes', () => {
  const { client, wire, seen, side } = serve();
  const { message } = protectRequest(request(client), client, 3);
  for (let bit = 0; bit < message.payload.length * 8; bit++) {
    const payload = message.payload.slice();
    payload[bit >>> 3] = payload[bit >>> 3]! ^ (1 << (bit & 7));
    assert.deepEqual(wire.inject({ ...message, payload }), [refusal(Code.BadRequest, 'Decryption failed')]);
  }
  for (const value of ['0902c1', '0901c1', '0907c1', '090bc1', '0913c1', '0923c1', '0943c1', '0983c1'])
    assert.deepEqual(wire.inject(changed(message, value)), [refusal(Code.BadRequest, 'Decryption failed')], 'a bit of the Partial IV');
  assert.deepEqual(wire.inject({ ...message, payload: Uint8Array.of(1) }), [refusal(Code.BadRequest, 'Decryption failed')]);
  assert.deepEqual(wire.inject(changed(message, '0904c1')), [refusal(Code.BadRequest, 'Decryption failed')]);
  const stranger = deriveContext({ ...parameters, masterSecret: utf8('another secret') });
  assert.deepEqual(wire.inject(protectRequest(request(stranger), stranger, 3).message), [refusal(Code.BadRequest, 'Decryption failed')]);
  assert.equal(seen.length, 0);
  assert.deepEqual(new Set(side.discarded), new Set(['decrypt']));
  assert.equal(wire.inject(message)[0]!.code, Code.Changed, 'the real one still passes');
});

test('RFC 8613 7.4: a forged Partial IV does not move the window', () => {
  const { client, server, wire, seen } = serve();
  const { message } = protectRequest(request(client), client, 3);
  const forged = toHex(encodeOscoreOption({ partialIv: encodePartialIv(2 ** 40 - 1), kid: client.senderId }));
  assert.deepEqual(wire.inject(changed(message, forged)), [refusal(Code.BadRequest, 'Decryption failed')]);
  assert.equal(server.window.highest, -1);
  assert.equal(wire.inject(message)[0]!.code, Code.Changed);
  assert.equal(server.window.highest, 3);
  assert.equal(seen.length, 1);
});

test('RFC 8613 7.2.1: the largest Partial IV is received once', () => {
  const { send, seen } = serve();
  const last = 2 ** 40 - 1;
  for (const sequence of [last - 2 ** 32, last - 31, last, last - 30]) assert.equal(send(sequence)[0]!.code, Code.Changed);
  for (const sequence of [last, last - 31, last - 32]) assert.equal(send(sequence)[0]!.code, Code.Unauthorized);
  assert.equal(seen.length, 4);
});

test('RFC 7252 5.4.1: an unknown critical Inner option is answered with a protected 4.02', () => {
  const { client, wire, seen } = serve();
  const { message, binding } = protectRequest(request(client, Method.GET, [opaqueOption(65_001, fromHex('01'))]), client, 0);
  const [answer] = wire.inject(message);
  assert.equal(unprotectResponse(answer!, client, binding).response.code, Code.BadOption);
  assert.equal(seen.length, 0);
});

test('RFC 7252 5.4.1: an elective Inner option of a wrong length is left out', () => {
  const { send, seen, client } = serve();
  send(0, request(client, Method.GET, [opaqueOption(OptionNumber.Size1, fromHex('0102030405')), opaqueOption(2048, fromHex('01'))]));
  assert.deepEqual(seen[0]!.options, [opaqueOption(2048, fromHex('01'))]);
});

test('RFC 8613 4.1.3.7: an OSCORE option inside is answered with a protected 4.02', () => {
  const { client, wire, seen } = serve();
  const { message, binding } = protectRequest(request(client), client, 0);
  // 01 GET, 90: option 9 of no bytes.
  const payload = client.sender.aead.seal(binding.nonce, binding.aad, fromHex('0190'));
  const [answer] = wire.inject({ ...message, payload });
  assert.equal(unprotectResponse(answer!, client, binding).response.code, Code.BadOption);
  assert.equal(seen.length, 0);
});

test('RFC 8613 5.3: a plaintext that is no message is 4.00', () => {
  const { client, wire, seen, side } = serve();
  const { message, binding } = protectRequest(request(client), client, 0);
  const payload = client.sender.aead.seal(binding.nonce, binding.aad, fromHex('01ff'));
  assert.deepEqual(wire.inject({ ...message, payload }), [refusal(Code.BadRequest, 'Decryption failed')]);
  assert.equal(seen.length, 0);
  assert.deepEqual(side.discarded, ['plaintext']);
});

test('RFC 8613 5: two contexts of one kid are told apart by kid context', () => {
  const contexts = ['aa', 'bb'].map((hex) => pair({ idContext: fromHex(hex) }));
  const side = new Side(contexts.map(({ server }) => server));
  const seen: Request[] = [];
  const wire = new Wire(new Side([]).layer, side.layer, answering('ok', seen));
  for (const { client, server } of contexts) {
    wire.inject(protectRequest(request(client), client, 0).message);
    assert.equal(seen.at(-1)!.association, server);
  }
});

test('a context that leaves: its messages are 4.01 from then on, and it can come back', () => {
  const { client, server, side, send } = serve();
  assert.equal(send(0)[0]!.code, Code.Changed);
  side.contexts.remove(server);
  assert.deepEqual(send(1), [refusal(Code.Unauthorized, 'Security context not found')]);
  side.contexts.add(server);
  assert.equal(send(0)[0]!.code, Code.Unauthorized, 'with its window');
  assert.equal(send(1)[0]!.code, Code.Changed);
  assert.equal(client.senderKeyId, deriveContext(parameters).senderKeyId);
});

test('RFC 9203 4.3: an answer after the context left is an unprotected 4.01 without content', () => {
  let reply: Reply | undefined;
  const { server, side, wire, client } = serve((_, given) => {
    reply = given;
  });
  for (const observe of [[], [uintOption(OptionNumber.Observe, 0)]]) {
    side.contexts.replace(server);
    const answers = wire.inject(protectRequest(request(client, Method.GET, observe), client, server.window.highest + 1).message);
    side.contexts.remove(server);
    if (observe.length > 0) reply!.notify({ code: Code.Content, options: observe, payload: utf8('secret') });
    reply!.respond({ code: Code.Content, options: [], payload: utf8('secret') });
    assert.deepEqual(answers, [refusal(Code.Unauthorized, '')]);
  }
});

test('RFC 9203 4.3: so is one that waited for a number while the context left, though another context shares its Sender Key', async () => {
  let reply: Reply | undefined;
  const { client, server } = pair();
  const twin = deriveContext({ ...mirrored(parameters), recipientId: fromHex('c2') });
  assert.equal(twin.senderKeyId, server.senderKeyId);
  const side = new Side([server, twin]);
  side.store.held = [];
  const wire = new Wire(new Side([]).layer, side.layer, (_, given) => {
    reply = given;
  });
  const answersOf = (from: SecurityContext): Response[] =>
    wire.inject(protectRequest(request(from, Method.GET, [uintOption(OptionNumber.Observe, 0)]), from, 0).message);
  const notification: Response = { code: Code.Content, options: [uintOption(OptionNumber.Observe, 1)], payload: utf8('secret') };
  const stays = deriveContext({ ...parameters, senderId: fromHex('c2') });
  const kept = answersOf(stays);
  for (let i = 0; i < 2; i++) reply!.notify(notification);
  const answers = answersOf(client);
  for (let i = 0; i < 2; i++) reply!.notify(notification);
  side.contexts.remove(server);
  side.store.release();
  await settle();
  assert.deepEqual(answers.slice(1), [refusal(Code.Unauthorized, '')]);
  assert.equal(kept.length, 2);
  assert.equal(kept[1]!.code, Code.Content);
});

test('RFC 8613 8.3: the nonce of a request protects one answer', () => {
  let reply: Reply | undefined;
  const { client, wire } = serve((_, given) => {
    reply = given;
  });
  const answers = wire.inject(protectRequest(request(client), client, 0).message);
  reply!.respond({ code: Code.Content, options: [], payload: utf8('1') });
  reply!.respond({ code: Code.Content, options: [], payload: utf8('2') });
  reply!.notify({ code: Code.Content, options: [], payload: utf8('3') });
  assert.equal(answers.length, 1);
});

test('RFC 8613 4.1.3.5.2: notifications carry fresh Partial IVs, but for the first, and stay in order', async () => {
  let reply: Reply | undefined;
  const { client, wire, side } = serve((_, given) => {
    reply = given;
  });
  const observe = uintOption(OptionNumber.Observe, 0);
  const { message, binding } = protectRequest(request(client, Method.GET, [observe]), client, 0);
  const answers = wire.inject(message);
  for (let i = 0; i < 5; i++) reply!.notify({ code: Code.Content, options: [uintOption(OptionNumber.Observe, i + 1)], payload: utf8(`${i}`) });
  reply!.respond({ code: Code.NotFound, options: [], payload: emptyBytes });
  reply!.notify({ code: Code.Content, options: [], payload: utf8('late') });
  assert.equal(answers.length, 1, 'the others wait for numbers');
  await settle();
  assert.equal(answers.length, 6);
  const received = answers.map((answer) => unprotectResponse(answer, client, binding));
  assert.deepEqual(
    received.map(({ sequence }) => sequence),
    [undefined, 0, 1, 2, 3, 4],
  );
  assert.deepEqual(
    received.map(({ response }) => fromUtf8(response.payload)),
    ['0', '1', '2', '3', '4', ''],
  );
  assert.deepEqual(
    answers.map(({ code }) => code),
    [69, 69, 69, 69, 69, 68],
    'RFC 8613 4.2: the last has no Observe option, so its Outer Code is 2.04',
  );
  assert.deepEqual(findOption(received[1]!.response.options, OptionNumber.Observe)?.value, emptyBytes);
  assert.equal(side.layer.stats()['sequences'], 1);
});

test('RFC 8613 7.2.1: a notification for which there is no number ends the observation, unprotected and empty', async () => {
  let reply: Reply | undefined;
  const store = new FakeStore();
  const { client, server, wire, side } = serve(
    (_, given) => {
      reply = given;
    },
    {},
    store,
  );
  store.counters.set(server.senderKeyId, 2 ** 40);
  const answers = wire.inject(protectRequest(request(client, Method.GET, [uintOption(OptionNumber.Observe, 0)]), client, 0).message);
  for (const text of ['1', '2', '3']) reply!.notify({ code: Code.Content, options: [uintOption(OptionNumber.Observe, 1)], payload: utf8(text) });
  await settle();
  assert.deepEqual(answers.slice(1, 2), [refusal(Code.ServiceUnavailable, '')]);
  assert.ok(side.events.some((event) => event.type === 'sequence' && event.code === 'ERR_OSCORE_SEQUENCE'));
  assert.ok(answers.slice(1).every(({ options }) => findOption(options, OptionNumber.Oscore) === undefined));
});

test('an answer that cannot be encoded becomes a protected 5.00', () => {
  for (const options of [[opaqueOption(OptionNumber.Oscore, emptyBytes)], [opaqueOption(60, emptyBytes), opaqueOption(12, emptyBytes)]]) {
    const { client, wire, side } = serve((_, reply) => reply.respond({ code: Code.Content, options, payload: utf8('secret') }));
    const { message, binding } = protectRequest(request(client), client, 0);
    const [answer] = wire.inject(message);
    assert.equal(unprotectResponse(answer!, client, binding).response.code, Code.InternalServerError);
    assert.deepEqual(side.discarded, ['response']);
  }
});

test('stats: nothing stays of strangers and their messages', () => {
  const { client, wire, side } = serve();
  const before = side.layer.stats();
  const { message } = protectRequest(request(client), client, 0);
  for (let i = 0; i < 500; i++) wire.inject(changed(message, toHex(encodeOscoreOption({ partialIv: encodePartialIv(i), kid: utf8(`${i}`) }))));
  assert.deepEqual(side.layer.stats(), before);
});

test('20,000 changed messages: no exception, no handler, no context that moves', () => {
  const { client, server, wire, seen, side } = serve();
  const { message } = protectRequest(request(client, Method.POST, pathOptions(['a', 'b']), 'payload'), client, 5);
  const datagram = encodeMessage({ type: 0, id: 1, token: fromHex('aa'), ...message });
  const original = toHex(findOption(message.options, OptionNumber.Oscore)!.value) + toHex(message.payload);
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let decoded = 0;
  for (let i = 0; i < 20_000; i++) {
    // From the options on: token and Message ID are not protected.
    const bytes = datagram.slice(0, random(8) === 0 ? 6 + random(datagram.length - 6) : datagram.length);
    for (let j = 0; j <= random(3); j++) {
      const at = 5 + random(bytes.length - 5);
      bytes[at] = bytes[at]! ^ (1 + random(255));
    }
    let changedMessage: Message;
    try {
      changedMessage = decodeMessage(bytes);
    } catch {
      continue;
    }
    const header = findOption(changedMessage.options, OptionNumber.Oscore);
    if (header === undefined || toHex(header.value) + toHex(changedMessage.payload) === original) continue;
    decoded++;
    const answers = wire.inject({ code: changedMessage.code, options: changedMessage.options, payload: changedMessage.payload, peer });
    assert.equal(answers.length, 1);
    assert.ok(answers[0]!.code >= Code.BadRequest);
  }
  assert.ok(decoded > 5000);
  assert.equal(seen.length, 0);
  assert.equal(server.window.highest, -1);
  assert.deepEqual(side.layer.stats(), { contexts: 1, sequences: 0, waiting: 0, exchanges: 0 });
});

test('RFC 8613 4.1.3.6: the Inner No-Response is heeded, the Outer one is not', () => {
  const { client, send, wire } = serve((message, reply) =>
    reply.respond({ code: message.code === Method.PUT ? Code.Changed : Code.NotFound, options: [], payload: emptyBytes }),
  );
  const wish = (value: number) => [...pathOptions(['led']), uintOption(OptionNumber.NoResponse, value)];
  const silent = send(1, request(client, Method.PUT, wish(26), 'on'));
  assert.deepEqual(
    silent.map(({ suppress, payload, options }) => [suppress, payload.length, options.length]),
    [[true, 0, 0]],
  );
  assert.equal(send(2, request(client, Method.PUT, wish(8), 'on'))[0]!.suppress, undefined);
  assert.equal(send(3, request(client, Method.GET, wish(2)))[0]!.suppress, undefined);
  assert.equal(send(4, request(client, Method.GET, wish(8)))[0]!.suppress, true);
  const { message } = protectRequest(request(client, Method.PUT, pathOptions(['led']), 'on'), client, 5);
  const outer = {
    ...message,
    options: [...message.options.filter(({ number }) => number !== OptionNumber.NoResponse), uintOption(OptionNumber.NoResponse, 26)],
  };
  assert.equal(wire.inject(outer)[0]!.suppress, undefined);
});
