import { AceError, type IntrospectionResponse, type ProfileAtClient, type RevocationList, type Scope, type TokenResponse } from '../ace/index.ts';
import {
  CoapError,
  Code,
  codeClass,
  type DeadlineOptions,
  decodeLinkFormat,
  type EchoLayer,
  Endpoint,
  echo,
  formatCode,
  type Link,
  Method,
  observeDurably,
  type Peer,
  parseUri,
  type Response,
  TimeLimit,
  type UriScheme,
} from '../coap/index.ts';
import { checkBounds } from '../core/bounds.ts';
import { type Env, systemEnv } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';
import { optionFault } from '../core/options.ts';
import type { Store } from '../store/index.ts';
import { type AsRequest, AuthorizationServers } from './authorization-servers.ts';
import { type AceRequestInit, type Errand, errandOf, mayRepeat, requestOf } from './errand.ts';
import type { AceClientEvent, Step } from './events.ts';
import { KeptRefreshTokens } from './grants.ts';
import { type AceObserveInit, encodeTarget, forgetObservation, listObservations, type StoredObservation, storedObservations } from './observations.ts';
import type { AceClientOptions } from './options.ts';
import { hintsOf, isContextLost, isReplayRefusal, saysNotDone } from './refusals.ts';
import { AceResponse } from './response.ts';
import { Session } from './session.ts';
import { OpenResource, Sessions } from './sessions.ts';
import { askForToken, type TokenInit } from './token-init.ts';

/** How often each cure is tried for one request. */
interface Cures {
  lost: number;
  replay: number;
  widen: number;
  token: number;
}

/**
 * The client of RFC 9200: it knows a URI and some authorization servers, and does everything between that and the answer.
 *
 * ```ts
 * const client = new AceClient({ transport, store, profiles: [oscoreProfile], authorizationServers: [{ uri: 'coap://as.example/token', credentials }] });
 * const response = await client.fetch('coap://rs.example/temperature');
 * ```
 */
export class AceClient {
  readonly #env: Env;
  readonly #emit: (event: AceClientEvent) => void;
  readonly #proxy: string | undefined;
  readonly #echo: EchoLayer;
  readonly #endpoint: Endpoint;
  readonly #profiles: ReadonlyMap<number, ProfileAtClient>;
  readonly #servers: AuthorizationServers;
  readonly #sessions: Sessions;
  readonly #store: Store;
  readonly #refreshTokens: KeptRefreshTokens;
  readonly #closing = new AbortController();

