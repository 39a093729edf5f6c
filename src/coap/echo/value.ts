import { concat, constantTimeEqual, toHex, utf8 } from '../../core/bytes.ts';
import { hmac } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import { checkParameters } from '../bounds.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Request } from '../layer.ts';
import { endpointKey } from '../message/cache-key.ts';
import { encodeUint } from '../message/option.ts';

/** Whose value it is: the endpoint, with what protects it. */
export type EchoEndpoint = Pick<Request, 'association' | 'peer'>;

/**
 * How a server makes Echo values and knows them again.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9175#appendix-A
 */
export interface EchoMethod {
  /** A value of 1 to 40 bytes; `undefined`: none can be given to this endpoint. */
  issue(endpoint: EchoEndpoint): Uint8Array | undefined;
  /**
   * Whether the value is one of ours for this endpoint and still shows that a request is fresh. Without an association it must be bound to the peer, since it
   * shows its address too.
   */
  verify(value: Uint8Array, endpoint: EchoEndpoint): boolean;
  /** Something happened: no value from before it shows freshness any more (RFC 9175, Section 2.5.1). */
  event(): void;
  /** Values that are kept. */
  readonly size: number;
  /** Forget all values. */
  close(): void;
}

const timestampLength = 4;
const macLength = 8;
const timestampRange = 0x1_0000_0000;

/**
 * Integrity protected timestamps (Appendix A, item 2), 12 bytes: the low 32 bits of a millisecond clock and a truncated HMAC-SHA-256 over the whole time and
 * the endpoint. Nothing is kept.
 *
 * The key lives as long as the clock goes on: as long as this object. Since the MAC covers the bits that are not sent, a value does not become valid again when
 * the 32 bits wrap around. The clock has a random offset, so that it tells nobody how long the process runs (Section 6).
 */
export class EchoTimestamps implements EchoMethod {
  readonly size = 0;
  readonly #env: Env;
  readonly #window: () => number;
  readonly #key: Uint8Array;
  readonly #offset: number;
  #newestEvent = Number.NEGATIVE_INFINITY;

