import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeMessage,
  Endpoint,
  type EndpointOptions,
  type Handler,
  type Layer,
  Method,
  OptionNumber,
  type Peer,
  pathOptions,
  Router,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { frameLength, trafficOf } from '../../support/amplification.ts';
import { SeededRandom } from '../../support/random.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { scale } from '../../support/scale.ts';
import { Simulator } from '../../support/simulator.ts';
import { body, brief, option } from '../harness.ts';

const here: Peer = { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 };
const there: Peer = { key: '10.0.0.2:5683', address: '10.0.0.2', port: 5683 };

function serverOf(handler: Handler, options: Partial<EndpointOptions> = {}) {
  const sim = new Simulator({ seed: 3 });
  const endpoint = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, ...options });
  const raw = new RawPeer(sim, '10.0.0.2', here);
  const traffic = (until?: number) => trafficOf(sim, here.key, raw.peer.key, until);
  return { sim, endpoint, raw, traffic };
}

/** Answers each request with so many bytes. */
const answering = (length: number, code: number = Code.Content): Handler => {
  return (_request, reply) => reply.respond({ code, options: [], payload: body(length) });
};

/** A Block2 option of 64 bytes behind Uri-Path: delta 12. */
const block2Hex = (number: number): string => {
  const value = (number * 16 + 2).toString(16);
  return value.length <= 2 ? `c1 ${value.padStart(2, '0')}` : `c2 ${value.padStart(4, '0')}`;
};

const message = (hex: string) => decodeMessage(fromHex(hex));
const echoIn = (hex: string): string | undefined => option(message(hex), OptionNumber.Echo);
/** GET /a with a message id, behind it options as hexadecimal. */
const get = (id: string, options = '') => `4001 ${id} b1 61 ${options}`;
/** An Echo option behind Uri-Path (11): delta 241. */
const echoAfterPath = (value: string) => `d${(value.length / 2).toString(16)} e4 ${value}`;

