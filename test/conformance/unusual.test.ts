import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  Code,
  decodeMessage,
  Endpoint,
  encodeMessage,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  Router,
  uintOf,
  uintOption,
  withOption,
} from '../../src/coap/index.ts';
import { isSameScope } from '../../src/conformance/as/tokens.ts';
import { empty } from '../../src/conformance/expect-message.ts';
import { type CaseResult, conformanceCases, type Patience, runCases, type Target } from '../../src/conformance/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import { systemEnv } from '../../src/core/env.ts';
import { Cookies } from '../../src/dtls/cookie.ts';
import { ContentType, decodeClientHello, decodeFragments, decodeRecords, encodeHandshake, encodePlaintextRecord, HandshakeType } from '../../src/dtls/index.ts';
import { encodeHelloVerifyRequest, encodeServerHello } from '../../src/dtls/messages.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { authorizationServer, check, env, patience as labPatience, resourceServer } from './lab.ts';
import { messages, sabotaged } from './saboteur.ts';
import { ownTarget, patience } from './target.ts';

/** What became of some cases, by their ids. */
function outcomesOf(results: readonly CaseResult[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    results.map(({ case: { id }, outcome, wanted, came, reason }) => [id, outcome === 'fail' ? `${wanted}: ${came}` : (reason ?? outcome)]),
  );
}

async function run(target: Target, ids: readonly string[], own: Partial<Patience> = patience): Promise<CaseResult[]> {
  const cases = conformanceCases.filter(({ id }) => ids.some((one) => id.startsWith(one)));
  const results: CaseResult[] = [];
  for await (const result of runCases(target, cases, { patience: own })) results.push(result);
  return results;
}

function accused(results: readonly CaseResult[]): readonly string[] {
  return results
    .filter(({ outcome }) => outcome === 'fail' || outcome === 'checker fault')
    .map(({ case: { id }, wanted, came, reason }) => `${id}: ${wanted}: ${came ?? reason}`);
}

/** A server on loopback that takes its time, so that its responses come in messages of their own. */
async function slowServer(t: TestContext): Promise<Target> {
  const router = new Router();
  let value = 'off';
  const later = <T>(give: () => T): Promise<T> => new Promise((resolve) => setTimeout(() => resolve(give()), 25));
  router.resource('/slow', {
    get: () => later(() => value),
    put: (request) => {
      const text = request.text();
      return later(() => {
        value = text;
        return undefined;
      });
    },
    attributes: { ct: 0 },
  });
  const transport = await udp({ port: 0 });
  const endpoint = new Endpoint({ transport, handler: router.handler, parameters: { ackTimeout: 300, ackRandomFactor: 1, ackDelay: 1 } });
  t.after(() => endpoint.close());
  return { coap: `coap://127.0.0.1:${transport.local.port}`, resources: { get: '/slow', put: '/slow', separate: '/slow' } };
}

test('RFC 7252 5.2.2: a target whose responses all come in messages of their own is accused of nothing', async (t) => {
  const results = await run(await slowServer(t), ['coap-', 'disc-', 'token-', 'echo-'], { ...patience, silence: 100, retransmission: 700 });
  assert.ok(results.length > 40);
  assert.deepEqual(accused(results), []);
});

test('RFC 7252 4.5: an Acknowledgement for each copy is what a server SHOULD send', () => {
  assert.equal(conformanceCases.find(({ id }) => id === 'coap-msg-03')?.level, 'SHOULD');
});

