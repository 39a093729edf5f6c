import { concat, constantTimeEqual } from '../core/bytes.ts';
import { hmac } from '../core/crypto/index.ts';
import type { Env } from '../core/env.ts';

const timestampLength = 4;
const macLength = 8;

/** Milliseconds between a hint and the token that it led to: time to ask a person, if the AS does. */
const defaultLifetime = 300_000;

/**
 * Client-nonces that are recognised without being stored: the time in seconds and a truncated HMAC-SHA-256 over it. The key lives as long as this object, so
 * no nonce outlives the clock that it was made by.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.3.1
 */
export class ClientNonces {
  readonly #env: Env;
  readonly #key: Uint8Array;
  readonly #lifetime: number;

  constructor(env: Env, lifetime: number = defaultLifetime) {
    this.#env = env;
    this.#key = env.random(32);
    this.#lifetime = lifetime;
  }

  make(): Uint8Array {
    const time = this.#encode(Math.floor(this.#env.now() / 1000));
    return concat(time, this.#mac(time));
  }

  isFresh(nonce: Uint8Array): boolean {
    if (nonce.length !== timestampLength + macLength) return false;
    const time = nonce.subarray(0, timestampLength);
    if (!constantTimeEqual(nonce.subarray(timestampLength), this.#mac(time))) return false;
    const made = new DataView(nonce.buffer, nonce.byteOffset, timestampLength).getUint32(0);
    const age = this.#env.now() - made * 1000;
    return age >= 0 && age <= this.#lifetime;
  }

  #encode(seconds: number): Uint8Array {
    const time = new Uint8Array(timestampLength);
    new DataView(time.buffer).setUint32(0, seconds);
    return time;
  }

  #mac(time: Uint8Array): Uint8Array {
    return hmac('sha256', this.#key, time).slice(0, macLength);
  }
}
