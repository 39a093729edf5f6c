import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CoapFormatError,
  Code,
  decodeMessage,
  Endpoint,
  type EndpointOptions,
  encodeMessage,
  type Message,
  MessageType,
  OptionNumber,
  type Response,
  StatelessTokens,
  statelessTokenCost,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';

const extended = { extendedTokens: true } as const;

function message(tokenLength: number): Message {
  const token = Uint8Array.from({ length: tokenLength }, (_, i) => i);
  return { type: MessageType.CON, code: 1, id: 0x1234, token, options: [{ number: 11, value: utf8('a') }], payload: utf8('p') };
}

function refused(hex: string, format = {}): void {
  assert.throws(
    () => decodeMessage(fromHex(hex), format),
    (error) => error instanceof CoapFormatError && error.type === MessageType.CON && error.id === 0x1234,
    hex,
  );
}

describe('RFC 8974 2.1: the TKL field', () => {
  test('a token of any length survives encoding and decoding', () => {
    for (const length of [0, 8, 9, 12, 13, 14, 268, 269, 270, 1000, 65_804]) {
      const bytes = encodeMessage(message(length), extended);
      assert.deepEqual(decodeMessage(bytes, extended), message(length));
      assert.equal(bytes.length, 4 + (length < 13 ? 0 : length < 269 ? 1 : 2) + length + 2 + 2);
    }
    assert.throws(() => encodeMessage(message(65_805), extended), { code: 'ERR_COAP_TOKEN' });
  });

  test('12 in the header, 13 and 14 before the token', () => {
    assert.equal(toHex(encodeMessage(message(12), extended)).slice(0, 10), '4c01123400');
    assert.equal(toHex(encodeMessage(message(13), extended)).slice(0, 12), '4d0112340000');
    assert.equal(toHex(encodeMessage(message(268), extended)).slice(0, 12), '4d011234ff00');
    assert.equal(toHex(encodeMessage(message(269), extended)).slice(0, 14), '4e011234000000');
  });

  test('15 is a format error, and so is a length over the end of the datagram', () => {
    for (const hex of [
      '4f011234',
      '4f011234000102030405060708090a0b0c0d0e',
      '4d011234',
      '4d01123400',
      '4d011234ff0001',
      '4e011234',
      '4e01123400',
      '4e0112340000',
      '4e011234ffff00',
      '4c01123400',
      '4d00123400000102030405060708090a0b0c',
    ])
      refused(hex, extended);
  });

  test('without the extension 9 to 15 are format errors', () => {
    for (let tkl = 9; tkl <= 15; tkl++) refused(`4${tkl.toString(16)}011234${'00'.repeat(20)}`);
    assert.throws(() => encodeMessage(message(9)), { code: 'ERR_COAP_TOKEN' });
  });
});

/** A server and a raw peer that speaks to it. */
function serverOf(options: Partial<EndpointOptions> = {}) {
  const sim = new Simulator({ seed: 5 });
  const server = new Endpoint({
    transport: sim.transport('10.0.0.1', 5683),
    env: sim.env('server'),
    handler: (_request, reply) => reply.respond({ code: Code.Content, options: [], payload: utf8('ok') }),
    ...options,
  });
  const raw = new RawPeer(sim, '10.0.0.9', sim.peer('10.0.0.1', 5683));
  return { sim, server, raw };
}

