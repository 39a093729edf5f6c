import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  ContentFormat,
  composeUri,
  decodeMessage,
  deriveParameters,
  Endpoint,
  type EndpointOptions,
  emptyOption,
  encodeMessage,
  findAll,
  locationOf,
  locationOptions,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  parseUri,
  pathOptions,
  queryOptions,
  type Request,
  Router,
  stringOption,
  uintOption,
  uriOptions,
  virtualHosts,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { Simulator } from '../support/simulator.ts';
import { ask, request, response, text } from './harness.ts';

function clientOf(options: Partial<EndpointOptions> = {}) {
  const sim = new Simulator({ seed: 2 });
  const client = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('client'), ...options });
  return { sim, client, raw: new RawPeer(sim, '10.0.0.2', sim.peer('10.0.0.1', 5683)) };
}

/** The response to a request, in the type that is asked for. */
function reply(hex: string, type: 0 | 1 | 2, options: readonly Option[]): string {
  const { id, token } = decodeMessage(fromHex(hex));
  return toHex(encodeMessage({ type, code: Code.Content, id: type === 2 ? id : 0x7777, token, options, payload: emptyBytes }));
}

describe('RFC 7252 4.7: congestion control', () => {
  test('PROBING_RATE: Non-confirmable requests to a peer that is silent stay below it on average, large ones too', async () => {
    const { sim, client, raw } = clientOf();
    for (const size of [0, 10, 1000, 100])
      client.request({ peer: raw.peer, code: Method.POST, nonConfirmable: true, payload: new Uint8Array(size) }).catch(() => {});
    let bytes = 0;
    await sim.run();
    for (const [i, { time, datagram }] of sim.wire.entries()) {
      // What went before has been paid for when the next one goes.
      if (i > 0) assert.ok(time >= 1000 * bytes, `${time} ms after ${bytes} bytes`);
      bytes += datagram.length;
    }
    assert.equal(sim.wire.length, 4);
  });

  test('PROBING_RATE is a parameter, and a response frees the peer', async () => {
    const { sim, client, raw } = clientOf({ parameters: { probingRate: 100 } });
    const first = client.request({ peer: raw.peer, nonConfirmable: true });
    client.request({ peer: raw.peer, nonConfirmable: true }).catch(() => {});
    raw.onDatagram = (hex) => {
      raw.onDatagram = undefined;
      raw.send(reply(hex, 1, []));
    };
    await sim.finish(first);
    await sim.sleep(20);
    assert.equal(raw.received.length, 2);
    assert.ok(sim.now < 100);
  });
});

describe('RFC 7252 4.8.1: changing the parameters', () => {
  test('each has a bound, and what is below it is an error', () => {
    for (const parameters of [
      { ackTimeout: 0 },
      { ackRandomFactor: 0.99 },
      { maxRetransmit: -1 },
      { maxRetransmit: 1.5 },
      { maxRetransmit: 21 },
      { nstart: 0 },
      { probingRate: 0 },
      { defaultLeisure: -1 },
      { maxLatency: Number.NaN },
      { ackTimeout: Number.POSITIVE_INFINITY },
    ])
      assert.throws(() => deriveParameters(parameters), { code: 'ERR_COAP_PARAMETER' }, JSON.stringify(parameters));
    const { ackTimeout, ackRandomFactor, maxRetransmit, nstart, defaultLeisure, probingRate } = deriveParameters();
    assert.deepEqual([ackTimeout, ackRandomFactor, maxRetransmit, nstart, defaultLeisure, probingRate], [2000, 1.5, 4, 1, 5000, 1]);
  });
});

describe('RFC 7252 5.4: options that a response may not have', () => {
  const bad: readonly Option[] = [
    opaqueOption(OptionNumber.IfMatch, fromHex('01')),
    stringOption(OptionNumber.UriHost, 'h'),
    emptyOption(OptionNumber.IfNoneMatch),
    uintOption(OptionNumber.UriPort, 1),
    stringOption(OptionNumber.UriPath, 'p'),
    stringOption(OptionNumber.UriQuery, 'q'),
    uintOption(OptionNumber.Accept, 0),
    stringOption(OptionNumber.ProxyUri, 'coap://h/'),
    stringOption(OptionNumber.ProxyScheme, 'coap'),
    { number: 2049, value: emptyBytes },
  ];

  test('5.4.1: a critical one makes it rejected: Confirmable with a Reset, piggybacked and Non-confirmable too, and the request fails', async () => {
    for (const option of bad) {
      for (const type of [0, 1, 2] as const) {
        const { sim, client, raw } = clientOf();
        raw.onDatagram = (hex) => {
          raw.onDatagram = undefined;
          raw.send(reply(hex, type, [option]));
        };
        await assert.rejects(sim.finish(client.request({ peer: raw.peer })), { code: 'ERR_COAP_OPTION' }, `${option.number} ${type}`);
        await sim.sleep(100);
        // RFC 7252 §4.2: no Reset to an acknowledgement.
        assert.deepEqual(raw.received.slice(1), type === 2 ? [] : ['70007777'], `${option.number} ${type}`);
      }
    }
  });

  test('5.10.6.1: a second ETag is ignored, and so is what is elective and unknown', async () => {
    const { sim, client, raw } = clientOf();
    raw.onDatagram = (hex) =>
      raw.send(
        reply(hex, 2, [opaqueOption(OptionNumber.ETag, fromHex('01')), opaqueOption(OptionNumber.ETag, fromHex('02')), { number: 2050, value: emptyBytes }]),
      );
    const { options } = await sim.finish(client.request({ peer: raw.peer }));
    assert.deepEqual(findAll(options, OptionNumber.ETag), [opaqueOption(OptionNumber.ETag, fromHex('01'))]);
  });
});

