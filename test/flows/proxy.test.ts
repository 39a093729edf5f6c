import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import {
  allowTargets,
  CoapError,
  Code,
  codeClass,
  decodeMessage,
  Endpoint,
  type EndpointOptions,
  findOption,
  isRequest,
  type Message,
  OptionNumber,
  type ProxyEvent,
  ProxyServer,
  pathOf,
  queryOf,
  uintOf,
} from '../../src/coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { loggable } from '../../src/operate/index.ts';
import { ResourceServer } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { tap, udp } from '../../src/transport/index.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';
import { asAddress, clientKeyAtAs, mirrored, Parties, type PartiesOptions, rsAddress, rsUri, tokenKey } from './parties.ts';
import { auditWire } from './wire-audit.ts';

const proxyAddress = '10.0.0.5:5683';

interface Proxied {
  readonly parties: Parties;
  readonly proxy: ProxyServer;
  readonly endpoint: Endpoint;
  readonly events: ProxyEvent[];
  close(): Promise<void>;
}

/** All parties, with everything that the clients send going through one proxy. */
async function proxied(network: SimulatorOptions = {}, options: PartiesOptions = {}, hop: Partial<EndpointOptions> = {}): Promise<Proxied> {
  const simulator = new Simulator(network);
  const parameters = { nstart: 16, ...options.parameters };
  const parties = await new Parties(simulator, { ...options, parameters, client: { proxy: 'coap://10.0.0.5', ...options.client } }).start();
  const events: ProxyEvent[] = [];
  const env = simulator.env('proxy');
  const proxy = new ProxyServer({ forward: { allow: allowTargets('10.0.0.1', '10.0.0.2') }, env, emit: (event) => events.push(event) });
  const endpoint = new Endpoint({ transport: simulator.transport('10.0.0.5', 5683), env, parameters, proxying: proxy, ...hop });
  return {
    parties,
    proxy,
    endpoint,
    events,
    close: async () => {
      await parties.close();
      await endpoint.close();
    },
  };
}

const isProtected = ({ options }: Message): boolean => findOption(options, OptionNumber.Oscore) !== undefined;

/** What passed the proxy: messages with where they came from and went to. */
function passed({ parties }: Proxied): { readonly from: string; readonly to: string; readonly message: Message; readonly hex: string }[] {
  return parties.simulator.wire
    .filter(({ from, to }) => from === proxyAddress || to === proxyAddress)
    .map(({ from, to, datagram }) => ({ from, to, message: decodeMessage(datagram), hex: toHex(datagram) }));
}

