import type { IncomingMessage, ServerResponse } from 'node:http';
import { fromUtf8 } from '../../../core/bytes.ts';
import { crlsOfPem } from '../../../core/pem.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Where a SIM-S has the list of revoked certificates of its lab. */
export const crlPath = '/ca.crl';

/** Serve a list of revoked certificates beside what a handler serves (RFC 5280, Section 4.2.1.13; RFC 2585, Section 4.2). */
export function withCrl(current: () => Uint8Array | undefined, handler: Handler): Handler {
  return (request, response) => {
    const pem = current();
    const der = pem === undefined || request.url !== crlPath ? undefined : crlsOfPem(fromUtf8(pem))[0];
    if (der === undefined) {
      handler(request, response);
      return;
    }
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (isRead) response.writeHead(200, { 'content-type': 'application/pkix-crl', 'content-length': der.length, 'cache-control': 'no-cache' });
    else response.writeHead(405, { allow: 'GET, HEAD', 'content-length': 0 });
    response.end(request.method === 'GET' ? der : undefined);
  };
}
