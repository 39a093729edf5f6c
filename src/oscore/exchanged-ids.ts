import { OptionNumber, type Request, type Response } from '../coap/index.ts';
import { concat, constantTimeEqual } from '../core/bytes.ts';
import { decode, encode } from '../core/cbor.ts';
import { hmac } from '../core/crypto/index.ts';
import type { Env } from '../core/env.ts';
import { encodeOscoreOption, type OscoreOption, readOscoreOption } from './option.ts';

/** RFC 8613, Appendix B.2: so long that the probability of a nonce being repeated is negligible. */
export const shortestNonce = 8;

/** The truncated HMAC in R2 (RFC 8613, Appendix B.2.1). */
const tagLength = 8;

const keyLength = 32;

/**
 * How long one K_HMAC makes R2s, in milliseconds: EXCHANGE_LIFETIME (RFC 7252, Section 4.8.2). It is known for as long again, so that each R2 outlasts the
 * exchange of the request that answers it.
 */
const keyLifetime = 247_000;

/** An ID as the 'kid context' of the procedure carries it: a CBOR byte string. */
export function encodeExchangedId(id: Uint8Array): Uint8Array {
  return encode(id);
}

/** The ID in a kid context; nothing when that is no CBOR byte string. */
export function decodeExchangedId(kidContext: Uint8Array): Uint8Array | undefined {
  try {
    const id = decode(kidContext);
    return id instanceof Uint8Array ? id : undefined;
  } catch {
    return undefined;
  }
}

/** The OSCORE option of a message; nothing when it is not there or malformed. */
export function oscoreOptionOf(message: Request | Response): OscoreOption | undefined {
  for (const { number, value } of message.options) {
    if (number !== OptionNumber.Oscore) continue;
    const option = readOscoreOption(value);
    return typeof option === 'string' ? undefined : option;
  }
  return undefined;
}

/** The message with other fields in its OSCORE option. The kid context is not authenticated where it stands: it goes into the derivation of the keys. */
export function withOscoreOption<T extends Request | Response>(message: T, option: OscoreOption): T {
  const value = encodeOscoreOption(option);
  return { ...message, options: message.options.map((each) => (each.number === OptionNumber.Oscore ? { number: OptionNumber.Oscore, value } : each)) };
}

interface Generation {
  readonly key: Uint8Array;
  readonly made: number;
}

/**
 * K_HMAC of one set of input parameters (RFC 8613, Appendix B.2.1): R2 = S2 || HMAC(K_HMAC, S2), so that an R2 is recognised and need not be remembered.
 *
 * It lives in memory only: after a restart no R2 from before is recognised.
 */
export class HmacKey {
  #newest: Generation | undefined = undefined;
  #older: Generation | undefined = undefined;

  /** A new R2, whose S2 has so many bytes. */
  makeR2(env: Env, length: number): Uint8Array {
    const now = env.now();
    if (this.#newest === undefined || now - this.#newest.made >= keyLifetime) {
      this.#older = this.#newest;
      this.#newest = { key: env.random(keyLength), made: now };
    }
    const s2 = env.random(length);
    return concat(s2, tag(this.#newest.key, s2));
  }

  /** Whether `id3` begins with an R2 that was made here with an S2 of so many bytes, and goes on with an R3. */
  recognises(id3: Uint8Array, env: Env, length: number): boolean {
    if (id3.length < length + tagLength + shortestNonce) return false;
    const s2 = id3.subarray(0, length);
    const received = id3.subarray(length, length + tagLength);
    const now = env.now();
    return [this.#newest, this.#older].some(
      (generation) => generation !== undefined && now - generation.made < 2 * keyLifetime && constantTimeEqual(tag(generation.key, s2), received),
    );
  }

  /** A run is completed: no R2 that was made so far is recognised any more. */
  erase(): void {
    this.#newest = undefined;
    this.#older = undefined;
  }
}

function tag(key: Uint8Array, s2: Uint8Array): Uint8Array {
  return hmac('sha256', key, s2).subarray(0, tagLength);
}
