import type { JsonWebKey } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { AuthorizationServerError, currentKey, hasPassword, storedPasswords, type TimedTokenKey } from '../../../../src/as/index.ts';
import { RateLimit } from '../../../../src/coap/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import type { Store } from '../../../../src/store/index.ts';
import { Subjects } from '../../identities/subjects.ts';
import type { SimS } from '../../sim-s.ts';
import type { LoginEvent } from '../login/events.ts';
import { type InteractionHandlerOptions, interactionHandler } from '../login/interaction-handler.ts';
import { LoginAttempts } from '../login/login-attempts.ts';
import { passwordUsers, type UserAuthenticator } from '../login/user-authenticator.ts';
import { AccessTokens } from './access-tokens.ts';
import { Accounts } from './accounts.ts';
import { Provider } from './library.ts';
import { OpenIdGrants } from './openid-grants.ts';
import { cookieKey, ownSigningKey } from './own-secrets.ts';
import { makeProvider, type OpenIdLifetimes, paths } from './provider.ts';
import { jwtKeyOf, signsJwt } from './signing.ts';
import { TokenEndpoints } from './token-endpoints.ts';

/** What the HTTPS face of a SIM-S is made of. */
export interface OpenIdFaceOptions {
  /** The SIM-S, whose users, clients, services, keys and tokens these are. */
  readonly simS: SimS;
  /** That of the SIM-S. */
  readonly store: Store;
  /** An origin: `https://sims.example`. */
  readonly issuer: string;
  /** What signs ID tokens: of those whose time it is the one whose time began last. None: a key that is made and kept in the store. */
  readonly signingKeys?: readonly TimedTokenKey[];
  readonly env?: Env;
  /** Absent: the passwords of the store, for VAL users who are provisioned. */
  readonly authenticator?: UserAuthenticator;
  /** Whether a VAL user may still use what was given to them; absent: as long as they have a password in the store, or always with an `authenticator`. */
  readonly isActive?: (user: string) => Promise<boolean>;
  readonly attempts?: LoginAttempts;
  /** In place of the usual login page. */
  readonly page?: InteractionHandlerOptions['page'];
  readonly lifetimes?: OpenIdLifetimes;
  /** Hears of logins, and of faults. What there is to say of tokens the SIM-S tells. */
  readonly emit?: (event: LoginEvent) => void;
}

/** OpenID Connect for the VAL users of a SIM-S. */
export interface OpenIdFace {
  /** For `serveHttps`. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /** The keys that its tokens are signed by, and those that are to come. */
  jwks(): Promise<{ readonly keys: readonly JsonWebKey[] }>;
  /** Put other signing keys in the place of those that there are; also to be called when VAL users were taken from the configuration. */
  renew(signingKeys?: readonly TimedTokenKey[]): Promise<void>;
  /** Requests under way. */
  stats(): Readonly<Record<string, number>>;
}

/** Requests that are worked on at once: each may take a slow hash. */
const mostRequests = 256;
/** What one address may begin: each request is kept while somebody signs in. */
const beginning = { burst: 120, rate: 4, entries: 4096 };
/** Refusals of strangers that are written at once, and per second after that. */
const strangers = { burst: 64, rate: 16, entries: 1 };
/** Seconds for which an ID token may be looked at after its key has had its time. */
const overlap = 3600;

/** As `openIdFace`, with the library. */
export async function makeOpenIdFace(options: OpenIdFaceOptions): Promise<OpenIdFace> {
  const { issuer, store, env = systemEnv } = options;
  if (!URL.canParse(issuer) || new URL(issuer).origin !== issuer || !issuer.startsWith('https:'))
    throw new AuthorizationServerError('ERR_AS_CONFIG', `issuer: expected an origin like https://sims.example, got ${JSON.stringify(issuer)}`);
  const face = new Face(options, await cookieKey(store, env), await ownSigningKey(store, env));
  await face.renew(options.signingKeys);
  return face;
}

