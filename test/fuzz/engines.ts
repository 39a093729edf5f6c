import assert from 'node:assert/strict';
import { nodeCoapListener } from '../../src/adapters/node-coap/index.ts';
import {
  type Body,
  Code,
  decodeMessage,
  deriveParameters,
  Endpoint,
  type EndpointEvent,
  echo,
  encodeFrame,
  encodeMessage,
  type Handler,
  type Layer,
  type Message,
  MessageType,
  Messaging,
  Method,
  OptionNumber,
  type Peer,
  pathOptions,
  Router,
  SignalingCode,
  sortOptions,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, utf8 } from '../../src/core/bytes.ts';
import { ContextTable, deriveContext, oscore, protectRequest } from '../../src/oscore/index.ts';
import { ProxyNet } from '../coap/proxy/net.ts';
import { Bench } from '../coap/stream/bench.ts';
import { FakeStore, mirrored, parameters } from '../oscore/support.ts';
import { Simulator } from '../support/simulator.ts';
import { mutateBytes, mutateDatagram } from './mutate.ts';
import { decodeScript, encodeScript, mutateScript, type Step } from './script.ts';
import type { Target, TargetEntry } from './target.ts';

/** Time that passes after a step, by three bits of it: in milliseconds. */
const pauses = [0, 0, 1, 100, 3000, 30_000, 100_000, 300_000] as const;
const pauseOf = ({ how }: Step): number => pauses[(how >> 2) & 7]!;
const peers: readonly Peer[] = [1, 2, 3, 4].map((i) => ({ key: `10.0.0.${i}:5683`, address: `10.0.0.${i}`, port: 5683 }));
const peerOf = ({ how }: Step): Peer => peers[how & 3]!;

const serverAddress = '10.0.0.9';
const serverKey = `${serverAddress}:5683`;
/** Longer than any lifetime. */
const longAfter = 100_000_000;

const none = emptyBytes;
const block = (number: number, value: number): { readonly number: number; readonly value: Uint8Array } => uintOption(number, value);
const path = (...segments: string[]): ReturnType<typeof pathOptions> => pathOptions(segments);
const sixteen = utf8('sixteen bytes...');

interface Asked {
  readonly code: number;
  readonly options: Message['options'];
  readonly payload?: Uint8Array;
}

/** Conversations that make sense: their turns are mixed up by the mutation. */
const conversations: readonly (readonly Asked[])[] = [
  [{ code: Method.GET, options: path('.well-known', 'core') }],
  [
    { code: Method.GET, options: [uintOption(OptionNumber.Observe, 0), ...path('value')] },
    { code: Method.PUT, options: path('value'), payload: utf8('new') },
    { code: Method.GET, options: [uintOption(OptionNumber.Observe, 1), ...path('value')] },
  ],
  [0, 1, 2].map((n) => ({ code: Method.GET, options: [...path('large'), block(OptionNumber.Block2, n * 16 + 2)] })),
  [0, 1, 2].map((n) => ({ code: Method.PUT, options: [...path('value'), block(OptionNumber.Block1, n * 16 + (n < 2 ? 8 : 0))], payload: sixteen })),
  [0, 1, 2].map((n) => ({
    code: Method.PUT,
    options: sortOptions([
      ...path('value'),
      block(OptionNumber.QBlock1, n * 16 + (n < 2 ? 8 : 0)),
      uintOption(OptionNumber.Size1, 48),
      { number: OptionNumber.RequestTag, value: Uint8Array.of(1) },
    ]),
    payload: sixteen,
  })),
  [{ code: Method.GET, options: sortOptions([...path('large'), block(OptionNumber.QBlock2, 10)]) }],
  [
    { code: Method.FETCH, options: [...path('value'), uintOption(OptionNumber.ContentFormat, 60)], payload: utf8('a') },
    { code: Method.POST, options: path('slow') },
  ],
];

/** Each turn as a message on the wire. `more` is added to how it is said. */
function wire(conversation: readonly Asked[], more = 0): Uint8Array {
  return encodeScript(
    conversation.map(({ code, options, payload = none }, i) => ({
      how: more + ((i & 1) << 2),
      bytes: encodeMessage({ type: i % 2 === 0 ? MessageType.CON : MessageType.NON, code, id: i + 1, token: Uint8Array.of(i), options, payload }),
    })),
  );
}

const asked = conversations.map((conversation) => wire(conversation));

function resources(faults: unknown[]): { readonly router: Router; changed(): void } {
  const router = new Router({ emit: (event) => faults.push(event) });
  let value = 'value';
  const handle = router.resource('/value', {
    get: () => value,
    put: ({ payload }) => {
      value = `put ${payload.length}`;
      handle.changed();
      return undefined;
    },
    fetch: () => 'fetched',
    observable: true,
  });
  router.resource('/large', { get: () => new Uint8Array(3000) });
  router.resource('/slow', { post: async () => 'slow' });
  return { router, changed: () => handle.changed() };
}