describe('RFC 8974 2.2.2: a server', () => {
  test('echoes a token up to what it takes, and a duplicate gets the same reply', async () => {
    const { raw } = serverOf({ extendedTokens: { accept: 40 } });
    for (const length of [9, 13, 40]) {
      const request = toHex(encodeMessage({ ...message(length), id: length }, extended));
      const [reply] = await raw.exchange(request);
      const { token, code } = decodeMessage(fromHex(reply!), extended);
      assert.equal(code, Code.Content);
      assert.deepEqual(token, message(length).token);
      assert.deepEqual(await raw.exchange(request), [reply]);
    }
  });

  test('answers a longer one with 4.00 and the token, never with a Reset', async () => {
    const { raw } = serverOf({ extendedTokens: { accept: 40 } });
    for (const length of [41, 300]) {
      const [reply] = await raw.exchange(toHex(encodeMessage({ ...message(length), id: length }, extended)));
      const { type, code, token } = decodeMessage(fromHex(reply!), extended);
      assert.equal(type, MessageType.ACK);
      assert.equal(code, Code.BadRequest);
      assert.equal(token.length, length);
    }
  });

  test('without the extension rejects with a Reset; TKL 15 is rejected always', async () => {
    assert.deepEqual(await serverOf().raw.exchange(toHex(encodeMessage(message(13), extended))), ['70001234']);
    const { raw } = serverOf({ extendedTokens: {} });
    assert.deepEqual(await raw.exchange('4f011234'), ['70001234']);
    assert.deepEqual(await raw.exchange('4e011234ffff'), ['70001234']);
  });

  test('wrong parameters', () => {
    for (const extendedTokens of [{ accept: 7 }, { accept: 65_805 }, { lifetime: 0 }, { peers: 0 }])
      assert.throws(() => serverOf({ extendedTokens }), { code: 'ERR_COAP_PARAMETER' });
    assert.throws(() => serverOf({ stateless: { response: () => {} } }), { code: 'ERR_COAP_PARAMETER' });
    assert.throws(() => serverOf({ extendedTokens: {}, stateless: { response: () => {}, window: 0 } }), { code: 'ERR_COAP_PARAMETER' });
  });
});

/** A client and the raw peer that answers it; `stateless` collects what comes back. */
function clientOf(extendedTokens: EndpointOptions['extendedTokens'] = {}, lifetime = 60_000) {
  const sim = new Simulator({ seed: 6 });
  const heard: { response: Response; state: string }[] = [];
  const client = new Endpoint({
    transport: sim.transport('10.0.0.1', 5683),
    env: sim.env('client'),
    ...(extendedTokens === undefined ? {} : { extendedTokens }),
    ...(extendedTokens === undefined ? {} : { stateless: { lifetime, response: (response, state) => heard.push({ response, state: fromUtf8(state) }) } }),
  });
  const raw = new RawPeer(sim, '10.0.0.9', sim.peer('10.0.0.1', 5683));
  const sent = (): Message => decodeMessage(fromHex(raw.received.at(-1)!), extended);
  const reply = (fields: Partial<Message>, to = sent()): void =>
    raw.send(
      toHex(encodeMessage({ type: MessageType.ACK, code: Code.NotFound, id: to.id, token: to.token, options: [], payload: emptyBytes, ...fields }, extended)),
    );
  return { sim, client, raw, heard, sent, reply };
}

