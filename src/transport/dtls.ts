import type { DatagramTransport, Peer, SessionWatcher, UriScheme } from '../coap/index.ts';
import { type Env, systemEnv } from '../core/env.ts';
import {
  type Admitted,
  type Authenticator,
  type CertificateAnswer,
  type ClientConfig,
  type Connection,
  clientConnection,
  type DtlsAssociation,
  DtlsError,
  DtlsServer,
  type DtlsServerConfig,
  type DtlsSessions,
  isServerName,
  type ServerEvent,
  type Session,
  type SessionCredentials,
} from '../dtls/index.ts';
import { firstAnswer, keyText } from './authenticator.ts';
import { type DtlsPeer, DtlsSession } from './dtls-session.ts';
import { TransportError } from './errors.ts';
import { type UdpOptions, udp } from './udp.ts';

/** How this side proves itself to the server of a host, and what it takes as proof of it. `undefined`: with that host there is no session. */
export type CredentialsOf = (host: string, port: number) => Offered | undefined | Promise<Offered | undefined>;
type Offered = SessionCredentials & Admitted;

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
  readonly env?: Env;
  readonly emit?: (event: DtlsTransportEvent) => void;
}

export type DtlsTransportEvent =
  | { readonly type: 'session'; readonly state: 'opened' | 'closed'; readonly peer: Peer; readonly error?: DtlsError }
  /** A handshake that led to no session. */
  | { readonly type: 'handshake-failed'; readonly role: 'client' | 'server'; readonly peer: Peer; readonly error: DtlsError };

/** CoAP over DTLS: one socket for all sessions, those that we have opened and those that others have. */
export interface DtlsTransport extends DatagramTransport, DtlsSessions<Peer> {
  readonly scheme: 'coaps';
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
}

/** Content types, as a datagram shows them by its first byte. */
const Content = { Alert: 21, Handshake: 22, ApplicationData: 23 } as const;
/** Handshake types that only clients send: client_hello, certificate_verify, client_key_exchange; and only servers, but for Certificate, which both do. */
const ofClients: ReadonlySet<number> = new Set([1, 15, 16]);
const ofServers: ReadonlySet<number> = new Set([0, 2, 3, 4, 12, 13, 14]);

/**
 * CoAP over DTLS on a UDP socket that is bound when the promise is fulfilled.
 *
 * ```ts
 * const transport = await dtls({ port: 5684, server: { psk: {} }, authenticator: authenticatorOf({ psk: [{ identity, key }] }) });
 * const endpoint = new Endpoint({ transport, handler: (request, reply) => reply.respond(answerTo(request.association)) });
 * ```
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`, `ERR_TRANSPORT_OPTION`
 * @throws {DtlsError} `ERR_DTLS_CONFIG`
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-9
 */
export async function dtls(options: DtlsTransportOptions & Pick<UdpOptions, 'address' | 'port' | 'peers' | 'bufferSize'> = {}): Promise<DtlsTransport> {
  const below = await udp({ ...options, sourcePorts: 1 });
  try {
    return dtlsOver(below, options);
  } catch (error) {
    await below.close();
    throw error;
  }
}

