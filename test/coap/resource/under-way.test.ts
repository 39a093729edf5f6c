import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  Endpoint,
  type Handler,
  Method,
  OptionNumber,
  type Reply,
  type Response,
  UnderWay,
  type UnderWayOptions,
  uintOf,
} from '../../../src/coap/index.ts';
import { emptyBytes } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';

const content: Response = { code: Code.Content, options: [], payload: emptyBytes };

/** A server whose answers the test gives, and a client of it. */
function world(options: UnderWayOptions = {}) {
  const sim = new Simulator();
  const replies: Reply[] = [];
  const layer = new UnderWay(options, sim.env('layer'));
  const handler: Handler = (_request, reply) => replies.push(reply);
  const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, layers: [layer] });
  const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client') });
  const peer = sim.peer('10.0.0.1', 5683);
  return { sim, replies, layer, server, client, ask: () => client.request({ code: Method.GET, peer }), observe: () => client.observe({ peer }) };
}

describe('requests under way', () => {
  test('a drain waits for the answers to what was there before, and refuses what comes with 5.03', async () => {
    const { sim, replies, layer, ask } = world();
    const first = ask();
    await sim.sleep(50);
    assert.equal(layer.size, 1);
    let drained: boolean | undefined;
    void layer.drain(10_000).then((all) => {
      drained = all;
    });
    const late = await sim.finish(ask());
    assert.equal(late.code, Code.ServiceUnavailable);
    assert.equal(uintOf(late.options, OptionNumber.MaxAge), 5);
    assert.equal(drained, undefined);
    replies[0]!.respond(content);
    assert.equal((await sim.finish(first)).code, Code.Content);
    await sim.sleep(0);
    assert.equal(drained, true);
    assert.equal(layer.size, 0);
  });

  test('a drain ends within its bound', async () => {
    const { sim, layer, ask } = world();
    void ask().catch(() => {});
    await sim.sleep(50);
    assert.equal(await sim.finish(layer.drain(3_000)), false);
    assert.equal(sim.now, 3_050);
  });

  test('a drain waits until a separate response is acknowledged', async () => {
    const { sim, replies, layer, server, ask } = world();
    const answer = ask();
    await sim.sleep(3_000);
    sim.filter = ({ from, time }) => !from.startsWith('10.0.0.1') || time > 5_000;
    replies[0]!.respond(content);
    const drained = layer.drain(60_000, () => server.stats()['outstanding']!);
    assert.equal(await sim.finish(drained), true);
    assert.ok(sim.now > 5_000, `${sim.now}`);
    assert.equal((await sim.finish(answer)).code, Code.Content);
  });

  test('an observation ends with 5.03 (RFC 7641 4.2), and who would notify hears it', async () => {
    const { sim, replies, layer, observe } = world();
    const codes: number[] = [];
    const reading = (async () => {
      for await (const { code } of observe()) codes.push(code);
    })();
    await sim.sleep(50);
    let cancelled = false;
    replies[0]!.onCancel(() => {
      cancelled = true;
    });
    replies[0]!.notify(content);
    await sim.sleep(50);
    assert.equal(layer.size, 0);
    await sim.finish(layer.drain(1_000));
    await sim.finish(reading);
    assert.deepEqual(codes, [Code.Content, Code.ServiceUnavailable]);
    assert.equal(cancelled, true);
  });

  test('each answer is told, with the time that it took', async () => {
    const told: string[] = [];
    const { sim, replies, ask } = world({ answered: (request, response, milliseconds) => told.push(`${request.code} ${response.code} ${milliseconds}`) });
    const answer = ask();
    await sim.sleep(500);
    replies[0]!.respond(content);
    await sim.finish(answer);
    assert.deepEqual(told, ['1 69 490']);
  });

  test('who asks for it gives the refusal', async () => {
    const given: Response[] = [];
    const { sim, layer, ask } = world({ refuse: (_request, _reply, response) => given.push(response) });
    await sim.finish(layer.drain(10));
    void ask().catch(() => {});
    await sim.sleep(50);
    assert.equal(given[0]!.code, Code.ServiceUnavailable);
  });
});
