import type { Peer, UriScheme } from '../coap/index.ts';
import type { Agreement, Connection, DtlsAssociation } from '../dtls/index.ts';

/** The peer of a session: one object for as long as the session lives, wherever the peer moves. */
export class DtlsPeer implements Peer {
  readonly key: string;
  address: string;
  port: number;
  readonly scheme: UriScheme = 'coaps';
  readonly association: DtlsAssociation;

  constructor({ address, port }: Peer, association: DtlsAssociation) {
    this.key = association.id;
    this.address = address;
    this.port = port;
    this.association = association;
  }
}

class SessionAssociation implements DtlsAssociation {
  readonly kind = 'dtls';
  readonly id: string;
  readonly credential: string | undefined;
  readonly suite: Agreement['suite'];
  readonly extendedMasterSecret: boolean;
  readonly peerIdentity: Agreement['peerIdentity'];
  readonly isResumed: boolean;
  readonly serverName?: string;
  readonly #connection: Connection;

  constructor(id: string, credential: string | undefined, agreement: Agreement, connection: Connection) {
    this.id = id;
    this.credential = credential;
    this.suite = agreement.suite;
    this.extendedMasterSecret = agreement.extendedMasterSecret;
    this.peerIdentity = agreement.peerIdentity;
    this.isResumed = agreement.isResumed;
    if (agreement.serverName !== undefined) this.serverName = agreement.serverName;
    this.#connection = connection;
  }

  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    return this.#connection.exportKeyingMaterial(label, length, context);
  }
}

/** Sessions of this process so far: no two have the same id. */
let count = 0;

/** A session, and what its transport has to know of it. */
export class DtlsSession {
  readonly connection: Connection;
  readonly peer: DtlsPeer;
  /** The host that it was opened for. Absent: it was not opened by its name, or the peer has opened it. */
  readonly host: string | undefined;
  /** Where the peer is, as the transport below knows it. */
  at: Peer;
  /** The more, the later a message of it last came or went. */
  used = 0;

  constructor(connection: Connection, at: Peer, agreement: Agreement, credential: string | undefined, host?: string) {
    this.connection = connection;
    this.at = at;
    this.host = host;
    this.peer = new DtlsPeer(at, new SessionAssociation(`coaps ${at.key} ${++count}`, credential, agreement, connection));
  }

  move(to: Peer): void {
    this.at = to;
    this.peer.address = to.address;
    this.peer.port = to.port;
  }
}
