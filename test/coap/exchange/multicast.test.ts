import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  allCoapNodes,
  Code,
  composeUri,
  decodeMessage,
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  encodeMessage,
  type Handler,
  type MessageType,
  OptionNumber,
  type Peer,
  pathOptions,
  queryOptions,
  type Request,
  type Response,
  Router,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { SeededRandom } from '../../support/random.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';

const ok: Handler = (_request, reply) => reply.respond({ code: Code.Content, options: [], payload: utf8('ok') });
const group = allCoapNodes.ipv4;

/** A client, and members of a group on 10.0.1.1, 10.0.1.2 and so on. */
function groupOf(handlers: readonly Handler[], options: Partial<EndpointOptions> = {}, seed = 8) {
  const sim = new Simulator({ seed });
  const client = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('client'), ...options });
  let all: Peer = sim.join(group, 5683, 'nobody');
  const events: EndpointEvent[] = [];
  const members = handlers.map((handler, i) => {
    const address = `10.0.1.${i + 1}`;
    const transport = sim.transport(address, 5683);
    all = sim.join(group, 5683, `${address}:5683`);
    return new Endpoint({ transport, env: sim.env(address), handler, emit: (event) => events.push(event), ...options });
  });
  const ask = async (request: Partial<Request> = {}, wait?: number): Promise<Response[]> => {
    const responses: Response[] = [];
    const stream = client.requestGroup({ peer: all, ...request }, wait === undefined ? {} : { wait });
    const reading = (async () => {
      for await (const response of stream) responses.push(response);
    })();
    await sim.finish(reading);
    return responses;
  };
  return { sim, client, members, all, ask, events };
}

describe('RFC 7252 8.1: messages to a group', () => {
  test('requests are Non-confirmable; a Confirmable one is wrong use', async () => {
    const { sim, client, all, ask } = groupOf([ok]);
    await ask();
    const sent = sim.wire.filter(({ to }) => to === all.key).map(({ datagram }) => decodeMessage(datagram));
    assert.deepEqual(
      sent.map(({ type }) => type),
      [1],
    );
    await assert.rejects(sim.finish(client.request({ peer: all })), { code: 'ERR_COAP_MULTICAST' });
  });

  test('no Reset and no acknowledgement to anything that came by multicast', async () => {
    const { sim, members, events } = groupOf([ok]);
    const raw = new RawPeer(sim, '10.0.0.9', sim.join(group, 5683, '10.0.1.1:5683'));
    for (const hex of [
      '4001 1234',
      '4000 1234',
      '5000 1234',
      '6000 1234',
      '7000 1234',
      '5001 1235 ff',
      '4f01 1236',
      '5901 1237',
      '4045 1238',
      '5045 1239',
      '50e1 123a',
      '5001 123b 91 00',
    ]) {
      raw.send(hex);
      await sim.sleep(20_000);
      assert.deepEqual(raw.received, [], hex);
    }
    assert.equal(events.length, 12);
    assert.deepEqual(new Set(events.map((event) => (event as { reason: string }).reason)), new Set(['group', 'format', 'option']));
    assert.equal(members[0]!.stats()['replies'], 0);
  });

  test('message ids of group requests are those of no unicast message that is still active', async () => {
    const { sim, client, all } = groupOf([]);
    const peers = Array.from({ length: 20 }, (_, i) => sim.peer(`10.0.2.${i}`, 5683));
    for (let round = 0; round < 60; round++) {
      for (const peer of peers) await client.send({ peer }).catch(() => {});
      client.requestGroup({ peer: all }, { wait: 10 });
      await sim.sleep(100_000);
    }
    const seen = new Map<number, { to: string; time: number }[]>();
    for (const { to, time, datagram } of sim.wire) {
      const { id } = decodeMessage(datagram);
      const others = seen.get(id) ?? [];
      for (const other of others) if (other.to !== to && (other.to === all.key || to === all.key)) assert.ok(time - other.time >= 247_000, `id ${id}`);
      seen.set(id, [...others, { to, time }]);
    }
    assert.ok(sim.wire.filter(({ to }) => to === all.key).length === 60);
  });
});

