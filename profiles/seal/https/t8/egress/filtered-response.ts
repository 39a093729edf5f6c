import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { concatAll, utf8 } from '../../../../../src/core/bytes.ts';
import { problemType, withheld } from '../problem-details.ts';
import type { EgressFilter } from './egress-filter.ts';

/** What serves HTTP requests. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Bytes of the longest answer that is put together; longer ones do not leave. */
const longestAnswer = 1_048_576;

/**
 * Let an answer of this handler leave only as a whole and when the filter has looked at it; 500 goes in place of one that does not pass. What the handler writes piece by
 * piece is put together first, trailers and interim answers do not leave at all.
 */
export function filtered(filter: EgressFilter, handler: HttpHandler): HttpHandler {
  return (request, response) => {
    hold(filter, response);
    handler(request, response);
  };
}

type Chunk = string | Uint8Array;

function hold(filter: EgressFilter, response: ServerResponse): void {
  const { writeHead, end } = response;
  const parts: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  // It makes bytes of texts, whatever their encoding.
  const sink = new Writable({
    write: (part: Uint8Array, _encoding, done) => {
      length += part.length;
      if (length <= longestAnswer) parts.push(part.slice());
      else parts.length = 0;
      done();
    },
  });
  const take = (chunk: unknown, encoding?: unknown): void => {
    if (typeof chunk === 'string' && typeof encoding === 'string') sink.write(chunk, encoding as BufferEncoding);
    else if (typeof chunk === 'string' || chunk instanceof Uint8Array) sink.write(chunk);
  };
  const send = (status: number, headers: OutgoingHttpHeaders, body: Uint8Array): void => {
    if (response.destroyed) return;
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.statusMessage = '';
    writeHead.call(response, status, headers);
    end.call(response, body, 'utf8');
  };
  const block = (): void => {
    const body = utf8(JSON.stringify(withheld));
    send(500, { 'content-type': problemType, 'content-length': body.length, 'cache-control': 'no-store' }, body);
  };
  const release = async (): Promise<void> => {
    const body = concatAll(parts);
    const { 'transfer-encoding': _chunked, trailer: _trailer, ...headers } = response.getHeaders();
    const isEmpty = response.statusCode === 204 || response.statusCode === 304;
    const whole = isEmpty || headers['content-length'] !== undefined ? headers : { ...headers, 'content-length': body.length };
    const found =
      length > longestAnswer ? await filter.block('response', { part: 'body', rule: 'unreadable' }) : await filter.check('response', { headers: whole, body });
    if (found === undefined) send(response.statusCode, whole, body);
    else block();
  };
  Object.assign(response, {
    writeHead: (status: number, ...rest: readonly unknown[]): ServerResponse => {
      response.statusCode = status;
      const headers = rest.find((argument) => typeof argument === 'object' && argument !== null);
      for (const [name, value] of headerEntries(headers)) response.setHeader(name, value);
      return response;
    },
    write: (chunk: Chunk, ...rest: readonly unknown[]): boolean => {
      take(chunk, rest[0]);
      called(rest);
      return true;
    },
    end: (...given: readonly unknown[]): ServerResponse => {
      if (ended) return response;
      ended = true;
      take(given[0], given[1]);
      const done = given.find((argument) => typeof argument === 'function') as (() => void) | undefined;
      if (done !== undefined) response.once('finish', done);
      release().catch(block);
      return response;
    },
    flushHeaders: () => undefined,
    addTrailers: () => undefined,
    writeProcessing: () => undefined,
    writeEarlyHints: (_hints: unknown, done?: () => void) => done?.(),
  });
}

/** The forms that writeHead takes: an object, a list of pairs, or a flat list. */
function headerEntries(headers: unknown): readonly (readonly [string, string | number | readonly string[]])[] {
  if (headers === undefined) return [];
  if (!Array.isArray(headers)) return Object.entries(headers as Record<string, string>).filter(([, value]) => value !== undefined);
  if (Array.isArray(headers[0])) return headers as [string, string][];
  return Array.from({ length: headers.length / 2 }, (_, index) => [String(headers[2 * index]), headers[2 * index + 1] as string]);
}

function called(rest: readonly unknown[]): void {
  const done = rest.find((argument) => typeof argument === 'function') as (() => void) | undefined;
  if (done !== undefined) queueMicrotask(done);
}
