import { BytesError, carved, emptyBytes, equalBytes, toKey } from '../core/bytes.ts';
import type { Cancel, Env } from '../core/env.ts';
import { Queue, type Queued } from '../core/queue.ts';
import { type Member, Roster } from '../core/roster.ts';
import { HandshakeFailure } from './alert.ts';
import { type ServerConfig, type ServerSettings, serverSettings, within } from './config.ts';
import { Connection } from './connection.ts';
import { Cookies } from './cookie.ts';
import type { ConnectionEvent, ConnectionPort, DiscardReason } from './events.ts';
import { type FailureRate, Failures } from './failures.ts';
import { decodeFragments, encodeHandshake, HandshakeType } from './handshake.ts';
import { type ClientHello, decodeClientHello, encodeHelloVerifyRequest } from './messages.ts';
import type { HandshakePort } from './negotiation.ts';
import { ByteBudget, ByteShare, type ReceivedMessage } from './reassembly.ts';
import { ContentType, type DtlsRecord, decodeRecords, dtls10, encodePlaintextRecord, lastSequence } from './record.ts';
import { SessionCache, trusts } from './resumption.ts';
import { checkConnection } from './saved-connection.ts';
import { type DatagramPeer, ownedEvent, type ServerEvent } from './server-event.ts';
import { ServerHandshake } from './server-flights.ts';
import type { Session } from './session.ts';
import { badImport } from './session-codec.ts';
import { SharedTimer } from './shared-timer.ts';

/** What a server takes and shows, and how much it holds for all clients together. */
export interface DtlsServerConfig extends ServerConfig {
  /** Connections, those whose handshake goes on included. The one that was quiet for longest goes for a new one. Default 20,000. */
  readonly maxConnections?: number;
  /** Handshakes that go on at once. Over it the oldest goes of the address that has most of them. Default 1,000. */
  readonly maxHandshakes?: number;
  /**
   * Handshakes of one address that may fail by what the client did, at once and per second after that; then its ClientHellos are dropped, until there is room
   * again. Sessions that are there go on. `false`: any number. Default 1,000, and 10 a second: many devices may share an address.
   */
  readonly failures?: FailureRate | false;
  /** Bytes of handshake messages that wait to be put together, of all peers. One address has no more of them than what is left for others. Default 4 MiB. */
  readonly maxAllHandshakeBytes?: number;
  /** Sessions that clients may resume; 0: none. Over it the oldest goes. Default 10,000. */
  readonly maxSessions?: number;
  /** Milliseconds until the secret of the cookies changes. Default 60,000. */
  readonly cookieRotation?: number;
}

/** What a server tells and asks. */
export interface ServerPort<P extends DatagramPeer> {
  /** Send a datagram, or fail in silence. */
  send(datagram: Uint8Array, peer: P): void;
  /** Facts and questions, in the order in which they come up. */
  emit(event: ServerEvent<P>): void;
  /** What counts as one party where handshakes are limited, as all of an IPv6 network may. Absent: the address. */
  party?(peer: P): string;
}

const usualFailures: FailureRate = { burst: 1000, rate: 10 };

/** Numbers of a ClientHello: ours go on from them, and must not wrap (RFC 6347, Section 4.1). */
const highestMessage = 0x7fff;
const highestRecord = lastSequence / 2;

/** Connection IDs that are drawn for one connection: where so many are taken already, they are too short. */
const mostTries = 16;

function keyOf(id: Uint8Array | undefined): string | undefined {
  return id === undefined || id.length === 0 ? undefined : toKey(id);
}

/** A handshake that goes on, or an association that is there, and by which ClientHello it came to be. Of a class, since a server holds many. */
class Entry<P extends DatagramPeer> implements ConnectionPort, Queued<Entry<P>>, Member {
  readonly connection: Connection;
  /** The random of the ClientHello, until the handshake is over. */
  random: Uint8Array | undefined;
  /** The connection ID that the client sends, as a key. */
  readonly id: string | undefined;
  peer: P;
  /** The address that the handshake counts for. */
  readonly host: string;
  /** In the queue of all. */
  before: Entry<P> | undefined = undefined;
  after: Entry<P> | undefined = undefined;
  /** Among the handshakes of the address, and how many of the server began before it. */
  place = -1;
  begun = 0;
  readonly #owner: EntryOwner<P>;

  constructor(owner: EntryOwner<P>, peer: P, random: Uint8Array | undefined, id: string | undefined, connect: (port: ConnectionPort) => Connection) {
    this.#owner = owner;
    this.peer = peer;
    this.host = owner.hostOf(peer);
    this.random = random;
    this.id = id;
    this.connection = connect(this);
  }

