import type { IncomingMessage } from 'node:http';
import type { Configuration, JWK, KoaContextWithOIDC } from 'oidc-provider';
import { utf8 } from '../../../../src/core/bytes.ts';
import type { Env } from '../../../../src/core/env.ts';
import type { Store } from '../../../../src/store/index.ts';
import { resourceOf } from '../../resource-indicator.ts';
import type { SimS } from '../../sim-s.ts';
import { goneSignal, waitOf } from '../busy.ts';
import { passwordAcr } from '../login/acr.ts';
import { noticePage } from '../login/page.ts';
import { sendPage } from '../login/send-page.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { Accounts } from './accounts.ts';
import { storeAdapter } from './adapter.ts';
import { clientFinder } from './clients.ts';
import { errors, Provider } from './library.ts';
import type { OpenIdLifetimes } from './lifetimes.ts';
import type { OpenIdGrants, RevokeGrant } from './openid-grants.ts';
import { paths } from './paths.ts';
import { checkAuthorizationRequest } from './request-check.ts';
import { resourceScope, usualAudience } from './resources.ts';
import type { JwtKey } from './signing.ts';

export interface ProviderOptions {
  readonly simS: SimS;
  readonly store: Store;
  readonly issuer: string;
  readonly env: Env;
  /** What signs ID tokens. */
  readonly key: JwtKey;
  readonly cookieKey: string;
  readonly accounts: Accounts;
  readonly tokens: AccessTokens;
  readonly grants: OpenIdGrants;
  readonly revokeGrant: RevokeGrant;
  /** Hears of a client that has shown its secret. */
  readonly authenticated?: (request: IncomingMessage, client: string) => void;
  /** Another process ends TLS, and this one sees plain HTTP. */
  readonly isBehindProxy?: boolean;
  readonly lifetimes: OpenIdLifetimes;
}

const day = 86_400;

/** Seconds. */
const codeLifetime = 60;
const interactionLifetime = 600;
const idTokenLifetime = 300;

/** The claims of ID tokens and access tokens beside those of OpenID Connect. */
const valClaimNames = ['val_user_id', 'val_ue_id', 'val_service_ids', 'val_system_id', 'SKeyProv'];

/** An OpenID provider that leaves nothing to be chosen which TS 33.434, Annex A, settles. */
export function makeProvider(options: ProviderOptions): Provider {
  const { simS, issuer, tokens, authenticated, isBehindProxy = false } = options;
  const provider = new Provider(issuer, configurationOf(options));
  provider.proxy = isBehindProxy;
  const contextOf = (): KoaContextWithOIDC => Provider.ctx!;
  const issue = function (this: object): Promise<string> {
    return tokens.issue(contextOf(), this);
  };
  for (const model of [provider.AccessToken, provider.ClientCredentials]) {
    Object.defineProperties(model.prototype, { save: { value: issue }, tokenType: { get: () => 'bearer' } });
  }
  Object.defineProperty(provider.Client, 'find', { value: clientFinder(provider.Client, simS.shared, options.key.alg) });
  Object.defineProperties(provider.Client.prototype, {
    // RFC 8252, Section 7.3, would let a loopback address have any port; TS 33.434, A.4.2.2, has what is registered.
    redirectUriAllowed: {
      value(this: { readonly redirectUris: readonly string[] }, uri: string) {
        return this.redirectUris.includes(uri);
      },
    },
    compareClientSecret: {
      async value(this: { readonly clientId: string }, secret: string) {
        refuseSecretElsewhere(contextOf());
        if (simS.mode === 'strict') checkClientId(contextOf());
        const client = await simS.shared.client(this.clientId);
        if (client?.https === undefined || !(await isRight(simS, client.https.secret, secret))) return false;
        authenticated?.(contextOf().req, client.id);
        checkRate(simS, client.id);
        return true;
      },
    },
  });
  Object.defineProperty(provider.IdToken.prototype, 'issue', { value: issueIdToken(options) });
  provider.use(async (context, next) => {
    await next();
    if (context.path === '/.well-known/openid-configuration' || context.path === '/.well-known/oauth-authorization-server')
      context.body = honest(issuer, context.body);
  });
  return provider;
}

/** What there is of an ID token before it is signed. */
interface IdTokenDraft {
  readonly client: { readonly clientId: string };
  payload(): Promise<object>;
}

/** OpenID Connect Core, Section 2. The library would give each signature to a thread of its own, which takes three times the time of the signature. */
function issueIdToken({ issuer, env, key, lifetimes }: ProviderOptions): (this: IdTokenDraft, options: { readonly use: string }) => Promise<string> {
  const lifetime = lifetimes.idToken ?? idTokenLifetime;
  return async function ({ use }) {
    if (use !== 'idtoken') throw new TypeError(`expected an ID token to be asked for, got ${use}`);
    const now = Math.floor(env.epoch());
    return key.sign(undefined, { ...(await this.payload()), aud: this.client.clientId, exp: now + lifetime, iat: now, iss: issuer });
  };
}

/** A request that has to come later. */
export class Later extends errors.OIDCProviderError {
  readonly reason: 'rate-client' | 'busy';
  /** Seconds. */
  readonly wait: number;