const collect =
  (faults: unknown[]) =>
  (event: EndpointEvent): void => {
    if (event.type === 'failed') faults.push(event);
  };

function expectNothing(stats: Readonly<Record<string, number>>, except: readonly string[] = []): void {
  for (const [name, count] of Object.entries(stats)) if (!except.includes(name)) assert.equal(count, 0, `${name} is left`);
}

interface Served {
  readonly layers?: (simulator: Simulator) => readonly Layer[];
  /** Makes a datagram of what the script says. */
  readonly send?: Sender;
  /** In place of the resources. */
  readonly handler?: (faults: unknown[]) => Handler;
}

/** A server that hears a script: after all lifetimes nothing of it is left. */
function serverTarget(name: string, { layers, send, handler }: Served): Target {
  return {
    name,
    seeds: asked,
    mutate: mutateScript(mutateDatagram),
    run: async (input) => {
      const simulator = new Simulator({ record: false });
      const faults: unknown[] = [];
      const { router, changed } = resources(faults);
      const endpoint = new Endpoint({
        transport: simulator.transport(serverAddress, 5683),
        env: simulator.env(),
        handler: handler?.(faults) ?? router.handler,
        layers: layers?.(simulator) ?? [],
        emit: collect(faults),
        qBlock: {},
      });
      const say = send?.();
      for (const step of decodeScript(input)) {
        const datagram = say === undefined ? step.bytes : say(step);
        simulator.inject(datagram, peerOf(step).key, serverKey);
        if ((step.how & 0x80) !== 0) changed();
        if ((step.how & 0x40) !== 0) await simulator.sleep(pauseOf(step));
        else simulator.rush(pauseOf(step));
      }
      await simulator.sleep(longAfter);
      assert.deepEqual(faults, []);
      expectNothing(endpoint.stats(), ['contexts']);
      await endpoint.close();
      assert.equal(simulator.pending, 0);
    },
  };
}

type Sender = () => (step: Step) => Uint8Array;

/** A peer that has the keys: what the script says is protected, unless its step says otherwise. */
const protecting: Sender = () => {
  const context = deriveContext(mirrored(parameters));
  let sequence = 0;
  return ({ how, bytes }) => {
    if ((how & 0x20) !== 0) return bytes;
    let message: Message;
    try {
      message = decodeMessage(bytes);
      const inner = { code: message.code, options: message.options, payload: message.payload, peer: peers[0]! };
      return encodeMessage({ ...message, ...protectRequest(inner, context, sequence++).message });
    } catch {
      return bytes;
    }
  };
};

function oscoreLayer(simulator: Simulator): Layer {
  const contexts = new ContextTable();
  contexts.add(deriveContext(parameters));
  return oscore({ contexts, store: new FakeStore(), env: simulator.env('oscore'), emit: () => {} });
}

/** What servers answer; the client makes sense of it, or does not. */
const answers: readonly (readonly Asked[])[] = [
  [{ code: Code.Content, options: [uintOption(OptionNumber.MaxAge, 5)], payload: utf8('answer') }],
  [0, 1, 2].map((n) => ({ code: Code.Content, options: [block(OptionNumber.Block2, n * 16 + (n < 2 ? 8 : 0))], payload: sixteen })),
  [0, 1, 2].map((n) => ({
    code: Code.Content,
    options: sortOptions([{ number: OptionNumber.ETag, value: Uint8Array.of(1) }, block(OptionNumber.QBlock2, n * 16 + (n < 2 ? 8 : 0))]),
    payload: sixteen,
  })),
  [0, 1].map((n) => ({ code: Code.Continue, options: [block(OptionNumber.Block1, n * 16 + 8)] })),
  [{ code: Code.Unauthorized, options: [{ number: OptionNumber.Echo, value: Uint8Array.of(1, 2) }] }],
  [1, 2, 4].map((n) => ({ code: Code.Content, options: [uintOption(OptionNumber.Observe, n)], payload: utf8(`notification ${n}`) })),
  [
    { code: Code.RequestEntityTooLarge, options: [block(OptionNumber.Block1, 1)] },
    { code: Code.RequestEntityIncomplete, options: [] },
  ],
];

