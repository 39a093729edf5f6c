import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  allowTargets,
  CoapError,
  Code,
  ContentFormat,
  decodeMessage,
  echo,
  encodeMessage,
  findOption,
  formatCode,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  openRelay,
  ProxyServer,
  pathOf,
  pathOptions,
  queryOf,
  type Reply,
  type Request,
  type Response,
  type ResponseListener,
  sortOptions,
  stringOption,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { copyOptions } from '../../../src/coap/message/cache-key.ts';
import type { Upstream } from '../../../src/coap/proxy/port.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';
import { answer, ok, originUri, ProxyNet, proxyUri, text } from './net.ts';

/** A request for the origin in the options of Proxy-Scheme. */
function scheme(path: readonly string[], ...more: readonly Option[]): Option[] {
  return sortOptions([stringOption(OptionNumber.ProxyScheme, 'coap'), stringOption(OptionNumber.UriHost, '10.0.0.9'), ...pathOptions(path), ...more]);
}

const numbers = (request: Request): number[] => request.options.map(({ number }) => number);

describe('forward proxy: the target', () => {
  test('RFC 7252 5.7.2: Proxy-Uri is taken apart for the origin server, and not forwarded', async () => {
    const net = new ProxyNet(ok);
    assert.equal(text(await net.ask(`${originUri}/a%20b/c?x=1&y=%26`)), 'ok');
    const [asked] = net.asked;
    assert.deepEqual(
      [pathOf(asked!.options), queryOf(asked!.options)],
      [
        ['a b', 'c'],
        ['x=1', 'y=&'],
      ],
    );
    assert.deepEqual(numbers(asked!), [11, 11, 15, 15, 16], 'a numeric host and the port of the peer need no options');
    await net.close();
  });

  test('RFC 7252 5.7.2, 6.4: a name travels in Uri-Host, another port is where the request goes', async () => {
    const net = new ProxyNet(ok, { origin: 'origin.example' });
    await net.ask('coap://ORIGIN.example/t');
    assert.equal(fromUtf8(findOption(net.asked[0]!.options, OptionNumber.UriHost)!.value), 'origin.example');
    const other = net.endpoint('10.0.0.8', { handler: ok }, 6000);
    assert.equal(formatCode((await net.ask('coap://10.0.0.8:6000/t')).code), '5.05', 'the port is not on the list');
    await other.close();
    await net.close();
  });

  test('RFC 7252 5.10.2: Proxy-Scheme with Uri-Host, Uri-Port, Uri-Path and Uri-Query', async () => {
    const net = new ProxyNet(ok);
    const response = await net.plain({ options: scheme(['a', 'b'], uintOption(OptionNumber.UriPort, 5683), stringOption(OptionNumber.UriQuery, 'q')) });
    assert.equal(text(response), 'ok');
    assert.deepEqual([pathOf(net.asked[0]!.options), queryOf(net.asked[0]!.options)], [['a', 'b'], ['q']]);
    assert.deepEqual(numbers(net.asked[0]!), [11, 11, 15, 16]);
    await net.close();
  });

  test('RFC 7252 5.10.2: Proxy-Uri takes precedence over Uri-Host, Uri-Port, Uri-Path and Uri-Query', async () => {
    const net = new ProxyNet(ok);
    const { UriHost, UriPort, UriQuery, ProxyScheme } = OptionNumber;
    const others = [stringOption(UriHost, '10.9.9.9'), uintOption(UriPort, 1), ...pathOptions(['no']), stringOption(UriQuery, 'no')];
    await net.ask(`${originUri}/yes`, { options: [...others, stringOption(ProxyScheme, 'http')] });
    assert.deepEqual([pathOf(net.asked[0]!.options), queryOf(net.asked[0]!.options)], [['yes'], []]);
    await net.close();
  });

  test('RFC 7252 5.7.2: a scheme that the proxy does not do: 5.05', async () => {
    const net = new ProxyNet(ok);
    for (const uri of ['http://10.0.0.9/', 'coaps://10.0.0.9/', 'coap+tcp://10.0.0.9/', 'urn:x'])
      assert.equal((await net.ask(uri)).code, Code.ProxyingNotSupported, uri);
    const { ProxyScheme, UriHost } = OptionNumber;
    assert.equal((await net.plain({ options: [stringOption(UriHost, '10.0.0.9'), stringOption(ProxyScheme, 'http')] })).code, Code.ProxyingNotSupported);
    assert.equal(net.asked.length, 0);
    await net.close();
  });

  test('RFC 7252 5.10.2: a Proxy-Uri that is no absolute URI: 4.02 with a diagnostic', async () => {
    const net = new ProxyNet(ok);
    for (const uri of [
      '/t',
      'coap:',
      'coap://',
      'coap://10.0.0.9:0/',
      'coap://10.0.0.9/#f',
      'coap://user@10.0.0.9/',
      `${originUri}/%zz`,
      `${originUri}/${'x'.repeat(256)}`,
    ]) {
      const response = await net.ask(uri);
      assert.equal(response.code, Code.BadOption, uri);
      assert.match(text(response), /^10\.0\.0\.5:5683: expected /);
    }
    assert.equal(net.asked.length, 0);
    await net.close();
  });

  test('RFC 7252 5.10.1: a Uri-Path of "." or ".." is not forwarded: 4.02', async () => {
    const net = new ProxyNet(ok);
    for (const segment of ['.', '..']) assert.equal((await net.plain({ options: scheme(['a', segment, 'b']) })).code, Code.BadOption);
    assert.equal((await net.plain({ options: scheme(['a', '...', '']) })).code, Code.Content);
    assert.equal(net.asked.length, 1);
    await net.close();
  });

  test('RFC 7252 5.7.2: a request that names the proxy itself is a local one', async () => {
    const local: Request[] = [];
    const handler = (request: Request, reply: Reply): void => {
      local.push(request);
      reply.respond(answer('local'));
    };
    const net = new ProxyNet(ok, { endpoint: { handler }, proxy: { forward: { allow: openRelay, names: ['proxy.example'] } } });
    for (const uri of [`${proxyUri}/here?q`, 'coap://10.0.0.5:5683/here?q', 'coap://Proxy.example/here?q'])
      assert.equal(text(await net.ask(uri)), 'local', uri);
    const { ProxyScheme, UriHost } = OptionNumber;
    const query = stringOption(OptionNumber.UriQuery, 'q');
    assert.equal(
      text(await net.plain({ options: [...pathOptions(['here']), query, stringOption(ProxyScheme, 'coap')] })),
      'local',
      'no Uri-Host: the default is this endpoint',
    );
    const named = [stringOption(UriHost, 'proxy.example'), ...pathOptions(['here']), query, stringOption(ProxyScheme, 'coap')];
    assert.equal(text(await net.plain({ options: named })), 'local');
    for (const { options } of local) {
      assert.deepEqual([pathOf(options), queryOf(options)], [['here'], ['q']]);
      assert.equal(
        options.some(({ number }) => number === OptionNumber.ProxyUri || number === ProxyScheme),
        false,
      );
    }
    assert.equal(local.length, 5);
    assert.equal(net.asked.length, 0);
    await net.close();
  });

  test('RFC 7252 5.10.2: an endpoint without a proxy, and a reverse proxy, answer 5.05 to Proxy-Uri and Proxy-Scheme', async () => {
    const net = new ProxyNet(ok, { proxy: { reverse: [{ path: '/s', target: originUri }] } });
    const reverse = new ProxyServer({ reverse: [{ path: '/s', target: originUri }], env: net.sim.env('r') });
    const other = net.endpoint('10.0.0.6', { proxying: reverse });
    for (const address of ['10.0.0.6', '10.0.0.9']) {
      const peer = net.sim.peer(address, 5683);
      for (const options of [[stringOption(OptionNumber.ProxyUri, `${originUri}/t`)], scheme(['t'])])
        assert.equal((await net.sim.finish(net.client.request({ peer, options }))).code, Code.ProxyingNotSupported);
    }
    assert.equal(net.asked.length, 0);
    await other.close();
    await net.close();
  });
});