describe('RFC 9175 2.4, item 3: what is sent to an address that has not shown itself', () => {
  test('136 bytes answer the smallest request over IPv6, and no more', async () => {
    for (const [length, whole] of [
      [131, true],
      [132, false],
    ] as const) {
      const sim = new Simulator();
      new Endpoint({ transport: sim.transport('2001:db8::1', 5683), env: sim.env(), handler: answering(length) });
      const raw = new RawPeer(sim, '2001:db8::2', sim.peer('2001:db8::1', 5683));
      const [answer] = await raw.exchange('4001 1234');
      assert.equal(answer!.length / 2 === 136, whole, answer);
      assert.ok(trafficOf(sim, '2001:db8::1:5683', raw.peer.key).excess <= 0);
      assert.equal(brief(message(answer!)), whole ? '2.05' : '2.05 2:0/1/64');
    }
  });

  test('a larger answer becomes a smaller first block with an Echo', async () => {
    const { raw, traffic } = serverOf(answering(1000));
    const [answer] = await raw.exchange(get('1234'));
    assert.equal(brief(message(answer!)), '2.05 2:0/1/64');
    assert.match(echoIn(answer!) ?? '', /^[0-9a-f]{24}$/);
    assert.ok(option(message(answer!), OptionNumber.ETag) !== undefined);
    assert.ok(traffic().excess <= 0);
  });

  test('a client that does not know Echo reads the whole, in small blocks', async () => {
    const { raw, traffic, endpoint } = serverOf(answering(1000));
    const parts: string[] = [];
    for (let number = 0, more = true; more; number++) {
      const block = number === 0 ? '' : block2Hex(number);
      const [answer] = await raw.exchange(get((0x1000 + number).toString(16), block));
      const { payload, options } = message(answer!);
      parts.push(toHex(payload));
      more = brief({ code: 69, options }).includes('/1/');
      assert.ok(payload.length === 64 || !more);
    }
    assert.equal(parts.join(''), toHex(body(1000)));
    assert.ok(traffic().excess <= 0);
    assert.equal(endpoint.stats()['reachable'], 0);
  });

  test('an Echo that came back shows the address: from then on answers are what they are', async () => {
    const { raw, endpoint, sim } = serverOf(answering(1000));
    const [first] = await raw.exchange(get('1234'));
    const [second] = await raw.exchange(get('1235', echoAfterPath(echoIn(first!)!)));
    assert.deepEqual([brief(message(second!)), message(second!).payload.length, echoIn(second!)], ['2.05', 1000, undefined]);
    const [third] = await raw.exchange(get('1236'));
    assert.equal(message(third!).payload.length, 1000);
    assert.equal(endpoint.stats()['reachable'], 1);
    // Another port is another endpoint.
    const other = new RawPeer(sim, '10.0.0.2', here, 5684);
    assert.equal(brief(message((await other.exchange(get('1234')))[0]!)), '2.05 2:0/1/64');
  });

  test('the address is remembered when all else of the peer is forgotten, for its lifetime, which begins anew when it is seen', async () => {
    const { raw, endpoint, sim } = serverOf(answering(1000), { amplification: { lifetime: 600_000 } });
    const [first] = await raw.exchange(get('1234'));
    await raw.exchange(get('1235', echoAfterPath(echoIn(first!)!)));
    for (const id of ['1236', '1237']) {
      await sim.sleep(500_000);
      assert.equal(endpoint.stats()['peers'], 0);
      assert.equal(message((await raw.exchange(get(id)))[0]!).payload.length, 1000);
    }
    await sim.sleep(1_000_000);
    assert.equal(endpoint.stats()['reachable'], 0);
    assert.equal(message((await raw.exchange(get('1238')))[0]!).payload.length, 64);
  });

  test('addresses that are remembered are bounded', async () => {
    const { endpoint, sim } = serverOf(answering(1000), { amplification: { addresses: 3 } });
    for (let i = 10; i < 20; i++) {
      const raw = new RawPeer(sim, `10.0.0.${i}`, here);
      const [first] = await raw.exchange(get('1234'));
      await raw.exchange(get('1235', echoAfterPath(echoIn(first!)!)));
    }
    assert.equal(endpoint.stats()['reachable'], 3);
  });

  test('a value that is altered, stale, or was given to another address shows nothing', async () => {
    const { raw, sim, endpoint } = serverOf(answering(1000), { amplification: { window: 60_000 } });
    const [first] = await raw.exchange(get('1234'));
    const value = echoIn(first!)!;
    let id = 0x2000;
    const shows = async (by: RawPeer, echo: string): Promise<boolean> => {
      const answer = (await by.exchange(get((id++).toString(16), echoAfterPath(echo))))[0]!;
      return message(answer).payload.length === 1000;
    };
    for (let i = 0; i < 12; i++) {
      const bytes = fromHex(value);
      bytes[i]! ^= 0x40;
      assert.equal(await shows(raw, toHex(bytes)), false);
    }
    assert.equal(await shows(new RawPeer(sim, '10.0.0.3', here), value), false);
    assert.equal(await shows(new RawPeer(sim, '10.0.0.2', here, 5684), value), false);
    await sim.sleep(60_000);
    assert.equal(await shows(raw, value), false);
    assert.equal(endpoint.stats()['reachable'], 0);
  });

  test('a client that knows Echo is challenged: 4.01, not to be cached, smaller than thrice the request; and its request is answered then', async () => {
    const { raw, traffic } = serverOf(answering(1000));
    const [first] = await raw.exchange(get('1234', echoAfterPath('0102030405060708')));
    const { code, type } = message(first!);
    assert.deepEqual([code, type, option(message(first!), OptionNumber.MaxAge)], [Code.Unauthorized, 2, '']);
    assert.ok(traffic().excess <= 0);
    const [second] = await raw.exchange(get('1235', echoAfterPath(echoIn(first!)!)));
    assert.equal(message(second!).payload.length, 1000);
  });

  test('a challenge never goes out as a separate Confirmable message', async () => {
    const { raw, sim } = serverOf((_request, reply) => {
      sim.env().schedule(2000, () => reply.respond({ code: Code.Content, options: [], payload: body(1000) }));
    });
    raw.send(get('1234', echoAfterPath('0102030405060708')));
    await sim.sleep(200_000);
    const types = raw.received.map((hex) => [message(hex).type, message(hex).code]);
    assert.deepEqual(types, [
      [2, 0],
      [1, Code.Unauthorized],
    ]);
  });

  test('a request that changes something is processed once; its large answer goes out in blocks, and without them as a bare code', async () => {
    let calls = 0;
    const { raw, traffic } = serverOf((request, reply) => {
      calls++;
      // Location-Path, which cannot be split.
      const options = request.code === Method.PUT ? [{ number: OptionNumber.LocationPath, value: body(250) }] : [];
      reply.respond({ code: Code.Created, options, payload: request.code === Method.PUT ? emptyBytes : body(500) });
    });
    const [post] = await raw.exchange('4002 1234 b1 61');
    assert.equal(brief(message(post!)), '2.01 2:0/1/64');
    const [next] = await raw.exchange('4002 1235 b1 61 c1 12');
    assert.deepEqual([brief(message(next!)), message(next!).payload], ['2.01 2:1/1/64', body(500).subarray(64, 128)]);
    const [put] = await raw.exchange(`4003 1236 b1 61 ${echoAfterPath('0102030405060708')}`);
    assert.deepEqual(fromHex(put!), fromHex('60411236'));
    assert.equal(calls, 2);
    assert.ok(traffic().excess <= 0);
  });

  test('an error goes out without its diagnostic payload; one that means something brings a challenge', async () => {
    for (const [options, code] of [
      [[], Code.BadRequest],
      [[{ number: OptionNumber.ContentFormat, value: Uint8Array.of(19) }], Code.Unauthorized],
    ] as const) {
      const { raw } = serverOf((_request, reply) => reply.respond({ code: Code.BadRequest, options, payload: body(300) }));
      const [answer] = await raw.exchange(get('1234', echoAfterPath('0102030405060708')));
      assert.deepEqual([message(answer!).code, message(answer!).payload.length], [code, 0]);
    }
  });

  test('duplicates are answered as long as that is within the limit: each brings its own', async () => {
    const { raw, traffic } = serverOf(answering(1000));
    for (let i = 0; i < 100; i++) await raw.exchange(get('1234'));
    assert.equal(raw.received.length, 100);
    assert.equal(new Set(raw.received).size, 1);
    assert.ok(traffic().excess <= 0);
  });

  test('retransmissions of a separate response count', async () => {
    const { raw, sim, traffic, endpoint } = serverOf((_request, reply) => {
      sim.env().schedule(1000, () => reply.respond({ code: Code.Content, options: [], payload: body(40) }));
    });
    raw.send(get('1234'));
    await sim.sleep(200_000);
    assert.ok(raw.received.length >= 2);
    assert.ok(traffic().excess <= 0);
    await sim.sleep(400_000);
    assert.equal(endpoint.stats()['outstanding'], 0);
  });

  test('an acknowledgement gives back what was sent for it, and does not show the address', async () => {
    const { raw, sim, endpoint, traffic } = serverOf((_request, reply) => {
      sim.env().schedule(600, () => reply.respond({ code: Code.Content, options: [], payload: body(60) }));
    });
    for (let i = 0; i < 20; i++) {
      raw.send(get((0x3000 + i).toString(16)));
      await sim.sleep(700);
      const last = raw.received.at(-1)!;
      assert.deepEqual([message(last).type, message(last).payload.length], [0, 60]);
      raw.send(`6000${last.slice(4, 8)}`);
      await sim.sleep(100);
    }
    assert.equal(endpoint.stats()['reachable'], 0);
    assert.ok(traffic().excess <= 0);
  });

  test('a response to a request of ours shows the address of who gave it', async () => {
    const { raw, sim, endpoint } = serverOf(answering(1000));
    const asked = endpoint.request({ peer: there });
    await sim.sleep(100);
    const [request] = raw.received;
    const length = Number.parseInt(request![1]!, 16);
    raw.send(`6${length}45${request!.slice(4, 8)}${request!.slice(8, 8 + 2 * length)}`);
    await sim.finish(asked);
    assert.equal(endpoint.stats()['reachable'], 1);
    assert.equal(message((await raw.exchange(get('1234')))[0]!).payload.length, 1000);
  });

  test('requests of our own are not limited', async () => {
    const { raw, sim, endpoint } = serverOf(answering(1000));
    const asked = endpoint.request({ peer: there, code: Method.PUT, payload: body(1000) });
    const failed = assert.rejects(asked, { code: 'ERR_COAP_TIMEOUT' });
    await sim.sleep(100_000);
    await failed;
    assert.equal(raw.received.length, 5);
  });

  test('unlimited: turned off by name', async () => {
    const { raw } = serverOf(answering(1000), { amplification: 'unlimited' });
    assert.equal(message((await raw.exchange(get('1234')))[0]!).payload.length, 1000);
  });

  test('loopback is no exception', async () => {
    const sim = new Simulator();
    new Endpoint({ transport: sim.transport('127.0.0.1', 5683), env: sim.env(), handler: answering(1000) });
    const raw = new RawPeer(sim, '127.0.0.1', sim.peer('127.0.0.1', 5683), 40_000);
    assert.equal(message((await raw.exchange(get('1234')))[0]!).payload.length, 64);
  });

  test('/.well-known/core is within the limit', async () => {
    const router = new Router();
    for (let i = 0; i < 50; i++) router.resource(`/resource/number/${i}`, { get: () => 'x', attributes: { title: 'a resource with a long title' } });
    const { raw, traffic } = serverOf(router.handler);
    const [answer] = await raw.exchange(`4001 1234 bb ${toHex(utf8('.well-known'))} 04 ${toHex(utf8('core'))}`);
    assert.match(brief(message(answer!)), /^2.05 2:0\/1\/64$/);
    assert.ok(traffic().excess <= 0);
  });
});

