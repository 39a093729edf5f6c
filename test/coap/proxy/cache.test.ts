import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type CoapError,
  Code,
  emptyOption,
  findAll,
  findOption,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  openRelay,
  type Reply,
  type Request,
  type SecurityAssociation,
  stringOption,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { cacheKey } from '../../../src/coap/message/cache-key.ts';
import { ResponseCache } from '../../../src/coap/proxy/cache.ts';
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { SeededRandom } from '../../support/random.ts';
import { Simulator } from '../../support/simulator.ts';
import { answer, etag, maxAgeOf, ProxyNet, text } from './net.ts';

/** An origin server that counts: each answer is another one. */
function counting(fields: Parameters<typeof answer>[1] = {}) {
  let count = 0;
  return (_request: Request, reply: Reply): void => reply.respond(answer(`${++count}`, fields));
}

const etagsOf = ({ options }: { readonly options: readonly Option[] }): string[] => findAll(options, OptionNumber.ETag).map(({ value }) => fromUtf8(value));

const textFormat = uintOption(OptionNumber.ContentFormat, 0);

describe('cache: the key', () => {
  test('RFC 7252 5.6: a fresh response answers an equal request, whichever way it names its target', async () => {
    const net = new ProxyNet(counting({ maxAge: 60 }));
    assert.equal(text(await net.get('t')), '1');
    assert.equal(text(await net.get('t')), '1');
    assert.equal(text(await net.ask('coap://10.0.0.9/t')), '1');
    const second = net.endpoint('10.0.0.2');
    assert.equal(text(await net.ask('coap://10.0.0.9:5683/t', {}, second)), '1', 'another client');
    assert.equal(net.asked.length, 1);
    assert.deepEqual(
      net.events.map((event) => event.type === 'forwarded' && event.from),
      ['origin', 'cache', 'cache', 'cache'],
    );
    await second.close();
    await net.close();
  });

  test('RFC 7252 5.6, 5.4.2: another path, query, Accept, method or unknown cache-key option is another request; NoCacheKey options are not', async () => {
    const net = new ProxyNet(counting({ maxAge: 60 }));
    const accept = uintOption(OptionNumber.Accept, 0);
    const query = stringOption(OptionNumber.UriQuery, 'q');
    // 2056 is safe to forward and part of the key, 2076 is NoCacheKey.
    const others: (readonly [string, readonly Option[]])[] = [
      ['u', []],
      ['t', [query]],
      ['t', [accept]],
      ['t', [opaqueOption(2056, utf8('x'))]],
      ['t', [opaqueOption(2056, utf8('y'))]],
    ];
    await net.get('t');
    for (const [path, options] of others) await net.get(path, ...options);
    await net.send(Method.FETCH, 't', '', textFormat);
    assert.equal(net.asked.length, 7);
    const same = [
      opaqueOption(2076, utf8('x')),
      uintOption(OptionNumber.HopLimit, 9),
      opaqueOption(OptionNumber.RequestTag, utf8('r')),
      opaqueOption(OptionNumber.Echo, utf8('e')),
    ];
    for (const option of same) assert.equal(text(await net.get('t', option)), '1', `option ${option.number}`);
    assert.equal(net.asked.length, 7);
    await net.close();
  });

  test('RFC 8132 2.1: the body of a FETCH is part of the key, in blocks too', async () => {
    const net = new ProxyNet(counting({ maxAge: 60 }));
    const large = new SeededRandom('fetch').bytes(3000);
    for (const body of ['a', 'b', large]) await net.send(Method.FETCH, 't', body, textFormat);
    assert.equal(net.asked.length, 3);
    assert.equal(text(await net.send(Method.FETCH, 't', 'a', textFormat)), '1');
    assert.equal(text(await net.send(Method.FETCH, 't', 'b', textFormat)), '2');
    assert.equal(text(await net.send(Method.FETCH, 't', large, textFormat)), '3');
    assert.equal(net.asked.length, 3);
    await net.close();
  });

  test('a response that came over one association answers nobody who would ask over another', async () => {
    const peer = { key: 'x', address: 'x', port: 1 };
    const request: Request = { code: 1, options: [], payload: utf8(''), peer };
    const association = (id: string): SecurityAssociation => ({ kind: 'test', id, credential: undefined });
    const keys = [request, { ...request, association: association('a') }, { ...request, association: association('b') }].map(cacheKey);
    assert.equal(new Set(keys).size, 3);
  });
});

