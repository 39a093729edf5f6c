import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Endpoint, type EndpointEvent, type EndpointOptions, type Peer, type StreamTransport, type UriScheme } from '../../src/coap/index.ts';
import { type StreamOptions, type StreamServerOptions, tcp, tcpServer, tls, tlsServer, ws, wsServer, wss, wssServer } from '../../src/transport/index.ts';
import { root } from '../support/fixtures.ts';

const pem = (name: string): string => readFileSync(join(root, 'fixtures', 'tls', name), 'utf8');
/** A certificate for localhost and 127.0.0.1 that is its own authority. */
export const certificate: { readonly cert: string; readonly key: string } = { cert: pem('localhost.pem'), key: pem('localhost.key.pem') };
const trust = { ca: certificate.cert };

export interface Kind {
  readonly scheme: UriScheme;
  /** What the keys of peers begin with. */
  readonly key: string;
  client(options?: StreamOptions): Promise<StreamTransport>;
  server(options?: StreamServerOptions): Promise<StreamTransport>;
}

export const kinds: readonly Kind[] = [
  { scheme: 'coap+tcp', key: 'tcp', client: tcp, server: tcpServer },
  { scheme: 'coaps+tcp', key: 'tls', client: (options) => tls({ ...options, ...trust }), server: (options) => tlsServer({ ...options, ...certificate }) },
  { scheme: 'coap+ws', key: 'ws', client: ws, server: wsServer },
  { scheme: 'coaps+ws', key: 'wss', client: (options) => wss({ ...options, ...trust }), server: (options) => wssServer({ ...options, ...certificate }) },
];

export interface Pair {
  readonly client: Endpoint;
  readonly server: Endpoint;
  /** The server, as the client sees it. */
  readonly peer: Peer;
  /** What happened at the server. */
  readonly events: EndpointEvent[];
}

export interface PairOptions {
  readonly client?: Partial<EndpointOptions>;
  readonly server?: Partial<EndpointOptions>;
  readonly listener?: StreamServerOptions;
}

/** A client and a server on sockets of one kind, until the test ends. */
export async function pair(t: TestContext, kind: Kind, options: PairOptions = {}): Promise<Pair> {
  const events: EndpointEvent[] = [];
  const server = new Endpoint({ transport: await kind.server(options.listener), emit: (event) => events.push(event), ...options.server });
  const client = new Endpoint({ transport: await kind.client(), ...options.client });
  t.after(async () => {
    await client.close();
    await server.close();
  });
  return { client, server, peer: await client.resolve('127.0.0.1', server.local.port), events };
}