describe('RFC 7252 5.5 to 5.10: a router', () => {
  test('5.5: a payload that the method does not define is ignored', () => {
    const seen: number[] = [];
    const router = new Router();
    const see = (message: { payload: Uint8Array }): undefined => {
      seen.push(message.payload.length);
    };
    router.resource('/a', { get: see, delete: see, post: see, accepts: [0] });
    const fields = { payload: utf8('x'), options: [uintOption(OptionNumber.ContentFormat, 60)] };
    ask(router.handler, request(Method.GET, 'a', fields));
    ask(router.handler, request(Method.DELETE, 'a', fields));
    ask(router.handler, request(Method.POST, 'a', { payload: utf8('x') }));
    assert.deepEqual(seen, [0, 0, 1]);
  });

  test('5.8: a method that is not recognised or not supported: 4.05, whatever the path', () => {
    const router = new Router();
    router.resource('/a', { get: () => 'x' });
    for (const [code, path] of [
      [Method.PUT, 'a'],
      [Method.iPATCH, 'a'],
      [8, 'a'],
      [31, 'a'],
      [8, 'nothing'],
    ] as const)
      assert.equal(ask(router.handler, request(code, path)).last.code, Code.MethodNotAllowed);
    assert.equal(ask(router.handler, request(Method.PUT, 'nothing')).last.code, Code.NotFound);
  });

  test('5.8.4: what a DELETE of a resource that is gone says is up to the application; 2.02 by default', () => {
    const router = new Router();
    router.resource('/a', { delete: () => undefined });
    assert.equal(ask(router.handler, request(Method.DELETE, 'a')).last.code, Code.Deleted);
  });

  test('5.10.1: a Uri-Path of "." or ".." is no path: 4.02', () => {
    const router = new Router();
    router.resource('/files/*', { get: ({ path }) => path });
    assert.equal(text(ask(router.handler, request(Method.GET, 'files/...')).last), '/files/...');
    for (const path of ['files/..', 'files/.', '../files/a', 'files/../secret'])
      assert.equal(ask(router.handler, request(Method.GET, path)).last.code, Code.BadOption, path);
  });

  test('5.10.1: virtual hosts by Uri-Host and Uri-Port', () => {
    const say =
      (name: string) =>
      (_request: Request, to: { respond(message: ReturnType<typeof response>): void }): void =>
        to.respond(response(Code.Content, name));
    const hosts = virtualHosts({ 'A.example': say('a'), 'a.example:61616': say('a, other port'), '*': say('others') });
    const at = (...options: Option[]): string => text(ask(hosts, request(Method.GET, 'x', { options })).last);
    const host = (name: string): Option => stringOption(OptionNumber.UriHost, name);
    assert.equal(at(host('a.EXAMPLE')), 'a');
    assert.equal(at(host('a.example'), uintOption(OptionNumber.UriPort, 61_616)), 'a, other port');
    assert.equal(at(host('a.example'), uintOption(OptionNumber.UriPort, 1)), 'a');
    assert.equal(at(host('b.example')), 'others');
    assert.equal(at(), 'others');
    assert.equal(at(host('__proto__')), 'others');
    const strict = virtualHosts({ a: say('a') });
    assert.equal(ask(strict, request(Method.GET, 'x')).last.code, Code.NotFound);
    assert.equal(ask(strict, request(Method.GET, 'x', { options: [opaqueOption(OptionNumber.UriHost, fromHex('ff'))] })).last.code, Code.BadOption);
    assert.throws(() => virtualHosts({}), { code: 'ERR_COAP_RESOURCE' });
  });

  test('5.10.6.2: one of several ETags is valid', () => {
    const router = new Router();
    router.resource('/a', { get: () => ({ payload: 'x', etag: fromHex('02'), maxAge: 5 }) });
    const options = ['01', '02', '03'].map((hex) => opaqueOption(OptionNumber.ETag, fromHex(hex)));
    const { last } = ask(router.handler, request(Method.GET, 'a', { options }));
    assert.equal(last.code, Code.Valid);
    assert.deepEqual(last.options, [opaqueOption(OptionNumber.ETag, fromHex('02')), uintOption(OptionNumber.MaxAge, 5)]);
    assert.equal(last.payload.length, 0);
  });

  test('5.10.7: a location is made of options, and read against the request URI', () => {
    const router = new Router();
    router.resource('/a', { post: () => ({ code: Code.Created, location: '/a/1%202/?x=%26&y', etag: fromHex('01') }) });
    const { last } = ask(router.handler, request(Method.POST, 'a'));
    assert.deepEqual(
      last.options.map(({ number, value }) => [number, fromUtf8(value)]),
      [
        [OptionNumber.ETag, '\u0001'],
        [OptionNumber.LocationPath, 'a'],
        [OptionNumber.LocationPath, '1 2'],
        [OptionNumber.LocationPath, ''],
        [OptionNumber.LocationQuery, 'x=&'],
        [OptionNumber.LocationQuery, 'y'],
      ],
    );
    assert.equal(locationOf(last.options, 'coap://h:61616/a?old'), 'coap://h:61616/a/1%202/?x=%26&y');
    assert.equal(locationOf([stringOption(OptionNumber.LocationQuery, 'q')], 'coap://[2001:db8::1]/a'), 'coap://[2001:db8::1]/?q');
    // RFC 7252 §5.9.1.1: otherwise it is the request URI.
    assert.equal(locationOf([], 'coap://h/a?b'), 'coap://h/a?b');
    for (const options of [[stringOption(OptionNumber.LocationPath, '..')], [stringOption(OptionNumber.LocationPath, '.')]])
      assert.throws(() => locationOf(options, 'coap://h/'), { code: 'ERR_COAP_URI' });
    for (const reserved of [128, 132, 136, 140])
      assert.throws(() => locationOf([stringOption(OptionNumber.LocationPath, 'a'), emptyOption(reserved)], 'coap://h/'), { code: 'ERR_COAP_OPTION' });
    assert.throws(() => locationOf([stringOption(OptionNumber.LocationPath, 'a')], 'nowhere'), { code: 'ERR_COAP_URI' });
    for (const location of ['a', '', `/${'a'.repeat(256)}`, '/%zz', '/a#b']) assert.throws(() => locationOptions(location), { code: 'ERR_COAP_URI' }, location);
  });
});

