import type { Peer } from '../coap/index.ts';
import type { Env } from '../core/env.ts';
import { type ClientConfig, type Connection, clientConnection, DtlsError, isServerName, type PeerCertificate, type Session } from '../dtls/index.ts';
import { keyText } from './authenticator.ts';
import type { DtlsTransportOptions, Offered } from './dtls-options.ts';
import { type DtlsPeer, DtlsSession } from './dtls-session.ts';
import { TransportError } from './errors.ts';

export interface DiallerPort {
  send(datagram: Uint8Array, at: Peer): void;
  opened(session: DtlsSession): void;
  data(data: Uint8Array, session: DtlsSession): void;
  ended(session: DtlsSession, error: DtlsError | undefined): void;
  /** A handshake has led to no session. */
  failed(at: Peer, error: DtlsError): void;
}

/** What we have opened, or are about to, at one address. */
interface Place {
  current: DtlsSession | undefined;
  /** The handshake whose session takes the place of `current`. */
  next: Connection | undefined;
  /** Settled when the handshake that was asked for last is over: at one address there is one at a time. */
  turn: Promise<unknown>;
  /** Those that wait for their turn, and the one that has it. */
  waiting: number;
  /** The last of them that was asked for by the name of its host. */
  named: { readonly host: string; readonly opened: Promise<DtlsPeer> } | undefined;
}

/** Content types, as a datagram shows them by its first byte. */
const Content = { Alert: 21, Handshake: 22, ApplicationData: 23 } as const;
/** Handshake types that only clients send: client_hello, certificate_verify, client_key_exchange; and only servers, but for Certificate, which both do. */
const ofClients: ReadonlySet<number> = new Set([1, 15, 16]);
const ofServers: ReadonlySet<number> = new Set([0, 2, 3, 4, 12, 13, 14]);

/** The sessions that we open. */
export class DtlsDialler {
  readonly #config: DtlsTransportOptions['client'];
  readonly #kept: DtlsTransportOptions['resumption'];
  readonly #most: number;
  readonly #env: Env;
  readonly #port: DiallerPort;
  /** By address. */
  readonly #places: Map<string, Place> = new Map();
  /** What can be resumed, by address and host, the newest at the end. */
  readonly #resumable: Map<string, Session> = new Map();
  #closed = false;

  constructor({ client, sessions = 1024, resumption }: DtlsTransportOptions, env: Env, port: DiallerPort) {
    this.#config = client;
    this.#kept = resumption;
    this.#most = sessions;
    this.#env = env;
    this.#port = port;
  }

  /** Addresses with which there is a session, or a handshake that goes on. */
  get size(): number {
    return this.#places.size;
  }

  /** The session at an address. */
  at({ key }: Peer): DtlsSession | undefined {
    return this.#places.get(key)?.current;
  }

  /** The peer of the session that was opened for this host, or is about to be. */
  known({ key }: Peer, host: string): DtlsPeer | Promise<DtlsPeer> | undefined {
    const { current, named } = this.#places.get(key) ?? {};
    return current?.host === host ? current.peer : named?.host === host ? named.opened : undefined;
  }