describe('cache: freshness', () => {
  test('RFC 7252 5.7.1: Max-Age counts down in what is served, and is never more than the origin said', async () => {
    const net = new ProxyNet(counting({ maxAge: 30 }));
    assert.equal(maxAgeOf(await net.get('t')), 30);
    const from = net.sim.now;
    for (const after of [5_000, 12_400, 29_000]) {
      await net.sim.sleep(from + after - net.sim.now);
      const response = await net.get('t');
      assert.equal(text(response), '1');
      const left = maxAgeOf(response)!;
      assert.ok(left <= 30 - after / 1000 && left >= 28 - after / 1000, `${left} after ${after} ms`);
    }
    await net.sim.sleep(2_000);
    assert.equal(text(await net.get('t')), '2');
    await net.close();
  });

  test('RFC 7252 5.6.1: without Max-Age it is 60 s, with Max-Age 0 nothing is stored', async () => {
    const net = new ProxyNet(counting());
    await net.get('t');
    await net.sim.sleep(55_000);
    const cached = await net.get('t');
    assert.deepEqual([text(cached), maxAgeOf(cached)], ['1', 4]);
    await net.sim.sleep(6_000);
    assert.equal(text(await net.get('t')), '2');
    await net.close();
    const never = new ProxyNet(counting({ maxAge: 0 }));
    await never.get('t');
    assert.equal(text(await never.get('t')), '2');
    assert.equal(never.proxy.stats()['cached'], 0);
    await never.close();
  });

  test('RFC 7252 5.6.1: age counts from when the request left, so that a slow origin makes nothing look young', async () => {
    const net = new ProxyNet((_request, reply) => void net.sim.env().schedule(20_000, () => reply.respond(answer('slow', { maxAge: 30 }))));
    await net.get('t');
    await net.sim.sleep(5_000);
    const left = maxAgeOf(await net.get('t'))!;
    assert.ok(left <= 5, `${left}`);
    await net.close();
  });

  test('RFC 7252 5.9: what may be stored: 2.05 and errors by their Max-Age; not 2.01, 2.04, unknown successes, 4.01, 4.29, 5.08', async () => {
    const stored = [Code.Content, Code.NotFound, Code.Forbidden, Code.ServiceUnavailable, Code.InternalServerError, 0x9f, 0xbf];
    const not = [Code.Created, Code.Changed, Code.Deleted, 0x5e, Code.Unauthorized, Code.TooManyRequests, Code.HopLimitReached];
    for (const code of [...stored, ...not]) {
      const net = new ProxyNet(counting({ code, maxAge: 60 }));
      assert.equal((await net.get('t')).code, code);
      assert.equal((await net.get('t')).code, code);
      assert.equal(net.asked.length, stored.includes(code) ? 1 : 2, `code ${code}`);
      await net.close();
    }
  });

  test('RFC 7252 5.8: answers to POST, PUT, DELETE, PATCH and iPATCH are not stored, errors neither', async () => {
    for (const code of [Code.Content, Code.NotFound]) {
      const net = new ProxyNet(counting({ code, maxAge: 60 }));
      for (const method of [Method.POST, Method.PUT, Method.DELETE, Method.PATCH, Method.iPATCH]) for (let i = 0; i < 2; i++) await net.send(method, 't', 'x');
      assert.equal(net.asked.length, 10);
      assert.equal(net.proxy.stats()['cached'], 0);
      await net.close();
    }
  });

  test('RFC 9175 2.3: an answer with an Echo value is for one request', async () => {
    const net = new ProxyNet(counting({ maxAge: 60, options: [opaqueOption(OptionNumber.Echo, utf8('e'))] }));
    await net.get('t');
    assert.equal(text(await net.get('t')), '2');
    await net.close();
  });
});