describe('RFC 9175 2.4, item 3: our client', () => {
  function pair(handler: Handler) {
    const sim = new Simulator({ seed: 5 });
    const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client') });
    return { sim, server, client };
  }

  test('gets a large resource by one more exchange, and the next one by none', async () => {
    const { sim, server, client } = pair(answering(1000));
    const response = await sim.finish(client.request({ peer: here, options: pathOptions(['a']) }));
    assert.deepEqual(response.payload, body(1000));
    assert.equal(sim.wire.length, 4);
    assert.equal(server.stats()['reachable'], 1);
    await sim.finish(client.request({ peer: here, options: pathOptions(['a']) }));
    assert.equal(sim.wire.length, 6);
  });

  test('gets a body of many blocks in large ones', async () => {
    const { sim, client } = pair(answering(10_000));
    const response = await sim.finish(client.request({ peer: here, options: pathOptions(['a']) }));
    assert.deepEqual(response.payload, body(10_000));
    assert.equal(sim.wire.length, 2 + 2 * 10);
  });

  test('a POST with a large answer reaches the handler once', async () => {
    let calls = 0;
    const { sim, client } = pair((_request, reply) => {
      calls++;
      reply.respond({ code: Code.Changed, options: [], payload: body(700) });
    });
    const response = await sim.finish(client.request({ peer: here, code: Method.POST, options: pathOptions(['a']) }));
    assert.deepEqual([response.payload, calls], [body(700), 1]);
  });
});

