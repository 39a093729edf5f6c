import type { Scope } from '../ace/index.ts';
import {
  codeName,
  type EchoLayer,
  Endpoint,
  echo,
  formatCode,
  RateLimit,
  type Resource,
  type ResourceHandle,
  type ResourceRequest,
  Router,
  requestPath,
  type Transports,
  UnderWay,
} from '../coap/index.ts';
import { timeOf } from '../core/cwt-times.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { messageOf, ProtocolError } from '../core/errors.ts';
import { optionFault } from '../core/options.ts';
import { AuthzInfo, type ProfileInUse } from './authz-info.ts';
import { ClientNonces } from './client-nonce.ts';
import type { ResourceServerEvent, TokenEnd } from './events.ts';
import { ExiCounters } from './exi.ts';
import { guard } from './guard.ts';
import { Introspections } from './introspection.ts';
import {
  checkAsked,
  checkedLeeway,
  checkLimits,
  checkOptions,
  checkSameIssuers,
  type ResourceServerChanges,
  ResourceServerError,
  type ResourceServerLimits,
  type ResourceServerOptions,
} from './options.ts';
import { pathForm, RefusalHints } from './refusal-hints.ts';
import { RevocationsAtRs } from './revocation.ts';
import { Scopes } from './scopes.ts';
import { Targets } from './targets.ts';
import { type IssuerRegistration, issuerName } from './token-check.ts';
import { type Binding, type KeptClaims, type Revived, type StoredToken, TokenTable } from './token-table.ts';

/** What the token says that a request came with. */
export interface Authorization {
  /** The name of the issuer. */
  readonly issuer: string;
  readonly scope: Scope;
  /** Whom it is about, and what the issuer added to it. */
  readonly claims: KeptClaims;
  /** Seconds since 1970; infinite for a token that has `exi` only. */
  readonly expiresAt: number;
}

/** How much is held: tokens, counters of `exi`, and hashes of revoked tokens. */
function boundsOf({ tokens = 1000, revoked = 10_000 }: ResourceServerLimits): { readonly tokens: number; readonly counters: number; readonly revoked: number } {
  return { tokens, counters: 4 * tokens, revoked };
}

/** Bytes. */
const maxBodyOf = ({ payload = 0x1_0000 }: ResourceServerLimits): number => payload;

const wellKnownCore = '/.well-known/core';

/**
 * The resource server of RFC 9200: handlers on paths, and in front of them a guard that lets through what a valid access token covers.
 *
 * ```ts
 * const rs = new ResourceServer({ audience: 'rs1', issuers: [{ uri: 'coap://as.example/token', tokenKeys }], scopes, store, profiles: [oscoreProfile] });
 * rs.resource('/temperature', { get: () => '21.5', observable: true });
 * await rs.listen(await udp({ port: 5683 }));
 * ```
 */
export class ResourceServer {
  readonly #options: ResourceServerOptions;
  readonly #env: Env;
  readonly #profiles: readonly ProfileInUse[];
  readonly #tokens: TokenTable;
  readonly #exi: ExiCounters;
  readonly #revocations: RevocationsAtRs;
  readonly #introspections: Introspections;
  readonly #scopes: Scopes;
  readonly #authzInfo: AuthzInfo;
  readonly #router: Router;
  readonly #nonces: ClientNonces | undefined;
  readonly #underWay: UnderWay;
  #issuers: readonly IssuerRegistration[];
  #limits: ResourceServerLimits;
  #isQBlockOffered: boolean;
  #rate: RateLimit;
  #targets: Targets;
  #hints: RefusalHints;
  #started: Promise<void> | undefined;
  readonly #fresh: EchoLayer | undefined;
  #endpoint: Endpoint | undefined;
  #closed = false;

