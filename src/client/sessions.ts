import {
  AceError,
  AceErrorCode,
  Expiry,
  type FollowOptions,
  type Hints,
  type ProfileAtClient,
  RevocationListFollower,
  type Scope,
  scopeText,
  type Target,
  tokenHashOf,
  tokenResponseOf,
} from '../ace/index.ts';
import { CoapError, Code, formatCode, type Request, type Response } from '../coap/index.ts';
import { emptyBytes, equalBytes, toBase64Url } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { messageOf, ProtocolError } from '../core/errors.ts';
import type { Store } from '../store/index.ts';
import type { AuthorizationServers } from './authorization-servers.ts';
import { type Errand, probeOf, rootProbeOf } from './errand.ts';
import type { Emit, Step } from './events.ts';
import { KeptRefreshTokens } from './grants.ts';
import { hintsOf } from './refusals.ts';
import { coversScope, uniteScopes } from './scopes.ts';
import { decodeSession, encodeSession, type HeldToken, originFolder, refreshKey, Session, type SessionState, sessionFolder, sessionKey } from './session.ts';
import { type FirstToken, TokenSource } from './token-source.ts';

export interface SessionsOptions {
  readonly env: Env;
  readonly store: Store;
  readonly profiles: ReadonlyMap<number, ProfileAtClient>;
  readonly servers: AuthorizationServers;
  /** Path segments of authz-info at every RS. */
  readonly authzInfo: readonly string[];
  /** Seconds before its end from which on a token is renewed; at most a tenth of its lifetime. */
  readonly renewal: number;
  /** Sessions that are held at once; the oldest goes. */
  readonly limit: number;
  readonly hidePath: boolean;
  /** Follow the revocation list of each AS. Absent: no list is followed. */
  readonly revocation?: FollowOptions;
  /** Let authorization servers upload the first token for a session (see token-upload.ts). */
  readonly upload: boolean;
  send(request: Request): Promise<Response>;
  readonly emit: Emit;
}

/** A resource that is open to all answered the probe. */
export class OpenResource {
  readonly response: Response;

  constructor(response: Response) {
    this.response = response;
  }
}