  /** @throws {AceError} `ERR_ACE_CONFIG`; `CoapError` `ERR_COAP_URI` */
  constructor(options: AceClientOptions) {
    const fault = optionFault(options, ['transport', 'store', 'profiles', 'authorizationServers']);
    if (fault !== undefined) throw new AceError('ERR_ACE_CONFIG', fault, { responseCode: Code.BadRequest });
    const { transport, store } = options;
    checkBounds(options.limits ?? {}, (message) => new AceError('ERR_ACE_CONFIG', `limits: ${message}`, { responseCode: Code.BadRequest }));
    const env = options.env ?? systemEnv;
    this.#env = env;
    this.#store = store;
    this.#refreshTokens = new KeptRefreshTokens(store);
    this.#proxy = options.proxy;
    if (options.proxy !== undefined) parseUri(options.proxy);
    this.#emit = (event) => options.emit?.(event);
    this.#profiles = this.#makeProfiles(options);
    const send = (request: Parameters<Endpoint['request']>[0], signal?: AbortSignal): Promise<Response> =>
      this.#endpoint.request(request, signal === undefined ? {} : { signal });
    this.#servers = new AuthorizationServers({
      registrations: options.authorizationServers,
      ...(options.tokenRequest === undefined ? {} : { tokenRequest: options.tokenRequest }),
      ...(options.checkTokenRequest === undefined ? {} : { checkTokenRequest: options.checkTokenRequest }),
      ...(options.checkGrant === undefined ? {} : { checkGrant: options.checkGrant }),
      profiles: this.#profiles,
      env,
      send,
      observe: (request, init) => this.#endpoint.observe(request, init),
      resolve: (host, port, scheme) => this.#resolve(host, port, scheme),
      emit: this.#emit,
    });
    this.#sessions = new Sessions({
      env,
      store,
      profiles: this.#profiles,
      servers: this.#servers,
      authzInfo: (options.paths?.authzInfo ?? '/authz-info').split('/').filter((segment) => segment !== ''),
      renewal: options.renewal ?? 30,
      limit: options.limits?.sessions ?? 256,
      hidePath: options.hidePath ?? false,
      ...(options.revocation === undefined ? {} : { revocation: options.revocation }),
      upload: options.experimental?.includes('token-upload') ?? false,
      send,
      emit: this.#emit,
    });
    this.#echo = echo({}, env);
    this.#endpoint = new Endpoint({
      transport,
      env,
      layers: [this.#echo, ...[...this.#profiles.values()].flatMap((profile) => [...profile.layers])],
      ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
      ...(options.qBlock === undefined ? {} : { qBlock: options.qBlock }),
      emit: (event) => this.#emit({ type: 'endpoint', event }),
    });
  }

  /**
   * Get the answer to a request, with all that it takes: hints, token, upload, and more rights or a new context where they are needed.
   *
   * An error that the RS answers with is an answer.
   *
   * @throws {AceError} `ERR_ACE_AS_NOT_ALLOWED`, `ERR_ACE_REFUSED` (by the AS), `ERR_ACE_UPLOAD` (refused by the RS), `ERR_ACE_UNPROTECTED`, `ERR_ACE_SAME_ID`,
   * `ERR_ACE_EXPIRY`; `CoapError` `ERR_COAP_TIMEOUT`, `ERR_COAP_ABORTED`, `ERR_COAP_URI`
   */
  fetch(uri: string, init: AceRequestInit = {}): Promise<AceResponse> {
    return this.#within(init, (deadline) => this.#fetch(uri, init, deadline));
  }

  /**
   * Observe a resource: the answer to the registration, then each notification. Leaving the loop ends the registration; what is `durable` stays in the store for
   * the next loop, until `forgetObservation`.
   *
   * `timeout` is for the first answer.
   *
   * @throws {AceError} as `fetch`; `ERR_ACE_TOKEN_ENDED` when the observation ends because the token does
   */
  async *observe(uri: string, init: AceObserveInit = {}): AsyncGenerator<AceResponse, void, undefined> {
    const { durable, ...once } = init;
    if (durable === undefined) yield* this.#observe(uri, once);
    else yield* this.#observeDurably(uri, once, durable);
  }

  /** The durable observations of this client and of those before it that had its store: what to go on with after a start. */
  observations(): Promise<readonly StoredObservation[]> {
    return listObservations(this.#store);
  }

  /** Let the store have no more of a durable observation; its loop is left before. */
  forgetObservation(name: string): Promise<void> {
    return forgetObservation(this.#store, name);
  }

  #observeDurably(uri: string, init: AceRequestInit, name: string): AsyncGenerator<AceResponse, undefined, undefined> {
    const { signal } = init;
    return observeDurably({
      store: storedObservations(this.#store),
      name,
      target: encodeTarget(uri, init),
      env: this.#env,
      signal: AbortSignal.any(signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal]),
      register: () => this.#observe(uri, init),
      // That the RS does not know the context, or is in trouble, may be said by anybody.
      vouched: (response) => response.protected || isOfTheResource(response.code),
      passes: (error) => !(error instanceof CoapError) && (!(error instanceof AceError) || error.code === 'ERR_ACE_TOKEN_ENDED'),
      emit: ({ delay, reason }) => this.#step('retry', `observation ${name} registers again in ${Math.round(delay / 1000)} s: ${reason}`),
    });
  }

  async *#observe(uri: string, init: AceRequestInit): AsyncGenerator<AceResponse, void, undefined> {
    const deadline = new TimeLimit(init, this.#env);
    try {
      const errand = await deadline.wait(this.#errand(uri, init));
      const cures = curesFor(init);
      let session: Session | OpenResource | undefined = await deadline.wait(this.#sessions.obtain(errand));
      while (session !== undefined) {
        if (session instanceof OpenResource) {
          this.#checkOpen(errand, session.response);
          if (init.allowUnprotected !== true) {
            yield new AceResponse(session.response);
            return;
          }
        }
        session = yield* this.#register(session, errand, cures, deadline);
      }
    } finally {
      deadline.clear();
    }
  }

  /**
   * Ask an AS for a token, which is not kept: one as the first profile of this client would ask for. A refresh token that comes with it is kept.
   *
   * @throws {AceError} `ERR_ACE_REFUSED`, `ERR_ACE_AS_NOT_ALLOWED`, `ERR_ACE_EXPIRY`; `ERR_ACE_NO_REFRESH_TOKEN` with `refresh` when there is none
   */
  token(init: TokenInit = {}): Promise<TokenResponse> {
    const [first] = this.#profiles.values();
    return this.#within(init, () => askForToken(this.#servers, this.#refreshTokens, init, first!.request(undefined)));
  }

  /**
   * Ask an AS what a token says. The credentials of this client must be of somebody who may ask: a resource server, usually.
   *
   * @throws {AceError} `ERR_ACE_REFUSED`, `ERR_ACE_AS_NOT_ALLOWED`
   */
  introspect(token: Uint8Array, init: DeadlineOptions & { readonly as?: string } = {}): Promise<IntrospectionResponse> {
    return this.#within(init, ({ signal }) => this.#servers.introspect(init.as, token, signal));
  }

  /**
   * The token revocation list of an AS, as far as it pertains to this client: for a resource server, with a client that has its credentials, what it follows.
   *
   * @param as - URI of the token endpoint; absent: the only one
   * @throws {AceError} `ERR_ACE_AS_NOT_ALLOWED`
   * @see https://www.rfc-editor.org/rfc/rfc9770#section-6
   */
  revocationList(as?: string): RevocationList {
    return this.#servers.revocationList(as);
  }

  /**
   * Ask an authorization server for something else than tokens, as its administrators do, under the protection that there is between it and this client.
   *
   * @throws {AceError} `ERR_ACE_REFUSED` for an answer without protection, `ERR_ACE_AS_NOT_ALLOWED`
   */
  ask(request: AsRequest, init: DeadlineOptions & { readonly as?: string } = {}): Promise<Response> {
    return this.#within(init, () => this.#servers.ask(init.as, request));
  }

  /**
   * What resources a server has (RFC 6690). Servers tell everybody, so an answer without protection is taken.
   *
   * @throws {AceError} `ERR_ACE_DISCOVERY` for another answer than a list of links
   */
  async discover(uri: string, init: DeadlineOptions = {}): Promise<readonly Link[]> {
    const { scheme, host, port, query } = parseUri(uri);
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const filter = query.length === 0 ? '' : `?${query.map(encodeURIComponent).join('&').replaceAll('%3D', '=')}`;
    const response = await this.fetch(`${scheme}://${authority}/.well-known/core${filter}`, { ...init, allowUnprotected: true });
    if (response.code !== Code.Content) {
      throw new AceError('ERR_ACE_DISCOVERY', `expected a list of resources, got ${response.codeText}`, { responseCode: response.code });
    }
    return decodeLinkFormat(response.text());
  }

  /** Forget tokens and associations for the RS of this URI, also for later runs. */
  async forget(uri: string): Promise<void> {
    const { scheme, host, port } = parseUri(uri);
    await this.#sessions.forget(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`);
  }

  /** Entries of each kind that the client holds. */
  stats(): Readonly<Record<string, number>> {
    const all: Record<string, number> = { sessions: this.#sessions.size, underWay: this.#sessions.underWay };
    for (const [id, profile] of this.#profiles) for (const [name, value] of Object.entries(profile.stats())) all[`profile${id}.${name}`] = value;
    for (const [name, value] of Object.entries(this.#endpoint.stats())) all[`endpoint.${name}`] = value;
    return all;
  }

  /** End all that is under way. What the store holds stays, and serves the next run. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#endpoint.close();
    this.#echo.close();
    this.#sessions.close();
    await Promise.all([...this.#profiles.values()].map((profile) => profile.close()));
  }

  #makeProfiles(options: AceClientOptions): Map<number, ProfileAtClient> {
    const profiles = new Map<number, ProfileAtClient>();
    for (const { id, name, client } of options.profiles) {
      const instance = client?.({
        env: this.#env,
        store: options.store,
        request: (request) => this.#endpoint.request(request),
        emit: (event) => this.#emit({ type: 'profile', profile: name, event }),
      });
      if (instance !== undefined) profiles.set(id, instance);
    }
    if (profiles.size > 0) return profiles;
    throw new AceError('ERR_ACE_CONFIG', 'profiles: expected at least one that has a part for a client, got none', { responseCode: Code.BadRequest });
  }

  async #within<T>(init: DeadlineOptions, work: (deadline: TimeLimit) => Promise<T>): Promise<T> {
    const deadline = new TimeLimit(init, this.#env);
    try {
      return await deadline.wait(work(deadline));
    } finally {
      deadline.clear();
    }
  }

  async #resolve(host: string, port: number, scheme: UriScheme): Promise<Peer> {
    if (this.#proxy === undefined && [...this.#profiles.values()].some(({ opens }) => opens === scheme)) {
      return { ...(await this.#endpoint.resolve(host, port, { scheme: 'coap' })), scheme };
    }
    return this.#endpoint.resolve(host, port, this.#proxy === undefined ? { scheme } : { proxy: this.#proxy });
  }

  async #errand(text: string, init: AceRequestInit): Promise<Errand> {
    const uri = parseUri(text);
    return errandOf(uri, text, await this.#resolve(uri.host, uri.port, uri.scheme), init);
  }

  async #fetch(uri: string, init: AceRequestInit, deadline: TimeLimit): Promise<AceResponse> {
    const errand = await this.#errand(uri, init);
    const cures = curesFor(init);
    let session = await this.#sessions.obtain(errand);
    for (;;) {
      if (session instanceof OpenResource) return this.#open(errand, session.response, deadline);
      const attempt = await this.#attempt(session, errand, cures, deadline);
      if (attempt instanceof AceResponse) return attempt;
      session = attempt;
    }
  }

  /** Send the request once; the result is the answer, or the session to try again with. */
  async #attempt(session: Session, errand: Errand, cures: Cures, deadline: TimeLimit): Promise<AceResponse | Session | OpenResource> {
    this.#step('request', `${errand.text}, protected`);
    const had = session.scope;
    let response: Response;
    try {
      response = await this.#endpoint.request({ ...requestOf(errand), association: session.association }, { signal: deadline.signal });
    } catch (error) {
      // The association cannot be used any more. Whether the RS has carried out the request is not known.
      if (!(error instanceof ProtocolError) || error instanceof CoapError || !mayRepeat(errand) || cures.lost-- <= 0) throw error;
      this.#step('retry', error.message);
      return this.#sessions.recover(session, errand);
    }
    this.#step('response', describe(response));
    return (await this.#cure(session, errand, response, cures, had)) ?? new AceResponse(response);
  }

  /** One registration, for as long as it lasts; the result is the session to register again with. */
  async *#register(
    session: Session | OpenResource,
    errand: Errand,
    cures: Cures,
    deadline: TimeLimit,
  ): AsyncGenerator<AceResponse, Session | OpenResource | undefined, undefined> {
    const { signal } = errand.init;
    const held = session instanceof Session ? session : undefined;
    this.#step('request', `${errand.text}, observed`);
    const request = requestOf(errand);
    const stream = this.#endpoint.observe(held === undefined ? request : { ...request, association: held.association }, signal === undefined ? {} : { signal });
    let left: 'expired' | 'given-up' | undefined;
    const watcher = (expired: boolean): void => {
      left = expired ? 'expired' : 'given-up';
      void stream.return?.();
    };
    held?.watchers.add(watcher);
    let failed: unknown;
    const next = (): Promise<IteratorResult<Response, undefined>> =>
      stream.next().catch((error: unknown) => {
        failed = error;
        throw error;
      });
    try {
      for (let result = await deadline.wait(next()); result.done !== true; result = await next()) {
        const response = result.value;
        if (held !== undefined) {
          if (isContextLost(response) && hasEnded(held, this.#env)) throw tokenEnded();
          const other = await this.#cure(held, errand, response, cures);
          if (other !== undefined) return other;
        }
        deadline.clear();
        // What has been cured may fall ill again, some other day.
        if (codeClass(response.code) === 2) Object.assign(cures, curesFor(errand.init));
        this.#step('response', describe(response));
        yield new AceResponse(response);
      }
    } catch (error) {
      // The association cannot be used any more.
      if (held === undefined || error !== failed || !(error instanceof ProtocolError) || error instanceof CoapError || cures.lost-- <= 0) throw error;
      this.#step('retry', error.message);
      return await this.#sessions.recover(held, errand);
    } finally {
      held?.watchers.delete(watcher);
      await stream.return?.();
    }
    if (left === 'expired') throw tokenEnded();
    return left === 'given-up' && held !== undefined && cures.lost-- > 0 ? this.#sessions.recover(held, errand) : undefined;
  }

  /** The session to try again with, if the answer is one that can be helped. */
  async #cure(
    session: Session,
    errand: Errand,
    response: Response,
    cures: Cures,
    had: Scope | undefined = session.scope,
  ): Promise<Session | OpenResource | undefined> {
    if (isReplayRefusal(response)) {
      if (!mayRepeat(errand)) return undefined;
      if (cures.replay-- > 0) {
        this.#step('retry', 'with a new number');
        return session;
      }
    }
    if (isContextLost(response)) {
      if (!mayRepeat(errand) && !saysNotDone(response)) {
        session.isLost = true;
        return undefined;
      }
      return cures.lost-- > 0 ? this.#sessions.recover(session, errand) : undefined;
    }
    if (response.association === undefined) return undefined;
    if (response.code === Code.Forbidden || response.code === Code.MethodNotAllowed) {
      return cures.widen-- > 0 ? this.#sessions.widen(session, errand, response, had) : undefined;
    }
    if (response.code === Code.Unauthorized && hintsOf(response) !== undefined && cures.token-- > 0) return this.#sessions.replace(session, errand);
    return undefined;
  }

  /** The resource needs no token. */
  async #open(errand: Errand, probed: Response, deadline: TimeLimit): Promise<AceResponse> {
    this.#checkOpen(errand, probed);
    if (errand.init.allowUnprotected !== true || (errand.method === Method.GET && (errand.init.payload ?? '').length === 0)) return new AceResponse(probed);
    this.#step('request', `${errand.text}, not protected`);
    const response = await this.#endpoint.request(requestOf(errand), { signal: deadline.signal });
    this.#step('response', describe(response));
    return new AceResponse(response);
  }

  /** Errors that say something of the resource are taken from anybody; a success, or what only the probe deserves, is not. */
  #checkOpen(errand: Errand, probed: Response): void {
    if (errand.init.allowUnprotected === true) return;
    const said = codeClass(probed.code) === 5 || probed.code === Code.NotFound || probed.code === Code.MethodNotAllowed;
    if (said || (errand.method === Method.GET && codeClass(probed.code) === 4)) return;
    throw new AceError('ERR_ACE_UNPROTECTED', `expected a protected resource, got an answer without protection (${formatCode(probed.code)})`, {
      responseCode: probed.code,
    });
  }

  #step(step: Step, detail: string): void {
    this.#emit({ type: 'step', step, detail });
  }
}

/** Of errors without protection: one that an open resource answers with. */
function isOfTheResource(code: number): boolean {
  return codeClass(code) === 4 && code !== Code.Unauthorized && code !== Code.BadRequest;
}

function curesFor(init: AceRequestInit): Cures {
  // Two for `lost`: another process with the same token may have taken the context away again in between.
  return { lost: 2, replay: 1, widen: init.upgrade === false ? 0 : 1, token: 1 };
}

function describe(response: Response): string {
  return `${formatCode(response.code)}, ${response.payload.length} bytes, ${response.association === undefined ? 'not protected' : 'protected'}`;
}

/** A second for clocks that do not quite agree. */
function hasEnded(session: Session, env: Env): boolean {
  return session.expiresAt <= env.epoch() + 1;
}

/** RFC 9200, Section 5.10.3: when the token ends, so does what it authorized. */
function tokenEnded(): AceError {
  return new AceError('ERR_ACE_TOKEN_ENDED', 'the token has expired, and the observation ended with it', { responseCode: Code.Unauthorized });
}
