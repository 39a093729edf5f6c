import { CoapError } from '../errors.ts';
import type { RandomPool } from '../messaging/random-pool.ts';

const randomLength = 4;
/** As many as fit in a token of 8 bytes beside the random ones. */
const most = 2 ** 32;

/**
 * Tokens of one endpoint: four random bytes, then a sequence number from 0 in its shortest form.
 *
 * The number makes each token unique for as long as the endpoint lives, hence on each of its associations (RFC 9175, Section 4.2); the random bytes make it hard
 * to forge a response from outside the path (RFC 7252, Section 5.3.1), also for a server that has seen other tokens of this endpoint.
 */
export class Tokens {
  readonly #random: RandomPool;
  #next = 0;

  constructor(random: RandomPool, next = 0) {
    this.#random = random;
    this.#next = next;
  }

  /**
   * @param least bytes that it has at least: zeros stand between the two parts (RFC 8974)
   * @throws {CoapError} `ERR_COAP_TOKEN` when all are used up: none is used again
   */
  take(least = 0): Uint8Array {
    if (this.#next >= most) throw new CoapError('ERR_COAP_TOKEN', `expected at most ${most} requests of one endpoint, got more; open another`);
    const number = this.#next++;
    let length = 1;
    for (let rest = Math.floor(number / 256); rest > 0; rest = Math.floor(rest / 256)) length++;
    const token = new Uint8Array(Math.max(randomLength + length, least));
    const random = this.#random.uint32();
    for (let i = 0; i < randomLength; i++) token[i] = random >>> (8 * i);
    for (let i = token.length - 1, rest = number; rest > 0; i--, rest = Math.floor(rest / 256)) token[i] = rest % 256;
    return token;
  }
}

/** The sequence number in a token of ours; -1 for one that cannot be ours. What it names must still be compared with the whole token. */
export function tokenNumber(token: Uint8Array): number {
  if (token.length <= randomLength) return -1;
  let number = 0;
  for (let i = randomLength; i < token.length; i++) number = number * 256 + token[i]!;
  return number;
}
