import type { Scope, TokenRequest } from '../../ace/index.ts';
import type { ClaimsSet } from '../../core/cwt.ts';

/** A token that is about to be issued. */
export interface TokenGrant {
  readonly client: string;
  readonly resourceServer: string;
  readonly audience: string;
  readonly scope: Scope;
  /** The resource owner who granted it by a password. */
  readonly username?: string;
}

/** Claims beside those that the AS makes itself. */
export type AddedClaims = Pick<ClaimsSet, 'sub' | 'iat' | 'unknown'>;

/** How a deployment narrows what RFC 9200 leaves open about tokens. */
export interface TokenRules {
  /** Throws `AceError` for a request that is not to be taken. */
  checkRequest?(request: TokenRequest): void;
  /** What else the token says. It rejects with `AceError` where there is to be none. */
  claims?(grant: TokenGrant): Promise<AddedClaims>;
  /** `ace_profile` stands in every response, also where the client did not ask for it. */
  readonly nameProfile?: boolean;
  /** `rs_cnf` stands in every response for a resource server that has a public key. */
  readonly nameServerKey?: boolean;
  /** `iss` stands in every token, also for a resource server that is not registered to want it. */
  readonly nameIssuer?: boolean;
  /** `exp` stands in every token: a resource server that is registered for `exi` gets none. */
  readonly absoluteExpiry?: boolean;
}
