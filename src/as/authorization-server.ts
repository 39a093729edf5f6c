import { type Experiment, type Profile, type ProfileAtAs, tokenHashText } from '../ace/index.ts';
import {
  ContentFormat,
  codeName,
  type EchoLayer,
  Endpoint,
  type EndpointOptions,
  echo,
  formatCode,
  type Response,
  Router,
  requestPath,
  type TransmissionParameters,
  type Transports,
  UnderWay,
} from '../coap/index.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { messageOf } from '../core/errors.ts';
import { optionFault } from '../core/options.ts';
import type { Store } from '../store/index.ts';
import { AdminResource } from './admin/admin-resource.ts';
import { Administration } from './admin/administration.ts';
import { type Departed, departedOf, type TakeAway } from './admin/departures.ts';
import { Audit, type AuditSink, faultReason } from './audit.ts';
import { ClockWatch } from './clock.ts';
import type { EndpointRequest } from './endpoint-request.ts';
import { AuthorizationServerError } from './error.ts';
import type { AuthorizationServerEvent } from './events.ts';
import { ClientSecrets } from './grants/client-secrets.ts';
import { GrantRevocations } from './grants/grant-revocations.ts';
import { type GrantTypeName, grantTypesOf } from './grants/grant-types.ts';
import { AuthorizationGrants, type RefreshTokenOptions } from './grants/grants.ts';
import { type PasswordVerifier, storedPasswords } from './grants/passwords.ts';
import { Admission, peersOnly } from './guard.ts';
import { type Policy, registeredGrants } from './policy.ts';
import { addressRate, clientRate, type RateLayer, type Rates } from './rates.ts';
import { type ConfiguredPeer, type PeerChanges, replacePeers } from './reconfiguration.ts';
import type { ClientRegistration, ResourceServerRegistration } from './registry/registration.ts';
import { Registry } from './registry/registry.ts';
import { TokenMint, tryTokenKeys } from './token/access-token.ts';
import { IntrospectionEndpoint } from './token/introspection-endpoint.ts';
import { SharedTokens } from './token/shared-tokens.ts';
import { TokenEndpoint } from './token/token-endpoint.ts';
import { TokenRecords } from './token/token-records.ts';
import type { TokenRules } from './token/token-rules.ts';
import { TokenUploads } from './token/token-uploads.ts';
import { Revocations } from './trl/revocations.ts';
import { TrlEndpoint, type TrlOptions } from './trl/trl-endpoint.ts';
import { UnfinishedWork } from './unfinished-work.ts';

/** Bounds of what peers can make the AS hold. */
export interface AuthorizationServerLimits {
  /** Bytes of a request payload, reassembled; 4096 when absent. */
  readonly payload?: number;
  /** Requests that wait for the store or a policy at once; 256. */
  readonly pending?: number;
  /** Living tokens of one client; 16,384. */
  readonly tokensPerClient?: number;
  /** How often one client and one address may ask; who asks more often is answered with 4.29 and Max-Age. As often as they like when absent. */
  readonly rate?: Rates;
}

/** Bytes. */
const maxBodyOf = ({ payload = 4096 }: AuthorizationServerLimits): number => payload;

/** Who an authorization server serves, with which profiles, and within which limits. */
export interface AuthorizationServerOptions {
  /** The `iss` claim, for resource servers that are registered to want it. */
  readonly issuer?: string;
  readonly store: Store;
  /**
   * To be given where several processes serve as this AS with one store: for so many seconds after a request one of them has its security context to itself, and
   * another that gets requests on it waits (RFC 8613, Appendix B.1). Absent: this process is the only one.
   */
  readonly lease?: number;
  readonly profiles: readonly Profile[];
  /** Who stood here, or among the resource servers, when a server last had the store to itself, and does not now, has left as by `reconfigure`; not where there is a `lease`. */
  readonly clients: readonly ClientRegistration[];
  readonly resourceServers: readonly ResourceServerRegistration[];
  /** The registered grants when absent; a function gets these, and may narrow them. */
  readonly policy?: Policy | ((registered: Policy) => Policy);
  /** What a client may show to get a token, if its registration says so too. Absent: client_credentials only. */
  readonly grantTypes?: readonly GrantTypeName[];
  readonly refreshTokens?: RefreshTokenOptions;
  /** What a deployment demands of tokens beyond RFC 9200. */
  readonly tokenRules?: TokenRules;
  /** Absent: those that `setPassword` put into the store. */
  readonly passwords?: PasswordVerifier;
  readonly env?: Env;
  /** Hears of tokens, refusals, and what the layers below tell: for logs, metrics and audit. */
  readonly emit?: (event: AuthorizationServerEvent) => void;
  /** Has to have taken what there is to say of a request before the request is answered; where it cannot, the answer is 5.03. */
  readonly audit?: AuditSink;
  readonly parameters?: Partial<TransmissionParameters>;
  /** As for an `Endpoint`: what is sent to an address that has not shown itself. */
  readonly amplification?: EndpointOptions['amplification'];
  readonly limits?: AuthorizationServerLimits;
  /** `token-upload`: upload tokens to resource servers that are registered with `authzInfo`, for clients that ask for it. */
  readonly experimental?: readonly Experiment[];
  /** How the token revocation list is told. */
  readonly revocation?: TrlOptions;
  /** What another face keeps of peers in the same store goes with them when they are removed. */
  readonly takeAway?: TakeAway;
  /** `/token`, `/introspect`, `/revoke/trl` and `/admin` when absent. */
  readonly paths?: { readonly token?: string; readonly introspect?: string; readonly trl?: string; readonly admin?: string };
}

