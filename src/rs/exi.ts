import { AceError, decodeExiCti, Expiry } from '../ace/index.ts';
import { Code } from '../coap/index.ts';
import { decode, encode } from '../core/cbor.ts';
import type { ClaimsSet } from '../core/cwt.ts';
import type { Env } from '../core/env.ts';
import type { Store } from '../store/index.ts';

interface Issuer {
  /** Highest sequence number of a token that has expired; it and all below count as expired. */
  expired: number;
  /** Ends of running counters by sequence number, in milliseconds of `Env.now`. */
  readonly ends: Map<number, number>;
}

const folder = 'rs/exi/';

/** Seconds: the two clocks need not agree on fractions of a millisecond, and a wait of none would be none. */
export const leastWait = 0.02;

/**
 * Counters of tokens with an `exi` claim, which run from the first time that a token is verified (RFC 9200, Section 5.10.3).
 *
 * An RS that needs exi has no clock to trust, so nobody can say how much time a restart took: a counter ends with the process. Durable is the highest
 * sequence number that a counter was started for; a later process takes it, and all below, for expired.
 */
export class ExiCounters {
  readonly #store: Store;
  readonly #env: Env;
  #limit: number;
  readonly #issuers = new Map<string, Issuer>();
  readonly #expiry: Expiry;

  constructor(options: { readonly store: Store; readonly env: Env; readonly limit: number }) {
    this.#store = options.store;
    this.#env = options.env;
    this.#limit = options.limit;
    this.#expiry = new Expiry(options.env, (key) => this.#wake(key));
  }

  /** Run so many counters of an issuer at most. What runs goes on until another one starts. */
  bound(limit: number): void {
    this.#limit = limit;
  }

  get size(): number {
    return this.#expiry.size;
  }

  async start(): Promise<void> {
    for await (const [key, value] of this.#store.scan(folder)) {
      const expired = decode(value);
      if (typeof expired === 'number') this.#issuers.set(decodeURIComponent(key.slice(folder.length)), { expired, ends: new Map() });
    }
  }

  /**
   * When a token ends, in milliseconds of `Env.now`; the first call for a token starts its counter, which is then durable.
   *
   * @throws {AceError} `ERR_RS_CTI`, 4.00, without a cti that says which token it is; `ERR_RS_EXPIRED`, 4.01
   */
  async end(issuer: string, claims: ClaimsSet): Promise<number> {
    const cti = claims.cti === undefined ? undefined : decodeExiCti(claims.cti);
    if (cti === undefined || claims.exi === undefined) {
      throw new AceError('ERR_RS_CTI', 'expected a cti of an RS identifier and a sequence number in a token with exi', { responseCode: Code.BadRequest });
    }
    const { sequence } = cti;
    const known = this.#issuer(issuer);
    const running = known.ends.get(sequence);
    if (running !== undefined && running > this.#env.now()) return running;
    if (sequence <= known.expired) throw new AceError('ERR_RS_EXPIRED', 'the token has expired', { responseCode: Code.Unauthorized });
    const end = this.#env.now() + claims.exi * 1000;
    await this.#makeDurable(issuer, sequence);
    const meanwhile = known.ends.get(sequence);
    if (meanwhile !== undefined) return meanwhile;
    known.ends.set(sequence, end);
    this.#expiry.set(keyOf(issuer, sequence), this.#env.epoch() + claims.exi);
    if (known.ends.size > this.#limit) this.#expire(issuer, known.ends.keys().next().value!);
    return end;
  }

  /** A token with this sequence number, and all below, count as expired from now on. */
  async retire(issuer: string, sequence: number): Promise<void> {
    const known = this.#issuer(issuer);
    known.expired = Math.max(known.expired, sequence);
    await this.#makeDurable(issuer, sequence);
  }

  close(): void {
    this.#expiry.close();
    this.#issuers.clear();
  }

  #issuer(name: string): Issuer {
    let issuer = this.#issuers.get(name);
    if (issuer === undefined) {
      issuer = { expired: 0, ends: new Map() };
      this.#issuers.set(name, issuer);
    }
    return issuer;
  }

  async #makeDurable(issuer: string, sequence: number): Promise<void> {
    const key = folder + encodeURIComponent(issuer);
    for (;;) {
      const stored = await this.#store.get(key);
      const highest = stored === undefined ? 0 : Number(decode(stored));
      if (highest >= sequence) return;
      if (await this.#store.compareAndSet(key, stored, encode(sequence))) return;
    }
  }

  /** The wall clock woke us; the counter runs on the other one. */
  #wake(key: string): void {
    const split = key.indexOf(' ');
    const sequence = Number(key.slice(0, split));
    const issuer = key.slice(split + 1);
    const end = this.#issuers.get(issuer)?.ends.get(sequence);
    if (end === undefined) return;
    const left = end - this.#env.now();
    if (left <= 0) this.#expire(issuer, sequence);
    else this.#expiry.set(key, this.#env.epoch() + Math.max(left / 1000, leastWait));
  }

  #expire(name: string, sequence: number): void {
    const issuer = this.#issuers.get(name)!;
    issuer.ends.delete(sequence);
    this.#expiry.delete(keyOf(name, sequence));
    issuer.expired = Math.max(issuer.expired, sequence);
  }
}

function keyOf(issuer: string, sequence: number): string {
  return `${sequence} ${issuer}`;
}
