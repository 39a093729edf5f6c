import type { Request, Response } from '../coap/index.ts';
import type { SecurityContext } from './context.ts';
import type { OscoreError } from './errors.ts';
import type { RenewableContext, RenewalRole } from './renewable-context.ts';

/** Why a message was not processed. */
export type DiscardReason =
  /** The OSCORE option or what goes with it is malformed. */
  | 'decode'
  /** No context for this kid and kid context, or it left the table while a message was on its way. */
  | 'context'
  /** Its context could not be looked up, or too much waits for look-ups. */
  | 'lookup'
  | 'replay'
  /** Does not verify. */
  | 'decrypt'
  /** Verifies, but holds no CoAP message. */
  | 'plaintext'
  /** A request before the replay window was restored: it was answered with an Echo challenge. */
  | 'unverified'
  /** A success without protection, in answer to a protected request. */
  | 'unprotected'
  /** A notification that is not newer than one before. */
  | 'notification'
  /** A notification that nobody registered for. */
  | 'unexpected'
  /** A response that could not be protected. */
  | 'response';

/** What the layer reports. Nothing in it is secret but `inner`, which is there for tracing. */
export type OscoreEvent =
  | {
      readonly type: 'discarded';
      readonly direction: 'in' | 'out';
      readonly reason: DiscardReason;
      readonly context?: SecurityContext;
      readonly detail?: string;
    }
  | { readonly type: 'protected'; readonly direction: 'out'; readonly context: SecurityContext; readonly inner: Request | Response }
  | { readonly type: 'unprotected'; readonly direction: 'in'; readonly context: SecurityContext; readonly inner: Request | Response }
  /** The store failed (`ERR_OSCORE_STORE`), or the sender sequence numbers are used up (`ERR_OSCORE_SEQUENCE`). */
  | { readonly type: 'sequence'; readonly code: string; readonly senderKeyId: string; readonly detail: string }
  /** Of the sender sequence numbers only these remain (`OscoreOptions.warnBelow`): it is time for a new context. Told once while contexts with this key are there. */
  | { readonly type: 'running-out'; readonly senderKeyId: string; readonly remaining: number }
  /** The store did not say whether it has a context for this kid, or gave one that cannot be used; its own error is the `cause`. */
  | { readonly type: 'lookup'; readonly kid: Uint8Array; readonly error: OscoreError }
  /** Code above or below this layer threw when a message that had waited went on. */
  | { readonly type: 'failed'; readonly error: unknown }
  /** This process serves the context from now on (`ContextLeases`); its window begins anew. */
  | { readonly type: 'lease'; readonly context: SecurityContext }
  /** The replay window was restored after a restart (RFC 8613, Appendix B.1.2). */
  | { readonly type: 'restored'; readonly context: SecurityContext }
  /** A message of the procedure of RFC 8613, Appendix B.2, is sent. No context is replaced by it. */
  | {
      readonly type: 'renewing';
      readonly role: RenewalRole;
      readonly step: 'request-1' | 'response-1' | 'request-2';
      readonly renewable: RenewableContext;
    }
  /** The peer has proven itself: this context replaced the one before. */
  | { readonly type: 'renewed'; readonly role: RenewalRole; readonly renewable: RenewableContext; readonly context: SecurityContext }
  /** The server did not take part; the context before, if any, stays in use. */
  | { readonly type: 'renewal-failed'; readonly renewable: RenewableContext; readonly code: string; readonly detail: string };