test('RFC 7641 4.5: a target that hears no Reset of a Non-confirmable notification is not accused', async (t) => {
  const server = await udp({ port: 0 });
  t.after(() => server.close());
  let id = 0;
  let observed: (() => void) | undefined;
  server.start((datagram, from) => {
    const { type, code, token, options, id: asked } = decodeMessage(datagram);
    if (type === MessageType.CON && code === 0) server.send(encodeMessage(empty(MessageType.RST, asked)), from);
    if (type !== MessageType.CON || code === 0) return;
    const isRegistration = uintOf(options, OptionNumber.Observe) === 0;
    const answer = { code: code === Method.GET ? Code.Content : Code.Changed, token, payload: emptyBytes };
    const observe = (): Option[] => [uintOption(OptionNumber.Observe, ++id)];
    server.send(encodeMessage({ ...answer, type: MessageType.ACK, id: asked, options: isRegistration ? observe() : [] }), from);
    if (isRegistration) observed = () => server.send(encodeMessage({ ...answer, type: MessageType.NON, options: observe(), id }), from);
    else if (code === Method.PUT) observed?.();
  });
  const target = { coap: `coap://127.0.0.1:${server.local.port}`, resources: { observe: '/led', change: '/led' } };
  assert.deepEqual(outcomesOf(await run(target, ['observe-03'])), { 'observe-03': 'the notification that was reset is Non-confirmable' });
});

test('RFC 7252 4.5: where a network makes two notifications of one, the target is not accused', async () => {
  const twice = messages(({ options }) => (options.some(({ number }) => number === OptionNumber.Observe) ? {} : undefined));
  const { target, close } = await ownTarget({ udp: { outgoing: (datagram) => [datagram, ...twice(datagram)] } });
  try {
    assert.deepEqual(accused(await run(target, ['observe-'])), []);
  } finally {
    await close();
  }
});

test('RFC 6347 4.2.1: a target whose cookies are good for an IP address, whatever the port, is not accused', async (t) => {
  const server = await udp({ port: 0 });
  t.after(() => server.close());
  const cookies = new Cookies(60_000, systemEnv);
  server.start((datagram, from) => {
    const [record] = decodeRecords(datagram).records;
    const [part] = record === undefined ? [] : (decodeFragments(record.fragment) ?? []);
    if (part?.type !== HandshakeType.client_hello) return;
    const hello = decodeClientHello(part.bytes);
    const { version, random } = hello;
    const isGood = cookies.accepts(hello, from.address);
    const body = isGood
      ? encodeServerHello({ version, random, sessionId: new Uint8Array(0), suite: hello.suites[0]!, compression: 0, extensions: new Map() })
      : encodeHelloVerifyRequest({ version: 0xfeff, cookie: cookies.create(hello, from.address) });
    const message = encodeHandshake({ type: isGood ? HandshakeType.server_hello : HandshakeType.hello_verify_request, sequence: part.sequence, body });
    server.send(encodePlaintextRecord(ContentType.handshake, record!.sequence, message), from);
  });
  const outcomes = outcomesOf(await run({ coaps: `coaps://127.0.0.1:${server.local.port}` }, ['dtls-hello-05']));
  // Elsewhere than on Linux a machine has no second address on loopback.
  assert.match(outcomes['dtls-hello-05']!, /^pass$|this machine has no/);
});

/** Cases that see a token end, by profile. */
const endings = [
  ['coap_oscore', ['rs-expiry-01', 'rs-osc-ctx-10', 'rs-osc-ctx-11']],
  ['coap_dtls', ['rs-expiry-01', 'rs-dtls-11']],
] as const;

for (const [profile, ids] of endings)
  test(`RFC 7519 4.1.4: a resource server of ${profile} with a leeway for clocks is not accused of tokens that end late`, async () => {
    const server = await resourceServer(profile, { leeway: 60 });
    try {
      const cases = conformanceCases.filter(({ id }) => (ids as readonly string[]).includes(id));
      const expected = 'the target takes tokens for a while after their end, as for clocks that do not agree';
      // An observation ends by the clock of the target 20 s of this world after the checker has given up.
      assert.deepEqual(outcomesOf(await check(server, cases)), Object.fromEntries(ids.map((id) => [id, expected])));
    } finally {
      await server.close();
    }
  });

for (const [ahead, expected] of [
  [5, 'pass'],
  [60, 'the clock of the target is so far ahead that it takes no token that is seen to end'],
] as const)
  for (const [profile, ids] of endings)
    test(`RFC 7519 4.1.4: a resource server of ${profile} whose clock is ${ahead} s ahead is not accused of tokens that end soon`, async () => {
      const server = await resourceServer(profile, { env: { ...env, epoch: () => env.epoch() + ahead } });
      try {
        const cases = conformanceCases.filter(({ id }) => (ids as readonly string[]).includes(id));
        assert.deepEqual(outcomesOf(await check(server, cases)), Object.fromEntries(ids.map((id) => [id, expected])));
      } finally {
        await server.close();
      }
    });

