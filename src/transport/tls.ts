import { constants } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Peer, StreamTransport, WireListener } from '../coap/index.ts';
import { TransportError } from './errors.ts';
import { type StreamOptions, type StreamServerOptions, TcpTransport } from './tcp.ts';

/** PEM text, or its bytes. */
export type Pem = string | Uint8Array;

/** How a client knows the server, and shows itself. */
export interface TlsClientOptions {
  /** Certificates to trust. Default: those of Node. */
  readonly ca?: Pem | readonly Pem[];
  /** Certificate (chain) and key that are shown to servers which ask. */
  readonly cert?: Pem;
  readonly key?: Pem;
}

/** What a TLS server shows, and whom it takes. */
export interface TlsServerOptions {
  /** Certificate chain of the server. */
  readonly cert: Pem;
  readonly key: Pem;
  /** With it, clients must show a certificate that one of these has signed. */
  readonly clientCa?: Pem | readonly Pem[];
}

/** RFC 8323, Section 8.2: only on this port may peers do without ALPN. */
const portWithoutAlpn = 5684;
export const alpnProtocol = 'coap';
/** Milliseconds for the TLS handshake of a connection that came in. */
const handshakeTimeout = 10_000;

export const bytesOf = (pem: Pem | readonly Pem[]): string | Buffer | (string | Buffer)[] =>
  typeof pem === 'string' ? pem : pem instanceof Uint8Array ? Buffer.from(pem) : pem.map((one) => bytesOf(one) as string | Buffer);

/** The options of a TLS connection as Node takes them. Certificates and names are always verified. */
export function clientContext(options: TlsClientOptions): { ca?: string; cert?: string; key?: string } {
  const context: Record<string, unknown> = {};
  for (const name of ['ca', 'cert', 'key'] as const) if (options[name] !== undefined) context[name] = bytesOf(options[name]);
  return context;
}

export function serverContext(options: TlsServerOptions): object {
  const { cert, key, clientCa } = options;
  return {
    cert: bytesOf(cert),
    key: bytesOf(key),
    handshakeTimeout,
    // A session that is taken up has its certificate from before, which may have ended since.
    ...(clientCa === undefined ? {} : { ca: bytesOf(clientCa), requestCert: true, rejectUnauthorized: true, secureOptions: constants.SSL_OP_NO_TICKET }),
  };
}

/**
 * CoAP over TLS, to connect with. The certificate of a server has to be for the host of the URI.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-9.1
 */
export async function tls(options: StreamOptions & TlsClientOptions = {}): Promise<StreamTransport> {
  return new TlsTransport(options, options);
}

/**
 * CoAP over TLS, listening when the promise is fulfilled.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_TLS` when certificate and key are none
 */
export async function tlsServer(options: StreamServerOptions & TlsServerOptions): Promise<StreamTransport> {
  const { port = 0 } = options;
  const transport = new TlsTransport(options, {});
  const server = tlsListener(options, (socket) => {
    // Who negotiates nothing may have taken this for another service.
    if (socket.alpnProtocol === alpnProtocol || port === portWithoutAlpn) server.emit('ready', socket);
    else socket.destroy();
  });
  await transport.listen(server, 'ready', options);
  return transport;
}

function tlsListener(options: TlsServerOptions, ready: (socket: TLSSocket) => void): ReturnType<typeof createServer> {
  try {
    const server = createServer({ ...serverContext(options), ALPNProtocols: [alpnProtocol] }, ready);
    // A handshake that fails concerns nobody else; Node has closed the socket.
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  } catch (error) {
    throw new TransportError('ERR_TRANSPORT_TLS', `expected a certificate and its key, got what is none: ${(error as Error).message}`, { cause: error });
  }
}

class TlsTransport extends TcpTransport {
  readonly #client: TlsClientOptions;

  constructor(options: StreamOptions, client: TlsClientOptions) {
    super(options, 'coaps+tcp');
    this.#client = client;
  }

  /** The name is what the certificate is checked for. */
  protected override named(host: string): { readonly host?: string } {
    return { host };
  }

  protected override dial(peer: Peer): Socket {
    const { localAddress } = this.origin;
    const { host = peer.address } = peer;
    return connect({
      host: peer.address,
      port: peer.port,
      // RFC 6066 §3: no addresses in the name that is indicated. Without it the certificate is checked for the address.
      servername: isIP(host) === 0 ? host : '',
      ALPNProtocols: [alpnProtocol],
      ...clientContext(this.#client),
      ...(localAddress === undefined ? {} : { localAddress }),
    });
  }

  protected override ready(socket: Socket, peer: Peer, opened: WireListener['opened']): void {
    socket.once('secureConnect', () => {
      const { alpnProtocol: chosen } = socket as TLSSocket;
      if (chosen === alpnProtocol || (chosen === false && peer.port === portWithoutAlpn)) opened();
      else socket.destroy(new TransportError('ERR_TRANSPORT_ALPN', `expected the server to choose the protocol ${alpnProtocol}, got ${chosen || 'none'}`));
    });
  }
}
