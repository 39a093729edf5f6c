import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeMessage,
  Endpoint,
  findOption,
  type Handler,
  MessageType,
  Method,
  OptionNumber,
  pathOptions,
  recogniseOptions,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { block2, body, response } from '../harness.ts';
import { assumed, empty, q1, q2, qBlockPair, quick, rawPair, size1, tag } from './harness.ts';

describe('RFC 9177 4.1: properties of Q-Block1 and Q-Block2', () => {
  test('both or neither is supported: without the layer a Confirmable request hears 4.02, a Non-confirmable one nothing', async () => {
    const without = rawPair(undefined, {});
    for (const option of [q1(0, 0, 16), q2(0, 1, 16)]) {
      assert.deepEqual(await without.ask(Method.PUT, [option, size1(4), tag(1)], body(4), MessageType.CON), ['ACK 4.02']);
      assert.deepEqual(await without.ask(Method.PUT, [option, size1(4), tag(1)], body(4)), []);
    }
    assert.equal(without.seen.length, 0);
    assert.equal(recogniseOptions([q1(0, 0, 16)]).bad, undefined);
  });

  test('a mix of Q-Block and Block options is answered with 4.02', async () => {
    const parts = rawPair();
    assert.deepEqual(await parts.ask(Method.GET, [q2(0, 1, 16), block2(0, 0, 16)]), ['NON 4.02']);
    assert.deepEqual(await parts.ask(Method.PUT, [q1(0, 0, 16), block2(0, 0, 16), size1(4), tag(1)], body(4), MessageType.CON), ['ACK 4.02']);
    assert.equal(parts.seen.length, 0);
    await empty(parts);
  });

  test('a second Q-Block1 option, and many Q-Block2 options beside one, are critical options that are not understood', async () => {
    const parts = rawPair();
    assert.deepEqual(await parts.ask(Method.PUT, [q1(0, 0, 16), q1(1, 0, 16), size1(4), tag(1)], body(4), MessageType.CON), ['ACK 4.02']);
    assert.deepEqual(await parts.ask(Method.PUT, [q1(0, 0, 16), q2(0, 0, 16), q2(1, 0, 16), size1(4), tag(1)], body(4), MessageType.CON), ['ACK 4.02']);
    await empty(parts);
  });

  test('a response with two Q-Block2 options, or with a Block2 option beside one, is no response', async () => {
    for (const options of [
      [q2(0, 0, 16), q2(1, 0, 16)],
      [q2(0, 1, 16), block2(0, 1, 16)],
    ]) {
      const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Content, body(16), options)), {}, assumed, {});
      pair.sim.filter = () => true;
      const server = new Endpoint({
        transport: pair.sim.transport('10.0.0.3', 5683),
        env: pair.sim.env('odd'),
        layers: [{ name: 'odd', understands: [OptionNumber.QBlock2], outbound: (next) => next, inbound: (next) => next }],
        handler: (_message, reply) => reply.respond(response(Code.Content, body(16), options)),
      });
      await assert.rejects(pair.sim.finish(pair.client.request({ peer: pair.sim.peer('10.0.0.3', 5683), options: pathOptions(['a']) })), {
        code: 'ERR_COAP_BLOCK',
      });
      await server.close();
      await pair.isEmpty();
    }
  });

  test('the client asks by a Confirmable request, once for each peer, and falls back to Block1 and Block2 on 4.02', async () => {
    const bodies: number[] = [];
    const handler: Handler = (message, reply) => {
      bodies.push(message.payload.length);
      reply.respond(response(message.code === Method.GET ? Code.Content : Code.Changed, message.code === Method.GET ? body(1500) : ''));
    };
    const pair = qBlockPair(handler, {}, { qBlock: {} }, {});
    const options = pathOptions(['a']);
    await pair.sim.finish(pair.client.request({ code: Method.PUT, peer: pair.peer, options, payload: body(2000), nonConfirmable: true }));
    assert.deepEqual(pair.log().slice(0, 3), ['> CON 0.01 QB2:0/0/16', '< ACK 4.02', '> NON 0.03 B1:0/1/1024']);
    assert.equal((await pair.sim.finish(pair.client.request({ peer: pair.peer, options }))).payload.length, 1500);
    assert.deepEqual(pair.log().slice(-4), ['> CON 0.01', '< ACK 2.05 B2:0/1/1024', '> CON 0.01 B2:1/0/1024', '< ACK 2.05 B2:1/0/1024']);
    assert.deepEqual(bodies, [2000, 0]);
    assert.equal(pair.client.stats()['qBlock.supports'], 1);
    await pair.isEmpty();
  });

  test('a small Confirmable request asks for itself; after 4.02 it is sent again without the option', async () => {
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Content, body(10))), {}, { qBlock: {} }, {});
    assert.equal((await pair.sim.finish(pair.client.request({ peer: pair.peer, options: pathOptions(['a']) }))).payload.length, 10);
    assert.deepEqual(pair.log(), ['> CON 0.01 QB2:0/1/1024', '< ACK 4.02', '> CON 0.01', '< ACK 2.05']);
    await pair.isEmpty();
  });

  test('a peer that knows the options is asked once; then Non-confirmable transfers go at once', async () => {
    const pair = qBlockPair(
      (message, reply) => reply.respond(response(message.code === Method.GET ? Code.Content : Code.Changed, 'links')),
      {},
      { qBlock: {} },
    );
    const upload = () => pair.client.request({ code: Method.PUT, peer: pair.peer, options: pathOptions(['a']), payload: body(2000), nonConfirmable: true });
    await pair.sim.finish(Promise.all([upload(), upload()]));
    assert.deepEqual(pair.log().slice(0, 3), ['> CON 0.01 QB2:0/0/16', '< ACK 2.05 QB2:0/0/16', '> NON 0.03 QB1:0/1/1024']);
    await pair.sim.finish(upload());
    assert.deepEqual(pair.log().slice(-3), ['> NON 0.03 QB1:0/1/1024', '> NON 0.03 QB1:1/0/1024', '< NON 2.04']);
    await pair.isEmpty();
  });

  test('a server that overlooks critical options shows no support: its fragments would be bodies', async () => {
    const sim = new Simulator();
    const careless = new Endpoint({
      transport: sim.transport('10.0.0.1', 5683),
      env: sim.env('server'),
      layers: [{ name: 'careless', understands: [OptionNumber.QBlock1, OptionNumber.QBlock2], outbound: (next) => next, inbound: (next) => next }],
      handler: (message, reply) => reply.respond(response(message.code === Method.GET ? Code.Content : Code.Changed, String(message.payload.length))),
    });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), qBlock: {} });
    const peer = sim.peer('10.0.0.1', 5683);
    const answer = await sim.finish(client.request({ code: Method.PUT, peer, options: pathOptions(['a']), payload: body(2000), nonConfirmable: true }));
    assert.equal(new TextDecoder().decode(answer.payload), '2000');
    await client.close();
    await careless.close();
  });

  test('what is known of peers is bounded, and is asked anew after a time', async () => {
    const pair = qBlockPair((_message, reply) => reply.respond(response(Code.Content, 'x')), {}, { qBlock: { peers: 2, supportLifetime: 10_000 } });
    const ask = () => pair.client.request({ peer: pair.peer, options: pathOptions(['a']), nonConfirmable: true });
    await pair.sim.finish(ask());
    await pair.sim.sleep(9000);
    pair.log();
    await pair.sim.finish(ask());
    assert.equal(pair.log()[0], '> NON 0.01 QB2:0/1/1024');
    await pair.sim.sleep(11_000);
    await pair.sim.finish(ask());
    assert.equal(pair.log()[0], '> CON 0.01 QB2:0/0/16');
    await pair.isEmpty();
  });
});

