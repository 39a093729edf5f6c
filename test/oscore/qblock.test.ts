import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeMessage,
  Endpoint,
  echo,
  findOption,
  Method,
  OptionNumber,
  pathOptions,
  type QBlockOptions,
  Router,
  uintOption,
} from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { body } from '../coap/harness.ts';
import { repeat } from '../support/scale.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';
import { parameters as contextParameters, FakeStore, mirrored } from './support.ts';

const patient: QBlockOptions = { discovery: 'assume', nonMaxRetransmit: 10 };

function protectedPair(network: SimulatorOptions, served = true) {
  const sim = new Simulator(network);
  const clientContext = deriveContext(contextParameters);
  const serverContext = deriveContext(mirrored(contextParameters));
  const parameters = { probingRate: 1e6, maxRetransmit: 8 };
  const half = (address: string, context: typeof clientContext, more: object, server?: QBlockOptions) => {
    const env = sim.env(address);
    const contexts = new ContextTable();
    contexts.add(context);
    const layers = [echo({}, env), oscore({ contexts, store: new FakeStore(), env })];
    return new Endpoint({ transport: sim.transport(address, 5683), env, layers, parameters, ...(server === undefined ? {} : { qBlock: server }), ...more });
  };
  const router = new Router();
  let value = body(15_000);
  let writes = 0;
  const resource = router.resource('/large', {
    observable: true,
    get: () => value,
    put: ({ payload }) => {
      writes++;
      value = payload;
      return undefined;
    },
  });
  const server = half('10.0.0.1', serverContext, { handler: router.handler }, served ? patient : undefined);
  const client = half('10.0.0.2', clientContext, {}, patient);
  const common = { peer: sim.peer('10.0.0.1', 5683), association: clientContext, options: pathOptions(['large']), nonConfirmable: true };
  return {
    sim,
    server,
    client,
    common,
    writes: () => writes,
    change: (next: Uint8Array) => {
      value = next;
      resource.changed();
    },
  };
}

describe('RFC 9177 4.1: Inner Q-Block options', () => {
  test('a body goes out and comes back over OSCORE, in Non-confirmable messages that show no Q-Block option', async () => {
    const { sim, client, common } = protectedPair({});
    const put = await sim.finish(client.request({ ...common, code: Method.PUT, payload: body(30_000, 1) }));
    assert.deepEqual([put.code, put.association], [Code.Changed, common.association]);
    assert.equal(sim.wire.length, 30 + 2 + 1, 'nothing but payloads, two times 2.31, and the response');
    const got = await sim.finish(client.request(common));
    assert.equal(toHex(got.payload), toHex(body(30_000, 1)));
    for (const { datagram } of sim.wire) {
      const { options } = decodeMessage(datagram);
      assert.equal(findOption(options, OptionNumber.QBlock1) ?? findOption(options, OptionNumber.QBlock2), undefined);
    }
  });

  test('under loss, duplication and reordering: whole, once, or a timeout', async () => {
    const totals = await repeat('qblock-oscore', { quick: 30, full: 300 }, async (seed) => {
      const { sim, client, common, writes } = protectedPair({ seed, loss: 0.25, duplication: 0.2, delay: [5, 300], reorder: 0.1 });
      const sent = body(20_000, seed);
      try {
        await sim.finish(client.request({ ...common, code: Method.PUT, payload: sent }));
        const got = await sim.finish(client.request(common));
        assert.ok(toHex(got.payload) === toHex(sent));
        assert.equal(writes(), 1);
        return { succeeded: 1, failed: 0 };
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_COAP_TIMEOUT');
        return { succeeded: 0, failed: 1 };
      }
    });
    assert.ok(totals['succeeded']! > 5 * totals['failed']!, JSON.stringify(totals));
  });

  test('notifications whose payloads overtake each other arrive whole and in order', async () => {
    const { sim, client, common, change } = protectedPair({ seed: 3, delay: [5, 200], duplication: 0.2 });
    const heard: string[] = [];
    const stream = client.observe(common);
    const done = (async () => {
      for await (const { payload } of stream) heard.push(toHex(payload));
    })();
    await sim.run(() => heard.length === 1);
    for (let version = 1; version <= 4; version++) {
      change(body(12_000, version));
      await sim.run(() => heard.length === version + 1, 60_000);
      await sim.sleep(4000);
    }
    assert.deepEqual(heard, [toHex(body(15_000)), ...[1, 2, 3, 4].map((version) => toHex(body(12_000, version)))]);
    await stream.return?.();
    await done;
  });

  test('Confirmable: acknowledgements reach the layer through those below it', async () => {
    const { sim, client, common, writes } = protectedPair({});
    const sent = body(30_000, 5);
    await sim.finish(client.request({ ...common, code: Method.PUT, payload: sent, nonConfirmable: false }));
    assert.ok(sim.now < 2000, `${sim.now}`);
    assert.equal(toHex((await sim.finish(client.request({ ...common, nonConfirmable: false }))).payload), toHex(sent));
    assert.equal(writes(), 1);
  });

  test('without the layer an Inner Q-Block option is answered with a protected 4.02, and the client falls back to block-wise transfer', async () => {
    const { sim, client, common, writes } = protectedPair({}, false);
    const confirmable = { ...common, nonConfirmable: false };
    const odd = [...common.options, uintOption(OptionNumber.QBlock2, 8)];
    const refused = await sim.finish(client.request({ ...confirmable, options: odd }));
    assert.deepEqual([refused.code, refused.association], [Code.BadOption, common.association]);
    assert.equal((await sim.finish(client.request({ ...confirmable, code: Method.PUT, payload: body(3000) }))).code, Code.Changed);
    assert.equal(toHex((await sim.finish(client.request(confirmable))).payload), toHex(body(3000)));
    assert.equal(writes(), 1);
  });
});
