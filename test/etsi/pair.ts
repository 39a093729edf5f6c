import type { TestContext } from 'node:test';
import {
  type BlockwiseOptions,
  decodeMessage,
  Endpoint,
  type Message,
  type Option,
  type Peer,
  pathOptions,
  type Response,
  SignalingCode,
  sortOptions,
  type TransmissionParameters,
  type Transport,
} from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../src/core/env.ts';
import { type TapEvent, tap, tcp, tcpServer, udp } from '../../src/transport/index.ts';
import { Relay } from '../support/relay.ts';
import { Site } from './site.ts';
import { type Side, Wire, type WireMessage } from './wire.ts';

/** What a case needs other than the usual. */
export interface Setup {
  readonly client?: BlockwiseOptions;
  readonly server?: BlockwiseOptions;
  readonly parameters?: Partial<TransmissionParameters>;
  readonly clientEnv?: Env;
  /** A gateway stands between the two, and loses what `lose` of the pair says. */
  readonly gateway?: boolean;
}

export interface Ask {
  readonly code?: number;
  readonly path: readonly string[];
  readonly payload?: string;
  readonly options?: readonly Option[];
  readonly nonConfirmable?: boolean;
}

/** A client, a server, and what passes between them. */
export interface Pair {
  readonly wire: Wire;
  client: Endpoint;
  server: Endpoint;
  /** The server, as the client sees it. */
  readonly peer: Peer;
  site: Site;
  lose: (from: Side, message: WireMessage) => boolean;
  ask(ask: Ask): Promise<Response>;
  observe(path: string, nonConfirmable?: boolean): AsyncIterableIterator<Response, undefined, undefined>;
  /** The endpoint is gone without a word, and another takes its address. */
  reboot(side: Side): Promise<void>;
}

/** How a pair is made over one transport. */
export interface Open {
  /** `false`: a stream, whose messages have neither type nor Message ID. */
  readonly datagrams: boolean;
  readonly transport: string;
  pair(t: TestContext, setup: Setup): Promise<Pair>;
}

/** The parts of a pair that do not depend on the transport. */
export function requests(pair: Pick<Pair, 'peer'> & { client: Endpoint }): Pick<Pair, 'ask' | 'observe'> {
  return {
    ask: ({ path, payload = '', options = [], ...rest }) =>
      pair.client.request({ ...rest, peer: pair.peer, options: sortOptions([...pathOptions(path), ...options]), payload: utf8(payload) }, { timeout: 20_000 }),
    observe: (path, nonConfirmable = false) => pair.client.observe({ peer: pair.peer, options: pathOptions([path]), nonConfirmable }),
  };
}

/** Sockets of one kind. */
interface Sockets extends Pick<Open, 'datagrams' | 'transport'> {
  client(port?: number): Promise<Transport>;
  server(port?: number): Promise<Transport>;
  /** What keeps both sides to the blocks that the descriptions speak of. */
  readonly blockwise: BlockwiseOptions;
}

function over({ datagrams, transport, blockwise, ...sockets }: Sockets): Open {
  return {
    datagrams,
    transport,
    pair: async (t, setup) => {
      const wire = new Wire(datagrams);
      const start = async (side: Side, site: Site, port?: number): Promise<Endpoint> => {
        const transport = tap(await sockets[side](port), (event) => {
          if (event.direction === 'out') note(wire, side, event);
        });
        const common = { transport, ...(setup.parameters === undefined ? {} : { parameters: setup.parameters }) };
        return side === 'server'
          ? // The test descriptions know no Echo (RFC 9175): the server sends what is asked for.
            new Endpoint({ ...common, handler: site.router.handler, blockwise: { ...blockwise, ...setup.server }, amplification: 'unlimited' })
          : new Endpoint({ ...common, blockwise: { ...blockwise, ...setup.client }, env: setup.clientEnv ?? systemEnv });
      };
      const site = new Site();
      const server = await start('server', site);
      const client = await start('client', site);
      let { port } = server.local;
      const lose: Pair['lose'] = () => false;
      const found = { wire, client, server, site, lose };
      if (setup.gateway === true) {
        const relay = await Relay.open('server', port, ({ to, datagram }) => pair.lose(to === 'server' ? 'client' : 'server', decodeMessage(datagram)));
        t.after(() => relay.close());
        ({ port } = relay);
      }
      const base = { ...found, peer: await client.resolve('127.0.0.1', port) };
      const pair: Pair = Object.assign(base, {
        ...requests(base),
        reboot: async (side: Side) => {
          const old = side === 'client' ? base.client : base.server;
          await old.close();
          base.site = side === 'server' ? new Site() : base.site;
          const fresh = await start(side, base.site, old.local.port);
          if (side === 'client') base.client = fresh;
          else base.server = fresh;
        },
      });
      t.after(() => Promise.all([pair.client.close(), pair.server.close()]));
      return pair;
    },
  };
}

/** Put on the wire what a socket saw. */
export function note(wire: Wire, from: Side, { datagram, message }: TapEvent): void {
  if (message === undefined) wire.add(from, decodeMessage(datagram.slice()), datagram.length);
  // RFC 8323, Section 5.3: no description knows the CSM.
  else if (message.code !== SignalingCode.CSM) wire.add(from, copied(message), datagram.length);
}

/** A copy, since views of what a connection received do not last. */
function copied({ code, token, options, payload }: Message): WireMessage {
  return { code, token: token.slice(), options: options.map(({ number, value }) => ({ number, value: value.slice() })), payload: payload.slice() };
}

const onPort = (port: number | undefined): { readonly port?: number } => (port === undefined ? {} : { port });

/** Over UDP on loopback. */
export const overUdp: Open = over({
  datagrams: true,
  transport: 'UDP',
  client: (port) => udp(onPort(port)),
  server: (port) => udp(onPort(port)),
  blockwise: {},
});

/** Over TCP on loopback. With a threshold a body is cut into blocks that are no BERT blocks. */
export const overTcp: Open = over({
  datagrams: false,
  transport: 'TCP',
  client: () => tcp(),
  server: (port) => tcpServer(onPort(port)),
  blockwise: { threshold: 1024 },
});
