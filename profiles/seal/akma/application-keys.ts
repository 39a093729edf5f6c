import { type Env, systemEnv } from '../../../src/core/env.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import { parseAKid } from './a-kid.ts';
import type { Aanf, ApplicationKey } from './aanf.ts';
import { type AfId, encodeAfId } from './af-id.ts';
import { ExpiringMap } from './expiring-map.ts';

/** Where keys come from, and how many are kept. */
export interface ApplicationKeysOptions {
  readonly aanf: Pick<Aanf, 'retrieveApplicationKey'>;
  /** Who this application function is. */
  readonly afId: AfId;
  /** Keys that are kept; 10,000. One more, and the one that was fetched first goes, to be fetched again when it is asked for. */
  readonly limit?: number;
  readonly env?: Env;
  /** Hears of keys that were fetched and of those that could not be. */
  readonly emit?: (event: AkmaEvent) => void;
}

/** What an application function meets; for logs: it holds no key and names no subscriber. */
export type AkmaEvent =
  | { readonly type: 'key-fetched' | 'key-unknown'; readonly aKid: string }
  | { readonly type: 'aanf-failed'; readonly reason: string; readonly detail: string };

/**
 * The K_AFs of an application function: each is fetched from the AAnF when it is first asked for, kept until it expires, and then fetched again (TS 33.535,
 * Section 6.2).
 */
export class ApplicationKeys {
  readonly afId: AfId;
  readonly #options: ApplicationKeysOptions;
  readonly #env: Env;
  readonly #keys: ExpiringMap<ApplicationKey>;
  readonly #fetching = new Map<string, Promise<ApplicationKey | undefined>>();

  /** @throws {AkmaError} `ERR_AKMA_AF_ID` */
  constructor(options: ApplicationKeysOptions) {
    encodeAfId(options.afId);
    this.afId = options.afId;
    this.#options = options;
    this.#env = options.env ?? systemEnv;
    this.#keys = new ExpiringMap(this.#env);
  }

  /**
   * The key that an A-KID names, if it names one now.
   *
   * @throws {AkmaError} `ERR_AKMA_AANF` when the AAnF does not say, `ERR_AKMA_A_KID` for what is none
   */
  async get(aKid: string): Promise<ApplicationKey | undefined> {
    const kept = this.#keys.get(aKid);
    if (kept !== undefined) return kept;
    // A peer that was not let in yet chose the text.
    parseAKid(aKid);
    let fetching = this.#fetching.get(aKid);
    if (fetching === undefined) {
      fetching = this.#fetch(aKid).finally(() => this.#fetching.delete(aKid));
      this.#fetching.set(aKid, fetching);
    }
    return fetching;
  }

  /** `keys`: those that are kept; `fetching`: questions to the AAnF under way. */
  stats(): Readonly<Record<'keys' | 'fetching', number>> {
    return { keys: this.#keys.size, fetching: this.#fetching.size };
  }

  /** Forget all keys. */
  close(): void {
    this.#keys.close();
  }

  async #fetch(aKid: string): Promise<ApplicationKey | undefined> {
    try {
      const key = await this.#options.aanf.retrieveApplicationKey(aKid, this.afId);
      const isGood = key !== undefined && this.#env.epoch() < key.expiresAt;
      this.#options.emit?.({ type: isGood ? 'key-fetched' : 'key-unknown', aKid });
      if (!isGood) return undefined;
      this.#keep(aKid, key);
      return key;
    } catch (error) {
      const reason = error instanceof ProtocolError ? error.code : 'unknown';
      this.#options.emit?.({ type: 'aanf-failed', reason, detail: error instanceof Error ? error.message : 'it threw' });
      throw error;
    }
  }

  #keep(aKid: string, key: ApplicationKey): void {
    this.#keys.set(aKid, key, key.expiresAt);
    if (this.#keys.size > (this.#options.limit ?? 10_000)) this.#keys.deleteFirst();
  }
}
