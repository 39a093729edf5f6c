import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeMessage,
  type Endpoint,
  findOption,
  isRequest,
  Method,
  type Option,
  OptionNumber,
  openRelay,
  pathOptions,
  type ResourceHandle,
  type Response,
  Router,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { answer, etag, maxAgeOf, ProxyNet, proxyUri, text } from './net.ts';

interface Clock {
  readonly net: ProxyNet;
  readonly handle: ResourceHandle;
  state: { value: string; maxAge: number; etag?: string };
  /** Observe the resource through the proxy, from an endpoint. */
  observe(client: Endpoint, ...options: readonly Option[]): Promise<AsyncIterableIterator<Response, undefined, undefined>>;
  next(stream: AsyncIterableIterator<Response, undefined, undefined>): Promise<Response>;
  /** The values of the Observe option in requests that the origin got. */
  registrations(): (number | undefined)[];
}

function clock(options: ConstructorParameters<typeof ProxyNet>[1] = {}): Clock {
  const router = new Router();
  const state: Clock['state'] = { value: '0', maxAge: 60 };
  const handle = router.resource('/t', {
    observable: true,
    get: () => ({ payload: state.value, maxAge: state.maxAge, ...(state.etag === undefined ? {} : { etag: new TextEncoder().encode(state.etag) }) }),
    put: (request) => {
      state.value = request.text();
      return undefined;
    },
  });
  const net = new ProxyNet(router.handler, options);
  return {
    net,
    handle,
    state,
    observe: async (client, ...more) => {
      const peer = await client.resolve('10.0.0.9', 5683, { proxy: proxyUri });
      return client.observe({ peer, options: [...more, ...pathOptions(['t'])].sort((a, b) => a.number - b.number) });
    },
    next: async (stream) => {
      const { value, done } = await net.sim.finish(stream.next(), 1_000_000);
      if (done === true) return assert.fail('the observation has ended');
      return value;
    },
    registrations: () =>
      net.sim.wire
        .filter(({ to }) => to === '10.0.0.9:5683')
        .map(({ datagram }) => decodeMessage(datagram))
        .filter(({ code }) => isRequest(code))
        .map(({ options: sent }) => uintOf(sent, OptionNumber.Observe)),
  };
}

