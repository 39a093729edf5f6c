import { type Handler, type Layer, networkOf, RateLimit, type Request, type RequestRateOptions, requestRate } from '../coap/index.ts';
import type { Env } from '../core/env.ts';
import type { Audit } from './audit.ts';

/** How often somebody may ask. */
export interface Rate {
  /** Requests at once. */
  readonly burst: number;
  /** Requests per second after that. */
  readonly rate: number;
}

/** How often one client may ask, once it is known who it is, and how often one address, before anything is decrypted. Absent: as often as it likes. */
export interface Rates {
  readonly client?: Rate;
  readonly address?: Rate;
}

/** A layer with a rate that can be replaced; then all begin anew. */
export interface RateLayer extends Layer {
  change(rate: Rate | undefined): void;
}

/** Keys that a rate is counted for. */
const entries = 4096;

/** A rate for each key that can be replaced; then all begin anew. */
export class ChangeableRate {
  readonly #env: Env;
  #rate: Rate | undefined;
  #limit: RateLimit | undefined;

  constructor(env: Env) {
    this.#env = env;
  }

  change(rate: Rate | undefined): void {
    if (isSame(rate, this.#rate)) return;
    this.#rate = rate;
    this.#limit = rate === undefined ? undefined : new RateLimit(this.#env, { ...rate, entries });
  }

  /** Take one; the result is 0, or the seconds until it is worth to come again. */
  take(key: string): number {
    return this.#limit?.take(key) ?? 0;
  }
}

const isSame = (one: Rate | undefined, other: Rate | undefined): boolean => one?.burst === other?.burst && one?.rate === other?.rate;

/** Limits each peer of the AS. It stands above the guard. */
export function clientRate(rate: Rate | undefined, audit: Audit, env: Env): RateLayer {
  return rateLayer('rate-client', rate, (request) => request.association?.credential, audit, env);
}

/** Limits each address. It stands below what decrypts; the handshakes of DTLS have bounds of their own. */
export function addressRate(rate: Rate | undefined, audit: Audit, env: Env): RateLayer {
  return rateLayer('rate-address', rate, (request) => networkOf(request.peer.address), audit, env);
}

function rateLayer(reason: string, first: Rate | undefined, key: NonNullable<RequestRateOptions['key']>, audit: Audit, env: Env): RateLayer {
  let rate = first;
  let rebuild = (): void => {};
  const refuse: RequestRateOptions['refuse'] = (request, reply, response) => audit.refuse({ type: 'refused', reason, peer: peerOf(request) }, reply, response);
  return {
    name: reason,
    outbound: (next) => next,
    inbound: (next) => {
      let handler: Handler = next;
      rebuild = () => {
        handler = rate === undefined ? next : requestRate({ ...rate, key, refuse }, env).inbound(next);
      };
      rebuild();
      return (request, reply) => handler(request, reply);
    },
    change: (next) => {
      if (isSame(next, rate)) return;
      rate = next;
      rebuild();
    },
  };
}

function peerOf(request: Request): string {
  return request.association?.credential ?? request.peer.key;
}
