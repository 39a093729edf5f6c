import { AceError, AceErrorCode, GrantType, intersectScopes, type Scope, type TokenRequest } from '../../ace/index.ts';
import { Code, RateLimit } from '../../coap/index.ts';
import type { Confirmation } from '../../core/cwt.ts';
import type { Env } from '../../core/env.ts';
import type { Written } from '../../core/options.ts';
import { Tally } from '../../core/tally.ts';
import type { Change, Store } from '../../store/index.ts';
import type { Decision, Policy, PolicyRequest } from '../policy.ts';
import { refuse } from '../refusal.ts';
import type { Client } from '../registry/registry.ts';
import { findCode, useCode } from './codes.ts';
import type { GrantFolders, GrantRevocations, RevocationCause } from './grant-revocations.ts';
import type { PasswordVerifier } from './passwords.ts';
import { familyName, familyTokens, newHandle, RefreshTokens } from './refresh-tokens.ts';
import { refuseBusy } from './slow-hash.ts';

/** How long refresh tokens live, and who has them (RFC 6749, Sections 6 and 10.4). */
export interface RefreshTokenOptions {
  /** Seconds that a refresh token is good for if it is not used; 14 days when absent. */
  readonly lifetime?: number;
  /** Seconds after the first grant from which on there has to be another; 90 days when absent. */
  readonly familyLifetime?: number;
  /** Give them also to clients that used no more than their own credentials, which RFC 6749, Section 4.4.3, advises against. Absent: no. */
  readonly clientCredentials?: boolean;
}

/** What a grant permits. */
export interface Authorization {
  readonly audience: string;
  readonly scope: Scope;
  /** Seconds; absent: what is registered for the RS. */
  readonly lifetime?: number;
  /** The resource owner who granted it by a password. */
  readonly username?: string;
  /** A refresh token was shown: for which RS and profile it is good, and the key that tokens are bound to again. */
  readonly bound?: { readonly resourceServer: string; readonly profile: number; readonly key: Confirmation };
  /** Seconds since 1970: until then there may be more tokens for the key. Absent: until the token ends. */
  readonly keyUntil?: number;
  /** What has to become durable with the token, and the refresh token that goes out with it. */
  conclude(issued: Issued): { readonly changes: readonly Change[]; readonly refreshToken?: Uint8Array };
}

/** A token that is about to be given away. */
export interface Issued {
  /** Its name in the store. */
  readonly hash: string;
  readonly resourceServer: string;
  readonly profile: number;
  /** As the client knows it. */
  readonly key: Confirmation;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

export interface AuthorizationGrantsOptions {
  readonly store: Store;
  readonly env: Env;
  readonly policy: Policy;
  /** Those that this AS offers, by their numbers. */
  readonly grantTypes: ReadonlySet<number>;
  readonly refreshTokens?: RefreshTokenOptions;
  readonly passwords: PasswordVerifier;
  readonly revocations: GrantRevocations;
}

const day = 86_400;
/** Passwords of one client that are looked at, or wait for it: a part of those of all clients. */
const passwordsAtOnce = 8;

/** The grants of RFC 9200, Section 5.4: what a client shows, and what it may have for it. */
export class AuthorizationGrants {
  readonly #options: AuthorizationGrantsOptions;
  readonly #refreshTokens: RefreshTokens;
  /** A grant goes by the name of the family of what came of it. */
  readonly #folders: GrantFolders;
  /** Tries for each user name, right or wrong: somebody guesses all night otherwise. */
  readonly #passwordRate: RateLimit;
  /** How many passwords of each client are being looked at. */
  readonly #looking = new Tally();

  constructor(options: AuthorizationGrantsOptions) {
    const { store, env, refreshTokens } = options;
    this.#options = options;
    const { lifetime = 14 * day, familyLifetime = 90 * day } = refreshTokens ?? {};
    this.#refreshTokens = new RefreshTokens({ store, env, lifetime, familyLifetime });
    this.#folders = { revoking: 'as/revoking/', members: familyTokens, end: (name) => this.#refreshTokens.revoke(name) };
    this.#passwordRate = new RateLimit(env, { burst: 10, rate: 1 / 30, entries: 4096 });
  }

