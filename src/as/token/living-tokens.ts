import { Ends } from '../../ace/index.ts';
import type { Env } from '../../core/env.ts';

/** Ends that are over stay at the front of an array until there are so many, and more than there are others. */
const mostOver = 64;

/** When the tokens of one client end, the earliest first, and how many are being made. */
class Holding {
  #ends: number[] = [];
  #over = 0;
  underWay = 0;
  /** Whether its end is waited for. */
  awaited = false;

  get living(): number {
    return this.#ends.length - this.#over;
  }

  /** By when all have ended; `undefined` where no token lives. */
  get last(): number | undefined {
    return this.#ends.at(-1);
  }

  add(at: number): void {
    const ends = this.#ends;
    if (ends.length === 0 || ends.at(-1)! <= at) ends.push(at);
    else ends.splice(this.#placeOf(at), 0, at);
  }

  /** @returns whether there was one with this end */
  delete(at: number): boolean {
    const place = this.#placeOf(at);
    if (this.#ends[place] !== at) return false;
    this.#ends.splice(place, 1);
    return true;
  }

  passOver(now: number): void {
    const ends = this.#ends;
    while (this.#over < ends.length && ends[this.#over]! <= now) this.#over++;
    if (this.#over === ends.length) {
      ends.length = 0;
      this.#over = 0;
    } else if (this.#over > mostOver && 2 * this.#over > ends.length) {
      ends.splice(0, this.#over);
      this.#over = 0;
    }
  }

  /** The first that does not end before. */
  #placeOf(at: number): number {
    let [low, high] = [this.#over, this.#ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * How many living tokens each client has, and how many are made for it. Of a token nothing is kept but when it ends: an AS has far more of them than clients, and
 * what else there is to know of one stands in the store.
 */
export class LivingTokens {
  readonly #env: Env;
  readonly #holdings = new Map<string, Holding>();
  /** For each client that had a token when its tokens have ended. */
  readonly #ends: Ends<{ readonly at: number; readonly client: string }>;

  constructor(env: Env) {
    this.#env = env;
    this.#ends = new Ends(env, ({ client }) => this.#ended(client));
  }

  /** Those of all clients. */
  get size(): number {
    const now = this.#env.epoch();
    let size = 0;
    for (const holding of this.#holdings.values()) {
      holding.passOver(now);
      size += holding.living;
    }
    return size;
  }

  /** Those of one client. */
  count(client: string): number {
    const holding = this.#holdings.get(client);
    holding?.passOver(this.#env.epoch());
    return holding?.living ?? 0;
  }

  /** See `TokenRecords.begin`. */
  begin(client: string, most: number): boolean {
    const holding = this.#holdings.get(client);
    if (this.count(client) + (holding?.underWay ?? 0) >= most) return false;
    (holding ?? this.#hold(client)).underWay++;
    return true;
  }

  /** A token was made and added, or not made; maybe after `close`. */
  end(client: string): void {
    const holding = this.#holdings.get(client);
    if (holding === undefined) return;
    holding.underWay--;
    this.#release(client, holding);
  }

  /** A token that ends at `at`, in seconds since 1970. */
  add(client: string, at: number): void {
    const holding = this.#holdings.get(client) ?? this.#hold(client);
    holding.add(at);
    this.#await(client, holding);
  }

  /** A token that would end at `at` has ended. */
  delete(client: string, at: number): void {
    const holding = this.#holdings.get(client);
    if (holding?.delete(at) === true) this.#release(client, holding);
  }

  close(): void {
    this.#ends.close();
    this.#holdings.clear();
  }

  #hold(client: string): Holding {
    const holding = new Holding();
    this.#holdings.set(client, holding);
    return holding;
  }

  #ended(client: string): void {
    const holding = this.#holdings.get(client);
    if (holding === undefined) return;
    holding.passOver(this.#env.epoch());
    holding.awaited = false;
    this.#await(client, holding);
    this.#release(client, holding);
  }

  #await(client: string, holding: Holding): void {
    if (holding.awaited || holding.last === undefined) return;
    holding.awaited = true;
    this.#ends.add({ at: holding.last, client });
  }

  #release(client: string, { living, underWay, awaited }: Holding): void {
    if (living === 0 && underWay === 0 && !awaited) this.#holdings.delete(client);
  }
}