/** The sessions of a client: how they come about, change, get lost and end. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  /** Work that leads to a session, by its key: who comes meanwhile waits for it. */
  readonly #underWay = new Map<string, Promise<Session | OpenResource>>();
  readonly #expiry: Expiry;
  readonly #tokens: TokenSource;
  #swept: Promise<void> | undefined;
  #closed = false;
  /** By the URI of the AS. */
  readonly #followers = new Map<string, RevocationListFollower>();

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#tokens = new TokenSource({ ...options, refreshTokens: new KeptRefreshTokens(options.store) });
    this.#expiry = new Expiry(options.env, (key) => {
      const session = this.#sessions.get(key);
      if (session !== undefined) this.#background(this.#end(session, true));
    });
  }

  get size(): number {
    return this.#sessions.size;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** The session for a request: one that is there, of an earlier run, or a new one. */
  async obtain(errand: Errand): Promise<Session | OpenResource> {
    const key = sessionKey(errand.origin, errand.init.audience, errand.init.scope);
    const { env } = this.#options;
    const held = this.#sessions.get(key);
    if (held === undefined) return this.#once(key, () => this.#open(key, errand));
    if (held.expiresAt <= env.epoch()) {
      await this.#end(held, true);
      return this.#once(key, () => this.#open(key, errand));
    }
    if (held.isLost) return this.recover(held, errand);
    if (held.renewAt > env.epoch()) return held;
    await this.#change(held, () => this.#renew(held, errand));
    return this.#sessions.get(key) ?? held;
  }

  /** The RS does not know the association any more. */
  async recover(lost: Session, errand: Errand): Promise<Session | OpenResource> {
    const other = this.#sessions.get(lost.key);
    if (other !== undefined && other !== lost) return other;
    return this.#once(lost.key, () => this.#recover(lost, errand));
  }

  /** The RS knows the association and takes its token no more: get another. */
  async replace(useless: Session, errand: Errand): Promise<Session | OpenResource> {
    const other = this.#sessions.get(useless.key);
    if (other !== undefined && other !== useless) return other;
    return this.#once(useless.key, async () => {
      await this.#end(useless, false);
      return this.#authorize(useless.key, errand, errand.init.scope);
    });
  }

  /**
   * The token does not cover the request: ask for more. The result is the session to try again with; `undefined`: there is no more to be had.
   *
   * `had` is the scope at the time of the request, which another request may have widened since.
   */
  widen(session: Session, errand: Errand, refusal: Response, had: Scope | undefined): Promise<Session | undefined> {
    return this.#change(session, () => this.#widen(session, errand, refusal, had));
  }

  /** Forget all about an origin, here and in the store. */
  async forget(origin: string): Promise<void> {
    const folder = originFolder(origin);
    for (const session of [...this.#sessions.values()]) if (session.key.startsWith(folder)) await this.#discard(session);
    const keys: string[] = [];
    for (const prefix of [folder, refreshKey(folder)]) for await (const [key] of this.#options.store.scan(prefix)) keys.push(key);
    for (const key of keys) await this.#options.store.delete(key);
  }

  close(): void {
    this.#closed = true;
    for (const follower of this.#followers.values()) follower.close();
    this.#expiry.close();
    this.#sessions.clear();
  }

  /** Do work for a key once, whoever asks. What was found out about one open resource says nothing about another, so then each asks for itself. */
  async #once(key: string, work: () => Promise<Session | OpenResource>): Promise<Session | OpenResource> {
    for (;;) {
      const running = this.#underWay.get(key);
      if (running === undefined) break;
      const result = await running;
      if (result instanceof Session) return result;
    }
    const promise = work().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, promise);
    this.#background(promise);
    return promise;
  }

  /** Changes of one session wait for each other. */
  #change<T>(session: Session, work: () => Promise<T>): Promise<T> {
    const promise = session.changing.then(work);
    session.changing = promise.catch(() => {});
    return promise;
  }

  /** Whoever waits for it hears of its failure; here it is nobody's. */
  #background(promise: Promise<unknown>): void {
    promise.catch(() => {});
  }

  async #open(key: string, errand: Errand): Promise<Session | OpenResource> {
    this.#swept ??= this.#sweep().catch((error: unknown) => {
      // What cannot be read once may be read the next time.
      this.#swept = undefined;
      throw error;
    });
    await this.#swept;
    const stored = await this.#options.store.get(key);
    const restored = stored === undefined ? undefined : await this.#restore(key, stored);
    return restored ?? this.#authorize(key, errand, errand.init.scope);
  }

  /** Take sessions that have expired, or cannot be read, out of the store: once for each process, since nobody else would. */
  async #sweep(): Promise<void> {
    const { store, env } = this.#options;
    const useless: (readonly [string, Uint8Array])[] = [];
    for await (const [key, value] of store.scan(sessionFolder)) {
      const token = decodeSession(value)?.state;
      if (token === undefined || (token.update ?? token.base).expiresAt <= env.epoch()) useless.push([key, value]);
    }
    for (const [key, value] of useless) await store.compareAndSet(key, value, undefined);
  }

  /** The session that the store has, if it is good for this client. */
  async #restore(key: string, stored: Uint8Array): Promise<Session | undefined> {
    const { profiles, servers, store, env } = this.#options;
    const found = decodeSession(stored);
    try {
      const profile = found === undefined ? undefined : profiles.get(found.state.profile);
      if (found !== undefined && profile !== undefined && (found.state.update ?? found.state.base).expiresAt > env.epoch()) {
        // An AS that is no longer on the list does not vouch for an RS any more.
        servers.choose(found.state.as);
        const session = new Session(key, await profile.restore(found.association), found.state);
        session.saved = stored;
        this.#add(session);
        this.#step('context', 'of an earlier run');
        return session;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError) || this.#closed) throw error;
      this.#step('forgotten', `the stored session: ${error.message}`);
    }
    await store.compareAndSet(key, stored, undefined);
    return undefined;
  }

  /** From a request without protection to a session. */
  async #authorize(key: string, errand: Errand, wanted: Scope | undefined): Promise<Session | OpenResource> {
    for (let attempt = 0; ; attempt++) {
      const hints = await this.#probe(errand);
      if (hints instanceof OpenResource) return hints;
      const { as, audience = hints.audience } = errand.init;
      const server = this.#options.servers.choose(as ?? hints.as);
      const target = this.#target(errand, audience);
      const asked = { as: server.uri, audience, scope: wanted ?? hints.scope, cnonce: hints.cnonce, grant: errand.init.grant };
      const granted = await this.#tokens.first(key, asked, target);
      try {
        const state = { as: server.uri, audience, update: undefined, cnonce: hints.cnonce !== undefined };
        return await this.#establish(key, granted, target, state);
      } catch (error) {
        // A cnonce may have grown old on the way, or the RS restarted in between; once more from the start.
        if (!(error instanceof AceError) || error.code !== 'ERR_ACE_UPLOAD' || error.responseCode !== Code.Unauthorized || attempt > 0) throw error;
        this.#step('retry', error.message);
      }
    }
  }

  async #probe(errand: Errand): Promise<Hints | OpenResource> {
    // Who takes an answer without protection has no path to hide.
    const hidden = this.#options.hidePath && errand.init.allowUnprotected !== true;
    this.#step('probe', `${hidden ? `GET ${errand.origin}/` : errand.text} without protection`);
    const response = await this.#options.send(hidden ? rootProbeOf(errand) : probeOf(errand, this.#options.env));
    if (response.code !== Code.Unauthorized) return hidden ? {} : new OpenResource(response);
    const hints = hintsOf(response) ?? {};
    const told = [
      ...(hints.as === undefined ? [] : [`AS ${hints.as}`]),
      ...(hints.audience === undefined ? [] : [`audience ${hints.audience}`]),
      ...(hints.scope === undefined ? [] : [`scope ${scopeText(hints.scope)}`]),
      ...(hints.cnonce === undefined ? [] : ['a cnonce']),
    ];
    this.#step('hints', `${formatCode(response.code)}: ${told.join(', ') || 'none'}`);
    return hints;
  }

  async #establish(
    key: string,
    { response, expiresAt, establish }: FirstToken,
    target: Target,
    state: Omit<SessionState, 'profile' | 'base'>,
  ): Promise<Session> {
    const id = response.aceProfile ?? this.#options.profiles.keys().next().value!;
    const profile = this.#options.profiles.get(id);
    if (profile === undefined) throw new AceError('ERR_ACE_PROFILE', `expected a profile of this client, got ${id}`, { responseCode: Code.Created });
    this.#step('upload', establish === undefined ? `to /${target.authzInfo.join('/')}` : 'by the AS');
    const association = establish === undefined ? await profile.establish(tokenResponseOf(response), target) : await establish();
    const session = new Session(key, association, { ...state, profile: id, base: { response, expiresAt } });
    this.#step('context', 'new');
    const before = this.#sessions.get(key);
    if (before !== undefined) await this.#discard(before);
    this.#add(session);
    await this.#save(session);
    return session;
  }

  /**
   * The token goes to the RS once more; where that refuses it, another is asked for. RFC 9770 would have the client look at the revocation list before ("Request of New
   * Access Tokens"): whoever follows the list has forgotten what is on it, and an RS that refuses the token says as much.
   */
  async #recover(lost: Session, errand: Errand): Promise<Session | OpenResource> {
    const { store, env } = this.#options;
    this.#step('forgotten', 'the RS does not know the context');
    await this.#discard(lost);
    const stored = await store.get(lost.key);
    if (stored !== undefined && (lost.saved === undefined || !equalBytes(stored, lost.saved))) {
      // Another process has been here first.
      const restored = await this.#restore(lost.key, stored);
      if (restored !== undefined) return restored;
    }
    const { base, update, as, audience, cnonce } = lost.state;
    if (base.expiresAt > env.epoch() && base.response.accessToken !== undefined) {
      try {
        const session = await this.#establish(lost.key, base, this.#target(errand, audience), { as, audience, update: undefined, cnonce });
        if (update !== undefined && update.expiresAt > env.epoch()) await this.#apply(session, update, errand);
        return session;
      } catch (error) {
        if (!(error instanceof AceError)) throw error;
        this.#step('retry', `${error.message}; a new token it is`);
      }
    }
    return this.#authorize(lost.key, errand, errand.init.scope ?? lost.scope);
  }

  async #widen(session: Session, errand: Errand, refusal: Response, had: Scope | undefined): Promise<Session | undefined> {
    const current = this.#sessions.get(session.key);
    if (current === undefined) return undefined;
    if (current !== session || current.scope !== had) return current;
    const hints = hintsOf(refusal) ?? (await this.#probe(errand));
    const wanted = errand.init.scope ?? (hints instanceof OpenResource ? undefined : hints.scope);
    if (hints instanceof OpenResource || wanted === undefined || coversScope(session.scope, wanted)) return undefined;
    return this.#exchange(session, errand, uniteScopes(session.scope, wanted), hints.cnonce);
  }

  async #renew(session: Session, errand: Errand): Promise<void> {
    const { env } = this.#options;
    if (this.#sessions.get(session.key) !== session || session.renewAt > env.epoch()) return;
    // Whatever comes of it, one try is enough: the token is good for a while yet.
    session.renewAt = Number.POSITIVE_INFINITY;
    try {
      const hints = session.state.cnonce ? await this.#probe(errand) : {};
      await this.#exchange(session, errand, session.scope, hints instanceof OpenResource ? undefined : hints.cnonce, true);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#step('update', `not renewed: ${error.message}`);
    }
  }

  /** Get another token for the key of the session, and let the RS have it. */
  async #exchange(session: Session, errand: Errand, scope: Scope | undefined, cnonce: Uint8Array | undefined, renewal = false): Promise<Session | undefined> {
    const { as, audience } = session.state;
    const target = this.#target(errand, audience);
    try {
      const extra = this.#profileOf(session).request(target, session.association);
      const granted = await this.#tokens.next(session.key, { as, audience, scope, cnonce, grant: errand.init.grant }, extra);
      const more = granted.response.scope !== undefined && !coversScope(session.scope, granted.response.scope);
      if (!more && !renewal) {
        this.#step('update', 'the AS grants no more');
        return undefined;
      }
      // A key of its own is for an association of its own.
      if (granted.response.cnf !== undefined) return await this.#establish(session.key, granted, target, { ...session.state, update: undefined });
      await this.#apply(session, granted, errand);
      return session;
    } catch (error) {
      if (!(error instanceof AceError)) throw error;
      this.#step('update', error.message);
      const unknownKey = error.error === AceErrorCode.invalid_request || error.error === AceErrorCode.unsupported_pop_key;
      if (!unknownKey) return undefined;
      return this.#startOver(session, errand, scope, cnonce, target);
    }
  }

  /** The AS does not know the key any more: a new token with a new one. */
  async #startOver(session: Session, errand: Errand, scope: Scope | undefined, cnonce: Uint8Array | undefined, target: Target): Promise<Session | undefined> {
    const { as, audience } = session.state;
    try {
      const hints = cnonce === undefined ? {} : await this.#probe(errand);
      const fresh = hints instanceof OpenResource ? undefined : hints.cnonce;
      const asked = { as, audience, scope, cnonce: fresh, grant: errand.init.grant };
      const granted = await this.#tokens.next(session.key, asked, this.#profileOf(session).request(target));
      return await this.#establish(session.key, granted, target, { ...session.state, update: undefined });
    } catch (error) {
      if (!(error instanceof AceError)) throw error;
      this.#step('update', error.message);
      return undefined;
    }
  }

  /** Upload a token that changes the rights of the session. */
  async #apply(session: Session, token: HeldToken, errand: Errand): Promise<void> {
    this.#step('update', `scope ${token.response.scope === undefined ? 'unchanged' : scopeText(token.response.scope)}`);
    await this.#profileOf(session).update(tokenResponseOf(token.response), session.association, this.#target(errand, session.state.audience));
    session.state = { ...session.state, update: token };
    this.#schedule(session);
    await this.#save(session);
  }

  #add(session: Session): void {
    if (this.#closed) {
      this.#background(this.#profileOf(session).release(session.association));
      throw new CoapError('ERR_COAP_CLOSED', 'the client was closed');
    }
    this.#sessions.delete(session.key);
    this.#sessions.set(session.key, session);
    this.#follow(session.state.as);
    this.#schedule(session);
    if (this.#sessions.size > this.#options.limit) {
      const oldest = this.#sessions.values().next().value;
      // What the store has of it stays for the next time.
      if (oldest !== undefined) this.#background(this.#discard(oldest));
    }
  }

  /** Follow the revocation list of an AS from its first token on. */
  #follow(as: string): void {
    const { env, revocation, servers } = this.#options;
    if (revocation === undefined || this.#followers.has(as)) return;
    const follower = new RevocationListFollower({
      ...revocation,
      list: servers.revocationList(as),
      env,
      changed: (change) => this.#background(this.#revoked(as, new Set('all' in change ? change.all : change.added))),
      reached: (failure) => this.#step('revocations', failure === undefined ? `following the list of ${as}` : `the list of ${as}: ${failure.message}`),
    });
    this.#followers.set(as, follower);
    follower.start();
  }

  /** RFC 9770, Section 11.1: expunge every token on the list, of this run and of earlier ones. */
  async #revoked(as: string, hashes: ReadonlySet<string>): Promise<void> {
    if (hashes.size === 0) return;
    const isMeant = ({ as: issuer, base, update }: SessionState): boolean =>
      issuer === as && [base, ...(update === undefined ? [] : [update])].some(({ response }) => hashes.has(toBase64Url(tokenHashOf(response) ?? emptyBytes)));
    // What the store does not let go now is tried again with the next list that is asked for as a whole; it delays no other.
    const expunged = async (end: Promise<unknown>): Promise<void> => {
      try {
        await end;
      } catch (error) {
        this.#step('revocations', `a revoked token is not out of the store yet: ${messageOf(error)}`);
      }
    };
    const revoked = [...this.#sessions.values()].filter(({ state }) => isMeant(state));
    for (const _ of revoked) this.#step('forgotten', 'the token was revoked');
    await Promise.all(revoked.map((session) => expunged(this.#end(session, false))));
    const { store } = this.#options;
    const stored: (readonly [string, Uint8Array])[] = [];
    for await (const [key, value] of store.scan(sessionFolder)) {
      const found = decodeSession(value);
      if (found !== undefined && isMeant(found.state)) stored.push([key, value]);
    }
    for (const [key, value] of stored) await expunged(store.compareAndSet(key, value, undefined));
  }

  #schedule(session: Session): void {
    const { response, expiresAt } = session.token;
    session.renewAt = this.#options.renewal <= 0 ? Number.POSITIVE_INFINITY : expiresAt - Math.min(this.#options.renewal, (response.expiresIn ?? 0) / 10);
    this.#expiry.set(session.key, expiresAt);
  }

  async #save(session: Session): Promise<void> {
    const bytes = encodeSession(session.state, this.#profileOf(session).save(session.association));
    await this.#options.store.put(session.key, bytes);
    session.saved = bytes;
  }

  /** The token has ended, or is of no use. */
  async #end(session: Session, expired: boolean): Promise<void> {
    await this.#discard(session, expired);
    if (session.saved !== undefined) await this.#options.store.compareAndSet(session.key, session.saved, undefined);
  }

  async #discard(session: Session, expired = false): Promise<void> {
    if (this.#sessions.get(session.key) === session) {
      this.#sessions.delete(session.key);
      this.#expiry.delete(session.key);
    }
    for (const watcher of [...session.watchers]) watcher(expired);
    await this.#profileOf(session).release(session.association);
  }

  #profileOf(session: Session): ProfileAtClient {
    return this.#options.profiles.get(session.state.profile)!;
  }

  #target(errand: Errand, audience: string | undefined): Target {
    return { peer: errand.peer, audience: audience ?? '', authzInfo: this.#options.authzInfo };
  }

  #step(step: Step, detail: string): void {
    this.#options.emit({ type: 'step', step, detail });
  }
}