describe('RFC 8974 2.2.2: discovery by trial and error', () => {
  test('a Confirmable GET with If-None-Match and the longest token; any response with the token means support', async () => {
    const { sim, client, raw, sent, reply } = clientOf();
    const asked = client.discoverTokenLength(raw.peer, 40);
    await sim.run(() => raw.received.length === 1);
    const { type, code, token, options } = sent();
    assert.equal(type, MessageType.CON);
    assert.equal(code, 1);
    assert.equal(token.length, 40);
    assert.deepEqual(options, [{ number: OptionNumber.IfNoneMatch, value: emptyBytes }]);
    reply({ code: Code.PreconditionFailed });
    assert.equal(await sim.finish(asked), 40);
    // It is remembered, for a time.
    assert.equal(await client.discoverTokenLength(raw.peer, 30), 40);
    assert.equal(raw.received.length, 1);
    assert.equal(client.stats()['tokenSupport'], 1);
    await sim.sleep(1_800_000);
    assert.equal(client.stats()['tokenSupport'], 0);
  });

  test('a Reset means that it has none, and that is remembered', async () => {
    const { sim, client, raw, sent } = clientOf();
    raw.onDatagram = () => raw.send(`7000${sent().id.toString(16).padStart(4, '0')}`);
    assert.equal(await sim.finish(client.discoverTokenLength(raw.peer, 40)), 8);
    assert.equal(await client.discoverTokenLength(raw.peer, 40), 8);
    assert.equal(raw.received.length, 1);
  });

  test('4.00: too long for it; 5.03: not now; what was known before stays', async () => {
    const { sim, client, raw, reply } = clientOf();
    raw.onDatagram = () => reply({ code: Code.ServiceUnavailable });
    assert.equal(await sim.finish(client.discoverTokenLength(raw.peer, 20)), 8);
    assert.equal(client.stats()['tokenSupport'], 0);
    raw.onDatagram = () => reply({});
    assert.equal(await sim.finish(client.discoverTokenLength(raw.peer, 20)), 20);
    raw.onDatagram = () => reply({ code: Code.BadRequest });
    assert.equal(await sim.finish(client.discoverTokenLength(raw.peer, 40)), 20);
  });

  test('silence is an error, and nothing is learnt', async () => {
    const { sim, client, raw } = clientOf();
    await assert.rejects(sim.finish(client.discoverTokenLength(raw.peer, 40)), { code: 'ERR_COAP_TIMEOUT' });
    assert.equal(client.stats()['tokenSupport'], 0);
    await assert.rejects(client.discoverTokenLength(raw.peer, 65_805), { code: 'ERR_COAP_TOKEN' });
    await assert.rejects(serverOf().server.discoverTokenLength(raw.peer, 20), { code: 'ERR_COAP_TOKEN' });
  });

  test('the memory of peers is bounded', async () => {
    const { sim, client } = clientOf({ peers: 3 });
    for (let i = 0; i < 10; i++) {
      const raw = new RawPeer(sim, `10.0.1.${i}`, sim.peer('10.0.0.1', 5683));
      raw.onDatagram = (hex) => raw.send(`7000${hex.slice(4, 8)}`);
      await sim.finish(client.discoverTokenLength(raw.peer, 40));
      assert.ok(client.stats()['tokenSupport']! <= 3);
    }
  });
});

