import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import {
  type CloseOptions,
  type CoapUri,
  Endpoint,
  type EndpointOptions,
  type OutgoingRequest,
  type Peer,
  type RequestOptions,
  type Response,
  type Transport,
} from '../coap/index.ts';
import { TransportError } from './errors.ts';

/** What an endpoint is made with, whatever carries its messages. */
export type ChannelOptions = Omit<EndpointOptions, 'transport'>;

/** A way to reach peers: a socket and an endpoint on it. An `Endpoint` is one. */
export interface Channel {
  /** The peer at the host that the route names. */
  resolve(host: string, port: number): Promise<Peer>;
  /** See `Endpoint.request`. */
  request(request: OutgoingRequest, options?: RequestOptions): Promise<Response>;
  /** See `Endpoint.observe`. */
  observe(request: OutgoingRequest, options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<Response, undefined, undefined>;
  /** `requests`: those under way, observations among them. */
  stats(): Readonly<Record<string, number>>;
  /** End what is under way, and let go of the socket. */
  close(options?: CloseOptions): Promise<void>;
  /** Settled when the channel has ended by itself, as a connection does; whoever asks next opens another. */
  readonly ended?: Promise<unknown>;
}

/** How a URI is reached. */
export interface Route {
  /** Requests whose routes have equal keys share a channel: over UDP a socket, over TCP a connection. */
  readonly key: string;
  /** What the channel is asked to resolve. */
  readonly host: string;
  /** A channel for this route and others like it. @throws {ProtocolError} when it cannot be opened */
  open(options: ChannelOptions): Promise<Channel>;
}

/** Something that answers requests at an address. An `Endpoint` is one. */
export interface Listener {
  readonly local: { readonly address: string; readonly port: number };
  /** `replies`: requests that are not answered for good, messages that are not acknowledged yet among them. */
  stats(): Readonly<Record<string, number>>;
  /** Let no new peers in that would need a session. */
  drain?(): void;
  /** Take no more requests, let those under way be answered, and let go of the socket. */
  close(options?: CloseOptions): Promise<void>;
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
export async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new TransportError('ERR_TRANSPORT_RESOLVE', `cannot resolve ${host}: ${(error as Error).message}`, { cause: error });
  }
}

/** Where a socket binds that is to reach an address, and no more than that. */
export function sourceFor(address: string): string {
  if (isIP(address) === 4) return address.startsWith('127.') ? '127.0.0.1' : '0.0.0.0';
  return address === '::1' ? '::1' : '::';
}

/** An endpoint on a transport, which is closed where there can be none. */
export async function endpointOn(transport: Transport, options: ChannelOptions): Promise<Endpoint> {
  try {
    return new Endpoint({ ...options, transport });
  } catch (error) {
    await transport.close();
    throw error;
  }
}