describe('forward proxy: which targets', () => {
  test('nothing is forwarded unless it is permitted: 5.05, and no name is looked up', async () => {
    const net = new ProxyNet(ok, { proxy: { forward: { allow: allowTargets() } } });
    assert.equal((await net.ask(`${originUri}/t`)).code, Code.ProxyingNotSupported);
    assert.equal(net.asked.length, 0);
    assert.deepEqual(
      net.events.map((event) => [event.type, event.type === 'refused' && event.reason, event.target]),
      [['refused', 'policy', 'coap://10.0.0.9:5683']],
    );
    assert.equal(net.proxy.stats()['addresses'], 0);
    await net.close();
  });

  test('patterns: host, port, any port, names below a domain; what is none is an error', () => {
    const target = (host: string, port = 5683, scheme = 'coap') => ({ scheme, host, port });
    const request: Request = { code: 1, options: [], payload: emptyBytes, peer: { key: 'x', address: 'x', port: 1 } };
    const allow = allowTargets('10.0.0.7', '10.0.0.8:6000', '[fd00::7]:*', '*.Example.org', 'coaps://secure.example');
    const outcomes = [
      [target('10.0.0.7'), true],
      [target('10.0.0.7', 5684), false],
      [target('10.0.0.8', 6000), true],
      [target('10.0.0.8'), false],
      [target('fd00::7', 1), true],
      [target('fd00::8', 1), false],
      [target('a.example.org'), true],
      [target('a.b.example.org'), true],
      [target('example.org'), false],
      [target('badexample.org'), false],
      [target('secure.example', 5684, 'coaps'), true],
      [target('secure.example', 5684), false],
    ] as const;
    for (const [one, permitted] of outcomes) assert.equal(allow(one, request), permitted, JSON.stringify(one));
    for (const pattern of ['*', '*:*', '', '*.10.0.0.7', '10.0.0.7/path', 'coap://*', 'a b', 'ftp://x', '*.*.org', 'x:99999'])
      assert.throws(
        () => allowTargets(pattern),
        (error: CoapError) => error.code === 'ERR_COAP_PROXY',
        pattern,
      );
  });

  test('RFC 5952 4: a policy judges an address however it is written, and the request goes where was judged', async () => {
    const judged: string[] = [];
    const net = new ProxyNet(ok, {
      proxy: {
        forward: {
          allow: ({ host }) => {
            judged.push(host);
            return host !== '127.0.0.1' && host !== '::1';
          },
        },
      },
    });
    const loopback = ['127.0.0.1', '127.1', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::1]', '[0:0:0:0:0:0:0:1]', '[::1%25lo]', '0x7f.0.0.1'];
    for (const host of loopback) {
      assert.equal((await net.ask(`coap://${host}/t`)).code, Code.ProxyingNotSupported, host);
      const options = sortOptions([stringOption(OptionNumber.ProxyScheme, 'coap'), stringOption(OptionNumber.UriHost, host)]);
      if (!host.includes('%')) assert.equal((await net.plain({ code: Method.GET, options })).code, Code.ProxyingNotSupported, host);
    }
    assert.deepEqual(new Set(judged), new Set(['127.0.0.1', '::1']));
    assert.equal((await net.ask('coap://[::ffff:10.0.0.9]/t')).code, Code.Content);
    await net.close();
  });

  test('a list of targets allows an address however the list and the client write it', () => {
    const allow = allowTargets('[0:0:0:0:0:0:0:1]', '[::ffff:10.0.0.7]', '10.0.0.8');
    const request: Request = { code: 1, options: [], payload: emptyBytes, peer: { key: 'x', address: 'x', port: 1 } };
    for (const host of ['::1', '10.0.0.7', '10.0.0.8']) assert.ok(allow({ scheme: 'coap', host, port: 5683 }, request), host);
    assert.ok(!allow({ scheme: 'coap', host: '10.0.0.9', port: 5683 }, request));
  });

  test('RFC 7252 5.7.2: a request for the proxy itself is a local one, however its address is written', async () => {
    const net = new ProxyNet(ok, {
      proxy: { forward: { allow: openRelay, names: ['FD00:0::5'] } },
      endpoint: { handler: (_request, reply) => reply.respond({ code: Code.Valid, options: [], payload: emptyBytes }) },
    });
    for (const host of ['10.0.0.5', '[::ffff:10.0.0.5]', '[fd00::5]', '[fd00:0:0::5]'])
      assert.equal((await net.ask(`coap://${host}/t`)).code, Code.Valid, host);
    assert.equal(net.asked.length, 0);
    await net.close();
  });

  test('RFC 7252 8.2.2, RFC 7390 2.9: a multicast target is refused with 5.01', async () => {
    const net = new ProxyNet(ok, { proxy: { forward: { allow: openRelay } } });
    for (const host of [
      '224.0.1.187',
      '239.255.255.255',
      '255.255.255.255',
      '[ff02::fd]',
      '[FF05::fd]',
      '[::ffff:224.0.1.187]',
      '[::ffff:e000:1bb]',
      '[0:0:0:0:0:FFFF:effe:fd]',
    ]) {
      const response = await net.ask(`coap://${host}/t`);
      assert.equal(response.code, Code.NotImplemented, host);
    }
    assert.equal(
      net.sim.wire.some(({ to }) => /^(22|23|25|ff|::)/i.test(to)),
      false,
    );
    await net.close();
  });

  test('what waits for the address of its target, and what waits for its answer, is not changed by who lent the bytes', async () => {
    const sent: Request[] = [];
    const listeners: ResponseListener[] = [];
    const upstream: Upstream = {
      requester: (request, listener) => {
        sent.push({ ...request, options: copyOptions(request.options), payload: request.payload.slice() });
        listeners.push(listener);
        return () => {};
      },
      resolve: async (address, port) => ({ key: `${address}:${port}`, address, port }),
    };
    const proxy = new ProxyServer({ forward: { allow: openRelay }, upstreams: { coap: upstream }, env: new Simulator().env('proxy') });
    const codes: number[] = [];
    const reply: Reply = { respond: ({ code }) => void codes.push(code), notify: () => {}, onCancel: () => {} };
    const ask = (code: number): void => {
      const bytes = utf8('coapmote/xpayload');
      const [scheme, host, path, payload] = [bytes.subarray(0, 4), bytes.subarray(4, 8), bytes.subarray(9, 10), bytes.subarray(10)];
      const tag = utf8('etag');
      const options = [
        { number: OptionNumber.UriHost, value: host },
        { number: OptionNumber.ETag, value: tag },
        { number: OptionNumber.UriPath, value: path },
        { number: OptionNumber.ProxyScheme, value: scheme },
      ];
      const peer = { key: '10.0.0.1:5683', address: '10.0.0.1', port: 5683 };
      proxy.handler({ code, options, payload: code === Method.GET ? emptyBytes : payload, peer }, reply);
      for (const lent of [bytes, tag]) lent.fill(0x2e);
    };
    for (const code of [Method.PUT, Method.GET]) {
      ask(code);
      await new Promise(setImmediate);
    }
    assert.deepEqual([pathOf(sent[0]!.options), fromUtf8(sent[0]!.payload)], [['x'], 'payload']);
    listeners[1]!.response(answer('new', { etag: 'etag' }), true);
    assert.deepEqual(codes, [Code.Valid]);
    proxy.close();
  });

  test('no two wrong ways to set one up: a name with a space, a Hop-Limit out of range, a route that is none', () => {
    const bad = (error: CoapError): boolean => error instanceof CoapError && error.code === 'ERR_COAP_PROXY';
    assert.throws(() => new ProxyServer({ name: 'a b' }), bad);
    assert.throws(() => new ProxyServer({ hopLimit: 256 }), bad);
    assert.throws(() => new ProxyServer({ reverse: [{ path: 'x', target: 'nowhere' }] }), bad);
    assert.throws(() => new ProxyServer({ reverse: [{ path: '/x', target: 'coap://h/?q' }] }), bad);
  });
});

