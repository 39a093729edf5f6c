import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CoapError,
  Code,
  decodeMessage,
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  encodeMessage,
  findOption,
  type Handler,
  type Layer,
  Method,
  OptionNumber,
  opaqueOption,
  type Peer,
  pathOptions,
  type Reply,
  type Response,
  type SecurityAssociation,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator, type SimulatorOptions } from '../../support/simulator.ts';

const here: Peer = { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 };
const content: Response = { code: Code.Content, options: [], payload: utf8('ok') };

function endpointWith(options: Omit<EndpointOptions, 'transport'> = {}, network: SimulatorOptions = {}) {
  const sim = new Simulator({ seed: 5, ...network });
  const events: EndpointEvent[] = [];
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('endpoint'), emit: (event) => events.push(event), ...options });
  const raw = new RawPeer(sim, '10.0.0.2', here);
  const isEmpty = async (): Promise<void> => {
    await sim.run();
    const left = Object.entries(endpoint.stats()).filter(([, count]) => count !== 0);
    assert.deepEqual(left, []);
    assert.equal(sim.pending, 0);
  };
  return { sim, endpoint, raw, events, isEmpty };
}

/** The parts of a datagram in hexadecimal: its type and token length, code, id, and what follows. */
function parts(hex: string) {
  return { head: hex.slice(0, 2), code: hex.slice(2, 4), id: hex.slice(4, 8), rest: hex.slice(8), message: decodeMessage(fromHex(hex)) };
}

/** The answer to a received request: type ACK with the same id and token. */
function piggyback(
  requestHex: string,
  change: Partial<{ id: number; token: Uint8Array; options: { number: number; value: Uint8Array }[]; code: number }> = {},
): string {
  const { id, token } = decodeMessage(fromHex(requestHex));
  return toHex(encodeMessage({ type: 2, code: Code.Content, id, token, options: [], payload: utf8('ok'), ...change }));
}

test('RFC 7252 5.4.1: an unknown critical option in a Confirmable request: 4.02 that names it; the handler does not see it', async () => {
  let calls = 0;
  const { raw, isEmpty, events } = endpointWith({ handler: () => calls++ });
  const [answer] = await raw.exchange('4101 1234 aa e0 2602');
  assert.equal(answer!.slice(0, 10), '61821234aa');
  assert.equal(new TextDecoder().decode(decodeMessage(fromHex(answer!)).payload), 'not understood: option 9999');
  assert.equal(calls, 0);
  assert.equal(events[0]!.type === 'discarded' && events[0]!.reason, 'option');
  await isEmpty();
});

test('RFC 7252 5.4.1: an unknown critical option in a Non-confirmable request: silence', async () => {
  let calls = 0;
  const { raw, isEmpty } = endpointWith({ handler: () => calls++ });
  assert.deepEqual(await raw.exchange('5101 1234 aa e0 2602'), []);
  assert.equal(calls, 0);
  await isEmpty();
});

test('RFC 7252 5.4.1: an unknown elective option is passed on and does no harm', async () => {
  const { raw } = endpointWith({ handler: (_request, reply) => reply.respond(content) });
  assert.deepEqual(await raw.exchange('4101 1234 aa e0 2601'), ['61451234aaff6f6b']);
});

test('RFC 7252 5.4.3: an elective option of a wrong length does not reach the handler', async () => {
  let seen: readonly { number: number }[] | undefined;
  const handler: Handler = (request, reply) => {
    seen = request.options;
    reply.respond(content);
  };
  const { raw } = endpointWith({ handler });
  await raw.exchange('4101 1234 aa c3 000000');
  assert.deepEqual(seen, []);
});

test('RFC 7252 5.4.1: an option of a layer that the endpoint does not have is not understood', async () => {
  let calls = 0;
  const handler: Handler = (_request, reply) => {
    calls++;
    reply.respond(content);
  };
  const { raw } = endpointWith({ handler });
  const [answer] = await raw.exchange('4102 1234 aa 90 ff 00');
  assert.equal(answer!.slice(0, 10), '61821234aa');
  assert.equal(calls, 0);
  const layer: Layer = { name: 'of a test', understands: [OptionNumber.Oscore], outbound: (next) => next, inbound: (next) => next };
  assert.deepEqual(await endpointWith({ handler, layers: [layer] }).raw.exchange('4102 1234 aa 90 ff 00'), ['61451234aaff6f6b']);
});

