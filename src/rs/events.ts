import type { ProfileEvent } from '../ace/index.ts';

/** What a resource server tells its operator: one event for each token and request, and each fault. No event holds a key or a token. */
export type ResourceServerEvent =
  | {
      readonly type: 'token-accepted';
      readonly credential: string;
      readonly scope: string;
      /** Seconds that it is good for. */
      readonly expiresIn: number;
      readonly profile: string;
      /** The token changes the rights of a living association. */
      readonly update: boolean;
      readonly peer: string;
    }
  | { readonly type: 'token-refused'; readonly reason: string; readonly detail: string; readonly code: string; readonly peer: string }
  | { readonly type: 'token-ended'; readonly reason: TokenEnd; readonly credential: string }
  | {
      readonly type: 'request-served';
      readonly reason: 'permitted' | 'public' | 'authz-info';
      readonly path: string;
      readonly method: string;
      readonly peer: string;
      readonly credential?: string;
    }
  | {
      readonly type: 'request-refused';
      readonly reason: RefusalReason;
      readonly path: string;
      readonly method: string;
      readonly code: string;
      readonly peer: string;
      readonly credential?: string;
    }
  /** The token revocation list of an issuer; `reason`: `reached`, or why it cannot be. */
  | { readonly type: 'revocation-list'; readonly issuer: string; readonly reason: string; readonly detail?: string }
  | { readonly type: 'answered'; readonly path: string; readonly method: string; readonly code: string; readonly milliseconds: number }
  | { readonly type: 'fault'; readonly reason: string; readonly detail: string }
  | { readonly type: 'profile'; readonly profile: string; readonly event: ProfileEvent }
  | { readonly type: 'endpoint'; readonly event: unknown };

/** `evicted`: the table was full. `unused`: no request came for it. `unusable`: found in the store at the start, and no longer good for this configuration. */
export type TokenEnd = 'expired' | 'evicted' | 'revoked' | 'unused' | 'unusable';

/** `size` and `rate` are for uploads to authz-info. `draining`: the server is about to end. */
export type RefusalReason = 'unprotected' | 'no-token' | 'path' | 'method' | 'size' | 'rate' | 'draining';

export type Emit = (event: ResourceServerEvent) => void;
