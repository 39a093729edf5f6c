import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { blockwise } from '../../src/coap/blockwise/layer.ts';
import { echo } from '../../src/coap/echo/layer.ts';
import type { Handler, Request, Response } from '../../src/coap/layer.ts';
import { type Option, OptionNumber, recogniseOptions, uintOption } from '../../src/coap/message/option.ts';
import { deriveParameters } from '../../src/coap/messaging/parameters.ts';
import { observe } from '../../src/coap/observe/layer.ts';
import { qBlock } from '../../src/coap/qblock/layer.ts';
import { Router } from '../../src/coap/resource/router.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';
import { association, body, Listener, peer, server, TestReply } from './harness.ts';

const numbers = Object.values(OptionNumber);

/** Options as they come from the exchange: in order, each fitting its definition, but with any value. */
function anyOptions(random: SeededRandom, path: boolean): readonly Option[] {
  const options: Option[] = path ? [{ number: OptionNumber.UriPath, value: utf8(random.pick(['a', 'big', 'obs', 'none', '%'])) }] : [];
  for (let n = random.below(5); n > 0; n--) options.push({ number: random.pick(numbers), value: random.bytes(random.pick([0, 0, 1, 1, 2, 3, 8])) });
  for (const number of [OptionNumber.Block1, OptionNumber.Block2]) {
    // Values that make sense are rare among random ones.
    if (random.chance(0.4)) options.push({ number, value: Uint8Array.of(random.below(4) * 16 + random.below(2) * 8 + random.below(3)) });
  }
  if (random.chance(0.5)) {
    for (const number of [OptionNumber.QBlock1, OptionNumber.QBlock2, OptionNumber.QBlock2]) {
      if (random.chance(0.4)) options.push({ number, value: Uint8Array.of(random.below(4) * 16 + random.below(2) * 8 + random.below(3)) });
    }
    if (random.chance(0.7)) options.push({ number: OptionNumber.RequestTag, value: random.bytes(1) }, uintOption(OptionNumber.Size1, random.below(100)));
    if (random.chance(0.7)) options.push({ number: OptionNumber.ETag, value: random.bytes(1) }, uintOption(OptionNumber.Size2, random.below(100)));
  }
  return recogniseOptions(options.sort((a, b) => a.number - b.number)).options;
}

const anyPayload = (random: SeededRandom): Uint8Array => body(random.pick([0, 1, 16, 16, 32, 64, 1024, 1025, 5000]), random.below(256));

