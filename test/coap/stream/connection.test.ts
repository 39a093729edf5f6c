import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  baseMessageSize,
  CoapError,
  Code,
  defaultStreamLimits,
  emptyOption,
  encodeRelease,
  Method,
  readUint,
  SignalingCode,
  SignalingOption,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { assertAborted, Bench, maxMessageSize, nobody } from './bench.ts';

test('RFC 8323 3.3: a CSM is the first message of both sides', () => {
  const bench = new Bench();
  const wire = bench.accept();
  const [csm] = wire.take();
  assert.equal(csm!.code, SignalingCode.CSM);
  assert.deepEqual(
    csm!.options.map(({ number, value }) => [number, readUint(value)]),
    [
      [SignalingOption.MaxMessageSize, maxMessageSize],
      [SignalingOption.BlockWiseTransfer, 0],
    ],
  );
  wire.say(SignalingCode.CSM);
  wire.say(Method.GET, [], fromHex('01'));
  assert.equal(bench.requests.length, 1);
});

for (const [what, code] of [
  ['a request', Method.GET],
  ['a response', Code.Content],
  ['a Ping', SignalingCode.Ping],
  ['a Pong', SignalingCode.Pong],
  ['a Release', SignalingCode.Release],
] as const) {
  test(`RFC 8323 3.3: ${what} before the CSM ends the connection`, () => {
    const bench = new Bench();
    const wire = bench.accept();
    wire.say(code);
    assertAborted(bench, wire, 'ERR_COAP_SIGNALING');
    assert.equal(bench.requests.length + bench.responses.length, 0);
    wire.say(Method.GET);
    assert.equal(bench.requests.length, 0);
  });
}

test('RFC 8323 3.3: a CSM that does not come in time ends the connection, Empty messages or not', async () => {
  const bench = new Bench();
  const wire = bench.accept();
  wire.say(0);
  await bench.sim.sleep(defaultStreamLimits.handshake + 1);
  assertAborted(bench, wire, 'ERR_COAP_TIMEOUT');
});

test('RFC 8323 3.3: the initiator sends its CSM without waiting, and requests once it knows what the acceptor takes', () => {
  const bench = new Bench();
  const peer = bench.peer();
  bench.messaging.transmit(peer, true, fromHex('01'), { code: Method.GET, options: [], payload: emptyBytes }, 0, nobody);
  const [wire] = bench.dialled;
  assert.deepEqual(wire!.take(), []);
  wire!.listener!.opened();
  assert.deepEqual(
    wire!.take().map(({ code }) => code),
    [SignalingCode.CSM],
  );
  wire!.say(SignalingCode.CSM);
  assert.deepEqual(
    wire!.take().map(({ code, token }) => [code, toHex(token)]),
    [[Method.GET, '01']],
  );
  bench.messaging.transmit(peer, true, fromHex('02'), { code: Method.GET, options: [], payload: emptyBytes }, 0, nobody);
  assert.equal(wire!.take().length, 1);
  assert.equal(bench.dialled.length, 1);
});

test('RFC 8323 5.3.1: the base value is 1152, options are cumulative, and the peer gets nothing larger', () => {
  const bench = new Bench();
  const wire = bench.ready();
  const ask = (): void => wire.say(Method.GET, [], fromHex('01'));
  ask();
  assert.equal(baseMessageSize, 1152);
  // Header with Extended Length, token and marker take 2 + 2 + 1 + 1 bytes.
  assert.throws(
    () => bench.answer(0, new Uint8Array(1152 - 5)),
    (error) => error instanceof CoapError && error.code === 'ERR_COAP_MESSAGE_SIZE',
  );
  bench.answer(0, new Uint8Array(1152 - 6));
  wire.say(SignalingCode.CSM, [uintOption(SignalingOption.MaxMessageSize, 100)]);
  wire.say(SignalingCode.CSM, [emptyOption(SignalingOption.BlockWiseTransfer)]);
  ask();
  assert.throws(() => bench.answer(1, new Uint8Array(100)), CoapError);
  bench.answer(1, new Uint8Array(80));
  assert.equal(wire.take().length, 2);
});

