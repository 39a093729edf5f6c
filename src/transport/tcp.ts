import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Peer, type SecurityAssociation, StreamPeer, type StreamTransport, type UriScheme, type Wire, type WireListener } from '../coap/index.ts';
import { Acceptor, type AcceptorLimits } from './acceptor.ts';
import { type Origin, originOf, resolveAddress } from './resolve.ts';
import { grace, SocketWire } from './socket-wire.ts';

/** What connections over all stream transports have in common. */
export interface StreamOptions {
  /** The numeric address that connections leave from, and that a server binds. Default `127.0.0.1`, which reaches loopback only; `0.0.0.0` or `::` for all. */
  readonly address?: string;
  /** The largest message that is taken, in bytes with its header. Default 16,896: BERT blocks of 16 KiB and room for header and options. */
  readonly maxMessageSize?: number;
}

/** Where connections come in, and how many. */
export interface StreamServerOptions extends StreamOptions, AcceptorLimits {
  /** Default 0: any free port. */
  readonly port?: number;
}

/** Where a connection came from, and what protects it, if the transport knows whose it is. */
export interface Accepted {
  readonly address: string;
  readonly port: number;
  readonly association?: SecurityAssociation;
}

export const defaultMaxMessageSize: number = 16 * 1024 + 512;

/** CoAP over TCP, to connect with: one connection for each peer, opened when it is needed. */
export async function tcp(options: StreamOptions = {}): Promise<StreamTransport> {
  return new TcpTransport(options);
}

/**
 * CoAP over TCP, listening when the promise is fulfilled. It connects too.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 */
export async function tcpServer(options: StreamServerOptions = {}): Promise<StreamTransport> {
  const transport = new TcpTransport(options);
  await transport.listen(createServer(), 'connection', options);
  return transport;
}

/** Sockets that carry messages with a length in front: TCP, and what TLS makes of it. */
export class TcpTransport implements StreamTransport {
  readonly framing = 'length';
  readonly scheme: UriScheme;
  readonly maxMessageSize: number;
  local: { readonly address: string; readonly port: number };
  protected readonly origin: Origin;
  readonly #wires: Set<SocketWire> = new Set();
  #acceptor: Acceptor | undefined;
  #accept: ((wire: Wire, peer: Peer) => WireListener) | undefined;
  #serial = 0;
  #closing: Promise<void> | undefined;

  constructor(options: StreamOptions, scheme: UriScheme = 'coap+tcp') {
    const { address = '127.0.0.1', maxMessageSize = defaultMaxMessageSize } = options;
    this.scheme = scheme;
    this.maxMessageSize = maxMessageSize;
    this.origin = originOf(address);
    this.local = { address, port: 0 };
  }

  /** `event`: what the server emits when a socket is ready for messages. */
  async listen(server: Server, event: string, options: StreamServerOptions): Promise<void> {
    server.on(event, (socket: Socket) => this.#incoming(socket));
    this.#acceptor = new Acceptor(server, options);
    this.local = await this.#acceptor.listen(this.local.address, options.port ?? 0);
  }

  start(accept: (wire: Wire, peer: Peer) => WireListener): void {
    this.#accept = accept;
  }

  async resolve(host: string, port: number, scheme?: UriScheme): Promise<Peer> {
    const address = await resolveAddress(host, port, this.origin.family, this.scheme, scheme);
    return new StreamPeer({ scheme: this.scheme, address, port, ...this.named(host) });
  }

  /** What a peer keeps of the host it was asked for by: nothing here, where an address is all that counts. */
  protected named(_host: string): { readonly host?: string } {
    return {};
  }

  connect(peer: Peer, listener: WireListener): Wire {
    const socket = this.dial(peer);
    const wire = this.#hold(socket, listener);
    this.ready(socket, peer, () => listener.opened());
    return wire;
  }

  protected dial(peer: Peer): Socket {
    const { localAddress } = this.origin;
    return connect({ host: peer.address, port: peer.port, ...(localAddress === undefined ? {} : { localAddress }) });
  }

  /** Call `opened` once a socket that was dialled can carry messages. */
  protected ready(socket: Socket, _peer: Peer, opened: () => void): void {
    socket.once('connect', opened);
  }

  /** `undefined`: it has ended before it was asked. */
  protected peerOf({ remoteAddress: address, remotePort: port }: Socket): Accepted | undefined {
    return address === undefined || port === undefined ? undefined : { address, port };
  }

  #hold(socket: Socket, listener: WireListener): SocketWire {
    const wire = new SocketWire(socket);
    this.#wires.add(wire);
    socket.once('close', () => this.#wires.delete(wire));
    wire.attach(listener);
    return wire;
  }

  #incoming(socket: Socket): void {
    const at = this.peerOf(socket);
    if (at === undefined || socket.destroyed || this.#accept === undefined || this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const wire = new SocketWire(socket);
    const listener = this.#accept(wire, new StreamPeer({ scheme: this.scheme, ...at, serial: ++this.#serial }));
    wire.attach(listener);
    listener.opened();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const wire of this.#wires) wire.end();
    await this.#acceptor?.close(grace);
  }
}
