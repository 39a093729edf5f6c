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
      /** Absent: the token is one of the face over HTTPS. */
      readonly profile?: number;
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
      /**
       * All that came of a grant is of no use any more: a code or a refresh token was used again that had been used up, its client has revoked it, or the user
       * who gave it is no more.
       */
      readonly type: 'grant-revoked';
      readonly client: string;
      readonly reason: 'code-reuse' | 'refresh-token-reuse' | 'revocation' | 'account';
      /** SHA-256 of each token in base64url. */
      readonly tokens: readonly string[];
    }
  /** A user has given a client a code over HTTPS. */
  | { readonly type: 'code-issued'; readonly client: string; readonly user: string; readonly scope: string }
  /** A user has signed in over HTTPS. */
  | { readonly type: 'login'; readonly user: string; readonly client: string; readonly address: string }
  | {
      readonly type: 'login-refused';
      /** `locked`: the attempt was not looked at. */
      readonly reason: 'credentials' | 'locked';
      /** If somebody has this name: that of nobody may be a password in the wrong field. */
      readonly user?: string;
      readonly client: string;
      readonly address: string;
      /** As in `refused`. */
      readonly unrecorded?: number;
    }
  /** From now on, for so many seconds, no attempt for this user, or from this address, is looked at. */
  | {
      readonly type: 'login-locked';
      readonly by: 'user' | 'address';
      readonly user?: string;
      readonly client: string;
      readonly address: string;
      readonly seconds: number;
    }
  | {
      readonly type: 'introspected';
      /** `rs:ID` or `client:ID`. */
      readonly requester: string;
      readonly active: boolean;
      readonly client?: string;
      readonly audience?: string;
    }
  /** The AS has tried to upload a token on behalf of its client. */
  | {
      readonly type: 'token-uploaded';
      readonly token: string;
      readonly client: string;
      readonly resourceServer: string;
      readonly outcome: 'uploaded' | 'refused' | 'unreachable';
      readonly detail?: string;
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
      readonly type: 'administration';
      /** `client:ID`, or who works on the store itself. */
      readonly actor: string;
      readonly act: 'add' | 'list' | 'show' | 'remove';
      /** `client`, `rs`, `key`, `policy`, `token`, `code`. */
      readonly object: string;
      /** Absent: a list. */
      readonly id?: string;
    }
  | {
      readonly type: 'refused';
      /**
       * `unprotected`, `unknown-peer`, `busy`, `introspection`, `trl`, `administration`, `rate-client`, `rate-address`, `draining`; over HTTPS also `authorization`,
       * `unknown-client`, `rate-credentials`, `revocation`, `size`; in an audit log also `unrecorded`.
       */
      readonly reason: string;
      /** The credential of the requester, or its address. */
      readonly peer: string;
      readonly detail?: string;
      /** In an audit log: refusals before this one that have no entry, since there were too many. */
      readonly unrecorded?: number;
    }
  /** A configuration took the place of another: credentials of peers. */
  | { readonly type: 'reconfigured'; readonly added: readonly string[]; readonly changed: readonly string[]; readonly removed: readonly string[] }
  /** The wall clock was set by so many seconds. */
  | { readonly type: 'clock'; readonly reason: 'back' | 'forward'; readonly seconds: number }
  | { readonly type: 'answered'; readonly path: string; readonly method: string; readonly code: string; readonly milliseconds: number }
  | { readonly type: 'fault'; readonly reason: string; readonly detail: string }
  | { readonly type: 'profile'; readonly profile: string; readonly event: ProfileEvent }
  | { readonly type: 'endpoint'; readonly event: unknown };

/** Hears what an authorization server does. */
export type Emit = (event: AuthorizationServerEvent) => void;
