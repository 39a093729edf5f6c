import assert from 'node:assert/strict';
import {
  Code,
  decodeMessage,
  Endpoint,
  type EndpointOptions,
  findOption,
  type Layer,
  type Message,
  type Option,
  OptionNumber,
  openRelay,
  type ProxyOptions,
  ProxyServer,
  pathOptions,
  type Request,
  type Response,
  uintOf,
  uintOption,
  withOption,
} from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { ContextTable, deriveContext, type OscoreEvent, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';
import { FakeStore, mirrored, parameters } from './support.ts';

export const serverAddress = '10.0.0.9';
export const proxyAddress = '10.0.0.5';
export const clientAddress = '10.0.0.1';

/** Knows the OSCORE option and does nothing about it: what a test sends goes out as it is. */
export const opaque: Layer = { name: 'opaque', understands: [OptionNumber.Oscore], outbound: (next) => next, inbound: (next) => next };

export interface NetOptions {
  readonly network?: SimulatorOptions;
  readonly client?: Partial<EndpointOptions>;
  readonly server?: Partial<EndpointOptions>;
  readonly proxy?: Partial<EndpointOptions>;
  readonly proxying?: ProxyOptions;
  /** Layers above OSCORE. */
  readonly above?: { readonly client?: Layer; readonly server?: Layer };
}

/** A client and a server that share a context, and a proxy between them. */
export class Net {
  readonly sim: Simulator;
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly proxy: Endpoint;
  readonly context: SecurityContext = deriveContext(parameters);
  readonly asked: Request[] = [];
  readonly events: OscoreEvent[] = [];
  body: Uint8Array = emptyBytes;
  /** What the server answers. */
  answer: (request: Request) => Response = () => ({ code: Code.Content, options: [], payload: this.body });
  /** Set while somebody observes. */
  changed: () => void = () => {};

  constructor(options: NetOptions = {}) {
    const sim = new Simulator({ seed: 8, ...options.network });
    this.sim = sim;
    const { above = {} } = options;
    this.client = this.#endpoint(clientAddress, this.context, above.client, options.client);
    this.server = this.#endpoint(serverAddress, deriveContext(mirrored(parameters)), above.server, {
      handler: (request, reply) => {
        this.asked.push({ ...request, payload: request.payload.slice() });
        if (uintOf(request.options, OptionNumber.Observe) !== 0) {
          reply.respond(this.answer(request));
          return;
        }
        let number = 2;
        this.changed = () => {
          const answer = this.answer(request);
          reply.notify({ ...answer, options: withOption(answer.options, uintOption(OptionNumber.Observe, number++)) });
        };
        this.changed();
      },
      ...options.server,
    });
    const proxying = new ProxyServer({ env: sim.env('proxy'), ...(options.proxying ?? { forward: { allow: openRelay } }) });
    this.proxy = this.endpoint(proxyAddress, { proxying, ...options.proxy });
  }

  endpoint(address: string, options: Partial<EndpointOptions> = {}): Endpoint {
    const env = this.sim.env(address);
    return new Endpoint({ transport: this.sim.transport(address, 5683), env, parameters: { nstart: 16, maxRetransmit: 8 }, ...options });
  }

  #endpoint(address: string, context: SecurityContext, above: Layer | undefined, options: Partial<EndpointOptions> = {}): Endpoint {
    const contexts = new ContextTable();
    contexts.add(context);
    const layer = oscore({ contexts, store: new FakeStore(), env: this.sim.env(`oscore ${address}`), emit: (event) => this.events.push(event) });
    return this.endpoint(address, { layers: above === undefined ? [layer] : [above, layer], ...options });
  }

  /** A protected request, straight to the server or with `via` through the proxy. */
  ask(code: number, payload: Uint8Array = emptyBytes, via?: 'forward' | 'reverse', options: readonly Option[] = pathOptions(['large'])): Promise<Response> {
    const peer = this.sim.peer(via === 'reverse' ? proxyAddress : serverAddress, 5683);
    const proxy = via === 'forward' ? { proxy: `coap://${proxyAddress}` } : {};
    return this.sim.finish(this.client.request({ code, peer, options, payload, association: this.context }, proxy), 10_000_000);
  }

  /** Messages from one address to another. */
  sent(from: string, to: string): Message[] {
    return this.sim.wire.filter((one) => one.from === `${from}:5683` && one.to === `${to}:5683`).map(({ datagram }) => decodeMessage(datagram));
  }

  /** Nothing is left of any transfer once its lifetime has ended. */
  async close(): Promise<void> {
    await this.sim.sleep(600_000);
    for (const endpoint of [this.client, this.server, this.proxy]) {
      const left = Object.entries(endpoint.stats()).filter(([name, count]) => /lockwise/.test(name) && count !== 0);
      assert.deepEqual(left, []);
      await endpoint.close();
    }
  }
}

/** Whether a message has an option, in the clear. */
export const has =
  (number: number) =>
  (message: Pick<Message, 'options'>): boolean =>
    findOption(message.options, number) !== undefined;
export const isProtected: (message: Pick<Message, 'options'>) => boolean = has(OptionNumber.Oscore);
