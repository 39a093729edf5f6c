import { networkOf } from '../../../src/coap/index.ts';
import type { Env } from '../../../src/core/env.ts';
import { FadingCounts } from '../../../src/core/fading-counts.ts';
import type { CallerRate } from '../representation.ts';

/** How many wrong credentials are looked at: so many at once, and so many per second from then on. */
export interface CredentialFailureRates {
  /** Of one client at one address; 20 and one a minute when absent. */
  readonly client?: CallerRate;
  /** Of one address, an IPv6 /64 as one, whomever they name; 100 and one in 36 seconds when absent. */
  readonly address?: CallerRate;
}

const usual = { client: { burst: 20, rate: 1 / 60 }, address: { burst: 100, rate: 1 / 36 } } as const;
/** Of each kind. */
const entries = 4096;

/**
 * Counts requests whose client credentials are wrong, by the address that they come from, and by that address and the client that they name. Who has failed too
 * often has to wait before another is looked at: a guess costs a slow hash or a signature.
 *
 * A client that has shown the right secret from an address does not wait for what strangers do behind the same address, as they may behind a proxy or a NAT.
 */
export class CredentialFailures {
  readonly #addresses: FailureCounts;
  readonly #clients: FailureCounts;
  /** In order of last use. */
  readonly #known = new Set<string>();

  constructor(env: Pick<Env, 'now'>, { client = usual.client, address = usual.address }: CredentialFailureRates = {}) {
    this.#addresses = new FailureCounts(env, address);
    this.#clients = new FailureCounts(env, client);
  }

  /** 0, or the seconds until credentials are looked at again. */
  wait(address: string, client: string): number {
    const network = networkOf(address);
    const key = keyOf(network, client);
    return Math.max(this.#clients.wait(key), this.#known.has(key) ? 0 : this.#addresses.wait(network));
  }

  failed(address: string, client: string): void {
    const network = networkOf(address);
    this.#addresses.add(network);
    this.#clients.add(keyOf(network, client));
  }

  /** What was counted stays: whoever guesses may sit behind the address of the client. */
  succeeded(address: string, client: string): void {
    const key = keyOf(networkOf(address), client);
    this.#known.delete(key);
    this.#known.add(key);
    if (this.#known.size > entries) this.#known.delete(this.#known.values().next().value!);
  }
}

/** Characters: no client has a longer name, and those that have share a count. */
const longestName = 900;

const keyOf = (network: string, client: string): string => (client.length > longestName ? `${network} ` : `${network} ${client}`);

/** The failures of a kind, and how long they make one wait. */
class FailureCounts {
  readonly #limit: CallerRate;
  readonly #counts: FadingCounts;

  constructor(env: Pick<Env, 'now'>, limit: CallerRate) {
    this.#limit = limit;
    this.#counts = new FadingCounts(env, limit.rate, entries);
  }

  wait(key: string): number {
    const { burst, rate } = this.#limit;
    return Math.max(0, Math.ceil((this.#counts.of(key) - burst + 1) / rate));
  }

  add(key: string): void {
    this.#counts.add(key);
  }
}
