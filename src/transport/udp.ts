import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP, SocketAddress } from 'node:net';
import type { DatagramTransport, Peer, UriScheme } from '../coap/index.ts';
import { TransportError } from './errors.ts';
import { type GroupMembership, joinGroup } from './groups.ts';
import { PeerTable } from './peers.ts';
import { checkPort } from './resolve.ts';
import { UdpSources } from './udp-sources.ts';

/** What a UDP transport is bound to, and how much it keeps. */
export interface UdpOptions {
  /** The numeric address to bind. Default `127.0.0.1`; `0.0.0.0` or `::` for all. */
  readonly address?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Peers of which an object is kept. Default 8,192. */
  readonly peers?: number;
  /**
   * Source ports in all. Those beside the first are opened as message ids for a peer run short, which is at some 250 messages a second that go on for minutes,
   * and closed when they are not needed. Default 16, with which one peer can be sent some 4,000 a second; 1: no others.
   */
  readonly sourcePorts?: number;
  /** Bytes that the system may hold before they are read, and before they are sent. Default: the system's. */
  readonly bufferSize?: number;
  /**
   * Groups to join (RFC 7252, Section 8). The transport must be bound to one address then: a socket for all addresses hears the groups' datagrams too, and
   * nothing tells them from others.
   */
  readonly groups?: readonly GroupMembership[];
  /** The interface by which datagrams to groups leave: its address for IPv4, `::%eth0` for IPv6. Default: the one of the bound IPv4 address, else the system's. */
  readonly multicastInterface?: string;
  /** Routers that a datagram to a group may pass, plus one. Default 1: it stays on the link. */
  readonly multicastTtl?: number;
}

/** Bytes that the system can be asked to hold. */
const largestBuffer = 0x7fff_ffff;

/**
 * A UDP socket that is bound when the promise is fulfilled.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_OPTION`
 */
export async function udp(options: UdpOptions = {}): Promise<DatagramTransport> {
  const { address = '127.0.0.1', port = 0, peers = 8192, sourcePorts = 16, bufferSize, groups = [], multicastTtl } = options;
  for (const [name, value, least, most] of [
    ['sourcePorts', sourcePorts, 1, Number.MAX_SAFE_INTEGER],
    ['peers', peers, 1, Number.MAX_SAFE_INTEGER],
    ['bufferSize', bufferSize ?? 0, 0, largestBuffer],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value > most)
      throw new TransportError('ERR_TRANSPORT_OPTION', `expected ${name} to be a whole number of ${least} to ${most}, got ${value}`);
  }
  checkPort(port);
  const family = isIP(address);
  if (family === 0) throw new TransportError('ERR_TRANSPORT_BIND', `expected a numeric address to bind, got ${address}`);
  const create = (): Socket =>
    createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Peers have numeric addresses. The usual look-up would cost every datagram a turn of the event loop.
      lookup: (host, _options, callback) => callback(null, host, family),
      ...(bufferSize === undefined ? {} : { recvBufferSize: bufferSize, sendBufferSize: bufferSize }),
    });
  const socket = create();
  await new Promise<void>((bound, failed) => {
    const fail = (error: Error): void => {
      socket.close();
      failed(new TransportError('ERR_TRANSPORT_BIND', `cannot bind ${address} port ${port}: ${error.message}`, { cause: error }));
    };
    socket.once('error', fail);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', fail);
      bound();
    });
  });
  const multicastInterface = options.multicastInterface ?? (family === 4 && address !== '0.0.0.0' ? address : undefined);
  const sockets: GroupSocket[] = [];
  try {
    if (multicastInterface !== undefined) socket.setMulticastInterface(multicastInterface);
    if (multicastTtl !== undefined) socket.setMulticastTTL(multicastTtl);
    if (groups.some((group) => (group.port ?? 5683) === socket.address().port) && (address === '0.0.0.0' || address === '::'))
      throw new TransportError('ERR_TRANSPORT_BIND', `expected one address to bind beside groups on the same port, got ${address}`);
    for (const group of groups) sockets.push(await joinGroup(group, address));
  } catch (error) {
    for (const opened of [{ socket }, ...sockets]) opened.socket.close();
    if (error instanceof TransportError) throw error;
    throw new TransportError('ERR_TRANSPORT_BIND', `cannot set up multicast on ${address}: ${(error as Error).message}`, { cause: error });
  }
  const bind = (another: Socket): void => {
    another.bind({ address, port: 0, exclusive: true });
  };
  return new UdpTransport({ socket, family, peers, sourcePorts, create, bind }, sockets);
}

interface UdpParts {
  readonly socket: Socket;
  readonly family: number;
  readonly peers: number;
  readonly sourcePorts: number;
  create(): Socket;
  bind(another: Socket): void;
}

interface Arrived {
  readonly datagram: Uint8Array;
  readonly remote: RemoteInfo;
  readonly peers: PeerTable;
  readonly group: string | undefined;
}

interface Leaving {
  readonly datagram: Uint8Array;
  readonly peer: Peer;
}

