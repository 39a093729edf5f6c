import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { TransportError } from '../errors.ts';
import { bytesOf, type Pem } from '../tls.ts';
import { tlsSettings } from './tls-settings.ts';

/** Where an HTTPS server listens, what it shows, and whom it takes. */
export interface HttpsServerOptions {
  readonly address?: string;
  /** 0 when absent: any that is free. */
  readonly port?: number;
  /** Certificate chain of the server. */
  readonly cert: Pem;
  readonly key: Pem;
  /** What certificates of clients have to be signed by. Absent: clients are not asked for any. */
  readonly clientCa?: Pem | readonly Pem[];
  /** `required` when absent: a client without a certificate, or with one that does not hold, gets an alert. `wanted`: the handler looks at `authorized`. */
  readonly clientCertificate?: 'required' | 'wanted';
  /** Lists of revoked certificates, in PEM. */
  readonly crl?: Pem | readonly Pem[];
  /** Connections at once; 1024 when absent. */
  readonly connections?: number;
  /** A handshake has failed: where it came from, and what OpenSSL says of it. */
  readonly refused?: (from: string, reason: string) => void;
}

/** A server that listens. */
export interface HttpsServer {
  readonly address: string;
  readonly port: number;
  /** Show another certificate from the next connection on. */
  renew(options: Pick<HttpsServerOptions, 'cert' | 'key' | 'clientCa' | 'crl'>): void;
  /** Take no more connections and wait for requests under way, for at most so many milliseconds. */
  close(patience?: number): Promise<void>;
}

/**
 * Where a certificate does not hold, Node closes the connection without a word: the error is that of a connection which ended, and what was wrong stands in
 * `authorizationError`. `_parent` is the socket below.
 */
interface RefusedSocket extends Omit<TLSSocket, 'authorizationError'> {
  readonly authorizationError?: string;
  readonly _parent?: Socket;
}

/** Milliseconds. */
const handshakeTimeout = 10_000;
const headersTimeout = 10_000;
const requestTimeout = 30_000;
const keepAliveTimeout = 15_000;

/**
 * Serve HTTPS with the TLS settings of TS 33.210.
 *
 * @throws {TransportError} `ERR_TRANSPORT_TLS` when certificate and key are none, `ERR_TRANSPORT_BIND`
 */
export async function serveHttps(options: HttpsServerOptions, handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<HttpsServer> {
  const server = made(options, handler);
  server.maxConnections = options.connections ?? 1024;
  // A socket that is closed knows its peer only if it was asked before.
  server.on('connection', (socket) => void (socket as Socket).remoteAddress);
  server.on('tlsClientError', (error: Error & { readonly code?: string }, socket: RefusedSocket) => {
    options.refused?.(socket.remoteAddress ?? socket._parent?.remoteAddress ?? 'unknown', socket.authorizationError ?? error.code ?? error.message);
    socket.destroy();
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const { address = '127.0.0.1', port = 0 } = options;
  try {
    server.listen(port, address);
    await once(server, 'listening');
  } catch (cause) {
    throw new TransportError('ERR_TRANSPORT_BIND', `cannot listen on https://${address}:${port}: ${(cause as Error).message}`, { cause });
  }
  const bound = server.address() as AddressInfo;
  return {
    address: bound.address,
    port: bound.port,
    renew: (next) => server.setSecureContext({ ...tlsSettings, ...contextOf(next) }),
    close: async (patience = 0) => {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), patience);
      await closed;
      clearTimeout(timer);
    },
  };
}

function made(options: HttpsServerOptions, handler: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const asks = options.clientCa !== undefined;
  try {
    return createServer(
      {
        ...tlsSettings,
        ...contextOf(options),
        requestCert: asks,
        rejectUnauthorized: asks && options.clientCertificate !== 'wanted',
        handshakeTimeout,
        headersTimeout,
        requestTimeout,
        keepAliveTimeout,
      },
      handler,
    );
  } catch (error) {
    throw new TransportError('ERR_TRANSPORT_TLS', `expected a certificate and its key, got what is none: ${(error as Error).message}`, { cause: error });
  }
}

function contextOf({ cert, key, clientCa, crl }: Pick<HttpsServerOptions, 'cert' | 'key' | 'clientCa' | 'crl'>): object {
  return {
    cert: bytesOf(cert),
    key: bytesOf(key),
    ...(clientCa === undefined ? {} : { ca: bytesOf(clientCa) }),
    ...(crl === undefined ? {} : { crl: bytesOf(crl) }),
  };
}