  constructor(reason: Later['reason'], wait: number) {
    super(reason === 'busy' ? 503 : 429, 'temporarily_unavailable');
    this.error_description = reason === 'busy' ? 'expected fewer secrets to look at' : 'expected fewer requests of this client';
    // It is no fault of this server: the library is to say what it is.
    this.expose = true;
    this.reason = reason;
    this.wait = wait;
  }
}

/** @throws {Later} */
async function isRight(simS: SimS, hash: string, secret: string): Promise<boolean> {
  try {
    const { res } = Provider.ctx!;
    return await simS.shared.accepts(hash, utf8(secret), () => goneSignal(res));
  } catch (error) {
    const wait = waitOf(error);
    if (wait === undefined) throw error;
    throw new Later('busy', wait);
  }
}

/** It counts once it is known that it is the client, so that nobody else uses up what it has. */
function checkRate(simS: SimS, client: string): void {
  const wait = simS.shared.wait('client', client);
  if (wait > 0) throw new Later('rate-client', wait);
}

/** TS 33.434, A.4.2.4: the secret stands in the Authorization header and nowhere else. */
function refuseSecretElsewhere({ oidc, query }: KoaContextWithOIDC): void {
  if (oidc.body?.['client_secret'] !== undefined || Object.keys(query).length > 0) {
    throw new errors.InvalidRequest('expected the secret in the Authorization header and parameters in the body, got some elsewhere');
  }
}

/** TS 33.434, A.4.2.4, requires it, also where the Authorization header has said who asks. */
function checkClientId({ oidc }: KoaContextWithOIDC): void {
  const { grant_type: type, client_id: id } = oidc.body ?? {};
  if (type === 'authorization_code' && (id === undefined || id === '')) throw new errors.InvalidRequest('expected the parameter client_id, got none');
}

/** What the library says of itself, and what is so here. */
function honest(issuer: string, metadata: unknown): object {
  return {
    ...(metadata as object),
    response_modes_supported: ['query'],
    introspection_endpoint: issuer + paths.introspection,
    introspection_endpoint_auth_methods_supported: ['client_secret_basic'],
    revocation_endpoint: issuer + paths.revocation,
    revocation_endpoint_auth_methods_supported: ['client_secret_basic'],
  };
}

function configurationOf(options: ProviderOptions): Configuration {
  const { simS, store, env, key, cookieKey, accounts, tokens, grants, revokeGrant, lifetimes } = options;
  const { shared } = simS;
  const cookie = { httpOnly: true, secure: true, signed: true, sameSite: 'lax' } as const;
  return {
    adapter: storeAdapter({
      store,
      env,
      grants,
      revokeGrant,
      codeIssued: async ({ accountId = '', clientId = '', scope = '' }) => {
        shared.emit({ type: 'code-issued', client: clientId, user: (await accounts.userOf(accountId)) ?? accountId, scope });
      },
      isActive: async (account) => (await accounts.userOf(account)) !== undefined,
    }),
    jwks: { keys: [key.privateJwk as JWK] },
    cookies: { keys: [cookieKey], long: cookie, short: cookie, names: { session: '__Host-session', interaction: 'interaction', resume: 'resume' } },
    acrValues: [passwordAcr],
    claims: { openid: ['sub', ...valClaimNames] },
    scopes: ['openid'],
    responseTypes: ['code'],
    subjectTypes: ['public'],
    clientAuthMethods: ['client_secret_basic'],
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    extraParams: {
      acr_values: async (context: KoaContextWithOIDC) => checkAuthorizationRequest(context),
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: async (context, { clientId }, granted) => {
          if (granted !== undefined) return [...granted];
          const client = await shared.client(clientId);
          if (client === undefined) throw new errors.InvalidClient('expected a client that is registered', clientId);
          return resourceOf(await usualAudience(shared, client, resourceScope(context.oidc.params?.['scope'] as string | undefined)));
        },
        getResourceServerInfo: (context, resource, { clientId }) => tokens.resourceServer(context, resource, clientId),
        useGrantedResource: () => true,
      },
    },
    expiresWithSession: () => false,
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    findAccount: accounts.find,
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    renderError: (context, { error }) => {
      context.respond = false;
      const reason = `The application asked for it in a way that is not taken here: ${String(error).replaceAll('_', ' ')}.`;
      sendPage(context.res, context.status, noticePage('That sign-in did not work', reason));
    },
    routes: { authorization: paths.authorization, token: paths.token, jwks: paths.jwks },
    ttl: {
      AccessToken: (_context, token) => token.resourceServer?.accessTokenTTL ?? 300,
      ClientCredentials: (_context, token) => token.resourceServer?.accessTokenTTL ?? 300,
      AuthorizationCode: codeLifetime,
      Interaction: interactionLifetime,
      IdToken: lifetimes.idToken ?? idTokenLifetime,
      RefreshToken: lifetimes.refreshToken ?? 14 * day,
      Grant: lifetimes.grant ?? 90 * day,
      Session: lifetimes.session ?? 8 * 3600,
    },
  };
}
