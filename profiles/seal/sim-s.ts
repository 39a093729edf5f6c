import { AceError, AceErrorCode, GrantType, type TokenRequest } from '../../src/ace/index.ts';
import { AuthorizationServer, AuthorizationServerError, type AuthorizationServerOptions, type TokenGrant, type TokenRules } from '../../src/as/index.ts';
import { Code } from '../../src/coap/index.ts';
import { byRegistration, type ServesAudience, type ValAuthenticator, vouchFor } from './identities/authentication.ts';
import type { ValIdentity } from './identities/identity.ts';
import { IdentityRegister } from './identities/register.ts';
import type { SealMode } from './modes.ts';
import { takeOpenIdGrants } from './openid-departures.ts';
import { hasOscore } from './oscore-profile.ts';
import { encodeValClaims, type ValClaims } from './val-claims.ts';

/** VAL service IDs, each with the audiences that it is for; one that is not named is for every audience. */
export type ServiceAudiences = Readonly<Record<string, readonly string[]>>;

/** An authorization server of a VAL system: what TS 33.434 settles is not there to be chosen. */
export interface SimSOptions extends Omit<AuthorizationServerOptions, 'issuer' | 'tokenRules' | 'takeAway'> {
  /** The name that its tokens carry. */
  readonly issuer: string;
  /** VAL system ID, which stands in every token. */
  readonly valSystem: string;
  /** VAL users, VAL UEs and VAL servers of the configuration, beside those in the store. */
  readonly identities?: readonly ValIdentity[];
  readonly authenticator?: ValAuthenticator;
  readonly services?: ServiceAudiences;
  /** `strict` when absent. */
  readonly mode?: SealMode;
}

/**
 * The SIM-S: an authorization server that is narrowed to TS 33.434, Annex B, and gives tokens to VAL users, VAL UEs and VAL servers that are provisioned.
 *
 * ```ts
 * const simS = new SimS({ issuer: 'sims.val.example', valSystem: 'val.example', store, profiles: [oscoreProfile], clients, resourceServers });
 * await simS.identities.put({ kind: 'ue', id: 'ue1', valServiceIds: ['v2x'] });
 * await simS.listen(await udp({ port: 5783 }));
 * ```
 */
export class SimS extends AuthorizationServer {
  readonly identities: IdentityRegister;
  /** VAL system ID, which stands in every token. */
  readonly valSystem: string;
  readonly mode: SealMode;
  /** No other process serves from the store, so that its configuration is the only one. */
  readonly isAlone: boolean;
  readonly #authenticator: ValAuthenticator;
  readonly #serves: ServesAudience;

  /** @throws {AuthorizationServerError} `ERR_AS_CONFIG`; `IdentityError` `ERR_SEAL_IDENTITY` */
  constructor({ valSystem, identities, authenticator = byRegistration, services = {}, mode = 'strict', ...options }: SimSOptions) {
    if (!hasOscore(options.profiles))
      throw new AuthorizationServerError('ERR_AS_CONFIG', 'profiles: expected coap_oscore among them (TS 33.434, B.3.4), got others');
    const register = new IdentityRegister(options.store, identities);
    const serves: ServesAudience = (service, audience) => (Object.hasOwn(services, service) ? services[service]!.includes(audience) : true);
    const tokenRules: TokenRules = {
      nameProfile: true,
      nameIssuer: true,
      absoluteExpiry: true,
      nameServerKey: mode === 'strict',
      ...(mode === 'strict' ? { checkRequest: checkStrictly } : {}),
      claims: async (grant) => {
        const { sub, claims } = await this.vouch(grant);
        return { sub, unknown: encodeValClaims(claims) };
      },
    };
    super({ ...options, tokenRules, takeAway: (departed) => takeOpenIdGrants(options.store, departed) });
    this.identities = register;
    this.valSystem = valSystem;
    this.mode = mode;
    this.isAlone = options.lease === undefined;
    this.#authenticator = authenticator;
    this.#serves = serves;
  }

  /**
   * What a token for a grant says of whom it is given to.
   *
   * @param user - the VAL user who has signed in for it with an application, which need be no VAL UE that is provisioned
   * @throws {AceError} `ERR_SEAL_IDENTITY`: they are not provisioned for the audience
   */
  async vouch(grant: TokenGrant, user?: string): Promise<{ readonly sub: string; readonly claims: ValClaims }> {
    const isApplication = user !== undefined && (await this.identities.ofClient(grant.client)) === undefined;
    const who = isApplication ? { valUserId: user } : await this.#authenticator.authenticate(grant, this.identities);
    const { sub, claims } = await vouchFor(who, this.identities, grant.audience, this.#serves);
    return { sub, claims: { ...claims, valSystemId: this.valSystem } };
  }
}

/** TS 24.547, 6.2.2: grant_type and scope shall be there. What is shown for a grant that exists already has its scope with it. */
function checkStrictly({ grantType, scope }: TokenRequest): void {
  const missing = grantType === undefined ? 'grant_type' : scope === undefined && !hasScope.has(grantType) ? 'scope' : undefined;
  if (missing === undefined) return;
  throw new AceError('ERR_SEAL_REQUEST', `expected ${missing}, got none`, { responseCode: Code.BadRequest, error: AceErrorCode.invalid_request });
}

const hasScope: ReadonlySet<number> = new Set([GrantType.refresh_token, GrantType.authorization_code]);
