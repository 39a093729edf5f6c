import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { concatAll, toKey, utf8 } from '../../../src/core/bytes.ts';

/** An answer, whole. */
export interface HttpMessage {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
}

/** Bytes of the longest answer that is put together. */
const longestAnswer = 1_048_576;
/** Up to so many bytes a body is copied rather than sent apart from its head. */
const shortBody = 8192;
/** What only an answer in pieces has. */
const ofPieces = ['transfer-encoding', 'trailer'] as const;

/**
 * Let an answer leave only as a whole, and when it was judged: what the judge gives goes out. What is written piece by piece is put together first; trailers and
 * interim answers do not leave at all.
 *
 * @param judge - `undefined` stands for an answer that is longer than 1 MiB. Where it rejects, the connection ends without an answer
 */
export function holdResponse(response: ServerResponse, judge: (message: HttpMessage | undefined) => Promise<HttpMessage>): void {
  const { writeHead, end } = response;
  const parts: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  const keep = (part: Uint8Array): void => {
    length += part.length;
    if (length <= longestAnswer) parts.push(part);
    else parts.length = 0;
  };
  const take = (chunk: unknown, encoding?: unknown): void => {
    if (chunk instanceof Uint8Array) keep(chunk.slice());
    else if (typeof chunk !== 'string') return;
    else if (typeof encoding !== 'string' || /^utf-?8$/i.test(encoding)) keep(utf8(chunk));
    else inBytes(chunk, encoding, keep);
  };
  const release = async (): Promise<void> => {
    const body = parts.length === 1 ? parts[0]! : concatAll(parts);
    for (const name of ofPieces) if (response.hasHeader(name)) response.removeHeader(name);
    const isEmpty = response.statusCode === 204 || response.statusCode === 304;
    if (!isEmpty && !response.hasHeader('content-length')) response.setHeader('content-length', body.length);
    const headers = response.getHeaders();
    const told = await judge(length > longestAnswer ? undefined : { status: response.statusCode, headers, body });
    if (response.destroyed) return;
    response.statusMessage = '';
    if (told.headers === headers) writeHead.call(response, told.status);
    else {
      for (const name of response.getHeaderNames()) response.removeHeader(name);
      writeHead.call(response, told.status, told.headers);
    }
    if (told.body.length > shortBody) end.call(response, told.body, 'utf8');
    // A text goes out in one piece with its head, where bytes would be a piece of their own.
    else end.call(response, toKey(told.body), 'latin1');
  };
  Object.assign(response, {
    writeHead: (status: number, ...rest: readonly unknown[]): ServerResponse => {
      response.statusCode = status;
      const headers = rest.find((argument) => typeof argument === 'object' && argument !== null);
      for (const [name, value] of headerEntries(headers)) response.setHeader(name, value);
      return response;
    },
    write: (chunk: unknown, ...rest: readonly unknown[]): boolean => {
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
      release().catch(() => response.destroy());
      return response;
    },
    flushHeaders: () => undefined,
    addTrailers: () => undefined,
    writeProcessing: () => undefined,
    writeEarlyHints: (_hints: unknown, done?: () => void) => done?.(),
  });
}

/** A stream makes bytes of a text, whatever its encoding. */
function inBytes(text: string, encoding: string, take: (bytes: Uint8Array) => void): void {
  const sink = new Writable({
    write: (part: Uint8Array, _encoding, done) => {
      take(part.slice());
      done();
    },
  });
  sink.write(text, encoding as BufferEncoding);
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
