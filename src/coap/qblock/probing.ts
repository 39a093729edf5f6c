import type { Env } from '../../core/env.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Request } from '../layer.ts';
import type { QBlockTiming } from './parameters.ts';

/** Bytes of a message on the wire, as far as PROBING_RATE is concerned. */
export function bytesOf(message: Pick<Request, 'options' | 'payload'>): number {
  let bytes = 12 + message.payload.length;
  for (const option of message.options) bytes += 2 + option.value.length;
  return bytes;
}

/** Milliseconds that so many bytes take at PROBING_RATE, at most NON_PROBING_WAIT. */
export function probingWait(bytes: number, timing: QBlockTiming): number {
  return Math.min((1000 * bytes) / timing.probingRate, timing.nonProbingWait());
}

/**
 * PROBING_RATE for whole bodies: after a body that nothing answered, the next one to the same endpoint waits.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9177#section-7.2
 */
export class Probing {
  readonly #env: Env;
  readonly #timing: QBlockTiming;
  /** Until when an endpoint that is silent gets no other body. */
  readonly #silent: ExpiringTable<number>;

  constructor(env: Env, timing: QBlockTiming, peers: number) {
    this.#env = env;
    this.#timing = timing;
    this.#silent = new ExpiringTable(env, { lifetime: timing.nonProbingWait(), entries: peers });
  }

  get size(): number {
    return this.#silent.size;
  }

  /** Milliseconds until a body may be sent. */
  wait(endpoint: string): number {
    return Math.max(0, (this.#silent.get(endpoint) ?? 0) - this.#env.now());
  }

  /** A body leaves. */
  sent(endpoint: string, bytes: number): void {
    this.#silent.set(endpoint, endpoint, this.#env.now() + this.wait(endpoint) + probingWait(bytes, this.#timing));
  }

  /** The endpoint responds. */
  heard(endpoint: string): void {
    this.#silent.delete(endpoint);
  }

  close(): void {
    this.#silent.clear();
  }
}