describe('RFC 7252 6: URIs', () => {
  const peer = { key: 'p', address: '198.51.100.1', port: 5683 };

  test('6.3: three URIs that are one', () => {
    const options = uriOptions(parseUri('coap://example.com:5683/~sensors/temp.xml'), peer);
    assert.deepEqual(uriOptions(parseUri('coap://EXAMPLE.com/%7Esensors/temp.xml'), peer), options);
    assert.deepEqual(uriOptions(parseUri('coap://EXAMPLE.com:/%7esensors/temp.xml'), peer), options);
  });

  test('6.4: encoded dot segments are dot segments; a URI that is put together with one is wrong use', () => {
    assert.deepEqual(parseUri('coap://h/a/%2e%2E/b/%2e').path, ['b', '']);
    assert.deepEqual(parseUri('coap://h/a/.%2e').path, []);
    assert.deepEqual(parseUri('coap://h/a/%2e%2e%2e').path, ['a', '...']);
    for (const segment of ['.', '..'])
      assert.throws(() => uriOptions({ scheme: 'coap', host: 'h', port: 5683, path: [segment], query: [] }, peer), { code: 'ERR_COAP_URI' });
  });

  test('Appendix B: the examples', () => {
    const host = stringOption(OptionNumber.UriHost, 'example.net');
    const v6 = { key: 'p', address: '2001:db8::2:1', port: 5683 };
    const odd = { key: 'p', address: '198.51.100.1', port: 61_616 };
    for (const [options, to, uri] of [
      [[], v6, 'coap://[2001:db8::2:1]/'],
      [[host], v6, 'coap://example.net/'],
      [[host, ...pathOptions(['.well-known', 'core'])], v6, 'coap://example.net/.well-known/core'],
      [
        [stringOption(OptionNumber.UriHost, 'xn--18j4d.example'), ...pathOptions(['こんにちは'])],
        v6,
        'coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF',
      ],
      [[...pathOptions(['', '/', '', '']), ...queryOptions(['//', '?&'])], odd, 'coap://198.51.100.1:61616//%2F//?//&?%26'],
    ] as const) {
      assert.equal(composeUri(options, to), uri);
      assert.deepEqual(uriOptions(parseUri(uri), to), options, uri);
    }
  });
});

