import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Code,
  decodeMessage,
  Endpoint,
  echo,
  findOption,
  isRequest,
  type Message,
  Method,
  OptionNumber,
  pathOptions,
  type Reply,
  type Response,
  Router,
  uintOption,
} from '../../src/coap/index.ts';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import type { ProtocolError } from '../../src/core/errors.ts';
import {
  type ContextParameters,
  ContextTable,
  decodeOscoreOption,
  deriveContext,
  oscore,
  type SecurityContext,
  unprotectRequest,
  unprotectResponse,
} from '../../src/oscore/index.ts';
import { SeededRandom } from '../support/random.ts';
import { Simulator } from '../support/simulator.ts';
import { ask, FakeStore, mirrored, parameters, peer, request, Side, settle, Wire } from './support.ts';

/** The parameters of the client in each generation: other keys for the same IDs. */
function generation(index: number): ContextParameters {
  return { ...parameters, masterSecret: new Uint8Array(16).fill(index + 1) };
}

test('a context that is replaced at both sides: what is open ends, and nothing under the old keys is sent or taken', async () => {
  const replies: Reply[] = [];
  const client = deriveContext(generation(0));
  const server = deriveContext(mirrored(generation(0)));
  const sides = { client: new Side([client]), server: new Side([server]) };
  const wire = new Wire(sides.client.layer, sides.server.layer, (_, reply) => replies.push(reply));
  const observation = ask(wire.requester, request(client, Method.GET, [uintOption(OptionNumber.Observe, 0)]));
  const open = [0, 1, 2].map(() => ask(wire.requester, request(client, Method.POST)));
  await settle();
  const notification: Response = { code: Code.Content, options: [uintOption(OptionNumber.Observe, 1)], payload: utf8('1') };
  replies[0]!.notify(notification);
  assert.equal(observation.responses.length, 1);
  // These wait for their numbers when the context goes.
  sides.client.store.held = [];
  const waiting = Array.from({ length: 80 }, () => ask(wire.requester, request(client, Method.PUT)));
  const sent = wire.requests.length;
  assert.ok(sides.client.layer.stats()['waiting']! > 0);

  const next = deriveContext(generation(1));
  assert.equal(sides.client.contexts.replace(next), client);
  const gone = [observation, ...open, ...waiting].filter(({ errors }) => errors.length > 0);
  assert.equal(gone.length, 84, 'all that was open, at once');
  for (const { errors } of gone)
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['ERR_OSCORE_CONTEXT'],
    );
  assert.equal(wire.requests.length, sent);
  assert.deepEqual(sides.client.layer.stats(), { contexts: 1, sequences: 0, waiting: 0, exchanges: 0 });
  sides.client.store.release();

  assert.equal(sides.server.contexts.replace(deriveContext(mirrored(generation(1)))), server);
  const before = wire.responses.length;
  replies[0]!.notify(notification);
  for (const reply of replies.slice(1)) reply.respond({ code: Code.Changed, options: [], payload: utf8('late') });
  for (const { code, options, payload } of wire.responses.slice(before)) {
    assert.equal(code, Code.Unauthorized);
    assert.equal(findOption(options, OptionNumber.Oscore), undefined);
    assert.equal(payload.length, 0);
  }
  assert.equal(observation.responses.length, 1);

  const fresh = ask(wire.requester, request(next));
  await settle();
  const message = wire.requests.at(-1)!;
  assert.equal(toHex(decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value).partialIv!), '00', 'the numbers of the new key');
  replies.at(-1)!.respond({ code: Code.Content, options: [], payload: utf8('new') });
  assert.equal(fresh.responses[0]!.response.association, next);
  assert.deepEqual(sides.client.layer.stats(), { contexts: 1, sequences: 1, waiting: 0, exchanges: 0 });
  // The old keys are of no use to whoever has a recording.
  for (const old of wire.requests.slice(0, sent)) assert.ok(wire.inject({ ...old, peer })[0]!.code >= Code.BadRequest);
});

interface Node {
  readonly endpoint: Endpoint;
  readonly contexts: ContextTable;
  readonly layer: ReturnType<typeof oscore>;
  readonly own: (index: number) => ContextParameters;
  context: SecurityContext;
}

/** A node that asks and answers. */
function start(sim: Simulator, address: string, own: (index: number) => ContextParameters): Node {
  const env = sim.env(address);
  const contexts = new ContextTable();
  const context = deriveContext(own(0));
  contexts.add(context);
  const layer = oscore({ contexts, store: new FakeStore(), env, block: 4 });
  const router = new Router();
  router.resource('/slow', {
    get: (asked) =>
      new Promise((resolve) => {
        env.schedule(asked.payload.length * 7, () => resolve('done'));
      }),
  });
  const layers = [echo({}, env), layer];
  const transport = sim.transport(address, 5683);
  // Many requests are under way at once, so that each replacement meets some.
  return { endpoint: new Endpoint({ transport, env, handler: router.handler, layers, parameters: { nstart: 16 } }), contexts, layer, own, context };
}

