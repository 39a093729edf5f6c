import type { CurveKey, CurveKeyPair } from '../core/crypto/index.ts';
import type { AlertName } from './alert.ts';
import type { ClientConfig, ClientPsk } from './config.ts';
import type { Agreement, PeerCertificate, PeerIdentity } from './events.ts';

/** A session with a peer, as those see it who use it: it says who the peer is and how it proved it. One is a security association of CoAP. */
export interface DtlsAssociation extends Agreement {
  readonly kind: 'dtls';
  /** Equal ids mean the same session, within one process. */
  readonly id: string;
  /** The joint between the session and an access token, or the name of a peer that the AS knows; whoever let the peer in gave it. */
  readonly credential: string | undefined;
  /** @see Connection.exportKeyingMaterial */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array;
}

/** A client that may connect. `credential`: what its session goes by. */
export interface Admitted {
  readonly credential?: string;
}

/** What a PSK identity stands for: its key, or an alert that ends the handshake at once. */
export type PskAnswer = (Admitted & { readonly key: Uint8Array }) | { readonly alert: AlertName };

/** Whether a client with a certificate may connect, or the alert that ends the handshake. */
export type CertificateAnswer = Admitted | { readonly alert: AlertName };

/** Who may connect to a server, and as whom. An answer that fails counts as `undefined`. */
export interface Authenticator {
  /** Absent or `undefined`: the identity is unknown, and the handshake ends as one with a wrong key does (RFC 7925, Section 6). */
  psk?(identity: Uint8Array): PskAnswer | undefined | Promise<PskAnswer | undefined>;
  /** Absent or `undefined`: the key is not taken. */
  rawPublicKey?(key: CurveKey, spki: Uint8Array): Admitted | undefined | Promise<Admitted | undefined>;
  /**
   * A certificate whose path leads to one of the roots of the server. Absent or `undefined`: it is not taken; an alert says why, as `certificate_revoked` does.
   */
  certificate?(certificate: PeerCertificate): CertificateAnswer | undefined | Promise<CertificateAnswer | undefined>;
  /**
   * A session that an earlier process had, under this name, with a peer that proved then to be this one. Where it is absent, the peer is asked about as in a
   * handshake; it is there for who would do more in a handshake than to answer. `undefined`: the session does not go on; with a PSK, neither does it with another key.
   */
  goesOn?(credential: string | undefined, peer: PeerIdentity): KeptAnswer | undefined | Promise<KeptAnswer | undefined>;
}

/** As whom a peer goes on, and, of one with a PSK, the key that is its own now. */
export type KeptAnswer = PskAnswer | CertificateAnswer;

/** How a client proves itself, and what it takes as proof of the server. */
export type SessionCredentials =
  | { readonly psk: ClientPsk }
  /** `server`: the only key that is taken. `own` is absent where the server asks for none. */
  | { readonly rawPublicKey: { readonly server: CurveKey; readonly own?: CurveKeyPair } }
  /** `host`: the name or the address that the certificate of the server has to bear. */
  | { readonly certificate: NonNullable<ClientConfig['certificate']> & RevocationCheck };

/** Asks whether one of the certificates of a path is revoked, which the path alone does not say. */
export interface RevocationCheck {
  /** `true`, and a promise that rejects, end the handshake by an alert: certificate_revoked, certificate_unknown. Absent: nobody is asked. */
  readonly isRevoked?: (certificate: PeerCertificate) => boolean | Promise<boolean>;
}

/** The sessions of one socket, as an ACE profile uses them. `P` is how the transport names a peer; the one of a session carries its association. */
export interface DtlsSessions<P> {
  /** Ask this one, before those that were added earlier, about clients that connect. The first answer counts. The result takes it out. */
  authenticate(authenticator: Authenticator): () => void;
  /**
   * Open a session with the server at the peer's address. `credential` is what it goes by.
   *
   * @throws {DtlsError} why there is none
   */
  connect(peer: P, credentials: SessionCredentials & Admitted): Promise<P & { readonly association: DtlsAssociation }>;
  /** End the sessions that go by this name, and tell their peers. The result: how many there were. */
  end(credential: string): number;
}