  /**
   * What does not change by being asked twice: whether the grant type is to be had, at once, and the password.
   *
   * @throws {AceError} `ERR_AS_REFUSED`, `ERR_AS_LIMIT`, `ERR_AS_BUSY`
   */
  check(client: Client, asked: TokenRequest): Promise<void> | undefined {
    const type = asked.grantType ?? GrantType.client_credentials;
    if (!this.#options.grantTypes.has(type)) throw refuse(AceErrorCode.unsupported_grant_type, 'the grant type is none that this authorization server offers');
    if (!client.grantTypes.has(type)) throw refuse(AceErrorCode.unauthorized_client, 'the grant type is none that the client may use');
    return type === GrantType.password ? this.#checkPassword(client, asked) : undefined;
  }

  /**
   * What the client may have. A request that found the store changed meanwhile is authorized again.
   *
   * @throws {AceError} `ERR_AS_REFUSED`, `ERR_ACE_SCOPE`
   */
  authorize(client: Client, asked: TokenRequest, update: boolean): Promise<Authorization> {
    switch (asked.grantType) {
      case GrantType.refresh_token:
        return this.#refresh(client, asked, update);
      case GrantType.authorization_code:
        return this.#redeem(client, asked, update);
      default:
        return this.#decide(client, asked, update);
    }
  }

  async #checkPassword({ id }: Client, { username, password }: TokenRequest): Promise<void> {
    if (username === undefined || password === undefined) throw refuse(AceErrorCode.invalid_request, 'expected username and password');
    // Before the try counts: else a client that shows many would make the counts of others be forgotten, at no cost.
    if (this.#looking.of(id) >= passwordsAtOnce) throw refuseBusy('too many passwords of this client are being looked at');
    this.#looking.add(id);
    try {
      await this.#verifyPassword(username, password);
    } finally {
      this.#looking.remove(id);
    }
  }

  async #verifyPassword(username: string, password: string): Promise<void> {
    const wait = this.#passwordRate.take(username);
    if (wait > 0) throw new AceError('ERR_AS_LIMIT', 'too many tries for this user', { responseCode: Code.TooManyRequests, retryAfter: wait });
    if (!(await this.#options.passwords.verify(username, password))) throw refuse(AceErrorCode.invalid_grant, 'expected a user name and its password');
  }

  /** By the credentials of the client, or by a password that was right. */
  #decide(client: Client, asked: TokenRequest, update: boolean): Promise<Authorization> {
    const { policy } = this.#options;
    const grantType = asked.grantType ?? GrantType.client_credentials;
    const username = grantType === GrantType.password ? asked.username : undefined;
    const request: Written<PolicyRequest> = { client: client.id, update };
    if (asked.audience !== undefined) request.audience = asked.audience;
    if (asked.scope !== undefined) request.scope = asked.scope;
    if (username !== undefined) request.username = username;
    return Promise.resolve(policy.decide(request)).then((decision) => this.#permit(client, grantType, request, decision));
  }

  #permit(client: Client, grantType: number, { username, update }: PolicyRequest, decision: Decision): Authorization {
    if (!decision.permit) throw refuse(decision.error, decision.reason);
    const { refreshTokens } = this.#options;
    const { audience, scope, lifetime } = decision;
    const wanted = grantType === GrantType.password || refreshTokens?.clientCredentials === true;
    const { keyUntil, conclude } = this.#first({ client, audience, scope, grantType, username, update, wanted });
    const authorization: Written<Authorization> = { audience, scope, conclude };
    if (lifetime !== undefined) authorization.lifetime = lifetime;
    if (username !== undefined) authorization.username = username;
    if (keyUntil !== undefined) authorization.keyUntil = keyUntil;
    return authorization;
  }

  /** @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3 */
  async #redeem(client: Client, asked: TokenRequest, update: boolean): Promise<Authorization> {
    const { store, env } = this.#options;
    if (asked.code === undefined) throw refuse(AceErrorCode.invalid_request, 'expected a code');
    const found = await findCode(store, asked.code);
    const unfit = (): AceError => refuse(AceErrorCode.invalid_grant, 'the code is none of this client, or can be used no more');
    if (found === undefined || found.grant.client !== client.id) throw unfit();
    if (found.family !== undefined) {
      // RFC 6749 §4.1.2: what was issued for it is revoked.
      await this.#revokeFamily(found.family, client.id, 'code-reuse');
      throw unfit();
    }
    const { grant } = found;
    if (grant.expiresAt <= env.epoch() || grant.redirectUri !== asked.redirectUri) throw unfit();
    const { audience } = grant;
    if (asked.audience !== undefined && asked.audience !== audience) throw refuse(AceErrorCode.invalid_grant, 'the code is for another audience');
    const scope = asked.scope === undefined ? grant.scope : intersectScopes(asked.scope, grant.scope)?.scope;
    if (scope === undefined) throw refuse(AceErrorCode.invalid_scope, 'the scope is not one that the code is for');
    const first = this.#first({ client, audience, scope, grantType: GrantType.authorization_code, username: undefined, update, wanted: true });
    return {
      ...first,
      audience,
      scope,
      conclude: (issued) => {
        const { changes, refreshToken } = first.conclude(issued);
        const family = first.family();
        const used = useCode(found, family, Math.max(issued.expiresAt, first.keyUntil ?? 0));
        // Without refresh tokens, too, what was issued has to be found again.
        const tokens = refreshToken === undefined ? [tokenOf(family, issued)] : [];
        return { changes: [...changes, ...tokens, used], ...(refreshToken === undefined ? {} : { refreshToken }) };
      },
    };
  }

