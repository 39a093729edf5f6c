import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeLinkFormat,
  decodeMessage,
  Endpoint,
  type EndpointOptions,
  encodeLinkFormat,
  type Handler,
  type Layer,
  type ObserveOptions,
  OptionNumber,
  observe,
  opaqueOption,
  type Peer,
  pathOptions,
  type Reply,
  type Response,
  Router,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { isNewer } from '../../../src/coap/observe/reordering.ts';
import { emptyBytes, fromHex, utf8 } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, Listener, option, request, response, text, Wire } from '../harness.ts';

const here: Peer = { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 };
const state = (payload: string, fields: Partial<Response> = {}): Response => ({ code: Code.Content, options: [], payload: utf8(payload), ...fields });
const register = uintOption(OptionNumber.Observe, 0);

/** A server whose handler registers who asks and answers all else with `plain`; a raw client. */
function serverOf(options: Partial<EndpointOptions> = {}, plain: Response = state('plain')) {
  const sim = new Simulator({ seed: 4 });
  const replies: Reply[] = [];
  const cancelled: number[] = [];
  const handler: Handler = (message, reply) => {
    if (option(message, OptionNumber.Observe) !== '') {
      reply.respond(plain);
      return;
    }
    const index = replies.push(reply) - 1;
    reply.onCancel(() => cancelled.push(index));
    reply.notify(state('first'));
  };
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, amplification: 'unlimited', ...options });
  const raw = new RawPeer(sim, '10.0.0.2', here);
  return { sim, endpoint, raw, replies, cancelled };
}

const types = (raw: RawPeer): number[] => raw.received.map((hex) => decodeMessage(fromHex(hex)).type);
const texts = (raw: RawPeer): string[] => raw.received.map((hex) => text(decodeMessage(fromHex(hex))));
/** Acknowledge what is Confirmable. */
const acknowledging = (raw: RawPeer): void => {
  raw.onDatagram = (hex) => {
    if (decodeMessage(fromHex(hex)).type === 0) raw.send(`6000${hex.slice(4, 8)}`);
  };
};

describe('RFC 7641 4.1: deregistration', () => {
  test('removes the entry whatever the answer to it is', async () => {
    const { raw, cancelled, endpoint } = serverOf({}, response(Code.NotFound));
    await raw.exchange('4101 1234 aa 60');
    const [answer] = await raw.exchange('4101 1235 aa 61 01');
    const { code, options } = decodeMessage(fromHex(answer!));
    assert.deepEqual([code, option({ options }, OptionNumber.Observe)], [Code.NotFound, undefined]);
    assert.deepEqual([cancelled, endpoint.stats()['observers']], [[0], 0]);
  });

  test('without protection it does not end what was registered under protection: the association is part of the endpoint (RFC 7252 1.2)', async () => {
    const oscore = { number: OptionNumber.Oscore, value: emptyBytes };
    const replies: Reply[] = [];
    let cancelled = 0;
    // Stands for OSCORE: what has a payload is protected, and so is its answer.
    const layer: Layer = {
      name: 'protecting',
      outbound: (next) => next,
      inbound: () => (message, reply) => {
        const guarded = message.payload.length > 0;
        const answer = state('state', guarded ? { options: [oscore] } : {});
        if (!guarded || option(message, OptionNumber.Observe) !== '') reply.respond(answer);
        else {
          replies.push(reply);
          reply.onCancel(() => cancelled++);
          reply.notify(answer);
        }
      },
    };
    const { raw, endpoint } = serverOf({ layers: [layer] });
    await raw.exchange('4101 1234 aa 60 ff 01');
    await raw.exchange('4101 1235 aa 61 01');
    await raw.exchange('4101 1236 aa 60');
    assert.deepEqual([cancelled, endpoint.stats()['observers']], [0, 1]);
    await raw.exchange('4101 1237 aa 61 01 ff 01');
    assert.deepEqual([cancelled, endpoint.stats()['observers']], [1, 0]);
  });
});