test('RFC 8323 5.3.1: what is larger than our own value ends the connection before it is held', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.listener!.received(fromHex('f0ffffffff'));
  assertAborted(bench, wire, 'ERR_COAP_MESSAGE_SIZE');
});

for (const [what, options, bad] of [
  ['a critical option that nobody knows', [uintOption(3, 1)], 3],
  ['Max-Message-Size of 5 bytes', [{ number: SignalingOption.MaxMessageSize, value: new Uint8Array(5) }], 2],
  ['Max-Message-Size too small for any answer', [uintOption(SignalingOption.MaxMessageSize, 8)], 2],
  ['Block-Wise-Transfer with a value', [uintOption(SignalingOption.BlockWiseTransfer, 1)], 4],
] as const) {
  test(`RFC 8323 5.6: ${what} in a CSM is answered by an Abort that names it`, () => {
    const bench = new Bench();
    const wire = bench.accept();
    wire.say(SignalingCode.CSM, options);
    assertAborted(bench, wire, 'ERR_COAP_SIGNALING', bad);
  });
}

for (const [what, code] of Object.entries(SignalingCode).filter(([name]) => name !== 'Abort')) {
  test(`RFC 8323 5.2: a critical option ends the connection, an elective one is ignored: ${what}`, () => {
    const bench = new Bench();
    const wire = bench.ready();
    wire.say(code, [uintOption(60, 1)]);
    assert.equal(bench.lost.length, code === SignalingCode.Release ? 1 : 0);
    const again = new Bench();
    const other = again.ready();
    other.say(code, [uintOption(61, 1)]);
    assertAborted(again, other, 'ERR_COAP_SIGNALING', code === SignalingCode.CSM ? 61 : undefined);
  });
}

test('RFC 8323 5.1: a signaling code that is not assigned ends the connection', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.say(0xe6);
  assertAborted(bench, wire, 'ERR_COAP_SIGNALING');
});

test('RFC 8323 5.4: Empty messages are ignored, a Ping is answered by a Pong with its token', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.say(0, [], fromHex('42'), utf8('x'));
  assert.deepEqual(wire.take(), []);
  wire.listener!.received(fromHex('01e242'));
  const [pong] = wire.take();
  assert.deepEqual([pong!.code, toHex(pong!.token), pong!.options], [SignalingCode.Pong, '42', []]);
});

test('RFC 8323 5.4.1: with Custody the Pong waits for the answers to what came before, in whatever order, and for no others', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.say(Method.GET, [], fromHex('01'));
  wire.say(Method.GET, [], fromHex('02'));
  wire.say(SignalingCode.Ping, [emptyOption(SignalingOption.Custody)], fromHex('99'));
  wire.say(Method.GET, [], fromHex('03'));
  bench.answer(1);
  assert.deepEqual(
    wire.take().map(({ token }) => toHex(token)),
    ['02'],
  );
  bench.answer(0);
  const [answer, pong] = wire.take();
  assert.equal(toHex(answer!.token), '01');
  assert.deepEqual([pong!.code, toHex(pong!.token), pong!.options[0]?.number], [SignalingCode.Pong, '99', SignalingOption.Custody]);
});

test('RFC 8323 5.4.1: many Pings with Custody are not all waited for', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.say(Method.GET);
  for (let i = 0; i < 1000; i++) wire.say(SignalingCode.Ping, [emptyOption(SignalingOption.Custody)]);
  const pongs = wire.take();
  assert.ok(pongs.length > 900 && pongs.every(({ options }) => options.length === 0));
});