  /** What goes with the first token of a grant: a refresh token, where the client may have one and the key is one that can be had again. */
  #first(grant: FirstGrant): Pick<Authorization, 'keyUntil' | 'conclude'> & { readonly family: () => string } {
    const { client, audience, scope, grantType, username, update, wanted } = grant;
    const { grantTypes, env } = this.#options;
    // An update names a key that another token brought.
    if (update || !wanted || !grantTypes.has(GrantType.refresh_token) || !client.grantTypes.has(GrantType.refresh_token)) {
      return { family: () => familyName(newHandle(env.random)), conclude: () => ({ changes: [] }) };
    }
    const handle = newHandle(env.random);
    const family = familyName(handle);
    const endsAt = this.#refreshTokens.familyEnd();
    const conclude = (issued: Issued): { changes: readonly Change[]; refreshToken: Uint8Array } => {
      const { resourceServer, profile, key } = issued;
      const { token, change } = this.#refreshTokens.begin(
        handle,
        { client: client.id, audience, resourceServer, scope, grantType, username, profile, endsAt },
        key,
      );
      return { changes: [change, tokenOf(family, issued)], refreshToken: token };
    };
    return { family: () => family, keyUntil: this.#refreshTokens.expiry({ endsAt }), conclude };
  }

  /** @see https://www.rfc-editor.org/rfc/rfc6749#section-6 */
  async #refresh(client: Client, asked: TokenRequest, update: boolean): Promise<Authorization> {
    const shown = asked.refreshToken;
    if (shown === undefined) throw refuse(AceErrorCode.invalid_request, 'expected a refresh_token');
    const found = await this.#refreshTokens.find(shown);
    const unfit = (): AceError => refuse(AceErrorCode.invalid_grant, 'the refresh token is none of this client, or can be used no more');
    if (found === undefined || found.record.client !== client.id) throw unfit();
    if (found.standing === 'spent') {
      await this.#revokeFamily(found.name, client.id, 'refresh-token-reuse');
      throw unfit();
    }
    const { audience, resourceServer, scope: granted, grantType, username, profile, endsAt } = found.record;
    if (username !== undefined && (await this.#options.passwords.knows?.(username)) === false) {
      await this.#revokeFamily(found.name, client.id, 'account');
      throw unfit();
    }
    // RFC 9200 §5.8.1: refresh requests MUST NOT ask for another audience.
    if (asked.audience !== undefined && asked.audience !== audience) throw refuse(AceErrorCode.invalid_request, 'the refresh token is for another audience');
    const wanted = asked.scope === undefined ? { scope: granted, reduced: false } : intersectScopes(asked.scope, granted);
    if (wanted === undefined || wanted.reduced) throw refuse(AceErrorCode.invalid_scope, 'the scope is more than what was granted first');
    const permitted = await this.#stillPermitted(client, audience, wanted.scope, update, grantType, username);
    const next = this.#refreshTokens.follow(found, shown);
    return {
      audience,
      ...permitted,
      ...(username === undefined ? {} : { username }),
      bound: { resourceServer, profile, key: next.key },
      keyUntil: this.#refreshTokens.expiry({ endsAt }),
      conclude: (issued) => ({ changes: [next.change, tokenOf(found.name, issued)], refreshToken: next.token }),
    };
  }

  /** What the policy leaves of it now. What the owner granted by a code is not the policy's. */
  async #stillPermitted(
    client: Client,
    audience: string,
    scope: Scope,
    update: boolean,
    grantType: number,
    username: string | undefined,
  ): Promise<Pick<Authorization, 'scope' | 'lifetime'>> {
    if (grantType === GrantType.authorization_code) return { scope };
    const decision = await this.#options.policy.decide({ client: client.id, audience, scope, update, ...(username === undefined ? {} : { username }) });
    if (!decision.permit) throw refuse(decision.error, decision.reason);
    return { scope: decision.scope, ...(decision.lifetime === undefined ? {} : { lifetime: decision.lifetime }) };
  }

  /** Bring to an end what a process has begun to revoke that was killed meanwhile. */
  finishRevocations(): Promise<void> {
    return this.#options.revocations.finish(this.#folders);
  }

  /** Nothing that was issued in the family is of use any more. */
  #revokeFamily(name: string, client: string, reason: RevocationCause['reason']): Promise<void> {
    return this.#options.revocations.revoke(this.#folders, name, { client, reason });
  }
}

interface FirstGrant {
  readonly client: Client;
  readonly audience: string;
  readonly scope: Scope;
  readonly grantType: number;
  readonly username: string | undefined;
  readonly update: boolean;
  /** Whether grants of this kind come with refresh tokens. */
  readonly wanted: boolean;
}

function tokenOf(family: string, { hash, expiresAt }: Issued): Change {
  return { key: familyTokens(family) + hash, value: new Uint8Array(0), expiresAt };
}
