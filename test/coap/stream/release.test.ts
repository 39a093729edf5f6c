import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, decodeRelease, defaultStreamLimits, type Message, Method, type Peer, SignalingCode } from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex } from '../../../src/core/bytes.ts';
import type { TestWire } from '../../support/stream-wire.ts';
import { Bench } from './bench.ts';

const codes = (wire: TestWire): number[] => wire.take().map(({ code }) => code);
const tokens = (messages: readonly Message[]): string[] => messages.map(({ token }) => toHex(token));

function send(bench: Bench, peer: Peer, token: string, code: number = Method.GET): string[] {
  const heard: string[] = [];
  bench.messaging.transmit(peer, true, fromHex(token), { code, options: [], payload: emptyBytes }, 0, {
    finished: () => heard.push('finished'),
    failed: (error) => heard.push(error.code),
  });
  return heard;
}

/** A connection of ours on which both CSMs have passed. */
function dial(bench: Bench, peer: Peer): TestWire {
  send(bench, peer, 'ff');
  const wire = bench.dialled.at(-1)!;
  wire.listener!.opened();
  wire.say(SignalingCode.CSM);
  wire.take();
  return wire;
}

/** What leaves on the connection that follows on this one. */
function onNext(bench: Bench, wire: TestWire): string[] {
  wire.listener!.closed();
  const next = bench.dialled[1]!;
  next.listener!.opened();
  next.say(SignalingCode.CSM);
  return tokens(next.take().slice(1));
}

/** The end of all connections of a layer, and whether it has come. */
function release(bench: Bench, grace?: number): { done: boolean } {
  const end = { done: false };
  bench.messaging.release(grace, () => {
    end.done = true;
  });
  return end;
}

test('RFC 8323 5.5: at the end peers hear a Release, get their answers, and close', () => {
  const bench = new Bench();
  const [busy, idle] = [bench.ready(), bench.ready()];
  busy.say(Method.GET, [], fromHex('01'));
  const end = release(bench);
  assert.deepEqual([codes(busy), codes(idle)], [[SignalingCode.Release], [SignalingCode.Release]]);
  idle.listener!.closed();
  assert.equal(end.done, false);
  bench.answer(0, 'late');
  assert.deepEqual(tokens(busy.take()), ['01']);
  assert.equal(busy.state, 'open', 'it is the peer that closes');
  busy.listener!.closed();
  assert.equal(end.done, true);
  assert.equal(bench.messaging.stats()['deadlines'], 0);
});

test('RFC 8323 5.5: a peer that does not close is closed after the time that it was given', async () => {
  const bench = new Bench();
  const wire = bench.ready();
  wire.say(Method.GET, [], fromHex('01'));
  const end = release(bench, 300);
  await bench.sim.sleep(299);
  assert.deepEqual([wire.state, end.done], ['open', false]);
  await bench.sim.sleep(2);
  assert.deepEqual([wire.state, end.done], ['ended', true]);

  const patient = new Bench();
  const other = patient.ready();
  const later = release(patient);
  await patient.sim.sleep(defaultStreamLimits.release - 1);
  assert.equal(later.done, false);
  await patient.sim.sleep(2);
  assert.deepEqual([other.state, later.done], ['ended', true]);
});

test('RFC 8323 5.5: both sides may release at once', () => {
  const bench = new Bench();
  const wire = bench.ready();
  const end = release(bench);
  const [said] = wire.take();
  assert.deepEqual(decodeRelease(said!), { alternatives: [], holdOff: 0 });
  wire.say(SignalingCode.Release);
  assert.deepEqual([wire.state, end.done], ['ended', true]);
});

test('after the end has begun no connection is opened or accepted, and what is not open yet is given up', async () => {
  const bench = new Bench();
  const waiting = send(bench, bench.peer(), '01');
  const end = release(bench);
  assert.deepEqual([bench.dialled[0]!.state, end.done], ['destroyed', true]);
  assert.deepEqual(waiting, ['ERR_COAP_CLOSED']);
  const late = send(bench, bench.peer(), '02');
  await bench.sim.sleep(1);
  assert.deepEqual(late, ['ERR_COAP_CLOSED']);
  assert.equal(bench.dialled.length, 1);
  assert.equal(bench.accept().state, 'ended');
});

test('RFC 8323 5.5: a peer that released a connection gets no new requests on it, but notifications; requests take the next connection', () => {
  const bench = new Bench();
  const peer = bench.peer();
  const wire = dial(bench, peer);
  bench.busy = true;
  wire.say(SignalingCode.Release);
  send(bench, peer, '01');
  send(bench, peer, '02', Code.Content);
  assert.deepEqual(tokens(wire.take()), ['02']);
  assert.equal(bench.dialled.length, 1);
  bench.busy = false;
  wire.say(Code.Content, [], fromHex('ff'));
  assert.equal(wire.state, 'ended');
  assert.deepEqual(onNext(bench, wire), ['01']);
});

test('RFC 8323 5.5: requests that wait for room when the Release comes take the next connection, answers stay', () => {
  const bench = new Bench({ highWater: 100 });
  const peer = bench.peer();
  const wire = dial(bench, peer);
  wire.say(Method.GET, [], fromHex('aa'));
  wire.stuck = true;
  bench.answer(0, new Uint8Array(200));
  send(bench, peer, '01');
  send(bench, peer, '02', Code.Content);
  bench.busy = true;
  wire.take();
  // What came while the peer did not read is read when it does.
  wire.say(SignalingCode.Release);
  wire.stuck = false;
  wire.buffered = 0;
  wire.listener!.drained();
  assert.deepEqual(tokens(wire.take()), ['01', '02'], 'the Release was not read before');

  wire.stuck = true;
  wire.say(Method.GET, [], fromHex('bb'));
  const { message, incoming } = bench.requests[1]!;
  const heard: string[] = [];
  const listener = { finished: () => heard.push('room'), failed: () => heard.push('failed') };
  bench.messaging.answer(incoming, message.token, { code: Code.Content, options: [], payload: new Uint8Array(200) }, 0, listener);
  send(bench, peer, '03');
  send(bench, peer, '04', Code.Content);
  wire.take();
  wire.stuck = false;
  wire.buffered = 0;
  wire.listener!.drained();
  assert.deepEqual([tokens(wire.take()), heard], [['04'], ['room']]);
  bench.busy = false;
  wire.say(Code.Content, [], fromHex('ff'));
  assert.equal(wire.state, 'ended');
  assert.deepEqual(onNext(bench, wire), ['03']);
});

test('an idle connection that is released takes answers that are still due', async () => {
  const bench = new Bench();
  const wire = bench.ready();
  await bench.sim.sleep(defaultStreamLimits.idle + 1);
  assert.deepEqual(codes(wire), [SignalingCode.Release]);
  wire.say(Method.GET, [], fromHex('01'));
  bench.answer(0);
  assert.deepEqual(tokens(wire.take()), ['01']);
});
