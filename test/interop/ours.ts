import type { TestContext } from 'node:test';
import {
  type BlockwiseOptions,
  Code,
  ContentFormat,
  type DatagramTransport,
  decodeMessage,
  Endpoint,
  type Handler,
  type Layer,
  type Message,
  type Peer,
  type QBlockOptions,
  type ResourceHandle,
  Router,
  type RouterEvent,
  type TransmissionParameters,
} from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { tap, udp } from '../../src/transport/index.ts';

/** A message that passed our socket. */
export interface Passed {
  readonly direction: 'in' | 'out';
  readonly message: Message;
}

/** Text of exactly `length` bytes in which every eight bytes differ. */
export function body(length: number): string {
  return Array.from({ length: Math.ceil(length / 8) }, (_, line) => `${String(line).padStart(7, '0')}\n`)
    .join('')
    .slice(0, length);
}

export interface Ours {
  readonly endpoint: Endpoint;
  readonly port: number;
  /** Everything that came and went, in order. */
  readonly passed: Passed[];
  /** The URI of a path of this endpoint. */
  uri(path: string): string;
  /** The other endpoint, on this machine. */
  peer(port: number): Promise<Peer>;
}

export interface OursOptions {
  readonly handler?: Handler;
  readonly layers?: readonly Layer[];
  readonly blockwise?: BlockwiseOptions;
  readonly amplification?: 'unlimited';
  readonly qBlock?: QBlockOptions;
  readonly parameters?: Partial<TransmissionParameters>;
  /** In place of plain CoAP. */
  readonly transport?: DatagramTransport;
  /** Put something between endpoint and socket. */
  readonly wrap?: (transport: DatagramTransport) => DatagramTransport;
}

/** Our endpoint on a socket of its own, until the test ends. */
export async function ours(t: TestContext, options: OursOptions = {}): Promise<Ours> {
  const passed: Passed[] = [];
  const { wrap = (as) => as, transport, ...rest } = options;
  const socket = tap(transport ?? (await udp()), ({ direction, datagram }) => passed.push({ direction, message: decodeMessage(datagram.slice()) }));
  const endpoint = new Endpoint({ transport: wrap(socket), ...rest });
  t.after(() => endpoint.close());
  const { port } = endpoint.local;
  return {
    endpoint,
    port,
    passed,
    uri: (path) => `${socket.scheme ?? 'coap'}://127.0.0.1:${port}${path}`,
    peer: (other) => endpoint.resolve('127.0.0.1', other),
  };
}

/** A server for clients that protect nothing. */
export interface PlainServer extends Ours {
  readonly clock: ResourceHandle;
  /** The bodies that resource functions got, in order. */
  readonly bodies: string[];
}

/** A resource for each thing that a client can ask for. */
export async function plainServer(
  t: TestContext,
  options: Pick<OursOptions, 'blockwise' | 'amplification' | 'qBlock' | 'parameters' | 'transport'> = {},
): Promise<PlainServer> {
  const bodies: string[] = [];
  const events: RouterEvent[] = [];
  const router = new Router({ emit: (event) => events.push(event) });
  let value: Uint8Array | undefined = utf8('empty');
  let ticks = 0;
  router.resource('/hello', { get: () => 'Hello World!', attributes: { title: 'A greeting', ct: ContentFormat.TextPlain } });
  router.resource('/query', { get: (request) => request.query.join('|') });
  router.resource('/value', {
    get: () => (value === undefined ? { code: Code.NotFound } : { payload: value, contentFormat: ContentFormat.TextPlain }),
    put: (request) => {
      bodies.push(request.text());
      const code = value === undefined ? Code.Created : Code.Changed;
      value = request.payload.slice();
      return { code };
    },
    post: (request) => {
      bodies.push(request.text());
      return `${request.text().length} bytes`;
    },
    delete: () => {
      value = undefined;
      return undefined;
    },
    fetch: (request) => `fetched ${request.text()}`,
    patch: (request) => {
      bodies.push(request.text());
      return undefined;
    },
    ipatch: (request) => {
      bodies.push(request.text());
      return undefined;
    },
  });
  router.resource('/large', { get: () => body(3000) });
  router.resource('/slow', { get: () => new Promise((resolve) => systemEnv.schedule(1200, () => resolve('slow'))) });
  const clock = router.resource('/clock', { get: () => `tick ${ticks++}`, observable: true });
  const server = await ours(t, { handler: router.handler, ...options });
  t.after(() => {
    if (events.length > 0) throw new Error(`a resource function failed: ${events[0]!.error}`);
  });
  return { ...server, clock, bodies };
}
