import type { KoaContextWithOIDC, ResourceServer } from 'oidc-provider';
import { AceError, AceErrorCode, tokenHashText } from '../../../../src/ace/index.ts';
import { AuthorizationServerError, currentKey, type MadeToken, type RegisteredResourceServer, type TimedTokenKey } from '../../../../src/as/index.ts';
import { toBase64Url } from '../../../../src/core/bytes.ts';
import type { Env } from '../../../../src/core/env.ts';
import { sameValue } from '../../../../src/core/same-value.ts';
import type { SimS } from '../../sim-s.ts';
import { type Accounts, jwtClaims } from './accounts.ts';
import { errors } from './library.ts';
import type { OpenIdGrants, RevokeGrant } from './openid-grants.ts';
import { audienceOf, resourceScope } from './resources.ts';
import { jwtKeyOf, signsJwt } from './signing.ts';

export interface AccessTokensOptions {
  readonly simS: SimS;
  readonly issuer: string;
  readonly env: Env;
  readonly accounts: Accounts;
  readonly grants: OpenIdGrants;
  readonly revokeGrant: RevokeGrant;
}

/** What the library knows of an access token that it is about to give: of a VAL user by a grant, or of the client itself. */
export interface AccessTokenDraft {
  readonly clientId?: string | undefined;
  readonly accountId?: string | undefined;
  readonly grantId?: string | undefined;
  readonly aud?: string | readonly string[] | undefined;
  scope?: string | undefined;
  expiresIn?: number | undefined;
}

/** What a request for a token is for. */
interface Wanted {
  readonly clientId: string;
  readonly audience: string;
  readonly scope: string | undefined;
  readonly user: string | undefined;
}

/** Tokens for one audience, if the client may have any. */
interface Permitted {
  readonly resourceServer: RegisteredResourceServer;
  readonly key: TimedTokenKey;
  readonly scope: string;
  /** Seconds. */
  readonly lifetime: number;
}

/** The access tokens of the HTTPS face: JWTs (RFC 9068) that the key of their resource server signs, known to the authorization server as those of CoAP are. */
export class AccessTokens {
  readonly #options: AccessTokensOptions;
  /** What was decided earlier in a request. */
  readonly #decided = new WeakMap<object, { readonly wanted: Wanted; readonly permitted: Permitted }>();

  constructor(options: AccessTokensOptions) {
    this.#options = options;
  }

  /**
   * The resource server of a resource indicator, with what of its scopes the client may have of those that it asks for now.
   *
   * @throws {errors.OIDCProviderError}
   */
  async resourceServer(context: KoaContextWithOIDC, resource: string, clientId: string): Promise<ResourceServer> {
    const { params = {}, entities } = context.oidc;
    const source = entities.AuthorizationCode ?? entities.RefreshToken;
    const asked = (params['scope'] as string | undefined) ?? source?.scope;
    const user = source?.accountId === undefined ? undefined : await this.#options.accounts.userFor(context, source.accountId);
    const scope = resourceScope(asked);
    const audience = audienceOf(resource);
    const wanted: Wanted = { clientId, audience, scope, user };
    const permitted = await this.#permitted(wanted);
    this.#decided.set(context, { wanted, permitted });
    // Nothing in particular was asked for: what is given then is no more than what goes without asking.
    return { scope: scope === undefined ? '' : permitted.scope, audience, accessTokenTTL: permitted.lifetime, accessTokenFormat: 'jwt' };
  }

