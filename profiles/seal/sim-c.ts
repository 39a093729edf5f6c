import { type AccessInformation, AceError, GrantType, type Scope, type TokenRequest } from '../../src/ace/index.ts';
import { AceClient, type AceClientOptions, type AuthorizationServerRegistration } from '../../src/client/index.ts';
import { Code } from '../../src/coap/index.ts';
import type { SealMode } from './modes.ts';
import { hasOscore } from './oscore-profile.ts';

/** A client of a VAL system: what TS 33.434 settles is not there to be chosen. */
export interface SimCOptions extends Omit<AceClientOptions, 'authorizationServers' | 'tokenRequest' | 'checkTokenRequest'> {
  /** The SIM-S of the own VAL system: no SEAL server can send this client to another (TS 33.434, 5.4). */
  readonly simS: AuthorizationServerRegistration;
  /** What to ask for where neither the caller nor the SEAL server says. */
  readonly scope?: Scope;
  /** `strict` when absent. */
  readonly mode?: SealMode;
}

/**
 * The SIM-C: a client of ACE-OAuth that is narrowed to TS 33.434, Annex B. It asks the SIM-S for a token of each SEAL server, and takes none whose end or
 * profile it is not told. Behind a proxy it hides which resource it wants.
 *
 * ```ts
 * const simC = new SimC({ transport, store, profiles: [oscoreProfile], simS: { uri: 'coap://sims.val.example/token', credentials } });
 * const response = await simC.fetch('coap://lm.val.example/positions');
 * ```
 */
export class SimC extends AceClient {
  /** @throws {AceError} `ERR_ACE_CONFIG`; `CoapError` `ERR_COAP_URI` */
  constructor({ simS, scope, mode = 'strict', ...options }: SimCOptions) {
    if (!hasOscore(options.profiles)) throw config('profiles: expected coap_oscore among them (TS 33.434, B.3.4), got others');
    super({
      hidePath: options.proxy !== undefined,
      ...options,
      authorizationServers: [simS],
      tokenRequest: { grantType: GrantType.client_credentials, ...(scope === undefined ? {} : { scope }) },
      ...(mode === 'strict' ? { checkTokenRequest } : {}),
      checkGrant: (response) => {
        checkGrant(response);
        options.checkGrant?.(response);
      },
    });
  }
}

function config(message: string): AceError {
  return new AceError('ERR_ACE_CONFIG', message, { responseCode: Code.BadRequest });
}

/** TS 24.547, 6.2.2: the SIM-C shall send a scope. */
function checkTokenRequest({ scope, grantType }: TokenRequest): void {
  if (scope !== undefined || grantType === GrantType.refresh_token || grantType === GrantType.authorization_code) return;
  throw new AceError('ERR_SEAL_REQUEST', 'token request: expected a scope from the caller, the SEAL server or the configuration, got none', {
    responseCode: Code.BadRequest,
  });
}

/** TS 33.434, B.3.7.2: REQUIRED, where RFC 9200 leaves it open. */
function checkGrant({ expiresIn, aceProfile }: AccessInformation): void {
  const missing = expiresIn === undefined ? 'expires_in' : aceProfile === undefined ? 'ace_profile' : undefined;
  if (missing !== undefined) throw new AceError('ERR_SEAL_GRANT', `token response: expected ${missing}, got none`, { responseCode: Code.Created });
}