class Face implements OpenIdFace {
  readonly #options: OpenIdFaceOptions;
  readonly #env: Env;
  readonly #cookieKey: string;
  readonly #ownKey: TimedTokenKey;
  readonly #subjects: Subjects;
  readonly #grants: OpenIdGrants;
  readonly #accounts: Accounts;
  readonly #tokens: AccessTokens;
  readonly #endpoints: TokenEndpoints;
  readonly #attempts: LoginAttempts;
  readonly #users: UserAuthenticator;
  readonly #beginning: RateLimit;
  readonly #strangers: RateLimit;
  /** Token hashes that were revoked while a request was worked on. */
  readonly #revoked = new WeakMap<object, readonly string[]>();
  #signingKeys: readonly TimedTokenKey[] = [];
  #current: Current | undefined;
  #pending = 0;
  #unrecorded = 0;

  constructor(options: OpenIdFaceOptions, cookies: string, ownKey: TimedTokenKey) {
    const { simS, store, env = systemEnv, issuer, authenticator, attempts } = options;
    this.#options = options;
    this.#env = env;
    this.#cookieKey = cookies;
    this.#ownKey = ownKey;
    this.#subjects = new Subjects(store, simS.identities, env);
    this.#grants = new OpenIdGrants(store, simS.shared);
    const isActive = options.isActive ?? (async (user: string) => authenticator !== undefined || (await hasPassword(store, user)));
    this.#accounts = new Accounts({ subjects: this.#subjects, isActive, revokeGrant: this.#revokeGrant });
    this.#tokens = new AccessTokens({ simS, issuer, env, accounts: this.#accounts, grants: this.#grants, revokeGrant: this.#revokeGrant });
    this.#endpoints = new TokenEndpoints({ shared: simS.shared, issuer, provider: () => this.#now().provider, revokeGrant: this.#revokeGrant });
    this.#attempts = attempts ?? new LoginAttempts({ store, env });
    this.#users = authenticator ?? passwordUsers(storedPasswords(store, env.random), simS.identities);
    this.#beginning = new RateLimit(env, beginning);
    this.#strangers = new RateLimit(env, strangers);
  }

  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    this.#pending++;
    response.once('close', () => this.#pending--);
    this.#handle(request, response).catch((error: unknown) => {
      this.#fault(error);
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: 'server_error' });
    });
  };

  async jwks(): Promise<{ readonly keys: readonly JsonWebKey[] }> {
    const now = this.#env.epoch();
    const keys = this.#signingKeys.filter(({ until }) => until === undefined || until + overlap > now);
    for await (const { tokenKeys, tokenLifetime } of this.#options.simS.shared.resourceServers()) {
      keys.push(...tokenKeys.filter((key) => signsJwt(key) && (key.until === undefined || key.until + tokenLifetime > now)));
    }
    return { keys: [...new Map(keys.map((key) => [jwtKeyOf(key).publicJwk['kid'], jwtKeyOf(key).publicJwk])).values()] };
  }

  async renew(signingKeys: readonly TimedTokenKey[] = []): Promise<void> {
    const wrong = signingKeys.findIndex((key) => !signsJwt(key));
    if (wrong >= 0) throw new AuthorizationServerError('ERR_AS_CONFIG', `signingKeys[${wrong}]: expected a private key for ES256, ES384 or EdDSA, got another`);
    this.#signingKeys = signingKeys.length === 0 ? [this.#ownKey] : signingKeys;
    await this.#subjects.sweep();
  }

  stats(): Readonly<Record<string, number>> {
    return { pending: this.#pending };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = request.socket.remoteAddress ?? 'unknown';
    if (this.#pending > mostRequests) return this.#later(response, 'busy', address, 1);
    const path = request.url!.split('?', 1)[0]!;
    const wait = path === paths.authorization ? this.#beginning.take(address) : 0;
    if (wait > 0) return this.#later(response, 'rate-address', address, Math.ceil(wait));
    // What the provider says of itself follows from the issuer, whatever a client calls it.
    request.headers.host = new URL(this.#options.issuer).host;
    if (path === paths.introspection) return this.#endpoints.introspect(request, response);
    if (path === paths.revocation) return this.#endpoints.revoke(request, response);
    if (path === paths.jwks && request.method === 'GET') return sendJson(response, 200, await this.jwks(), 'application/jwk-set+json');
    const { serve, login } = this.#now();
    await (path.startsWith('/interaction/') ? login : serve)(request, response);
  }

  #later(response: ServerResponse, reason: string, peer: string, seconds: number): void {
    this.#refused({ reason, peer });
    response.setHeader('Retry-After', String(seconds));
    sendJson(response, reason === 'busy' ? 503 : 429, { error: 'temporarily_unavailable' });
  }

  /** The provider that signs with the key whose time it is. All that it knows is in the store. */
  #now(): Current {
    const key = currentKey(this.#signingKeys, false, Math.floor(this.#env.epoch()));
    if (key === undefined) throw new AuthorizationServerError('ERR_AS_TOKEN_KEY', 'expected a signing key whose time it is, got none');
    if (this.#current?.key === key) return this.#current;
    const { simS, store, issuer, page, lifetimes = {} } = this.#options;
    const shared = { simS, store, issuer, env: this.#env, accounts: this.#accounts, tokens: this.#tokens, grants: this.#grants, lifetimes };
    const provider = makeProvider({ ...shared, key: jwtKeyOf(key), cookieKey: this.#cookieKey, revokeGrant: this.#revokeGrant });
    this.#listen(provider);
    const login = interactionHandler({
      provider,
      users: this.#users,
      attempts: this.#attempts,
      accounts: this.#accounts,
      emit: (event) => this.#options.emit?.(event),
      ...(page === undefined ? {} : { page }),
    });
    this.#current = { key, provider, serve: provider.callback(), login };
    return this.#current;
  }

  #listen(provider: Provider): void {
    // Koa writes it to the console where nobody listens.
    (provider as EventEmitter).on('error', (error: unknown) => this.#fault(error));
    provider.on('server_error', (_context, error) => this.#fault(error));
    provider.on('authorization.error', (context, error) => this.#refused({ reason: 'authorization', peer: peerOf(context), detail: detailOf(error) }));
    provider.on('grant.error', (context, error) => {
      const { client, params = {} } = context.oidc;
      if (client === undefined || error.message === 'invalid_client')
        this.#refused({ reason: 'unknown-client', peer: peerOf(context), detail: detailOf(error) });
      else {
        const scope = typeof params['scope'] === 'string' ? { scope: params['scope'] } : {};
        this.#options.simS.shared.emit({ type: 'token-refused', client: client.clientId, ...scope, reason: error.message, detail: detailOf(error) });
      }
    });
    provider.on('grant.revoked', (context) => {
      const { client, params = {} } = context.oidc;
      const reason = params['grant_type'] === 'refresh_token' ? 'refresh-token-reuse' : 'code-reuse';
      const tokens = this.#revoked.get(context) ?? [];
      if (client !== undefined) this.#options.simS.shared.emit({ type: 'grant-revoked', client: client.clientId, reason, tokens });
    });
  }

  readonly #revokeGrant = async (grantId: string): Promise<void> => {
    const revoked = await this.#grants.revoke(grantId);
    const context = Provider.ctx;
    if (context !== undefined) this.#revoked.set(context, revoked);
  };

  /** Anybody can be refused: of many such refusals some are told, with how many there were before. */
  #refused(event: { readonly reason: string; readonly peer: string; readonly detail?: string }): void {
    if (this.#strangers.take('') > 0) {
      this.#unrecorded++;
      return;
    }
    const unrecorded = this.#unrecorded;
    this.#unrecorded = 0;
    this.#options.simS.shared.emit({ type: 'refused', ...event, ...(unrecorded === 0 ? {} : { unrecorded }) });
  }

  #fault(error: unknown): void {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
    this.#options.emit?.({ type: 'fault', reason: code, detail: error instanceof Error ? error.message : String(error) });
  }
}

/** A provider, and the key that it signs with. */
interface Current {
  readonly key: TimedTokenKey;
  readonly provider: Provider;
  readonly serve: Handler;
  readonly login: Handler;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

function peerOf({ oidc, req }: KoaContextWithOIDC): string {
  return oidc.client === undefined ? (req.socket.remoteAddress ?? 'unknown') : `client:${oidc.client.clientId}`;
}

/** The error by its name, with what the library says of it. Neither quotes a code, a token or a secret. */
function detailOf(error: { readonly message: string; readonly error_description?: string | undefined; readonly error_detail?: string | undefined }): string {
  return [error.message, error.error_detail ?? error.error_description].filter((text) => text !== undefined).join(': ');
}

function sendJson(response: ServerResponse, status: number, value: object, type = 'application/json'): void {
  const body = utf8(JSON.stringify(value));
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length, ...(status === 200 ? {} : { 'Cache-Control': 'no-store' }) });
  response.end(body);
}