describe('RFC 8132: FETCH, PATCH and iPATCH', () => {
  const json = [uintOption(OptionNumber.ContentFormat, ContentFormat.Json)];
  const router = new Router();
  let state = 'one';
  const etag = (): Uint8Array => utf8(state);
  router.resource('/a', {
    get: () => ({ payload: state, etag: etag() }),
    fetch: ({ payload }) => ({ payload: `${state} ${fromUtf8(payload)}`, etag: etag() }),
    patch: (message) => {
      if (message.text() === 'conflict') return { code: Code.Conflict };
      if (message.text() === 'nonsense') return { code: Code.UnprocessableEntity };
      state = message.text();
      return undefined;
    },
    ipatch: ({ payload }) => (payload.length === 0 ? { code: Code.BadRequest, payload: 'Patch format not idempotent' } : undefined),
    accepts: [ContentFormat.Json],
  });
  const call = (code: number, body: string, ...options: Option[]) =>
    ask(router.handler, request(code, 'a', { payload: utf8(body), options: [...json, ...options] })).last;

  test('2.3.1: a FETCH has a Content-Format, one that the resource takes: else 4.15', () => {
    assert.equal(text(call(Method.FETCH, 'x')), 'one x');
    assert.equal(ask(router.handler, request(Method.FETCH, 'a', { payload: utf8('x') })).last.code, Code.UnsupportedContentFormat);
    assert.equal(
      ask(router.handler, request(Method.FETCH, 'a', { payload: utf8('x'), options: [uintOption(OptionNumber.ContentFormat, 0)] })).last.code,
      Code.UnsupportedContentFormat,
    );
  });

  test('2.3.1: a client does not send one without', async () => {
    const { sim, client, raw } = clientOf();
    const fetch = { peer: raw.peer, code: Method.FETCH, payload: utf8('x') };
    await assert.rejects(client.request(fetch), { code: 'ERR_COAP_REQUEST' });
    await assert.rejects(client.send(fetch), { code: 'ERR_COAP_REQUEST' });
    assert.throws(() => client.observe(fetch), { code: 'ERR_COAP_REQUEST' });
    assert.equal(sim.wire.length, 0);
    client.request({ ...fetch, options: json }).catch(() => {});
    assert.equal(sim.wire.length, 1);
  });

  test('2.3.2: an ETag of what a FETCH selects is validated: 2.03', () => {
    assert.equal(call(Method.FETCH, 'x', opaqueOption(OptionNumber.ETag, utf8('one'))).code, Code.Valid);
    assert.equal(call(Method.FETCH, 'x', opaqueOption(OptionNumber.ETag, utf8('two'))).code, Code.Content);
  });

  test('2, 3: If-Match and If-None-Match are about the target resource, and nothing is done when they do not hold', () => {
    for (const method of [Method.FETCH, Method.PATCH, Method.iPATCH]) {
      assert.equal(call(method, 'no', opaqueOption(OptionNumber.IfMatch, utf8('other'))).code, Code.PreconditionFailed);
      assert.equal(call(method, 'no', emptyOption(OptionNumber.IfNoneMatch)).code, Code.PreconditionFailed);
    }
    assert.equal(state, 'one');
    assert.equal(call(Method.FETCH, 'x', opaqueOption(OptionNumber.IfMatch, utf8('one'))).code, Code.Content);
    assert.equal(call(Method.PATCH, 'two', opaqueOption(OptionNumber.IfMatch, utf8('one'))).code, Code.Changed);
    assert.equal(state, 'two');
  });

  test('3.2, 3.4: 2.04, 4.00, 4.09, 4.15 and 4.22', () => {
    assert.equal(call(Method.iPATCH, 'x').code, Code.Changed);
    assert.equal(call(Method.iPATCH, '').code, Code.BadRequest);
    assert.equal(call(Method.PATCH, 'conflict').code, Code.Conflict);
    assert.equal(call(Method.PATCH, 'nonsense').code, Code.UnprocessableEntity);
    for (const method of [Method.PATCH, Method.iPATCH])
      assert.equal(
        ask(router.handler, request(method, 'a', { payload: utf8('x'), options: [uintOption(OptionNumber.ContentFormat, 60)] })).last.code,
        Code.UnsupportedContentFormat,
      );
    assert.equal(ask(router.handler, request(Method.PATCH, 'nothing', { payload: utf8('x') })).last.code, Code.NotFound);
  });
});