describe('observing through a proxy', () => {
  test('RFC 7641 5: several clients share one registration with the server, and each gets the notifications', async () => {
    const { net, handle, state, observe, next, registrations } = clock();
    const clients = [net.client, net.endpoint('10.0.0.2'), net.endpoint('10.0.0.3')];
    const streams: AsyncIterableIterator<Response, undefined, undefined>[] = [];
    for (const client of clients) {
      streams.push(await observe(client));
      assert.equal(text(await next(streams.at(-1)!)), '0');
    }
    assert.deepEqual(registrations(), [0]);
    assert.equal(handle.observers, 1);
    for (let i = 1; i <= 3; i++) {
      state.value = `${i}`;
      handle.changed();
      for (const stream of streams) assert.equal(text(await next(stream)), `${i}`);
      await net.sim.sleep(5_000);
    }
    assert.deepEqual(registrations(), [0]);
    for (const stream of streams) await stream.return?.();
    await net.sim.sleep(200_000);
    // The last that leaves ends the registration, with Observe 1.
    assert.deepEqual(registrations(), [0, 1]);
    assert.equal(handle.observers, 0);
    const { exchanges, fetching } = net.proxy.stats();
    assert.deepEqual([exchanges, fetching], [0, 0]);
    assert.deepEqual(net.faults, []);
    for (const client of clients) await client.close();
    await net.close();
  });

  test('RFC 7641 5: who joins later gets the current representation with the Max-Age that is left', async () => {
    const { net, observe, next, registrations } = clock();
    const second = net.endpoint('10.0.0.2');
    const first = await observe(net.client);
    assert.equal(maxAgeOf(await next(first)), 60);
    await net.sim.sleep(20_000);
    const joined = await next(await observe(second));
    assert.equal(text(joined), '0');
    assert.ok(maxAgeOf(joined)! <= 40 && maxAgeOf(joined)! >= 38, `${maxAgeOf(joined)}`);
    assert.notEqual(uintOf(joined.options, OptionNumber.Observe), undefined);
    assert.deepEqual(registrations(), [0]);
    await second.close();
    await net.close();
  });

  test('RFC 7641 5: each hop numbers its notifications by itself, and they rise', async () => {
    const { net, handle, state, observe, next } = clock();
    const stream = await observe(net.client);
    const seen: number[] = [];
    for (let i = 0; i < 5; i++) {
      seen.push(uintOf((await next(stream)).options, OptionNumber.Observe)!);
      state.value = `${i}`;
      handle.changed();
      await net.sim.sleep(4_000);
    }
    assert.deepEqual(
      seen,
      [...new Set(seen)].sort((a, b) => a - b),
    );
    await net.close();
  });

  test('RFC 7641 5: notifications keep the cache up to date', async () => {
    const { net, handle, state, observe, next, registrations } = clock();
    const stream = await observe(net.client);
    await next(stream);
    state.value = 'new';
    handle.changed();
    await next(stream);
    assert.equal(text(await net.get('t')), 'new');
    assert.deepEqual(registrations(), [0], 'no other request');
    await net.close();
  });

  test('RFC 7641 3.3.1, 5: the proxy registers again when a notification is overdue', async () => {
    const { net, observe, next, registrations } = clock();
    const stream = await observe(net.client);
    await next(stream);
    await net.sim.sleep(80_000);
    assert.deepEqual(registrations(), [0, 0]);
    await net.close();
  });

  test('RFC 7641 3.6: a client that cancels leaves the others alone', async () => {
    const { net, handle, state, observe, next, registrations } = clock();
    const second = net.endpoint('10.0.0.2');
    const leaving = await observe(net.client);
    const staying = await observe(second);
    await next(leaving);
    await next(staying);
    await leaving.return?.();
    await net.sim.sleep(1_000);
    assert.equal(net.proxyEndpoint.stats()['observe.observers'], 1);
    state.value = 'on';
    handle.changed();
    assert.equal(text(await next(staying)), 'on');
    assert.deepEqual(registrations(), [0]);
    await second.close();
    await net.close();
  });

  test('RFC 7641 3.6, 4.5: a client that answers with a Reset, or is gone, ends it at the server too', async () => {
    const { net, handle, state, registrations } = clock();
    const raw = new RawPeer(net.sim, '10.0.0.2', net.proxyPeer);
    // CON GET, token 01, Observe 0, Proxy-Uri coap://10.0.0.9/t.
    const uri = Buffer.from('coap://10.0.0.9/t').toString('hex');
    await raw.exchange(`4101 0007 01 60 dd1004 ${uri}`);
    assert.equal(handle.observers, 1);
    raw.onDatagram = (hex) => raw.send(`7000${hex.slice(4, 8)}`);
    state.value = '1';
    handle.changed();
    await net.sim.sleep(10_000);
    assert.equal(handle.observers, 0);
    assert.deepEqual(registrations(), [0, 1]);
    await net.close();
  });

  test('RFC 7641 3.2, RFC 7252 5.10.6.2: a client that has the representation gets 2.03, another one the whole', async () => {
    const { net, handle, state, observe, next, registrations } = clock();
    const second = net.endpoint('10.0.0.2');
    state.etag = 'a';
    const knows = await observe(net.client, etag('a'), etag('c'));
    const does = await observe(second);
    assert.equal((await next(knows)).code, Code.Valid);
    assert.equal(text(await next(does)), '0');
    for (const [version, code] of [
      ['b', Code.Content],
      ['c', Code.Valid],
    ] as const) {
      Object.assign(state, { value: version, etag: version });
      handle.changed();
      assert.equal((await next(knows)).code, code);
      assert.equal((await next(does)).code, Code.Content);
      await net.sim.sleep(5_000);
    }
    assert.deepEqual(registrations(), [0], 'ETags are no reason for two registrations');
    await second.close();
    await net.close();
  });

  test('RFC 7641 4.2, 5: an error of the server is the last notification for all', async () => {
    const { net, handle, observe, next } = clock();
    const second = net.endpoint('10.0.0.2');
    const streams = [await observe(net.client), await observe(second)];
    for (const stream of streams) await next(stream);
    handle.remove();
    for (const stream of streams) {
      const last = await next(stream);
      assert.deepEqual([last.code, findOption(last.options, OptionNumber.Observe)], [Code.NotFound, undefined]);
      assert.equal((await stream.next()).done, true);
    }
    assert.equal(net.proxy.stats()['exchanges'], 0);
    await second.close();
    await net.close();
  });

  test('RFC 7641 5: a server that does not take the registration: one answer without Observe', async () => {
    const net = new ProxyNet((_request, reply) => reply.respond(answer('once', { maxAge: 0 })));
    const stream = net.client.observe({ peer: await net.client.resolve('10.0.0.9', 5683, { proxy: proxyUri }), options: pathOptions(['t']) });
    const { value } = await net.sim.finish(stream.next());
    assert.deepEqual([text(value!), findOption(value!.options, OptionNumber.Observe)], ['once', undefined]);
    assert.equal((await stream.next()).done, true);
    assert.equal(net.proxy.stats()['exchanges'], 0);
    await net.close();
  });

  test('RFC 7641 5: a server that is silent: 5.04 ends the registration', async () => {
    const net = new ProxyNet(() => {}, { proxy: { forward: { allow: openRelay }, timeout: 3_000 } });
    const stream = net.client.observe({ peer: await net.client.resolve('10.0.0.9', 5683, { proxy: proxyUri }), options: pathOptions(['t']) });
    const { value } = await net.sim.finish(stream.next());
    assert.equal(value!.code, Code.GatewayTimeout);
    assert.equal(net.proxy.stats()['exchanges'], 0);
    await net.close();
  });

  test('RFC 7959 2.6: notifications that are larger than a block', async () => {
    const { net, handle, state, observe, next } = clock();
    state.value = 'x'.repeat(3000);
    const stream = await observe(net.client);
    assert.equal(text(await next(stream)), state.value);
    state.value = 'y'.repeat(2500);
    handle.changed();
    assert.equal(text(await next(stream)), state.value);
    await net.close();
  });

  test('RFC 8132 2.4: a FETCH is observed, and its body tells one observation from another', async () => {
    const bodies: string[] = [];
    const router = new Router();
    const handle = router.resource('/t', {
      observable: true,
      fetch: (request) => {
        bodies.push(request.text());
        return `for ${request.text()}`;
      },
    });
    const net = new ProxyNet(router.handler);
    const peer = await net.client.resolve('10.0.0.9', 5683, { proxy: proxyUri });
    const streams = ['a', 'b'].map((body) =>
      net.client.observe({
        code: Method.FETCH,
        peer,
        options: [...pathOptions(['t']), uintOption(OptionNumber.ContentFormat, 0)],
        payload: new TextEncoder().encode(body),
      }),
    );
    for (const [i, stream] of streams.entries()) assert.equal(text((await net.sim.finish(stream.next())).value!), `for ${'ab'[i]}`);
    assert.equal(handle.observers, 2);
    await net.close();
  });

  test('with 20 % of datagrams lost, duplicated and reordered, every client ends with the last value', async () => {
    const { net, handle, state, observe, next } = clock({
      network: { seed: 11, loss: 0.2, duplication: 0.2, reorder: 0.2 },
      endpoint: { parameters: { nstart: 16, maxRetransmit: 8 } },
    });
    const clients = [net.client, net.endpoint('10.0.0.2', { parameters: { maxRetransmit: 8 } })];
    const streams: AsyncIterableIterator<Response, undefined, undefined>[] = [];
    for (const client of clients) streams.push(await observe(client));
    for (const stream of streams) await next(stream);
    for (let i = 1; i <= 10; i++) {
      state.value = `${i}`;
      handle.changed();
      await net.sim.sleep(1_000);
    }
    for (const stream of streams) {
      let last = '';
      while (last !== '10') last = text(await next(stream));
    }
    assert.deepEqual(net.faults, []);
    for (const client of clients) await client.close();
    await net.close();
  });
});
