import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allowTargets,
  Code,
  codeClass,
  deriveParameters,
  Endpoint,
  Method,
  OptionNumber,
  ProxyServer,
  pathOptions,
  type Request,
  type TransmissionParameters,
  uintOf,
} from '../../../src/coap/index.ts';
import { emptyBytes } from '../../../src/core/bytes.ts';
import { scale } from '../../support/scale.ts';
import { Simulator } from '../../support/simulator.ts';
import { answer, proxyUri } from './net.ts';

/** Requests of each second. */
const rate = 1000;

interface Outcome {
  readonly answered: number;
  readonly busy: number;
  /** The most source ports that were open on the side of the origin, with the first. */
  readonly ports: number;
}

/** So many seconds of requests by one client through a proxy to one origin, and a lifetime in which nothing happens. */
async function flood(sources: number, seconds: number, parameters: Partial<TransmissionParameters>): Promise<Outcome> {
  const sim = new Simulator({ delay: 1, record: false });
  const endpoint = (address: string, options = {}, most = 1): Endpoint =>
    new Endpoint({
      transport: sim.transport(address, 5683, most),
      env: sim.env(address),
      parameters: { nstart: 64, ...parameters },
      amplification: 'unlimited',
      ...options,
    });
  const served = new Map<number, number>();
  const origin = endpoint('10.0.0.9', {
    handler: ({ peer }: Request, reply: { respond(response: ReturnType<typeof answer>): void }) => {
      served.set(peer.port, (served.get(peer.port) ?? 0) + 1);
      reply.respond(answer('here'));
    },
  });
  const upstream = endpoint('10.0.0.6', {}, sources);
  const proxying = new ProxyServer({
    forward: { allow: allowTargets('10.0.0.9') },
    upstreams: { coap: upstream },
    cache: false,
    env: sim.env('proxy'),
  });
  const front = endpoint('10.0.0.5', { proxying });
  const client = endpoint('10.0.0.1', {}, 16);
  const peer = await client.resolve('10.0.0.9', 5683, { proxy: proxyUri });
  const request: Request = { code: Method.GET, options: pathOptions(['x']), payload: emptyBytes, peer };
  let answered = 0;
  let busy = 0;
  let ports = 0;
  const listener = {
    response: ({ code, options }: { code: number; options: Request['options'] }) => {
      if (codeClass(code) === 2) answered++;
      else if (code === Code.ServiceUnavailable && uintOf(options, OptionNumber.MaxAge) !== undefined) busy++;
      else assert.fail(`response ${code}`);
    },
    error: (error: Error) => assert.fail(error.message),
  };
  for (let tenth = 0; tenth < 10 * seconds; tenth++) {
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < rate / 100; j++) client.requester(request, listener);
      sim.rush(10);
    }
    // The proxy looks its target up now and then.
    await new Promise(setImmediate);
    ports = Math.max(ports, 1 + upstream.stats()['sources']!);
  }
  await sim.sleep(600_000);
  assert.equal(
    answered,
    [...served.values()].reduce((sum, count) => sum + count, 0),
    'nothing is asked twice',
  );
  assert.equal(served.size, ports);
  for (const one of [client, front, upstream, origin]) {
    const { sources, peers, requests, replies } = one.stats();
    assert.deepEqual({ sources, peers, requests, replies }, { sources: 0, peers: 0, requests: 0, replies: 0 });
    await one.close();
  }
  return { answered, busy, ports };
}

// In `npm test` EXCHANGE_LIFETIME is 67 s, just longer than it takes to use up the message ids; at full scale it is 247 s, the default.
const { parameters, seconds, expected } =
  scale === 'full' ? { parameters: {}, seconds: 600, expected: 5 } : { parameters: { maxRetransmit: 3, maxLatency: 22_000 }, seconds: 70, expected: 2 };

test(`RFC 7252 4.4: 1,000 requests a second through the proxy for ${seconds} s, which is longer than EXCHANGE_LIFETIME`, async () => {
  assert.ok(1000 * seconds > deriveParameters(parameters).exchangeLifetime);
  const { answered, busy, ports } = await flood(16, seconds, parameters);
  assert.deepEqual({ answered, busy, ports }, { answered: seconds * rate, busy: 0, ports: expected });
});

test('RFC 7252 4.4: what is beyond the message ids of all source ports hears 5.03 with Max-Age', async () => {
  const sources = scale === 'full' ? 2 : 1;
  const { answered, busy, ports } = await flood(sources, 70 * sources, {});
  assert.equal(answered + busy, 70 * sources * rate);
  assert.ok(answered > sources * 0xf000 && answered <= sources * 0x1_0000, `${answered} answered`);
  assert.equal(ports, sources);
});
