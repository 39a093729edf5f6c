import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, decodeMessage, Endpoint, type Handler, type Peer, type Reply } from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, utf8 } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';

const here: Peer = { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 };

/** A server whose handler accepts every registration and keeps the replies; `notify` tells all of them. */
function observedServer() {
  const sim = new Simulator({ seed: 9 });
  const replies: Reply[] = [];
  const cancelled: number[] = [];
  const state = (text: string) => ({ code: Code.Content, options: [], payload: utf8(text) });
  const handler: Handler = (request, reply) => {
    if (request.options.some(({ number, value }) => number === 6 && value.length === 0)) {
      const index = replies.push(reply) - 1;
      reply.onCancel(() => cancelled.push(index));
      reply.notify(state('first'));
    } else reply.respond(state('plain'));
  };
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, amplification: 'unlimited' });
  const raw = new RawPeer(sim, '10.0.0.2', here);
  const notify = (text: string): void => {
    for (const reply of replies) reply.notify(state(text));
  };
  const isEmpty = async (): Promise<void> => {
    await sim.run();
    assert.deepEqual(
      Object.entries(endpoint.stats()).filter(([, count]) => count !== 0),
      [],
    );
  };
  return { sim, endpoint, raw, replies, cancelled, notify, state, isEmpty };
}

interface Seen {
  readonly type: number;
  readonly code: number;
  readonly id: string;
  readonly text: string;
}

function seen(hex: string): Seen {
  const { type, code, payload } = decodeMessage(fromHex(hex));
  return { type, code, id: hex.slice(4, 8), text: new TextDecoder().decode(payload) };
}

const registration = '4101 1234 aa 60';
const deregistration = '4101 1235 aa 61 01';

test('RFC 7641 4.5: a notification to a Confirmable registration is Confirmable; an ACK keeps the observer, the token stays', async () => {
  const { sim, raw, notify, cancelled, endpoint } = observedServer();
  assert.equal(seen((await raw.exchange(registration))[0]!).type, 2);
  for (const text of ['a', 'b']) {
    notify(text);
    await sim.sleep(100);
    const last = raw.received.at(-1)!;
    assert.deepEqual([seen(last).type, seen(last).text, last.slice(8, 10)], [0, text, 'aa']);
    raw.send(`6000${seen(last).id}`);
    await sim.sleep(100);
  }
  assert.deepEqual(cancelled, []);
  assert.equal(endpoint.stats()['observers'], 1);
});

test('RFC 7641 4.5: a Reset to a notification ends the observation', async () => {
  const { sim, raw, notify, cancelled, isEmpty } = observedServer();
  await raw.exchange(registration);
  notify('a');
  await sim.sleep(100);
  raw.send(`7000${seen(raw.received.at(-1)!).id}`);
  await sim.sleep(100);
  assert.deepEqual(cancelled, [0]);
  const before = raw.received.length;
  notify('b');
  await isEmpty();
  assert.equal(raw.received.length, before);
});

test('RFC 7641 4.5: a notification that is never acknowledged ends the observation', async () => {
  const { raw, notify, cancelled, isEmpty } = observedServer();
  await raw.exchange(registration);
  notify('a');
  await isEmpty();
  assert.deepEqual(cancelled, [0]);
  assert.equal(raw.received.length, 1 + 5);
});

test('RFC 7641 4.5.1 and 4.5.2: one notification under way for an observer; the newest takes the place of those that wait', async () => {
  const { sim, raw, notify } = observedServer();
  await raw.exchange(registration);
  for (const text of ['a', 'b', 'c']) notify(text);
  await sim.sleep(100);
  assert.deepEqual(
    raw.received.map((hex) => seen(hex).text),
    ['first', 'a'],
  );
  raw.send(`6000${seen(raw.received[1]!).id}`);
  await sim.sleep(100);
  assert.deepEqual(
    raw.received.map((hex) => seen(hex).text),
    ['first', 'a', 'c'],
  );
});

test('a notification that waits is copied: the handler may write over its bytes', async () => {
  const { sim, raw, replies } = observedServer();
  await raw.exchange(registration);
  const payload = utf8('one');
  replies[0]!.notify({ code: Code.Content, options: [], payload });
  replies[0]!.notify({ code: Code.Content, options: [], payload });
  payload.fill(0x78);
  await sim.sleep(100);
  raw.send(`6000${seen(raw.received[1]!).id}`);
  await sim.sleep(100);
  assert.deepEqual(
    raw.received.map((hex) => seen(hex).text),
    ['first', 'one', 'one'],
  );
});