describe('RFC 7252 8.2: requests to a group', () => {
  test('many responses, each from its own endpoint, matched by token alone', async () => {
    const { client, ask } = groupOf(Array.from({ length: 5 }, () => ok));
    const responses = await ask();
    assert.deepEqual(responses.map(({ peer }) => peer!.address).sort(), ['10.0.1.1', '10.0.1.2', '10.0.1.3', '10.0.1.4', '10.0.1.5']);
    assert.equal(client.stats()['requests'], 0);
  });

  test('responses leave at random within the leisure, not all at once', async () => {
    const { sim, ask } = groupOf(Array.from({ length: 20 }, () => ok));
    await ask();
    const times = sim.wire.filter(({ to }) => to === '10.0.0.1:5683').map(({ time }) => time);
    assert.equal(times.length, 20);
    assert.ok(times.every((time) => time >= 10 && time <= 5010));
    assert.ok(new Set(times.map((time) => Math.floor(time / 500))).size > 5, times.join());
  });

  test('the leisure is a parameter, of all and of the group alone', async () => {
    for (const options of [{ parameters: { defaultLeisure: 50 } }, { multicast: { leisure: 50 } }]) {
      const { sim, ask } = groupOf([ok, ok], options);
      assert.equal((await ask()).length, 2);
      const times = sim.wire.filter(({ to }) => to === '10.0.0.1:5683').map(({ time }) => time);
      assert.ok(
        times.every((time) => time <= 60),
        times.join(),
      );
    }
    assert.throws(() => groupOf([ok], { multicast: { leisure: -1 } }), { code: 'ERR_COAP_PARAMETER' });
  });

  test('leisure periods of one group follow each other, and who asks too often is not answered', async () => {
    const { sim, members } = groupOf([ok]);
    const raw = new RawPeer(sim, '10.0.0.9', sim.join(group, 5683, '10.0.1.1:5683'));
    for (let id = 0; id < 300; id++) raw.send(`5001 ${(0x1000 + id).toString(16)}`);
    await sim.sleep(100);
    assert.ok(members[0]!.stats()['replies']! <= 21);
    await sim.sleep(200_000);
    const times = sim.wire.filter(({ to }) => to === '10.0.0.9:5683').map(({ time }) => time);
    assert.equal(times.length, 21);
    for (const [i, time] of times.entries()) assert.ok(time >= 5000 * i && time <= 5000 * (i + 1) + 20, `${i}: ${time}`);
    assert.equal(members[0]!.stats()['replies'], 0);
  });

  test('a response leaves its bytes as they were when the handler gave them', async () => {
    const bytes = utf8('before');
    const { ask } = groupOf([
      (_request, reply) => {
        reply.respond({ code: Code.Content, options: [], payload: bytes });
        bytes.set(utf8('after!'));
      },
    ]);
    const [response] = await ask();
    assert.equal(fromUtf8(response!.payload), 'before');
  });

  test('the handler knows the group, and a member knows unicast from multicast', async () => {
    const groups: (string | undefined)[] = [];
    const { sim, client, ask } = groupOf([
      (request, reply) => {
        groups.push(request.group);
        ok(request, reply);
      },
    ]);
    await ask();
    await sim.finish(client.request({ peer: sim.peer('10.0.1.1', 5683) }));
    assert.deepEqual(groups, [group, undefined]);
  });

  test('errors and empty contents are suppressed; a success is not; an application may decide otherwise', async () => {
    const answer =
      (code: number, payload = ''): Handler =>
      (_request, reply) =>
        reply.respond({ code, options: [], payload: utf8(payload) });
    const handlers = [answer(Code.NotFound, 'no'), answer(Code.InternalServerError), answer(Code.Content), answer(Code.Changed), answer(Code.Content, 'x')];
    const codes = (responses: Response[]): number[] => responses.map(({ code }) => code).sort((a, b) => a - b);
    assert.deepEqual(codes(await groupOf(handlers).ask()), [Code.Changed, Code.Content]);
    const none = groupOf(handlers, { multicast: { suppress: (_request, { code }) => code === Code.Content } });
    assert.deepEqual(codes(await none.ask()), [Code.Changed, Code.NotFound, Code.InternalServerError]);
    for (const member of none.members) assert.equal(member.stats()['replies'], 0);
  });

  test('RFC 7967 2.1: No-Response overrides the suppression in both directions', async () => {
    const handlers: Handler[] = [ok, (_request, reply) => reply.respond({ code: Code.NotFound, options: [], payload: emptyBytes })];
    const ask = async (value: number): Promise<number[]> =>
      (await groupOf(handlers).ask({ options: [uintOption(OptionNumber.NoResponse, value)] })).map(({ code }) => code).sort((a, b) => a - b);
    assert.deepEqual(await ask(0), [Code.Content, Code.NotFound]);
    assert.deepEqual(await ask(2), [Code.NotFound]);
    assert.deepEqual(await ask(8), [Code.Content]);
    assert.deepEqual(await ask(26), []);
  });

  test('a handler that throws, and one that takes its time', async () => {
    const { sim, ask, events, members } = groupOf([
      () => {
        throw new Error('no');
      },
      (request, reply) => {
        sim.env('x').schedule(1000, () => ok(request, reply));
      },
    ]);
    assert.equal((await ask()).length, 1);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['failed'],
    );
    for (const member of members) assert.equal(member.stats()['replies'], 0);
  });

  test('an application whose choice throws: nothing is sent, and an event', async () => {
    const { ask, events } = groupOf([ok], {
      multicast: {
        suppress: () => {
          throw new Error('no');
        },
      },
    });
    assert.deepEqual(await ask(), []);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['failed'],
    );
  });

  test('whatever comes by multicast: nothing throws, nothing is sent back but responses, and nothing is left', async () => {
    const { sim, members } = groupOf([ok], { extendedTokens: {} });
    const random = new SeededRandom(11);
    for (let i = 0; i < 20_000; i++) {
      const datagram = random.bytes(random.below(40));
      // Most of them start like a message.
      if (datagram.length > 1 && random.chance(0.9)) datagram[0] = 0x40 | (datagram[0]! & 0x3f);
      if (datagram.length > 1 && random.chance(0.7)) datagram[1] = datagram[1]! & 7;
      sim.inject(datagram, `10.0.9.${i & 255}:5683`, `${group}:5683`);
    }
    await sim.sleep(200_000);
    for (const { to, datagram } of sim.wire) {
      if (!to.startsWith('10.0.9.')) continue;
      const { type, code } = decodeMessage(datagram, { extendedTokens: true });
      assert.ok(type === 1 && code === Code.Content);
    }
    await sim.run();
    const left = Object.entries(members[0]!.stats()).filter(([, count]) => count !== 0);
    assert.deepEqual(left, []);
  });

  test('duplicates of a request and of a response are one', async () => {
    const { sim, all, ask, client } = groupOf([ok]);
    let copy: string | undefined;
    sim.filter = ({ to, datagram }) => {
      if (to === '10.0.0.1:5683' && copy === undefined) {
        copy = toHex(datagram);
        sim.inject(datagram, '10.0.1.1:5683', to);
        sim.inject(datagram, '10.0.1.1:5683', to);
      }
      if (to === all.key) sim.inject(datagram, '10.0.0.1:5683', to);
      return true;
    };
    assert.equal((await ask()).length, 1);
    assert.equal(client.stats()['requests'], 0);
  });

  test('the request URI of a response has the address of who responds', async () => {
    const [response] = await groupOf([ok]).ask({ options: pathOptions(['a']) });
    assert.equal(composeUri(pathOptions(['a']), response!.peer!), 'coap://10.0.1.1/a');
  });

  test('a large answer: the first block by multicast, the whole of it from the member alone', async () => {
    const router = new Router();
    router.resource('/large', { get: () => 'x'.repeat(5000), multicast: true });
    const { ask } = groupOf([router.handler, ok]);
    const responses = await ask({ options: pathOptions(['large']) });
    assert.deepEqual(
      responses.map(({ payload }) => payload.length).sort((a, b) => a - b),
      [2, 5000],
    );
  });

  test('RFC 7252 11.3: of first blocks, which any member may forge, a sender is asked once, and no more of them than responses are kept', async () => {
    const { sim, client, all } = groupOf([]);
    const stream = client.requestGroup({ peer: all }, { responses: 3 });
    const { token } = decodeMessage(sim.wire[0]!.datagram);
    const options = [uintOption(OptionNumber.Block2, 8)];
    for (const [id, last] of [1, 1, 2, 2, 3, 4, 5].entries()) {
      const datagram = encodeMessage({ type: 1 as MessageType, code: Code.Content, id, token, options, payload: new Uint8Array(16) });
      sim.inject(datagram, `10.0.9.${last}:5683`, '10.0.0.1:5683');
    }
    await sim.sleep(1000);
    assert.deepEqual(
      sim.wire.filter(({ from }) => from === '10.0.0.1:5683').map(({ to }) => to),
      [all.key, '10.0.9.1:5683', '10.0.9.2:5683', '10.0.9.3:5683'],
    );
    await stream.return!();
  });

  test('leaving the loop, the signal and close end the wait; a response after it is unexpected', async () => {
    const { sim, client, all } = groupOf([ok]);
    const left = client.requestGroup({ peer: all });
    await left.return!();
    assert.equal(client.stats()['requests'], 0);
    const abort = new AbortController();
    const aborted = client.requestGroup({ peer: all }, { signal: abort.signal }).next();
    abort.abort();
    await assert.rejects(aborted, { code: 'ERR_COAP_ABORTED' });
    const raw = new RawPeer(sim, '10.0.0.9', sim.peer('10.0.0.1', 5683));
    const { token } = decodeMessage(sim.wire[0]!.datagram);
    assert.deepEqual(await raw.exchange(toHex(encodeMessage({ type: 0 as MessageType, code: Code.Content, id: 7, token, options: [], payload: emptyBytes }))), [
      '70000007',
    ]);
    const closed = client.requestGroup({ peer: all }).next();
    await client.close();
    await assert.rejects(closed, { code: 'ERR_COAP_CLOSED' });
  });

  test('a forged response needs the token', async () => {
    const { sim, client, all } = groupOf([]);
    const stream = client.requestGroup({ peer: all });
    const raw = new RawPeer(sim, '10.0.0.9', sim.peer('10.0.0.1', 5683));
    const { token } = decodeMessage(sim.wire[0]!.datagram);
    const other = token.slice();
    other[0]! ^= 1;
    const forged = { type: 1 as MessageType, code: Code.Content, id: 7, options: [], payload: emptyBytes };
    assert.equal((await raw.exchange(toHex(encodeMessage({ ...forged, token: other })))).length, 1);
    assert.equal((await raw.exchange(toHex(encodeMessage({ ...forged, id: 8, token })))).length, 0);
    assert.equal((await stream.next()).value!.peer!.address, '10.0.0.9');
    await stream.return!();
  });
});