test('RFC 9175 2.3: an Echo of ours is taken out of the request, fresh or not; another is passed on', async () => {
  const seen: (string | undefined)[] = [];
  const { raw, sim } = serverOf((request, reply) => {
    seen.push(option(request, OptionNumber.Echo));
    reply.respond({ code: Code.Content, options: [], payload: body(1000) });
  });
  const [first] = await raw.exchange(get('1234'));
  await raw.exchange(get('1235', echoAfterPath(echoIn(first!)!)));
  await sim.sleep(1_000_000);
  await raw.exchange(get('1236', echoAfterPath(echoIn(first!)!)));
  await raw.exchange(get('1237', echoAfterPath('0a0b0c')));
  assert.deepEqual(seen, [undefined, undefined, undefined, '0a0b0c']);
});

describe('RFC 7641 7: notifications to an address that has not shown itself', () => {
  function observed(registration: string) {
    const replies: { notify(text: string): void; cancelled: boolean }[] = [];
    const { raw, sim, endpoint, traffic } = serverOf((_request, reply) => {
      const notify = (text: string) => reply.notify({ code: Code.Content, options: [], payload: utf8(text) });
      const entry = { notify, cancelled: false };
      reply.onCancel(() => {
        entry.cancelled = true;
      });
      replies.push(entry);
      notify('first');
    });
    return { raw, sim, endpoint, traffic, replies, start: () => raw.exchange(registration) };
  }

  test('are Confirmable, also when the registration was not, and end when nobody acknowledges; all within the limit', async () => {
    for (const registration of ['4101 1234 aa 60', '5101 1234 aa 60']) {
      const { raw, sim, endpoint, traffic, replies, start } = observed(registration);
      await start();
      for (let i = 0; i < 1000; i++) {
        replies[0]!.notify(`state ${i}`);
        await sim.sleep(500);
      }
      assert.ok(raw.received.length > 1);
      assert.ok(raw.received.slice(1).every((hex) => message(hex).type === 0));
      assert.ok(traffic().excess <= 0);
      assert.deepEqual([replies[0]!.cancelled, endpoint.stats()['observers']], [true, 0]);
    }
  });

  test('go on for a client that acknowledges each, for days', async () => {
    const { raw, sim, traffic, replies, start } = observed('4101 1234 aa 60');
    raw.onDatagram = (hex) => {
      if (message(hex).type === 0) raw.send(`6000${hex.slice(4, 8)}`);
    };
    await start();
    for (let i = 0; i < 500; i++) {
      replies[0]!.notify(`state ${i} ${'x'.repeat(i % 50)}`);
      await sim.sleep(600_000);
    }
    assert.equal(raw.received.length, 501);
    assert.ok(traffic().excess <= 0);
    assert.equal(replies[0]!.cancelled, false);
  });

  test('a registration that is challenged makes no observation, and the handler hears that nobody waits, also when it asks late', async () => {
    let told = 0;
    const { raw, endpoint } = serverOf((_request, reply) => {
      reply.onCancel(() => told++);
      reply.notify({ code: Code.Content, options: [], payload: body(1000) });
      reply.onCancel(() => told++);
    });
    // Observe, then Echo: delta 246.
    const [answer] = await raw.exchange('4101 1234 aa 60 d8 e9 0102030405060708');
    assert.equal(message(answer!).code, Code.Unauthorized);
    assert.deepEqual([told, endpoint.stats()['observers'], endpoint.stats()['observe.observers'], endpoint.stats()['replies']], [2, 0, 0, 0]);
    const [again] = await raw.exchange(`4101 1235 aa 60 dc e9 ${echoIn(answer!)}`);
    assert.deepEqual([message(again!).code, endpoint.stats()['observers']], [Code.Content, 1]);
  });

  test('a large notification goes out as a smaller first block', async () => {
    const { raw, sim, replies, traffic, start } = observed('4101 1234 aa 60 51 61');
    await start();
    replies[0]!.notify('x'.repeat(2000));
    await sim.sleep(100);
    assert.match(brief(message(raw.received[1]!)), /^2.05 2:0\/1\/(16|32|64)$/);
    assert.ok(traffic().excess <= 0);
  });
});

