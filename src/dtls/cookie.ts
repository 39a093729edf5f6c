import { ByteWriter, constantTimeEqual, utf8 } from '../core/bytes.ts';
import { hmac } from '../core/crypto/index.ts';
import type { Env } from '../core/env.ts';
import type { ClientHello } from './messages.ts';
import { putVector8, putVector16 } from './vector.ts';

const secretLength = 32;
const macLength = 16;

/**
 * Cookies that need no memory: a MAC, under a secret that changes, of the address of the client and of what it proposes.
 *
 * The first byte says which secret it was. A cookie holds for one to two rotation times.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1
 */
export class Cookies {
  readonly #env: Env;
  readonly #rotation: number;
  #generation = 0;
  #since: number;
  #secret: Uint8Array;
  #previous: Uint8Array | undefined;

  /** `rotation`: milliseconds that a secret is used. */
  constructor(rotation: number, env: Env) {
    this.#env = env;
    this.#rotation = rotation;
    this.#since = env.now();
    this.#secret = env.random(secretLength);
  }

  create(hello: ClientHello, peer: string): Uint8Array {
    this.#rotate();
    return this.#cookie(this.#generation, this.#secret, hello, peer);
  }

  /** Whether the cookie in the ClientHello is one that we gave this peer for these parameters, not long ago. */
  accepts(hello: ClientHello, peer: string): boolean {
    if (hello.cookie.length !== 1 + macLength) return false;
    this.#rotate();
    const isCurrent = hello.cookie[0] === this.#generation;
    const generation = isCurrent ? this.#generation : (this.#generation + 0xff) & 0xff;
    const secret = isCurrent ? this.#secret : this.#previous;
    return secret !== undefined && constantTimeEqual(this.#cookie(generation, secret, hello, peer), hello.cookie);
  }

  #cookie(generation: number, secret: Uint8Array, hello: ClientHello, peer: string): Uint8Array {
    // RFC 6347 §4.2.1: version, random, session_id, cipher_suites and compression_methods are those that must not change.
    const input = putVector16(new ByteWriter(256), utf8(peer)).u16(hello.version).bytes(hello.random);
    putVector8(input, hello.sessionId);
    input.u16(2 * hello.suites.length);
    for (const suite of hello.suites) input.u16(suite);
    putVector8(input, hello.compressions);
    const cookie = new Uint8Array(1 + macLength);
    cookie[0] = generation;
    const mac = hmac('sha256', secret, input.view());
    for (let i = 0; i < macLength; i++) cookie[1 + i] = mac[i]!;
    return cookie;
  }

  /** By use, not by a timer: a server at rest has none. */
  #rotate(): void {
    const age = this.#env.now() - this.#since;
    if (age < this.#rotation) return;
    this.#previous = age < 2 * this.#rotation ? this.#secret : undefined;
    this.#secret = this.#env.random(secretLength);
    this.#generation = (this.#generation + 1) & 0xff;
    this.#since = this.#env.now();
  }
}
