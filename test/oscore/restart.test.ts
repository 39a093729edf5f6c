import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, findOption, Method, OptionNumber, opaqueOption, type Request, type Response, uintOption } from '../../src/coap/index.ts';
import { fromHex, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { decodeOscoreOption, protectRequest, type SecurityContext, unprotectResponse } from '../../src/oscore/index.ts';
import { answering, FakeStore, pair, request, Side, settle, Wire } from './support.ts';

/** A server that starts (again) with the same keys and the same store. */
function start(store: FakeStore, onVerified?: () => void) {
  const { client, server } = pair({}, { window: 'unverified', ...(onVerified === undefined ? {} : { onVerified }) });
  const side = new Side([server], store);
  const seen: Request[] = [];
  return { client, server, side, seen, wire: new Wire(new Side([]).layer, side.layer, answering('ok', seen)) };
}

function withEcho(client: SecurityContext, echo: Uint8Array, sequence: number) {
  return protectRequest(request(client, Method.GET, [opaqueOption(OptionNumber.Echo, echo)]), client, sequence);
}

async function challenged(
  wire: Wire,
  client: SecurityContext,
  sequence: number,
): Promise<{ answer: Response; echo: Uint8Array; sequence: number | undefined }> {
  const { message, binding } = protectRequest(request(client), client, sequence);
  const answers = wire.inject(message);
  await settle();
  assert.equal(answers.length, 1);
  const { response, sequence: own } = unprotectResponse(answers[0]!, client, binding);
  assert.equal(response.code, Code.Unauthorized);
  assert.deepEqual(
    response.options.map(({ number }) => number),
    [OptionNumber.Echo],
    'only the Echo option',
  );
  assert.equal(response.payload.length, 0);
  return { answer: answers[0]!, echo: response.options[0]!.value, sequence: own };
}

test('RFC 8613 B.1.2: the first request is answered with a protected Echo under a new Partial IV, and not processed', async () => {
  const store = new FakeStore();
  const { client, server, side, seen, wire } = start(store);
  store.counters.set(server.senderKeyId, 640);
  const { answer, echo, sequence } = await challenged(wire, client, 70);
  assert.equal(answer.code, Code.Changed);
  assert.equal(sequence, 640);
  assert.equal(decodeOscoreOption(findOption(answer.options, OptionNumber.Oscore)!.value).partialIv?.length, 2);
  assert.equal(echo.length, 8);
  assert.equal(seen.length, 0);
  assert.equal(server.window.highest, -1);
  assert.deepEqual(side.discarded, ['unverified']);
});

test('RFC 8613 B.1.2: a request that shows the Echo is processed and is the lower limit of the window', async () => {
  const { client, server, side, seen, wire } = start(new FakeStore());
  const { echo } = await challenged(wire, client, 70);
  const before = protectRequest(request(client), client, 60).message;
  const { message, binding } = withEcho(client, echo, 71);
  const [answer] = wire.inject(message);
  assert.equal(fromUtf8(unprotectResponse(answer!, client, binding).response.payload), 'ok');
  assert.equal(seen.length, 1);
  assert.equal(server.window.highest, 71);
  assert.ok(side.events.some(({ type }) => type === 'restored'));
  for (const old of [message, before, protectRequest(request(client), client, 70).message])
    assert.equal(fromUtf8(wire.inject(old)[0]!.payload), 'Replay detected');
  assert.equal(wire.inject(protectRequest(request(client), client, 72).message)[0]!.code, Code.Changed);
  assert.equal(seen.length, 2);
});

test('RFC 8613 B.1.2: requests from before the restart are not processed, in any order', async () => {
  const store = new FakeStore();
  const first = start(store);
  const { echo } = await challenged(first.wire, first.client, 0);
  const recorded = [
    withEcho(first.client, echo, 1).message,
    ...[2, 3, 4].map((sequence) => protectRequest(request(first.client), first.client, sequence).message),
  ];
  for (const message of recorded) first.wire.inject(message);
  assert.equal(first.seen.length, 4);

  const second = start(store);
  // The second server draws another Echo value than the first.
  second.server.challenge = fromHex('ffffffffffffffff');
  for (const message of [...recorded, ...recorded].reverse()) {
    second.wire.inject(message);
    await settle();
  }
  assert.equal(second.seen.length, 0);
  assert.equal(second.wire.inject(withEcho(second.client, fromHex('ffffffffffffffff'), 9).message)[0]!.code, Code.Changed);
  for (const message of recorded) assert.equal(second.wire.inject(message)[0]!.code, Code.Unauthorized);
  assert.equal(second.seen.length, 1);
});

test('RFC 8613 B.1.2: no Partial IV of a challenge is used twice, over restarts', async () => {
  const store = new FakeStore();
  const used: (number | undefined)[] = [];
  for (let restart = 0; restart < 5; restart++) {
    const { client, wire } = start(store);
    for (let i = 0; i < 3; i++) used.push((await challenged(wire, client, i)).sequence);
  }
  assert.equal(new Set(used).size, used.length);
});

test('RFC 9175 2.3: a wrong Echo is answered with a challenge again', async () => {
  const { client, server, seen, wire } = start(new FakeStore());
  const guess = withEcho(client, fromHex('0000000000000000'), 0);
  const [early] = await (async () => {
    const answers = wire.inject(guess.message);
    await settle();
    return answers;
  })();
  assert.equal(unprotectResponse(early!, client, guess.binding).response.code, Code.Unauthorized, 'before any challenge was made');
  const { echo } = await challenged(wire, client, 1);
  for (const wrong of [echo.subarray(1), Uint8Array.of(...echo, 0), echo.map((byte) => byte ^ 1)]) {
    const { message, binding } = withEcho(client, wrong, 2);
    const answers = wire.inject(message);
    await settle();
    assert.equal(unprotectResponse(answers[0]!, client, binding).response.code, Code.Unauthorized);
  }
  assert.equal(seen.length, 0);
  assert.ok(server.unverified);
});

test('RFC 8613 B.1.2: several clients of one context that are challenged at once all pass, in any order, once', async () => {
  const { client, seen, wire } = start(new FakeStore());
  const echoes: Uint8Array[] = [];
  for (const sequence of [10, 11, 12]) echoes.push((await challenged(wire, client, sequence)).echo);
  const shown = [14, 13, 15].map((sequence, i) => withEcho(client, echoes[i]!, sequence).message);
  for (const message of shown) assert.equal(wire.inject(message)[0]!.code, Code.Changed);
  for (const message of shown) assert.equal(wire.inject(message)[0]!.code, Code.Unauthorized);
  assert.equal(seen.length, 3);
  // Below the lower limit only the Echo helps, and not below the window.
  assert.equal(wire.inject(protectRequest(request(client), client, 12).message)[0]!.code, Code.Unauthorized);
  assert.equal(wire.inject(withEcho(client, fromHex('00'), 12).message)[0]!.code, Code.Unauthorized);
  wire.inject(protectRequest(request(client), client, 100).message);
  assert.equal(wire.inject(withEcho(client, echoes[0]!, 12).message)[0]!.code, Code.Unauthorized);
  assert.equal(seen.length, 4);
});

test('RFC 8613 8.2: before the window is restored, what does not verify is 4.00, and nothing is challenged', async () => {
  const { client, wire, side } = start(new FakeStore());
  const { message } = protectRequest(request(client), client, 0);
  const answers = wire.inject({ ...message, payload: message.payload.map((byte) => byte ^ 1) });
  await settle();
  assert.deepEqual(answers, [{ code: Code.BadRequest, options: [uintOption(OptionNumber.MaxAge, 0)], payload: utf8('Decryption failed') }]);
  assert.equal(side.layer.stats()['sequences'], 0);
});

test('onVerified waits for a request that is known to be new', async () => {
  let verified = 0;
  const { client, wire } = start(new FakeStore(), () => verified++);
  const { echo } = await challenged(wire, client, 0);
  assert.equal(verified, 0);
  wire.inject(withEcho(client, echo, 1).message);
  assert.equal(verified, 1);
});

test('a store that fails: the challenge is an unprotected 5.03, and the next request is challenged', async () => {
  const store = new FakeStore();
  store.failing = true;
  const { client, wire, seen } = start(store);
  const answers = wire.inject(protectRequest(request(client), client, 0).message);
  await settle();
  assert.equal(answers[0]!.code, Code.ServiceUnavailable);
  assert.equal(findOption(answers[0]!.options, OptionNumber.Oscore), undefined);
  store.failing = false;
  await challenged(wire, client, 0);
  assert.equal(seen.length, 0);
});