test('RFC 7641 4.5.2: a newer notification goes out in place of a retransmission, with a new id and the same patience', async () => {
  const { sim, raw, notify, cancelled, isEmpty } = observedServer();
  await raw.exchange(registration);
  notify('a');
  await sim.sleep(100);
  notify('b');
  await sim.sleep(3000);
  const [, a, b] = raw.received.map(seen);
  assert.deepEqual([a!.text, b!.text], ['a', 'b']);
  assert.notEqual(a!.id, b!.id);
  // An acknowledgement of the old one is of no harm, one of the new one ends the retransmission.
  raw.send(`6000${a!.id}`);
  await sim.sleep(7000);
  assert.equal(seen(raw.received[3]!).text, 'b');
  raw.send(`6000${b!.id}`);
  await sim.sleep(60_000);
  assert.equal(raw.received.length, 4);
  assert.deepEqual(cancelled, []);
  // It started at the first attempt of the old one, so that a dead client is not kept by a lively resource.
  const times = sim.wire.filter(({ to }) => to === raw.peer.key).map(({ time }) => time);
  assert.ok(times[3]! - times[2]! > 1.9 * (times[2]! - times[1]!));
  notify('c');
  for (let i = 0; i < 60; i++) {
    await sim.sleep(1500);
    notify(`d${i}`);
  }
  await isEmpty();
  assert.deepEqual(cancelled, [0]);
});

test('RFC 7641 4.5.2: one that cannot be encoded takes no place: the observer hears 5.00 after what is under way', async () => {
  const { sim, raw, replies, notify, state, isEmpty } = observedServer();
  await raw.exchange(registration);
  notify('a');
  await sim.sleep(100);
  // Out of order.
  const options = [14, 4].map((number) => ({ number, value: Uint8Array.of(1) }));
  replies[0]!.notify({ ...state('b'), options });
  await sim.sleep(4000);
  const [first, again] = raw.received.slice(1).map(seen);
  assert.deepEqual(again, first);
  raw.send(`6000 ${first!.id}`);
  await sim.sleep(100);
  const last = seen(raw.received.at(-1)!);
  assert.deepEqual([raw.received.length, last.type, last.code], [4, 0, Code.InternalServerError]);
  raw.send(`6000 ${last.id}`);
  await isEmpty();
});

test('RFC 7641 4.2: one that cannot be encoded ends the observation, and whoever notifies hears so', async () => {
  for (const nonConfirmable of [false, true]) {
    for (const isFirst of [false, true]) {
      for (const isLate of [false, true]) {
        const sim = new Simulator();
        const content = { code: Code.Content, options: [], payload: utf8('ok') };
        const options = [14, 4].map((number) => ({ number, value: Uint8Array.of(1) }));
        const first = isFirst ? { ...content, options } : content;
        let reply: Reply | undefined;
        let cancelled = 0;
        const handler: Handler = (_request, given) => {
          reply = given;
          if (!isLate) given.notify(first);
          given.onCancel(() => cancelled++);
        };
        const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, amplification: 'unlimited' });
        const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client') });
        const codes: number[] = [];
        const loop = (async () => {
          for await (const { code } of client.observe({ peer: here, nonConfirmable })) codes.push(code);
        })();
        await sim.sleep(1000);
        if (isLate) reply!.notify(first);
        await sim.sleep(5000);
        if (!isFirst) reply!.notify({ ...content, options });
        await sim.finish(loop);
        await sim.sleep(5000);
        assert.deepEqual(codes, isFirst ? [Code.InternalServerError] : [Code.Content, Code.InternalServerError]);
        const { replies, observers, ['observe.observers']: registrations } = server.stats();
        assert.deepEqual([cancelled, replies, observers, registrations], [1, 0, 0, 0], JSON.stringify({ nonConfirmable, isFirst, isLate }));
      }
    }
  }
});

test('RFC 7641 4.1: a registration with the same endpoint and token takes the place of the old one', async () => {
  const { raw, cancelled, endpoint, replies } = observedServer();
  await raw.exchange(registration);
  await raw.exchange('4101 1236 aa 60');
  assert.deepEqual(cancelled, [0]);
  assert.equal(endpoint.stats()['observers'], 1);
  await raw.exchange('4101 1237 ab 60');
  assert.equal(endpoint.stats()['observers'], 2);
  assert.equal(replies.length, 3);
});

test('RFC 7641 4.1: Observe 1 with the same endpoint and token ends the observation', async () => {
  const { sim, raw, cancelled, isEmpty } = observedServer();
  await raw.exchange(registration);
  const stranger = new RawPeer(sim, '10.0.0.3', here);
  await stranger.exchange(deregistration);
  await raw.exchange('4101 1238 ab 61 01');
  assert.deepEqual(cancelled, []);
  const [answer] = await raw.exchange(deregistration);
  assert.equal(seen(answer!).text, 'plain');
  assert.deepEqual(cancelled, [0]);
  await isEmpty();
});

