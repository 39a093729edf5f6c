import type { ProfileEvent } from '../ace/index.ts';

/** What an authorization server tells its operator: one event for each token, refusal and fault. No event holds a key or a token. */
export type AuthorizationServerEvent =
  | {
      readonly type: 'token-issued';
      /** Its token hash in base64url (RFC 9770, Section 4), by which it can be revoked. */
      readonly token: string;
      readonly client: string;
      readonly audience: string;
      readonly scope: string;
      /** Seconds. */
      readonly expiresIn: number;
      readonly profile: number;
      /** The token changes the rights of a living association. */
      readonly update: boolean;
      /** The grant type by its name. */
      readonly grant: string;
    }
  | {
      readonly type: 'token-refused';
      readonly client: string;
      readonly audience?: string;
      readonly scope?: string;
      /** The OAuth error code by its name, or the CoAP code. */
      readonly reason: string;
      readonly detail: string;
    }
  | {
      /** A code or a refresh token was used again that had been used up: all that came of it is of no use any more. */
      readonly type: 'grant-revoked';
      readonly client: string;
      readonly reason: 'code-reuse' | 'refresh-token-reuse';
      /** SHA-256 of each token in base64url. */
      readonly tokens: readonly string[];
    }
  | {
      readonly type: 'introspected';
      /** `rs:ID` or `client:ID`. */
      readonly requester: string;
      readonly active: boolean;
      readonly client?: string;
      readonly audience?: string;
    }
  | { readonly type: 'token-revoked'; readonly token: string; readonly client: string; readonly resourceServer: string }
  | {
      readonly type: 'trl-queried';
      /** `rs:ID` or `client:ID`. */
      readonly requester: string;
      readonly query: 'full' | 'diff';
      readonly observe: boolean;
    }
  | {
      readonly type: 'refused';
      /** `unprotected`, `unknown-peer`, `busy`, `introspection`, `trl`. */
      readonly reason: string;
      /** The credential of the requester, or its address. */
      readonly peer: string;
      readonly detail?: string;
    }
  | { readonly type: 'fault'; readonly reason: string; readonly detail: string }
  | { readonly type: 'profile'; readonly profile: string; readonly event: ProfileEvent }
  | { readonly type: 'endpoint'; readonly event: unknown };

export type Emit = (event: AuthorizationServerEvent) => void;