test('RFC 7252 5.10.2: Proxy-Uri or Proxy-Scheme: 5.05; the handler does not see it', async () => {
  let calls = 0;
  const { raw } = endpointWith({ handler: () => calls++ });
  assert.deepEqual(await raw.exchange('4101 1234 aa d9 16 636f61703a2f2f682f'), ['61a51234aa']);
  assert.deepEqual(await raw.exchange('4101 1235 ab d4 1a 636f6170'), ['61a51235ab']);
  assert.equal(calls, 0);
});

test('without a handler every request is answered by 4.04', async () => {
  const { raw } = endpointWith();
  assert.deepEqual(await raw.exchange('4101 1234 aa'), ['61841234aa']);
});

test('a handler that throws: 5.00 without detail, and an event', async () => {
  const { raw, events } = endpointWith({
    handler: () => {
      throw new Error('secret');
    },
  });
  assert.deepEqual(await raw.exchange('4101 1234 aa'), ['61a01234aa']);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['failed'],
  );
});

test('a response that cannot be encoded: 5.00, and an event', async () => {
  const options = [uintOption(OptionNumber.ContentFormat, 0), uintOption(OptionNumber.Observe, 0)];
  const { raw, events, isEmpty } = endpointWith({ handler: (_request, reply) => reply.respond({ ...content, options }) });
  assert.deepEqual(await raw.exchange('4101 1234 aa'), ['61a01234aa']);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['failed'],
  );
  await isEmpty();
});

test('only the first response counts', async () => {
  const { raw } = endpointWith({
    handler: (_request, reply) => {
      reply.respond(content);
      reply.respond({ ...content, code: Code.NotFound });
      reply.notify(content);
    },
  });
  assert.deepEqual(await raw.exchange('4101 1234 aa'), ['61451234aaff6f6b']);
});

test('RFC 7252 5.2.2: separate response: Confirmable, with the token, until it is acknowledged', async () => {
  let reply: Reply | undefined;
  const { sim, raw, isEmpty } = endpointWith({
    handler: (_request, later) => {
      reply = later;
    },
  });
  raw.send('4101 1234 aa');
  await sim.sleep(1000);
  assert.deepEqual(raw.received, ['60001234']);
  reply!.respond(content);
  await sim.sleep(4000);
  const [, first, second] = raw.received.map(parts);
  assert.deepEqual([first!.head, first!.code, first!.rest], ['41', '45', 'aaff6f6b']);
  assert.equal(raw.received[1], raw.received[2]);
  raw.send(`6000${second!.id}`);
  await sim.run();
  assert.equal(raw.received.length, 3);
  await isEmpty();
});

test('a handler that never answers is given up when the client does, and hears of it', async () => {
  let cancelled = 0;
  const { raw, isEmpty, endpoint } = endpointWith({ handler: (_request, reply) => reply.onCancel(() => cancelled++) });
  await raw.exchange('4101 1234 aa');
  assert.equal(endpoint.stats()['replies'], 1);
  await isEmpty();
  assert.equal(cancelled, 1);
});

test('unanswered requests are bounded: 5.03 beyond', async () => {
  const { raw } = endpointWith({ handler: () => {}, limits: { replies: 2 } });
  raw.send('4101 0001 01');
  raw.send('4101 0002 02');
  assert.deepEqual(await raw.exchange('4101 0003 03'), ['61a3000303']);
});

