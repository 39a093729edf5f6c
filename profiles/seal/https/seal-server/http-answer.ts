import { utf8 } from '../../../../src/core/bytes.ts';

/** An answer over HTTPS. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** Why a request is not served. */
export interface HttpRefusal {
  readonly status: number;
  /** A stable name, for programs, logs and tests. */
  readonly reason: string;
  /** For people; it holds nothing that the peer must not read. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that is not served, thrown where it is found out. */
export class HttpRefused extends Error {
  readonly refusal: HttpRefusal;

  constructor(refusal: HttpRefusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** Status codes of refusals, by the names of the HTTP Status Code Registry as of 2026-11. */
const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** What an answer to a bearer says is for nobody else (RFC 6750, Section 5.3; RFC 9111, Section 5.2.2.5). */
export const notStored: Readonly<Record<string, string>> = { 'cache-control': 'no-store' };

/** ProblemDetails of TS 29.122, Section 5.2.1.2.12 (RFC 9457). */
export function problemAnswer({ status, reason, detail, headers }: HttpRefusal): HttpAnswer {
  const problem = { title: titles[status] ?? 'Error', status, detail, cause: reason };
  return { status, headers: { ...notStored, ...headers, 'content-type': 'application/problem+json' }, body: utf8(JSON.stringify(problem)) };
}