describe('cache: validation', () => {
  /** A resource with a value and its ETag. */
  function versioned(state: { version: string; maxAge: number; valid?: readonly Option[] }) {
    return (request: Request, reply: Reply): void => {
      if (!etagsOf(request).includes(state.version))
        reply.respond(answer(`value ${state.version}`, { maxAge: state.maxAge, etag: state.version, options: [uintOption(OptionNumber.ContentFormat, 0)] }));
      else reply.respond(answer('', { code: Code.Valid, maxAge: state.maxAge, etag: state.version, options: state.valid ?? [] }));
    };
  }

  test('RFC 7252 5.6.2, 5.9.1.3: 2.03 renews the stored response, and the client gets the whole of it', async () => {
    const state: Parameters<typeof versioned>[0] = { version: 'v1', maxAge: 10 };
    const net = new ProxyNet(versioned(state));
    await net.get('t');
    await net.sim.sleep(11_000);
    state.maxAge = 40;
    state.valid = [opaqueOption(2056, utf8('new'))];
    const response = await net.get('t');
    assert.deepEqual([response.code, text(response), etagsOf(response)], [Code.Content, 'value v1', ['v1']]);
    assert.equal(fromUtf8(findOption(response.options, 2056)!.value), 'new', 'safe options of the 2.03 take the place of those of their number');
    assert.equal(uintOf(response.options, OptionNumber.ContentFormat), 0, 'others stay');
    assert.deepEqual(net.asked.map(etagsOf), [[], ['v1']]);
    assert.ok(maxAgeOf(response)! <= 40 && maxAgeOf(response)! > 35);
    await net.sim.sleep(30_000);
    assert.equal(text(await net.get('t')), 'value v1');
    assert.equal(net.asked.length, 2, 'fresh again');
    assert.deepEqual(
      net.events.map((event) => event.type === 'forwarded' && event.from),
      ['origin', 'validated', 'cache'],
    );
    await net.close();
  });

  test('RFC 7252 5.10.6.2: the ETags of the client and of the proxy go together; who has the representation gets 2.03', async () => {
    const state = { version: 'v2', maxAge: 10 };
    const net = new ProxyNet(versioned(state));
    await net.get('t');
    // Fresh: the proxy can tell by itself.
    const fresh = await net.get('t', etag('v1'), etag('v2'));
    assert.deepEqual([fresh.code, fresh.payload.length, etagsOf(fresh)], [Code.Valid, 0, ['v2']]);
    assert.equal(text(await net.get('t', etag('v1'))), 'value v2');
    assert.equal(net.asked.length, 1);
    await net.sim.sleep(11_000);
    // Stale: both lists go.
    const both = await net.get('t', etag('v0'), etag('v1'));
    assert.deepEqual([both.code, text(both)], [Code.Content, 'value v2']);
    assert.deepEqual(etagsOf(net.asked[1]!), ['v0', 'v1', 'v2']);
    await net.sim.sleep(11_000);
    const mine = await net.get('t', etag('v2'));
    assert.equal(mine.code, Code.Valid);
    assert.deepEqual(etagsOf(net.asked[2]!), ['v2'], 'not twice');
    await net.close();
  });

  test('RFC 7252 5.6.2: 2.03 for what only the client has goes on to it, and what was stored is of no use any more', async () => {
    const state = { version: 'v1', maxAge: 10 };
    const net = new ProxyNet(versioned(state));
    await net.get('t');
    await net.sim.sleep(11_000);
    state.version = 'v9';
    const response = await net.get('t', etag('v9'));
    assert.deepEqual([response.code, etagsOf(response)], [Code.Valid, ['v9']]);
    assert.equal(net.proxy.stats()['cached'], 0);
    assert.equal(text(await net.get('t')), 'value v9');
    await net.close();
  });

  test('RFC 7252 5.6.2: any other answer takes the place of what was stored; an error too', async () => {
    const state = { version: 'v1', maxAge: 10 };
    const net = new ProxyNet(versioned(state));
    await net.get('t');
    await net.sim.sleep(11_000);
    state.version = 'v2';
    assert.equal(text(await net.get('t')), 'value v2');
    assert.equal(text(await net.get('t')), 'value v2');
    assert.deepEqual(net.asked.map(etagsOf), [[], ['v1']]);
    await net.close();
  });

  test('RFC 7252 5.9.1.3: a 2.03 that nobody asked for: 5.02', async () => {
    const net = new ProxyNet((_request, reply) => reply.respond(answer('', { code: Code.Valid, etag: 'zz' })));
    assert.equal((await net.get('t')).code, Code.BadGateway);
    assert.equal((await net.get('t', etag('yy'))).code, Code.BadGateway);
    await net.close();
  });

  test('RFC 7252 5.6: what is stale is not used when the origin is silent', async () => {
    let silent = false;
    const net = new ProxyNet((_request, reply) => void (silent || reply.respond(answer('1', { maxAge: 10, etag: 'v1' }))), {
      proxy: { forward: { allow: openRelay }, timeout: 5_000 },
    });
    await net.get('t');
    await net.sim.sleep(11_000);
    silent = true;
    assert.equal((await net.get('t')).code, Code.GatewayTimeout);
    await net.close();
  });
});

