import { concat } from '../bytes.ts';
import type { HashName } from './provider.ts';

/**
 * P_hash by any HMAC.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5246#section-5
 */
export function pHashBy(
  hmac: (hash: HashName, key: Uint8Array, data: Uint8Array) => Uint8Array,
  hash: HashName,
  secret: Uint8Array,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const out = new Uint8Array(length);
  let a = hmac(hash, secret, seed);
  // A(i), and after it the seed, which stays.
  const input = concat(a, seed);
  for (let at = 0; at < length; ) {
    const block = hmac(hash, secret, input);
    out.set(block.length > length - at ? block.subarray(0, length - at) : block, at);
    at += block.length;
    if (at >= length) break;
    a = hmac(hash, secret, a);
    input.set(a);
  }
  return out;
}