describe('OSCORE and ACE through our forward proxy', () => {
  test('RFC 8613 10, RFC 9203: the whole dance; the client speaks to the proxy alone', async () => {
    const net = await proxied();
    const { parties } = net;
    const response = await parties.finish(parties.client.fetch(`${rsUri}/temperature?unit=c`));
    assert.deepEqual([response.codeText, response.text(), response.protected], ['2.05', '21.5', true]);
    assert.deepEqual(parties.steps(), ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response']);
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
    assert.equal(parties.led, 'on');
    for (const { from, to } of parties.simulator.wire) assert.ok(from === proxyAddress || to === proxyAddress, `${from} -> ${to}`);
    auditWire(parties.simulator.wire, parties.contexts.values());
    assert.deepEqual(parties.faults(), []);
    await net.close();
  });

  test('RFC 8613 4.1.3.2, 10: of what is protected the proxy sees scheme, host and port: no path, no query, no payload, no token request', async () => {
    const net = await proxied();
    const { parties } = net;
    const secretPath = 'temperature';
    await parties.finish(parties.client.fetch(`${rsUri}/${secretPath}?place=cellar`));
    await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'disco inferno' }));
    const messages = passed(net);
    let shielded = 0;
    for (const { from, to, message } of messages) {
      if (!isProtected(message)) continue;
      shielded++;
      const { UriHost, UriPort, ProxyScheme, Oscore, HopLimit, Observe, MaxAge } = OptionNumber;
      const visible = new Set<number>([UriHost, UriPort, ProxyScheme, Oscore, HopLimit, Observe, MaxAge]);
      assert.deepEqual(
        message.options.filter(({ number }) => !visible.has(number)),
        [],
        `${from} -> ${to}`,
      );
      if (isRequest(message.code) && to === proxyAddress) {
        assert.ok(['10.0.0.1', '10.0.0.2'].includes(fromUtf8(findOption(message.options, UriHost)!.value)));
        assert.equal(fromUtf8(findOption(message.options, ProxyScheme)!.value), 'coap');
      }
    }
    // Token request, first request after a start with its Echo, and two requests: each of them and its answer on two hops.
    assert.ok(shielded >= 16, `${shielded}`);
    // Nothing goes to the AS that is not protected.
    for (const { from, to, message } of messages) if ((from === asAddress || to === asAddress) && message.code !== 0) assert.ok(isProtected(message));
    // In the clear are the probe and the upload, as RFC 9203 has it; nothing else.
    const open = messages.filter(({ to, message }) => to === rsAddress && !isProtected(message) && isRequest(message.code));
    assert.deepEqual(
      open.map(({ message }) => [pathOf(message.options).join('/'), queryOf(message.options)]).sort(),
      [
        ['authz-info', []],
        ['temperature', ['place=cellar']],
      ].sort(),
    );
    // What it would need a key for, and the keys.
    const all = messages.map(({ hex }) => hex).join(' ');
    for (const secret of [utf8('disco inferno'), utf8('21.5'), clientKeyAtAs(1).masterSecret]) assert.equal(all.includes(toHex(secret)), false);
    await net.close();
  });

  test('what the proxy tells its log: servers, methods, codes; no path, no query, no token', async () => {
    const net = await proxied();
    const { parties } = net;
    await parties.finish(parties.client.fetch(`${rsUri}/temperature?place=cellar`));
    const log = JSON.stringify(loggable(net.events));
    assert.ok(net.events.length >= 4);
    for (const word of ['temperature', 'authz-info', 'cellar', 'token', 'bytes']) assert.equal(log.includes(word), false, word);
    assert.deepEqual(new Set(net.events.map(({ target }) => target)), new Set(['coap://10.0.0.1:5683', 'coap://10.0.0.2:5683']));
    assert.ok(net.events.every((event) => event.type === 'forwarded'));
    await net.close();
  });

  test('RFC 8613 10: answers under OSCORE are never stored, and each request reaches the server', async () => {
    const net = await proxied();
    const { parties } = net;
    for (let i = 0; i < 5; i++) assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
    assert.equal(parties.handled.get('GET /temperature'), 5);
    assert.equal(net.proxy.stats()['cached'], 0);
    assert.equal(net.events.filter((event) => event.type === 'forwarded' && event.protected && event.from !== 'origin').length, 0);
    await net.close();
  });

  test('RFC 8613 4.1.3.5: observation under OSCORE goes through, and its end too', async () => {
    const net = await proxied();
    const { parties } = net;
    const { simulator, temperature } = parties;
    const stream = parties.client.observe(`${rsUri}/temperature`);
    const next = async (): Promise<string> => {
      const { value, done } = await parties.finish(stream.next(), 1_000_000);
      return done === true ? assert.fail('the observation ended') : value.text();
    };
    assert.equal(await next(), '21.5');
    const registration = (): Message[] =>
      passed(net)
        .filter(({ to, message }) => to === rsAddress && isProtected(message) && uintOf(message.options, OptionNumber.Observe) !== undefined)
        .map(({ message }) => message);
    assert.equal(registration().length, 1);
    for (let i = 1; i <= 12; i++) {
      temperature.value = `${20 + i}`;
      temperature.changed();
      assert.equal(await next(), `${20 + i}`);
      // Longer than Max-Age, so that a proxy which renewed by itself would have done so: the server would take it for a replay.
      await simulator.sleep(i === 6 ? 50_000 : 4_000);
    }
    await parties.finish(stream.return(), 1_000_000);
    await simulator.sleep(5_000);
    const all = registration();
    assert.deepEqual(
      all.map(({ options }) => uintOf(options, OptionNumber.Observe)),
      [0, 1],
    );
    assert.equal(toHex(all[0]!.token), toHex(all[1]!.token), 'RFC 7641 3.6: the cancellation has the token of the registration, on this hop too');
    assert.equal(parties.rs.stats()['endpoint.observe.observers'], 0);
    assert.equal(net.proxy.stats()['exchanges'], 0);
    auditWire(simulator.wire, parties.contexts.values());
    assert.deepEqual(parties.faults(), []);
    await net.close();
  });

  test('RFC 7959, RFC 8613 4.1.3.4: bodies in Inner blocks of 1024 bytes go through in one piece each', async () => {
    const net = await proxied();
    const { parties } = net;
    const body = new Uint8Array(5000).map((_, i) => i * 7);
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/large`, { method: 'PUT', payload: body }))).codeText, '2.04');
    assert.deepEqual((await parties.finish(parties.client.fetch(`${rsUri}/large`))).payload, body);
    for (const { message } of passed(net))
      if (isProtected(message)) assert.equal(findOption(message.options, OptionNumber.Block1) ?? findOption(message.options, OptionNumber.Block2), undefined);
    await net.close();
  });

  test('RFC 8613 4.1.3.4.2: a proxy that cuts into Outer blocks of 64 bytes; AS, RS and client put them together as they are', async () => {
    const net = await proxied({}, {}, { blockwise: { szx: 2, outerThreshold: 64 } });
    const { parties } = net;
    const body = new Uint8Array(900).map((_, i) => i * 7);
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/large`, { method: 'PUT', payload: body }), 1_000_000)).codeText, '2.04');
    assert.deepEqual((await parties.finish(parties.client.fetch(`${rsUri}/large`), 1_000_000)).payload, body);
    const cut = (to: string, number: number): Message[] =>
      passed(net).flatMap((one) => (one.to === to && isProtected(one.message) && findOption(one.message.options, number) !== undefined ? [one.message] : []));
    assert.ok(cut(rsAddress, OptionNumber.Block1).length >= 900 / 64);
    assert.ok(cut(proxyAddress, OptionNumber.Block2).length >= 900 / 64);
    assert.ok(cut(asAddress, OptionNumber.Block2).length > 0, 'the response of the AS is longer than a block');
    for (const message of cut(rsAddress, OptionNumber.Block1)) assert.ok(message.payload.length <= 64);
    await parties.simulator.sleep(600_000);
    assert.deepEqual([parties.rs.stats()['endpoint.outerBlockwise.uploads'], parties.rs.stats()['endpoint.outerBlockwise.representations']], [0, 0]);
    assert.deepEqual(parties.faults(), []);
    await net.close();
  });

  test('RFC 7252 5.7.2, RFC 8613 2: errors of the proxy come without protection, and the client says so', async () => {
    const net = await proxied();
    const { parties } = net;
    await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
    await parties.kill('rs');
    const gone = await parties.finish(parties.client.fetch(`${rsUri}/temperature`), 1_000_000);
    assert.deepEqual([gone.code, gone.protected], [Code.GatewayTimeout, false]);
    await net.close();
  });

  test('with 10 % of datagrams lost on every hop: each request is carried out at most once, and no nonce repeats', async () => {
    const net = await proxied({ seed: 5, loss: 0.1, duplication: 0.1, reorder: 0.1 }, { parameters: { maxRetransmit: 8 } });
    const { parties } = net;
    for (let i = 0; i < 20; i++)
      assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/log`, { method: 'POST', payload: `${i}` }), 10_000_000)).codeText, '2.01');
    assert.deepEqual(
      parties.written,
      Array.from({ length: 20 }, (_, i) => `${i}`),
    );
    auditWire(parties.simulator.wire, parties.contexts.values());
    assert.deepEqual(parties.faults(), []);
    await net.close();
  });

  test('a proxy that does not permit the target: 5.05 to the client, and nothing reaches the server', async () => {
    const net = await proxied();
    const { parties } = net;
    const response = await parties.finish(parties.client.fetch('coap://10.0.0.77/x', { allowUnprotected: true }));
    assert.equal(response.code, Code.ProxyingNotSupported);
    assert.equal(
      parties.simulator.wire.some(({ to }) => to.startsWith('10.0.0.77')),
      false,
    );
    await net.close();
  });
});

test('on UDP: AceClient, forward proxy, AS and RS on loopback; names that only the proxy resolves', async (t) => {
  const seen: Message[] = [];
  const upstreamSocket = tap(await udp(), ({ datagram }) => seen.push(decodeMessage(datagram.slice())));
  const upstream = new Endpoint({ transport: upstreamSocket });
  const rsKey = { masterSecret: new Uint8Array(16).fill(9), senderId: Uint8Array.of(0xe0), recipientId: Uint8Array.of(0xe1) };
  const asSocket = await udp();
  const rsSocket = await udp();
  const asUri = `coap://as.test:${asSocket.local.port}/token`;
  const proxying = new ProxyServer({
    forward: { allow: allowTargets('as.test:*', 'rs.test:*') },
    // The two sides of the proxy have a socket each, and only this one knows the names.
    upstreams: { coap: { requester: upstream.requester, resolve: (host, port) => upstream.resolve(host.endsWith('.test') ? '127.0.0.1' : host, port) } },
  });
  const front = new Endpoint({ transport: await udp(), proxying });
  const as = new AuthorizationServer({
    store: memoryStore(),
    profiles: [oscoreProfile],
    clients: [{ id: 'c', credentials: clientKeyAtAs(1), grants: [{ audience: 'rs1', scope: 'r' }] }],
    resourceServers: [{ id: 'rs1', audiences: ['rs1'], credentials: rsKey, tokenKeys: [tokenKey] }],
  });
  const rs = new ResourceServer({
    audience: 'rs1',
    issuers: [{ uri: asUri, tokenKeys: [tokenKey] }],
    scopes: { r: { '/temperature': ['GET'] } },
    store: memoryStore(),
    profiles: [oscoreProfile],
  });
  let value = 'warm';
  const handle = rs.resource('/temperature', { get: () => value, observable: true });
  await as.listen(asSocket);
  await rs.listen(rsSocket);
  const client = new AceClient({
    transport: await udp(),
    proxy: `coap://127.0.0.1:${front.local.port}`,
    authorizationServers: [{ uri: asUri, credentials: mirrored(clientKeyAtAs(1)) }],
    store: memoryStore(),
    profiles: [oscoreProfile],
  });
  t.after(async () => {
    for (const one of [client, front, upstream, as, rs]) await one.close();
  });
  const uri = `coap://rs.test:${rsSocket.local.port}/temperature`;
  const response = await client.fetch(uri, { timeout: 20_000 });
  assert.deepEqual([response.codeText, response.text(), response.protected], ['2.05', 'warm', true]);
  for await (const notification of client.observe(uri, { timeout: 20_000 })) {
    assert.equal(notification.protected, true);
    if (notification.text() === 'hot') break;
    value = 'hot';
    handle.changed();
  }
  const shielded = seen.filter((message) => isProtected(message));
  assert.ok(shielded.length >= 6);
  for (const message of shielded) assert.equal(findOption(message.options, OptionNumber.UriPath), undefined);
  assert.ok(seen.every(({ code }) => code === 0 || isRequest(code) || codeClass(code) !== 5));
});

test('Endpoint.request takes the proxy as an option; a proxy that is no CoAP URI is an error', async () => {
  const sim = new Simulator();
  const client = new Endpoint({ transport: sim.transport('10.0.0.3', 5683), env: sim.env('c') });
  for (const proxy of ['http://10.0.0.5', 'coap://10.0.0.5/path', 'nonsense']) {
    const error = await client.request({ peer: sim.peer('10.0.0.2', 5683) }, { proxy }).catch((caught: unknown) => caught);
    assert.ok(error instanceof CoapError && error.code === 'ERR_COAP_URI', proxy);
  }
  await client.close();
});
