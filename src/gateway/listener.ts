import {
  type HttpHandler,
  type HttpServer,
  type HttpServerOptions,
  type HttpsCredentials,
  type HttpsServerOptions,
  serveHttp,
  serveHttps,
} from '../transport/index.ts';

/** Where a gateway listens. */
export interface GatewayListenOptions extends HttpServerOptions {
  /** Serve HTTPS. Absent: plain HTTP. */
  readonly tls?: Pick<HttpsServerOptions, 'cert' | 'key' | 'clientCa' | 'clientCertificate' | 'crl' | 'refused'>;
}

/** A listener of a gateway. */
export interface GatewayListener extends HttpServer {
  readonly scheme: 'http' | 'https';
  /** As that of `HttpsServer`; absent: it serves plain HTTP. */
  renew?(credentials: HttpsCredentials): void;
}

/** @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_TLS` */
export async function listen({ tls, ...options }: GatewayListenOptions, handler: HttpHandler): Promise<GatewayListener> {
  return tls === undefined
    ? { scheme: 'http', ...(await serveHttp(options, handler)) }
    : { scheme: 'https', ...(await serveHttps({ ...options, ...tls }, handler)) };
}