/** Whether a message is under these keys: a request, or a response to what was asked. */
function verifies(message: Message, context: SecurityContext, asked: Message | undefined): boolean {
  try {
    if (isRequest(message.code)) {
      unprotectRequest({ ...message, peer }, decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value), context);
      return true;
    }
    if (asked === undefined) return false;
    const { partialIv } = decodeOscoreOption(findOption(asked.options, OptionNumber.Oscore)!.value);
    unprotectResponse(message, context, { aad: context.sender.aad(partialIv!), nonce: context.sender.nonce(partialIv!) });
    return true;
  } catch {
    return false;
  }
}

for (const seed of [1, 2, 3]) {
  test(`contexts are replaced while requests go both ways, seed ${seed}: each request ends, and each message is under the keys of its time`, async () => {
    const sim = new Simulator({ seed, loss: 0.05, delay: [5, 40] });
    const random = new SeededRandom(seed);
    const nodes = [start(sim, '10.0.0.1', (index) => generation(index)), start(sim, '10.0.0.2', (index) => mirrored(generation(index)))] as const;
    /** When each generation ended, by node. */
    const ended: [number[], number[]] = [[], []];
    const ends: string[] = [];
    const asking: Promise<void>[] = [];
    for (let step = 0; step < 200; step++) {
      const from = nodes[step % 2]!;
      const to = sim.peer(step % 2 === 0 ? '10.0.0.2' : '10.0.0.1', 5683);
      const payload = new Uint8Array(random.between(0, 30));
      asking.push(
        from.endpoint
          .request({ code: Method.GET, options: pathOptions(['slow']), payload, peer: to, association: from.context }, { timeout: 60_000 })
          .then(({ code }) => void ends.push(`${code}`))
          .catch((error: ProtocolError) => void ends.push(error.code)),
      );
      await sim.sleep(random.between(0, 20));
      if (step % 40 === 39)
        // One after the other, so that for a while the two have different keys.
        for (const [index, node] of nodes.entries()) {
          ended[index]!.push(sim.now);
          node.context = deriveContext(node.own(ended[index]!.length));
          node.contexts.replace(node.context);
          await sim.sleep(random.between(0, 60));
        }
    }
    await sim.finish(Promise.all(asking));
    await sim.run();

    assert.equal(ends.length, 200);
    const succeeded = ends.filter((end) => end === `${Code.Content}`).length;
    assert.ok(succeeded > 80, `${succeeded} of 200 got their answer`);
    assert.ok(ends.includes('ERR_OSCORE_CONTEXT'));
    for (const end of ends) assert.ok(['69', '129', '128', 'ERR_OSCORE_CONTEXT', 'ERR_OSCORE_RESPONSE', 'ERR_COAP_TIMEOUT'].includes(end), end);
    for (const { layer } of nodes) assert.deepEqual({ ...layer.stats(), sequences: 0 }, { contexts: 1, sequences: 0, waiting: 0, exchanges: 0 });

    const receivers = nodes.map(({ own }) => ended[0].concat(0).map((_, index) => deriveContext(own(index))));
    const requests = new Map<string, Message>();
    const first = new Set<string>();
    let checked = 0;
    for (const { from, to, time, datagram } of sim.wire) {
      const message = decodeMessage(datagram);
      if (findOption(message.options, OptionNumber.Oscore) === undefined) continue;
      if (isRequest(message.code)) requests.set(`${from} ${toHex(message.token)} ${time}`, message);
      // What is sent again was protected before.
      if (first.has(toHex(message.payload))) continue;
      first.add(toHex(message.payload));
      const sender = from.startsWith('10.0.0.1') ? 0 : 1;
      const candidates = [...requests].filter(([key]) => key.startsWith(`${to} ${toHex(message.token)} `)).map(([, asked]) => asked);
      const at = receivers[1 - sender]!.findIndex((context) => [undefined, ...candidates].some((asked) => verifies(message, context, asked)));
      assert.ok(at >= 0, 'every message is under some keys');
      assert.ok(at === ended[sender]!.filter((end) => end <= time).length, `keys ${at} at ${time}, which ended at ${ended[sender]![at]}`);
      checked++;
    }
    assert.ok(checked > 200);
    for (const { endpoint } of nodes) await endpoint.close();
  });
}