describe('what peers send, whatever it is', () => {
  test('a server answers each request at most once for good, never throws, and keeps nothing for ever', async () => {
    const totals = await repeat('coap-layers-server', { quick: 20, full: 500 }, async (seed) => {
      const random = new SeededRandom(seed);
      const sim = new Simulator({ seed });
      const env = sim.env();
      const router = new Router();
      const observable = router.resource('/obs', { observable: true, get: () => body(random.below(3000), random.below(4)) });
      router.resource('/a', { get: () => 'a', put: ({ payload }) => payload, post: async () => body(2000), accepts: [0, 60] });
      router.resource('/big', { get: () => body(5000), fetch: ({ payload }) => payload, delete: () => undefined });
      const limits = { maxTransfers: 8, maxTransfersPerPeer: 3, maxBytes: 20_000, maxBody: 8_000 };
      const layers = [
        observe({ maxObservers: 20, maxObserversPerPeer: 4 }, env),
        qBlock(limits, deriveParameters(), env, blockwise(limits, env)),
        echo({ freshness: { required: ({ code }) => code === 2 } }, env),
      ];
      const handler = layers.reduce<Handler>((next, layer) => layer.inbound(next), router.handler);
      let answers = 0;
      for (let i = 0; i < 250; i++) {
        const association1 = random.chance(0.5) ? { association: association(String(random.below(3))) } : {};
        const message: Request = {
          code: 1 + random.below(8),
          options: anyOptions(random, true),
          payload: anyPayload(random),
          peer: peer(random.below(4)),
          nonConfirmable: random.chance(0.5),
          ...association1,
        };
        const reply = new TestReply();
        handler(message, reply);
        if (random.chance(0.1)) observable.changed();
        await sim.sleep(random.below(1000));
        // What Q-Block collects is not answered before it is whole.
        const collects = message.options.some(({ number }) => number === OptionNumber.QBlock1 || number === OptionNumber.QBlock2);
        assert.ok((reply.sent.length > 0 || collects) && reply.finals.slice(0, -1).every((final) => !final));
        for (const { options } of reply.sent) assert.ok(options.every(({ number }, at) => at === 0 || number >= options[at - 1]!.number));
        answers += reply.sent.length;
        const stats = Object.assign({}, ...layers.map((layer) => layer.stats()));
        assert.ok(stats.uploads <= 8 && stats.representations <= 8 && stats.uploadBytes <= 20_000 && stats.observers <= 20);
        if (random.chance(0.3)) reply.cancel();
      }
      await sim.sleep(100_000_000);
      for (const layer of layers) assert.ok(Object.values(layer.stats()).every((n) => n === 0));
      assert.equal(sim.pending, 0);
      return { answers };
    });
    assert.ok(totals['answers']! > 1000);
  });

  test('a client tells its caller at most one end, never throws, and keeps nothing for ever', async () => {
    const totals = await repeat('coap-layers-client', { quick: 20, full: 500 }, async (seed) => {
      const random = new SeededRandom(seed);
      const sim = new Simulator({ seed });
      const env = sim.env();
      const inner = blockwise({ szx: random.below(7), maxBody: 8_000, lifetime: 1000 }, env);
      const lively = {
        discovery: random.pick(['assume', 'probe'] as const),
        supportLifetime: 1000,
        nonPartialTimeout: 1000,
        nonProbingWait: 0,
        maxBody: 8_000,
      };
      const layers = [observe({}, env), qBlock({ ...lively, szx: random.below(7) }, deriveParameters(), env, inner), echo({ lifetime: 1000 }, env)];
      let ends = 0;
      for (let i = 0; i < 100; i++) {
        let budget = 50;
        const answer = (): Response => ({
          code: random.pick([68, 69, 69, 95, 128, 129, 136, 141]),
          options: anyOptions(random, false),
          payload: anyPayload(random),
          peer: server,
        });
        const requester = layers.reduceRight<Parameters<(typeof layers)[0]['outbound']>[0]>(
          (next, layer) => layer.outbound(next),
          (message, listener) => {
            const own = message.association !== undefined && random.chance(0.9) ? { association: message.association } : {};
            let open = true;
            const more = (): void => {
              if (!open || budget-- <= 0) return;
              const last = random.chance(0.7);
              if (last) open = false;
              listener.response({ ...answer(), ...own }, last);
              more();
            };
            env.schedule(random.below(100), more);
            return () => {
              open = false;
            };
          },
        );
        const listener = new Listener();
        const options = random.chance(0.4) ? [{ number: OptionNumber.Observe, value: new Uint8Array(0) }] : [];
        const own = random.chance(0.5) ? { association: association('x') } : {};
        const cancel = requester({ code: 1 + random.below(5), options, payload: anyPayload(random), peer: server, ...own }, listener);
        await sim.sleep(random.below(20_000));
        const before = listener.responses.length;
        const ended = listener.lasts.filter((last) => last).length + listener.errors.length;
        assert.ok(ended <= 1);
        ends += ended;
        cancel();
        await sim.sleep(200);
        assert.equal(listener.responses.length, before, 'nothing after the end');
      }
      await sim.sleep(10_000);
      for (const layer of layers) assert.ok(Object.values(layer.stats()).every((n) => n === 0));
      return { ends };
    });
    assert.ok(totals['ends']! > 500);
  });
});
