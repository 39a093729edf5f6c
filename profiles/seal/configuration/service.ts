import type { ScopeTable } from '../../../src/ace/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import type { Store } from '../../../src/store/index.ts';
import { type CallerRate, Representations } from '../representation.ts';
import type { SealHost, SealService } from '../service.ts';
import { type CollectionLimits, type CollectionOptions, ConfigurationCollection } from './collection.ts';
import { type UeConfiguration, ueConfigurations } from './ue-configuration.ts';
import { type UserProfile, userProfiles } from './user-profile.ts';

/** What configuration management (TS 24.546) keeps, and what it bears. */
export interface ConfigurationServiceOptions {
  readonly store: Store;
  readonly env?: Env;
  /** For user profiles and for UE configurations, each: 10,000 documents, 32 for one user or device, 16,384 bytes of one and 64 MiB of all, 100 in a list. */
  readonly limits?: Partial<CollectionLimits>;
  /** Requests of one token: 50 at once and 10 a second. */
  readonly rate?: CallerRate;
  /** Seconds for which a representation is fresh; 60. */
  readonly maxAge?: number;
}

const defaultLimits: CollectionLimits = { documents: 10_000, perOwner: 32, document: 16_384, bytes: 0x400_0000, listed: 100 };

/**
 * Configuration management (TS 24.546, Annex C): user profiles and UE configurations of VAL services.
 *
 * A scope that ends in `-all` reaches documents about everybody, the others those about the user or the device of the token. Which UE Service ID belongs to a UE is
 * no UE's to say: UE configurations are written with `ue-configuration:write-all` alone.
 *
 * ```ts
 * const server = new SealServer({ audience: 'cm', simS, valSystem, store, profiles: [oscoreProfile], services: [new ConfigurationService({ store })] });
 * ```
 */
export class ConfigurationService implements SealService {
  readonly scopes: ScopeTable = {
    'user-profile:read': { '/su-up/v1/val-services/*': ['GET'] },
    'user-profile:write': { '/su-up/v1/val-services/*': ['POST', 'PUT', 'DELETE'] },
    'user-profile:read-all': { '/su-up/v1/val-services/*': ['GET'] },
    'user-profile:write-all': { '/su-up/v1/val-services/*': ['POST', 'PUT', 'DELETE'] },
    'ue-configuration:read': { '/su-uc/v1/val-services/*': ['GET'] },
    'ue-configuration:read-all': { '/su-uc/v1/val-services/*': ['GET'] },
    'ue-configuration:write-all': { '/su-uc/v1/val-services/*': ['POST', 'PUT', 'DELETE'] },
  };
  readonly #env: Env;
  readonly #rate: CallerRate;
  readonly #profiles: ConfigurationCollection<UserProfile>;
  readonly #ueConfigurations: ConfigurationCollection<UeConfiguration>;
  readonly #representations: Representations[] = [];

  constructor({ store, env = systemEnv, limits, rate = { burst: 50, rate: 10 }, maxAge = 60 }: ConfigurationServiceOptions) {
    this.#env = env;
    this.#rate = rate;
    const options: CollectionOptions = { store, env, limits: { ...defaultLimits, ...limits }, maxAge };
    this.#profiles = new ConfigurationCollection(userProfiles, options);
    this.#ueConfigurations = new ConfigurationCollection(ueConfigurations, options);
  }

  mount(host: SealHost): void {
    const representations = new Representations(host, this.#rate, this.#env);
    this.#representations.push(representations);
    this.#profiles.mount(host, representations);
    this.#ueConfigurations.mount(host, representations);
  }

  async start(): Promise<void> {
    await this.#profiles.documents.start();
    await this.#ueConfigurations.documents.start();
  }

  /** Wait for writes that are under way. */
  async close(): Promise<void> {
    await this.#profiles.documents.idle();
    await this.#ueConfigurations.documents.idle();
  }

  stats(): Readonly<Record<string, number>> {
    return {
      userProfiles: this.#profiles.documents.size,
      ueConfigurations: this.#ueConfigurations.documents.size,
      configurationBytes: this.#profiles.documents.bytes + this.#ueConfigurations.documents.bytes,
      configurationCallers: this.#representations.reduce((sum, { callers }) => sum + callers, 0),
    };
  }
}
