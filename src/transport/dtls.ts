import { type DatagramTransport, networkOf, type Peer, type SessionWatcher, type UriScheme } from '../coap/index.ts';
import { type Env, systemEnv } from '../core/env.ts';
import {
  type Admitted,
  type Agreement,
  type Authenticator,
  type CertificateAnswer,
  type Connection,
  type DtlsAssociation,
  DtlsError,
  DtlsServer,
  type DtlsSessions,
  decodeSession,
  encodeSession,
  type ServerEvent,
} from '../dtls/index.ts';
import { firstAnswer, stillAdmitted } from './authenticator.ts';
import { DtlsDialler } from './dtls-dialler.ts';
import type { DtlsTransportEvent, DtlsTransportOptions, Offered } from './dtls-options.ts';
import { DtlsSession } from './dtls-session.ts';
import { TransportError } from './errors.ts';
import { decodeKept, encodeKept, type KeptState } from './kept-session.ts';
import { type UdpOptions, udp } from './udp.ts';

/** CoAP over DTLS: one socket for all sessions, those that we have opened and those that others have. */
export interface DtlsTransport extends DatagramTransport, DtlsSessions<Peer> {
  readonly scheme: 'coaps';
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
  /**
   * Give the sessions that clients have opened, and what they may resume, to the process that comes after. They end here, in silence, with `ERR_DTLS_EXPORTED`, and
   * no other begins: what is under way is to be over, and `close` follows. Sessions that we have opened are not among them: they end when the socket is closed.
   */
  handOver(): readonly KeptState[];
  /**
   * Go on with what `handOver` gave in a process before, at a socket with the same port. Each may be taken once, and is deleted where it was kept BEFORE it is taken:
   * what goes on twice from the same state uses nonces twice, which gives the keys away.
   *
   * The authenticators are asked about the client. `refused`: it does not go by that name any more, or has another key, or its proof is no longer trusted; the
   * session ends, and the client is told. A session that may be resumed is asked about when it is.
   *
   * @throws {DtlsError} `ERR_DTLS_IMPORT` for bytes that are damaged or were taken already, for what the configuration does not allow, and what has ended
   * @throws {TransportError} `ERR_TRANSPORT_RESOLVE` for the address of a client that this socket does not reach
   */
  take(kept: Uint8Array): Promise<'taken' | 'refused'>;
}

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

/** Its length stands in two bytes (RFC 4279, Section 2). */
const isPsk = (key: unknown): boolean => key instanceof Uint8Array && key.length > 0 && key.length <= 0xffff;

class SessionTransport implements DtlsTransport {
  readonly scheme = 'coaps';
  readonly local: DatagramTransport['local'];
  readonly #below: DatagramTransport;
  readonly #options: DtlsTransportOptions;
  readonly #env: Env;
  readonly #server: DtlsServer<Peer> | undefined;
  readonly #dialler: DtlsDialler;
  /** The newest at the end. */
  readonly #authenticators: Authenticator[] = [];
  /** By the keys of their peers. */
  readonly #sessions: Map<string, DtlsSession> = new Map();
  /** Those that clients have opened, by connection and by address. */
  readonly #accepted: Map<Connection, DtlsSession> = new Map();
  readonly #acceptedAt: Map<string, DtlsSession> = new Map();
  /** Clients whose handshake goes on, as what they were let in. */
  readonly #admitted: Map<Connection, Admitted> = new Map();
  /** Peers of ended sessions of which is still to be told. */
  readonly #gone: Map<string, { readonly peer: Peer; readonly error: DtlsError | undefined }> = new Map();
  #receive: ((datagram: Uint8Array, peer: Peer) => void) | undefined;
  #watcher: SessionWatcher | undefined;
  #uses = 0;
  #quietUntil = Number.NEGATIVE_INFINITY;
  #closing: Promise<void> | undefined;

