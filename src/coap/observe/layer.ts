import type { Env } from '../../core/env.ts';
import { checkParameters } from '../bounds.ts';
import type { Layer, Request } from '../layer.ts';
import { Method } from '../message/code.ts';
import { findOption, OptionNumber, uintOf } from '../message/option.ts';
import { ObserveClient } from './client.ts';
import type { ObserveOptions } from './limits.ts';
import { ObserveServer } from './server.ts';

/** Observe (RFC 7641), as client and as server. */
export interface ObserveLayer extends Layer {
  /** `observers`: registrations with us; `observations`: our own with others. */
  stats(): { readonly observers: number; readonly observations: number };
  /** Forget everything and stop the timers. */
  close(): void;
}

/**
 * Observation of resources.
 *
 * As a server it numbers what a handler notifies, bounds the observers (one too many is answered like a plain GET) and ends an observation with its first
 * error. As a client it delivers the response to the registration and then each notification that is newer than those before, registers anew when none came
 * for longer than the last one is fresh, and deregisters on cancel. Equal observations share one registration.
 *
 * @throws {CoapError} `ERR_COAP_PARAMETER`
 * @see https://www.rfc-editor.org/rfc/rfc7641
 */
export function observe(options: ObserveOptions, env: Env): ObserveLayer {
  const { cancellation: _cancellation, answerGets: _answerGets, ...bounds } = options;
  checkParameters('observe', bounds);
  const server = new ObserveServer(
    {
      maxObservers: options.maxObservers ?? 4096,
      maxObserversPerPeer: options.maxObserversPerPeer ?? 64,
      idle: options.idle ?? 86_400_000,
      refresh: options.refresh,
    },
    env,
  );
  const client = new ObserveClient(env, { patience: options.patience ?? 340_000, forgets: options.cancellation === 'forget' });
  return {
    name: 'observe',
    outbound: (next) => {
      client.next = next;
      return (request, listener) => {
        if (isRegistration(request) && !isOfAnother(request)) return client.observe(request, listener);
        return (options.answerGets === true ? client.answer(request, listener) : undefined) ?? next(request, listener);
      };
    },
    inbound: (next) => (request, reply) => {
      if (isRegistration(request)) server.register(request, reply, next);
      else next(request, reply);
    },
    stats: () => ({ observers: server.size, observations: client.size }),
    close: () => {
      server.close();
      client.close();
    },
  };
}

/**
 * A registration that a proxy passes on and that OSCORE protects: only who protected it can renew it or share it, and put its notifications in order (RFC 8613,
 * Sections 4.1.3.5.1 and 10).
 */
function isOfAnother(request: Request): boolean {
  return request.forwarded === true && findOption(request.options, OptionNumber.Oscore) !== undefined;
}

/** GET or FETCH (RFC 8132, Section 2.4) with Observe 0. */
function isRegistration(request: Request): boolean {
  const { options } = request;
  for (let i = 0; i < options.length; i++) {
    const { number } = options[i]!;
    if (number < OptionNumber.Observe) continue;
    if (number > OptionNumber.Observe) return false;
    return (request.code === Method.GET || request.code === Method.FETCH) && uintOf(options, number) === 0;
  }
  return false;
}