describe('RFC 7252 8.2.1, RFC 7390 2.10: what must not go to a group', () => {
  test('ETag in a GET, Observe, and a peer that is none', async () => {
    const { sim, client, all } = groupOf([]);
    for (const options of [[{ number: OptionNumber.ETag, value: fromHex('01') }], [uintOption(OptionNumber.Observe, 0)]])
      assert.throws(() => client.requestGroup({ peer: all, options }), { code: 'ERR_COAP_MULTICAST' });
    assert.throws(() => client.requestGroup({ peer: sim.peer('10.0.1.1', 5683) }), { code: 'ERR_COAP_MULTICAST' });
  });

  test('an Observe option that comes by multicast is not seen', async () => {
    const router = new Router();
    const handle = router.resource('/t', { get: () => '21', observable: true, multicast: true });
    const { sim, members } = groupOf([router.handler]);
    const raw = new RawPeer(sim, '10.0.0.9', sim.join(group, 5683, '10.0.1.1:5683'));
    raw.send('5101 1234 aa 60 5174');
    await sim.sleep(10_000);
    assert.equal(raw.received.length, 1);
    assert.equal(handle.observers, 0);
    assert.equal(members[0]!.stats()['observers'], 0);
  });

  test('RFC 9177 4.8: a Q-Block2 option that comes by multicast is not answered', async () => {
    for (const [hex, answers] of [
      // GET /t, then the same with Q-Block2 0/0/16.
      ['5101 1234 aa b174', 1],
      ['5101 1234 aa b174 d007', 0],
    ] as const) {
      const router = new Router();
      router.resource('/t', { get: () => '21', multicast: true });
      const { sim, members } = groupOf([router.handler], { qBlock: {} });
      const raw = new RawPeer(sim, '10.0.0.9', sim.join(group, 5683, '10.0.1.1:5683'));
      raw.send(hex.replaceAll(' ', ''));
      await sim.sleep(10_000);
      assert.equal(raw.received.length, answers, hex);
      assert.equal(members[0]!.stats()['replies'], 0);
    }
  });
});