  /**
   * @param window milliseconds between the making of a value and its coming back; a function is asked each time
   * @throws {CoapError} `ERR_COAP_PARAMETER`
   */
  constructor(env: Env, window: number | (() => number)) {
    if (typeof window !== 'function') checkParameters('echo', { window });
    this.#env = env;
    this.#window = typeof window === 'number' ? () => window : window;
    this.#key = env.random(32);
    this.#offset = env.random(4).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  issue(endpoint: EchoEndpoint): Uint8Array {
    const time = this.#now();
    return concat(lowBits(time), this.#mac(time, endpoint));
  }

  verify(value: Uint8Array, endpoint: EchoEndpoint): boolean {
    const age = this.age(value, endpoint);
    // What was made in the millisecond of the event may be from before it.
    return age !== undefined && age < this.#window() && this.#now() - age > this.#newestEvent;
  }

  /** Milliseconds since the value was made; `undefined`: it is none of ours for this endpoint. */
  age(value: Uint8Array, endpoint: EchoEndpoint): number | undefined {
    if (value.length !== timestampLength + macLength) return undefined;
    const now = this.#now();
    const low = value[0]! * 0x100_0000 + value[1]! * 0x1_0000 + value[2]! * 0x100 + value[3]!;
    const age = (((now - low) % timestampRange) + timestampRange) % timestampRange;
    return constantTimeEqual(value.subarray(timestampLength), this.#mac(now - age, endpoint)) ? age : undefined;
  }

  event(): void {
    this.#newestEvent = this.#now();
  }

  /** There is nothing to forget. */
  close(): void {}

  #now(): number {
    return Math.floor(this.#env.now()) + this.#offset;
  }

  #mac(time: number, endpoint: EchoEndpoint): Uint8Array {
    const high = Math.floor(time / timestampRange);
    return hmac('sha256', this.#key, concat(lowBits(high), lowBits(time), utf8(endpointKey(endpoint)))).slice(0, macLength);
  }
}

/** How long random Echo values live, and how many are kept. */
export interface EchoRandomOptions {
  /** Milliseconds between the making of a value and its coming back. */
  readonly window: number;
  /** Values that are active at once, a sixteenth of them for one endpoint; the oldest goes first. Default 256, which leaves 64 of the 72 bits for who guesses. */
  readonly entries?: number;
  /** Each value serves for one request: an event whenever a value is used (RFC 9175, Section 2.5.1). */
  readonly once?: boolean;
}

/** Cached random values (Appendix A, item 1), 9 bytes, each good for the endpoint that it was given to. */
export class EchoRandomValues implements EchoMethod {
  readonly #env: Env;
  readonly #once: boolean;
  readonly #values: ExpiringTable<{ readonly endpoint: string; readonly made: number }>;
  readonly #window: number;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(env: Env, { window, entries = 256, once }: EchoRandomOptions) {
    checkParameters('echo', { window, entries });
    this.#env = env;
    this.#once = once === true;
    this.#window = window;
    this.#values = new ExpiringTable(env, { lifetime: window, entries, perOwner: Math.max(1, entries >>> 4) });
  }

  get size(): number {
    return this.#values.size;
  }

  issue(endpoint: EchoEndpoint): Uint8Array {
    const value = this.#env.random(9);
    const key = endpointKey(endpoint);
    this.#values.set(toHex(value), key, { endpoint: key, made: this.#env.now() });
    return value;
  }

  verify(value: Uint8Array, endpoint: EchoEndpoint): boolean {
    const text = toHex(value);
    // A look must not lengthen a life: the time counts from the making.
    const kept = this.#values.has(text) ? this.#values.get(text) : undefined;
    if (kept === undefined || kept.endpoint !== endpointKey(endpoint) || this.#env.now() - kept.made >= this.#window) return false;
    if (this.#once) this.#values.delete(text);
    return true;
  }

  event(): void {
    this.#values.clear();
  }

  /** Forget all values. */
  close(): void {
    this.#values.clear();
  }
}

/** An event counter that the application keeps, durably where events must outlive the process. */
export interface EventCounter {
  /** A whole number that never falls. */
  read(): number;
  /** An event: values from before are not fresh any more. */
  increment(): void;
}

/**
 * A counter of events as Echo value (Appendix A, item 3): freshness is that nothing happened since.
 *
 * A client can guess it, so it is for cases where the client has the say over what is synchronized, and only under protection (RFC 9175, Section 5): without an
 * association none is issued and none is taken.
 */
export class EchoCounter implements EchoMethod {
  readonly size = 0;
  readonly #counter: EventCounter;

  /** Without a counter of the application one is kept in memory, which begins at a random place so that no value of an earlier process holds. */
  constructor(env: Env, counter?: EventCounter) {
    this.#counter = counter ?? volatileCounter(env);
  }

  issue(endpoint: EchoEndpoint): Uint8Array | undefined {
    return endpoint.association === undefined ? undefined : this.#value();
  }

  verify(value: Uint8Array, endpoint: EchoEndpoint): boolean {
    return endpoint.association !== undefined && constantTimeEqual(value, this.#value());
  }

  event(): void {
    this.#counter.increment();
  }

  /** There is nothing to forget. */
  close(): void {}

  /** In uint format, except that 0 takes a byte: an Echo value is not empty. */
  #value(): Uint8Array {
    const count = this.#counter.read();
    return count === 0 ? Uint8Array.of(0) : encodeUint(count);
  }
}

function volatileCounter(env: Env): EventCounter {
  let count = env.random(6).reduce((sum, byte) => sum * 256 + byte, 0);
  return {
    read: () => count,
    increment: () => {
      count++;
    },
  };
}

function lowBits(value: number): Uint8Array {
  return Uint8Array.of(value / 0x100_0000, value / 0x1_0000, value / 0x100, value);
}
