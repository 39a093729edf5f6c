import type { IncomingMessage } from 'node:http';
import { readBody } from '../request-body.ts';
import { HttpRefused } from './http-answer.ts';

/**
 * The body of a request, read as far as it may go.
 *
 * @throws {HttpRefused} 413; 400 where the client goes away in the middle of it
 */
export async function bodyOf(request: IncomingMessage, largest: number): Promise<Uint8Array> {
  const body = await readBody(request, largest);
  if (body === 'cut-short') throw new HttpRefused({ status: 400, reason: 'body', detail: 'expected a body, got the beginning of one' });
  if (body !== 'too-long') return body;
  throw new HttpRefused({
    status: 413,
    reason: 'size',
    detail: `expected a body of at most ${largest} bytes, got a longer one`,
    headers: { connection: 'close' },
  });
}

/**
 * Checks that a body is JSON that was not packed. JSON is UTF-8 (RFC 8259, Section 8.1); `charset` says nothing that it could change.
 *
 * @throws {HttpRefused} 415
 */
export function checkJson({ headers }: Pick<IncomingMessage, 'headers'>): void {
  const { 'content-type': type = '', 'content-encoding': coding = 'identity' } = headers;
  const unsupported = (detail: string): HttpRefused =>
    new HttpRefused({ status: 415, reason: 'format', detail, headers: { accept: 'application/json', 'accept-encoding': 'identity' } });
  if (coding.toLowerCase() !== 'identity') throw unsupported('expected a body without content coding, got one with another');
  if (!/^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i.test(type)) throw unsupported('expected application/json, got another media type');
}

/**
 * Checks that a client takes JSON.
 *
 * @throws {HttpRefused} 406
 */
export function checkAccept({ headers }: Pick<IncomingMessage, 'headers'>): void {
  const { accept } = headers;
  if (accept === undefined || takes(accept, 'application/json')) return;
  throw new HttpRefused({ status: 406, reason: 'accept', detail: 'expected to be asked for application/json, got other media types' });
}

/** RFC 9110, Section 12.5.1: the range that is nearest to the type decides. */
function takes(accept: string, type: string): boolean {
  const ranges = [type, `${type.split('/')[0]}/*`, '*/*'];
  const weights = new Map<string, number>();
  for (const element of accept.split(',')) {
    const [range = '', ...parameters] = element.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(range, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  const nearest = ranges.find((range) => weights.has(range));
  return nearest !== undefined && weights.get(nearest)! > 0;
}
