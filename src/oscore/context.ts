import type { SecurityAssociation } from '../coap/index.ts';
import { EndpointContext } from './cose-object.ts';
import { type CheckedParameters, type ContextKeys, type ContextParameters, checkParameters, deriveKeys, senderKeyIdOf } from './derive.ts';
import { ReplayWindow } from './replay-window.ts';

/** What is known of a context beside its parameters. */
export interface ContextOptions {
  /** See `SecurityAssociation.credential`. */
  readonly credential?: string;
  /**
   * `fresh`: these keys never received a request before. `unverified`: the window was lost in a restart, and the first request must prove its freshness by
   * Echo (RFC 8613, Appendix B.1.2). To say `fresh` of keys that did receive requests allows replays and breaks the AEAD.
   */
  readonly window?: 'fresh' | 'unverified';
  /** Runs once, at the first message of the peer that verified and was not a replay. */
  readonly onVerified?: () => void;
}

let made = 0;

/**
 * An OSCORE Security Context (RFC 8613, Section 3.1): keys of one endpoint towards one other, in both roles.
 *
 * The sender sequence number is not in here: it belongs to the Sender Key, and may be counted by several processes (see `ContextStore`).
 */
export class SecurityContext implements SecurityAssociation {
  readonly kind = 'oscore';
  readonly id: string;
  readonly credential: string | undefined;
  readonly idContext: Uint8Array | undefined;
  /** The COSE AEAD algorithm. */
  readonly aead: number;
  readonly senderKeyId: string;
  readonly sender: EndpointContext;
  readonly recipient: EndpointContext;
  /** What was received. */
  window: ReplayWindow;
  /** Whether the window was lost and no request has restored it yet. */
  unverified: boolean;
  /** What a request has to echo to restore the window; made at the first challenge. */
  challenge: Uint8Array | undefined = undefined;
  #onVerified: (() => void) | undefined;

  constructor(parameters: CheckedParameters, keys: ContextKeys, options: ContextOptions) {
    this.id = `oscore-${++made}`;
    this.credential = options.credential;
    this.idContext = parameters.idContext?.slice();
    this.aead = parameters.aead;
    this.senderKeyId = senderKeyIdOf(keys);
    this.sender = new EndpointContext(parameters.aead, keys.commonIv, parameters.senderId.slice(), keys.senderKey);
    this.recipient = new EndpointContext(parameters.aead, keys.commonIv, parameters.recipientId.slice(), keys.recipientKey);
    this.window = new ReplayWindow(parameters.replayWindow);
    this.unverified = options.window === 'unverified';
    this.#onVerified = options.onVerified;
  }

  /** What we send as. */
  get senderId(): Uint8Array {
    return this.sender.id;
  }

  /** What the peer sends as. */
  get recipientId(): Uint8Array {
    return this.recipient.id;
  }

  /** What was received is not known any more: the next request has to prove its freshness by a new challenge (RFC 8613, Appendix B.1.2). */
  loseWindow(): void {
    this.window = new ReplayWindow(this.window.size);
    this.unverified = true;
    this.challenge = undefined;
  }

  /** Called by the layer for each message that verified and is no replay; tells the owner of the first. */
  verified(): void {
    const tell = this.#onVerified;
    if (tell === undefined) return;
    this.#onVerified = undefined;
    tell();
  }
}

/**
 * Derive a Security Context.
 *
 * @throws {OscoreError} `ERR_OSCORE_PARAMETERS`
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-3.2
 */
export function deriveContext(parameters: ContextParameters, options: ContextOptions = {}): SecurityContext {
  const checked = checkParameters(parameters);
  return new SecurityContext(checked, deriveKeys(checked), options);
}