test('RFC 9200 8.1: a hint under a key for private use is no fault', async () => {
  const server = await resourceServer('coap_oscore', {
    transport: (transport) =>
      sabotaged(transport, {
        outgoing: messages(({ code, payload }) => {
          if (code !== Code.Unauthorized || payload.length === 0) return {};
          return { payload: encode(new Map([...(decode(payload) as unknown as ReadonlyMap<number, string>), [-70_000, 'x']])) };
        }),
      }),
  });
  try {
    const cases = conformanceCases.filter(({ id }) => id === 'rs-hints-02');
    assert.deepEqual(outcomesOf(await check(server, cases)), { 'rs-hints-02': 'pass' });
  } finally {
    await server.close();
  }
});

test('RFC 9200 5.8.2: an authorization server whose clock is not that of the checker is not accused of the end of its tokens', async () => {
  const { target, close } = await authorizationServer('oscore');
  try {
    const results: CaseResult[] = [];
    const behind = { ...env, epoch: () => env.epoch() - 300 };
    const cases = conformanceCases.filter(({ id }) => id === 'as-token-11');
    for await (const result of runCases(target, cases, { patience: labPatience, env: behind })) results.push(result);
    assert.deepEqual(outcomesOf(results), { 'as-token-11': 'pass' });
  } finally {
    await close();
  }
});

test('RFC 6749 3.3: the order of the words of a scope says nothing', () => {
  assert.ok(isSameScope('a b', 'b a'));
  assert.ok(!isSameScope('a b', 'a'));
  assert.ok(!isSameScope('a b', 'a c'));
  assert.ok(isSameScope(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert.ok(!isSameScope(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
});

/** A server behind OSCORE, with what stands between it and the network. */
async function oscoreTarget(t: TestContext, secret: number, meddle: Parameters<typeof messages>[0], doubled: () => boolean = () => false): Promise<Target> {
  const keys = { masterSecret: new Uint8Array(16).fill(secret), senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2) };
  const contexts = new ContextTable();
  contexts.add(deriveContext({ ...keys, senderId: keys.recipientId, recipientId: keys.senderId }));
  const store = memoryStore();
  const router = new Router();
  router.resource('/hello', { get: () => (doubled() ? { code: Code.BadOption } : 'Hello World!') });
  const transport = sabotaged(await udp({ port: 0 }), { incoming: messages(meddle) });
  const endpoint = new Endpoint({
    transport,
    handler: router.handler,
    layers: [oscore({ contexts, store: { reserve: (key, count) => store.increment(key, count) }, env: systemEnv })],
  });
  t.after(() => endpoint.close());
  return { coap: `coap://127.0.0.1:${transport.local.port}`, oscore: { contexts: [{ ...keys, firstSequence: 0 }], resources: { get: '/hello' } } };
}

test('RFC 8613 5.3: a target that is silent where a plaintext is no CoAP message is not accused', async (t) => {
  // The longest that is none is 2 bytes, beside the tag of 8.
  const target = await oscoreTarget(t, 0x51, ({ payload, code }) => (code === Method.POST && payload.length <= 10 ? undefined : {}));
  assert.deepEqual(outcomesOf(await run(target, ['oscore-18'], { ...patience, answer: 200 })), { 'oscore-18': 'pass' });
});

test('RFC 7252 5.4.5: a target that protects its refusal of a second OSCORE option is not accused', async (t) => {
  let isDoubled = false;
  const target = await oscoreTarget(
    t,
    0x52,
    ({ options }) => {
      const found = options.filter(({ number }) => number === OptionNumber.Oscore);
      isDoubled = found.length > 1;
      return isDoubled ? { options: withOption(options, found[0]!) } : {};
    },
    () => isDoubled,
  );
  assert.deepEqual(outcomesOf(await run(target, ['oscore-dec-13'])), { 'oscore-dec-13': 'pass' });
  isDoubled = false;
});
