import type { Peer } from '../coap/index.ts';
import type { Env } from '../core/env.ts';
import type { Admitted, Authenticator, ClientConfig, DtlsError, DtlsServerConfig, Session, SessionCredentials } from '../dtls/index.ts';

/** What a client offers, and the name that its session goes by. */
export type Offered = SessionCredentials & Admitted;
/** How this side proves itself to the server of a host, and what it takes as proof of it. `undefined`: with that host there is no session. */
export type CredentialsOf = (host: string, port: number) => Offered | undefined | Promise<Offered | undefined>;

/** Keeps what can be resumed beyond the transport, as a client does that is started anew for each request. A session holds its master secret. */
export interface ResumableSessions {
  /** The session of an earlier handshake with the server of a host; `undefined`: there is none. One that is not of this server or these credentials is not resumed. */
  load(host: string | undefined, at: Peer): Session | undefined;
  /** A handshake is over: this session takes the place of the one before. */
  save(session: Session, host: string | undefined, at: Peer): void;
  /** A handshake has failed: what there is of this server is not offered again (RFC 5246, Section 7.2.2). */
  remove(host: string | undefined, at: Peer): void;
}

/** A socket for sessions, as client, as server, or both. */
export interface DtlsTransportOptions {
  /** What all handshakes have in common in which we are the client. */
  readonly client?: Omit<ClientConfig, 'psk' | 'rawPublicKey' | 'certificate' | 'connectionIdLength' | 'session' | 'serverName'>;
  /** For the sessions that `resolve` opens: the same for all servers, or by host and port. Absent: it opens none. */
  readonly credentials?: Offered | CredentialsOf;
  /** How clients are answered that open a session. Absent: they are not. */
  readonly server?: DtlsServerConfig;
  /** Who they may be. More are added by `authenticate`. */
  readonly authenticator?: Authenticator;
  /** Sessions that we have opened; the one that was quiet for longest ends for a new one. Default 1,024. For those of clients: `server.maxConnections`. */
  readonly sessions?: number;
  /** Absent: sessions that we have opened are resumed as long as the transport is there. */
  readonly resumption?: ResumableSessions;
  readonly env?: Env;
  /** Hears of sessions, and of handshakes that led to none. */
  readonly emit?: (event: DtlsTransportEvent) => void;
}

/** A session began or ended, or a handshake led to none. */
export type DtlsTransportEvent =
  | { readonly type: 'session'; readonly state: 'opened' | 'closed'; readonly peer: Peer; readonly error?: DtlsError }
  /** A handshake that led to no session. */
  | { readonly type: 'handshake-failed'; readonly role: 'client' | 'server'; readonly peer: Peer; readonly error: DtlsError };