interface Reconfigured {
  readonly changes: PeerChanges;
  readonly departed: readonly Departed[];
}

/** What may change while the server runs. */
export type Reconfiguration = Pick<AuthorizationServerOptions, 'clients' | 'resourceServers' | 'limits'>;

/**
 * The authorization server of RFC 9200: POST /token and POST /introspect, and GET /revoke/trl (RFC 9770), for registered peers over a secure channel only.
 *
 * ```ts
 * const as = new AuthorizationServer({ store, profiles: [oscoreProfile], clients: [...], resourceServers: [...] });
 * await as.listen(await udp({ port: 5684 }));
 * ```
 */
export class AuthorizationServer {
  /** What an administrator does, for the program that this server runs in: nobody is asked for rights, and no event tells of it. */
  readonly administration: Administration;
  /** What a face over another protocol has to know. */
  readonly shared: SharedTokens;
  readonly #options: AuthorizationServerOptions;
  readonly #env: Env;
  readonly #profiles = new Map<number, ProfileAtAs>();
  readonly #registry: Registry;
  readonly #records: TokenRecords;
  readonly #revocations: Revocations;
  readonly #trl: TrlEndpoint;
  readonly #grants: AuthorizationGrants;
  readonly #grantRevocations: GrantRevocations;
  readonly #unfinished: UnfinishedWork;
  readonly #audit: Audit;
  readonly #emit: (event: AuthorizationServerEvent) => void;
  readonly #clock: ClockWatch;
  readonly #underWay: UnderWay;
  readonly #rates: { readonly client: RateLayer; readonly address: RateLayer };
  readonly #admission: Admission;
  readonly #router = new Router();
  /** For what this AS sends by itself: who gets it may want to see that it is fresh. */
  readonly #echo: EchoLayer;
  #limits: AuthorizationServerLimits;
  #reconfiguring: Promise<unknown> = Promise.resolve();
  /** What takes the place of the registry at this moment: profiles have its peers already. */
  #coming: Registry | undefined;
  #started: Promise<void> | undefined;
  #endpoint: Endpoint | undefined;
  #closed = false;