  constructor(below: DatagramTransport, options: DtlsTransportOptions) {
    const { server, authenticator, env = systemEnv } = options;
    this.#below = below;
    this.local = below.local;
    this.#options = options;
    this.#env = env;
    if (authenticator !== undefined) this.#authenticators.push(authenticator);
    this.#dialler = new DtlsDialler(options, env, {
      send: (datagram, at) => below.send(datagram, at),
      opened: (session) => this.#enter(session),
      data: (data, session) => this.#deliver(data, session),
      ended: (session, error) => this.#ended(session, error),
      failed: (peer, error) => this.#emit({ type: 'handshake-failed', role: 'client', peer, error }),
    });
    if (server === undefined) return;
    this.#server = new DtlsServer(server, env, {
      send: (datagram, at) => below.send(datagram, at),
      emit: (event) => this.#serverEvent(event),
      party: ({ address }) => networkOf(address),
    });
  }

  stats(): Readonly<Record<string, number>> {
    const { handshakes = 0, failures = 0 } = this.#server?.stats() ?? {};
    return {
      sessions: this.#sessions.size,
      accepted: this.#accepted.size,
      admitted: this.#admitted.size,
      places: this.#dialler.size,
      handshakes,
      failures,
    };
  }

  start(receive: (datagram: Uint8Array, peer: Peer) => void, watcher?: SessionWatcher): void {
    this.#receive = receive;
    this.#watcher = watcher;
    this.#below.start((datagram, at) => {
      if (!this.#dialler.receive(datagram, at)) this.#server?.receive(datagram, at);
    });
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

  drain(): void {
    this.#server?.drain();
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
    const known = this.#dialler.known(at, host);
    if (known !== undefined) return known;
    const { credentials } = this.#options;
    const offered = typeof credentials === 'function' ? await credentials(host, port) : credentials;
    if (offered !== undefined) return this.#dialler.known(at, host) ?? this.#dialler.open(at, offered, host);
    const session = this.#dialler.at(at) ?? this.#acceptedAt.get(at.key);
    if (session !== undefined) return session.peer;
    throw new TransportError('ERR_TRANSPORT_CREDENTIALS', `expected credentials for a session with ${host} port ${port}, got none`);
  }

  handOver(): readonly KeptState[] {
    const server = this.#server;
    if (server === undefined) return [];
    server.drain();
    const kept: KeptState[] = [];
    const epoch = this.#env.epoch();
    for (const { connection, at, peer } of [...this.#accepted.values()]) {
      const left = connection.expire();
      if (left <= 0) continue;
      const { credential } = peer.association;
      const bytes = encodeKept({ address: at.address, port: at.port, local: this.local.port, credential, connection: connection.export() });
      kept.push({ bytes, expiresAt: epoch + left / 1000 });
    }
    for (const session of server.sessions())
      kept.push({ bytes: encodeKept({ resumption: encodeSession(session) }), expiresAt: session.established + server.sessionLifetime / 1000 });
    return kept;
  }

  async take(bytes: Uint8Array): Promise<'taken' | 'refused'> {
    const kept = decodeKept(bytes);
    const server = this.#server;
    if (server === undefined || this.#closing !== undefined) throw new DtlsError('ERR_DTLS_IMPORT', 'expected a socket that clients reach, got another');
    if ('resumption' in kept) {
      server.addSession(decodeSession(kept.resumption));
      return 'taken';
    }
    const { local } = kept;
    if (local !== this.local.port) throw new DtlsError('ERR_DTLS_IMPORT', `expected a session at port ${this.local.port}, got one at port ${local}`);
    const at = await this.#below.resolve(kept.address, kept.port);
    const connection = server.import(kept.connection, at);
    const isGood = server.trusts(connection) && (await stillAdmitted(this.#authenticators, connection, kept.credential));
    if (!isGood) connection.close();
    if (connection.isClosed) return 'refused';
    this.#accept(connection, at, connection.agreement!, kept.credential);
    return 'taken';
  }

  authenticate(authenticator: Authenticator): () => void {
    this.#authenticators.push(authenticator);
    return () => {
      const place = this.#authenticators.lastIndexOf(authenticator);
      if (place >= 0) this.#authenticators.splice(place, 1);
    };
  }

  async connect({ address, port }: Peer, credentials: Offered): Promise<Peer & { readonly association: DtlsAssociation }> {
    return this.#dialler.open(await this.#below.resolve(address, port), credentials);
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
    this.#dialler.close();
    await this.#below.close();
  }

  #emit(event: DtlsTransportEvent): void {
    this.#options.emit?.(event);
  }

  #serverEvent(event: ServerEvent<Peer>): void {
    switch (event.type) {
      case 'data':
        // One that is being taken is heard once it is.
        if (this.#accepted.has(event.connection)) this.#deliver(event.data, this.#accepted.get(event.connection)!);
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
        // Who was asked about to resume a session that then was not resumed has proved nothing.
        const admitted = event.peerIdentity.type === 'anonymous' ? undefined : this.#admitted.get(connection);
        this.#accept(connection, at, event, admitted?.credential);
        this.#admitted.delete(connection);
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
        break;
      }
      case 'discarded':
        if (event.reason === 'limited') this.#limited(event.peer);
    }
  }

  /** Told once a second: whoever is shut out may send as much as he likes. */
  #limited(peer: Peer): void {
    const now = this.#env.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + 1000;
    const error = new DtlsError('ERR_DTLS_LIMITED', 'expected no handshake from an address of which too many have failed, got one');
    this.#emit({ type: 'handshake-failed', role: 'server', peer, error });
  }

  #accept(connection: Connection, at: Peer, agreement: Agreement, credential: string | undefined): void {
    const session = new DtlsSession(connection, at, agreement, credential);
    this.#accepted.set(connection, session);
    this.#acceptedAt.set(at.key, session);
    this.#enter(session);
  }

  async #admitPsk(connection: Connection, identity: Uint8Array): Promise<void> {
    const answer = await firstAnswer(this.#authenticators, (authenticator) => authenticator.psk?.(identity));
    if (connection.isClosed) return;
    if (answer !== undefined && 'alert' in answer) connection.rejectPsk(answer.alert);
    // A key that is none is as good as an unknown one.
    else if (answer === undefined || !isPsk(answer.key)) connection.rejectPsk();
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

  #ended(session: DtlsSession, error: DtlsError | undefined): void {
    const { connection, peer, at } = session;
    this.#sessions.delete(peer.key);
    this.#accepted.delete(connection);
    if (this.#acceptedAt.get(at.key) === session) this.#acceptedAt.delete(at.key);
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