describe('RFC 6690 4.1 and RFC 7252 11.3: resources of a router', () => {
  test('discovery is answered when the filter matches; other resources only when they are made for it', async () => {
    const router = new Router();
    router.resource('/light', { get: () => 'on', attributes: { rt: 'light' } });
    router.resource('/lamp', { get: () => 'off', multicast: true });
    const { ask } = groupOf([router.handler]);
    const discovery = pathOptions(['.well-known', 'core']);
    const texts = async (request: Partial<Request>): Promise<string[]> => (await ask(request)).map(({ payload }) => fromUtf8(payload));
    assert.deepEqual(await texts({ options: discovery }), ['</light>;rt="light",</lamp>']);
    assert.deepEqual(await texts({ options: [...discovery, ...queryOptions(['rt=light'])] }), ['</light>;rt="light"']);
    assert.deepEqual(await texts({ options: [...discovery, ...queryOptions(['rt=none'])] }), []);
    assert.deepEqual(await texts({ options: pathOptions(['lamp']) }), ['off']);
    // Whatever it asks for: neither the resource nor an error.
    const wish = [...pathOptions(['light']), uintOption(OptionNumber.NoResponse, 0)];
    assert.deepEqual(await texts({ options: wish }), []);
    assert.deepEqual(await texts({ options: [...pathOptions(['nothing']), uintOption(OptionNumber.NoResponse, 0)] }), []);
  });
});
