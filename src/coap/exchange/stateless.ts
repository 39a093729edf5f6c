import { concat, emptyBytes, utf8 } from '../../core/bytes.ts';
import { type Aead, aead } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import { checkParameters } from '../bounds.ts';
import { CoapError } from '../errors.ts';

/** How old a response may be whose request was not kept. */
export interface StatelessTokenOptions {
  /** Milliseconds after which a response is too old. Default 247,000: EXCHANGE_LIFETIME with the usual parameters. */
  readonly lifetime?: number;
  /** Requests, counted from the newest, whose responses are still taken. 1 to 65,536, default 1,024. */
  readonly window?: number;
}

/** AES-CCM with a tag of 64 bits, as RFC 8974, Section 5.2 recommends: COSE's AES-CCM-16-64-128. */
const algorithm = 10;
const keyLength = 16;
const nonceLength = 13;
const tagLength = 8;
const numberLength = 4;
const timeLength = 5;
/** Bytes that a token takes beside the state. */
export const statelessTokenCost: number = numberLength + timeLength + tagLength;

function writeNumber(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

function readNumber(bytes: Uint8Array): number {
  let number = 0;
  for (const byte of bytes) number = number * 256 + byte;
  return number;
}

/**
 * Tokens that hold the state of their request, for a client that keeps none.
 *
 * A token is a sequence number, and the state with the time of sending, encrypted and authenticated together with the endpoint that it was sent to: the
 * response must come from there. Each token is taken once, within a window of numbers and of time. What is kept is the window, whatever the number of requests.
 * The key lives and dies with the instance, so that numbers which start at 0 meet no key twice.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8974#section-3.1
 */
export class StatelessTokens {
  readonly #env: Env;
  readonly #aead: Aead;
  readonly #lifetime: number;
  readonly #window: number;
  readonly #start: number;
  /** One bit for each number of the window: a response came. */
  readonly #taken: Uint32Array;
  #next = 0;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(env: Env, { lifetime = 247_000, window = 1024 }: StatelessTokenOptions = {}) {
    if (!Number.isInteger(window) || window < 1 || window > 65_536) throw new CoapError('ERR_COAP_PARAMETER', `expected a window of 1 to 65536, got ${window}`);
    checkParameters('stateless', { lifetime });
    this.#env = env;
    this.#aead = aead(algorithm, env.random(keyLength));
    this.#lifetime = lifetime;
    this.#window = window;
    this.#start = env.now();
    this.#taken = new Uint32Array(Math.ceil(window / 32));
  }

  /**
   * The token of a request to the endpoint that `peerKey` names.
   *
   * @throws {CoapError} `ERR_COAP_TOKEN` when all numbers are used up: a new instance has a new key
   */
  seal(state: Uint8Array, peerKey: string): Uint8Array {
    const number = this.#next;
    if (number >= 2 ** (8 * numberLength)) throw new CoapError('ERR_COAP_TOKEN', 'expected fewer than 2^32 requests under one key, got more');
    this.#next = number + 1;
    const position = number % this.#window;
    this.#taken[position >>> 5] = this.#taken[position >>> 5]! & ~(1 << (position & 31));
    const head = writeNumber(number, numberLength);
    const time = writeNumber(Math.floor(this.#env.now() - this.#start), timeLength);
    return concat(head, this.#aead.seal(nonceOf(head), utf8(peerKey), concat(time, state)));
  }

  /** The state in a token that came back from `peerKey`; `undefined`: it is not ours, too old, or was taken before. Taking it uses it up. */
  open(token: Uint8Array, peerKey: string): Uint8Array | undefined {
    if (token.length < statelessTokenCost) return undefined;
    const head = token.subarray(0, numberLength);
    const number = readNumber(head);
    if (number >= this.#next || number < this.#next - this.#window) return undefined;
    const position = number % this.#window;
    const bit = 1 << (position & 31);
    if ((this.#taken[position >>> 5]! & bit) !== 0) return undefined;
    const opened = this.#open(head, token.subarray(numberLength), peerKey);
    if (opened === undefined) return undefined;
    const age = this.#env.now() - this.#start - readNumber(opened.subarray(0, timeLength));
    if (age > this.#lifetime) return undefined;
    // Only now: a forged token takes no place.
    this.#taken[position >>> 5] = this.#taken[position >>> 5]! | bit;
    return opened.length === timeLength ? emptyBytes : opened.subarray(timeLength);
  }

  #open(head: Uint8Array, sealed: Uint8Array, peerKey: string): Uint8Array | undefined {
    try {
      return this.#aead.open(nonceOf(head), utf8(peerKey), sealed);
    } catch {
      return undefined;
    }
  }
}

/** Numbers do not repeat under a key, so nonces do not. */
function nonceOf(head: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(nonceLength);
  nonce.set(head, nonceLength - head.length);
  return nonce;
}
