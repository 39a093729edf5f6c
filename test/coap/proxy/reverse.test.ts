import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  Endpoint,
  findAll,
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
  stringOption,
} from '../../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { answer, ok, originUri, ProxyNet, text } from './net.ts';

const path = (...segments: string[]): { readonly options: Option[] } => ({ options: pathOptions(segments) });
const locations = (options: readonly Option[]): string[] => findAll(options, OptionNumber.LocationPath).map(({ value }) => fromUtf8(value));

describe('reverse proxy', () => {
  test('RFC 7252 5.7.2, 5.7.3: what goes through another proxy and what stands behind a path keep their ways, where both are one server', async () => {
    for (const isForwardFirst of [true, false]) {
      const net = new ProxyNet(ok, {
        proxy: { forward: { allow: openRelay, via: 'coap://10.0.0.6' }, reverse: [{ path: '/s', target: originUri }], cache: false },
      });
      let forwarded = 0;
      const second = new ProxyServer({ forward: { allow: openRelay }, cache: false, env: net.sim.env('second'), emit: () => forwarded++ });
      const other = net.endpoint('10.0.0.6', { proxying: second });
      const forward = async (): Promise<void> => {
        assert.equal(text(await net.get('t')), 'ok');
        assert.equal(forwarded, 1);
      };
      if (isForwardFirst) await forward();
      const before = forwarded;
      assert.equal(text(await net.plain(path('s', 't'))), 'ok');
      assert.equal(forwarded, before, 'what stands behind the path is reached as it is');
      if (!isForwardFirst) await forward();
      await other.close();
      await net.close();
    }
  });

  test('RFC 7252 5.7.3: a path stands for a path of another server, with all below it and the query', async () => {
    const local = (_request: Request, reply: Reply): void => reply.respond(answer('local'));
    const net = new ProxyNet(ok, { proxy: { reverse: [{ path: '/s', target: `${originUri}/base/of` }] }, endpoint: { handler: local } });
    for (const [asked, at] of [
      [['s'], ['base', 'of']],
      [
        ['s', 'a', 'b'],
        ['base', 'of', 'a', 'b'],
      ],
      [
        ['s', ''],
        ['base', 'of', ''],
      ],
    ] as const) {
      assert.equal(text(await net.plain({ options: [...pathOptions(asked), stringOption(OptionNumber.UriQuery, 'x=1')] })), 'ok');
      assert.deepEqual([pathOf(net.asked.at(-1)!.options), queryOf(net.asked.at(-1)!.options)], [at, ['x=1']]);
    }
    // What no route is for is the server's own: also a path that only begins alike.
    for (const other of [[], ['t'], ['sx'], ['t', 's']]) assert.equal(text(await net.plain(path(...other))), 'local');
    assert.equal(net.asked.length, 3);
    await net.close();
  });

  test('RFC 7252 6.4: the slash after a route for a whole server is the root of that server', async () => {
    const net = new ProxyNet(ok, { proxy: { reverse: [{ path: '/s', target: originUri }] } });
    for (const [asked, at] of [
      [['s'], []],
      [['s', ''], []],
      [
        ['s', '', ''],
        ['', ''],
      ],
      [['s', 'a'], ['a']],
      [
        ['s', 'a', ''],
        ['a', ''],
      ],
    ] as const) {
      assert.equal(text(await net.plain(path(...asked))), 'ok');
      assert.deepEqual(pathOf(net.asked.at(-1)!.options), at);
    }
    await net.close();
  });

  test('RFC 7252 5.7.3: by Uri-Host, and the longest path goes first', async () => {
    const net = new ProxyNet(ok, {
      proxy: {
        reverse: [
          { target: `${originUri}/rest` },
          { path: '/a', target: `${originUri}/a` },
          { path: '/a/b', target: `${originUri}/ab` },
          { host: 'Sensors.example', target: `${originUri}/sensors` },
        ],
      },
    });
    const host = stringOption(OptionNumber.UriHost, 'sensors.EXAMPLE');
    for (const options of [pathOptions(['a', 'b', 'c']), pathOptions(['a', 'c']), pathOptions(['c']), [host, ...pathOptions(['a'])]])
      await net.plain({ options });
    assert.deepEqual(
      net.asked.map(({ options }) => pathOf(options)),
      [
        ['ab', 'c'],
        ['a', 'c'],
        ['rest', 'c'],
        ['sensors', 'a'],
      ],
    );
    assert.equal(
      net.asked[3]!.options.some(({ number }) => number === OptionNumber.UriHost),
      false,
      'the name is that of the proxy',
    );
    await net.close();
  });

  test('RFC 7252 5.10.1: no path leaves its route by ".."', async () => {
    const net = new ProxyNet(ok, { proxy: { reverse: [{ path: '/s', target: `${originUri}/base` }] } });
    assert.equal((await net.plain(path('s', '..', 'secret'))).code, Code.BadOption);
    assert.equal(net.asked.length, 0);
    await net.close();
  });

  test('RFC 7252 5.10.7: Location-Path is translated; one outside the route has no name here', async () => {
    const at: string[][] = [
      ['base', 'log', '1'],
      ['elsewhere', '1'],
    ];
    const net = new ProxyNet(
      (_request, reply) =>
        reply.respond(answer('', { code: Code.Created, options: at.shift()!.map((segment) => stringOption(OptionNumber.LocationPath, segment)) })),
      { proxy: { reverse: [{ path: '/s/t', target: `${originUri}/base` }] } },
    );
    assert.deepEqual(locations((await net.plain({ code: Method.POST, ...path('s', 't', 'log') })).options), ['s', 't', 'log', '1']);
    assert.deepEqual(locations((await net.plain({ code: Method.POST, ...path('s', 't', 'log') })).options), []);
    await net.close();
  });

  test('RFC 7252 5.7.3: ETags go through as they are; the cache validates', async () => {
    const net = new ProxyNet(
      (request, reply) => {
        const known = findAll(request.options, OptionNumber.ETag).some(({ value }) => fromUtf8(value) === 'v1');
        reply.respond(known ? answer('', { code: Code.Valid, etag: 'v1', maxAge: 5 }) : answer('body', { etag: 'v1', maxAge: 5 }));
      },
      { proxy: { reverse: [{ target: originUri }] } },
    );
    assert.equal(text(await net.plain(path('t'))), 'body');
    await net.sim.sleep(6_000);
    const response = await net.plain(path('t'));
    assert.deepEqual([response.code, text(response), net.asked.length], [Code.Content, 'body', 2]);
    assert.equal((await net.plain({ options: [opaqueOption(OptionNumber.ETag, utf8('v1')), ...pathOptions(['t'])] })).code, Code.Valid);
    await net.close();
  });

  test('RFC 7252 5.7.1: the unsafe bit decides for what a route takes, the critical bit for what is local', async () => {
    const net = new ProxyNet(ok, { proxy: { reverse: [{ path: '/s', target: originUri }] }, endpoint: { handler: ok } });
    assert.equal((await net.plain({ options: [...pathOptions(['s']), opaqueOption(2002, utf8('x'))] })).code, Code.BadOption);
    assert.equal((await net.plain({ options: [...pathOptions(['t']), opaqueOption(2002, utf8('x'))] })).code, Code.Content);
    assert.equal((await net.plain({ options: [...pathOptions(['t']), opaqueOption(2005, utf8('x'))] })).code, Code.BadOption);
    await net.close();
  });

  test('a failure behind it does not tell what is behind it', async () => {
    const net = new ProxyNet(ok, { proxy: { reverse: [{ target: 'coap://10.0.0.77' }] } });
    const response = await net.plain(path('t'));
    assert.deepEqual([response.code, text(response)], [Code.GatewayTimeout, '10.0.0.5:5683: no answer from the server behind this proxy']);
    await net.close();
  });

  test('RFC 7252 5.7.2: forward and reverse at one endpoint; what names the endpoint itself follows its routes', async () => {
    const net = new ProxyNet(ok, { proxy: { forward: { allow: openRelay }, reverse: [{ path: '/s', target: `${originUri}/base` }] } });
    assert.equal(text(await net.ask('coap://10.0.0.5/s/x')), 'ok');
    assert.deepEqual(pathOf(net.asked[0]!.options), ['base', 'x']);
    assert.equal(text(await net.ask(`${originUri}/y`)), 'ok');
    assert.deepEqual(pathOf(net.asked[1]!.options), ['y']);
    await net.close();
  });

  test('the two sides may use different endpoints', async () => {
    const net = new ProxyNet(ok);
    const inside = net.endpoint('10.0.0.50');
    const proxying = new ProxyServer({ reverse: [{ path: '/s', target: originUri }], upstreams: { coap: inside }, env: net.sim.env('two') });
    const outside = new Endpoint({ transport: net.sim.transport('10.0.0.51', 5683), env: net.sim.env('51'), proxying });
    const response = await net.sim.finish(net.client.request({ peer: net.sim.peer('10.0.0.51', 5683), ...path('s', 't') }));
    assert.equal(text(response), 'ok');
    assert.equal(net.asked[0]!.peer.address, '10.0.0.50');
    for (const endpoint of [inside, outside]) await endpoint.close();
    await net.close();
  });
});
