import { networkOf, RateLimit } from '../../../../src/coap/index.ts';
import type { Env } from '../../../../src/core/env.ts';
import { tooMany } from './t8-error.ts';

/** So many at once, and so many a second after that. */
export interface T8Rate {
  readonly burst: number;
  readonly rate: number;
}

/** How often an address and an SCS/AS may ask, and how often something may be sent to a device. */
export interface T8Rates {
  /** Requests from each address, before it is known who asks. 512 at once and 256 a second when absent. */
  readonly perAddress?: T8Rate;
  /** Requests of each SCS/AS, whatever they ask for. 200 at once and 100 a second when absent. */
  readonly perScsAs?: T8Rate;
  /** Triggers and data for each device, of all SCS/AS together: those that are replaced count again. 50 at once and 10 a second when absent. */
  readonly perDevice?: T8Rate;
}

/** A request was refused for its rate; `device` where that of the device was exceeded. */
export type T8RateEvent =
  | { readonly type: 'rate-exceeded'; readonly scsAsId: string; readonly device?: string }
  /** Nobody knows yet who asks. */
  | { readonly type: 'address-rate-exceeded'; readonly address: string };

/** Addresses, SCS/AS and devices whose rate is remembered, of each kind. */
const entries = 16_384;

const usual = { perAddress: { burst: 512, rate: 256 }, perScsAs: { burst: 200, rate: 100 }, perDevice: { burst: 50, rate: 10 } } as const;

interface Limited {
  readonly rate: T8Rate;
  readonly limit: RateLimit;
}

/** The rates of addresses, SCS/AS and devices. */
export class RequestRates {
  readonly #env: Env;
  readonly #emit: (event: T8RateEvent) => void;
  #perAddress: Limited;
  #perScsAs: Limited;
  #perDevice: Limited;

  constructor(env: Env, rates: T8Rates, emit: (event: T8RateEvent) => void) {
    this.#env = env;
    this.#emit = emit;
    const { perAddress, perScsAs, perDevice } = { ...usual, ...rates };
    this.#perAddress = this.#limited(perAddress);
    this.#perScsAs = this.#limited(perScsAs);
    this.#perDevice = this.#limited(perDevice);
  }

  /** From now on these. What is counted for one that changes begins anew. */
  change(rates: T8Rates): void {
    const { perAddress, perScsAs, perDevice } = { ...usual, ...rates };
    this.#perAddress = this.#limited(perAddress, this.#perAddress);
    this.#perScsAs = this.#limited(perScsAs, this.#perScsAs);
    this.#perDevice = this.#limited(perDevice, this.#perDevice);
  }

  #limited(rate: T8Rate, before?: Limited): Limited {
    if (before?.rate.burst === rate.burst && before.rate.rate === rate.rate) return before;
    return { rate, limit: new RateLimit(this.#env, { ...rate, entries }) };
  }

  /** Those that are remembered. */
  get size(): number {
    return this.#perAddress.limit.size + this.#perScsAs.limit.size + this.#perDevice.limit.size;
  }

  /** @throws {T8Error} `ERR_T8_RATE` */
  admitAddress(address: string): void {
    const wait = this.#perAddress.limit.take(networkOf(address));
    if (wait === 0) return;
    this.#emit({ type: 'address-rate-exceeded', address });
    throw tooMany('from this address', wait);
  }

  /** @throws {T8Error} `ERR_T8_RATE` */
  admitScsAs(scsAsId: string): void {
    const wait = this.#perScsAs.limit.take(scsAsId);
    if (wait === 0) return;
    this.#emit({ type: 'rate-exceeded', scsAsId });
    throw tooMany('of this SCS/AS', wait);
  }

  /**
   * Once it is known that the SCS/AS may address the device, so that who may not learns nothing of it.
   *
   * @throws {T8Error} `ERR_T8_RATE`
   */
  admitDevice(scsAsId: string, device: string): void {
    const wait = this.#perDevice.limit.take(device);
    if (wait === 0) return;
    this.#emit({ type: 'rate-exceeded', scsAsId, device });
    throw tooMany('for this device', wait);
  }
}
