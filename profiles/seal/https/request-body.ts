import type { IncomingMessage } from 'node:http';
import { concatAll } from '../../../src/core/bytes.ts';

/** Why a body is not there: it is longer than it may be, or its client went away in the middle of it. */
export type BodyFault = 'too-long' | 'cut-short';

/** The body of a request, read as far as it may go: what is left of one that is too long is not read, so the connection has to end. */
export async function readBody(request: IncomingMessage, largest: number): Promise<Uint8Array | BodyFault> {
  if (Number(request.headers['content-length'] ?? 0) > largest) return 'too-long';
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > largest) return 'too-long';
      parts.push(part);
    }
  } catch {
    return 'cut-short';
  }
  return concatAll(parts);
}
