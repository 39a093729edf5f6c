import type { ServerResponse } from 'node:http';
import { AceError } from '../../../src/ace/index.ts';
import { Code } from '../../../src/coap/index.ts';

/** Aborted once nobody waits for the answer any more: it was given, or its connection has ended. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  if (response.destroyed) gone.abort();
  else response.once('close', () => gone.abort());
  return gone.signal;
}

/** Seconds after which it is worth to ask again, where an error says that there is too much to do now. */
export function waitOf(error: unknown): number | undefined {
  return error instanceof AceError && error.responseCode === Code.ServiceUnavailable ? error.retryAfter : undefined;
}
