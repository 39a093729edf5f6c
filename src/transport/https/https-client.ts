import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { concatAll } from '../../core/bytes.ts';
import { TransportError } from '../errors.ts';
import { clientContext, type TlsClientOptions } from '../tls.ts';
import { tlsSettings } from './tls-settings.ts';

/** A request over HTTPS, and how its two ends know each other. */
export interface HttpsRequestInit extends TlsClientOptions {
  /** GET when absent. */
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array | string;
  /** Milliseconds until the whole answer is there; 10,000 when absent. */
  readonly timeout?: number;
  /** Bytes of the longest body that is read; 65,536 when absent. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** How the name of the host becomes an address; as the system does it when absent. */
  readonly lookup?: LookupFunction;
}

/** An answer over HTTPS, whatever its status. Redirects are not followed. */
export interface HttpsResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/**
 * Send a request with the TLS settings of TS 33.210. The certificate of the server is verified for the host of the URI.
 *
 * @throws {TransportError} `ERR_TRANSPORT_HTTPS`: no answer, or one that is too long or too late; no URI of https
 */
export async function fetchHttps(uri: string, init: HttpsRequestInit = {}): Promise<HttpsResponse> {
  const { method = 'GET', headers, body, timeout = 10_000, limit = 65_536, signal, lookup } = init;
  const origin = originOf(uri);
  return new Promise((resolve, reject) => {
    const failed = (what: string, cause?: unknown): void =>
      reject(new TransportError('ERR_TRANSPORT_HTTPS', `${origin}: ${what}`, cause === undefined ? {} : { cause }));
    const deadline = AbortSignal.timeout(timeout);
    const outgoing = request(
      uri,
      {
        ...tlsSettings,
        ...clientContext(init),
        method,
        agent: false,
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
        ...(headers === undefined ? {} : { headers }),
        ...(lookup === undefined ? {} : { lookup }),
      },
      (incoming) => {
        const parts: Uint8Array[] = [];
        let length = 0;
        incoming.on('data', (part: Uint8Array) => {
          length += part.length;
          parts.push(part);
          if (length > limit) incoming.destroy(new Error(`expected a body of at most ${limit} bytes, got more`));
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode!, headers: incoming.headers, body: concatAll(parts) }));
        incoming.on('error', (cause) => failed(cause.message, cause));
      },
    );
    outgoing.on('error', (cause) => failed(deadline.aborted ? `expected an answer within ${timeout} ms, got none` : cause.message, cause));
    outgoing.end(body);
  });
}

function originOf(uri: string): string {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url?.protocol !== 'https:')
    throw new TransportError('ERR_TRANSPORT_HTTPS', `expected a URI of https, got ${url === undefined ? 'none' : url.protocol.slice(0, -1)}`);
  return url.origin;
}
