import { AceError, GrantType, type Scope, type TokenRequest, type TokenResponse, tokenResponseOf } from '../ace/index.ts';
import { Code, type DeadlineOptions } from '../coap/index.ts';
import type { AuthorizationServers } from './authorization-servers.ts';
import { type AuthorizationGrant, grantParameters, type KeptRefreshTokens } from './grants.ts';
import { tokenRefreshKey } from './session.ts';

/** A token that the application itself asks for. */
export interface TokenInit extends DeadlineOptions {
  /** URI of the token endpoint; absent: the only one. */
  readonly as?: string;
  readonly audience?: string;
  readonly scope?: Scope;
  readonly cnonce?: Uint8Array;
  /** What to show for it. Absent: the client's own credentials. */
  readonly grant?: AuthorizationGrant;
  /** By the refresh token that came with the last token of this AS for this audience, in place of a grant. */
  readonly refresh?: boolean;
}

/**
 * Ask for it, and keep the refresh token that comes with it.
 *
 * @param extra what a profile adds to the request
 * @throws {AceError} `ERR_ACE_NO_REFRESH_TOKEN`; what `AuthorizationServers.requestToken` throws
 */
export async function askForToken(
  servers: AuthorizationServers,
  refreshTokens: KeptRefreshTokens,
  { as: named, audience, scope, cnonce, grant, refresh = false }: TokenInit,
  extra: TokenRequest,
): Promise<TokenResponse> {
  const { uri: as } = servers.choose(named);
  const place = tokenRefreshKey(as, audience);
  const kept = refresh ? await refreshTokens.find(place) : undefined;
  if (refresh && kept === undefined) {
    throw new AceError('ERR_ACE_NO_REFRESH_TOKEN', 'expected a refresh token that came with an earlier token for this audience, got none', {
      responseCode: Code.BadRequest,
    });
  }
  const { response } = await servers.requestToken(as, {
    ...(audience === undefined ? {} : { audience }),
    ...(scope === undefined ? {} : { scope }),
    ...(cnonce === undefined ? {} : { cnonce }),
    ...extra,
    ...(kept === undefined ? grantParameters(grant) : { grantType: GrantType.refresh_token, refreshToken: kept.token }),
  });
  const token = response.refreshToken;
  if (token !== undefined) await refreshTokens.keep(place, { token, as, audience, scope: kept?.scope ?? response.scope ?? scope });
  return tokenResponseOf(response);
}