describe('RFC 8974 3: a stateless client', () => {
  /** A client that has found out that the peer takes tokens of 40 bytes. */
  async function ready() {
    const parties = clientOf();
    const { sim, client, raw, reply } = parties;
    raw.onDatagram = () => reply({});
    await sim.finish(client.discoverTokenLength(raw.peer, 40));
    raw.onDatagram = undefined;
    const ask = async (state: string, nonConfirmable = true): Promise<Message> => {
      client.requestStateless({ peer: raw.peer, nonConfirmable }, utf8(state));
      await sim.sleep(50);
      return parties.sent();
    };
    return { ...parties, ask };
  }

  test('3.2: support is found out first, by a request with state', async () => {
    const { client, raw } = clientOf();
    assert.throws(() => client.requestStateless({ peer: raw.peer }, utf8('x')), { code: 'ERR_COAP_TOKEN' });
    assert.equal(raw.received.length, 0);
    const later = await ready();
    assert.throws(() => later.client.requestStateless({ peer: later.raw.peer }, new Uint8Array(40)), { code: 'ERR_COAP_TOKEN' });
  });

  test('the state comes back with the response, and no request is kept', async () => {
    const { client, sim, heard, reply, ask, raw } = await ready();
    const first = await ask('one');
    assert.equal(first.type, MessageType.NON);
    assert.equal(first.token.length, statelessTokenCost + 3);
    assert.equal(client.stats()['requests'], 0);
    reply({ type: MessageType.NON, id: 1, code: Code.Content, payload: utf8('21') });
    await sim.sleep(50);
    assert.deepEqual(
      heard.map(({ state, response }) => [state, fromUtf8(response.payload), response.peer?.key]),
      [['one', '21', raw.peer.key]],
    );
    assert.equal(client.stats()['outstanding'], 0);
  });

  test('3.1: a replayed, forged, late or foreign token is not taken', async () => {
    const { sim, heard, reply, ask, raw } = await ready();
    const request = await ask('one');
    const forged = request.token.slice();
    forged[forged.length - 1]! ^= 1;
    raw.onDatagram = undefined;
    const before = raw.received.length;
    reply({ type: MessageType.CON, id: 1, token: forged }, request);
    reply({ type: MessageType.CON, id: 2 }, request);
    // Of the same request once more, in a message of its own.
    reply({ type: MessageType.CON, id: 3 }, request);
    await sim.sleep(50);
    assert.equal(heard.length, 1);
    assert.deepEqual(raw.received.slice(before), ['70000001', '60000002', '70000003']);
    const late = await ask('two');
    await sim.sleep(61_000);
    reply({ type: MessageType.NON, id: 4 }, late);
    const other = new RawPeer(sim, '10.0.0.8', sim.peer('10.0.0.1', 5683));
    const third = await ask('three');
    other.send(toHex(encodeMessage({ ...third, type: MessageType.NON, code: Code.Content, options: [] }, extended)));
    await sim.sleep(50);
    assert.equal(heard.length, 1);
  });

  test('3.3: a piggybacked response; when its token is not taken its acknowledgement is', async () => {
    const { client, sim, heard, reply, ask, raw } = await ready();
    const good = await ask('one', false);
    reply({}, good);
    await sim.sleep(50);
    assert.equal(heard.length, 1);
    const bad = await ask('two', false);
    const before = raw.received.length;
    reply({ token: bad.token.slice(1) }, bad);
    await sim.sleep(60_000);
    assert.equal(raw.received.length, before);
    assert.equal(heard.length, 1);
    assert.equal(client.stats()['outstanding'], 0);
  });

  test('4.1: no Observe; no protection that nothing would give', async () => {
    const { client, raw } = await ready();
    assert.throws(() => client.requestStateless({ peer: raw.peer, options: [{ number: OptionNumber.Observe, value: emptyBytes }] }, emptyBytes), {
      code: 'ERR_COAP_REQUEST',
    });
    assert.throws(() => client.requestStateless({ peer: raw.peer, association: { kind: 'x', id: 'x', credential: undefined } }, emptyBytes), {
      code: 'ERR_COAP_ASSOCIATION',
    });
    await client.close();
    assert.throws(() => client.requestStateless({ peer: raw.peer }, emptyBytes), { code: 'ERR_COAP_CLOSED' });
  });

  test('3.1: tokens by themselves: each once, within a window, for one endpoint', () => {
    const sim = new Simulator();
    const tokens = new StatelessTokens(sim.env('a'), { window: 4 });
    const sealed = Array.from({ length: 6 }, (_, i) => tokens.seal(utf8(`s${i}`), 'peer'));
    assert.deepEqual(
      sealed.map((token) => tokens.open(token, 'peer')).map((state) => (state === undefined ? undefined : fromUtf8(state))),
      [undefined, undefined, 's2', 's3', 's4', 's5'],
    );
    assert.ok(sealed.every((token) => tokens.open(token, 'peer') === undefined));
    const next = tokens.seal(emptyBytes, 'peer');
    assert.equal(tokens.open(next, 'other'), undefined);
    assert.equal(new StatelessTokens(sim.env('b')).open(next, 'peer'), undefined);
    assert.equal(tokens.open(next.subarray(1), 'peer'), undefined);
    assert.equal(tokens.open(emptyBytes, 'peer'), undefined);
    assert.deepEqual(tokens.open(next, 'peer'), emptyBytes);
    // The state is not there to be read, nor that two are the same.
    const [one, two] = [tokens.seal(utf8('secret'), 'peer'), tokens.seal(utf8('secret'), 'peer')];
    assert.ok(!toHex(one).includes(toHex(utf8('secret'))));
    assert.notDeepEqual(one.subarray(4), two.subarray(4));
  });
});