test('RFC 7967 2.1: No-Response: the response is left out, the acknowledgement is not', async () => {
  const handler: Handler = (request, reply) => reply.respond({ ...content, code: request.code === Method.GET ? Code.Content : Code.NotFound });
  const { raw, isEmpty } = endpointWith({ handler });
  assert.deepEqual(await raw.exchange('4101 1234 aa d1 f5 02'), ['60001234']);
  assert.deepEqual(await raw.exchange('4102 1235 aa d1 f5 02'), ['61841235aaff6f6b']);
  assert.deepEqual(await raw.exchange('4102 1236 aa d1 f5 1a'), ['60001236']);
  assert.deepEqual(await raw.exchange('5101 1237 aa d1 f5 02'), []);
  await isEmpty();
});

test('RFC 7252 5.3.2: a reply is accepted only from the endpoint that was asked', async () => {
  const { sim, endpoint, raw, isEmpty } = endpointWith();
  let response: Response | undefined;
  void endpoint.request({ peer: raw.peer, options: pathOptions(['a']) }).then((got) => {
    response = got;
  });
  await sim.sleep(50);
  const answer = piggyback(raw.received[0]!);
  const strangers = [new RawPeer(sim, '10.0.0.3', here), new RawPeer(sim, '10.0.0.2', here, 5684)];
  for (const stranger of strangers) {
    // A peer that is known for requests of its own.
    assert.equal((await stranger.exchange('4101 0001 01')).length, 1);
    assert.deepEqual(await stranger.exchange(answer), []);
    // The same as a separate response: rejected.
    assert.deepEqual(await stranger.exchange(`45${answer.slice(2, 4)}7777${answer.slice(8)}`), ['70007777']);
  }
  assert.equal(response, undefined);
  raw.send(answer);
  await sim.sleep(50);
  assert.equal(response!.peer!.key, raw.peer.key);
  await isEmpty();
});

test('RFC 7252 5.3.2: a piggybacked response needs the message id and the token, a separate one the token', async () => {
  const { sim, endpoint, raw, isEmpty } = endpointWith();
  const codes: number[] = [];
  const ask = (): void => {
    void endpoint.request({ peer: raw.peer }).then(({ code }) => codes.push(code));
  };
  ask();
  await sim.sleep(50);
  const request = raw.received[0]!;
  const { id, token } = decodeMessage(fromHex(request));
  await raw.exchange(piggyback(request, { id: (id + 1) & 0xffff }));
  for (let i = 0; i < token.length; i++) {
    const wrong = token.slice();
    wrong[i]! ^= 1;
    await raw.exchange(piggyback(request, { token: wrong }));
  }
  await raw.exchange(piggyback(request, { token: token.subarray(1) }));
  await raw.exchange(piggyback(request, { token: emptyBytes }));
  assert.deepEqual(codes, []);
  // A wrong token is rejected in silence, so the request goes on.
  await sim.sleep(3000);
  assert.deepEqual(raw.received, [request, request]);
  assert.deepEqual(await raw.exchange(toHex(encodeMessage({ type: 0, code: 69, id: 0x7777, token, options: [], payload: utf8('ok') }))), ['60007777']);
  assert.deepEqual(codes, [69]);
  // The separate response was taken for the acknowledgement, too.
  await sim.sleep(60_000);
  assert.equal(raw.received.length, 3);
  await isEmpty();
});

test('RFC 7252 5.3.2: an acknowledgement of one request does not carry the response to another', async () => {
  const { sim, endpoint, raw } = endpointWith({ parameters: { nstart: 2 } });
  const answered: number[] = [];
  for (const i of [0, 1]) void endpoint.request({ peer: raw.peer }).then(() => answered.push(i));
  await sim.sleep(50);
  const [first, second] = raw.received as [string, string];
  await raw.exchange(piggyback(first, { token: decodeMessage(fromHex(second)).token }));
  assert.deepEqual(answered, []);
  await raw.exchange(piggyback(second));
  assert.deepEqual(answered, [1]);
});