  /** Take a datagram from an address. Whether it is for nobody else: a client may have a session there, or a handshake, of its own. */
  receive(datagram: Uint8Array, { key }: Peer): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    const { current, next } = place;
    const [type] = datagram;
    const handshake = type === Content.Handshake && datagram[3] === 0 && datagram[4] === 0 ? datagram[13]! : -1;
    if (ofClients.has(handshake)) return false;
    // Data may come under keys that are new, or no longer.
    const isNext = next !== undefined && type !== Content.ApplicationData && type !== Content.Alert;
    if (!isNext && current?.connection.receive(datagram) === true) return true;
    return next?.receive(datagram) === true || ofServers.has(handshake);
  }

  /**
   * Open a session, which takes the place of the one that there is.
   *
   * @throws {DtlsError} why there is none
   * @throws {TransportError} `ERR_TRANSPORT_CLOSED`
   */
  open(at: Peer, offered: Offered, host?: string): Promise<DtlsPeer> {
    const place = this.#placeOf(at);
    place.waiting++;
    const opened = place.turn.then(() => this.#shakeHands(place, at, offered, host));
    const named = host === undefined ? undefined : { host, opened };
    if (named !== undefined) place.named = named;
    const over = (): void => {
      place.waiting--;
      if (named !== undefined && place.named === named) place.named = undefined;
      this.#leave(at, place);
    };
    place.turn = opened.then(over, over);
    return opened;
  }

  close(): void {
    this.#closed = true;
    this.#resumable.clear();
    for (const { next, current } of [...this.#places.values()]) {
      next?.close();
      current?.connection.close();
    }
  }

  #placeOf({ key }: Peer): Place {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = { current: undefined, next: undefined, turn: Promise.resolve(), waiting: 0, named: undefined };
      this.#places.set(key, place);
    }
    return place;
  }

  #leave({ key }: Peer, place: Place): void {
    if (place.waiting === 0 && place.current === undefined) this.#places.delete(key);
  }

  #shakeHands(place: Place, at: Peer, offered: Offered, host: string | undefined): Promise<DtlsPeer> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((opened, failed) => {
      let session: DtlsSession | undefined;
      const expected = 'rawPublicKey' in offered ? keyText(offered.rawPublicKey.server) : undefined;
      const connection = clientConnection(this.#configFor(offered, at, host), this.#env, {
        send: (datagram) => this.#port.send(datagram, at),
        emit: (event) => {
          switch (event.type) {
            case 'data':
              this.#port.data(event.data, session!);
              break;
            case 'peer-key':
              if (keyText(event.key) === expected) connection.acceptPeer();
              else connection.rejectPeer();
              break;
            case 'peer-certificate':
              void this.#judge(connection, event, offered);
              break;
            case 'connected':
              session = new DtlsSession(connection, at, event, offered.credential, host);
              this.#connected(place, session);
              opened(session.peer);
              break;
            case 'closed':
              if (session !== undefined) this.#ended(place, session, event.error);
              else {
                place.next = undefined;
                this.#kept?.remove(host, at);
                const error = event.error ?? closedError();
                if (error instanceof DtlsError) this.#port.failed(at, error);
                failed(error);
              }
          }
        },
      });
      place.next = connection;
      connection.start();
    });
  }

  /** The engine has looked for the roots and the name. */
  async #judge(connection: Connection, certificate: PeerCertificate, offered: Offered): Promise<void> {
    const isRevoked = 'certificate' in offered ? offered.certificate.isRevoked : undefined;
    let alert: 'certificate_revoked' | 'certificate_unknown' | undefined;
    try {
      const answer = isRevoked?.(certificate) ?? false;
      if (typeof answer === 'boolean' ? answer : await answer) alert = 'certificate_revoked';
    } catch {
      // Who cannot be asked about is not trusted.
      alert = 'certificate_unknown';
    }
    if (connection.isClosed) return;
    if (alert === undefined) connection.acceptPeer();
    else connection.rejectPeer(alert);
  }

  #configFor(offered: Offered, at: Peer, host: string | undefined): ClientConfig {
    const session = this.#resumable.get(resumptionKey(at, host)) ?? this.#kept?.load(host, at);
    const common: ClientConfig = {
      ...this.#config,
      // A client whose address changes is known by the connection ID of the server. Ours would help nobody: servers stay where they are.
      connectionIdLength: 0,
      ...(session === undefined ? {} : { session }),
      ...(host !== undefined && isServerName(host) ? { serverName: host } : {}),
    };
    if ('psk' in offered) return { ...common, psk: offered.psk };
    if ('certificate' in offered) return { ...common, certificate: offered.certificate };
    const { own } = offered.rawPublicKey;
    return { ...common, rawPublicKey: own === undefined ? {} : { own } };
  }

  #connected(place: Place, session: DtlsSession): void {
    const { current } = place;
    place.current = session;
    place.next = undefined;
    // RFC 6347 §4.2.8: at the server, too, the new association has taken the place of the one before. One that the peer has opened is another matter.
    current?.connection.replace();
    this.#keep(session);
    this.#port.opened(session);
    this.#makeRoom();
  }

  #ended(place: Place, session: DtlsSession, error: DtlsError | undefined): void {
    if (place.current === session) {
      place.current = undefined;
      this.#leave(session.at, place);
    }
    this.#port.ended(session, error);
  }

  /** What a later handshake can resume. */
  #keep({ connection, at, host }: DtlsSession): void {
    const key = resumptionKey(at, host);
    this.#resumable.delete(key);
    if (connection.session === undefined) return;
    this.#resumable.set(key, connection.session);
    this.#kept?.save(connection.session, host, at);
    if (this.#resumable.size <= this.#most) return;
    for (const oldest of this.#resumable.keys()) {
      this.#resumable.delete(oldest);
      return;
    }
  }

  /** The session that was quiet for longest ends when there are too many. */
  #makeRoom(): void {
    if (this.#places.size <= this.#most) return;
    const sessions = [...this.#places.values()].flatMap(({ current }) => current ?? []);
    if (sessions.length <= this.#most) return;
    sessions.reduce((quietest, session) => (session.used < quietest.used ? session : quietest)).connection.close();
  }
}

function resumptionKey({ key }: Peer, host = ''): string {
  return `${key} ${host}`;
}

function closedError(): TransportError {
  return new TransportError('ERR_TRANSPORT_CLOSED', 'the transport was closed');
}