test('a request with the token of an observation that is refused does not end it: only who is let in may', async () => {
  const { sim, raw, cancelled, replies, state } = observedServer();
  await raw.exchange(registration);
  const layered = replies[0]!;
  // 4.02 stands for any refusal, such as that of a replayed message under OSCORE.
  for (const request of ['4101 1239 aa 60 d0 02', '4101 123a aa 60 e0 2602', '4101 123b aa 61 01 d0 02']) {
    assert.equal(seen((await raw.exchange(request))[0]!).code, Code.BadOption);
  }
  assert.deepEqual(cancelled, []);
  layered.notify(state('still there'));
  await sim.sleep(100);
  assert.equal(seen(raw.received.at(-1)!).text, 'still there');
});

test('RFC 7641 4.2: the final response goes out after what is under way, and its acknowledgement ends all', async () => {
  const { sim, raw, replies, notify, cancelled, isEmpty, endpoint } = observedServer();
  await raw.exchange(registration);
  notify('a');
  replies[0]!.respond({ code: Code.NotFound, options: [], payload: emptyBytes });
  notify('b');
  await sim.sleep(100);
  raw.send(`6000${seen(raw.received[1]!).id}`);
  await sim.sleep(100);
  const last = seen(raw.received[2]!);
  assert.deepEqual([last.type, last.code], [0, Code.NotFound]);
  raw.send(`6000${last.id}`);
  await sim.sleep(100);
  assert.equal(endpoint.stats()['observers'], 0);
  assert.equal(endpoint.stats()['replies'], 0);
  assert.deepEqual(cancelled, []);
  await isEmpty();
});

test('RFC 7641 4.5.1: Non-confirmable notifications keep an interval of 3 s, the newest wins', async () => {
  const { sim, raw, notify } = observedServer();
  await raw.exchange('5101 1234 aa 60');
  for (let i = 0; i < 40; i++) {
    notify(String(i));
    await sim.sleep(250);
  }
  const times = sim.wire.filter(({ to }) => to === raw.peer.key).map(({ time }) => time);
  assert.equal(times.length, 4);
  for (let i = 1; i < times.length; i++) assert.ok(times[i]! - times[i - 1]! >= 3000);
  assert.deepEqual(
    raw.received.map((hex) => seen(hex).type),
    [1, 1, 1, 1],
  );
});

test('RFC 7641 4.5: a Non-confirmable notification without a successor is repeated as a Confirmable one', async () => {
  const { sim, raw, notify, cancelled } = observedServer();
  await raw.exchange('5101 1234 aa 60');
  await sim.sleep(3100);
  assert.deepEqual(
    raw.received.map((hex) => [seen(hex).type, seen(hex).text]),
    [
      [1, 'first'],
      [0, 'first'],
    ],
  );
  raw.send(`6000${seen(raw.received[1]!).id}`);
  await sim.sleep(20_000);
  assert.equal(raw.received.length, 2);
  notify('a');
  await sim.sleep(100);
  assert.deepEqual(seen(raw.received[2]!).type, 1);
  assert.deepEqual(cancelled, []);
});

test('RFC 7641 4.5: among Non-confirmable notifications a Confirmable one comes regularly; a client that is gone is let go', async () => {
  const { sim, raw, notify, cancelled, isEmpty } = observedServer();
  await raw.exchange('5101 1234 aa 60');
  while (sim.now < 60_000) {
    notify(`at ${sim.now}`);
    await sim.sleep(1000);
  }
  const types = raw.received.map((hex) => seen(hex).type);
  assert.ok(types.indexOf(0) > 0 && types.indexOf(0) <= 9, types.join());
  await isEmpty();
  assert.deepEqual(cancelled, [0]);
});

test('RFC 7641 4.5: a Reset to a Non-confirmable notification ends the observation', async () => {
  const { sim, raw, notify, cancelled, isEmpty } = observedServer();
  await raw.exchange('5101 1234 aa 60');
  await sim.sleep(3100);
  raw.send(`6000${seen(raw.received[1]!).id}`);
  await sim.sleep(100);
  notify('a');
  await sim.sleep(100);
  assert.equal(seen(raw.received[2]!).type, 1);
  raw.send(`7000${seen(raw.received[2]!).id}`);
  await sim.sleep(100);
  assert.deepEqual(cancelled, [0]);
  await isEmpty();
});

test('closing the endpoint cancels observations', async () => {
  const { sim, raw, endpoint, cancelled } = observedServer();
  await raw.exchange(registration);
  await sim.finish(endpoint.close());
  assert.deepEqual(cancelled, [0]);
  assert.equal(sim.pending, 0);
});