/** A client whose server says what the script says, in answer to what was asked last, unless the step says otherwise: each request has one end. */
function clientTarget(): Target {
  return {
    name: 'CoAP client',
    seeds: answers.map((answer) => wire(answer)),
    mutate: mutateScript(mutateDatagram),
    run: async (input) => {
      const simulator = new Simulator();
      const faults: unknown[] = [];
      const endpoint = new Endpoint({
        transport: simulator.transport('10.0.0.1', 5683),
        env: simulator.env(),
        layers: [echo({}, simulator.env('echo'))],
        emit: collect(faults),
        parameters: { nstart: 8 },
        qBlock: {},
      });
      const peer = simulator.peer(serverAddress, 5683);
      let ended = 0;
      const end = (): void => {
        ended++;
      };
      const steps = decodeScript(input);
      const requests = [
        { peer, code: Method.GET, options: path('value') },
        { peer, code: Method.PUT, options: path('large'), payload: new Uint8Array(3000) },
      ];
      for (const request of requests) void endpoint.request(request).then(end, end);
      const stream = endpoint.observe({ peer, options: path('value') });
      const watch = (async () => {
        for await (const _ of stream);
      })();
      void watch.then(end, end);
      for (const step of steps) {
        await simulator.sleep(pauseOf(step));
        const asked = simulator.wire.filter(({ to }) => to === serverKey);
        simulator.inject(inReply(step, asked[asked.length - 1 - ((step.how >> 5) & 3)]?.datagram), serverKey, '10.0.0.1:5683');
      }
      await simulator.sleep(longAfter);
      void stream.return!();
      await simulator.sleep(longAfter);
      assert.equal(ended, requests.length + 1);
      assert.deepEqual(faults, []);
      expectNothing(endpoint.stats());
      await endpoint.close();
    },
  };
}

/** The bytes of a step, with the token of a request and, in half of the cases, its message ID. */
function inReply({ how, bytes }: Step, asked: Uint8Array | undefined): Uint8Array {
  if (asked === undefined || (how & 0x80) !== 0) return bytes;
  try {
    const { id, token } = decodeMessage(asked);
    const message = decodeMessage(bytes);
    return encodeMessage((how & 1) === 0 ? { ...message, type: MessageType.ACK, id, token } : { ...message, token });
  } catch {
    return bytes;
  }
}

/** The message layer alone: any order of messages in both directions. */
const messagingTarget: Target = {
  name: 'message layer',
  seeds: [...conversations.map((conversation) => wire(conversation)), ...answers.map((answer) => wire(answer, 0x20))],
  mutate: mutateScript(mutateDatagram),
  run: (input) => {
    const simulator = new Simulator({ record: false });
    const sent: Uint8Array[] = [];
    const nobody = { finished: () => {}, failed: () => {} };
    const body: Body = { code: Code.Content, options: [], payload: utf8('ok') };
    const config = { parameters: deriveParameters(), limits: { duplicates: { entries: 100, bytes: 100_000 }, peers: 50, queue: 4 } };
    const layer: Messaging = new Messaging(config, simulator.env(), {
      send: (datagram) => sent.push(datagram),
      emit: () => {},
      request: (message, _peer, incoming) => layer.answer(incoming, message.token, body, 0, nobody),
      response: (_message, _peer, transmission) => {
        if (transmission !== undefined) layer.settle(transmission);
        return transmission !== undefined;
      },
    });
    for (const step of decodeScript(input)) {
      const peer = peerOf(step);
      if ((step.how & 0x20) !== 0)
        layer.transmit(peer, (step.how & 0x40) !== 0, Uint8Array.of(sent.length), { code: Method.GET, options: [], payload: none }, 0, nobody);
      layer.receive((step.how & 0x80) !== 0 ? inReply({ ...step, how: 0 }, sent.at(-1)) : step.bytes, peer, step.how === 0xff ? '224.0.1.187' : undefined);
      const { duplicates, peers: known, queued } = layer.stats();
      assert.ok(duplicates! <= 100 && known! <= 50 && queued! <= 4 * 50);
      simulator.rush(pauseOf(step));
    }
    simulator.rush(longAfter);
    expectNothing(layer.stats());
    layer.close();
    assert.equal(simulator.pending, 0);
  },
};

const signals: readonly Uint8Array[] = [SignalingCode.Ping, SignalingCode.Pong, SignalingCode.Release, SignalingCode.Abort].map((code) =>
  encodeFrame('length', code, Uint8Array.of(1), [], none),
);
const csm = encodeFrame('length', SignalingCode.CSM, none, [], none);

