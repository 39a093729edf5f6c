import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, decodeMessage, deriveParameters, findOption, Method, OptionNumber, pathOptions, uintOption } from '../../../src/coap/index.ts';
import { deriveQBlockTiming } from '../../../src/coap/qblock/parameters.ts';
import { Simulator } from '../../support/simulator.ts';
import { body, response } from '../harness.ts';
import { assumed, empty, lose, put, qBlockPair, quick, rawPair, size1, tag } from './harness.ts';

describe('RFC 9177 7: congestion control', () => {
  test('7.2, Table 3: the defaults', () => {
    const env = new Simulator().env();
    const timing = deriveQBlockTiming({}, deriveParameters(), env);
    assert.deepEqual(
      [timing.maxPayloads, timing.nonMaxRetransmit, timing.nonTimeout, timing.nonReceiveTimeout, timing.nonPartialTimeout],
      [10, 4, 2000, 4000, 247_000],
    );
    for (let i = 0; i < 100; i++) {
      const random = timing.nonTimeoutRandom();
      const probing = timing.nonProbingWait();
      assert.ok(random >= 2000 && random <= 3000 && probing >= 247_000 && probing <= 248_000, `${random} ${probing}`);
    }
    assert.equal(deriveQBlockTiming({ nonProbingWait: 5000 }, deriveParameters(), env).nonProbingWait(), 5000, 'an explicit value has no jitter');
  });

  test('7.2: NON_RECEIVE_TIMEOUT is at least one second above NON_TIMEOUT_RANDOM', () => {
    const env = new Simulator().env();
    assert.throws(() => deriveQBlockTiming({ nonReceiveTimeout: 3999 }, deriveParameters(), env), { code: 'ERR_COAP_PARAMETER' });
    assert.throws(() => deriveQBlockTiming({ maxPayloads: 0 }, deriveParameters(), env), { code: 'ERR_COAP_PARAMETER' });
    assert.equal(deriveQBlockTiming({}, deriveParameters({ ackTimeout: 100 }), env).nonReceiveTimeout, 1150);
  });

  test('7: the payloads of a body are all Confirmable or all Non-confirmable', async () => {
    for (const [nonConfirmable, type] of [
      [true, 'NON'],
      [false, 'CON'],
    ] as const) {
      const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Content, body(20_000))), { loss: 0.1, seed: 4 }, quick, quick);
      await pair.sim.finish(
        pair.client.request({
          code: Method.FETCH,
          peer: pair.peer,
          options: [...pathOptions(['a']), uintOption(OptionNumber.ContentFormat, 42)],
          payload: body(20_000),
          nonConfirmable,
        }),
      );
      for (const line of pair.log()) if (/QB[12]:/.test(line)) assert.ok(line.includes(` ${type} `) || (type === 'CON' && line.includes(' ACK ')), line);
      await pair.isEmpty();
    }
  });

  test('7.1: of Confirmable payloads no more are outstanding than NSTART', async () => {
    for (const nstart of [1, 3]) {
      const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Changed)), {}, { ...assumed, parameters: { nstart } });
      await pair.sim.finish(pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(6 * 1024) }));
      assert.equal(pair.sim.wire.filter(({ time, from }) => time === 0 && from === '10.0.0.2:5683').length, nstart);
      assert.equal(pair.sim.now, (6 / nstart) * 20);
      await pair.isEmpty();
    }
  });

  test('7.2: without a Continue the next set follows after NON_TIMEOUT_RANDOM, in both directions', async () => {
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Content, body(25 * 1024))), {}, quick, quick);
    pair.sim.filter = ({ datagram }) => decodeMessage(datagram).code !== Code.Continue;
    const options = [...pathOptions(['a']), uintOption(OptionNumber.ContentFormat, 42)];
    await pair.sim.finish(pair.client.request({ code: Method.FETCH, peer: pair.peer, options, payload: body(25 * 1024), nonConfirmable: true }));
    const times = [...new Set(pair.sim.wire.filter(({ datagram }) => decodeMessage(datagram).code === Method.FETCH).map(({ time }) => time))].slice(0, 3);
    const [first, second] = [times[1]! - times[0]!, times[2]! - times[1]!];
    assert.ok(first >= 2000 && first <= 3000 && Math.abs(first - second) < 2, `${first} ${second}: the same delay`);
    pair.sim.filter = ({ datagram, from }) =>
      from !== '10.0.0.2:5683' || !findOption(decodeMessage(datagram).options, OptionNumber.QBlock2)?.value.some((byte) => byte > 15);
    const start = pair.sim.now;
    await pair.sim.finish(pair.client.request({ peer: pair.peer, options, nonConfirmable: true }));
    assert.ok(pair.sim.now - start > 4000, `${pair.sim.now - start}`);
    await pair.isEmpty();
  });

  test('7.2: PROBING_RATE holds back the next body while a peer does not respond, for NON_PROBING_WAIT at the most', async () => {
    const pair = qBlockPair(() => {}, {}, { qBlock: { discovery: 'assume', nonProbingWait: 50_000 } });
    pair.sim.filter = () => false;
    const upload = () =>
      pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(2000), nonConfirmable: true }).catch(() => {});
    void upload();
    void upload();
    await pair.sim.sleep(49_000);
    assert.deepEqual(new Set(pair.sim.wire.filter(({ datagram }) => decodeMessage(datagram).token[4] === 0).map(({ time }) => time)), new Set([0]));
    const before = pair.log().filter((line) => line.includes('QB1:0/1/1024')).length;
    await pair.sim.sleep(2000);
    assert.deepEqual([before, pair.log().filter((line) => line.includes('QB1:0/1/1024')).length], [1, 1]);
    await pair.isEmpty();
  });

  test('7.2: a body is not sent again when the server may have forgotten it, and would act on it twice', async () => {
    let calls = 0;
    const pair = qBlockPair((_message, reply) => {
      calls++;
      reply.respond(response(Code.Changed));
    });
    // Only the first burst arrives. The next copy of the last payload would leave after NON_PROBING_WAIT.
    lose(pair.sim, (text) => text.startsWith('<') || pair.sim.now > 0);
    const request = { peer: pair.peer, code: Method.PUT, options: pathOptions(['a']), payload: body(5000), nonConfirmable: true };
    await assert.rejects(pair.sim.finish(pair.client.request(request)), { code: 'ERR_COAP_TIMEOUT' });
    const last = pair.sim.wire.findLast(({ from }) => from.startsWith('10.0.0.2'))!;
    assert.ok(last.time > 0 && last.time < 147_000, `sent after ${last.time} ms`);
    await pair.isEmpty();
    assert.equal(calls, 1);
  });

  test('7.2: questions that are not answered are sent no faster than PROBING_RATE', async () => {
    const parts = rawPair(undefined, { ...assumed, parameters: { probingRate: 0.5 } });
    await parts.ask(...put(0, 1, 16, size1(40), tag(1)));
    await parts.sim.sleep(200_000);
    const times = parts.sim.wire.filter(({ from }) => from === '10.0.0.1:5683').map(({ time }) => time);
    assert.ok(times.length >= 3 && times[1]! - times[0]! >= 30_000, times.join(' '));
    await empty(parts);
  });

  test('RFC 9177 11, RFC 9175 2.4: an address that has not shown itself hears a challenge before a body in many datagrams', async () => {
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Content, body(25 * 1024))), {}, assumed, { ...assumed, amplification: {} });
    const got = await pair.sim.finish(pair.client.request({ peer: pair.peer, options: pathOptions(['a']), nonConfirmable: true }));
    assert.equal(got.payload.length, 25 * 1024);
    const fromServer = pair.sim.wire.filter(({ from }) => from === pair.peer.key).map(({ datagram }) => decodeMessage(datagram));
    assert.equal(fromServer[0]!.code, Code.Unauthorized);
    assert.ok(findOption(fromServer[0]!.options, OptionNumber.Echo) !== undefined);
    assert.equal(fromServer.filter(({ code }) => code === Code.Content).length, 25);
    await pair.isEmpty();
  });
});
