import type { JsonWebKey } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { AuthorizationServerError, currentKey, hasPassword, storedPasswords, type TimedTokenKey } from '../../../../src/as/index.ts';
import { networkOf, RateLimit } from '../../../../src/coap/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import { Tally } from '../../../../src/core/tally.ts';
import type { Store } from '../../../../src/store/index.ts';
import { departure } from '../../../../src/transport/index.ts';
import { Subjects } from '../../identities/subjects.ts';
import type { SimS } from '../../sim-s.ts';
import { type CredentialFailureRates, CredentialFailures } from '../credential-failures.ts';
import { type HttpMessage, holdResponse } from '../held-response.ts';
import type { LoginEvent } from '../login/events.ts';
import { type InteractionHandlerOptions, interactionHandler } from '../login/interaction-handler.ts';
import { LoginAttempts } from '../login/login-attempts.ts';
import { noticePage } from '../login/page.ts';
import { pageMessage } from '../login/send-page.ts';
import { passwordUsers, type UserAuthenticator } from '../login/user-authenticator.ts';
import { ProxyAddresses, type TrustedProxies } from '../proxies.ts';
import { AccessTokens } from './access-tokens.ts';
import { Accounts } from './accounts.ts';
import { Provider } from './library.ts';
import type { OpenIdLifetimes } from './lifetimes.ts';
import { OpenIdGrants, type RevokeGrant } from './openid-grants.ts';
import { cookieKey, ownSigningKey } from './own-secrets.ts';
import { isServed, originForm, otherMethods, paths } from './paths.ts';
import { Later, makeProvider } from './provider.ts';
import { jwtKeyOf, signsJwt } from './signing.ts';
import { basicCredentials, type CredentialOutcome, TokenEndpoints } from './token-endpoints.ts';

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
  /** Requests with wrong secrets of clients that are looked at. */
  readonly failures?: CredentialFailureRates;
  /** In place of the usual login page. */
  readonly page?: InteractionHandlerOptions['page'];
  readonly lifetimes?: OpenIdLifetimes;
  /** Requests that are worked on at once, each of which may take a slow hash; 256 when absent. One address has half of them. */
  readonly pending?: number;
  /** Those that end TLS before it, and may say who has asked; its issuer is where clients reach them. Absent: clients reach it themselves. */
  readonly proxies?: TrustedProxies;
  /** Hears of logins, and of faults, beside the SIM-S, which tells them with what there is to say of tokens. */
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
  /**
   * Whether `renew` would take them.
   *
   * @throws {AuthorizationServerError} `ERR_AS_CONFIG`
   */
  check(signingKeys: readonly TimedTokenKey[]): void;
  /** Requests under way. */
  stats(): Readonly<Record<string, number>>;
}

/** Requests that are worked on at once. */
const mostRequests = 256;
/** What one address may begin: each request is kept while somebody signs in. */
const beginning = { burst: 120, rate: 4, entries: 4096 };
/** Bytes of a body: the longest is that of a form. */
const longestBody = 16_384;
/** Seconds for which an ID token may be looked at after its key has had its time. */
const overlap = 3600;
/** What of a client or an address there is too much of. */
const fewer = {
  busy: 'fewer requests at once',
  'rate-address': 'fewer requests from this address',
  'rate-credentials': 'fewer wrong credentials, of this client or from this address',
} as const;
/** Where a client shows its secret. */
const confidential: ReadonlySet<string> = new Set([paths.token, paths.introspection, paths.revocation]);

/** As `openIdFace`, with the library. */
export async function makeOpenIdFace(options: OpenIdFaceOptions): Promise<OpenIdFace> {
  const { issuer, store, env = systemEnv } = options;
  if (!URL.canParse(issuer) || new URL(issuer).origin !== issuer || !issuer.startsWith('https:'))
    throw new AuthorizationServerError('ERR_AS_CONFIG', `issuer: expected an origin like https://sims.example, got ${JSON.stringify(issuer)}`);
  const face = new Face(options, await cookieKey(store, env), await ownSigningKey(store, env));
  await face.renew(options.signingKeys);
  await face.finishRevocations();
  return face;
}

class Face implements OpenIdFace {
  readonly #options: OpenIdFaceOptions;
  readonly #env: Env;
  readonly #cookieKey: string;
  /** As a client of the issuer names it. */
  readonly #host: string;
  readonly #ownKey: TimedTokenKey;
  readonly #subjects: Subjects;
  readonly #grants: OpenIdGrants;
  readonly #accounts: Accounts;
  readonly #tokens: AccessTokens;
  readonly #endpoints: TokenEndpoints;
  readonly #attempts: LoginAttempts;
  readonly #users: UserAuthenticator;
  readonly #beginning: RateLimit;
  readonly #failures: CredentialFailures;
  readonly #proxies: ProxyAddresses | undefined;
  readonly #addresses = new WeakMap<IncomingMessage, string>();
  /** Requests whose refusal has no entry in the audit log. */
  readonly #unrecorded = new WeakSet<IncomingMessage>();
  #signingKeys: readonly TimedTokenKey[] = [];
  #current: Current | undefined;
  #pending = 0;
  /** By network. */
  readonly #pendingOf = new Tally();

