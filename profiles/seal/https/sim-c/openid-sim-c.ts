import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../../../../src/core/bytes.ts';
import { digest } from '../../../../src/core/crypto/index.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import type { Store } from '../../../../src/store/index.ts';
import { fetchHttps, type HttpsRequestInit, type HttpsResponse, type TlsClientOptions } from '../../../../src/transport/index.ts';
import { longestLeeway } from '../../seal-server.ts';
import type { IssuerKeys } from '../guard/issuer-keys.ts';
import { type JsonObject, strictJsonObject } from '../guard/strict-json.ts';
import { passwordAcr } from '../login/acr.ts';
import { validateIdToken, valServiceIdsOf } from './id-token.ts';
import { OpenIdError } from './openid-error.ts';
import { discoverProvider, type Fetch, httpsUri, keysOf, type ProviderMetadata } from './provider-metadata.ts';
import { decodeRecord, encodeRecord, type KeptLogin, type PendingRequest, readTokenResponse, refusal, type TokenResponse } from './token-response.ts';

/** A SIM-C that is registered with a SIM-S. */
export interface OpenIdSimCOptions {
  /** The SIM-S by the URI that its tokens name. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** As it is registered. */
  readonly redirectUri: string;
  /** Names with a space between them; `openid` is always among them. */
  readonly scope?: string;
  /** Keeps the tokens, and what waits for its answer. */
  readonly store: Store;
  readonly env?: Env;
  /** Whom to trust, and what to show. */
  readonly tls?: TlsClientOptions;
  /** Seconds that an ID token may be late; at most 30, which it is when absent. */
  readonly leeway?: number;
  /** `fetchHttps` when absent. */
  readonly fetch?: Fetch;
}

/** What may be said of one authorization request. */
export interface AuthorizationRequestInit {
  /** In place of that of the client. */
  readonly scope?: string;
  /** The server that the access token is for (RFC 8707). */
  readonly resource?: string;
  /** The name that the user will type. */
  readonly loginHint?: string;
  /** `login`, `consent` or `none`. */
  readonly prompt?: string;
}

/** Who is logged in. */
export interface OpenIdLogin {
  readonly subject: string;
  /** TS 33.434, 5.2.3: learned from the ID token. */
  readonly valServiceIds: readonly string[];
  readonly scope: string;
  /** Seconds since 1970: from then on the access token is sent to nobody. */
  readonly expiresAt: number;
  /** There is a refresh token. */
  readonly isLasting: boolean;
  /** All that the ID token says. */
  readonly claims: JsonObject;
}

/** Seconds that an authorization request waits for its answer. */
const requestLifetime = 600;
/** Seconds that one process has for a refresh before another tries. */
const refreshTime = 15;
/** Milliseconds between two looks at what another process does. */
const patience = 100;

/**
 * The HTTPS face of a SIM-C: logs a VAL user in with OpenID Connect as TS 33.434, Annex A, profiles it, and calls servers with the access token.
 *
 * ```ts
 * const simC = new OpenIdSimC({ issuer: 'https://sims.example', clientId: 'app', clientSecret, redirectUri: 'http://127.0.0.1:8731/callback', store });
 * open(await simC.authorizationUri());             // in a browser
 * const login = await simC.callback(uri);          // where the browser was sent in the end
 * const { status } = await simC.fetch('https://seal1.example/su-up/v1/...');
 * ```
 */
export class OpenIdSimC {
  readonly #options: Required<Omit<OpenIdSimCOptions, 'tls'>>;
  readonly #fetch: Fetch;
  readonly #folder: string;
  #provider: Promise<{ readonly metadata: ProviderMetadata; readonly keys: IssuerKeys }> | undefined;
  #refreshing: Promise<OpenIdLogin> | undefined;

  /** @throws {OpenIdError} `ERR_OPENID_CONFIG` */
  constructor({ tls = {}, ...options }: OpenIdSimCOptions) {
    this.#options = { scope: '', env: systemEnv, leeway: longestLeeway, fetch: fetchHttps, ...options };
    const { issuer, clientId, leeway, fetch, redirectUri } = this.#options;
    httpsUri('ERR_OPENID_CONFIG', 'issuer', issuer);
    if (!URL.canParse(redirectUri)) throw new OpenIdError('ERR_OPENID_CONFIG', 'redirectUri: expected a URI, got something else');
    if (!(leeway >= 0 && leeway <= longestLeeway)) throw new OpenIdError('ERR_OPENID_CONFIG', `leeway: expected 0 to ${longestLeeway} seconds, got ${leeway}`);
    this.#fetch = (uri, init) => fetch(uri, { ...tls, ...init });
    this.#folder = `seal/openid/${hashOf(`${issuer} ${clientId}`)}`;
  }