interface GroupSocket {
  readonly socket: Socket;
  readonly group: string;
}

class UdpTransport implements DatagramTransport {
  readonly local: { readonly address: string; readonly port: number };
  readonly #socket: Socket;
  readonly #family: number;
  readonly #peers: PeerTable;
  readonly #groups: readonly GroupSocket[];
  readonly sources: UdpSources;
  #receive: ((datagram: Uint8Array, peer: Peer, group?: string) => void) | undefined;
  #arrived: Arrived[] = [];
  /** While what came in is handled: what is to leave after it. */
  #leaving: Leaving[] | undefined = undefined;
  #closing: Promise<void> | undefined;

  /**
   * What one turn of the event loop reads is handled in one go, and what that sends leaves in one go after it: changing between reading, handling and sending for
   * each datagram costs more than the handling.
   */
  readonly #handle = (): void => {
    const batch = this.#arrived;
    this.#arrived = [];
    this.#leaving ??= [];
    try {
      for (const { datagram, remote, peers, group } of batch) {
        if (this.#closing !== undefined) return;
        this.#receive?.(new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.byteLength), peers.get(remote.address, remote.port), group);
      }
    } finally {
      this.#flush();
    }
  };

  constructor({ socket, family, peers, sourcePorts, create, bind }: UdpParts, groups: readonly GroupSocket[]) {
    this.#socket = socket;
    this.#groups = groups;
    this.#family = family;
    this.#peers = new PeerTable(peers);
    this.sources = new UdpSources({
      most: sourcePorts,
      peers,
      create,
      bind,
      first: (host, at) => this.#peers.get(host, at),
      listen: (source, from) => this.#listen(source, from),
    });
    const { address, port } = socket.address();
    this.local = { address, port };
    // An error of one datagram (an ICMP message that anyone can forge) must not end the socket: RFC 7252 §4.2.
    socket.on('error', () => {});
  }

  start(receive: (datagram: Uint8Array, peer: Peer, group?: string) => void): void {
    this.#receive = receive;
    this.#listen(this.#socket, this.#peers);
    for (const { socket, group } of this.#groups) this.#listen(socket, this.#peers, group);
  }

  #listen(socket: Socket, peers: PeerTable, group?: string): void {
    socket.on('message', (datagram: Uint8Array, remote: RemoteInfo) => {
      // No socket has port 0: the source is forged, and an answer could not be sent.
      if (remote.port === 0) return;
      if (this.#arrived.length === 0) setImmediate(this.#handle);
      this.#arrived.push({ datagram, remote, peers, group });
    });
  }

  send(datagram: Uint8Array, peer: Peer): void {
    if (this.#closing !== undefined) return;
    if (this.#leaving === undefined) {
      this.#leaving = [];
      setImmediate(this.#flush);
    }
    this.#leaving.push({ datagram, peer });
  }

  readonly #flush = (): void => {
    const leaving = this.#leaving ?? [];
    this.#leaving = undefined;
    for (const { datagram, peer } of leaving) this.#transmit(datagram, peer);
  };

  #transmit(datagram: Uint8Array, peer: Peer): void {
    const socket = peer.source === undefined ? this.#socket : this.sources.socket(peer.source.number);
    try {
      // Without a callback, an error of sending is dropped.
      socket?.send(datagram, peer.port, peer.address);
    } catch {
      // A peer whose port or address cannot be sent to is as good as a lost datagram.
    }
  }

  async resolve(host: string, port: number, scheme: UriScheme = 'coap'): Promise<Peer> {
    // What was meant to be protected, or for another server, must not leave here.
    if (scheme !== 'coap') throw new TransportError('ERR_TRANSPORT_SCHEME', `expected the scheme coap, got ${scheme}`);
    if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new TransportError('ERR_TRANSPORT_RESOLVE', `expected a port of 1 to 65535, got ${port}`);
    return this.#peers.get(await this.#addressOf(host), port);
  }

  async #addressOf(host: string): Promise<string> {
    const written = isIP(host);
    if (written === 4) return this.#family === 4 ? host : `::ffff:${host}`;
    if (written === 6) {
      if (this.#family === 4)
        throw new TransportError('ERR_TRANSPORT_RESOLVE', `expected an IPv4 host, since the socket is bound to ${this.local.address}; got ${host}`);
      return normalised(host);
    }
    try {
      return (await lookup(host, { family: this.#family })).address;
    } catch (error) {
      throw new TransportError('ERR_TRANSPORT_RESOLVE', `cannot resolve ${host}: ${(error as Error).message}`, { cause: error });
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#flush();
    const sockets = [{ socket: this.#socket }, ...this.#groups];
    await Promise.all([...sockets.map(({ socket }) => new Promise<void>((closed) => socket.close(() => closed()))), this.sources.closeAll()]);
  }
}

/** The spelling of an IPv6 address that received datagrams carry; the zone stays. */
function normalised(address: string): string {
  const [bare, zone] = address.split('%', 2) as [string, string | undefined];
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}