  /** @throws {AuthorizationServerError} `ERR_AS_CONFIG` for an option that is missing, and for registrations that contradict each other */
  constructor(options: AuthorizationServerOptions) {
    const fault = optionFault(options, ['store', 'profiles', 'clients', 'resourceServers']);
    if (fault !== undefined) throw new AuthorizationServerError('ERR_AS_CONFIG', fault);
    this.#options = options;
    this.#limits = options.limits ?? {};
    this.#env = options.env ?? systemEnv;
    this.#audit = new Audit({ sink: options.audit, env: this.#env, tell: (event) => options.emit?.(event) });
    this.#emit = this.#audit.emit;
    this.#clock = new ClockWatch(this.#env, this.#emit);
    this.#underWay = this.#makeUnderWay();
    const { rate } = this.#limits;
    this.#rates = { client: clientRate(rate?.client, this.#audit, this.#env), address: addressRate(rate?.address, this.#audit, this.#env) };
    for (const profile of options.profiles) {
      const instance = profile.as?.({
        env: this.#env,
        store: options.store,
        ...(options.lease === undefined ? {} : { lease: options.lease }),
        findPeer: (index) => this.#registry.find(profile.id, index),
        emit: (event) => this.#emit({ type: 'profile', profile: profile.name, event }),
      });
      if (instance !== undefined) this.#profiles.set(profile.id, instance);
    }
    this.#registry = this.#registryOf(options);
    this.administration = new Administration({
      store: options.store,
      registry: this.#registry,
      env: this.#env,
      ended: this.#removePeer,
      revoke: (hash) => this.#revoke(hash),
      ...(options.takeAway === undefined ? {} : { takeAway: options.takeAway }),
    });
    this.#records = new TokenRecords({ store: options.store, env: this.#env });
    this.#revocations = new Revocations({ store: options.store, env: this.#env });
    this.#trl = new TrlEndpoint({ ...options.revocation, registry: this.#registry, revocations: this.#revocations, env: this.#env, emit: this.#emit });
    this.#echo = echo({}, this.#env);
    this.#admission = new Admission(this.#pending, this.#audit);
    this.#unfinished = new UnfinishedWork(this.#env, this.#fault);
    this.#grantRevocations = new GrantRevocations({
      store: options.store,
      audit: this.#audit,
      unfinished: this.#unfinished,
      revoke: (hash) => this.#revoke(hash),
    });
    const registered = registeredGrants(this.#registry);
    const { policy = registered } = options;
    const decided = typeof policy === 'function' ? policy(registered) : policy;
    this.#grants = this.#grantsBy(decided);
    this.shared = this.#route(decided);
  }

  /**
   * Provision the peers and take up what an earlier run left in the store. `listen` does it when it was not done.
   *
   * @throws {AuthorizationServerError} `ERR_AS_CONFIG` for a token key that does not work; what a profile throws for credentials of a wrong shape
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /**
   * Serve on a transport, one for each server.
   *
   * @throws {AuthorizationServerError} `ERR_AS_USE` when it serves already or was closed
   */
  async listen(transport: Transports): Promise<Endpoint> {
    await this.start();
    if (this.#endpoint !== undefined || this.#closed) {
      throw new AuthorizationServerError('ERR_AS_USE', `expected a server that is not yet in use, got one that ${this.#closed ? 'was closed' : 'listens'}`);
    }
    this.#endpoint = new Endpoint({
      transport,
      env: this.#env,
      handler: this.#router.handler,
      layers: [
        this.#echo,
        this.#rates.client,
        peersOnly({ registry: this.#registry, pending: this.#pending, stale: this.#removeStale, audit: this.#audit }),
        this.#underWay,
        ...[...this.#profiles.values()].flatMap((profile) => [...profile.layers]),
        this.#rates.address,
      ],
      blockwise: { maxBody: maxBodyOf(this.#limits) },
      ...(this.#options.parameters === undefined ? {} : { parameters: this.#options.parameters }),
      ...(this.#options.amplification === undefined ? {} : { amplification: this.#options.amplification }),
      emit: (event) => this.#emit({ type: 'endpoint', event }),
    });
    return this.#endpoint;
  }

  /**
   * Revoke a token: introspection says at once that it is not active, and whoever observes the revocation list hears of it.
   *
   * @param token its bytes, or its token hash in base64url, as events name it
   * @returns whether it is revoked now; `false`: no living token of this server is meant
   * @throws {AuthorizationServerError} `ERR_AS_AUDIT` when it is revoked, and the audit log has no entry of it
   */
  revoke(token: string | Uint8Array): Promise<boolean> {
    return this.#audit.done(() => this.#revoke(typeof token === 'string' ? token : tokenHashText(token)));
  }

  async #revoke(hash: string): Promise<boolean> {
    const revoked = await this.#revocations.revoke(hash);
    if (revoked === undefined) return false;
    if (!revoked.again) {
      const { client, resourceServer } = revoked.record;
      this.#records.revoked(revoked.record);
      this.#emit({ type: 'token-revoked', token: hash, client, resourceServer });
      await this.#trl.look();
    }
    return true;
  }

  /** Entries of each kind that the server holds. */
  stats(): Readonly<Record<string, number>> {
    const { size: tokens } = this.#records;
    const all: Record<string, number> = { tokens, pending: this.#admission.pending, registrations: this.#registry.stored.size };
    all['unfinished'] = this.#unfinished.size;
    for (const [id, profile] of this.#profiles) {
      for (const [name, value] of Object.entries(profile.stats())) all[`profile${id}.${name}`] = value;
    }
    for (const [name, value] of Object.entries(this.#endpoint?.stats() ?? {})) all[`endpoint.${name}`] = value;
    return all;
  }

  /**
   * Put the registrations and limits of another configuration in the place of those that the server was made with. Peers that stay as they were keep their
   * contexts. With those who leave go their tokens, codes and refresh tokens, as with a removal by administration; where the store does not take that now, a fault
   * is told, and it is tried again until it does. A start does the same with those who were left out between two runs, where this process is the only one (no
   * `lease`); of several each knows of its own configurations alone.
   *
   * It rejects as the constructor and `start` throw, or where the store does not note who leaves, and then the server goes on as it was.
   */
  async reconfigure(next: Reconfiguration): Promise<PeerChanges> {
    const { changes, departed } = await this.#inTurn(() => this.#reconfigure(next));
    const finish = (): Promise<void> => this.#inTurn(() => this.administration.finishRemovals(departed));
    await this.#unfinished.attempt('removals', finish).catch(this.#fault);
    return changes;
  }

  /** None of those who leave by one configuration is taken for somebody who comes by another. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#reconfiguring.then(work);
    this.#reconfiguring = result.catch(() => {});
    return result;
  }

  /**
   * Answer what is under way, and what comes from now on with 5.03. Handshakes that would begin are left to the server that comes after.
   *
   * @param milliseconds - how long it may take; the result says whether all was answered by then
   */
  drain(milliseconds: number): Promise<boolean> {
    this.#endpoint?.drain();
    return this.#underWay.drain(milliseconds, () => this.#endpoint?.stats()['outstanding'] ?? 0);
  }

  /** Stop serving. What the store holds stays. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#endpoint?.close();
    this.#echo.close();
    await this.#unfinished.close();
    await this.#audit.close();
    this.#trl.close();
    this.#records.close();
    await Promise.all([...this.#profiles.values()].map((profile) => profile.close()));
  }

  readonly #pending = (): number => this.#limits.pending ?? 256;

  readonly #fault = (error: unknown): void => this.#emit({ type: 'fault', reason: faultReason(error), detail: messageOf(error) });

  readonly #removePeer = (credential: string): void => {
    for (const profile of this.#profiles.values()) profile.removePeer(credential);
  };

  readonly #removeStale = (credential: string): void => {
    if (this.#registry.fixed(credential) === undefined && this.#coming?.fixed(credential) === undefined) this.#removePeer(credential);
  };

  async #start(): Promise<void> {
    for (const server of this.#registry.fixedResourceServers) tryTokenKeys(server, this.#env.random);
    await replacePeers([], peersIn(this.#registry), this.#profiles);
    await this.#records.start();
    await this.#grants.finishRevocations();
    await this.#beginRemovals(this.#registry, []);
    await this.administration.finishRemovals();
  }

  /** That peers leave the configuration is in the store before it is so. */
  #beginRemovals({ fixedPeers }: Registry, departed: readonly Departed[]): Promise<void> {
    const isAlone = this.#options.lease === undefined;
    return isAlone ? this.administration.configure(fixedPeers) : this.administration.beginRemovals(departed);
  }

  #registryOf({ clients, resourceServers }: Reconfiguration): Registry {
    const { store, issuer } = this.#options;
    return new Registry({ clients, resourceServers, store, profiles: this.#profiles, issuer });
  }

  async #reconfigure(next: Reconfiguration): Promise<Reconfigured> {
    await this.start();
    const registry = this.#registryOf(next);
    this.#coming = registry;
    try {
      return await this.#take(registry, next.limits);
    } finally {
      this.#coming = undefined;
    }
  }

  async #take(registry: Registry, limits: AuthorizationServerLimits = {}): Promise<Reconfigured> {
    for (const server of registry.fixedResourceServers) tryTokenKeys(server, this.#env.random);
    const { fixedPeers: before } = this.#registry;
    const { fixedPeers: after } = registry;
    await this.administration.finishRemovalsOf(departedOf(after, before));
    const changes = await replacePeers(peersIn(this.#registry), peersIn(registry), this.#profiles);
    const departed = departedOf(before, after);
    try {
      await this.#beginRemovals(registry, departed);
    } catch (error) {
      await replacePeers(peersIn(registry), peersIn(this.#registry), this.#profiles);
      throw error;
    }
    this.#registry.replaceConfigured(registry);
    this.#limits = limits;
    this.#endpoint?.adjust({ maxBody: maxBodyOf(this.#limits) });
    this.#rates.client.change(this.#limits.rate?.client);
    this.#rates.address.change(this.#limits.rate?.address);
    this.shared.limit(this.#limits.rate);
    this.#emit({ type: 'reconfigured', ...changes });
    return { changes, departed };
  }

  #makeUnderWay(): UnderWay {
    const { emit } = this.#options;
    return new UnderWay(
      {
        refuse: (request, reply, response) => this.#audit.refuse({ type: 'refused', reason: 'draining', peer: request.peer.key }, reply, response),
        ...(emit === undefined
          ? {}
          : {
              answered: ({ options, code: method }, { code }, milliseconds) =>
                emit({ type: 'answered', path: requestPath(options) ?? '', method: codeName(method), code: formatCode(code), milliseconds }),
            }),
      },
      this.#env,
    );
  }

  #tokenUploads(): { readonly uploads?: TokenUploads } {
    if (this.#options.experimental?.includes('token-upload') !== true) return {};
    return { uploads: new TokenUploads({ registry: this.#registry, profiles: this.#profiles, endpoint: () => this.#endpoint, emit: this.#emit }) };
  }

  #grantsBy(policy: Policy): AuthorizationGrants {
    const { store, grantTypes, refreshTokens, passwords } = this.#options;
    return new AuthorizationGrants({
      store,
      env: this.#env,
      policy,
      grantTypes: grantTypesOf('grantTypes', grantTypes),
      ...(refreshTokens === undefined ? {} : { refreshTokens }),
      passwords: passwords ?? storedPasswords(store, this.#env.random),
      revocations: this.#grantRevocations,
    });
  }

  #route(policy: Policy): SharedTokens {
    const { store, issuer, tokenRules, paths } = this.#options;
    const secrets = new ClientSecrets(this.#env.random);
    const tokensPerClient = (): number => this.#limits.tokensPerClient ?? 16_384;
    const token = new TokenEndpoint({
      registry: this.#registry,
      grants: this.#grants,
      secrets,
      profiles: this.#profiles,
      mint: new TokenMint({ store, env: this.#env, ...(issuer === undefined ? {} : { issuer }) }),
      records: this.#records,
      env: this.#env,
      rules: tokenRules ?? {},
      revoke: (hash) => this.#revoke(hash),
      ...this.#tokenUploads(),
      get tokensPerClient() {
        return tokensPerClient();
      },
      emit: this.#emit,
    });
    const introspection = new IntrospectionEndpoint({ registry: this.#registry, records: this.#records, emit: this.#emit });
    const admitted =
      <T extends EndpointRequest>(endpoint: { answer(request: T): Promise<Response> }) =>
      (request: T): Promise<Response> =>
        this.#admission.admit(request.association?.credential ?? 'nobody', () => {
          this.#clock.check();
          return endpoint.answer(request);
        });
    this.#router.resource(paths?.token ?? '/token', { post: admitted(token) });
    this.#router.resource(paths?.introspect ?? '/introspect', { post: admitted(introspection) });
    const admin = new AdminResource({ registry: this.#registry, administration: this.administration, emit: this.#emit });
    const administered = (reads: boolean) => admitted({ answer: (request: EndpointRequest) => admin.answer(request, reads) });
    this.#router.resource(paths?.admin ?? '/admin', { fetch: administered(true), post: administered(false), discoverable: false });
    const trl = this.#router.resource(paths?.trl ?? '/revoke/trl', {
      get: admitted(this.#trl),
      observable: true,
      attributes: { ct: ContentFormat.AceTrl },
    });
    this.#trl.attach(trl);
    return new SharedTokens({
      registry: this.#registry,
      records: this.#records,
      policy,
      secrets,
      revocations: this.#grantRevocations,
      audit: this.#audit,
      env: this.#env,
      rates: this.#limits.rate,
      tokensPerClient,
      revoke: (hash) => this.#revoke(hash),
      seen: () => this.#clock.check(),
    });
  }
}

function peersIn(registry: Registry): readonly ConfiguredPeer[] {
  return registry.fixedPeers.flatMap(({ credential, channel }) =>
    channel === undefined ? [] : [{ credential, profile: channel.profile, credentials: channel.credentials }],
  );
}