describe('cache: invalidation', () => {
  test('RFC 7252 5.9.1: success of POST, PUT, DELETE, PATCH and iPATCH makes what is stored for the URI stale, for every key', async () => {
    for (const [method, code] of [
      [Method.POST, Code.Changed],
      [Method.POST, Code.Created],
      [Method.PUT, Code.Changed],
      [Method.PUT, Code.Created],
      [Method.DELETE, Code.Deleted],
      [Method.PATCH, Code.Changed],
      [Method.iPATCH, Code.Changed],
    ] as const) {
      let count = 0;
      const net = new ProxyNet((request, reply) => reply.respond(request.code === Method.GET ? answer(`${++count}`, { maxAge: 100 }) : answer('', { code })));
      const accept = uintOption(OptionNumber.Accept, 0);
      await net.get('t');
      await net.get('t', accept);
      await net.get('u');
      assert.equal((await net.send(method, 't', 'x')).code, code);
      assert.equal(text(await net.get('t')), '4');
      assert.equal(text(await net.get('t', accept)), '5');
      assert.equal(text(await net.get('u')), '3', 'another resource');
      await net.close();
    }
  });

  test('RFC 7252 5.9.1: an error changes nothing; no answer at all may have', async () => {
    let silent = false;
    let count = 0;
    const net = new ProxyNet(
      (request, reply) => {
        if (request.code === Method.GET) reply.respond(answer(`${++count}`, { maxAge: 100 }));
        else if (!silent) reply.respond(answer('', { code: Code.Forbidden }));
      },
      { proxy: { forward: { allow: openRelay }, timeout: 5_000 } },
    );
    await net.get('t');
    await net.send(Method.PUT, 't', 'x');
    assert.equal(text(await net.get('t')), '1');
    silent = true;
    assert.equal((await net.send(Method.PUT, 't', 'x')).code, Code.GatewayTimeout);
    assert.equal(text(await net.get('t')), '2');
    await net.close();
  });

  test('RFC 7252 5.10.7: what Location-Path and Location-Query name is stale', async () => {
    let count = 0;
    const location = [
      stringOption(OptionNumber.LocationPath, 'log'),
      stringOption(OptionNumber.LocationPath, '7'),
      stringOption(OptionNumber.LocationQuery, 'q'),
    ];
    const net = new ProxyNet((request, reply) =>
      reply.respond(request.code === Method.GET ? answer(`${++count}`, { maxAge: 100 }) : answer('', { code: Code.Created, options: location })),
    );
    const query = stringOption(OptionNumber.UriQuery, 'q');
    await net.get('log/7', query);
    await net.get('log/7');
    const created = await net.send(Method.POST, 'log', 'x');
    assert.deepEqual(
      findAll(created.options, OptionNumber.LocationPath).map(({ value }) => fromUtf8(value)),
      ['log', '7'],
    );
    assert.equal(text(await net.get('log/7', query)), '3');
    assert.equal(text(await net.get('log/7')), '2');
    await net.close();
  });

  test('RFC 7252 5.9.1.4: a GET that a PUT overtakes brings an old state, which is not stored', async () => {
    const held: Reply[] = [];
    let value = 'old';
    const net = new ProxyNet((request, reply) => {
      if (request.code === Method.PUT) {
        value = 'new';
        reply.respond(answer('', { code: Code.Changed }));
      } else if (held.length === 0) held.push(reply);
      else reply.respond(answer(value, { maxAge: 100 }));
    });
    const slow = net.client.request({ peer: net.sim.peer('10.0.0.9', 5683), options: [stringOption(OptionNumber.UriPath, 't')] }, { proxy: 'coap://10.0.0.5' });
    await net.sim.sleep(100);
    await net.send(Method.PUT, 't', 'x');
    held[0]!.respond(answer('old', { maxAge: 100 }));
    assert.equal(text(await net.sim.finish(slow)), 'old');
    assert.equal(text(await net.get('t')), 'new');
    await net.close();
  });
});

