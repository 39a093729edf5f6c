import type { ProfileEvent } from '../ace/index.ts';

/** What the client does on the way from a URI to an answer, in order. */
export type Step =
  /** A request without protection, to learn where to go. */
  | 'probe'
  | 'hints'
  | 'token-request'
  | 'token-response'
  /** The token goes to the RS. */
  | 'upload'
  /** An association with the RS is there: a new one, or one of an earlier run. */
  | 'context'
  | 'request'
  | 'response'
  /** The rights of the association are to change, or its token is to be renewed. */
  | 'update'
  /** What was held is of no use any more. */
  | 'forgotten'
  /** The token revocation list of an AS can be had, or not any more. */
  | 'revocations'
  | 'retry';

/** `detail` is for people and holds no secret. */
export type AceClientEvent =
  | { readonly type: 'step'; readonly step: Step; readonly detail: string }
  | { readonly type: 'profile'; readonly profile: string; readonly event: ProfileEvent }
  | { readonly type: 'endpoint'; readonly event: unknown };

export type Emit = (event: AceClientEvent) => void;
