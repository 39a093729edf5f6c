import { constants, X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type TLSSocket } from 'node:tls';
import { boundsWith } from '../../core/bounds.ts';
import { badOption, TransportError } from '../errors.ts';
import { bytesOf, type Pem } from '../tls.ts';
import { type HttpBounds, type HttpHandler, HttpIntake, type HttpServer, httpBounds, serverOptions } from './http-intake.ts';
import type { HttpServerOptions } from './http-server.ts';
import { tlsSettings } from './tls-settings.ts';

/** Where an HTTPS server listens, what it shows, and whom it takes. */
export interface HttpsServerOptions extends HttpServerOptions {
  /** Certificate chain of the server. */
  readonly cert: Pem;
  readonly key: Pem;
  /** What certificates of clients have to be signed by. Absent: clients are not asked for any. */
  readonly clientCa?: Pem | readonly Pem[];
  /** `required` when absent: a client without a certificate, or with one that does not hold, gets an alert. `wanted`: the handler looks at `authorized`. */
  readonly clientCertificate?: 'required' | 'wanted';
  /** Lists of revoked certificates, in PEM. */
  readonly crl?: Pem | readonly Pem[];
  /** A handshake has failed: where it came from, and what OpenSSL says of it. */
  readonly refused?: (from: string, reason: string) => void;
}

/** What an HTTPS server shows, and whom it takes by their certificates. */
export type HttpsCredentials = Pick<HttpsServerOptions, 'cert' | 'key' | 'clientCa' | 'crl'>;

/** A server that listens. */
export interface HttpsServer extends HttpServer {
  /**
   * Show another certificate from the next connection on; those that there are go on.
   *
   * @throws {TransportError} `ERR_TRANSPORT_TLS` when certificate and key are none, and then all is as it was
   */
  renew(credentials: HttpsCredentials): void;
}

/**
 * Where a certificate does not hold, Node closes the connection without a word: the error is that of a connection which ended, and what was wrong stands in
 * `authorizationError`. `_parent` is the socket below.
 */
interface RefusedSocket extends Omit<TLSSocket, 'authorizationError'> {
  readonly authorizationError?: string;
  readonly _parent?: Socket;
}

/**
 * Serve HTTPS with the TLS settings of TS 33.210.
 *
 * @throws {TransportError} `ERR_TRANSPORT_TLS` when certificate and key are none, `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_OPTION`
 */
export async function serveHttps(options: HttpsServerOptions, handler: HttpHandler): Promise<HttpsServer> {
  const { address = '127.0.0.1', port = 0, bounds = {} } = options;
  const all = boundsWith(httpBounds, bounds, badOption);
  checkCredentials(options);
  let ends = endOf(options);
  const server = made(options, all);
  const intake = new HttpIntake(server, all, options, handler);
  server.on('tlsClientError', (error: Error & { readonly code?: string }, socket: RefusedSocket) => {
    options.refused?.(socket.remoteAddress ?? socket._parent?.remoteAddress ?? 'unknown', socket.authorizationError ?? error.code ?? error.message);
    socket.destroy();
  });
  const bound = await intake.listen('https', address, port);
  return {
    address: bound.address,
    port: bound.port,
    renew: (next) => {
      checkCredentials(next);
      server.setSecureContext({ ...tlsSettings, ...contextOf(next) });
      ends = endOf(next);
    },
    stats: () => intake.stats(),
    fault: (epoch) => (intake.isListening ? (epoch > ends ? 'its certificate has ended' : undefined) : 'it does not listen'),
    drain: (patience) => intake.drain(patience),
    close: (patience) => intake.close(patience),
  };
}

/**
 * Whether a server could show these.
 *
 * @throws {TransportError} `ERR_TRANSPORT_TLS`
 */
export function checkCredentials(credentials: HttpsCredentials): void {
  try {
    createSecureContext({ ...tlsSettings, ...contextOf(credentials) });
  } catch (cause) {
    throw new TransportError('ERR_TRANSPORT_TLS', `expected a certificate and its key, got what is none: ${(cause as Error).message}`, { cause });
  }
}

/** Seconds since 1970, from which on nobody takes the certificate any more. */
function endOf({ cert }: HttpsCredentials): number {
  return Date.parse(new X509Certificate(bytesOf(cert) as string | Buffer).validTo) / 1000;
}

function made(options: HttpsServerOptions, bounds: HttpBounds): Server {
  const asks = options.clientCa !== undefined;
  return createServer({
    ...tlsSettings,
    ...contextOf(options),
    requestCert: asks,
    rejectUnauthorized: asks && options.clientCertificate !== 'wanted',
    handshakeTimeout: bounds.handshakeTimeout,
    ...serverOptions(bounds),
  });
}

function contextOf({ cert, key, clientCa, crl }: HttpsCredentials): object {
  return {
    cert: bytesOf(cert),
    key: bytesOf(key),
    // A session that is taken up has its certificate from before, which may have ended since.
    ...(clientCa === undefined ? {} : { ca: bytesOf(clientCa), secureOptions: tlsSettings.secureOptions! | constants.SSL_OP_NO_TICKET }),
    ...(crl === undefined ? {} : { crl: bytesOf(crl) }),
  };
}
