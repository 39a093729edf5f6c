import type { Cancel, Env } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { Tally } from '../../core/tally.ts';
import { Deadlines } from '../deadline.ts';
import type { Layer, Request, Requester, ResponseListener } from '../layer.ts';
import { copyOptions, endpointKey } from '../message/cache-key.ts';
import { Method } from '../message/code.ts';
import { type Option, OptionNumber, uintOf } from '../message/option.ts';
import type { QBlockLimits } from './limits.ts';
import { QBlockOperation } from './operation.ts';
import type { QBlockTiming } from './parameters.ts';
import { bytesOf, Probing } from './probing.ts';
import { Support } from './support.ts';

/** Q-Block transfer as a client sees it: Q-Block1 is the request body going out, Q-Block2 the response body coming in. */
export class QBlockClient {
  readonly limits: QBlockLimits;
  readonly timing: QBlockTiming;
  readonly env: Env;
  readonly deadlines: Deadlines;
  readonly support: Support;
  readonly probing: Probing;
  readonly operations: Set<QBlockOperation> = new Set();
  /** Operations under way that only the body of their request tells apart from each other. */
  readonly alike: Tally = new Tally();
  /** Request-Tags count up from a random start, so that no two bodies have the same (RFC 9177, Section 4.3). */
  #tag: number;

  constructor(limits: QBlockLimits, timing: QBlockTiming, env: Env) {
    this.limits = limits;
    this.timing = timing;
    this.env = env;
    this.deadlines = new Deadlines(env);
    this.support = new Support(env, { peers: limits.peers, lifetime: limits.supportLifetime, path: limits.probePath });
    this.probing = new Probing(env, timing, limits.peers);
    this.#tag = new DataView(env.random(4).slice().buffer).getUint32(0);
  }

  outbound(next: Requester, fallback: Layer): Requester {
    const plain = fallback.outbound(next);
    return (request, listener) => {
      if (!this.limits.offered || !this.#mayUse(request)) return plain(request, listener);
      const supported = this.limits.discovery === 'assume' ? this.support.of(request) !== false : this.support.of(request);
      if (supported === false) return plain(request, listener);
      const large = request.payload.length > this.limits.threshold;
      // RFC 9177 §4.1: what tells whether the peer knows the options is Confirmable. A small request that is asks for itself.
      if (supported === true || (!large && request.nonConfirmable !== true)) return this.#start(request, listener, next, plain);
      return this.#probe(request, listener, next, plain);
    };
  }

  takeTag(): Option {
    this.#tag = (this.#tag + 1) >>> 0;
    return { number: OptionNumber.RequestTag, value: Uint8Array.of(this.#tag >>> 24, this.#tag >>> 16, this.#tag >>> 8, this.#tag) };
  }

  stats(): Readonly<Record<'operations' | 'supports' | 'silent', number>> {
    return { operations: this.operations.size, supports: this.support.size, silent: this.probing.size };
  }

  close(): void {
    this.deadlines.clearAll();
    this.support.close();
    this.probing.close();
  }

  /** Whoever sets Block or Q-Block options moves blocks on his own; a deregistration is not worth more than one message. */
  #mayUse(request: Request): boolean {
    const { code, options, payload } = request;
    const large = payload.length > this.limits.threshold;
    if (request.oneBlock === true) return false;
    if (code === Method.DELETE || (code > Method.iPATCH && !large)) return false;
    for (let i = 0; i < options.length; i++) {
      const { number, value } = options[i]!;
      if (number === OptionNumber.Block1 || number === OptionNumber.Block2 || number === OptionNumber.QBlock1 || number === OptionNumber.QBlock2) return false;
      if (number === OptionNumber.Observe && !large && (value.length > 3 || uintOf(options, number) !== 0)) return false;
    }
    return true;
  }

  /** RFC 9177 §7.2: at PROBING_RATE, while the endpoint does not respond. */
  #start(request: Request, listener: ResponseListener, next: Requester, plain: Requester): Cancel {
    const operation = new QBlockOperation(this, next, plain, request, listener);
    const endpoint = endpointKey(request);
    const wait = request.nonConfirmable === true ? this.probing.wait(endpoint) : 0;
    if (request.nonConfirmable === true) this.probing.sent(endpoint, bytesOf(request));
    if (wait === 0) operation.start();
    else operation.startAfter(wait);
    return () => operation.cancel();
  }

  #probe(given: Request, listener: ResponseListener, next: Requester, plain: Requester): Cancel {
    // What the caller gave is borrowed, and leaves when the probe is answered.
    const request: Request = { ...given, options: copyOptions(given.options), payload: given.payload.slice() };
    let cancel: Cancel;
    const failed = (error: ProtocolError): void => listener.error(error);
    cancel = this.support.probe(request, next, (supported, error) => {
      if (error !== undefined && supported === undefined) {
        failed(error);
        return;
      }
      cancel = supported === true ? this.#start(request, listener, next, plain) : plain(request, listener);
    });
    return () => cancel();
  }
}