describe('forward proxy: options', () => {
  test('RFC 7252 5.7.1: an unknown unsafe option, critical or elective, Confirmable or not: 4.02', async () => {
    const net = new ProxyNet(ok);
    for (const number of [2003, 2002, OptionNumber.QBlock1, OptionNumber.MaxAge]) {
      for (const nonConfirmable of [false, true]) {
        const response = await net.plain({ options: scheme(['t'], opaqueOption(number, Uint8Array.of(1))), nonConfirmable });
        assert.equal(response.code, Code.BadOption);
        assert.match(text(response), /^not to be forwarded: /);
      }
    }
    assert.equal(net.asked.length, 0);
    await net.close();
  });

  test('RFC 7252 5.7.1: unknown safe options are forwarded both ways, critical ones too', async () => {
    const there = [opaqueOption(2005, utf8('c')), opaqueOption(2004, utf8('e'))];
    const back = [opaqueOption(2008, utf8('e')), opaqueOption(2009, utf8('c'))];
    const raw: string[] = [];
    const net = new ProxyNet(ok, { origin: '10.0.0.99' });
    // A server that understands both.
    const origin = new RawPeer(net.sim, '10.0.0.9', net.proxyPeer);
    origin.onDatagram = (hex) => {
      raw.push(hex);
      const tokenLength = Number.parseInt(hex[1]!, 16);
      const head = `6${hex[1]}45${hex.slice(4, 8 + 2 * tokenLength)}`;
      // Max-Age 0, options 2008 and 2009, payload.
      origin.send(`${head}d001 e106bd65 1163 ff6f6b`);
    };
    const client = new RawPeer(net.sim, '10.0.0.2', net.proxyPeer);
    const message = encodeMessage({
      type: 0,
      code: 1,
      id: 7,
      token: Uint8Array.of(1),
      options: sortOptions([...scheme(['t']), ...there]),
      payload: emptyBytes,
    });
    const [got] = await client.exchange(toHex(message));
    const asked = decodeMessage(fromHex(raw[0]!));
    assert.deepEqual(
      asked.options.filter(({ number }) => number > 2000).map(({ number, value }) => [number, fromUtf8(value)]),
      [
        [2004, 'e'],
        [2005, 'c'],
      ],
    );
    const response = decodeMessage(fromHex(got!));
    assert.equal(response.code, Code.Content);
    assert.deepEqual(
      response.options.filter(({ number }) => number > 2000).map(({ number, value }) => [number, fromUtf8(value)]),
      back.map(({ number, value }) => [number, fromUtf8(value)]),
    );
    await net.close();
  });

  test('RFC 7252 5.7.1: an unsafe option in the response that the proxy does not interpret: 5.02', async () => {
    for (const option of [
      opaqueOption(2002, emptyBytes),
      opaqueOption(2003, emptyBytes),
      stringOption(OptionNumber.UriHost, 'x'),
      opaqueOption(OptionNumber.MaxAge, new Uint8Array(5)),
    ]) {
      const net = new ProxyNet((_request, reply) => reply.respond(answer('no', { options: [option] })));
      const response = await net.get('t');
      assert.equal(response.code, Code.BadGateway, `option ${option.number}`);
      assert.match(text(response), /no answer of use from coap:\/\/10\.0\.0\.9:5683/);
      await net.close();
    }
  });

  test('RFC 7252 5.7.1: If-Match, ETag, Content-Format, Accept and the payload go on as they are', async () => {
    const net = new ProxyNet((_request, reply) =>
      reply.respond(answer('changed', { code: Code.Changed, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain)] })),
    );
    const options = [opaqueOption(OptionNumber.IfMatch, utf8('v1')), uintOption(OptionNumber.ContentFormat, 60), uintOption(OptionNumber.Accept, 0)];
    const response = await net.send(Method.PUT, 't', 'body', ...options);
    const [asked] = net.asked;
    assert.deepEqual(numbers(asked!), [1, 11, 12, 16, 17]);
    assert.deepEqual([asked!.code, text(asked as unknown as Response)], [Method.PUT, 'body']);
    assert.deepEqual([response.code, text(response), uintOf(response.options, OptionNumber.ContentFormat)], [Code.Changed, 'changed', 0]);
    await net.close();
  });

  test('RFC 9175 2.2.1, 2.3: Echo goes through, both ways; the proxy answers no challenge for its client', async () => {
    const value = fromHex('a1b2c3');
    const net = new ProxyNet(
      (request, reply) => {
        const shown = findOption(request.options, OptionNumber.Echo);
        if (shown === undefined) reply.respond({ code: Code.Unauthorized, options: [opaqueOption(OptionNumber.Echo, value)], payload: emptyBytes });
        else reply.respond(answer(toHex(shown.value)));
      },
      // The proxy's own Echo layer must leave the challenge alone.
      { endpoint: { layers: [echo({}, { now: () => 0, epoch: () => 0, random: (length) => new Uint8Array(length), schedule: () => () => {} })] } },
    );
    // The client's own layer answers, by a request that goes through with the value.
    assert.equal(text(await net.send(Method.PUT, 't', 'on')), 'a1b2c3');
    assert.deepEqual(
      net.asked.map(({ options }) => findOption(options, OptionNumber.Echo)?.value),
      [undefined, value],
    );
    await net.close();
  });

  test('RFC 9175 2.4: a server that gives small blocks until it knows the address of the proxy is shown it', async () => {
    const large = 'x'.repeat(18_000);
    for (const options of [[], [uintOption(OptionNumber.Observe, 0)]]) {
      const net = new ProxyNet((request, reply) => {
        const response = answer(large, { maxAge: 60 });
        if (findOption(request.options, OptionNumber.Observe) === undefined) reply.respond(response);
        else reply.notify(response);
      });
      assert.equal((await net.get('large', ...options)).payload.length, 18_000);
      const sent = net.sim.wire.filter(({ from, to }) => from === '10.0.0.5:5683' && to === '10.0.0.9:5683').length;
      // Eighteen blocks, and the one that was cut short.
      assert.equal(sent, 19, String(options.length));
      await net.close();
    }
  });

  test('RFC 9175 2.3, 2.6: freshness that the proxy itself asks for; its own Echo value does not go on', async () => {
    const clock = { now: () => 1000, epoch: () => 1, random: (length: number) => new Uint8Array(length).fill(7), schedule: () => () => {} };
    const net = new ProxyNet(ok, { endpoint: { layers: [echo({ freshness: { required: ({ code }) => code === Method.POST } }, clock)] } });
    // The client answers the challenge by itself, and only what is fresh goes on.
    assert.equal((await net.send(Method.POST, 't')).code, Code.Content);
    assert.equal(net.asked.length, 1);
    assert.equal(findOption(net.asked[0]!.options, OptionNumber.Echo), undefined);
    const challenges = net.sim.wire.filter(({ from, datagram }) => from === net.proxyPeer.key && decodeMessage(datagram).code === Code.Unauthorized);
    assert.equal(challenges.length, 1);
    await net.close();
  });

  test('RFC 7967: the proxy takes every response and keeps to itself what the client does not want', async () => {
    const net = new ProxyNet((_request, reply) => reply.respond(answer('done', { code: Code.Changed })));
    const raw = new RawPeer(net.sim, '10.0.0.2', net.proxyPeer);
    const options = scheme(['t'], uintOption(OptionNumber.NoResponse, 2));
    const message = encodeMessage({ type: 1, code: Method.PUT, id: 7, token: Uint8Array.of(1), options, payload: utf8('x') });
    assert.deepEqual(await raw.exchange(toHex(message)), []);
    assert.equal(net.asked.length, 1);
    assert.equal(findOption(net.asked[0]!.options, OptionNumber.NoResponse), undefined);
    assert.equal(net.proxy.stats()['exchanges'], 0);
    await net.close();
  });
});