  /** @throws {ResourceServerError} `ERR_RS_CONFIG`; `AceError` `ERR_ACE_SCOPE` for a scope table that names no paths or methods */
  constructor(options: ResourceServerOptions) {
    const fault = optionFault(options, ['audience', 'issuers', 'profiles', 'store']);
    if (fault !== undefined) throw new ResourceServerError('ERR_RS_CONFIG', fault);
    const audiences = typeof options.audience === 'string' ? [options.audience] : options.audience;
    checkOptions(options, audiences);
    const leeway = checkedLeeway(options);
    this.#options = options;
    this.#issuers = options.issuers;
    this.#limits = options.limits ?? {};
    this.#isQBlockOffered = options.qBlock !== undefined;
    this.#env = options.env ?? systemEnv;
    this.#profiles = this.#makeProfiles();
    const { store, limits = {} } = options;
    const env = this.#env;
    this.#nonces = options.cnonce === true ? new ClientNonces(env) : undefined;
    this.#scopes = new Scopes(options.scopes);
    const authzInfo = options.paths?.authzInfo ?? '/authz-info';
    const { tokens, counters, revoked } = boundsOf(limits);
    this.#tokens = new TokenTable({
      store,
      env,
      limit: tokens,
      leeway,
      isRevoked: (token) => this.#revocations.isRevoked(token),
      release: (binding, reason) => this.#release(binding, reason),
      fault: this.#fault,
    });
    this.#exi = new ExiCounters({ store, env, limit: counters });
    this.#introspections = new Introspections(options.introspection, env);
    this.#revocations = new RevocationsAtRs({
      revocation: options.revocation,
      store,
      env,
      limit: revoked,
      leeway,
      tokens: () => this.#tokens,
      forget: (issuer, hashes) => this.#introspections.drop(issuer, hashes),
      retire: (issuer, sequence) => void this.#exi.retire(issuer, sequence).catch(this.#fault),
      emit: this.#emit,
      fault: this.#fault,
    });
    this.#rate = this.#makeRate();
    this.#authzInfo = this.#makeAuthzInfo(leeway, new Set(audiences));
    this.#underWay = this.#makeUnderWay();
    this.#fresh = options.freshness === undefined ? undefined : echo({ freshness: options.freshness }, env);
    this.#hints = this.#makeHints();
    this.#targets = this.#makeTargets(options.public);
    this.#router = new Router({
      emit: (event) =>
        this.#emit({ type: 'fault', reason: 'handler', detail: `${event.path}: ${event.error instanceof Error ? event.error.message : 'threw'}` }),
    });
    // RFC 9200, Section 8.2
    this.#router.resource(authzInfo, { post: (request) => this.#authzInfo.post(request.request), attributes: { rt: 'ace.ai' } });
  }

  /**
   * Put handlers at a path, at any time.
   *
   * @throws {CoapError} `ERR_COAP_RESOURCE` when the path is none, or taken
   */
  resource(path: string, resource: Resource): ResourceHandle {
    return this.#router.resource(path, resource);
  }

  /** What a resource function may know of whoever asks. `undefined`: the resource is public, or the token has ended since. */
  authorizationOf({ association }: Pick<ResourceRequest, 'association'>): Authorization | undefined {
    const token = association === undefined ? undefined : this.#tokens.tokenOf(association);
    return token === undefined ? undefined : { issuer: token.issuer, scope: token.scope, claims: token.claims, expiresAt: token.expiresAt };
  }

  /**
   * Whether a token stands on the revocation list of an issuer, as this server knows it: for tokens that it is shown another way than to /authz-info.
   *
   * @param issuer - its registration
   * @param hash - the token hash in base64url (RFC 9770, Section 4)
   */
  isRevoked(issuer: IssuerRegistration, hash: string): boolean {
    return this.#revocations.isRevoked({ issuer: issuerName(issuer), hashes: [hash] });
  }

  /** Take up the tokens that an earlier run left in the store. `listen` does it when it was not done. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /**
   * Serve on a transport, one for each server.
   *
   * @throws {ResourceServerError} `ERR_RS_USE` when it serves already or was closed
   */
  async listen(transport: Transports): Promise<Endpoint> {
    await this.start();
    if (this.#endpoint !== undefined || this.#closed) {
      throw new ResourceServerError('ERR_RS_USE', `expected a server that is not yet in use, got one that ${this.#closed ? 'was closed' : 'listens'}`);
    }
    const door = guard({
      targets: () => this.#targets,
      tokens: this.#tokens,
      hints: () => this.#hints,
      admit: (request) => this.#authzInfo.admit(request),
      emit: this.#options.emit === undefined ? undefined : this.#emit,
    });
    this.#endpoint = new Endpoint({
      transport,
      env: this.#env,
      handler: this.#router.handler,
      layers: [...(this.#fresh === undefined ? [] : [this.#fresh]), door, this.#underWay, ...this.#profiles.flatMap(({ rs }) => [...rs.layers])],
      blockwise: { maxBody: maxBodyOf(this.#limits) },
      ...(this.#options.parameters === undefined ? {} : { parameters: this.#options.parameters }),
      ...(this.#options.amplification === undefined ? {} : { amplification: this.#options.amplification }),
      qBlock: { ...this.#options.qBlock, offered: this.#isQBlockOffered },
      emit: (event) => this.#emit({ type: 'endpoint', event }),
    });
    this.#revocations.follow();
    return this.#endpoint;
  }

  /** Entries of each kind that the server holds. */
  stats(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {
      tokens: this.#tokens.size,
      lasting: this.#tokens.lasting,
      writing: this.#tokens.writing,
      exi: this.#exi.size,
      revoked: this.#revocations.size,
      introspections: this.#introspections.size,
      uploads: this.#authzInfo.pending,
      uploaders: this.#rate.size,
      observers: this.#router.stats().observers,
    };
    for (const { id, rs } of this.#profiles) for (const [name, value] of Object.entries(rs.stats())) all[`profile${id}.${name}`] = value;
    for (const [name, value] of Object.entries(this.#endpoint?.stats() ?? {})) all[`endpoint.${name}`] = value;
    return all;
  }

  /**
   * Put what is given in the place of what there was, all of it or nothing; what is not given stays. So keys roll over without an outage, and tokens that were
   * accepted stay, with what their scopes mean from now on: observations that they do not cover any more end with 4.03 or 4.05. A scope that has become unknown
   * permits nothing.
   *
   * @throws {ResourceServerError} `ERR_RS_CONFIG` for other issuers than before, and for one without keys; `AceError` `ERR_ACE_SCOPE` for a scope table that
   * names no paths or methods
   */
  reconfigure(changes: ResourceServerChanges): void {
    const { issuers = this.#issuers, limits, scopes, introspection, qBlock = this.#isQBlockOffered } = changes;
    checkSameIssuers(issuers, this.#issuers);
    checkAsked(changes, issuers);
    checkLimits(limits);
    const targets = 'public' in changes ? this.#makeTargets(changes.public) : this.#targets;
    // The last that may be refused.
    if ('scopes' in changes) this.#scopes.change(scopes);
    this.#issuers = issuers;
    this.#targets = targets;
    if ('scopes' in changes) this.#hints = this.#makeHints();
    if ('introspection' in changes) this.#introspections.change(introspection);
    if (limits !== undefined) {
      this.#limits = limits;
      this.#rate = this.#makeRate();
      this.#rebound();
    }
    this.#isQBlockOffered = qBlock;
    this.#endpoint?.adjust({ maxBody: maxBodyOf(this.#limits), qBlock });
    if ('scopes' in changes) this.#tokens.review();
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

  /** Stop serving. What the store holds stays, and serves the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#endpoint?.close();
    this.#fresh?.close();
    await this.#revocations.close();
    this.#introspections.close();
    await this.#tokens.close();
    this.#exi.close();
    await Promise.all(this.#profiles.map(({ rs }) => rs.close()));
  }

  readonly #emit = (event: ResourceServerEvent): void => this.#options.emit?.(event);

  readonly #fault = (error: unknown): void => {
    this.#emit({
      type: 'fault',
      reason: error instanceof ProtocolError ? error.code : 'unknown',
      detail: messageOf(error),
    });
  };

  #rebound(): void {
    const { tokens, counters, revoked } = boundsOf(this.#limits);
    this.#tokens.bound(tokens);
    this.#exi.bound(counters);
    this.#revocations.bound(revoked);
  }

  #makeRate(): RateLimit {
    const { uploadBurst = 64, uploadRate = 16 } = this.#limits;
    return new RateLimit(this.#env, { burst: uploadBurst, rate: uploadRate, entries: 1024 });
  }

  #isAif(): boolean {
    return this.#options.aif ?? this.#options.scopes === undefined;
  }

  #makeHints(): RefusalHints {
    const { audience, issuers } = this.#options;
    return new RefusalHints({ as: issuers[0]!.uri, audience: [audience].flat()[0], scopes: this.#scopes.table, aif: this.#isAif(), nonces: this.#nonces });
  }

  #makeTargets(open: readonly string[] = []): Targets {
    const { anyScope = [], protectDiscovery = false, paths } = this.#options;
    return new Targets(
      new Map([
        ...anyScope.map((path) => [pathForm(path), 'any-scope'] as const),
        ...[...open, ...(protectDiscovery ? [] : [wellKnownCore])].map((path) => [pathForm(path), 'public'] as const),
        [pathForm(paths?.authzInfo ?? '/authz-info'), 'authz-info'] as const,
      ]),
    );
  }

  #makeAuthzInfo(leeway: number, audiences: ReadonlySet<string>): AuthzInfo {
    const { demand } = this.#options;
    return new AuthzInfo({
      profiles: this.#profiles,
      check: { issuers: () => this.#issuers, audiences, scopes: this.#scopes, aif: this.#isAif(), leeway, nonces: this.#nonces, demand },
      tokens: this.#tokens,
      exi: this.#exi,
      revocations: this.#revocations,
      introspections: this.#introspections,
      rate: () => this.#rate,
      env: this.#env,
      limits: () => this.#limits,
      emit: this.#emit,
    });
  }

  #makeUnderWay(): UnderWay {
    const { emit } = this.#options;
    if (emit === undefined) return new UnderWay({}, this.#env);
    return new UnderWay(
      {
        answered: ({ options, code: method }, { code }, milliseconds) =>
          emit({ type: 'answered', path: requestPath(options) ?? '', method: codeName(method), code: formatCode(code), milliseconds }),
        refuse: ({ options, code: method, peer }, reply, response) => {
          const asked = { path: requestPath(options) ?? '', method: codeName(method), peer: peer.key };
          emit({ type: 'request-refused', reason: 'draining', code: formatCode(response.code), ...asked });
          reply.respond(response);
        },
      },
      this.#env,
    );
  }

  #makeProfiles(): ProfileInUse[] {
    const inUse: ProfileInUse[] = [];
    for (const { id, name, rs } of this.#options.profiles) {
      const instance = rs?.({
        env: this.#env,
        store: this.#options.store,
        emit: (event) => this.#emit({ type: 'profile', profile: name, event }),
        admit: (upload) => this.#authzInfo.receive(this.#profiles.find((profile) => profile.id === id)!, upload),
        forget: (credential) => this.#tokens.forget(credential),
      });
      if (instance !== undefined) inUse.push({ id, name, rs: instance });
    }
    if (inUse.length === 0) throw new ResourceServerError('ERR_RS_CONFIG', 'profiles: expected at least one that has a part for a resource server, got none');
    return inUse;
  }

  #addIssuers(): void {
    for (const issuer of this.#issuers) {
      const { profile = this.#profiles[0]!.id, credentials } = issuer;
      if (credentials === undefined) continue;
      const used = this.#profiles.find(({ id }) => id === profile);
      if (used?.rs.addIssuer === undefined)
        throw new ResourceServerError('ERR_RS_CONFIG', `issuers: ${issuer.uri}: profile: expected one of this resource server, got ${profile}`);
      used.rs.addIssuer(issuerName(issuer), credentials);
    }
  }

  async #start(): Promise<void> {
    if (this.#options.experimental?.includes('token-upload') === true) this.#addIssuers();
    await this.#exi.start();
    await this.#revocations.start();
    await this.#tokens.start((stored) => this.#revive(stored));
  }

  /** A stored token, if this configuration still takes it. */
  async #revive(stored: StoredToken): Promise<Revived | undefined> {
    const { credential, profile, issuer, scope, claims, expiresAt, hashes, saved } = stored;
    if (this.#revocations.isRevoked(stored)) return undefined;
    if (timeOf({ exp: expiresAt }, this.#env.epoch(), this.#options) === 'expired') return undefined;
    const rs = this.#profiles.find(({ id }) => id === profile)?.rs;
    if (rs === undefined || !this.#options.issuers.some((one) => issuerName(one) === issuer)) {
      this.#emit({ type: 'token-ended', reason: 'unusable', credential });
      return undefined;
    }
    try {
      const permissions = this.#scopes.permissionsOf(scope);
      const association = await rs.restore(credential, saved);
      return { association, token: { profile, issuer, scope, claims, permissions, expiresAt, hashes, saved } };
    } catch (error) {
      this.#fault(error);
      this.#emit({ type: 'token-ended', reason: 'unusable', credential });
      return undefined;
    }
  }

  #release(binding: Binding, reason: TokenEnd): void {
    this.#profiles.find(({ id }) => id === binding.token.profile)?.rs.release(binding.credential);
    this.#emit({ type: 'token-ended', reason, credential: binding.credential });
  }
}