describe('RFC 7641 4.2: the Content-Format', () => {
  test('is that of the first notification; another ends the observation with 4.06', () => {
    const sim = new Simulator();
    const layer = observe({}, sim.env());
    let handled: Reply | undefined;
    const format = (n: number) => ({ options: [uintOption(OptionNumber.ContentFormat, n)] });
    const reply = ask(
      layer.inbound((_message, to) => {
        handled = to;
        to.notify(state('a', format(50)));
      }),
      request(1, 't', { options: [register] }),
    );
    handled!.notify(state('b', format(50)));
    handled!.notify({ ...state('', { options: [opaqueOption(OptionNumber.ETag, Uint8Array.of(1))] }), code: Code.Valid });
    handled!.notify(state('c', format(50)));
    handled!.notify(state('d', format(60)));
    handled!.notify(state('e', format(50)));
    assert.deepEqual(
      reply.sent.map(({ code }) => code),
      [Code.Content, Code.Content, Code.Valid, Code.Content, Code.NotAcceptable],
    );
    assert.deepEqual([option(reply.last, OptionNumber.Observe), reply.over, layer.stats().observers], [undefined, true, 0]);
  });
});

describe('RFC 7641 4.3: caching', () => {
  test('4.3.1: with `refresh` a notification is sent again before it is stale, as long as the observation lasts', async () => {
    const { raw, sim, replies, endpoint } = serverOf({ observe: { refresh: 2000 } });
    acknowledging(raw);
    await raw.exchange('4101 1234 aa 60');
    replies[0]!.notify(state('once', { options: [uintOption(OptionNumber.MaxAge, 10)] }));
    await sim.sleep(25_000);
    assert.deepEqual(texts(raw), ['first', 'once', 'once', 'once', 'once']);
    await raw.exchange('4101 1235 aa 61 01');
    const before = raw.received.length;
    await sim.sleep(100_000);
    assert.equal(raw.received.length, before);
    await sim.finish(endpoint.close());
    assert.equal(sim.pending, 0);
  });

  test('3.3.2 and 4.3.2: whenever the state is one that an ETag of the registration names, the notification is 2.03 without payload', async () => {
    const sim = new Simulator({ seed: 2 });
    const router = new Router();
    let value = 1;
    const handle = router.resource('/t', { observable: true, get: () => ({ payload: `state ${value}`, etag: Uint8Array.of(value) }) });
    new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler: router.handler });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client') });
    const etags = [1, 3].map((n) => opaqueOption(OptionNumber.ETag, Uint8Array.of(n)));
    const stream = client.observe({ peer: here, options: [...etags, ...pathOptions(['t'])] });
    const seen: (number | string | undefined)[][] = [];
    for (value of [1, 2, 3]) {
      handle.changed();
      const { value: notification } = await sim.finish(stream.next());
      seen.push([notification!.code, text(notification!), option(notification!, OptionNumber.ETag)]);
      assert.notEqual(option(notification!, OptionNumber.Observe), undefined);
      await sim.sleep(1000);
    }
    assert.deepEqual(seen, [
      [Code.Valid, '', '01'],
      [Code.Content, 'state 2', '02'],
      [Code.Valid, '', '03'],
    ]);
    await sim.finish(stream.return!());
  });
});

test('RFC 7641 4.4: numbers rise strictly, and however fast states change by less than 2^23 in 256 s', async () => {
  const sim = new Simulator();
  const layer = observe({}, sim.env());
  let handled: Reply | undefined;
  const reply = ask(
    layer.inbound((_message, to) => {
      handled = to;
      to.notify(state('a'));
    }),
    request(1, 't', { options: [register] }),
  );
  for (let i = 0; i < 256; i++) {
    for (let j = 0; j < 100; j++) handled!.notify(state('x'));
    await sim.sleep(1000);
  }
  for (let i = 1; i < reply.sent.length; i++) assert.ok(isNewer(reply.sent[i - 1]!, reply.sent[i]!));
  const number = (of: Response): number => uintOf(of.options, OptionNumber.Observe)!;
  assert.ok((number(reply.last) - number(reply.sent[0]!) + 2 ** 24) % 2 ** 24 < 2 ** 23);
});

