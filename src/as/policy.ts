import { AceErrorCode, intersectScopes, type Scope } from '../ace/index.ts';
import type { Client } from './registry.ts';

/** What a client asks for. */
export interface PolicyRequest {
  /** The authenticated client. */
  readonly client: string;
  readonly audience?: string;
  readonly scope?: Scope;
  /** The token is to change the rights of a living association. */
  readonly update: boolean;
  /** The resource owner who granted it by a password. */
  readonly username?: string;
}

/** A permitted scope may be less than what was asked; the AS then says so to the client. */
export type Decision =
  | {
      readonly permit: true;
      readonly audience: string;
      readonly scope: Scope;
      /** Seconds; absent: the lifetime registered for the RS, which is also the most that counts. */
      readonly lifetime?: number;
    }
  | { readonly permit: false; readonly error: AceErrorCode; readonly reason: string };

/** Decides what a client gets. It may look elsewhere first: the answer may be a promise. It throws `AceError` `ERR_ACE_SCOPE` for a malformed scope. */
export interface Policy {
  decide(request: PolicyRequest): Decision | Promise<Decision>;
}

const refuse = (error: AceErrorCode, reason: string): Decision => ({ permit: false, error, reason });

/**
 * The registered grants, and nothing else.
 *
 * Without an audience a client gets the one it has a grant for, if there is exactly one. An audience that does not exist and one that is not granted get the
 * same answer, so that nobody learns which exist. RFC 8693 has invalid_target for both, which has no number in ACE: RFC 9200, Section 5.8.3, leaves
 * invalid_request.
 */
export function registeredGrants(clients: readonly Client[]): Policy {
  const byId = new Map(clients.map((client) => [client.id, client]));
  return {
    decide({ client, audience, scope }) {
      const grants = byId.get(client)?.grants;
      if (grants === undefined) return refuse(AceErrorCode.unauthorized_client, 'the client has no grants');
      if (audience === undefined && grants.size !== 1) return refuse(AceErrorCode.invalid_request, 'an audience is needed');
      const grant = audience === undefined ? [...grants.values()][0] : grants.get(audience);
      if (grant === undefined) return refuse(AceErrorCode.invalid_request, 'the audience is not one that the client may ask for');
      if (scope === undefined) return { permit: true, audience: grant.audience, scope: grant.defaultScope };
      const granted = intersectScopes(scope, grant.scope);
      if (granted === undefined) return refuse(AceErrorCode.invalid_scope, 'the scope is not one that the client may ask for');
      return { permit: true, audience: grant.audience, scope: granted.scope };
    },
  };
}