/** One end of connections: bytes in pieces, of whoever connected and of whoever was dialled. */
const streamTarget: Target = {
  name: 'connection',
  seeds: [
    ...conversations.map((turns) =>
      encodeScript([
        { how: 0, bytes: csm },
        ...turns.map(({ code, options, payload = none }) => ({ how: 0, bytes: encodeFrame('length', code, Uint8Array.of(1), options, payload) })),
      ]),
    ),
    ...signals.map((bytes) =>
      encodeScript([
        { how: 1, bytes: csm },
        { how: 1, bytes },
      ]),
    ),
    ...answers.map((turns) =>
      encodeScript([
        { how: 1, bytes: csm },
        ...turns.map(({ code, options, payload = none }) => ({ how: 1, bytes: encodeFrame('length', code, Uint8Array.of(7), options, payload) })),
      ]),
    ),
  ],
  mutate: mutateScript(mutateBytes),
  run: (input) => {
    const bench = new Bench();
    const nobody = { finished: () => {}, failed: () => {} };
    const peer = bench.peer();
    bench.messaging.transmit(peer, true, Uint8Array.of(7), { code: Method.GET, options: [], payload: none }, 0, nobody);
    const dialled = bench.dialled[0]!;
    dialled.listener!.opened();
    const wires = [bench.accept(), dialled];
    let answered = 0;
    for (const step of decodeScript(input)) {
      const wire = wires[step.how & 1]!;
      wire.stuck = (step.how & 0x20) !== 0;
      if (wire.state === 'open') wire.listener!.received(step.bytes);
      while (answered < bench.requests.length) bench.answer(answered++, 'ok');
      if (!wire.stuck && wire.buffered > 0) {
        wire.buffered = 0;
        if (wire.state === 'open') wire.listener!.drained();
      }
      bench.sim.rush(pauseOf(step));
      if ((step.how & 0xc0) === 0xc0 && wire.state === 'open') wire.listener!.closed();
      wire.take();
    }
    for (const wire of wires) if (wire.state === 'open') wire.listener!.closed();
    bench.sim.rush(longAfter);
    const { connections, held, unanswered, deadlines } = bench.messaging.stats();
    assert.deepEqual({ connections, held, unanswered, deadlines }, { connections: 0, held: 0, unanswered: 0, deadlines: 0 });
    bench.messaging.close();
  },
};

/** A proxy between hostile clients and a hostile origin. */
const proxyTarget: Target = {
  name: 'proxy',
  seeds: conversations.flatMap((turns) =>
    ['coap://10.0.0.9/a', 'coap://origin.example/b?c', 'coap://10.0.0.8/large', 'http://x/'].map((uri) =>
      wire(
        turns.map((turn) => ({
          ...turn,
          options: sortOptions([...turn.options.filter(({ number }) => number !== OptionNumber.UriPath), { number: OptionNumber.ProxyUri, value: utf8(uri) }]),
        })),
      ),
    ),
  ),
  mutate: mutateScript(mutateDatagram),
  run: async (input) => {
    const net = new ProxyNet(({ code, payload }, reply) =>
      reply.respond({ code: Code.Content, options: [uintOption(OptionNumber.MaxAge, code)], payload: payload.length > 0 ? payload : new Uint8Array(2000) }),
    );
    for (const step of decodeScript(input)) {
      const fromOrigin = (step.how & 3) === 3;
      const asked = net.sim.wire.filter(({ to }) => to === '10.0.0.9:5683').at(-1)?.datagram;
      net.sim.inject(fromOrigin ? inReply(step, asked) : step.bytes, fromOrigin ? '10.0.0.9:5683' : peerOf(step).key, '10.0.0.5:5683');
      await net.sim.sleep(pauseOf(step));
    }
    await net.sim.sleep(longAfter);
    assert.deepEqual(net.faults, []);
    expectNothing(net.proxyEndpoint.stats(), ['proxy.addresses']);
    await net.close();
  },
};

/** A program of node-coap that reads all of a request, and writes to observers twice. */
function programOf(faults: unknown[]): Handler {
  const emit = (event: unknown): void => void faults.push(event);
  return nodeCoapListener(
    (request, response) => {
      const { url, headers, payload } = request;
      assert.ok(typeof url === 'string' && typeof headers === 'object');
      if (headers['Observe'] === 0) response.write('first');
      response.end(payload);
    },
    { emit },
  );
}

const entry = (target: Target, share: number): TargetEntry => ({ name: target.name, share, open: () => Promise.resolve(target) });
/** The engines of CoAP and OSCORE, each on a network and a clock of its own. */
export const engineTargets: readonly TargetEntry[] = [
  entry(messagingTarget, 20),
  entry(streamTarget, 10),
  entry(serverTarget('CoAP server', { layers: (simulator) => [echo({}, simulator.env('echo'))] }), 2),
  entry(serverTarget('OSCORE server', { layers: (simulator) => [oscoreLayer(simulator)], send: protecting }), 1),
  entry(serverTarget('program of node-coap', { handler: programOf }), 1),
  entry(clientTarget(), 2),
  entry(proxyTarget, 1),
];