describe('cache: bounds', () => {
  test('entries and bytes are bounded, and what was longest unused goes', async () => {
    const sim = new Simulator();
    const cache = new ResponseCache({ entries: 3, bytes: 10_000, payload: 4000 }, sim.env());
    const put = (key: string, size: number): void => {
      const fetching = cache.begin(key, `uri ${key}`);
      cache.store(fetching, answer(new Uint8Array(size), { maxAge: 60 }));
      cache.end(fetching);
    };
    for (const key of ['a', 'b', 'c']) put(key, 10);
    cache.get('a');
    put('d', 10);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((key) => cache.get(key) !== undefined),
      [true, false, true, true],
    );
    for (const key of ['e', 'f', 'g', 'h']) put(key, 3900);
    assert.ok(cache.stats().cachedBytes <= 10_000);
    assert.deepEqual(
      ['e', 'f', 'g', 'h'].map((key) => cache.get(key) !== undefined),
      [false, false, true, true],
    );
    put('i', 4001);
    assert.equal(cache.get('i'), undefined);
    await sim.sleep(3_700_000);
    assert.deepEqual(cache.stats(), { cached: 0, cachedBytes: 0, fetching: 0 });
    assert.equal(sim.pending, 0);
  });

  test('300 different resources through a proxy leave no more than the bound', async () => {
    const net = new ProxyNet(counting({ maxAge: 1000 }), { proxy: { forward: { allow: openRelay }, cache: { entries: 100 } } });
    const random = new SeededRandom('many');
    for (let i = 0; i < 300; i++) await net.get(`r${i}${random.below(1000)}`);
    assert.equal(net.proxy.stats()['cached'], 100);
    assert.equal(net.proxy.stats()['exchanges'], 0);
    await net.close();
  });
});

describe('cache: OSCORE', () => {
  test('RFC 8613 10: a request with the OSCORE option goes past the cache, and its response is not stored', async () => {
    const oscore = opaqueOption(OptionNumber.Oscore, Uint8Array.of(9, 1, 1));
    const relay = { name: 'opaque', understands: [OptionNumber.Oscore], outbound: <T>(next: T): T => next, inbound: <T>(next: T): T => next };
    for (const code of [Code.Content, Code.Unauthorized, Code.BadRequest]) {
      const net = new ProxyNet(() => {}, { origin: '10.0.0.99' });
      let count = 0;
      const origin = net.endpoint('10.0.0.9', {
        layers: [relay],
        handler: (_request, reply) =>
          reply.respond(answer(`${++count}`, { code, maxAge: 100, ...(code === Code.Content ? { options: [emptyOption(OptionNumber.Oscore)] } : {}) })),
      });
      const client = net.endpoint('10.0.0.2', { layers: [relay] });
      const options = [stringOption(OptionNumber.ProxyUri, 'coap://10.0.0.9'), oscore].sort((a, b) => a.number - b.number);
      for (let i = 1; i <= 2; i++) {
        const response = await net.sim.finish(client.request({ code: Method.FETCH, peer: net.proxyPeer, options, payload: utf8('same') }));
        assert.equal(text(response), `${i}`);
      }
      assert.equal(net.proxy.stats()['cached'], 0);
      for (const endpoint of [origin, client]) await endpoint.close();
      await net.close();
    }
  });
});

test('a client that gives up does not leave anything behind', async () => {
  const net = new ProxyNet(() => {});
  const peer = net.sim.peer('10.0.0.9', 5683);
  const failed = await net.sim.finish(net.client.request({ peer }, { proxy: 'coap://10.0.0.5', timeout: 1000 }).catch((error: CoapError) => error));
  assert.equal((failed as CoapError).code, 'ERR_COAP_TIMEOUT');
  await net.sim.sleep(1_000_000);
  const { exchanges, fetching } = net.proxy.stats();
  assert.deepEqual([exchanges, fetching], [0, 0]);
  await net.close();
});
