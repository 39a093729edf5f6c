import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  echo,
  findOption,
  type Message,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  openRelay,
  type Peer,
  type ProxyOptions,
  ProxyServer,
  pathOf,
  pathOptions,
  queryOf,
  type Response,
  sortOptions,
  stringOption,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { clientAddress, has, isProtected, Net, type NetOptions, proxyAddress, serverAddress } from './net.ts';

const { Echo, HopLimit, MaxAge, NoResponse, Observe, ProxyUri, UriPath, UriQuery } = OptionNumber;
const outsideOf = ({ options }: Message): readonly Option[] => options.filter(({ number }) => number !== OptionNumber.Oscore);

/** The three ways by which a protected request names a server behind a proxy. */
const ways: readonly {
  readonly name: string;
  readonly proxying: ProxyOptions;
  target(net: Net): Promise<Peer> | Peer;
  options(path: string, query?: string): readonly Option[];
}[] = [
  {
    name: 'forward, by Proxy-Uri',
    proxying: { forward: { allow: openRelay } },
    target: (net) => net.sim.peer(proxyAddress, 5683),
    options: (path, query) => [stringOption(ProxyUri, `coap://${serverAddress}/${path}${query === undefined ? '' : `?${query}`}`)],
  },
  {
    name: 'forward, by Proxy-Scheme',
    proxying: { forward: { allow: openRelay } },
    target: (net) => net.client.resolve(serverAddress, 5683, { proxy: `coap://${proxyAddress}` }),
    options: (path, query) => sortOptions([...pathOptions([path]), ...(query === undefined ? [] : [stringOption(UriQuery, query)])]),
  },
  {
    name: 'reverse',
    proxying: { reverse: [{ target: `coap://${serverAddress}` }] },
    target: (net) => net.sim.peer(proxyAddress, 5683),
    options: (path, query) => sortOptions([...pathOptions([path]), ...(query === undefined ? [] : [stringOption(UriQuery, query)])]),
  },
];