  constructor(options: OpenIdFaceOptions, cookies: string, ownKey: TimedTokenKey) {
    const { simS, store, env = systemEnv, issuer, authenticator, attempts } = options;
    this.#options = options;
    this.#env = env;
    this.#cookieKey = cookies;
    this.#host = new URL(issuer).host;
    this.#ownKey = ownKey;
    this.#subjects = new Subjects(store, simS.identities, env);
    this.#grants = new OpenIdGrants(store, simS.shared);
    const isActive = options.isActive ?? (async (user: string) => authenticator !== undefined || (await hasPassword(store, user)));
    this.#accounts = new Accounts({ subjects: this.#subjects, isActive, revokeGrant: this.#revokeGrant });
    this.#tokens = new AccessTokens({ simS, issuer, env, accounts: this.#accounts, grants: this.#grants, revokeGrant: this.#revokeGrant });
    this.#proxies = options.proxies === undefined ? undefined : new ProxyAddresses(options.proxies);
    this.#failures = new CredentialFailures(env, options.failures);
    this.#endpoints = new TokenEndpoints({
      shared: simS.shared,
      issuer,
      provider: () => this.#now().provider,
      revokeGrant: this.#revokeGrant,
      isActive: async (account) => (await this.#accounts.userOf(account)) !== undefined,
      addressOf: this.#addressOf,
      credentials: this.#credentials,
      refused: this.#refused,
    });
    this.#attempts = attempts ?? new LoginAttempts({ store, env });
    this.#users = authenticator ?? passwordUsers(storedPasswords(store, env.random), simS.identities);
    this.#beginning = new RateLimit(env, beginning);
  }

  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    const network = networkOf(this.#addressOf(request));
    this.#pending++;
    this.#pendingOf.add(network);
    response.once('close', () => {
      this.#pending--;
      this.#pendingOf.remove(network);
    });
    const recorded = this.#options.simS.shared.recorded();
    // Nothing is answered before what there is to say of it is in the audit log.
    holdResponse(response, async (message) => {
      await handled;
      const judged = this.#judged(request, message, await recorded());
      await departure();
      return judged;
    });
    // In a turn of its own, so that an answer which is there at once finds the promise too.
    const handled = Promise.resolve()
      .then(() => this.#handle(request, response))
      .catch((error: unknown) => {
        this.#fault(error);
        sendJson(response, 500, { error: 'server_error' });
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
    this.check(signingKeys);
    this.#signingKeys = signingKeys.length === 0 ? [this.#ownKey] : signingKeys;
    // Other processes may know users whom the configuration of this one has never had.
    const { isAlone, identities } = this.#options.simS;
    await this.#subjects.sweep(isAlone ? undefined : identities.departedUsers);
    identities.departedUsers.clear();
  }

  check(signingKeys: readonly TimedTokenKey[]): void {
    const wrong = signingKeys.findIndex((key) => !signsJwt(key));
    if (wrong >= 0) throw new AuthorizationServerError('ERR_AS_CONFIG', `signingKeys[${wrong}]: expected a private key for ES256, ES384 or EdDSA, got another`);
  }

  stats(): Readonly<Record<string, number>> {
    return { pending: this.#pending };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { shared } = this.#options.simS;
    const address = this.#addressOf(request);
    if (!(request.socket as Partial<TLSSocket>).encrypted && this.#proxies?.isTrusted(request) !== true) return this.#insecure(request, response);
    const { pending = mostRequests } = this.#options;
    if (this.#pending > pending) return this.#later(request, response, 'busy', 1);
    // Whoever is slow with its bodies keeps no other address out.
    if (this.#pendingOf.of(networkOf(address)) > Math.ceil(pending / 2)) return this.#later(request, response, 'rate-address', 1);
    request.url = originForm(request.url!);
    const path = request.url.split('?', 1)[0]!;
    const wait = Math.max(shared.wait('address', networkOf(address)), path === paths.authorization ? this.#beginning.take(networkOf(address)) : 0);
    if (wait > 0) return this.#later(request, response, 'rate-address', Math.ceil(wait));
    const lock = confidential.has(path) ? this.#failures.wait(address, clientIn(request)) : 0;
    if (lock > 0) return this.#later(request, response, 'rate-credentials', lock);
    if (Number(request.headers['content-length'] ?? 0) > longestBody) return this.#tooLarge(request, response);
    if (!isServed(path)) return sendJson(response, 404, { error: 'invalid_request', error_description: 'expected a path that is served, got another' });
    const others = otherMethods(path, request.method);
    if (others !== undefined) return notAllowed(response, others);
    this.#rename(request);
    if (path === paths.introspection) return this.#endpoints.introspect(request, response);
    if (path === paths.revocation) return this.#endpoints.revoke(request, response);
    if (path === paths.jwks && request.method === 'GET') return sendJson(response, 200, await this.jwks(), 'application/jwk-set+json');
    const { serve, login } = this.#now();
    await (path.startsWith('/interaction/') ? login : serve)(request, response);
  }

  /** What the provider says of itself follows from the issuer, whatever a client or a proxy calls it. */
  #rename({ headers }: IncomingMessage): void {
    for (const name of Object.keys(headers)) if (name === 'forwarded' || name.startsWith('x-forwarded-')) delete headers[name];
    headers.host = this.#host;
    headers['x-forwarded-proto'] = 'https';
  }

  readonly #addressOf = (request: IncomingMessage): string => {
    const known = this.#addresses.get(request);
    if (known !== undefined) return known;
    const address = this.#proxies?.addressOf(request) ?? request.socket.remoteAddress ?? 'unknown';
    this.#addresses.set(request, address);
    return address;
  };

  readonly #credentials: CredentialOutcome = {
    failed: (request) => this.#failures.failed(this.#addressOf(request), clientIn(request)),
    succeeded: (request, client) => this.#failures.succeeded(this.#addressOf(request), client),
  };

  #judged(request: IncomingMessage, message: HttpMessage | undefined, isRecorded: boolean): HttpMessage {
    if (!isRecorded) return this.#instead(request, 503, 5);
    if (this.#unrecorded.has(request)) return this.#instead(request, 429, 1);
    if (message === undefined) throw new AuthorizationServerError('ERR_AS_USE', 'expected an answer that can be put together, got a longer one');
    // What nobody has read would be taken for the next request.
    return request.complete ? message : { ...message, headers: { ...message.headers, connection: 'close' } };
  }

  /** In the place of an answer that must not be given. */
  #instead({ url = '', complete }: IncomingMessage, status: number, seconds: number): HttpMessage {
    const isPage = url.startsWith('/interaction/') || url.startsWith(paths.authorization);
    const page = noticePage('This has to wait', 'Too much is asked for here at the moment. Wait a little, then sign in from the application again.');
    const { headers, body } = isPage ? pageMessage(status, page) : jsonMessage(status, { error: 'temporarily_unavailable' });
    return { status, headers: { ...headers, 'Retry-After': String(seconds), ...(complete ? {} : { Connection: 'close' }) }, body };
  }

  #insecure(request: IncomingMessage, response: ServerResponse): void {
    this.#refused(request, { reason: 'insecure', peer: this.#addressOf(request) });
    sendJson(response, 403, { error: 'invalid_request', error_description: 'expected to be asked over TLS' });
  }

  #tooLarge(request: IncomingMessage, response: ServerResponse): void {
    this.#refused(request, { reason: 'size', peer: this.#addressOf(request) });
    sendJson(response, 413, { error: 'invalid_request', error_description: `expected a body of at most ${longestBody} bytes, got a longer one` });
  }

  #later(request: IncomingMessage, response: ServerResponse, reason: keyof typeof fewer, seconds: number): void {
    this.#refused(request, { reason, peer: this.#addressOf(request) });
    response.setHeader('Retry-After', String(seconds));
    const description = `expected ${fewer[reason]}; ask again in ${seconds} s`;
    sendJson(response, reason === 'busy' ? 503 : 429, { error: 'temporarily_unavailable', error_description: description });
  }

  /** The provider that signs with the key whose time it is. All that it knows is in the store. */
  #now(): Current {
    const key = currentKey(this.#signingKeys, false, Math.floor(this.#env.epoch()));
    if (key === undefined) throw new AuthorizationServerError('ERR_AS_TOKEN_KEY', 'expected a signing key whose time it is, got none');
    if (this.#current?.key === key) return this.#current;
    const { simS, store, issuer, page, lifetimes = {} } = this.#options;
    const shared = { simS, store, issuer, env: this.#env, accounts: this.#accounts, tokens: this.#tokens, grants: this.#grants, lifetimes };
    const own = { key: jwtKeyOf(key), cookieKey: this.#cookieKey, revokeGrant: this.#revokeGrant, isBehindProxy: this.#proxies !== undefined };
    const provider = makeProvider({ ...shared, ...own, authenticated: this.#credentials.succeeded });
    this.#listen(provider);
    const login = interactionHandler({
      provider,
      users: this.#users,
      attempts: this.#attempts,
      accounts: this.#accounts,
      emit: this.#tellLogin,
      addressOf: this.#addressOf,
      ...(page === undefined ? {} : { page }),
    });
    this.#current = { key, provider, serve: provider.callback(), login };
    return this.#current;
  }

  #listen(provider: Provider): void {
    // Koa writes it to the console where nobody listens.
    (provider as EventEmitter).on('error', (error: unknown) => this.#fault(error));
    provider.on('server_error', (_context, error) => this.#fault(error));
    provider.on('authorization.error', (context, error) =>
      this.#refused(context.req, { reason: 'authorization', peer: this.#peerOf(context), detail: detailOf(error) }),
    );
    provider.on('grant.error', (context, error) => {
      const { client, params = {} } = context.oidc;
      if (error instanceof Later) {
        context.set('Retry-After', String(error.wait));
        if (error.reason === 'busy' && context.res.destroyed) this.#credentials.failed(context.req);
        this.#refused(context.req, { reason: error.reason, peer: this.#peerOf(context) });
      } else if (client === undefined || error.message === 'invalid_client') {
        if (error.message === 'invalid_client') this.#credentials.failed(context.req);
        this.#refused(context.req, { reason: 'unknown-client', peer: this.#peerOf(context), detail: detailOf(error) });
      } else {
        const scope = typeof params['scope'] === 'string' ? { scope: params['scope'] } : {};
        this.#options.simS.shared.emit({ type: 'token-refused', client: client.clientId, ...scope, reason: error.message, detail: detailOf(error) });
      }
    });
  }

  finishRevocations(): Promise<void> {
    return this.#grants.finish();
  }

  readonly #revokeGrant: RevokeGrant = (grantId, reason, client) => {
    const oidc = Provider.ctx?.oidc;
    const reuse = oidc?.params?.['grant_type'] === 'refresh_token' ? 'refresh-token-reuse' : 'code-reuse';
    return this.#grants.revoke(grantId, { client: client ?? oidc?.client?.clientId ?? 'nobody', reason: reason ?? reuse });
  };

  readonly #tellLogin = (event: LoginEvent, request: IncomingMessage): void => {
    const { shared } = this.#options.simS;
    this.#options.emit?.(event);
    // Whoever is locked out may ask as often as others who are nobody.
    if (event.type !== 'login-refused' || event.reason !== 'locked') shared.emit(event);
    else if (!shared.refuse(event)) this.#unrecorded.add(request);
  };

  /** Anybody can be refused. */
  readonly #refused = (request: IncomingMessage, event: { readonly reason: string; readonly peer: string; readonly detail?: string }): void => {
    if (!this.#options.simS.shared.refuse({ type: 'refused', ...event })) this.#unrecorded.add(request);
  };

  #peerOf({ oidc, req }: KoaContextWithOIDC): string {
    return oidc.client === undefined ? this.#addressOf(req) : `client:${oidc.client.clientId}`;
  }

  #fault(error: unknown): void {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
    const event = { type: 'fault', reason: code, detail: messageOf(error) } as const;
    this.#options.emit?.(event);
    this.#options.simS.shared.emit(event);
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

/** The client that a request names beside its secret. */
function clientIn({ headers }: IncomingMessage): string {
  return basicCredentials(headers.authorization)?.id ?? '';
}

/** The error by its name, with what the library says of it. Neither quotes a code, a token or a secret. */
function detailOf(error: { readonly message: string; readonly error_description?: string | undefined; readonly error_detail?: string | undefined }): string {
  return [error.message, error.error_detail ?? error.error_description].filter((text) => text !== undefined).join(': ');
}

function sendJson(response: ServerResponse, status: number, value: object, type = 'application/json'): void {
  const { headers, body } = jsonMessage(status, value, type);
  response.writeHead(status, headers);
  response.end(body);
}

function notAllowed(response: ServerResponse, methods: readonly string[]): void {
  response.setHeader('Allow', methods.join(', '));
  sendJson(response, 405, { error: 'invalid_request', error_description: `expected ${methods.join(' or ')}, got another method` });
}

function jsonMessage(status: number, value: object, type = 'application/json'): HttpMessage {
  const body = utf8(JSON.stringify(value));
  const headers = { 'Content-Type': type, 'Content-Length': body.length, ...(status === 200 ? {} : { 'Cache-Control': 'no-store' }) };
  return { status, headers, body };
}
