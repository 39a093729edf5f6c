import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  type BlockwiseOptions,
  CoapError,
  Code,
  ContentFormat,
  codeClass,
  decodeMessage,
  Endpoint,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  type Peer,
  pathOptions,
  queryOptions,
  type Response,
  sortOptions,
  type TransmissionParameters,
  type Transport,
  uintOption,
} from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../src/core/env.ts';
import { tap, tcp, udp } from '../../src/transport/index.ts';
import { note } from '../etsi/pair.ts';
import { type Expected, observeOf, type Side, Wire, type WireMessage } from '../etsi/wire.ts';
import { freePort } from '../support/ports.ts';
import { Relay } from '../support/relay.ts';
import { pause } from '../support/wait.ts';
import { Background, within } from './processes.ts';
import { coapServer } from './tools.ts';

const { CON, NON, ACK } = MessageType;

export interface Ask {
  readonly code?: number;
  readonly path: readonly string[];
  readonly query?: readonly string[];
  readonly options?: readonly Option[];
  readonly payload?: string;
  readonly nonConfirmable?: boolean;
}

export interface Setup {
  readonly parameters?: Partial<TransmissionParameters>;
  readonly blockwise?: BlockwiseOptions;
  readonly env?: Env;
  readonly gateway?: boolean;
  /** Arguments of the server besides the usual. */
  readonly args?: readonly string[];
}

/** Our client, and libcoap's example server. */
export interface Theirs {
  readonly wire: Wire;
  readonly peer: Peer;
  endpoint: Endpoint;
  lose: (from: Side, message: WireMessage) => boolean;
  ask(ask: Ask): Promise<Response>;
  observe(path: string, nonConfirmable?: boolean): AsyncIterableIterator<Response, undefined, undefined>;
  /** The server is gone, and another takes its address. */
  restart(): Promise<void>;
  /** Our client is gone without a word, and another takes its place, at the same address or a new one. */
  reboot(address?: 'same' | 'new'): Promise<void>;
}

export type Open = (t: TestContext, setup?: Setup) => Promise<Theirs>;

/** It does not say when it is ready; until then it refuses connections. */
async function answers({ endpoint, peer }: Theirs): Promise<void> {
  for (;;) {
    try {
      await endpoint.ping(peer);
      return;
    } catch (error) {
      if (!(error instanceof CoapError) || error.code !== 'ERR_COAP_CONNECTION') throw error;
      await pause(50);
    }
  }
}

/** Our client on a socket of this kind. */
function over(datagrams: boolean, socket: (port: number) => Promise<Transport>, blockwise: BlockwiseOptions): Open {
  return async (t, setup = {}) => {
    const wire = new Wire(datagrams);
    const start = async (port = 0): Promise<Endpoint> => {
      const transport = tap(await socket(port), (event) => note(wire, event.direction === 'out' ? 'client' : 'server', event));
      return new Endpoint({ transport, blockwise: { ...blockwise, ...setup.blockwise }, parameters: setup.parameters ?? {}, env: setup.env ?? systemEnv });
    };
    const server = String(await freePort());
    const serve = (): Background => new Background(t, coapServer, ['-A', '127.0.0.1', '-p', server, '-d', '10', '-e', ...(setup.args ?? [])]);
    let running = serve();
    let port = Number(server);
    if (setup.gateway === true) {
      const relay = await Relay.open('server', port, ({ to, datagram }) => theirs.lose(to === 'server' ? 'client' : 'server', decodeMessage(datagram)));
      t.after(() => relay.close());
      ({ port } = relay);
    }
    const endpoint = await start();
    const theirs: Theirs = {
      wire,
      endpoint,
      peer: await endpoint.resolve('127.0.0.1', port),
      lose: () => false,
      ask: ({ path, query = [], options = [], payload = '', ...more }) =>
        theirs.endpoint.request(
          { ...more, peer: theirs.peer, options: sortOptions([...pathOptions(path), ...queryOptions(query), ...options]), payload: utf8(payload) },
          { timeout: 20_000 },
        ),
      observe: (path, nonConfirmable = false) => theirs.endpoint.observe({ peer: theirs.peer, options: pathOptions([path]), nonConfirmable }),
      restart: async () => {
        await running.stop();
        running = serve();
      },
      reboot: async (address = 'same') => {
        const { port: own } = theirs.endpoint.local;
        await theirs.endpoint.close();
        theirs.endpoint = await start(address === 'same' ? own : 0);
      },
    };
    t.after(() => theirs.endpoint.close());
    await within(10_000, `${coapServer} at port ${server}`, answers(theirs));
    await pause(50);
    wire.toEnd();
    return theirs;
  };
}