for (const way of ways) {
  const open = (options: NetOptions = {}): Net => new Net({ proxying: way.proxying, ...options });
  const ask = async (net: Net, code: number, payload: Uint8Array = emptyBytes, more: readonly Option[] = []): Promise<Response> => {
    const options = sortOptions([...way.options('temperature', 'unit=c'), ...more]);
    return net.sim.finish(net.client.request({ code, peer: await way.target(net), options, payload, association: net.context }), 1_000_000);
  };
  /** What the client sent, and what of it the proxy sent on. */
  const hops = (net: Net): [Message[], Message[]] => [net.sent(clientAddress, proxyAddress), net.sent(proxyAddress, serverAddress)];

  describe(`RFC 8613 10, OSCORE through our proxy: ${way.name}`, () => {
    test('RFC 8613 4.1.3.2, 4.1.3.3: path and query are inside on both hops; the server has them, and the payload', async () => {
      const net = open();
      net.body = utf8('21.5');
      const response = await ask(net, Method.PUT, utf8('20'));
      assert.deepEqual([response.code, fromUtf8(response.payload), response.association], [Code.Content, '21.5', net.context]);
      const [asked] = net.asked;
      assert.deepEqual(
        [asked!.code, pathOf(asked!.options), queryOf(asked!.options), fromUtf8(asked!.payload)],
        [Method.PUT, ['temperature'], ['unit=c'], '20'],
      );
      for (const message of hops(net).flat()) {
        assert.ok(isProtected(message));
        assert.equal(message.code, Method.POST);
        assert.ok(!has(UriPath)(message) && !has(UriQuery)(message));
        const uri = findOption(message.options, ProxyUri);
        if (uri !== undefined) assert.equal(fromUtf8(uri.value), `coap://${serverAddress}`);
      }
      await net.close();
    });

    test('RFC 8613 4.1.3.1: Max-Age is inside; nothing is stored, and each request reaches the server', async () => {
      const net = open();
      net.answer = () => ({ code: Code.Content, options: [uintOption(MaxAge, 600)], payload: utf8('21.5') });
      for (let i = 0; i < 3; i++) assert.equal(uintOf((await ask(net, Method.GET)).options, MaxAge), 600);
      assert.equal(net.asked.length, 3);
      assert.equal(net.proxy.stats()['proxy.cached'], 0);
      assert.ok(net.sent(proxyAddress, clientAddress).every((message) => !has(MaxAge)(message)));
      await net.close();
    });

    test('RFC 8613 4.1.3.5: registration, notifications by Partial IV, cancellation', async () => {
      const net = open();
      net.answer = () => ({ code: Code.Content, options: [uintOption(MaxAge, 600)], payload: net.body });
      net.body = utf8('0');
      const stream = net.client.observe({ peer: await way.target(net), options: way.options('temperature'), association: net.context });
      const next = async (): Promise<string> => fromUtf8((await net.sim.finish(stream.next(), 1_000_000)).value!.payload);
      assert.equal(await next(), '0');
      for (const value of ['1', '2', '3']) {
        net.body = utf8(value);
        net.changed();
        assert.equal(await next(), value);
        // Longer than what seems fresh from outside: the proxy must not register again by itself.
        await net.sim.sleep(100_000);
      }
      await net.sim.finish(stream.return!());
      await net.sim.sleep(5000);
      const [, onward] = hops(net);
      assert.deepEqual(
        onward.filter(isProtected).map(({ code, options }) => [code, uintOf(options, Observe)]),
        [
          [Method.FETCH, 0],
          [Method.FETCH, 1],
        ],
      );
      assert.equal(net.server.stats()['observers'], 0);
      assert.equal(net.proxy.stats()['proxy.exchanges'], 0);
      await net.close();
    });

    test('RFC 8613 4.1.3.6: No-Response is inside, the server heeds it, and a 5.04 of the proxy meets nobody', async () => {
      const net = open();
      net.answer = ({ code }) => ({ code: code === Method.PUT ? Code.Changed : Code.NotFound, options: [], payload: emptyBytes });
      const peer = await way.target(net);
      const message = { code: Method.PUT, peer, options: way.options('led'), payload: utf8('on'), association: net.context };
      assert.equal(await net.client.send(message), undefined);
      await net.sim.sleep(1000);
      assert.equal(net.asked.length, 1);
      assert.equal(uintOf(net.asked[0]!.options, NoResponse), 26);
      for (const sent of hops(net).flat()) assert.deepEqual([isProtected(sent), has(NoResponse)(sent)], [true, false]);
      assert.deepEqual(net.sent(serverAddress, proxyAddress), []);
      // The proxy knows nothing of it and waits for an answer.
      await net.sim.sleep(150_000);
      assert.deepEqual(
        net.sent(proxyAddress, clientAddress).map(({ code }) => code),
        [Code.GatewayTimeout],
      );
      assert.deepEqual([net.client.stats()['requests'], net.proxy.stats()['proxy.exchanges']], [0, 0]);
      // With classes that are wanted it comes back, under protection.
      const refused = await net.sim.finish(net.client.send({ ...message, code: Method.GET, payload: emptyBytes }, { noResponse: 2 }), 1_000_000);
      assert.deepEqual([refused!.code, refused!.association], [Code.NotFound, net.context]);
      await net.close();
    });

    test('RFC 9175 2.3, RFC 8613 4.1: the proxy asks for an Outer Echo, the server for an Inner one; neither sees that of the other', async () => {
      const clock = { now: () => 1000, epoch: () => 1, schedule: () => () => {} };
      const proxyEnv = { ...clock, random: (length: number) => new Uint8Array(length).fill(7) };
      const serverEnv = { ...clock, random: (length: number) => new Uint8Array(length).fill(9) };
      const net = open({
        proxy: { layers: [echo({ name: 'outer', freshness: { required: () => true } }, proxyEnv)] },
        above: { client: echo({}, clock as typeof proxyEnv), server: echo({ freshness: { required: () => true } }, serverEnv) },
      });
      net.body = utf8('fresh');
      const response = await ask(net, Method.PUT, utf8('on'));
      assert.deepEqual([fromUtf8(response.payload), response.association], ['fresh', net.context]);
      assert.equal(net.asked.length, 1);
      assert.equal(findOption(net.asked[0]!.options, Echo), undefined, 'the layer that asked for it takes it out');
      const [first, onward] = hops(net);
      // First without, then with the value of the proxy; the server then has the client make a new request, which the proxy asks about again.
      assert.deepEqual(first.map(has(Echo)), [false, true, false, true]);
      assert.ok(onward.length === 2 && onward.every((message) => !has(Echo)(message)), 'an Echo value of the proxy goes no further');
      assert.equal(toHex(first[0]!.payload), toHex(first[1]!.payload), 'the same OSCORE message again: the server has not seen it');
      assert.notEqual(toHex(onward[0]!.payload), toHex(onward[1]!.payload));
      const challenges = net.sent(proxyAddress, clientAddress).filter(({ code }) => code === Code.Unauthorized);
      assert.equal(challenges.length, 2);
      assert.ok(challenges.every((message) => has(Echo)(message) && !isProtected(message)));
      assert.ok(net.sent(serverAddress, proxyAddress).every((message) => isProtected(message) && !has(Echo)(message)));
      await net.close();
    });

    test('RFC 8768 3, RFC 8613 4.1: a Hop-Limit of the client is for the server; the proxy counts its own outside', async () => {
      const net = open();
      await ask(net, Method.GET, emptyBytes, [uintOption(HopLimit, 5)]);
      const [first, onward] = hops(net);
      assert.deepEqual(first.map(has(HopLimit)), [false]);
      assert.deepEqual(
        onward.map(({ options }) => uintOf(options, HopLimit)),
        [16],
      );
      assert.equal(uintOf(net.asked[0]!.options, HopLimit), 5);
      await net.close();
    });

    test('what of a protected message is outside: the target, Hop-Limit, and nothing that the client said', async () => {
      const net = open();
      const { IfMatch, Accept, RequestTag } = OptionNumber;
      await ask(net, Method.PUT, utf8('x'), [opaqueOption(IfMatch, utf8('tag')), uintOption(Accept, 60), opaqueOption(RequestTag, utf8('t'))]);
      const { UriHost, UriPort, ProxyScheme } = OptionNumber;
      const allowed = new Set<number>([UriHost, UriPort, ProxyScheme, ProxyUri, HopLimit]);
      for (const message of hops(net).flat()) for (const { number } of outsideOf(message)) assert.ok(allowed.has(number), `${number}`);
      assert.equal(fromUtf8(findOption(net.asked[0]!.options, IfMatch)!.value), 'tag');
      await net.close();
    });
  });
}