describe('RFC 7641 4.5: the type of a notification', () => {
  test('is chosen for each by the server, whatever that of the registration was', async () => {
    for (const registration of ['4101 1234 aa 60', '5101 1234 aa 60']) {
      const { raw, sim, replies } = serverOf();
      acknowledging(raw);
      await raw.exchange(registration);
      await sim.sleep(10_000);
      const before = raw.received.length;
      replies[0]!.notify(state('a', { nonConfirmable: true }));
      await sim.sleep(10_000);
      replies[0]!.notify(state('b', { nonConfirmable: false }));
      await sim.sleep(10_000);
      // The Non-confirmable one has no successor, so it comes again as a Confirmable one.
      assert.deepEqual(
        [types(raw).slice(before), texts(raw).slice(before)],
        [
          [1, 0, 0],
          ['a', 'a', 'b'],
        ],
      );
    }
  });

  test('a resource function says it too', async () => {
    const router = new Router();
    const handle = router.resource('/t', { observable: true, get: () => ({ payload: 'x', nonConfirmable: true }) });
    const sim = new Simulator({ seed: 4 });
    new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler: router.handler, amplification: 'unlimited' });
    const raw = new RawPeer(sim, '10.0.0.2', here);
    await raw.exchange('4101 1234 aa 60 51 74');
    handle.changed();
    await sim.sleep(100);
    assert.deepEqual(types(raw), [2, 1]);
  });

  test('after so many Non-confirmable ones in a row one is Confirmable', async () => {
    for (const most of [0, 1, 3]) {
      const { raw, sim, replies } = serverOf({ parameters: { nonConfirmableNotifications: most } });
      acknowledging(raw);
      await raw.exchange('4101 1234 aa 60');
      for (let i = 0; i < 40; i++) {
        replies[0]!.notify(state(`${i}`, { nonConfirmable: true }));
        await sim.sleep(1000);
      }
      const runs = types(raw).slice(1).join('').split('0');
      assert.equal(Math.max(...runs.map(({ length }) => length)), most);
      assert.ok(runs.length > 2);
    }
  });

  test('at least one in 24 hours is Confirmable, so a client that went away does not stay', async () => {
    const { raw, sim, replies, endpoint } = serverOf();
    acknowledging(raw);
    await raw.exchange('4101 1234 aa 60');
    for (let day = 0; day < 5; day++) {
      const before = raw.received.length;
      replies[0]!.notify(state(`${day}`, { nonConfirmable: true }));
      await sim.sleep(80_000_000);
      assert.ok(types(raw).slice(before).includes(0));
    }
    raw.onDatagram = undefined;
    replies[0]!.notify(state('gone', { nonConfirmable: true }));
    await sim.sleep(1_000_000);
    assert.equal(endpoint.stats()['observers'], 0);
  });
});

test('RFC 7641 4.5.1: of several observations of one client NSTART notifications are outstanding', async () => {
  const { raw, sim, replies } = serverOf();
  for (const token of ['aa', 'ab', 'ac']) await raw.exchange(`4101 12${token} ${token} 60`);
  for (const reply of replies) reply.notify(state('news'));
  await sim.sleep(100);
  assert.equal(raw.received.length, 4);
  raw.send(`6000${raw.received[3]!.slice(4, 8)}`);
  await sim.sleep(100);
  assert.equal(raw.received.length, 5);
  assert.notEqual(raw.received[4]!.slice(8, 10), raw.received[3]!.slice(8, 10));
});

