import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CoapError,
  Code,
  decodeMessage,
  Endpoint,
  emptyOption,
  encodeMessage,
  findAll,
  findOption,
  type Layer,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  openRelay,
  pathOptions,
  type Reply,
  sortOptions,
  stringOption,
  uintOf,
} from '../../../src/coap/index.ts';
import { fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { TransportError } from '../../../src/transport/index.ts';
import { SeededRandom } from '../../support/random.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { answer, ok, originUri, ProxyNet, text } from './net.ts';

/** A request for the origin in the options of Proxy-Scheme. */
function scheme(path: readonly string[], ...more: readonly Option[]): Option[] {
  return sortOptions([stringOption(OptionNumber.ProxyScheme, 'coap'), stringOption(OptionNumber.UriHost, '10.0.0.9'), ...pathOptions(path), ...more]);
}

describe('forward proxy: failures', () => {
  test('RFC 7252 5.7.1: no answer from the origin: 5.04 with a diagnostic, when the message layer gives up', async () => {
    const net = new ProxyNet(ok);
    const response = await net.ask('coap://10.0.0.8/t');
    assert.deepEqual([response.code, text(response)], [Code.GatewayTimeout, '10.0.0.5:5683: no answer from coap://10.0.0.8:5683']);
    assert.deepEqual(
      net.events.map((event) => [event.type, event.code]),
      [['failed', Code.GatewayTimeout]],
    );
    assert.equal(net.proxy.stats()['exchanges'], 0);
    await net.close();
  });

  test('RFC 7252 5.7.1: an origin that acknowledges and never answers: 5.04 after the timeout of the proxy', async () => {
    const net = new ProxyNet(() => {}, { proxy: { forward: { allow: openRelay }, timeout: 20_000 } });
    const response = await net.get('t');
    assert.equal(response.code, Code.GatewayTimeout);
    assert.ok(net.sim.now >= 20_000 && net.sim.now < 21_000);
    await net.close();
  });

  test('RFC 7252 5.7.1: a Reset, a name that cannot be resolved: 5.02', async () => {
    const net = new ProxyNet(ok);
    const raw = new RawPeer(net.sim, '10.0.0.8', net.proxyPeer);
    raw.onDatagram = (hex) => raw.send(`7000${hex.slice(4, 8)}`);
    assert.equal((await net.ask('coap://10.0.0.8/t')).code, Code.BadGateway);
    await net.close();
    const requester = net.proxyEndpoint.requester;
    const resolve = () => Promise.reject(new TransportError('ERR_TRANSPORT_RESOLVE', 'cannot resolve nowhere'));
    const lost = new ProxyNet(ok, { proxy: { forward: { allow: openRelay }, upstreams: { coap: { requester, resolve } } } });
    const response = await lost.ask('coap://nowhere.example/t');
    assert.deepEqual([response.code, text(response)], [Code.BadGateway, '10.0.0.5:5683: no address of coap://nowhere.example:5683']);
    await lost.close();
  });

  test('bounded: one exchange too many, in all and of one client: 5.03 with Max-Age; all is released afterwards', async () => {
    const held: Reply[] = [];
    const net = new ProxyNet((_request, reply) => held.push(reply), {
      proxy: { forward: { allow: openRelay }, limits: { exchanges: 3, exchangesPerClient: 2 } },
    });
    const { sim, proxyPeer: peer } = net;
    const second = net.endpoint('10.0.0.2');
    const third = net.endpoint('10.0.0.3');
    const waiting = [net.client, net.client, second].map((client, i) => client.request({ peer, options: scheme([`${i}`]) }));
    await sim.sleep(100);
    assert.equal(net.proxy.stats()['exchanges'], 3);
    for (const client of [net.client, third]) {
      const refused = await sim.finish(client.request({ peer, options: scheme(['x']) }));
      assert.deepEqual([refused.code, uintOf(refused.options, OptionNumber.MaxAge)], [Code.ServiceUnavailable, 5]);
    }
    for (const reply of held) reply.respond(answer('late', { maxAge: 0 }));
    for (const response of await sim.finish(Promise.all(waiting))) assert.equal(text(response), 'late');
    assert.equal(
      (await sim.finish(third.request({ peer, options: scheme(['x']) }, { timeout: 100 }).catch((error: CoapError) => error))) instanceof CoapError,
      true,
    );
    held.at(-1)!.respond(answer('x', { maxAge: 0 }));
    await sim.sleep(600_000);
    const { exchanges, fetching, cached } = net.proxy.stats();
    assert.deepEqual({ exchanges, fetching, cached }, { exchanges: 0, fetching: 0, cached: 0 });
    for (const one of [second, third]) await one.close();
    await net.close();
  });

  test('hostile requests: nothing throws, everything is answered or dropped, nothing is left', async () => {
    const net = new ProxyNet(ok, { proxy: { forward: { allow: openRelay }, reverse: [{ path: '/r', target: originUri }], timeout: 1000 } });
    const raw = new RawPeer(net.sim, '10.0.0.2', net.proxyPeer);
    const random = new SeededRandom('hostile proxy');
    const interesting = [3, 4, 6, 7, 9, 11, 14, 15, 16, 17, 23, 27, 35, 39, 60, 252, 258, 292, 2001, 2002, 2003, 2004];
    const words = ['coap', 'http', '10.0.0.9', 'coap://10.0.0.9/x', 'coap://[::1', '..', '%', 'r', '10.0.0.5', 'coap://10.0.0.5:5683/r/x'];
    for (let i = 0; i < 3000; i++) {
      const options = Array.from({ length: random.below(6) }, () => {
        const number = interesting[random.below(interesting.length)]!;
        const value = random.chance(0.5) ? utf8(words[random.below(words.length)]!) : random.bytes(random.below(5));
        return opaqueOption(number, value);
      });
      const message = encodeMessage({
        type: random.chance(0.5) ? 0 : 1,
        code: 1 + random.below(7),
        id: i,
        token: random.bytes(4),
        options: sortOptions(options),
        payload: random.bytes(random.below(3)),
      });
      raw.send(toHex(message));
      if (i % 50 === 0) await net.sim.sleep(200);
    }
    await net.sim.sleep(1_000_000);
    assert.deepEqual(net.faults, []);
    assert.equal(net.proxy.stats()['exchanges'], 0);
    assert.equal(text(await net.get('t')), 'ok');
    await net.close();
  });
});

describe('forward proxy: block-wise', () => {
  test('RFC 7959: bodies go through in both directions, with block sizes of each side', async () => {
    const large = new SeededRandom('large').bytes(5000);
    const bodies: Uint8Array[] = [];
    const net = new ProxyNet(
      (request, reply) => {
        bodies.push(request.payload.slice());
        reply.respond(answer(large, { maxAge: 0 }));
      },
      { endpoint: { blockwise: { szx: 5 } } },
    );
    assert.deepEqual((await net.send(Method.POST, 't', large)).payload, large);
    assert.deepEqual(bodies, [large], 'the origin carries it out once');
    await net.close();
  });

  test('RFC 9175 3.5.2, RFC 8613 4.1.3.4.2: uploads of two clients to one resource at once do not mix', async () => {
    const bodies: string[] = [];
    const net = new ProxyNet((request, reply) => {
      bodies.push(toHex(request.payload));
      reply.respond(answer('', { code: Code.Changed }));
    });
    const second = net.endpoint('10.0.0.2');
    const options = scheme(['up']);
    const payloads = [new Uint8Array(4000).fill(1), new Uint8Array(4000).fill(2)];
    const both = [net.client, second].map((client, i) => client.request({ code: Method.PUT, peer: net.proxyPeer, options, payload: payloads[i]! }));
    for (const { code } of await net.sim.finish(Promise.all(both))) assert.equal(code, Code.Changed);
    assert.deepEqual(bodies.sort(), payloads.map(toHex));
    const messages = net.sim.wire.filter(({ to }) => to === '10.0.0.9:5683').map(({ datagram }) => decodeMessage(datagram));
    const tags = new Set(messages.map(({ options: sent }) => JSON.stringify(findAll(sent, OptionNumber.RequestTag).map(({ value }) => toHex(value)))));
    assert.equal(
      net.asked.every(({ options: seen }) => findOption(seen, OptionNumber.RequestTag) === undefined),
      true,
    );
    assert.equal(tags.size, 2);
    await second.close();
    await net.close();
  });

  test('RFC 8613 4.1.3.4.2: what OSCORE protects is not fragmented for being a little longer than a block', async () => {
    const net = new ProxyNet((request, reply) => reply.respond({ code: Code.Changed, options: [emptyOption(OptionNumber.Oscore)], payload: request.payload }), {
      origin: '10.0.0.99',
    });
    const relay = { name: 'opaque', understands: [OptionNumber.Oscore], outbound: <T>(next: T): T => next, inbound: <T>(next: T): T => next };
    const origin = net.endpoint('10.0.0.9', {
      layers: [relay],
      handler: (request, reply) => reply.respond({ code: Code.Changed, options: [emptyOption(OptionNumber.Oscore)], payload: request.payload }),
    });
    const client = new Endpoint({ transport: net.sim.transport('10.0.0.2', 5683), env: net.sim.env('2'), layers: [relay] });
    const payload = new SeededRandom('x').bytes(1100);
    const response = await net.sim.finish(
      client.request({ code: Method.POST, peer: net.proxyPeer, options: scheme([], opaqueOption(OptionNumber.Oscore, fromHex('0901'))), payload }),
    );
    assert.deepEqual(response.payload, payload);
    assert.equal(net.sim.wire.length, 4);
    for (const endpoint of [origin, client]) await endpoint.close();
    await net.close();
  });
});

test('RFC 8613 10: what is for another server passes OSCORE and what stands above it by; layers of the hop see it', async () => {
  const seen: string[] = [];
  const layer = (name: string, understands: readonly number[]): Layer => ({
    name,
    understands,
    outbound: (next) => next,
    inbound: (next) => (request, reply) => {
      seen.push(name);
      next(request, reply);
    },
  });
  const layers = [layer('guard', []), layer('oscore', [OptionNumber.Oscore]), layer('hop', [])];
  const net = new ProxyNet(ok, { endpoint: { layers, handler: ok } });
  assert.equal(text(await net.get('t')), 'ok');
  assert.deepEqual(seen.splice(0), ['hop']);
  assert.equal(text(await net.plain({ options: pathOptions(['t']) })), 'ok');
  assert.deepEqual(seen, ['hop', 'oscore', 'guard']);
  assert.equal(net.asked.length, 1);
  await net.close();
});
