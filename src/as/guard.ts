import { Code, type Handler, type Layer, Method, OptionNumber, pathOf, type Request, type Response, uintOption } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import type { Audit } from './audit.ts';
import type { Registry } from './registry.ts';

/**
 * Lets only peers of the AS through, on the head of each block and before anything is kept: an unprotected upload ends at its first datagram.
 *
 * Discovery (RFC 6690) stays open, as it says nothing that is secret.
 */
export function peersOnly(registry: Registry, audit: Audit): Layer {
  return {
    name: 'as-guard',
    outbound: (next) => next,
    inbound: (next: Handler): Handler => {
      return (request, reply) => {
        if (registry.peer(request.association) !== undefined || isDiscovery(request)) next(request, reply);
        else {
          const reason = request.association === undefined ? 'unprotected' : 'unknown-peer';
          audit.refuse({ type: 'refused', reason, peer: request.peer.key }, reply, { code: Code.Unauthorized, options: [], payload: emptyBytes });
        }
      };
    },
  };
}

function isDiscovery(request: Request): boolean {
  if (request.code !== Method.GET || request.payload.length > 0) return false;
  const path = pathOf(request.options);
  return path.length === 2 && path[0] === '.well-known' && path[1] === 'core';
}

/** Bounds the requests that wait for the store or a policy; beyond it a request is told to come back (RFC 7252, Section 5.9.3.4). */
export class Admission {
  /** Requests that may wait at once. */
  limit: number;
  readonly #audit: Audit;
  #pending = 0;

  constructor(limit: number, audit: Audit) {
    this.limit = limit;
    this.#audit = audit;
  }

  get pending(): number {
    return this.#pending;
  }

  admit(requester: string, work: () => Promise<Response>): Promise<Response> {
    return this.#audit.answer(() => this.#answer(requester, work));
  }

  async #answer(requester: string, work: () => Promise<Response>): Promise<Response> {
    if (this.#pending >= this.limit) {
      this.#audit.emit({ type: 'refused', reason: 'busy', peer: requester });
      return { code: Code.ServiceUnavailable, options: [uintOption(OptionNumber.MaxAge, 1)], payload: emptyBytes };
    }
    this.#pending++;
    try {
      return await work();
    } catch (error) {
      this.#audit.emit({ type: 'fault', reason: faultReason(error), detail: error instanceof Error ? error.message : String(error) });
      return { code: Code.InternalServerError, options: [], payload: emptyBytes };
    } finally {
      this.#pending--;
    }
  }
}

/** The stable code of an error, or its class. */
export function faultReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