  send(datagram: Uint8Array): void {
    this.#owner.send(datagram, this.peer);
  }

  emit(event: ConnectionEvent): void {
    this.#owner.emit(event, this);
  }
}

interface EntryOwner<P extends DatagramPeer> {
  hostOf(peer: P): string;
  send(datagram: Uint8Array, peer: P): void;
  emit(event: ConnectionEvent, entry: Entry<P>): void;
}

/** The handshakes of one address, and what they may take of the bytes of all. */
class Handshakes<P extends DatagramPeer> extends Roster<Entry<P>> {
  readonly budget: ByteShare;

  constructor(all: ByteBudget) {
    super();
    this.budget = new ByteShare(all);
  }
}

/** What a server has with one address. */
interface Place<P extends DatagramPeer> {
  current: Entry<P> | undefined;
  /** Takes the place of `current` once its handshake is over (RFC 6347, Section 4.2.8). */
  next: Entry<P> | undefined;
}

/**
 * DTLS 1.2 associations with clients, by their address.
 *
 * No state before a client has shown by a cookie that it receives at its address.
 *
 * ```ts
 * const server = new DtlsServer({ psk: {} }, systemEnv, {
 *   send: (datagram, peer) => socket.send(datagram, peer.port, peer.address),
 *   emit: (event) => {
 *     if (event.type === 'psk-identity') event.connection.providePsk(keyOf(event.identity));
 *     if (event.type === 'data') event.connection.send(event.data);
 *   },
 * });
 * socket.on('message', (datagram, { address, port }) => server.receive(datagram, { key: `${address}:${port}`, address, port }));
 * ```
 */
export class DtlsServer<P extends DatagramPeer = DatagramPeer> {
  readonly #settings: ServerSettings;
  readonly #env: Env;
  /** Of all connections, and of the look at those that are quiet. */
  readonly #timer: SharedTimer;
  readonly #connectionEnv: Env;
  readonly #port: ServerPort<P>;
  readonly #owner: EntryOwner<P>;
  readonly #cookies: Cookies;
  readonly #sessions: SessionCache | undefined;
  readonly #budget: ByteBudget;
  readonly #failures: Failures | undefined;
  readonly #maxConnections: number;
  readonly #maxHandshakes: number;
  readonly #maxAllHandshakeBytes: number;
  /** In the order in which they were last heard of. */
  readonly #entries: Queue<Entry<P>> = new Queue();
  readonly #places: Map<string, Place<P>> = new Map();
  readonly #byId: Map<string, Entry<P>> = new Map();
  /** Handshakes that go on, by address. */
  readonly #handshakes: Map<string, Handshakes<P>> = new Map();
  #begun = 0;
  /** By the name that a client has asked for. */
  readonly #settingsOf = (serverName = ''): ServerSettings => this.#settings.serverNames.get(serverName) ?? this.#settings;
  readonly #unify = (session: Session): Session => this.#sessions?.same(session) ?? session;
  #handshakeCount = 0;
  #sweep: Cancel | undefined;
  #draining = false;

