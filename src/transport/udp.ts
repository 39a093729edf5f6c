import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP, SocketAddress } from 'node:net';
import type { DatagramTransport, Peer, UriScheme } from '../coap/index.ts';
import { TransportError } from './errors.ts';
import { PeerTable } from './peers.ts';

export interface UdpOptions {
  /** The numeric address to bind. Default `127.0.0.1`; `0.0.0.0` or `::` for all. */
  readonly address?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Peers of which an object is kept. Default 8,192. */
  readonly peers?: number;
  /** Bytes that the system may hold before they are read, and before they are sent. Default: the system's. */
  readonly bufferSize?: number;
}

/**
 * A UDP socket that is bound when the promise is fulfilled.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 */
export async function udp(options: UdpOptions = {}): Promise<DatagramTransport> {
  const { address = '127.0.0.1', port = 0, peers = 8192, bufferSize } = options;
  const family = isIP(address);
  if (family === 0) throw new TransportError('ERR_TRANSPORT_BIND', `expected a numeric address to bind, got ${address}`);
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // Peers have numeric addresses. The usual look-up would cost every datagram a turn of the event loop.
    lookup: (host, _options, callback) => callback(null, host, family),
    ...(bufferSize === undefined ? {} : { recvBufferSize: bufferSize, sendBufferSize: bufferSize }),
  });
  await new Promise<void>((bound, failed) => {
    const fail = (error: Error): void =>
      failed(new TransportError('ERR_TRANSPORT_BIND', `cannot bind ${address} port ${port}: ${error.message}`, { cause: error }));
    socket.once('error', fail);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', fail);
      bound();
    });
  });
  return new UdpTransport(socket, family, new PeerTable(peers));
}

class UdpTransport implements DatagramTransport {
  readonly local: { readonly address: string; readonly port: number };
  readonly #socket: Socket;
  readonly #family: number;
  readonly #peers: PeerTable;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket, family: number, peers: PeerTable) {
    this.#socket = socket;
    this.#family = family;
    this.#peers = peers;
    const { address, port } = socket.address();
    this.local = { address, port };
    // An error of one datagram (an ICMP message that anyone can forge) must not end the socket: RFC 7252 §4.2.
    socket.on('error', () => {});
  }

  start(receive: (datagram: Uint8Array, peer: Peer) => void): void {
    this.#socket.on('message', (datagram, remote) => {
      // No socket has port 0: the source is forged, and an answer could not be sent.
      if (remote.port === 0) return;
      receive(new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.byteLength), this.#peers.get(remote.address, remote.port));
    });
  }

  send(datagram: Uint8Array, peer: Peer): void {
    if (this.#closing !== undefined) return;
    try {
      // Without a callback, an error of sending is dropped.
      this.#socket.send(datagram, peer.port, peer.address);
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
    this.#closing ??= new Promise((closed) => this.#socket.close(() => closed()));
    return this.#closing;
  }
}

/** The spelling of an IPv6 address that received datagrams carry; the zone stays. */
function normalised(address: string): string {
  const [bare, zone] = address.split('%', 2) as [string, string | undefined];
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}
