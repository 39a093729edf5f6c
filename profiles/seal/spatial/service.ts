import type { ScopeTable } from '../../../src/ace/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import type { Store } from '../../../src/store/index.ts';
import { type CallerRate, Representations } from '../representation.ts';
import type { SealHost, SealService } from '../service.ts';
import { SpatialCollection, type SpatialLimits } from './collection.ts';
import type { PageSize } from './discovery.ts';
import { anchors, maps, type SpatialKind } from './spatial-object.ts';

/** What the spatial services (TS 23.437) keep, and what they bear. */
export interface SpatialServiceOptions {
  readonly store: Store;
  readonly env?: Env;
  readonly limits?: {
    /** 10,000 anchors, 1,000 of one owner, 16,384 bytes of one and 64 MiB of all. */
    readonly anchors?: Partial<SpatialLimits>;
    /** 1,000 maps, 100 of one owner, 65,536 bytes of one and 64 MiB of all. */
    readonly maps?: Partial<SpatialLimits>;
  };
  /** Objects in one answer of a discovery; 20, and as many as the query says up to 50. */
  readonly page?: PageSize;
  /** Requests of one token: 50 at once and 10 a second. */
  readonly rate?: CallerRate;
  /** Seconds for which a representation is fresh; 60. */
  readonly maxAge?: number;
}

const anchorLimits: SpatialLimits = { documents: 10_000, perOwner: 1000, document: 16_384, bytes: 0x400_0000 };
const mapLimits: SpatialLimits = { documents: 1000, perOwner: 100, document: 65_536, bytes: 0x400_0000 };

/** Observation needs a GET: whoever may subscribe may read what it observes. */
function scopesOf({ scope, path }: SpatialKind): ScopeTable {
  return {
    [`${scope}:create`]: { [path]: ['POST'] },
    [`${scope}:read`]: { [`${path}/*`]: ['GET'] },
    [`${scope}:update`]: { [`${path}/*`]: ['PUT'] },
    [`${scope}:delete`]: { [`${path}/*`]: ['DELETE'] },
    [`${scope}:discover`]: { [path]: ['GET'] },
    [`${scope}:subscribe`]: { [path]: ['GET'], [`${path}/*`]: ['GET'] },
  };
}

/**
 * The spatial anchors and spatial map server (TS 33.434 v19, 6.1; TS 23.437), with a scope for each operation.
 *
 * Whoever makes an object owns it: its VAL user, or else its VAL UE. The owner alone changes it, and names the entities that may see it; all of it takes a token
 * for the VAL service that the object belongs to.
 *
 * ```ts
 * const server = new SealServer({ audience: 'san', simS, valSystem, store, profiles: [oscoreProfile], services: [new SpatialService({ store })] });
 * ```
 */
export class SpatialService implements SealService {
  readonly scopes: ScopeTable = { ...scopesOf(anchors), ...scopesOf(maps) };
  readonly #env: Env;
  readonly #rate: CallerRate;
  readonly #anchors: SpatialCollection;
  readonly #maps: SpatialCollection;
  readonly #representations: Representations[] = [];

  constructor(options: SpatialServiceOptions) {
    const { store, env = systemEnv, limits, page = { usual: 20, most: 50 }, rate = { burst: 50, rate: 10 }, maxAge = 60 } = options;
    this.#env = env;
    this.#rate = rate;
    this.#anchors = new SpatialCollection(anchors, { store, env, limits: { ...anchorLimits, ...limits?.anchors }, page, maxAge });
    this.#maps = new SpatialCollection(maps, { store, env, limits: { ...mapLimits, ...limits?.maps }, page, maxAge });
  }

  mount(host: SealHost): void {
    const representations = new Representations(host, this.#rate, this.#env);
    this.#representations.push(representations);
    this.#anchors.mount(host, representations);
    this.#maps.mount(host, representations);
  }

  async start(): Promise<void> {
    await this.#anchors.documents.start();
    await this.#maps.documents.start();
  }

  /** Wait for writes that are under way. */
  async close(): Promise<void> {
    await this.#anchors.documents.idle();
    await this.#maps.documents.idle();
  }

  stats(): Readonly<Record<string, number>> {
    return {
      spatialAnchors: this.#anchors.documents.size,
      spatialMaps: this.#maps.documents.size,
      spatialBytes: this.#anchors.documents.bytes + this.#maps.documents.bytes,
      spatialCallers: this.#representations.reduce((sum, { callers }) => sum + callers, 0),
    };
  }
}
