import type { CurveKey } from '../core/crypto/index.ts';
import type { CipherSuiteName } from './cipher-suites.ts';
import type { DtlsError } from './errors.ts';

/** A certificate of X.509 whose path leads to a root that is trusted. */
export interface PeerCertificate {
  readonly key: CurveKey;
  /** The path that was verified, in DER: that of the peer first, the trusted one last. */
  readonly chain: readonly Uint8Array[];
  /** The distinguished name, an attribute on each line. */
  readonly subject: string;
  /** As in `DNS:node.example, IP Address:192.0.2.1`. */
  readonly subjectAltName?: string;
}

/** Who the peer is, and how it proved it. */
export type PeerIdentity =
  | { readonly type: 'psk'; readonly identity: Uint8Array }
  | { readonly type: 'raw-public-key'; readonly key: CurveKey; readonly spki: Uint8Array }
  | ({ readonly type: 'certificate' } & PeerCertificate)
  | { readonly type: 'anonymous' };

/** What a handshake agreed on. */
export interface Agreement {
  readonly suite: CipherSuiteName;
  readonly extendedMasterSecret: boolean;
  /** For a client with a PSK the identity is the one that it gave itself. */
  readonly peerIdentity: PeerIdentity;
  /** An earlier session goes on: the identity is the one that was proved then. */
  readonly isResumed: boolean;
  /** The name of the server that the client asked for. */
  readonly serverName?: string;
}

/** Why something that came in was dropped. */
export type DiscardReason =
  /** No record, or no handshake message. */
  | 'malformed'
  /** Of an epoch that is not, or not yet, or where such a record does not belong. */
  | 'epoch'
  | 'replay'
  /** It does not verify. */
  | 'mac'
  /** A handshake that would begin at a server that drains. */
  | 'draining'
  /** A handshake that would begin from an address of which too many have failed. */
  | 'limited'
  /** Application data, or what is protected and cannot be a Finished, before the handshake is over. */
  | 'early'
  /** A handshake message that contradicts another, or comes when none is awaited. */
  | 'handshake'
  /** Over a bound. */
  | 'full'
  /** From an address with which there is no association. */
  | 'unknown'
  /** After the end. */
  | 'closed';

/** What a connection tells, and what it asks. A handshake waits for its answer, and ends in time without one. */
export type ConnectionEvent =
  /**
   * A client names itself: answer with `providePsk` or `rejectPsk`, at once or later. Who wants to resume a session is asked about by these questions too, so
   * that a credential that is no longer good opens nothing; with another key than then the session is not resumed, and who the client is `connected` tells.
   */
  | { readonly type: 'psk-identity'; readonly identity: Uint8Array; readonly serverName?: string }
  /** The peer proved to have this key: answer with `acceptPeer` or `rejectPeer`, at once or later. */
  | { readonly type: 'peer-key'; readonly key: CurveKey; readonly spki: Uint8Array }
  /**
   * The peer proved to have the key of this certificate, whose path is verified: answer with `acceptPeer` or `rejectPeer`, at once or later. It is for the
   * application to know whether one of the certificates is revoked.
   */
  | ({ readonly type: 'peer-certificate' } & PeerCertificate)
  | ({ readonly type: 'connected' } & Agreement)
  | { readonly type: 'data'; readonly data: Uint8Array }
  /** The last event. Without an error the association ended in order, by close_notify. */
  | { readonly type: 'closed'; readonly error?: DtlsError }
  | { readonly type: 'discarded'; readonly reason: DiscardReason };

/** What a connection tells and asks. */
export interface ConnectionPort {
  /** Send a datagram, or fail in silence. */
  send(datagram: Uint8Array): void;
  /** Facts and questions, in the order in which they come up. */
  emit(event: ConnectionEvent): void;
}

/** Field by field: an object that is spread into another has a shape that whoever reads it has not seen before. */
export function connectedEvent({ suite, extendedMasterSecret, peerIdentity, isResumed, serverName }: Agreement): ConnectionEvent {
  return serverName === undefined
    ? { type: 'connected', suite, extendedMasterSecret, peerIdentity, isResumed }
    : { type: 'connected', suite, extendedMasterSecret, peerIdentity, isResumed, serverName };
}