describe('RFC 9177 4.2: structure', () => {
  test('the reserved SZX 7 is answered with 4.00', async () => {
    const parts = rawPair();
    assert.deepEqual(await parts.ask(Method.GET, [uintOption(OptionNumber.QBlock2, 7)]), ['NON 4.00']);
    assert.deepEqual(await parts.ask(Method.PUT, [uintOption(OptionNumber.QBlock1, 7), size1(4), tag(1)], body(4)), ['NON 4.00']);
    await empty(parts);
  });
});

describe('RFC 9177 4.5, 6: Observe and tokens', () => {
  test('a FETCH by Q-Block1 registers: Observe is in each payload, and notifications come under the token of the response', async () => {
    let notify: (() => void) | undefined;
    const pair = qBlockPair(
      (message, reply) => {
        let version = 0;
        notify = () => reply.notify(response(Code.Content, body(3000, version++), [uintOption(OptionNumber.Observe, version)]));
        assert.notEqual(findOption(message.options, OptionNumber.Observe), undefined);
        notify();
      },
      {},
      quick,
      quick,
    );
    const heard: string[] = [];
    const options = [...pathOptions(['a']), uintOption(OptionNumber.ContentFormat, 42)];
    const stream = pair.client.observe({ code: Method.FETCH, peer: pair.peer, options, payload: body(2500), nonConfirmable: true });
    const done = (async () => {
      for await (const { payload } of stream) heard.push(toHex(payload));
    })();
    await pair.sim.run(() => heard.length === 1);
    await pair.sim.sleep(5000);
    notify!();
    await pair.sim.run(() => heard.length === 2);
    assert.deepEqual(heard, [toHex(body(3000)), toHex(body(3000, 1))]);
    const messages = pair.sim.wire.map(({ datagram, from }) => ({ ...decodeMessage(datagram), from }));
    assert.ok(messages.filter(({ code }) => code === Method.FETCH).every(({ options }) => findOption(options, OptionNumber.Observe) !== undefined));
    const answers = messages.filter(({ code }) => code === Code.Content);
    assert.equal(new Set(answers.map(({ token }) => toHex(token))).size, 1);
    assert.equal(new Set(answers.slice(0, 3).map(({ options }) => uintOf(options, OptionNumber.Observe))).size, 1);
    await stream.return?.();
    await done;
    await pair.isEmpty();
  });

  test('notifications that come faster than sets may be sent: the latest wins, none is left half sent for good', async () => {
    let notify: (version: number) => void = () => {};
    const pair = qBlockPair(
      (_message, reply) => {
        notify = (version) => reply.notify(response(Code.Content, body(20_000, version), [uintOption(OptionNumber.Observe, version)]));
        notify(0);
      },
      {},
      quick,
      quick,
    );
    const heard: string[] = [];
    const stream = pair.client.observe({ peer: pair.peer, options: pathOptions(['a']), nonConfirmable: true });
    const done = (async () => {
      for await (const { payload } of stream) heard.push(toHex(payload));
    })();
    await pair.sim.run(() => heard.length === 1);
    const before = pair.sim.wire.length;
    for (let version = 1; version <= 50; version++) {
      notify(version);
      await pair.sim.sleep(10);
    }
    await pair.sim.sleep(10_000);
    assert.equal(heard.at(-1), toHex(body(20_000, 50)));
    assert.ok(pair.sim.wire.length - before < 80, `${pair.sim.wire.length - before} messages for 50 notifications of 20 payloads`);
    await stream.return?.();
    await done;
    await pair.isEmpty();
  });
});
