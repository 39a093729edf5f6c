import {
  Code,
  copyOptions,
  type Handler,
  type Layer,
  Method,
  OptionNumber,
  pathOf,
  type Reply,
  type Request,
  type Response,
  uintOption,
} from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import type { Audit } from './audit.ts';
import type { Registry } from './registry/registry.ts';

export interface PeersOnlyOptions {
  readonly registry: Registry;
  /** Requests that may wait for the store. */
  readonly pending: () => number;
  /** An association goes by this name that is of no peer, or no longer of one. */
  readonly stale: (credential: string) => void;
  readonly audit: Audit;
}

/**
 * Lets only peers of the AS through, on the head of each block and before anything is kept: an unprotected upload ends at its first datagram.
 *
 * Peers of the configuration are known at once. For those of the store it is read, for each request: whoever was removed, or has other credentials now, is nobody,
 * whichever process did it, and his association ends. Discovery (RFC 6690) stays open, as it says nothing that is secret.
 */
export function peersOnly({ registry, pending, stale, audit }: PeersOnlyOptions): Layer {
  let waiting = 0;
  const refuse = (reason: string, request: Request, reply: Reply, code: number = Code.Unauthorized): void => {
    const response = { code, options: code === Code.ServiceUnavailable ? [uintOption(OptionNumber.MaxAge, 1)] : [], payload: emptyBytes };
    audit.refuse({ type: 'refused', reason, peer: request.peer.key }, reply, response);
  };
  const pass = async (request: Request, reply: Reply, next: Handler): Promise<void> => {
    let isPeer: boolean;
    try {
      isPeer = (await registry.peer(request.association)) !== undefined;
    } finally {
      waiting--;
    }
    if (isPeer) {
      next(request, reply);
      return;
    }
    refuse('unknown-peer', request, reply);
    stale(request.association!.credential!);
  };
  /** After the wait nobody is left who would hear of an error, whoever has thrown it. */
  const look = async (request: Request, reply: Reply, next: Handler): Promise<void> => {
    try {
      await pass(request, reply, next);
    } catch (error) {
      reply.respond(await audit.fault(error));
    }
  };
  return {
    name: 'as-guard',
    outbound: (next) => next,
    inbound: (next: Handler): Handler => {
      return (request, reply) => {
        const { association } = request;
        if (isDiscovery(request) || (association !== undefined && registry.fixedPeer(association) !== undefined)) next(request, reply);
        else if (association?.credential === undefined) refuse(association === undefined ? 'unprotected' : 'unknown-peer', request, reply);
        else if (waiting >= pending()) refuse('busy', request, reply, Code.ServiceUnavailable);
        else {
          waiting++;
          void look({ ...request, options: copyOptions(request.options), payload: request.payload.slice() }, reply, next);
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
  readonly #limit: () => number;
  readonly #audit: Audit;
  #pending = 0;

  constructor(limit: () => number, audit: Audit) {
    this.#limit = limit;
    this.#audit = audit;
  }

  get pending(): number {
    return this.#pending;
  }

  async admit(requester: string, work: () => Promise<Response>): Promise<Response> {
    if (this.#pending >= this.#limit()) {
      return this.#audit.answer(async () => {
        this.#audit.emit({ type: 'refused', reason: 'busy', peer: requester });
        return { code: Code.ServiceUnavailable, options: [uintOption(OptionNumber.MaxAge, 1)], payload: emptyBytes };
      });
    }
    this.#pending++;
    try {
      return await this.#audit.answer(work);
    } catch (error) {
      return await this.#audit.fault(error);
    } finally {
      this.#pending--;
    }
  }
}
