import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type CoapUri, Endpoint, type EndpointOptions, type OutgoingRequest, type Peer, parseUri, type RequestOptions, type Response } from '../coap/index.ts';
import { TransportError } from './errors.ts';
import { udp } from './udp.ts';

/** What an endpoint is made with, whatever carries its messages. */
export type ChannelOptions = Omit<EndpointOptions, 'transport'>;

/** A way to reach peers: a socket and an endpoint on it. An `Endpoint` is one. */
export interface Channel {
  /** The peer at the host that the route names. */
  resolve(host: string, port: number): Promise<Peer>;
  request(request: OutgoingRequest, options?: RequestOptions): Promise<Response>;
  observe(request: OutgoingRequest, options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<Response, undefined, undefined>;
  /** `requests`: those under way, observations among them. */
  stats(): Readonly<Record<string, number>>;
  close(): Promise<void>;
  /** Settled when the channel has ended by itself, as a connection does; whoever asks next opens another. */
  readonly ended?: Promise<unknown>;
}

/** How a URI is reached. */
export interface Route {
  /** Requests whose routes have equal keys share a channel: over UDP a socket, over TCP a connection. */
  readonly key: string;
  /** What the channel is asked to resolve. */
  readonly host: string;
  open(options: ChannelOptions): Promise<Channel>;
}

/** Something that answers requests at an address. An `Endpoint` is one. */
export interface Listener {
  readonly local: { readonly address: string; readonly port: number };
  /** `replies`: requests that are not answered for good, messages that are not acknowledged yet among them. */
  stats(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/**
 * A URI scheme: how a client reaches what its URIs name, and how a server listens at one. To add a scheme is to add such a row.
 *
 * ```ts
 * const server = await serve({ listen: 'coap+tcp://127.0.0.1', resources, schemes: [...schemes, coapTcp] });
 * ```
 */
export interface Scheme {
  readonly name: string;
  readonly defaultPort: number;
  /** @throws {TransportError} `ERR_TRANSPORT_RESOLVE` when the host cannot be found */
  route(uri: CoapUri): Promise<Route>;
  /** Port 0 takes any that is free. @throws {TransportError} `ERR_TRANSPORT_BIND` */
  listen(uri: CoapUri, options: ChannelOptions): Promise<Listener>;
}

/** The numeric address of a host. */
async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new TransportError('ERR_TRANSPORT_RESOLVE', `cannot resolve ${host}: ${(error as Error).message}`, { cause: error });
  }
}

/** Where a socket binds that is to reach an address, and no more than that. */
function sourceFor(address: string): string {
  if (isIP(address) === 4) return address.startsWith('127.') ? '127.0.0.1' : '0.0.0.0';
  return address === '::1' ? '::1' : '::';
}

async function endpointAt(address: string, port: number, options: ChannelOptions): Promise<Endpoint> {
  const transport = await udp({ address, port });
  try {
    return new Endpoint({ ...options, transport });
  } catch (error) {
    await transport.close();
    throw error;
  }
}

const coap: Scheme = {
  name: 'coap',
  defaultPort: 5683,
  route: async ({ host }) => {
    const address = await addressOf(host);
    const source = sourceFor(address);
    return { key: `coap ${source}`, host: address, open: (options) => endpointAt(source, 0, options) };
  },
  listen: async ({ host, port }, options) => endpointAt(await addressOf(host), port, options),
};

/** The schemes that there are. */
export const schemes: readonly Scheme[] = [coap];

/** A URI and the row of its scheme. */
export interface Target {
  readonly scheme: Scheme;
  readonly uri: CoapUri;
}

/**
 * The row for a URI, and the URI taken apart. In a URI to listen at, port 0 may stand.
 *
 * @throws {TransportError} `ERR_TRANSPORT_SCHEME` for a scheme without a row
 * @throws {CoapError} `ERR_COAP_URI`
 */
export function targetOf(text: string, rows: readonly Scheme[], listening = false): Target {
  const [, name = '', authority = '', rest = ''] = /^([a-z][a-z0-9+.-]*):(\/\/[^/?#]*)(.*)$/is.exec(text) ?? [];
  const scheme = rows.find((row) => row.name === name.toLowerCase());
  if (scheme === undefined) {
    const known = rows.map((row) => `${row.name}://`).join(', ');
    throw new TransportError('ERR_TRANSPORT_SCHEME', `expected a URI that starts with one of ${known}, got ${JSON.stringify(text)}`);
  }
  const [, host = authority, port] = /^(.*?)(?::(\d*))?$/s.exec(authority) ?? [];
  if (listening && port !== undefined && /^0+$/.test(port)) return { scheme, uri: { ...parseUri(`coap:${host}${rest}`), port: 0 } };
  const uri = parseUri(`coap:${authority}${rest}`);
  return { scheme, uri: port === undefined || port === '' ? { ...uri, port: scheme.defaultPort } : uri };
}
