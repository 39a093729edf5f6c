import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HttpsServerOptions, serveHttps, TransportError } from '../transport/index.ts';

/** Where a gateway listens. */
export interface GatewayListenOptions {
  readonly address?: string;
  /** 0 when absent: any that is free. */
  readonly port?: number;
  /** Connections at once; 1024 when absent. */
  readonly connections?: number;
  /** Serve HTTPS. Absent: plain HTTP. */
  readonly tls?: Pick<HttpsServerOptions, 'cert' | 'key' | 'clientCa' | 'clientCertificate' | 'crl'>;
}

/** A listener of a gateway. */
export interface GatewayListener {
  readonly scheme: 'http' | 'https';
  readonly address: string;
  readonly port: number;
  /** Take no more connections and wait for requests under way, for at most so many milliseconds. */
  close(patience?: number): Promise<void>;
}

type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Milliseconds. */
const headersTimeout = 10_000;
const requestTimeout = 30_000;
const keepAliveTimeout = 15_000;

/** @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_TLS` */
export async function listen(
  { address = '127.0.0.1', port = 0, connections = 1024, tls }: GatewayListenOptions,
  handler: HttpHandler,
): Promise<GatewayListener> {
  if (tls !== undefined) {
    const { close, ...at } = await serveHttps({ ...tls, address, port, connections }, handler);
    return { scheme: 'https', address: at.address, port: at.port, close };
  }
  const server = createServer({ headersTimeout, requestTimeout, keepAliveTimeout }, handler);
  server.maxConnections = connections;
  // RFC 7252 §10.2.7: there is nothing to tunnel to.
  server.on('connect', (_request, socket) => socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'));
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    else socket.destroy();
  });
  try {
    server.listen(port, address);
    await once(server, 'listening');
  } catch (cause) {
    throw new TransportError('ERR_TRANSPORT_BIND', `cannot listen on http://${address}:${port}: ${(cause as Error).message}`, { cause });
  }
  const bound = server.address() as AddressInfo;
  return { scheme: 'http', address: bound.address, port: bound.port, close: (patience = 0) => closeServer(server, patience) };
}

async function closeServer(server: Server, patience: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), patience);
  await closed;
  clearTimeout(timer);
}
