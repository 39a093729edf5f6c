import { AceError, type Profile, type ScopeTable } from '../../src/ace/index.ts';
import { Code, type Endpoint, type Resource, type ResourceHandle, type ResourceRequest, type Transports } from '../../src/coap/index.ts';
import type { ClaimsSet } from '../../src/core/cwt.ts';
import { type IssuerRegistration, ResourceServer, type ResourceServerChanges, ResourceServerError, type ResourceServerOptions } from '../../src/rs/index.ts';
import type { Caller } from './caller.ts';
import type { SealMode } from './modes.ts';
import { hasOscore } from './oscore-profile.ts';
import type { SealHost, SealService } from './service.ts';
import { readValClaims } from './val-claims.ts';

/** TS 33.434, B.3.6.2: seconds that a token may be taken late. */
export const longestLeeway = 30;

/** A resource server of a VAL system: what TS 33.434 settles is not there to be chosen. */
export interface SealServerOptions extends Omit<ResourceServerOptions, 'issuers' | 'demand' | 'aif' | 'leewayCap'> {
  /** The SIM-S of the VAL system, the only issuer of tokens for this server. */
  readonly simS: IssuerRegistration;
  /** VAL system ID: tokens of another system are refused. */
  readonly valSystem: string;
  /** `coap_oscore` among them. */
  readonly profiles: readonly Profile[];
  readonly services?: readonly SealService[];
  /** Seconds; 0 when absent, 30 at most. */
  readonly leeway?: number;
  /** `strict` when absent. */
  readonly mode?: SealMode;
}

/** What of a SEAL server may be another while it runs. */
export type SealServerChanges = Omit<ResourceServerChanges, 'issuers'> & Partial<Pick<SealServerOptions, 'simS'>>;

/**
 * A SEAL server: a resource server of ACE-OAuth narrowed to TS 33.434, Annex B.
 *
 * ```ts
 * const server = new SealServer({ audience: 'lm', simS, valSystem: 'val.example', scopes, store, profiles: [oscoreProfile] });
 * server.resource('/positions', { get: (request) => positionsOf(server.callerOf(request)) });
 * await server.listen(await udp({ port: 5683 }));
 * ```
 */
export class SealServer implements SealHost {
  readonly #services: readonly SealService[];
  readonly #rs: ResourceServer;
  readonly #simS: IssuerRegistration;
  #started: Promise<void> | undefined;

  /** @throws {ResourceServerError} `ERR_RS_CONFIG` */
  constructor({ simS, valSystem, services = [], mode = 'strict', ...options }: SealServerOptions) {
    if (!hasOscore(options.profiles))
      throw new ResourceServerError('ERR_RS_CONFIG', 'profiles: expected coap_oscore among them (TS 33.434, B.3.4), got others');
    this.#services = services;
    this.#simS = simS;
    this.#rs = new ResourceServer({
      ...options,
      scopes: this.#scopes(options.scopes),
      public: this.#paths('public', options.public),
      anyScope: this.#paths('anyScope', options.anyScope),
      issuers: [simS],
      leewayCap: longestLeeway,
      demand: (claims) => demand(claims, valSystem, mode),
    });
    for (const service of services) service.mount(this);
  }

  /** Serve a path. See `ResourceServer.resource`. */
  resource(path: string, resource: Resource): ResourceHandle {
    return this.#rs.resource(path, resource);
  }

  /** `undefined`: the resource is public, or the token has ended since. */
  callerOf(request: Pick<ResourceRequest, 'association'>): Caller | undefined {
    const authorization = this.#rs.authorizationOf(request);
    if (authorization === undefined) return undefined;
    const { claims, scope, expiresAt } = authorization;
    const { valUserId, valUeId, valServiceIds = [] } = readValClaims(claims);
    return {
      ...(claims.sub === undefined ? {} : { subject: claims.sub }),
      ...(valUserId === undefined ? {} : { valUserId }),
      ...(valUeId === undefined ? {} : { valUeId }),
      valServiceIds,
      scope,
      expiresAt,
    };
  }

  /** Whether a token hash (RFC 9770, Section 4) stands on the revocation list of the SIM-S, where the server follows it. For what comes by another face. */
  isRevoked(hash: string): boolean {
    return this.#rs.isRevoked(this.#simS, hash);
  }

  /** Take up what an earlier run left in the store. `listen` does it when it was not done. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Start the services and take requests. See `ResourceServer.listen`. */
  async listen(transport: Transports): Promise<Endpoint> {
    await this.start();
    return this.#rs.listen(transport);
  }

  /** Other token keys of the SIM-S, and what else may change while it runs; scopes and public paths of the services stay. See `ResourceServer.reconfigure`. */
  reconfigure({ simS, ...changes }: SealServerChanges): void {
    this.#rs.reconfigure({
      ...changes,
      ...(simS === undefined ? {} : { issuers: [simS] }),
      ...('scopes' in changes ? { scopes: this.#scopes(changes.scopes) } : {}),
      ...('public' in changes ? { public: this.#paths('public', changes.public) } : {}),
    });
  }

  /** Answer what is under way, for at most so many milliseconds, and take nothing new. `false`: time was up first. */
  drain(milliseconds: number): Promise<boolean> {
    return this.#rs.drain(milliseconds);
  }

  /** Entries of each kind that the server and its services hold. */
  stats(): Readonly<Record<string, number>> {
    return Object.assign({}, this.#rs.stats(), ...this.#services.map((service) => service.stats?.()));
  }

  /** Let go of sockets, contexts and timers, and wait for writes of the services. The store stays open. */
  async close(): Promise<void> {
    await this.#rs.close();
    await Promise.all(this.#services.map((service) => service.close?.()));
  }

  #scopes(own: ScopeTable | undefined): ScopeTable {
    return Object.assign({}, own, ...this.#services.map((service) => service.scopes));
  }

  #paths(kind: 'public' | 'anyScope', own: readonly string[] = []): readonly string[] {
    return [...own, ...this.#services.flatMap((service) => service[kind] ?? [])];
  }

  async #start(): Promise<void> {
    await this.#rs.start();
    await Promise.all(this.#services.map((service) => service.start?.()));
  }
}

/** TS 33.434, B.3.6.2; RFC 9200 leaves exp to exi. */
const required = ['exp', 'scope', 'cnf'] as const;
/** TS 33.434 v19, 6.2.2 and 6.3, has the server check them. */
const strictlyRequired = [...required, 'iss', 'sub'] as const;

function demand(claims: ClaimsSet, valSystem: string, mode: SealMode): void {
  for (const name of mode === 'strict' ? strictlyRequired : required) {
    if (claims[name] === undefined) throw new AceError('ERR_SEAL_CLAIM', `expected the claim ${name}, got none`, { responseCode: Code.BadRequest });
  }
  const { valSystemId } = readValClaims(claims);
  if (valSystemId === valSystem || (mode === 'lenient' && valSystemId === undefined)) return;
  throw new AceError('ERR_SEAL_SYSTEM', 'expected a token of this VAL system, got one of another', { responseCode: Code.Unauthorized });
}
