import {
  AceError,
  AceErrorCode,
  GrantType,
  type ProfileAtClient,
  relayedAnswerOf,
  type Scope,
  type Target,
  type TokenRequest,
  uploadWishParameters,
  WantedToken,
} from '../ace/index.ts';
import type { SecurityAssociation } from '../coap/index.ts';
import type { AuthorizationServers, Granted } from './authorization-servers.ts';
import type { Emit } from './events.ts';
import { type AuthorizationGrant, grantParameters, type KeptRefreshTokens } from './grants.ts';
import { coversScope } from './scopes.ts';
import { refreshKey } from './session.ts';

export interface TokenSourceOptions {
  readonly servers: AuthorizationServers;
  readonly refreshTokens: KeptRefreshTokens;
  readonly profiles: ReadonlyMap<number, ProfileAtClient>;
  /** Let the AS upload the first token for a session (see token-upload.ts). */
  readonly upload: boolean;
  readonly emit: Emit;
}

/** What a token is to be for. */
export interface Asked {
  /** URI of the token endpoint. */
  readonly as: string;
  readonly audience: string | undefined;
  readonly scope: Scope | undefined;
  readonly cnonce: Uint8Array | undefined;
  /** What there is to show for the first token. */
  readonly grant: AuthorizationGrant | undefined;
}

/** A token for a new association. */
export interface FirstToken extends Granted {
  /** The RS has the token already: makes the association. Absent: the token is to be uploaded. */
  readonly establish?: () => Promise<SecurityAssociation>;
}

/** Where the tokens of sessions come from: the authorization servers, by the grant that serves. */
export class TokenSource {
  readonly #options: TokenSourceOptions;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
  }

  /** A token for a new association with the RS. `session`: where the store has that. */
  async first(session: string, asked: Asked, target: Target): Promise<FirstToken> {
    const profile = this.#firstProfile();
    const prepared = this.#options.upload ? await profile.prepareUpload?.(target) : undefined;
    if (prepared === undefined) return this.next(session, asked, profile.request(target));
    let established = false;
    try {
      const { toRs } = prepared;
      const wish = uploadWishParameters({ wanted: WantedToken.hash, ...(toRs === undefined ? {} : { toRs }) });
      const granted = await this.next(session, asked, { ...profile.request(target), ...wish });
      const { response } = granted;
      const answer = relayedAnswerOf(response);
      const used = response.aceProfile === undefined ? profile : this.#options.profiles.get(response.aceProfile);
      if (answer === undefined || used !== profile) return granted;
      established = true;
      return { ...granted, establish: () => prepared.establish(response, answer) };
    } finally {
      if (!established) await prepared.cancel();
    }
  }

  /**
   * A token by the refresh token that is kept, if it is for what is asked and the AS takes it; else by the first grant.
   *
   * @param extra - what the profile has to say of the key
   */
  async next(session: string, asked: Asked, extra: TokenRequest): Promise<Granted> {
    const { refreshTokens } = this.#options;
    const { as, audience, scope, grant } = asked;
    const place = refreshKey(session);
    const kept = await refreshTokens.find(place);
    const serves = kept !== undefined && kept.as === as && kept.audience === audience && (scope === undefined || coversScope(kept.scope, scope));
    if (serves) {
      try {
        const granted = await this.#ask(asked, { ...extra, grantType: GrantType.refresh_token, refreshToken: kept.token });
        const { refreshToken } = granted.response;
        if (refreshToken !== undefined) await refreshTokens.keep(place, { ...kept, token: refreshToken });
        return granted;
      } catch (error) {
        if (!(error instanceof AceError) || error.error === undefined) throw error;
        this.#options.emit({ type: 'step', step: 'retry', detail: `${error.message}; without a refresh token it is` });
        if (error.error === AceErrorCode.invalid_grant) await refreshTokens.drop(place);
      }
    }
    const granted = await this.#ask(asked, { ...extra, ...grantParameters(grant) });
    const { refreshToken, scope: effective, cnf } = granted.response;
    if (refreshToken !== undefined) await refreshTokens.keep(place, { token: refreshToken, as, audience, scope: effective });
    // What was kept is for another key.
    else if (kept !== undefined && cnf !== undefined) await refreshTokens.drop(place);
    return granted;
  }

  async #ask({ as, audience, scope, cnonce }: Asked, extra: TokenRequest): Promise<Granted> {
    const granted = await this.#options.servers.requestToken(as, {
      ...(audience === undefined ? {} : { audience }),
      ...(scope === undefined ? {} : { scope }),
      ...(cnonce === undefined ? {} : { cnonce }),
      // With one profile there is nothing to ask (RFC 9203, Section 3.2).
      ...(this.#options.profiles.size > 1 ? { aceProfile: null } : {}),
      ...extra,
    });
    const effective = granted.response.scope ?? scope;
    return effective === undefined ? granted : { ...granted, response: { ...granted.response, scope: effective } };
  }

  #firstProfile(): ProfileAtClient {
    return this.#options.profiles.values().next().value!;
  }
}