test('RFC 8323 5.4: our Ping hears its Pong, and no other', () => {
  const bench = new Bench();
  const peer = bench.peer();
  let alive = 0;
  bench.messaging.ping(peer, { finished: () => alive++, failed: () => {} });
  const [wire] = bench.dialled;
  wire!.listener!.opened();
  wire!.say(SignalingCode.CSM);
  const ping = wire!.take().at(-1)!;
  assert.equal(ping.code, SignalingCode.Ping);
  wire!.say(SignalingCode.Pong, [], fromHex('ff'));
  assert.equal(alive, 0);
  wire!.say(SignalingCode.Pong, [], ping.token);
  wire!.say(SignalingCode.Pong, [], ping.token);
  assert.equal(alive, 1);
});

test('RFC 8323 5.5: after a Release the connection is closed when all requests are answered', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.say(Method.GET, [], fromHex('01'));
  wire.say(SignalingCode.Release);
  assert.equal(wire.state, 'open');
  bench.answer(0, 'late');
  assert.equal(fromUtf8(wire.take()[0]!.payload), 'late');
  assert.equal(wire.state, 'ended');
  assert.deepEqual(bench.events, ['released', 'closed']);
});

test('RFC 8323 5.5: Hold-Off keeps us from connecting for its time, Alternative-Address is told and not followed', async () => {
  const bench = new Bench();
  const peer = bench.peer();
  const errors: string[] = [];
  const send = (): void => {
    bench.messaging.transmit(peer, true, fromHex('01'), { code: Method.GET, options: [], payload: emptyBytes }, 0, {
      finished: () => {},
      failed: ({ code }) => errors.push(code),
    });
  };
  send();
  const [wire] = bench.dialled;
  wire!.listener!.opened();
  wire!.say(SignalingCode.CSM);
  const { options, payload } = encodeRelease({ holdOff: 30, alternatives: ['other.example:1234'], diagnostic: 'maintenance' });
  wire!.say(SignalingCode.Release, options, emptyBytes, payload);
  assert.equal(wire!.state, 'ended');
  send();
  await bench.sim.sleep(29_000);
  assert.deepEqual(errors, ['ERR_COAP_HOLD_OFF']);
  assert.equal(bench.dialled.length, 1);
  await bench.sim.sleep(2000);
  send();
  assert.equal(bench.dialled.length, 2);
});

test('RFC 8323 5.6: an Abort of the peer ends the connection at once', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.say(Method.GET, [], fromHex('01'));
  wire.say(SignalingCode.Abort, [uintOption(SignalingOption.BadCsmOption, 2)], emptyBytes, utf8('no \u001b[31mway'));
  assert.equal(wire.state, 'ended');
  assert.deepEqual(wire.take(), []);
  assert.match(bench.lost[0]!.message, /CSM option 2: no \.\[31mway/);
  bench.answer(0);
});

test('RFC 8323 5.6: what breaks the format is answered by an Abort, and what came before it is processed', () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.listener!.received(fromHex('000110ff01'));
  assert.equal(bench.requests.length, 1);
  assertAborted(bench, wire, 'ERR_COAP_FORMAT');
});

test('a message that never becomes complete ends the connection, however slowly its bytes come', async () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.listener!.received(fromHex('e0080001'));
  for (let i = 0; i < 29 && wire.state === 'open'; i++) {
    await bench.sim.sleep(1000);
    wire.listener!.received(Uint8Array.of(0));
  }
  assert.equal(wire.state, 'open');
  assert.ok(bench.messaging.stats()['held']! > 10);
  await bench.sim.sleep(1001);
  assertAborted(bench, wire, 'ERR_COAP_TIMEOUT');
});

test('a peer that does not take its answers is asked nothing more and read no more, and goes on when it has', () => {
  const bench = new Bench({ highWater: 20_000 });
  const wire = bench.ready();
  wire.stuck = true;
  wire.say(Method.GET, [], fromHex('01'));
  const { incoming } = bench.requests[0]!;
  for (let i = 0; i < 21; i++) bench.messaging.answer(incoming, emptyBytes, big, 0, nobody);
  assert.equal(wire.paused, true);
  wire.say(Method.GET, [], fromHex('02'));
  assert.equal(bench.requests.length, 1);
  wire.stuck = false;
  wire.buffered = 0;
  wire.listener!.drained();
  assert.equal(bench.requests.length, 2);
  assert.equal(wire.paused, false);
});

