import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { echo } from '../../src/coap/echo/layer.ts';
import { Endpoint } from '../../src/coap/endpoint/endpoint.ts';
import type { EndpointOptions } from '../../src/coap/endpoint/options.ts';
import type { Response } from '../../src/coap/layer.ts';
import { Code, Method } from '../../src/coap/message/code.ts';
import { decodeMessage } from '../../src/coap/message/message.ts';
import { findOption, OptionNumber, pathOptions, uintOption } from '../../src/coap/message/option.ts';
import type { Resource } from '../../src/coap/resource/entry.ts';
import { Router } from '../../src/coap/resource/router.ts';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';
import { body, text } from './harness.ts';

const lossy: SimulatorOptions = { loss: 0.2, duplication: 0.2, delay: [5, 50], reorder: 0.2 };

function network(
  resources: Record<string, Resource>,
  options: SimulatorOptions = {},
  fields: Partial<EndpointOptions> = {},
  serverFields: Partial<EndpointOptions> = {},
) {
  const sim = new Simulator(options);
  const router = new Router();
  const handles = Object.entries(resources).map(([path, resource]) => router.resource(path, resource));
  const parameters = { maxRetransmit: 8 };
  const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler: router.handler, parameters, ...serverFields });
  const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), parameters, ...fields });
  const peer = sim.peer('10.0.0.1', 5683);
  const settled = async () => {
    await sim.sleep(3_600_000);
    const left = [client.stats(), server.stats()].flatMap((stats) => Object.entries(stats).filter(([, n]) => n !== 0));
    assert.deepEqual(left, []);
    await client.close();
    await server.close();
    await sim.run();
    assert.equal(sim.pending, 0);
  };
  return { sim, router, handles, server, client, peer, settled };
}

function counted(sim: Simulator, what: (message: ReturnType<typeof decodeMessage>) => boolean): number {
  return sim.wire.filter(({ datagram }) => what(decodeMessage(datagram))).length;
}

describe('all layers on a network', () => {
  for (let seed = 1; seed <= 20; seed++) {
    test(`RFC 7959: bodies in both directions at 20 % loss, duplication and reordering, seed ${seed}`, async () => {
      let calls = 0;
      const post: Resource['post'] = async ({ payload }) => {
        calls++;
        return payload.slice().reverse();
      };
      const { sim, client, peer, settled } = network({ '/a': { post, get: () => body(3000) } }, { ...lossy, seed }, { blockwise: { szx: 4 } });
      const posts = [1500, 2500].map((length) => client.request({ code: Method.POST, peer, options: pathOptions(['a']), payload: body(length, length) }));
      const got = client.request({ peer, options: pathOptions(['a']) });
      const answers = await sim.finish(Promise.all(posts), 3_600_000);
      assert.deepEqual(
        answers.map(({ payload }) => toHex(payload)),
        [1500, 2500].map((length) => toHex(body(length, length).reverse())),
      );
      assert.equal(toHex((await sim.finish(got, 3_600_000)).payload), toHex(body(3000)));
      assert.equal(calls, 2);
      await settled();
    });
  }

  test('RFC 7641: notifications larger than a block, a renewal with the same token, and the deregistration', async () => {
    let version = 0;
    const { sim, client, peer, handles, server, settled } = network({ '/t': { observable: true, get: () => ({ payload: body(2000, version), maxAge: 30 }) } });
    const seen: Response[] = [];
    const watching = client.observe({ peer, options: pathOptions(['t']) });
    const loop = (async () => {
      for await (const item of watching) {
        seen.push(item);
        if (seen.length === 4) break;
      }
    })();
    await sim.run(() => seen.length === 1, 10_000);
    version = 1;
    handles[0]!.changed();
    await sim.run(() => seen.length === 2, 10_000);
    await sim.run(() => seen.length === 3, 60_000);
    assert.equal(server.stats()['observe.observers'], 1, 'the renewal took the place of the registration');
    version = 2;
    handles[0]!.changed();
    await sim.finish(loop, 10_000);
    await sim.sleep(1000);
    assert.deepEqual(
      seen.map(({ payload }) => toHex(payload)),
      [0, 1, 1, 2].map((n) => toHex(body(2000, n))),
    );
    const tokens = new Set<string>();
    for (const { datagram, from } of sim.wire) {
      const message = decodeMessage(datagram);
      if (from.startsWith('10.0.0.2') && findOption(message.options, OptionNumber.Observe) !== undefined) tokens.add(toHex(message.token));
    }
    assert.equal(tokens.size, 1);
    assert.equal(handles[0]!.observers, 0, 'deregistered');
    await settled();
  });

  for (let seed = 1; seed <= 20; seed++) {
    test(`RFC 7641: the client comes to see the last state at 20 % loss, duplication and reordering, seed ${seed}`, async () => {
      let version = 0;
      const { sim, client, peer, handles, settled } = network(
        { '/t': { observable: true, get: () => ({ payload: `v${version}`, maxAge: 60 }) } },
        { ...lossy, seed },
      );
      const seen: string[] = [];
      const watching = client.observe({ peer, options: pathOptions(['t']) });
      const loop = (async () => {
        for await (const item of watching) {
          seen.push(text(item));
          if (seen.at(-1) === 'v30') break;
        }
      })();
      await sim.run(() => seen.length === 1, 3_600_000);
      while (version < 30) {
        version++;
        handles[0]!.changed();
        await sim.sleep(200);
      }
      await sim.finish(loop, 3_600_000);
      const order = seen.map((item) => Number(item.slice(1)));
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
        'never back in time',
      );
      await settled();
    });
  }

  test('RFC 9175: a request that must be fresh goes twice and acts once', async () => {
    let opened = 0;
    const put: Resource['put'] = () => {
      opened++;
      return undefined;
    };
    const sim = new Simulator({ seed: 3 });
    const router = new Router();
    router.resource('/lock', { put });
    const freshness = { required: ({ code }: { readonly code: number }) => code === Method.PUT };
    const environments = [sim.env('server'), sim.env('client')] as const;
    const guards = [echo({ freshness }, environments[0]), echo({}, environments[1])] as const;
    const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: environments[0], handler: router.handler, layers: [guards[0]] });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: environments[1], layers: [guards[1]] });
    const peer = sim.peer('10.0.0.1', 5683);
    const put1 = client.request({ code: Method.PUT, peer, options: pathOptions(['lock']), payload: utf8('open') });
    assert.equal((await sim.finish(put1)).code, Code.Changed);
    assert.equal(opened, 1);
    const large = client.request({ code: Method.PUT, peer, options: pathOptions(['lock']), payload: body(3000) });
    assert.equal((await sim.finish(large)).code, Code.Changed);
    assert.equal(opened, 2);
    const challenges = counted(sim, ({ code }) => code === Code.Unauthorized);
    assert.equal(challenges, 2, 'a block is challenged once; 2.31 gives the value for the next block');
    await Promise.all([client.close(), server.close()]);
  });

  test('a large upload to a path that takes none ends on the answer to its last block, and leaves nothing', async () => {
    const { sim, client, peer, settled } = network({});
    const answer = client.request({ code: Method.PUT, peer, options: pathOptions(['none']), payload: body(5000) });
    assert.equal((await sim.finish(answer)).code, Code.NotFound);
    await settled();
  });

  test('blocks in Non-confirmable messages', async () => {
    const { sim, client, peer } = network({ '/a': { get: () => body(3000) } });
    const options = [...pathOptions(['a']), uintOption(OptionNumber.Accept, 42)];
    assert.equal((await sim.finish(client.request({ peer, options, nonConfirmable: true }), 600_000)).payload.length, 3000);
  });
});
