import { AceErrorCode, intersectScopes, type Scope, unionScopes } from '../ace/index.ts';
import { type Client, type GrantRegistration, type RegisteredGrant, registeredGrant } from './registry/registration.ts';

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
  /** Called for each token request that is well-formed and from an authenticated client. */
  decide(request: PolicyRequest): Decision | Promise<Decision>;
}

const refuse = (error: AceErrorCode, reason: string): Decision => ({ permit: false, error, reason });

/** Where `registeredGrants` finds grants. */
export interface Grants {
  /** The same as `client` for one that is known without a look at the store. */
  fixedClient(id: string): Client | undefined;
  /** The client with the grants that stand in its registration. */
  client(id: string): Promise<Client | undefined>;
  readonly stored: {
    /** A policy: a grant that was added apart from the registration. */
    policy(client: string, audience: string): Promise<GrantRegistration | undefined>;
    /** At most `limit` of them. */
    policies(client: string, limit: number): AsyncIterable<GrantRegistration>;
  };
}

/**
 * The registered grants with the policies, and nothing else. Where both are for one audience, a client may have what either gives.
 *
 * Without an audience a client gets the one it has a grant for, if there is exactly one. An audience that does not exist and one that is not granted get the
 * same answer, so that nobody learns which exist. RFC 8693 has invalid_target for both, which has no number in ACE: RFC 9200, Section 5.8.3, leaves
 * invalid_request.
 */
export function registeredGrants(grants: Grants): Policy {
  return {
    async decide({ client, audience, scope }) {
      const registered = grants.fixedClient(client) ?? (await grants.client(client));
      if (registered === undefined) return refuse(AceErrorCode.unauthorized_client, 'the client has no grants');
      const wanted = audience ?? (await onlyAudience(registered, grants));
      if (wanted === undefined) return refuse(AceErrorCode.invalid_request, 'an audience is needed');
      const grant = union(registered.grants.get(wanted), await grants.stored.policy(client, wanted));
      if (grant === undefined) return refuse(AceErrorCode.invalid_request, 'the audience is not one that the client may ask for');
      if (scope === undefined) return { permit: true, audience: grant.audience, scope: grant.defaultScope };
      const granted = intersectScopes(scope, grant.scope);
      if (granted === undefined) return refuse(AceErrorCode.invalid_scope, 'the scope is not one that the client may ask for');
      return { permit: true, audience: grant.audience, scope: granted.scope };
    },
  };
}

/** The audience of a client that has grants and policies for one only. */
async function onlyAudience(client: Client, grants: Grants): Promise<string | undefined> {
  const audiences = new Set(client.grants.keys());
  if (audiences.size > 1) return undefined;
  for await (const { audience } of grants.stored.policies(client.id, 2)) audiences.add(audience);
  return audiences.size === 1 ? [...audiences][0] : undefined;
}

/** Scopes of different kinds have no union: administration makes no such policy, and where the registration came later it counts. */
function union(registered: RegisteredGrant | undefined, policy: GrantRegistration | undefined): RegisteredGrant | undefined {
  if (policy === undefined) return registered;
  const added = registeredGrant(policy);
  const scope = registered === undefined ? undefined : unionScopes(registered.scope, added.scope);
  return registered === undefined ? added : { ...registered, scope: scope ?? registered.scope };
}