const big = { code: Code.Content, options: [], payload: new Uint8Array(1000) };

test('a peer that never takes its answers loses the connection: after some time, and beyond some bytes', async () => {
  for (const [limits, wait, reason] of [
    [{ highWater: 20_000 }, defaultStreamLimits.stall, 'ERR_COAP_BACKPRESSURE'],
    [{ highWater: 20_000, outgoing: 25_000 }, 0, 'ERR_COAP_BACKPRESSURE'],
  ] as const) {
    const bench = new Bench(limits);
    const wire = bench.ready();
    wire.stuck = true;
    wire.say(Method.GET, [], fromHex('01'));
    const { incoming } = bench.requests[0]!;
    for (let i = 0; i < 100; i++) bench.messaging.answer(incoming, emptyBytes, big, 0, nobody);
    assert.ok(wire.buffered < 200_000);
    if (wait === 0) assert.ok(wire.buffered < 30_000);
    await bench.sim.sleep(wait + 1);
    assert.equal(wire.state, 'destroyed');
    assert.equal(bench.lost[0]?.code, reason);
    assert.equal(bench.messaging.stats()['deadlines'], 0);
  }
});

test('an idle connection is released, and closed if the peer does not; one that is needed has to answer a Ping', async () => {
  const bench = new Bench();
  const wire = bench.ready();
  await bench.sim.sleep(defaultStreamLimits.idle + 1);
  assert.equal(wire.take()[0]!.code, SignalingCode.Release);
  assert.equal(wire.state, 'open');
  await bench.sim.sleep(defaultStreamLimits.release + 1);
  assert.equal(wire.state, 'ended');

  bench.busy = true;
  const other = bench.ready();
  await bench.sim.sleep(defaultStreamLimits.idle + 1);
  assert.equal(other.take()[0]!.code, SignalingCode.Ping);
  other.say(SignalingCode.Pong);
  await bench.sim.sleep(defaultStreamLimits.release + 1);
  assert.equal(other.state, 'open');
  await bench.sim.sleep(defaultStreamLimits.idle + defaultStreamLimits.release + 1);
  assert.equal(other.state, 'destroyed');
  assert.equal(bench.lost.at(-1)?.code, 'ERR_COAP_CONNECTION');
});

test('more connections than are allowed are told so', () => {
  const bench = new Bench({ connections: 2 });
  bench.ready();
  bench.ready();
  const wire = bench.accept();
  assert.deepEqual(
    wire.take().map(({ code }) => code),
    [SignalingCode.CSM, SignalingCode.Abort],
  );
  assert.equal(wire.state, 'ended');
  assert.equal(bench.messaging.stats()['connections'], 2);
});

test('messages that wait for a connection that does not come fail, and of too many the last', async () => {
  const bench = new Bench({ queue: 3 });
  const errors: string[] = [];
  for (let i = 0; i < 4; i++) {
    bench.messaging.transmit(bench.peer(), true, Uint8Array.of(i), { code: Method.GET, options: [], payload: emptyBytes }, 0, {
      finished: () => {},
      failed: ({ code }) => errors.push(code),
    });
  }
  await bench.sim.sleep(1);
  assert.deepEqual(errors, ['ERR_COAP_BUSY']);
  bench.dialled[0]!.listener!.closed(new Error('refused'));
  assert.deepEqual(errors, ['ERR_COAP_BUSY', 'ERR_COAP_CONNECTION', 'ERR_COAP_CONNECTION', 'ERR_COAP_CONNECTION']);
  assert.deepEqual(bench.messaging.stats(), { connections: 0, held: 0, waiting: 0, unanswered: 0, buffered: 0, deadlines: 0 });
});