  /**
   * What the SIM-S offers; asked once.
   *
   * @throws {OpenIdError} `ERR_OPENID_METADATA`; `TransportError` `ERR_TRANSPORT_HTTPS`
   */
  async metadata(): Promise<ProviderMetadata> {
    return (await this.#discovered()).metadata;
  }

  /**
   * The URI to open in the browser of the user (TS 33.434, A.4.2.2). It is good for ten minutes and one login.
   *
   * @throws {OpenIdError} as `metadata`
   */
  async authorizationUri({ scope = this.#options.scope, resource, loginHint, prompt }: AuthorizationRequestInit = {}): Promise<string> {
    const { clientId, redirectUri, env, store } = this.#options;
    const { authorizationEndpoint } = await this.metadata();
    const [state, nonce, codeVerifier] = [toBase64Url(env.random(32)), toBase64Url(env.random(32)), toBase64Url(env.random(32))];
    const names = [...new Set(['openid', ...scope.split(' ').filter((name) => name !== '')])].join(' ');
    const pending: PendingRequest = { codeVerifier, nonce, redirectUri, scope: names };
    await store.put(this.#requestKey(state), encodeRecord(pending), { expiresAt: Math.ceil(env.epoch()) + requestLifetime });
    const uri = new URL(authorizationEndpoint);
    const parameters = {
      response_type: 'code',
      client_id: clientId,
      scope: names,
      redirect_uri: redirectUri,
      state,
      nonce,
      acr_values: passwordAcr,
      code_challenge: hashOf(codeVerifier),
      code_challenge_method: 'S256',
      resource,
      login_hint: loginHint,
      prompt,
    };
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) uri.searchParams.set(name, value);
    return uri.href;
  }

  /**
   * Take the answer of the SIM-S, which came to the redirect URI, and change its code for tokens.
   *
   * @returns `undefined`: the state is not that of a request that waits. TS 33.434, A.4.2.3: such a code is dropped; nobody is asked or told
   * @throws {OpenIdError} `ERR_OPENID_REFUSED`, `ERR_OPENID_RESPONSE`, `ERR_OPENID_ID_TOKEN`; `TransportError` `ERR_TRANSPORT_HTTPS`
   */
  async callback(uri: string | URL): Promise<OpenIdLogin | undefined> {
    const answer = callbackParameters(uri);
    const state = answer?.['state'];
    const pending = state === undefined ? undefined : await this.#takePending(state);
    if (pending === undefined) return undefined;
    const { issuer, redirectUri } = { ...this.#options, ...pending };
    const { metadata } = await this.#discovered();
    const { code, iss, error } = answer!;
    // RFC 9207 §2.4: the answer of another SIM-S goes no further.
    if (iss === undefined ? metadata.namesIssuer : iss !== issuer)
      throw new OpenIdError('ERR_OPENID_RESPONSE', 'iss: expected the issuer that was asked, got another');
    if (error !== undefined) throw refusal(answer!, 'authorization request');
    if (code === undefined) throw new OpenIdError('ERR_OPENID_RESPONSE', 'code: expected one, got none');
    const response = await this.#askForTokens({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: pending.codeVerifier });
    if (response.idToken === undefined) throw new OpenIdError('ERR_OPENID_RESPONSE', 'id_token: expected one, got none');
    return this.#keep(response, pending);
  }

  /** Who is logged in; `undefined`: nobody. */
  async login(): Promise<OpenIdLogin | undefined> {
    const kept = await this.#kept();
    return kept === undefined ? undefined : loginOf(kept);
  }

  /**
   * Get new tokens with the refresh token. Processes that share the store ask one at a time, since a SIM-S takes a refresh token once.
   *
   * @throws {OpenIdError} `ERR_OPENID_LOGIN` where there is none, or the SIM-S takes it no more: the user has to log in again
   */
  refresh(): Promise<OpenIdLogin> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * An access token that has not expired; where there is only a refresh token, a new one.
   *
   * @throws {OpenIdError} `ERR_OPENID_LOGIN`: nobody is logged in, or their time is over
   */
  async accessToken(): Promise<string> {
    const kept = await this.#kept();
    if (kept === undefined) throw noLogin('nobody is logged in');
    const { env, leeway } = this.#options;
    const now = env.epoch();
    // TS 33.434, A.8: what has expired is not sent. One that is of a time to come was asked for before the clock was set back.
    if (now < kept.expiresAt && (kept.askedAt ?? 0) <= now + leeway) return kept.accessToken;
    await this.refresh();
    const renewed = await this.#kept();
    if (renewed === undefined) throw noLogin('the user has logged out');
    return renewed.accessToken;
  }

  /**
   * Send a request with the access token in its Authorization header (RFC 6750, Section 2.1), to a server that the token is for.
   *
   * @throws {OpenIdError} `ERR_OPENID_LOGIN` where there is no access token that has not expired, `ERR_OPENID_CONFIG` for a URI other than of https: nothing is sent
   */
  async fetch(uri: string, init: HttpsRequestInit = {}): Promise<HttpsResponse> {
    httpsUri('ERR_OPENID_CONFIG', 'uri', uri);
    const token = await this.accessToken();
    return this.#fetch(uri, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
  }

  /**
   * Log the user out: the tokens are revoked (RFC 7009) where the SIM-S offers that, and forgotten in any case.
   *
   * @throws {OpenIdError} `ERR_OPENID_REFUSED`: they are good for as long as they last; `TransportError` `ERR_TRANSPORT_HTTPS`
   */
  async logout(): Promise<void> {
    const kept = await this.#kept();
    if (kept === undefined) return;
    await this.#options.store.delete(this.#folder);
    await this.#revoke(kept);
  }

  /** RFC 7009. */
  async #revoke({ refreshToken, accessToken }: KeptLogin): Promise<void> {
    const { revocationEndpoint } = await this.metadata();
    if (revocationEndpoint === undefined) return;
    const tokens = [
      [refreshToken, 'refresh_token'],
      [accessToken, 'access_token'],
    ] as const;
    let refused: OpenIdError | undefined;
    for (const [token, hint] of tokens) {
      if (token === undefined) continue;
      const { status, body } = await this.#post(revocationEndpoint, { token, token_type_hint: hint });
      if (status !== 200) refused ??= refusal(strictJsonObject(body) ?? {}, `revocation request (${status})`);
    }
    if (refused !== undefined) throw refused;
  }

  #discovered(): Promise<{ readonly metadata: ProviderMetadata; readonly keys: IssuerKeys }> {
    this.#provider ??= discoverProvider(this.#options.issuer, this.#fetch).then((metadata) => ({
      metadata,
      keys: keysOf(metadata, this.#fetch, this.#options.env),
    }));
    this.#provider.catch(() => {
      this.#provider = undefined;
    });
    return this.#provider;
  }

  #requestKey(state: string): string {
    return `${this.#folder}/request/${hashOf(state)}`;
  }

  /** The request of a state, once. */
  async #takePending(state: string): Promise<PendingRequest | undefined> {
    const { store } = this.#options;
    const key = this.#requestKey(state);
    const stored = await store.get(key);
    return stored !== undefined && (await store.delete(key)) ? decodeRecord<PendingRequest>(stored) : undefined;
  }

  async #kept(): Promise<KeptLogin | undefined> {
    const stored = await this.#options.store.get(this.#folder);
    return stored === undefined ? undefined : decodeRecord<KeptLogin>(stored);
  }

  async #refresh(): Promise<OpenIdLogin> {
    const { env, store } = this.#options;
    const stored = await store.get(this.#folder);
    const kept = stored === undefined ? undefined : decodeRecord<KeptLogin>(stored);
    if (kept?.refreshToken === undefined) throw noLogin('there is no refresh token');
    const claimed = { ...kept, refreshing: env.epoch() + refreshTime };
    const isOthers = kept.refreshing !== undefined && kept.refreshing > env.epoch() && kept.refreshing <= env.epoch() + refreshTime;
    if (isOthers || !(await store.compareAndSet(this.#folder, stored, encodeRecord(claimed)))) return this.#afterOthers(kept);
    try {
      const response = await this.#askForTokens({ grant_type: 'refresh_token', refresh_token: kept.refreshToken });
      return await this.#keep({ refreshToken: kept.refreshToken, ...response }, kept, encodeRecord(claimed));
    } catch (error) {
      const isOver = error instanceof OpenIdError && error.error === 'invalid_grant';
      await store.compareAndSet(this.#folder, encodeRecord(claimed), isOver ? undefined : stored);
      throw isOver ? noLogin('the SIM-S takes the refresh token no more') : error;
    }
  }

  /** What another process has got meanwhile; if it has got nothing, its turn is ours. */
  async #afterOthers(before: KeptLogin): Promise<OpenIdLogin> {
    const { env } = this.#options;
    await new Promise<void>((resolve) => void env.schedule(patience, resolve));
    const kept = await this.#kept();
    if (kept !== undefined && kept.accessToken !== before.accessToken) return loginOf(kept);
    return this.#refresh();
  }

  /** Check what came, and keep it in place of what there was; of a refresh that is `claimed`, only where its login goes on. */
  async #keep(response: TimedResponse, before: Pick<KeptLogin, 'nonce' | 'scope'> & { readonly idToken?: string }, claimed?: Uint8Array): Promise<OpenIdLogin> {
    const { issuer, clientId, env, leeway, store } = this.#options;
    const { nonce } = before;
    const { accessToken, refreshToken, scope = before.scope, askedAt, expiresAt } = response;
    const idToken = response.idToken ?? before.idToken!;
    if (response.idToken !== undefined) {
      const { keys } = await this.#discovered();
      const subject = before.idToken === undefined ? {} : { subject: String(claimsOf(before.idToken)['sub']) };
      await validateIdToken(idToken, { issuer, clientId, nonce, accessToken, keys, now: env.epoch(), leeway, ...subject });
    }
    const kept: KeptLogin = { accessToken, idToken, scope, nonce, askedAt, expiresAt, ...(refreshToken === undefined ? {} : { refreshToken }) };
    if (claimed === undefined) await store.put(this.#folder, encodeRecord(kept));
    else if (!(await this.#replace(claimed, kept))) {
      await this.#revoke(kept).catch(() => undefined);
      throw noLogin('the user has logged out');
    }
    return loginOf(kept);
  }

  /** Whether the login, which is known by its nonce, is there still: another process may have had a turn with it, or the user may have logged out and in again. */
  async #replace(claimed: Uint8Array, kept: KeptLogin): Promise<boolean> {
    const { store } = this.#options;
    for (let expected = claimed; !(await store.compareAndSet(this.#folder, expected, encodeRecord(kept))); ) {
      const now = await store.get(this.#folder);
      if (now === undefined || decodeRecord<KeptLogin>(now)?.nonce !== kept.nonce) return false;
      expected = now;
    }
    return true;
  }

  async #askForTokens(parameters: Readonly<Record<string, string>>): Promise<TimedResponse> {
    const { clientId, env } = this.#options;
    const { tokenEndpoint } = await this.metadata();
    const askedAt = env.epoch();
    const { status, body } = await this.#post(tokenEndpoint, { ...parameters, client_id: clientId });
    const response = readTokenResponse(status, body);
    return { ...response, askedAt, expiresAt: askedAt + response.expiresIn };
  }

  /** RFC 6749 §2.3.1: name and secret are encoded as in a form before they are one text. TS 33.434, A.4.2.4: they stand in the header and nowhere else. */
  #post(uri: string, parameters: Readonly<Record<string, string>>): Promise<HttpsResponse> {
    const { clientId, clientSecret } = this.#options;
    const [name, secret] = [clientId, clientSecret].map((text) => new URLSearchParams([['', text]]).toString().slice(1));
    return this.#fetch(uri, {
      method: 'POST',
      headers: {
        Accept: 'application/json',
        'Content-Type': 'application/x-www-form-urlencoded',
        Authorization: `Basic ${btoa(`${name}:${secret}`)}`,
      },
      body: new URLSearchParams(parameters).toString(),
    });
  }
}

/** Seconds since 1970: counted from the request, so that no token is taken for good that is not. */
type TimedResponse = TokenResponse & Required<Pick<KeptLogin, 'askedAt' | 'expiresAt'>>;

function hashOf(text: string): string {
  return toBase64Url(digest('sha256', utf8(text)));
}

function noLogin(why: string): OpenIdError {
  return new OpenIdError('ERR_OPENID_LOGIN', `expected a login, but ${why}`);
}

/** The parameters of an answer, each once; `undefined` for what is none. */
function callbackParameters(uri: string | URL): Readonly<Record<string, string>> | undefined {
  if (!URL.canParse(String(uri))) return undefined;
  const parameters = [...new URL(String(uri)).searchParams];
  const names = new Set(parameters.map(([name]) => name));
  return names.size === parameters.length ? Object.fromEntries(parameters) : undefined;
}

/** The claims of an ID token that was validated before it was kept. */
function claimsOf(idToken: string): JsonObject {
  return JSON.parse(fromUtf8(fromBase64Url(idToken.split('.')[1]!))) as JsonObject;
}

function loginOf({ idToken, scope, expiresAt, refreshToken }: KeptLogin): OpenIdLogin {
  const claims = claimsOf(idToken);
  return { subject: String(claims['sub']), valServiceIds: valServiceIdsOf(claims), scope, expiresAt, isLasting: refreshToken !== undefined, claims };
}