test('RFC 8768 4: a loop of two proxies ends with a 5.08 that nothing protects', async () => {
  const net = new Net({ proxying: { forward: { allow: openRelay, via: 'coap://10.0.0.6' } } });
  const other = new ProxyServer({ env: net.sim.env('other'), forward: { allow: openRelay, via: `coap://${proxyAddress}` } });
  const endpoint = net.endpoint('10.0.0.6', { proxying: other });
  const response = await net.ask(Method.GET, emptyBytes, 'forward');
  assert.deepEqual([response.code, response.association], [Code.HopLimitReached, undefined]);
  assert.equal(net.asked.length, 0);
  await endpoint.close();
  await net.close();
});

test('RFC 7967, RFC 8613 4.1.3.6, without a proxy: a Confirmable request whose response is not wanted is done when it is acknowledged', async () => {
  const net = new Net();
  net.answer = () => ({ code: Code.Changed, options: [], payload: emptyBytes });
  const peer = net.sim.peer(serverAddress, 5683);
  const message = { code: Method.PUT, peer, options: pathOptions(['led']), payload: utf8('on'), association: net.context, nonConfirmable: false };
  const before = net.sim.now;
  assert.equal(await net.sim.finish(net.client.send(message), 1_000_000), undefined);
  assert.ok(net.sim.now - before < 1000);
  assert.equal(net.asked.length, 1);
  assert.deepEqual(
    net.sent(serverAddress, clientAddress).map(({ code }) => code),
    [0],
  );
  // Nobody acknowledges: that is still an error.
  net.sim.filter = ({ to }) => to !== `${serverAddress}:5683`;
  await assert.rejects(net.sim.finish(net.client.send(message), 10_000_000), { code: 'ERR_COAP_TIMEOUT' });
  await net.close();
});
