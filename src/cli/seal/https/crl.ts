import type { IncomingMessage, ServerResponse } from 'node:http';
import { fromUtf8 } from '../../../core/bytes.ts';
import { crlsOfPem } from '../../../core/pem.ts';
import type { SealHttpsAsConfig } from '../../../operate/index.ts';
import { type HttpServer, serveHttp } from '../../../transport/index.ts';

/** Where a SIM-S has the list of revoked certificates of its lab. */
export const crlPath = '/ca.crl';

/**
 * Serve a list of revoked certificates (RFC 2585, Section 4.2). It is signed and for everybody, and over HTTP, since who wants to know whether a certificate holds
 * cannot need another for that (RFC 5280, Section 8).
 *
 * @param current - the list of now, in PEM
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 */
export function serveCrl(listen: NonNullable<SealHttpsAsConfig['crl']>['listen'], current: () => Uint8Array): Promise<HttpServer> {
  return serveHttp(listen, (request, response) => answer(request, response, current()));
}

function answer({ method, url }: IncomingMessage, response: ServerResponse, pem: Uint8Array): void {
  if (url !== crlPath) response.writeHead(404, { 'content-length': 0 }).end();
  else if (method !== 'GET' && method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD', 'content-length': 0 }).end();
  else {
    const der = crlsOfPem(fromUtf8(pem))[0]!;
    response.writeHead(200, { 'content-type': 'application/pkix-crl', 'content-length': der.length, 'cache-control': 'no-cache' });
    response.end(method === 'GET' ? der : undefined);
  }
}
