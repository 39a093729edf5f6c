import { concat, constantTimeEqual, emptyBytes, utf8 } from '../core/bytes.ts';
import { hmac } from '../core/crypto/index.ts';
import type { Cancel, Env } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import { attempt } from './attempt.ts';
import { blockOf } from './block-option.ts';
import { endpointKey, sameAssociation } from './cache-key.ts';
import { Code } from './code.ts';
import { ExpiringTable } from './expiring-table.ts';
import type { Layer, Reply, Request, Requester, Response, ResponseListener } from './layer.ts';
import { findOption, type Option, OptionNumber, opaqueOption, withOption, withoutOptions } from './option.ts';

/** Which requests a server takes only when they are fresh. */
export interface Freshness {
  required(request: Request): boolean;
  /** Milliseconds between our making an Echo value and its coming back. Default 30,000. */
  readonly window?: number;
}

export interface EchoOptions {
  readonly freshness?: Freshness;
  /** Echo values that are kept for the next request, one for each endpoint. Default 256. */
  readonly maxValues?: number;
  /** Milliseconds that they are kept. Default 247,000. */
  readonly lifetime?: number;
}

export interface EchoLayer extends Layer {
  stats(): { readonly values: number };
  /** Forget all values and stop the timer. */
  close(): void;
}

/**
 * Request freshness with the Echo option.
 *
 * As a client it answers a 4.01 that carries an Echo by sending the request once more with it, and takes the Echo of any other response along in the next
 * request to the same endpoint. A value goes back only to where it came from: the same association, or the same peer where nothing protects. As a server
 * it answers requests that must be fresh and are not with such a 4.01, and keeps no state for it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9175#section-2.3
 */
export function echo(options: EchoOptions, env: Env): EchoLayer {
  const values = new ExpiringTable<Option>(env, { lifetime: options.lifetime ?? 247_000, entries: options.maxValues ?? 256 });
  return {
    name: 'echo',
    outbound: (next) => (request, listener) => {
      // RFC 9175 §2.3: a proxy passes a challenge on, since it cannot tell when its client made the request.
      if (request.forwarded === true) return next(request, listener);
      const exchange = new EchoExchange(values, next, request, listener);
      exchange.start();
      return () => exchange.cancel();
    },
    inbound: (next) => {
      const { freshness } = options;
      if (freshness === undefined) return next;
      const challenge = new Challenge(env, freshness.window ?? 30_000);
      return (request, reply) => {
        if (!freshness.required(request)) next(request, reply);
        else if (challenge.verify(request)) {
          // RFC 9175 §2.3: a proxy must not pass on an Echo value of its own making.
          const shown = { ...request, options: withoutOptions(request.options, OptionNumber.Echo) };
          next(shown, hasMoreBlocks(request) ? new PreemptiveReply(challenge, request, reply) : reply);
        } else reply.respond(challenge.respond(request));
      };
    },
    stats: () => ({ values: values.size }),
    close: () => values.clear(),
  };
}

/** The Echo option of a message, if its length is allowed: 1 to 40 bytes. */
function echoOf(options: readonly Option[]): Option | undefined {
  const option = findOption(options, OptionNumber.Echo);
  return option !== undefined && option.value.length >= 1 && option.value.length <= 40 ? option : undefined;
}

class EchoExchange implements ResponseListener {
  readonly #values: ExpiringTable<Option>;
  readonly #next: Requester;
  readonly #request: Request;
  readonly #listener: ResponseListener;
  #resent = false;
  #cancelled = false;
  #cancelExchange: Cancel | undefined;

  constructor(values: ExpiringTable<Option>, next: Requester, request: Request, listener: ResponseListener) {
    this.#values = values;
    this.#next = next;
    this.#request = request;
    this.#listener = listener;
  }