export const overUdp: Open = over(true, (port) => udp({ port }), {});

/** With a threshold a body is cut into blocks that are no BERT blocks. */
export const overTcp: Open = over(false, () => tcp(), { threshold: 1024 });

export const plain: Option = uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain);
/** No resource of coap-server but the list of links tells its Content-Format. */
export const content: Expected = { code: Code.Content, payload: 'some' };

export interface Done {
  readonly request: WireMessage;
  readonly response: WireMessage;
  readonly shown: Response;
}

export async function transact({ wire, ask }: Theirs, asks: Ask, expected: Expected): Promise<Done> {
  const { code = Method.GET, path, query = [], payload = '', nonConfirmable = false } = asks;
  const asked = ask(payload === '' ? asks : { ...asks, options: [plain, ...(asks.options ?? [])] });
  const request = await wire.next('client', { type: nonConfirmable ? NON : CON, code, path, query, payload });
  const response = await wire.next('server', { ...expected, tokenOf: request, ...(nonConfirmable ? { type: NON } : { type: ACK, idOf: request }) });
  const shown = await asked;
  assert.equal(shown.code, response.code);
  return { request, response, shown };
}

export const time: Ask = { path: ['time'] };
export const made: Ask = { path: ['made'] };
export const put: Ask = { ...made, code: Method.PUT, payload: 'put' };
export const written: Expected = { code: [Code.Created, Code.Changed] };

export interface Observed {
  readonly stream: AsyncIterableIterator<Response, undefined, undefined>;
  readonly request: WireMessage;
  last: WireMessage;
}

export async function register({ wire, observe }: Theirs, path: string, non = false): Promise<Observed> {
  const stream = observe(path, non);
  const request = await wire.next('client', { type: non ? NON : CON, code: Method.GET, path: [path], observe: 0 });
  const last = await wire.next('server', { type: non ? NON : ACK, code: Code.Content, tokenOf: request, observe: 'any' });
  assert.equal(codeClass((await stream.next()).value!.code), 2);
  return { stream, request, last };
}

export async function notified(theirs: Theirs, of: Observed, type: number, more: Partial<Expected> = {}): Promise<string> {
  const notification = await theirs.wire.next('server', { code: Code.Content, ...more, type, tokenOf: of.request, observe: 'any' });
  const step = (observeOf(notification)! - observeOf(of.last)!) & 0xff_ffff;
  assert.ok(step > 0 && step < 0x80_0000, 'the sequence number increases');
  of.last = notification;
  if (type === CON) await theirs.wire.acknowledgement('client', notification);
  return fromUtf8((await of.stream.next()).value!.payload);
}

/** The clock of a client for which time runs faster. */
export function hurried(times: number): Env {
  return { ...systemEnv, now: () => systemEnv.now() * times, schedule: (delay, task) => systemEnv.schedule(delay / times, task) };
}

/** Another client of the same server. */
export async function another(t: TestContext, { peer }: Theirs): Promise<(code: number, path: string, payload: string, format?: number) => Promise<Response>> {
  const endpoint = new Endpoint({ transport: await udp() });
  t.after(() => endpoint.close());
  const to = await endpoint.resolve(peer.address, peer.port);
  return (code, path, payload, format = 0) => {
    const options = [...pathOptions([path]), ...(payload === '' ? [] : [uintOption(OptionNumber.ContentFormat, format)])];
    return endpoint.request({ code, peer: to, options, payload: utf8(payload) }, { timeout: 10_000 });
  };
}
