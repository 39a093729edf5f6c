import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ProtocolError } from '../../core/errors.ts';

/** The port for metrics cannot be had. Code: `ERR_METRICS_BIND`. */
export class MetricsError extends ProtocolError {}

/** Where metrics are served, and what is served. */
export interface MetricsServerOptions {
  readonly address: string;
  readonly port: number;
  /** The text of all metrics, and its media type. */
  readonly scrape: () => Promise<{ readonly text: string; readonly type: string }>;
  /** `undefined`: well; else why not. */
  readonly health: () => Promise<string | undefined>;
}

/** The address that was bound. */
export interface MetricsServer {
  readonly address: string;
  readonly port: number;
  /** Take no more requests, and let go of the port. */
  close(): Promise<void>;
}

/**
 * Serve `/metrics` and `/healthz` over HTTP: 200, or for health 503 with the reason.
 *
 * @throws {MetricsError} `ERR_METRICS_BIND`
 */
export async function serveMetrics({ address, port, scrape, health }: MetricsServerOptions): Promise<MetricsServer> {
  const answers: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
    '/metrics': async (response) => {
      const { text, type } = await scrape();
      answer(response, 200, text, type);
    },
    '/healthz': async (response) => {
      const reason = await health();
      answer(response, reason === undefined ? 200 : 503, `${reason ?? 'ok'}\n`);
    },
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    const path = (request.url ?? '').replace(/\?.*$/, '');
    const own = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (own === undefined) answer(response, 404, 'expected /metrics or /healthz\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'expected GET\n');
    else await own(response);
  };
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000 }, (request, response) => {
    handle(request, response).catch(() => answer(response, 500, 'a fault of this server\n'));
  });
  server.maxConnections = 32;
  try {
    server.listen(port, address);
    await once(server, 'listening');
  } catch (cause) {
    throw new MetricsError('ERR_METRICS_BIND', `metrics: cannot listen on ${address}:${port}: ${(cause as Error).message}`, { cause });
  }
  const bound = server.address() as AddressInfo;
  return {
    address: bound.address,
    port: bound.port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(text);
}
