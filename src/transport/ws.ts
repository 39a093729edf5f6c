import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { type Peer, StreamPeer, type StreamTransport, type UriScheme, type Wire, type WireListener } from '../coap/index.ts';
import { Acceptor } from './acceptor.ts';
import { TransportError } from './errors.ts';
import { type Origin, originOf, resolveAddress } from './resolve.ts';
import { grace } from './socket-wire.ts';
import { defaultMaxMessageSize, type StreamOptions, type StreamServerOptions } from './tcp.ts';
import { clientContext, serverContext, type TlsClientOptions, type TlsServerOptions } from './tls.ts';
import { WebSocketWire } from './websocket-wire.ts';

/** RFC 8323, Sections 8.3 and 11.8. */
const endpointPath = '/.well-known/coap';
const subprotocol = 'coap';
/** Milliseconds for the opening handshake. */
const handshakeTimeout = 10_000;

/** Where WebSockets come in, and from which pages. */
export interface WebSocketServerOptions extends StreamServerOptions {
  /** Origins of web pages that may connect, such as `https://example.org`. Default: none, so that no page that a browser shows reaches a server on this machine. */
  readonly origins?: readonly string[];
}

/** CoAP over WebSockets, to connect with. */
export async function ws(options: StreamOptions = {}): Promise<StreamTransport> {
  return new WebSocketTransport('coap+ws', options, {});
}

/** CoAP over secure WebSockets, to connect with. The certificate of a server has to be for the host of the URI. */
export async function wss(options: StreamOptions & TlsClientOptions = {}): Promise<StreamTransport> {
  return new WebSocketTransport('coaps+ws', options, options);
}

/**
 * CoAP over WebSockets, listening when the promise is fulfilled.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-4
 */
export async function wsServer(options: WebSocketServerOptions = {}): Promise<StreamTransport> {
  const transport = new WebSocketTransport('coap+ws', options, {});
  await transport.listen(createServer(), options);
  return transport;
}

/**
 * CoAP over secure WebSockets, listening when the promise is fulfilled.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_TLS` when certificate and key are none
 */
export async function wssServer(options: WebSocketServerOptions & TlsServerOptions): Promise<StreamTransport> {
  const transport = new WebSocketTransport('coaps+ws', options, {});
  let server: Server;
  try {
    server = createSecureServer(serverContext(options));
  } catch (error) {
    throw new TransportError('ERR_TRANSPORT_TLS', `expected a certificate and its key, got what is none: ${(error as Error).message}`, { cause: error });
  }
  server.on('tlsClientError', (_error, socket: Duplex) => socket.destroy());
  await transport.listen(server, options);
  return transport;
}

class WebSocketTransport implements StreamTransport {
  readonly framing = 'frame';
  readonly scheme: UriScheme;
  readonly maxMessageSize: number;
  local: { readonly address: string; readonly port: number };
  readonly #origin: Origin;
  readonly #client: TlsClientOptions;
  readonly #wires: Set<WebSocketWire> = new Set();
  #acceptor: Acceptor | undefined;
  #accept: ((wire: Wire, peer: Peer) => WireListener) | undefined;
  #serial = 0;
  #closing: Promise<void> | undefined;

  constructor(scheme: UriScheme, options: StreamOptions, client: TlsClientOptions) {
    const { address = '127.0.0.1', maxMessageSize = defaultMaxMessageSize } = options;
    this.scheme = scheme;
    this.maxMessageSize = maxMessageSize;
    this.#client = client;
    this.#origin = originOf(address);
    this.local = { address, port: 0 };
  }

  async listen(server: Server, options: WebSocketServerOptions): Promise<void> {
    const sockets = new WebSocketServer({ noServer: true, maxPayload: this.maxMessageSize, perMessageDeflate: false, handleProtocols: () => subprotocol });
    server.headersTimeout = handshakeTimeout;
    server.requestTimeout = handshakeTimeout;
    server.on('request', (_request, response) => {
      response.writeHead(426, { Upgrade: 'websocket', Connection: 'close' });
      response.end();
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const refusal = this.#refusalOf(request, options.origins ?? []);
      if (refusal === undefined) sockets.handleUpgrade(request, socket, head, (opened) => this.#incoming(opened, request));
      else {
        socket.on('error', () => {});
        socket.end(`HTTP/1.1 ${refusal} ${STATUS_CODES[refusal]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      }
    });
    this.#acceptor = new Acceptor(server, options);
    this.local = await this.#acceptor.listen(this.local.address, options.port ?? 0);
  }

  #refusalOf(request: IncomingMessage, origins: readonly string[]): number | undefined {
    const { origin } = request.headers;
    if (request.url?.split('?')[0] !== endpointPath) return 404;
    if (origin !== undefined && !origins.includes(origin)) return 403;
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
    return offered.includes(subprotocol) ? undefined : 400;
  }

  #incoming(socket: WebSocket, request: IncomingMessage): void {
    const { remoteAddress: address, remotePort: port } = request.socket;
    if (address === undefined || port === undefined || this.#accept === undefined || this.#closing !== undefined) {
      socket.terminate();
      return;
    }
    const wire = new WebSocketWire(socket);
    this.#hold(wire, socket);
    const listener = this.#accept(wire, new StreamPeer({ scheme: this.scheme, address, port, serial: ++this.#serial }));
    wire.attach(listener);
    listener.opened();
  }

  #hold(wire: WebSocketWire, socket: WebSocket): void {
    this.#wires.add(wire);
    socket.once('close', () => this.#wires.delete(wire));
  }

  start(accept: (wire: Wire, peer: Peer) => WireListener): void {
    this.#accept = accept;
  }

  async resolve(host: string, port: number, scheme?: UriScheme): Promise<Peer> {
    const address = await resolveAddress(host, port, this.#origin.family, this.scheme, scheme);
    // The name stands in the Host header field, and in the certificate.
    return new StreamPeer({ scheme: this.scheme, address, port, host });
  }

  connect(peer: Peer, listener: WireListener): Wire {
    const { localAddress } = this.#origin;
    const { host = peer.address } = peer;
    const family = isIP(peer.address);
    const authority = `${host.includes(':') ? `[${host}]` : host}:${peer.port}`;
    const socket = new WebSocket(`${this.scheme === 'coaps+ws' ? 'wss' : 'ws'}://${authority}${endpointPath}`, [subprotocol], {
      maxPayload: this.maxMessageSize,
      perMessageDeflate: false,
      followRedirects: false,
      handshakeTimeout,
      // The name was looked up when the peer was resolved.
      lookup: (_host, { all }, callback) => (all === true ? callback(null, [{ address: peer.address, family }]) : callback(null, peer.address, family)),
      ...clientContext(this.#client),
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const wire = new WebSocketWire(socket);
    this.#hold(wire, socket);
    wire.attach(listener);
    socket.once('open', () => listener.opened());
    return wire;
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