test('RFC 7252 5.2.2: the separate response may come before or after the Empty acknowledgement, Confirmable or not', async () => {
  for (const [type, ackFirst] of [
    [0, true],
    [0, false],
    [1, true],
    [1, false],
  ] as const) {
    const { sim, endpoint, raw, isEmpty } = endpointWith();
    const codes: number[] = [];
    void endpoint.request({ peer: raw.peer }).then(({ code }) => codes.push(code));
    await sim.sleep(50);
    const { id, token } = decodeMessage(fromHex(raw.received[0]!));
    const ack = toHex(encodeMessage({ type: 2, code: 0, id, token: emptyBytes, options: [], payload: emptyBytes }));
    const separate = toHex(encodeMessage({ type, code: 69, id: 0x7777, token, options: [], payload: emptyBytes }));
    if (ackFirst) {
      raw.send(ack);
      await sim.sleep(30_000);
      assert.equal(raw.received.length, 1);
    }
    raw.send(separate);
    if (!ackFirst) raw.send(ack);
    await sim.sleep(100);
    assert.deepEqual(codes, [69]);
    assert.deepEqual(raw.received.slice(1), type === 0 ? ['60007777'] : []);
    await isEmpty();
  }
});

test('a request that was acknowledged but never answered fails with ERR_COAP_TIMEOUT', async () => {
  const { sim, endpoint, raw, isEmpty } = endpointWith();
  raw.onDatagram = (hex) => raw.send(`6000${hex.slice(4, 8)}`);
  await assert.rejects(sim.finish(endpoint.request({ peer: raw.peer })), { code: 'ERR_COAP_TIMEOUT' });
  assert.ok(sim.now >= 247_000 && sim.now < 248_000);
  await isEmpty();
});

test('RFC 7252 5.4.1: an unknown critical option in a response: it is rejected and the request fails', async () => {
  const odd = [opaqueOption(9999, emptyBytes)];
  for (const separate of [false, true]) {
    const { sim, endpoint, raw, isEmpty } = endpointWith();
    raw.onDatagram = (hex) => {
      raw.onDatagram = undefined;
      const { token } = decodeMessage(fromHex(hex));
      raw.send(separate ? toHex(encodeMessage({ type: 0, code: 69, id: 0x7777, token, options: odd, payload: emptyBytes })) : piggyback(hex, { options: odd }));
    };
    await assert.rejects(sim.finish(endpoint.request({ peer: raw.peer })), { code: 'ERR_COAP_OPTION' });
    await sim.sleep(100);
    assert.deepEqual(raw.received.slice(1), separate ? ['70007777'] : []);
    await isEmpty();
  }
});

test('RFC 9175 4.2: a token is never used again', async () => {
  const { sim, endpoint, raw } = endpointWith({ parameters: { nstart: 1000 } });
  raw.onDatagram = (hex) => raw.send(piggyback(hex));
  for (let i = 0; i < 600; i++) void endpoint.request({ peer: raw.peer });
  await sim.sleep(100);
  const tokens = raw.received.map((hex) => decodeMessage(fromHex(hex)).token);
  assert.equal(tokens.length, 600);
  assert.equal(new Set(tokens.map(toHex)).size, 600);
  assert.deepEqual([tokens[0]!.length, tokens[255]!.length, tokens[256]!.length], [5, 5, 6]);
  // RFC 7252 §5.3.1: 32 bits of randomness, new for each.
  assert.ok(new Set(tokens.map((token) => toHex(token.subarray(0, 4)))).size > 590);
});

test('RFC 7252 4.2: a Reset fails the request', async () => {
  const { sim, endpoint, raw, isEmpty } = endpointWith();
  raw.onDatagram = (hex) => raw.send(`7000${hex.slice(4, 8)}`);
  await assert.rejects(sim.finish(endpoint.request({ peer: raw.peer })), (error) => error instanceof CoapError && error.code === 'ERR_COAP_RESET');
  await isEmpty();
});

test('a request that asks for protection which no layer gives is not sent', async () => {
  const { sim, endpoint, raw, isEmpty } = endpointWith();
  const association: SecurityAssociation = { kind: 'oscore', id: 'x', credential: undefined };
  await assert.rejects(sim.finish(endpoint.request({ peer: raw.peer, association })), { code: 'ERR_COAP_ASSOCIATION' });
  await isEmpty();
  assert.deepEqual(raw.received, []);
});

