import { utf8 } from '../../../../../src/core/bytes.ts';
import type { HttpHandler } from '../../../../../src/transport/index.ts';
import { type HttpMessage, holdResponse } from '../../held-response.ts';
import { problemType, withheld } from '../problem-details.ts';
import type { EgressFilter } from './egress-filter.ts';

/**
 * Let an answer of this handler leave only as a whole and when the filter has looked at it; 500 goes in place of one that does not pass. What the handler writes piece by
 * piece is put together first, trailers and interim answers do not leave at all.
 */
export function filtered(filter: EgressFilter, handler: HttpHandler): HttpHandler {
  return (request, response) => {
    holdResponse(response, async (message) => {
      try {
        const found = message === undefined ? await filter.block('response', { part: 'body', rule: 'unreadable' }) : await filter.check('response', message);
        return found === undefined && message !== undefined ? message : blocked();
      } catch {
        return blocked();
      }
    });
    handler(request, response);
  };
}

function blocked(): HttpMessage {
  const body = utf8(JSON.stringify(withheld));
  return { status: 500, headers: { 'content-type': problemType, 'content-length': body.length, 'cache-control': 'no-store' }, body };
}