test('RFC 9175 2.6 speaks of unauthenticated clients: a protected answer is not limited', async () => {
  // What the OSCORE layer makes of an answer has the OSCORE option.
  const answer: Handler = (_request, reply) =>
    reply.respond({ code: Code.Changed, options: [{ number: OptionNumber.Oscore, value: emptyBytes }], payload: body(500) });
  const layer: Layer = { name: 'protecting', outbound: (next) => next, inbound: () => answer };
  const { raw, endpoint } = serverOf(answer, { layers: [layer], parameters: { maxRetransmit: 4 } });
  for (let i = 0; i < 50; i++) await raw.exchange(get('1234'));
  assert.ok(raw.received.every((hex) => message(hex).payload.length === 500));
  // Duplicates can be sent by anybody who saw the first: as many as a client may send are answered, then only what the limit allows.
  const inLimit = Math.floor((3 * 50 * 60) / frameLength('10.0.0.2', raw.received[0]!.length / 2));
  assert.equal(raw.received.length, 5 + inLimit);
  assert.equal(endpoint.stats()['reachable'], 0);
});

test('RFC 9175 2.4: whatever an address sends that never answers, it is sent at most three times as much', async () => {
  for (let seed = 1; seed <= (scale === 'full' ? 300 : 25); seed++) {
    const random = new SeededRandom(seed);
    const replies: { notify(length: number): void }[] = [];
    const { raw, sim, traffic, endpoint } = serverOf((request, reply) => {
      const length = random.chance(0.5) ? random.between(0, 100) : random.between(0, 5000);
      const code = random.chance(0.2) ? Code.BadRequest : Code.Content;
      const respond = () => {
        const payload = body(Math.floor(length));
        if (option(request, OptionNumber.Observe) !== '') reply.respond({ code, options: [], payload });
        else {
          replies.push({ notify: (bytes) => reply.notify({ code: Code.Content, options: [], payload: body(bytes) }) });
          reply.notify({ code: Code.Content, options: [], payload });
        }
      };
      if (random.chance(0.3)) sim.env().schedule(random.between(0, 3000), respond);
      else respond();
    });
    for (let i = 0; i < 60; i++) {
      const id = (0x1000 + Math.floor(random.between(0, 40))).toString(16);
      const type = random.chance(0.7) ? '4' : '5';
      const observe = random.chance(0.3) ? '60 51 61' : 'b1 61';
      const echo = random.chance(0.3) ? echoAfterPath('0102030405060708') : '';
      const block = random.chance(0.2) ? 'c1 06' : '';
      raw.send(`${type}101 ${'00'.slice(2)}${id} aa ${observe} ${echo === '' ? block : echo}`);
      if (random.chance(0.3)) for (const { notify } of replies) notify(Math.floor(random.between(0, 3000)));
      await sim.sleep(random.between(0, 4000));
    }
    await sim.sleep(300_000);
    const { excess, received } = traffic();
    assert.ok(received >= 60 * frameLength('10.0.0.2', 7));
    assert.ok(excess <= 0, `seed ${seed}: ${excess} bytes too many`);
    assert.equal(endpoint.stats()['reachable'], 0);
  }
});