  /** @throws {DtlsError} `ERR_DTLS_CONFIG` */
  constructor(config: DtlsServerConfig, env: Env, port: ServerPort<P>) {
    this.#settings = serverSettings(config);
    this.#env = env;
    const timer = new SharedTimer(env);
    this.#timer = timer;
    this.#connectionEnv = {
      now: () => env.now(),
      epoch: () => env.epoch(),
      random: (length) => env.random(length),
      schedule: (delay, task) => timer.schedule(delay, task),
    };
    this.#port = port;
    this.#owner = {
      hostOf: (peer) => port.party?.(peer) ?? peer.address ?? peer.key,
      send: (datagram, peer) => port.send(datagram, peer),
      emit: (event, entry) => this.#emit(event, entry),
    };
    const { failures = usualFailures } = config;
    if (failures !== false) {
      within('failures.burst', failures.burst, 1, Number.MAX_SAFE_INTEGER);
      within('failures.rate', failures.rate, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER);
    }
    this.#failures = failures === false ? undefined : new Failures(failures, env);
    this.#maxConnections = within('maxConnections', config.maxConnections ?? 20_000, 1, Number.MAX_SAFE_INTEGER);
    this.#maxHandshakes = within('maxHandshakes', config.maxHandshakes ?? 1_000, 1, Number.MAX_SAFE_INTEGER);
    this.#maxAllHandshakeBytes = within('maxAllHandshakeBytes', config.maxAllHandshakeBytes ?? 0x40_0000, 512, Number.MAX_SAFE_INTEGER);
    this.#budget = new ByteBudget(this.#maxAllHandshakeBytes);
    const maxSessions = within('maxSessions', config.maxSessions ?? 10_000, 0, Number.MAX_SAFE_INTEGER);
    this.#sessions = maxSessions === 0 ? undefined : new SessionCache(maxSessions, this.#settings.sessionLifetime, env);
    this.#cookies = new Cookies(within('cookieRotation', config.cookieRotation ?? 60_000, 1000, 86_400_000), env);
  }

  /** Entries of each kind that it holds, bytes of handshake messages that are not whole, and addresses with failures that count still. */
  stats(): Readonly<Record<'connections' | 'handshakes' | 'addresses' | 'connectionIds' | 'sessions' | 'handshakeBytes' | 'failures', number>> {
    return {
      connections: this.#entries.size,
      handshakes: this.#handshakeCount,
      addresses: this.#places.size,
      connectionIds: this.#byId.size,
      sessions: this.#sessions?.size ?? 0,
      handshakeBytes: this.#maxAllHandshakeBytes - this.#budget.left,
      failures: this.#failures?.size ?? 0,
    };
  }

  /** Take a datagram. Never throws on account of it. */
  receive(datagram: Uint8Array, peer: P): void {
    const { records, malformed } = decodeRecords(datagram, this.#settings.connectionIdLength);
    for (const record of records) this.#record(record, peer);
    if (malformed > 0) this.#discard('malformed', peer);
  }

  /**
   * Send to a peer at the address that `moved` tells, from now on. It is for the application to see that the peer can be reached there (RFC 9146, Section 6):
   * CoAP has the Echo option for it.
   */
  move(connection: Connection, peer: P): void {
    const entry = this.#byId.get(toKey(connection.connectionId));
    if (entry?.connection !== connection) return;
    this.#leave(entry);
    entry.peer = peer;
    // The address may be that of another association still: this one is found by its connection ID.
    const place = this.#placeOf(peer);
    place.current ??= entry;
  }

  /**
   * Go on with a connection that `Connection.export` gave, with the peer that it was with. No event tells of it. The bytes are to be imported once, and deleted
   * before: they hold the keys, and what goes on twice from them uses nonces twice.
   *
   * @throws {DtlsError} `ERR_DTLS_IMPORT` for bytes that are damaged or of something else, a connection whose time is over, one that the configuration does not
   * allow, and one whose connection ID or address has another association already
   */
  import(saved: Uint8Array, peer: P): Connection {
    const outline = checkConnection(saved, 'server', this.#settingsOf, this.#env);
    const id = keyOf(outline.receiveId);
    const current = this.#places.get(peer.key)?.current;
    if (id === undefined ? current !== undefined : this.#byId.has(id)) throw badImport('a connection that is not here', 'one that is');
    this.#makeRoom();
    const make = (port: ConnectionPort): Connection => new Connection('server', this.#settings, this.#connectionEnv, port).restore(saved, outline, this.#unify);
    const entry = new Entry(this.#owner, peer, undefined, id, make);
    this.#keep(entry);
    this.#placeOf(peer).current ??= entry;
    return entry.connection;
  }

  /** Sessions that clients may resume, the oldest first. `encodeSession` gives the bytes of one, for a process that comes after. */
  sessions(): readonly Session[] {
    return this.#sessions?.all() ?? [];
  }

  /** Milliseconds from its full handshake in which a session may be resumed. */
  get sessionLifetime(): number {
    return this.#settings.sessionLifetime;
  }

  /** Whether the proof that the peer of a connection gave then is one that this server would take now: a certificate may have run out since. */
  trusts({ agreement }: Connection): boolean {
    return agreement !== undefined && trusts(this.#settingsOf(agreement.serverName), agreement.peerIdentity, this.#env.epoch());
  }

  /** Take a session that an earlier process had. One whose time is over is not resumed. */
  addSession(session: Session): void {
    this.#sessions?.add(session);
  }

  /** The associations whose handshake is over, in the order in which their peers were last heard. */
  *connections(): IterableIterator<{ readonly connection: Connection; readonly peer: P }> {
    for (const { connection, peer } of this.#entries.all()) if (connection.isConnected) yield { connection, peer };
  }

  /**
   * From now on take part in no handshake that begins; those that go on, and associations, do so. A ClientHello is dropped, without a word: an alert to whoever has
   * shown nothing yet is as good as forged, and a client that hears none sends it again (RFC 6347, Section 4.2.4), to the server that comes after.
   */
  drain(): void {
    this.#draining = true;
  }

  /** End all associations, and tell the peers. */
  close(): void {
    for (const { connection } of this.#entries.all()) connection.close();
    this.#timer.rest();
  }

  #discard(reason: DiscardReason, peer: P): void {
    this.#port.emit({ type: 'discarded', reason, peer });
  }

  #placeOf({ key }: P): Place<P> {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = { current: undefined, next: undefined };
      this.#places.set(key, place);
    }
    return place;
  }

  #leave(entry: Entry<P>): void {
    const { key } = entry.peer;
    const place = this.#places.get(key);
    if (place === undefined) return;
    if (place.next === entry) place.next = undefined;
    if (place.current === entry) place.current = undefined;
    if (place.current === undefined && place.next === undefined) this.#places.delete(key);
  }

  #record(record: DtlsRecord, peer: P): void {
    if (record.type === ContentType.tls12_cid) {
      const entry = this.#byId.get(toKey(record.cid));
      if (entry === undefined) this.#discard('unknown', peer);
      else entry.connection.receiveRecord(record, (isNewest) => this.#verified(entry, peer, isNewest));
      return;
    }
    if (record.epoch === 0 && record.type === ContentType.handshake && record.fragment[0] === HandshakeType.client_hello) {
      this.#clientHelloRecord(record, peer);
      return;
    }
    const place = this.#places.get(peer.key);
    if (place === undefined) {
      this.#discard('unknown', peer);
      return;
    }
    const { current, next } = place;
    // RFC 6347 §4.2.8: what is not protected is of the new one; what is, of the one whose keys open it.
    const isCurrent = record.epoch > 0 && current?.connection.receiveRecord(record, (isNewest) => this.#verified(current, peer, isNewest));
    if (isCurrent === true) return;
    if (next !== undefined) next.connection.receiveRecord(record);
    else if (record.epoch === 0) current?.connection.receiveRecord(record);
  }

  /** A record is of this peer. RFC 9146 §6: only one that is newer than all before says that its address is another. */
  #verified(entry: Entry<P>, peer: P, isNewest: boolean): void {
    const { connection } = entry;
    this.#entries.add(entry);
    if (isNewest && entry.peer.key !== peer.key && connection.isConnected) this.#port.emit({ type: 'moved', to: peer, connection, peer: entry.peer });
  }

  #clientHelloRecord(record: DtlsRecord, peer: P): void {
    const fragment = decodeFragments(record.fragment)?.[0];
    const isWhole = fragment !== undefined && fragment.bytes.length === fragment.length;
    if (!isWhole || fragment.sequence > highestMessage || record.sequence > highestRecord) {
      this.#discard('malformed', peer);
      return;
    }
    // The datagram is not ours to keep.
    const first = { type: fragment.type, sequence: fragment.sequence, body: carved(fragment.bytes), epoch: 0 };
    let hello: ClientHello;
    try {
      hello = decodeClientHello(first.body);
    } catch (error) {
      if (!(error instanceof HandshakeFailure || error instanceof BytesError)) throw error;
      this.#discard('malformed', peer);
      return;
    }
    const { current, next } = this.#places.get(peer.key) ?? {};
    const isKnown = next?.random !== undefined && equalBytes(next.random, hello.random);
    if (this.#draining && !isKnown) this.#discard('draining', peer);
    else if (!this.#cookies.accepts(hello, peer.key)) this.#sendCookie(record, first, hello, peer);
    // The same hello again: a copy, or our answer got lost.
    else if (isKnown) next!.connection.receiveRecord(record);
    else if (current?.connection.isBegunBy(hello.random)) this.#discard('handshake', peer);
    else if (!this.#admits(peer)) this.#discard('limited', peer);
    else this.#accept(record, first, hello, peer);
  }

  #admits(peer: P): boolean {
    const host = this.#owner.hostOf(peer);
    return this.#failures?.admits(host, this.#handshakes.get(host)?.size ?? 0) ?? true;
  }

  /** RFC 6347 §4.2.1: with the numbers of the ClientHello, in a message that is shorter than it. */
  #sendCookie(record: DtlsRecord, { sequence }: ReceivedMessage, hello: ClientHello, peer: P): void {
    const body = encodeHelloVerifyRequest({ version: dtls10, cookie: this.#cookies.create(hello, peer.key) });
    const message = encodeHandshake({ type: HandshakeType.hello_verify_request, sequence, body });
    this.#port.send(encodePlaintextRecord(ContentType.handshake, record.sequence, message, dtls10), peer);
  }

  /** A connection ID that no connection has; empty when none is wanted, `undefined` when we take no part in them. */
  #newId(): Uint8Array | undefined {
    const { connectionIdLength } = this.#settings;
    if (connectionIdLength === undefined) return undefined;
    for (let tries = 0; tries < mostTries; tries++) {
      const id = this.#env.random(connectionIdLength);
      if (!this.#byId.has(toKey(id))) return id;
    }
    return emptyBytes;
  }

  #accept(record: DtlsRecord, first: ReceivedMessage, hello: ClientHello, peer: P): void {
    this.#places.get(peer.key)?.next?.connection.replace();
    this.#makeRoom();
    const id = this.#newId();
    const { budget } = this.#handshakesOf(this.#owner.hostOf(peer));
    const entry = new Entry(this.#owner, peer, hello.random, keyOf(id), (port) => {
      const handshake = (own: HandshakePort): ServerHandshake => new ServerHandshake(this.#settings, first, hello, id, own, this.#sessions);
      return new Connection('server', this.#settings, this.#connectionEnv, port).prepare(record.sequence, first.sequence + 1, budget, handshake);
    });
    this.#keep(entry);
    this.#placeOf(peer).next = entry;
    this.#handshakeBegins(entry);
    entry.connection.start();
  }

  #keep(entry: Entry<P>): void {
    this.#entries.add(entry);
    if (entry.id !== undefined) this.#byId.set(entry.id, entry);
    if (this.#sweep === undefined) this.#awaitExpiry(this.#settings.idleLifetime);
  }

  /** One timer for all, by the one that was quiet for longest. One whose time ends while its peer is heard is found when the next record comes or goes. */
  #awaitExpiry(delay: number): void {
    this.#sweep = this.#timer.schedule(delay, () => {
      this.#sweep = undefined;
      for (const { connection } of this.#entries.all()) {
        const left = connection.isConnected ? connection.expire() : this.#settings.handshakeTimeout;
        if (left <= 0) continue;
        if (this.#sweep === undefined) this.#awaitExpiry(left);
        return;
      }
    });
  }

  #emit(event: ConnectionEvent, entry: Entry<P>): void {
    const { connection } = entry;
    if (event.type === 'connected') {
      this.#handshakeEnded(entry);
      entry.random = undefined;
      if (connection.session !== undefined) this.#sessions?.add(connection.session);
      if (entry.id !== undefined && !connection.hasConnectionId) this.#byId.delete(entry.id);
      const place = this.#placeOf(entry.peer);
      const { current } = place;
      place.current = entry;
      place.next = undefined;
      // RFC 6347 §4.2.8: now, and not before.
      current?.connection.replace();
    } else if (event.type === 'closed') {
      if (this.#handshakeEnded(entry) && event.error instanceof HandshakeFailure) this.#failures?.add(entry.host);
      this.#entries.delete(entry);
      if (entry.id !== undefined) this.#byId.delete(entry.id);
      this.#leave(entry);
      if (this.#entries.size === 0) {
        this.#sweep?.();
        this.#sweep = undefined;
      }
    }
    this.#port.emit(ownedEvent(event, connection, entry.peer));
  }

  #handshakesOf(host: string): Handshakes<P> {
    let ofHost = this.#handshakes.get(host);
    if (ofHost === undefined) this.#handshakes.set(host, (ofHost = new Handshakes(this.#budget)));
    return ofHost;
  }

  #handshakeBegins(entry: Entry<P>): void {
    entry.begun = this.#begun++;
    this.#handshakesOf(entry.host).add(entry);
    this.#handshakeCount++;
  }

  /** Whether one was under way. */
  #handshakeEnded(entry: Entry<P>): boolean {
    const { host } = entry;
    const ofHost = this.#handshakes.get(host);
    if (ofHost?.delete(entry) !== true) return false;
    this.#handshakeCount--;
    if (ofHost.size === 0) this.#handshakes.delete(host);
    return true;
  }

  #makeRoom(): void {
    if (this.#handshakeCount >= this.#maxHandshakes) this.#evictHandshake();
    if (this.#entries.size < this.#maxConnections) return;
    this.#entries.first?.connection.evict();
  }

  /** The oldest handshake of the address that has most: who fills the table makes room at his own cost. */
  #evictHandshake(): void {
    let most: Roster<Entry<P>> | undefined;
    for (const ofHost of this.#handshakes.values()) if (most === undefined || ofHost.size > most.size) most = ofHost;
    let oldest: Entry<P> | undefined;
    for (const entry of most?.all() ?? []) if (oldest === undefined || entry.begun < oldest.begun) oldest = entry;
    oldest?.connection.evict();
  }
}