  start(): void {
    let request = this.#request;
    if (this.#values.size !== 0) {
      const key = endpointKey(request);
      const kept = this.#values.get(key);
      if (kept !== undefined) {
        this.#values.delete(key);
        if (findOption(request.options, OptionNumber.Echo) === undefined) request = { ...request, options: withOption(request.options, kept) };
      }
    }
    const cancel = this.#next(request, this);
    if (!this.#resent) this.#cancelExchange = cancel;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#cancelExchange?.();
  }

  response(response: Response, last: boolean): void {
    if (this.#cancelled) return;
    const option = echoOf(response.options);
    // An Echo that came without the association of the request is not from the endpoint that the request is for.
    if (option !== undefined && sameAssociation(this.#request, response)) {
      const value = opaqueOption(OptionNumber.Echo, option.value.slice());
      if (response.code === Code.Unauthorized && last && !this.#resent) {
        this.#resent = true;
        this.#cancelExchange = attempt(this.#next, { ...this.#request, options: withOption(this.#request.options, value) }, this);
        return;
      }
      this.#values.set(endpointKey(this.#request), '', value);
    }
    this.#listener.response(response, last);
  }

  error(error: ProtocolError): void {
    if (!this.#cancelled) this.#listener.error(error);
  }
}

const timestampLength = 4;
const macLength = 8;

/**
 * Echo values of 12 bytes: the low 32 bits of a millisecond clock and a truncated HMAC-SHA-256 over the whole time and the endpoint (RFC 9175, Appendix A,
 * item 2). The key lives as long as the clock goes on: as long as this object. Since the MAC covers the bits that are not sent, a value does not become
 * valid again when the 32 bits wrap around.
 */
class Challenge {
  readonly #env: Env;
  readonly #window: number;
  readonly #key: Uint8Array;

  constructor(env: Env, window: number) {
    this.#env = env;
    this.#window = window;
    this.#key = env.random(32);
  }

  option(request: Request): Option {
    const time = Math.floor(this.#env.now());
    return opaqueOption(OptionNumber.Echo, concat(lowBits(time), this.#mac(time, request)));
  }

  respond(request: Request): Response {
    const options = [this.option(request)];
    // A cache on the way must not give this answer to the request that follows it: Echo is no part of the cache key.
    if (request.association === undefined) options.unshift(opaqueOption(OptionNumber.MaxAge, emptyBytes));
    return { code: Code.Unauthorized, options, payload: emptyBytes };
  }

  verify(request: Request): boolean {
    const value = echoOf(request.options)?.value;
    if (value === undefined || value.length !== timestampLength + macLength) return false;
    const now = Math.floor(this.#env.now());
    const low = value[0]! * 0x100_0000 + value[1]! * 0x1_0000 + value[2]! * 0x100 + value[3]!;
    const age = (((now - low) % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
    return age < this.#window && constantTimeEqual(value.subarray(timestampLength), this.#mac(now - age, request));
  }

  #mac(time: number, request: Request): Uint8Array {
    const high = Math.floor(time / 0x1_0000_0000);
    return hmac('sha256', this.#key, concat(lowBits(high), lowBits(time), utf8(endpointKey(request)))).slice(0, macLength);
  }
}

/** A block of a request body that another will follow. */
function hasMoreBlocks(request: Request): boolean {
  const block = blockOf(request.options, OptionNumber.Block1);
  return block !== undefined && block !== 'bad' && block.more;
}

/** Gives 2.31 an Echo value for the next block, so that not every block is challenged (RFC 9175, Section 2.3: a preemptive Echo value). */
class PreemptiveReply implements Reply {
  readonly #challenge: Challenge;
  readonly #request: Request;
  readonly #lower: Reply;

  constructor(challenge: Challenge, request: Request, lower: Reply) {
    this.#challenge = challenge;
    this.#request = request;
    this.#lower = lower;
  }

  respond(response: Response): void {
    if (response.code !== Code.Continue) this.#lower.respond(response);
    else this.#lower.respond({ ...response, options: withOption(response.options, this.#challenge.option(this.#request)) });
  }

  notify(response: Response): void {
    this.#lower.notify(response);
  }

  onCancel(task: () => void): void {
    this.#lower.onCancel(task);
  }
}

function lowBits(value: number): Uint8Array {
  return Uint8Array.of(value / 0x100_0000, value / 0x1_0000, value / 0x100, value);
}