test('RFC 7641 4.5: what is known of a client lasts as long as its observation, however long nothing is to be said', async () => {
  const { raw, sim, replies, endpoint } = serverOf({ amplification: {} });
  acknowledging(raw);
  await raw.exchange('4101 1234 aa 60');
  await sim.sleep(80_000_000);
  replies[0]!.notify(state('late'));
  await sim.sleep(1000);
  assert.deepEqual(texts(raw), ['first', 'late']);
  await raw.exchange('4101 1235 aa 61 01');
  await sim.sleep(1_000_000);
  assert.deepEqual([endpoint.stats()['peers'], endpoint.stats()['observers']], [0, 0]);
});

describe('RFC 7641 3: the client', () => {
  test('3.5: a Confirmable notification whose token it does not know is rejected and not acknowledged', async () => {
    const { raw, endpoint, sim } = serverOf();
    assert.deepEqual(await raw.exchange('4145 7777 dd 61 05 ff 78'), ['70007777']);
    await sim.run();
    assert.equal(endpoint.stats()['peers'], 0);
  });

  function pair(fields: ObserveOptions) {
    const sim = new Simulator({ seed: 6 });
    const router = new Router();
    let value = 0;
    const handle = router.resource('/t', { observable: true, get: () => ({ payload: `${value}`, maxAge: 30 }) });
    const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler: router.handler });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), observe: fields });
    const change = (): void => {
      value++;
      handle.changed();
    };
    return { sim, server, client, change };
  }

  test('3.6: a client may forget: its Reset to the next notification ends the observation', async () => {
    const { sim, server, client, change } = pair({ cancellation: 'forget' });
    const stream = client.observe({ peer: here, options: pathOptions(['t']) });
    await sim.finish(stream.next());
    const before = sim.wire.length;
    await sim.finish(stream.return!());
    await sim.sleep(1000);
    assert.deepEqual([sim.wire.length, server.stats()['observers']], [before, 1]);
    change();
    await sim.sleep(1000);
    assert.equal(decodeMessage(sim.wire.at(-1)!.datagram).type, 3);
    assert.deepEqual([server.stats()['observers'], server.stats()['observe.observers']], [0, 0]);
  });

  test('3.1: with `answerGets` a GET is answered from a fresh observation of the same target, without Observe and with what is left of Max-Age', async () => {
    const { sim, client, change } = pair({ answerGets: true });
    const stream = client.observe({ peer: here, options: pathOptions(['t']) });
    await sim.finish(stream.next());
    change();
    await sim.finish(stream.next());
    await sim.sleep(10_500);
    const before = sim.wire.length;
    const got = await sim.finish(client.request({ peer: here, options: pathOptions(['t']) }));
    assert.equal(sim.wire.length, before);
    assert.deepEqual([text(got), uintOf(got.options, OptionNumber.MaxAge), option(got, OptionNumber.Observe)], ['1', 19, undefined]);
    await sim.finish(client.request({ peer: here, options: [...pathOptions(['t']), uintOption(OptionNumber.Accept, 0)] }));
    assert.equal(sim.wire.length, before + 2, 'another Accept is another target');
    await sim.finish(stream.return!());
  });

  test('3.1: by default a GET asks the server, and a stale observation answers none', () => {
    for (const answerGets of [false, true]) {
      const layer = observe({ answerGets }, new Simulator().env());
      const wire = new Wire((_message, reply) => reply.notify(state('a', { options: [uintOption(OptionNumber.Observe, 1)] })));
      const requester = layer.outbound(wire.requester);
      requester(request(1, 't', { options: [register] }), new Listener());
      requester(request(2, 't'), new Listener());
      requester(request(1, 't'), new Listener());
      assert.equal(wire.requests.length, answerGets ? 2 : 3);
      layer.close();
    }
  });
});

test('RFC 7641 6: the attribute obs has no value, what stands there is ignored, and so is a second one', () => {
  const [link] = decodeLinkFormat('</t>;obs="yes";obs;rt="x"');
  assert.deepEqual(link!.attributes, [
    ['obs', undefined],
    ['rt', 'x'],
  ]);
  assert.equal(encodeLinkFormat([link!]), '</t>;obs;rt="x"');
});