test('a request whose options cannot be encoded fails and leaves nothing', async () => {
  const { sim, endpoint, raw, isEmpty } = endpointWith();
  const options = [uintOption(OptionNumber.ContentFormat, 0), ...pathOptions(['a'])];
  await assert.rejects(sim.finish(endpoint.request({ peer: raw.peer, options })), { code: 'ERR_COAP_OPTION' });
  await isEmpty();
});

test('a Non-confirmable request: sent once, answered by token', async () => {
  const { sim, endpoint, raw, isEmpty } = endpointWith();
  raw.onDatagram = (hex) => {
    const { token } = decodeMessage(fromHex(hex));
    raw.send(toHex(encodeMessage({ type: 1, code: 69, id: 0x7777, token, options: [], payload: utf8('ok') })));
  };
  const response = await sim.finish(endpoint.request({ peer: raw.peer, nonConfirmable: true }));
  assert.equal(findOption(response.options, OptionNumber.Observe), undefined);
  assert.equal(raw.received.length, 1);
  assert.equal(raw.received[0]!.slice(0, 2), '55');
  await isEmpty();
});

/** Observe at a raw server that accepts, and wait for the renewal; the result is its datagram. */
async function renewed(nonConfirmable = false) {
  const all = endpointWith();
  const { sim, endpoint, raw } = all;
  const fresh = [uintOption(OptionNumber.Observe, 5), uintOption(OptionNumber.MaxAge, 1)];
  const answer = (hex: string, id: number, type: 0 | 1 | 2, text: string): string => {
    const { token } = decodeMessage(fromHex(hex));
    return toHex(encodeMessage({ type, code: Code.Content, id, token, options: fresh, payload: utf8(text) }));
  };
  const stream = endpoint.observe({ peer: raw.peer, options: pathOptions(['value']), nonConfirmable });
  await sim.sleep(100);
  raw.send(answer(raw.received[0]!, decodeMessage(fromHex(raw.received[0]!)).id, nonConfirmable ? 1 : 2, 'first'));
  await sim.finish(stream.next());
  await sim.run(() => raw.received.length > 1);
  return { ...all, stream, answer, renewal: raw.received[1]! };
}

test('RFC 7641 3.3.1: a notification that crosses a renewal does not stand for its acknowledgement', async () => {
  const { sim, endpoint, raw, stream, answer, renewal } = await renewed();
  raw.send(answer(renewal, 0x7001, 0, 'crossed'));
  assert.equal(new TextDecoder().decode((await sim.finish(stream.next())).value!.payload), 'crossed');
  // The renewal got lost: it is sent again.
  await sim.run(() => raw.received.at(-1) === renewal, 5000);
  assert.equal(endpoint.stats()['outstanding'], 1);
  raw.send(piggyback(renewal, { options: [uintOption(OptionNumber.Observe, 6), uintOption(OptionNumber.MaxAge, 100)] }));
  assert.equal(new TextDecoder().decode((await sim.finish(stream.next())).value!.payload), 'ok');
  assert.equal(endpoint.stats()['outstanding'], 0);
  await endpoint.close();
});

test('RFC 7641 3.3.1: after a notification, the Empty acknowledgement of a renewal starts no time in which another must come', async () => {
  const { sim, endpoint, raw, stream, answer, renewal } = await renewed();
  raw.send(answer(renewal, 0x7001, 0, 'crossed'));
  await sim.finish(stream.next());
  raw.send(`6000${renewal.slice(4, 8)}`);
  await sim.sleep(100);
  assert.equal(endpoint.stats()['outstanding'], 0);
  assert.equal(endpoint.stats()['requests'], 1);
  await endpoint.close();
});

test('RFC 7641 3.3.1: a Non-confirmable renewal has no acknowledgement to wait for', async () => {
  const { sim, endpoint, raw, stream, answer, renewal } = await renewed(true);
  assert.equal(endpoint.stats()['outstanding'], 1);
  raw.send(answer(renewal, 0x7001, 1, 'again'));
  await sim.finish(stream.next());
  assert.equal(endpoint.stats()['outstanding'], 0);
  await endpoint.close();
});
