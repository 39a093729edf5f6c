import { createServer } from 'node:http';
import { boundsWith } from '../../core/bounds.ts';
import { badOption } from '../errors.ts';
import { type HttpBounds, type HttpHandler, HttpIntake, type HttpObserver, type HttpServer, httpBounds, serverOptions } from './http-intake.ts';

/** Where an HTTP server listens, and within which bounds. */
export interface HttpServerOptions extends HttpObserver {
  readonly address?: string;
  /** 0 when absent: any that is free. */
  readonly port?: number;
  /** What others than `httpBounds` has. */
  readonly bounds?: Partial<HttpBounds>;
}

/**
 * Serve plain HTTP, for clients of this machine: whoever wants it elsewhere takes `serveHttps`.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_OPTION`
 */
export async function serveHttp({ address = '127.0.0.1', port = 0, bounds = {}, ...observer }: HttpServerOptions, handler: HttpHandler): Promise<HttpServer> {
  const all = boundsWith(httpBounds, bounds, badOption);
  const intake = new HttpIntake(createServer(serverOptions(all)), all, observer, handler);
  const bound = await intake.listen('http', address, port);
  return {
    address: bound.address,
    port: bound.port,
    stats: () => intake.stats(),
    fault: () => (intake.isListening ? undefined : 'it does not listen'),
    drain: (patience) => intake.drain(patience),
    close: (patience) => intake.close(patience),
  };
}
