import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemEnv } from '../../../core/env.ts';
import { crlsOfPem } from '../../../core/pem.ts';
import type { SealHttpsAsConfig } from '../../../operate/index.ts';
import { type HttpServer, serveHttp } from '../../../transport/index.ts';

/** Where a SIM-S has the list of revoked certificates of its lab. */
export const crlPath = '/ca.crl';

/**
 * The list of a file in PEM, in DER.
 *
 * @throws {PkiError} `ERR_PKI_CRL` for what is none: whoever asks for it would be told so
 */
export async function crlOf(pem: Uint8Array): Promise<Uint8Array> {
  const text = Buffer.from(pem).toString('latin1');
  // With it come libraries that nobody else needs.
  const { RevocationLists } = await import('../../../pki/index.ts');
  void new RevocationLists(text, systemEnv);
  return crlsOfPem(text)[0]!;
}

/**
 * Serve a list of revoked certificates (RFC 2585, Section 4.2). It is signed and for everybody, and over HTTP, since who wants to know whether a certificate holds
 * cannot need another for that (RFC 5280, Section 8).
 *
 * @param current - the list of now, in DER
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 */
export function serveCrl(listen: NonNullable<SealHttpsAsConfig['crl']>['listen'], current: () => Uint8Array): Promise<HttpServer> {
  return serveHttp(listen, (request, response) => answer(request, response, current()));
}

function answer({ method, url }: IncomingMessage, response: ServerResponse, der: Uint8Array): void {
  if (url !== crlPath) response.writeHead(404, { 'content-length': 0 }).end();
  else if (method !== 'GET' && method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD', 'content-length': 0 }).end();
  else {
    response.writeHead(200, { 'content-type': 'application/pkix-crl', 'content-length': der.length, 'cache-control': 'no-cache' });
    response.end(method === 'GET' ? der : undefined);
  }
}