/** The same over any transport of datagrams, which is closed with it. @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function dtlsOver(below: DatagramTransport, options: DtlsTransportOptions = {}): DtlsTransport {
  return new SessionTransport(below, options);
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

class SessionTransport implements DtlsTransport {
  readonly scheme = 'coaps';
  readonly local: DatagramTransport['local'];
  readonly #below: DatagramTransport;
  readonly #options: DtlsTransportOptions;
  readonly #env: Env;
  readonly #server: DtlsServer<Peer> | undefined;
  /** The newest at the end. */
  readonly #authenticators: Authenticator[] = [];
  /** By the keys of their peers. */
  readonly #sessions: Map<string, DtlsSession> = new Map();
  /** Those that clients have opened, by connection and by address. */
  readonly #accepted: Map<Connection, DtlsSession> = new Map();
  readonly #acceptedAt: Map<string, DtlsSession> = new Map();
  /** Clients whose handshake goes on, as what they were let in. */
  readonly #admitted: Map<Connection, Admitted> = new Map();
  /** By address. */
  readonly #places: Map<string, Place> = new Map();
  /** What can be resumed of the sessions that we have opened, by address and host, the newest at the end. */
  readonly #resumable: Map<string, Session> = new Map();
  /** Peers of ended sessions of which is still to be told. */
  readonly #gone: Map<string, { readonly peer: Peer; readonly error: DtlsError | undefined }> = new Map();
  #receive: ((datagram: Uint8Array, peer: Peer) => void) | undefined;
  #watcher: SessionWatcher | undefined;
  #uses = 0;
  #closing: Promise<void> | undefined;

  constructor(below: DatagramTransport, options: DtlsTransportOptions) {
    const { server, authenticator, env = systemEnv } = options;
    this.#below = below;
    this.local = below.local;
    this.#options = options;
    this.#env = env;
    if (authenticator !== undefined) this.#authenticators.push(authenticator);
    if (server === undefined) return;
    this.#server = new DtlsServer(server, env, {
      send: (datagram, at) => below.send(datagram, at),
      emit: (event) => this.#serverEvent(event),
    });
  }

  stats(): Readonly<Record<string, number>> {
    return {
      sessions: this.#sessions.size,
      accepted: this.#accepted.size,
      admitted: this.#admitted.size,
      places: this.#places.size,
      handshakes: this.#server?.stats().handshakes ?? 0,
    };
  }

  start(receive: (datagram: Uint8Array, peer: Peer) => void, watcher?: SessionWatcher): void {
    this.#receive = receive;
    this.#watcher = watcher;
    this.#below.start((datagram, at) => this.#datagram(datagram, at));
  }

  send(datagram: Uint8Array, peer: Peer): void {
    if (this.#closing !== undefined) return;
    const session = this.#sessions.get(peer.key);
    if (session === undefined) {
      this.#lost(peer, undefined);
      return;
    }
    session.used = ++this.#uses;
    try {
      session.connection.send(datagram);
    } catch {
      // What is larger than the peer takes is as good as lost; and of a session whose time is over is told by itself.
    }
  }

  /** RFC 6347 has nothing to ask whether a server still knows a session: one that acknowledges nothing has lost it, and the next request opens another. */
  unanswered({ key }: Peer): void {
    const session = this.#sessions.get(key);
    if (session?.connection.role === 'client') session.connection.close();
  }

  /**
   * The peer at a host and port, in a session that is there or is opened for it.
   *
   * @throws {TransportError} `ERR_TRANSPORT_SCHEME`, `ERR_TRANSPORT_RESOLVE`, `ERR_TRANSPORT_CREDENTIALS` when there are none for this host
   * @throws {DtlsError} why there is no session
   */
  async resolve(host: string, port: number, scheme: UriScheme = 'coaps'): Promise<Peer> {
    if (scheme !== 'coaps') throw new TransportError('ERR_TRANSPORT_SCHEME', `expected the scheme coaps, got ${scheme}`);
    const at = await this.#below.resolve(host, port);
    const known = this.#opened(at, host);
    if (known !== undefined) return known;
    const { credentials } = this.#options;
    const offered = typeof credentials === 'function' ? await credentials(host, port) : credentials;
    if (offered !== undefined) return this.#opened(at, host) ?? this.#open(at, offered, host);
    const session = this.#places.get(at.key)?.current ?? this.#acceptedAt.get(at.key);
    if (session !== undefined) return session.peer;
    throw new TransportError('ERR_TRANSPORT_CREDENTIALS', `expected credentials for a session with ${host} port ${port}, got none`);
  }

  #opened({ key }: Peer, host: string): DtlsPeer | Promise<DtlsPeer> | undefined {
    const { current, named } = this.#places.get(key) ?? {};
    return current?.host === host ? current.peer : named?.host === host ? named.opened : undefined;
  }

  authenticate(authenticator: Authenticator): () => void {
    this.#authenticators.push(authenticator);
    return () => {
      const place = this.#authenticators.lastIndexOf(authenticator);
      if (place >= 0) this.#authenticators.splice(place, 1);
    };
  }

  async connect({ address, port }: Peer, credentials: Offered): Promise<Peer & { readonly association: DtlsAssociation }> {
    return this.#open(await this.#below.resolve(address, port), credentials);
  }

  end(credential: string): number {
    for (const [connection, admitted] of this.#admitted) if (admitted.credential === credential) connection.close();
    const sessions = [...this.#sessions.values()].filter(({ peer }) => peer.association.credential === credential);
    for (const { connection } of sessions) connection.close();
    return sessions.length;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#server?.close();
    for (const { next, current } of [...this.#places.values()]) {
      next?.close();
      current?.connection.close();
    }
    await this.#below.close();
  }

  #emit(event: DtlsTransportEvent): void {
    this.#options.emit?.(event);
  }

  /** At one address there may be a session that we have opened, the handshake for the next, and a client with a session or a handshake of its own. */
  #datagram(datagram: Uint8Array, at: Peer): void {
    const place = this.#places.get(at.key);
    if (place === undefined) {
      this.#server?.receive(datagram, at);
      return;
    }
    const { current, next } = place;
    const [type] = datagram;
    const handshake = type === Content.Handshake && datagram[3] === 0 && datagram[4] === 0 ? datagram[13]! : -1;
    if (!ofClients.has(handshake)) {
      // Data may come under keys that are new, or no longer.
      const isNext = next !== undefined && type !== Content.ApplicationData && type !== Content.Alert;
      if (!isNext && current?.connection.receive(datagram) === true) return;
      if (next?.receive(datagram) === true || ofServers.has(handshake)) return;
    }
    this.#server?.receive(datagram, at);
  }

  #open(at: Peer, offered: Offered, host?: string): Promise<DtlsPeer> {
    let place = this.#places.get(at.key);
    if (place === undefined) {
      place = { current: undefined, next: undefined, turn: Promise.resolve(), waiting: 0, named: undefined };
      this.#places.set(at.key, place);
    }
    const here = place;
    here.waiting++;
    const opened = here.turn.then(() => this.#shakeHands(here, at, offered, host));
    const named = host === undefined ? undefined : { host, opened };
    if (named !== undefined) here.named = named;
    const over = (): void => {
      here.waiting--;
      if (named !== undefined && here.named === named) here.named = undefined;
      this.#leave(at, here);
    };
    here.turn = opened.then(over, over);
    return opened;
  }

  #leave({ key }: Peer, place: Place): void {
    if (place.waiting === 0 && place.current === undefined) this.#places.delete(key);
  }

  #shakeHands(place: Place, at: Peer, offered: Offered, host: string | undefined): Promise<DtlsPeer> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    return new Promise((opened, failed) => {
      let session: DtlsSession | undefined;
      const expected = 'rawPublicKey' in offered ? keyText(offered.rawPublicKey.server) : undefined;
      const connection = clientConnection(this.#configFor(offered, at, host), this.#env, {
        send: (datagram) => this.#below.send(datagram, at),
        emit: (event) => {
          switch (event.type) {
            case 'data':
              this.#deliver(event.data, session!);
              break;
            case 'peer-key':
              if (keyText(event.key) === expected) connection.acceptPeer();
              else connection.rejectPeer();
              break;
            case 'peer-certificate':
              // The engine has looked for the roots and the name.
              connection.acceptPeer();
              break;
            case 'connected':
              session = new DtlsSession(connection, at, event, offered.credential, host);
              this.#dialled(place, session);
              opened(session.peer);
              break;
            case 'closed':
              if (session !== undefined) this.#ended(session, event.error, place);
              else {
                place.next = undefined;
                const error = event.error ?? closedError();
                if (error instanceof DtlsError) this.#emit({ type: 'handshake-failed', role: 'client', peer: at, error });
                failed(error);
              }
          }
        },
      });
      place.next = connection;
      connection.start();
    });
  }

  #configFor(offered: Offered, at: Peer, host: string | undefined): ClientConfig {
    const session = this.#resumable.get(resumptionKey(at, host));
    const common: ClientConfig = {
      ...this.#options.client,
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

  #dialled(place: Place, session: DtlsSession): void {
    const { current } = place;
    place.current = session;
    place.next = undefined;
    // RFC 6347 §4.2.8: at the server, too, the new association has taken the place of the one before. One that the peer has opened is another matter.
    current?.connection.replace();
    this.#keep(session);
    this.#makeRoom();
    this.#enter(session);
  }

  /** What a later handshake can resume. */
  #keep({ connection, at, host }: DtlsSession): void {
    const key = resumptionKey(at, host);
    this.#resumable.delete(key);
    if (connection.session === undefined) return;
    this.#resumable.set(key, connection.session);
    if (this.#resumable.size <= this.#most) return;
    for (const oldest of this.#resumable.keys()) {
      this.#resumable.delete(oldest);
      return;
    }
  }

  get #most(): number {
    return this.#options.sessions ?? 1024;
  }

  /** Room for one more that we open. */
  #makeRoom(): void {
    if (this.#sessions.size - this.#accepted.size < this.#most) return;
    let quietest: DtlsSession | undefined;
    for (const session of this.#sessions.values())
      if (session.connection.role === 'client' && session.used < (quietest?.used ?? Number.POSITIVE_INFINITY)) quietest = session;
    quietest?.connection.close();
  }

  #serverEvent(event: ServerEvent<Peer>): void {
    switch (event.type) {
      case 'data':
        this.#deliver(event.data, this.#accepted.get(event.connection)!);
        break;
      case 'psk-identity':
        void this.#admitPsk(event.connection, event.identity);
        break;
      case 'peer-key':
        void this.#admit(event.connection, (authenticator) => authenticator.rawPublicKey?.(event.key, event.spki));
        break;
      case 'peer-certificate':
        void this.#admit(event.connection, (authenticator) => authenticator.certificate?.(event));
        break;
      case 'connected': {
        const { connection, peer: at } = event;
        const session = new DtlsSession(connection, at, event, this.#admitted.get(connection)?.credential);
        this.#admitted.delete(connection);
        this.#accepted.set(connection, session);
        this.#acceptedAt.set(at.key, session);
        this.#enter(session);
        break;
      }
      case 'moved':
        this.#moved(this.#accepted.get(event.connection), event.to);
        break;
      case 'closed': {
        const { connection, peer, error } = event;
        const session = this.#accepted.get(connection);
        this.#admitted.delete(connection);
        if (session !== undefined) this.#ended(session, error);
        else if (error !== undefined) this.#emit({ type: 'handshake-failed', role: 'server', peer, error });
      }
    }
  }

  async #admitPsk(connection: Connection, identity: Uint8Array): Promise<void> {
    const answer = await firstAnswer(this.#authenticators, (authenticator) => authenticator.psk?.(identity));
    if (connection.isClosed) return;
    if (answer !== undefined && 'alert' in answer) connection.rejectPsk(answer.alert);
    // A key that is none is as good as an unknown one.
    else if (answer === undefined || answer.key.length === 0) connection.rejectPsk();
    else {
      this.#admitted.set(connection, answer);
      connection.providePsk(answer.key);
    }
  }

  async #admit(
    connection: Connection,
    ask: (authenticator: Authenticator) => CertificateAnswer | undefined | Promise<CertificateAnswer | undefined>,
  ): Promise<void> {
    const answer = await firstAnswer(this.#authenticators, ask);
    if (connection.isClosed) return;
    if (answer === undefined) connection.rejectPeer();
    else if ('alert' in answer) connection.rejectPeer(answer.alert);
    else {
      this.#admitted.set(connection, answer);
      connection.acceptPeer();
    }
  }

  /**
   * A client sends from another address. It is answered there, and not sent more than three times what comes from there until it has shown by an Echo option, or
   * by a response, that it receives there: the strategy that RFC 9146, Section 6, asks for.
   */
  #moved(session: DtlsSession | undefined, to: Peer): void {
    if (session === undefined) return;
    this.#server!.move(session.connection, to);
    if (this.#acceptedAt.get(session.at.key) === session) this.#acceptedAt.delete(session.at.key);
    session.move(to);
    this.#acceptedAt.set(to.key, session);
    this.#watcher?.moved(session.peer);
  }

  #enter(session: DtlsSession): void {
    this.#sessions.set(session.peer.key, session);
    session.used = ++this.#uses;
    this.#emit({ type: 'session', state: 'opened', peer: session.peer });
  }

  #deliver(data: Uint8Array, session: DtlsSession): void {
    session.used = ++this.#uses;
    this.#receive?.(data, session.peer);
  }

  #ended(session: DtlsSession, error: DtlsError | undefined, place?: Place): void {
    const { connection, peer, at } = session;
    this.#sessions.delete(peer.key);
    this.#accepted.delete(connection);
    if (this.#acceptedAt.get(at.key) === session) this.#acceptedAt.delete(at.key);
    if (place?.current === session) {
      place.current = undefined;
      this.#leave(at, place);
    }
    this.#emit({ type: 'session', state: 'closed', peer, ...(error === undefined ? {} : { error }) });
    this.#lost(peer, error);
  }

  /** Told by itself, since a session may end while a message of it is being handled. */
  #lost(peer: Peer, error: DtlsError | undefined): void {
    if (this.#closing !== undefined) return;
    if (this.#gone.size === 0) {
      this.#env.schedule(0, () => {
        const gone = [...this.#gone.values()];
        this.#gone.clear();
        for (const one of gone) this.#watcher?.lost(one.peer, one.error);
      });
    }
    if (!this.#gone.has(peer.key)) this.#gone.set(peer.key, { peer, error });
  }
}

function resumptionKey({ key }: Peer, host = ''): string {
  return `${key} ${host}`;
}

function closedError(): TransportError {
  return new TransportError('ERR_TRANSPORT_CLOSED', 'the transport was closed');
}