  /**
   * Make an access token, and let the authorization server know it.
   *
   * @throws {errors.OIDCProviderError}
   */
  async issue(context: KoaContextWithOIDC, draft: AccessTokenDraft): Promise<string> {
    const { issuer, env, accounts, grants } = this.#options;
    const { clientId, accountId, grantId, aud } = draft;
    if (clientId === undefined || typeof aud !== 'string') throw new errors.InvalidTarget('expected a resource, got none');
    const user = accountId === undefined ? undefined : await accounts.userFor(context, accountId);
    if (accountId !== undefined && user === undefined) return this.#withdraw(grantId);
    const wanted: Wanted = { clientId, audience: aud, scope: draft.scope === '' ? undefined : draft.scope, user };
    const decided = this.#decided.get(context);
    const isDecided = decided !== undefined && sameValue({ ...decided.wanted, scope: decided.permitted.scope }, wanted);
    const { resourceServer, key, scope, lifetime } = isDecided ? decided.permitted : await this.#permitted(wanted);
    const vouched = await this.#vouch({ ...wanted, scope }, resourceServer.id, grantId);
    accounts.vouched(context, vouched.claims);
    draft.scope = scope;
    draft.expiresIn = lifetime;
    const issuedAt = Math.floor(env.epoch());
    const expiresAt = issuedAt + lifetime;
    const text = jwtKeyOf(key).sign('at+jwt', {
      iss: issuer,
      sub: accountId ?? vouched.sub,
      aud,
      exp: expiresAt,
      iat: issuedAt,
      jti: toBase64Url(env.random(16)),
      scope,
      client_id: clientId,
      ...jwtClaims(vouched.claims),
    });
    const grant = String(context.oidc.params?.['grant_type']);
    const hash = tokenHashText(text);
    const made = { hash, client: clientId, resourceServer: resourceServer.id, audience: aud, scope, expiresIn: lifetime, expiresAt, grant };
    if (grantId === undefined) {
      if (!(await this.#known(made))) throw new errors.InvalidTarget('expected a client and a resource that stand');
      return text;
    }
    const token = grants.token(grantId, hash, expiresAt);
    const read = grants.read(grantId);
    if (read !== undefined && (await this.#known({ ...made, changes: [read, token] }))) return text;
    // The user may have signed in again meanwhile, which changes the grant.
    const living = await grants.living(grantId);
    if (living === undefined || !(await this.#known({ ...made, changes: [living, token] }))) return this.#withdraw(grantId);
    return text;
  }

  async #known(made: MadeToken): Promise<boolean> {
    try {
      return await this.#options.simS.shared.issue(made);
    } catch (error) {
      if (!(error instanceof AuthorizationServerError) || error.code !== 'ERR_AS_LIMIT') throw error;
      throw new errors.TemporarilyUnavailable(error.message);
    }
  }

  async #permitted({ clientId, audience, scope, user }: Wanted): Promise<Permitted> {
    const { shared } = this.#options.simS;
    const refused = (why: string): Error => new errors.InvalidTarget(why);
    const asked = { client: clientId, audience, update: false, ...(user === undefined ? {} : { username: user }) };
    const decision = await shared.decide(scope === undefined ? asked : { ...asked, scope });
    // Which audiences there are is not told to those who may not ask for them.
    const none = 'expected a resource that the client may ask for, got another';
    if (!decision.permit)
      throw decision.error === AceErrorCode.invalid_scope
        ? new errors.InvalidScope('expected a scope that the client may ask for', scope ?? '')
        : refused(none);
    const resourceServer = await shared.resourceServerOf(decision.audience);
    if (resourceServer === undefined || typeof decision.scope !== 'string') throw refused(none);
    const key = currentKey(resourceServer.tokenKeys.filter(signsJwt), false, Math.floor(this.#options.env.epoch()));
    if (key === undefined) throw refused('expected a resource server with a key that signs tokens, got one without');
    const lifetime = Math.max(1, Math.floor(Math.min(decision.lifetime ?? resourceServer.tokenLifetime, resourceServer.tokenLifetime)));
    return { resourceServer, key, scope: decision.scope, lifetime };
  }

  async #vouch({ clientId, audience, scope, user }: Wanted, resourceServer: string, grantId: string | undefined): ReturnType<SimS['vouch']> {
    const grant = { client: clientId, resourceServer, audience, scope: scope!, ...(user === undefined ? {} : { username: user }) };
    try {
      return await this.#options.simS.vouch(grant, user);
    } catch (error) {
      if (!(error instanceof AceError)) throw error;
      if (user !== undefined) return this.#withdraw(grantId, error.message);
      throw new errors.UnauthorizedClient(error.message);
    }
  }

  /** The account, its services or the grant are no more: what came of the grant goes with them. */
  async #withdraw(grantId: string | undefined, why = 'expected a grant that stands'): Promise<never> {
    if (grantId !== undefined) await this.#options.revokeGrant(grantId, 'account');
    throw new errors.InvalidGrant(why);
  }
}
