import { BytesError, equalBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { HandshakeFailure } from './alert.ts';
import { type ServerConfig, type ServerSettings, serverSettings, within } from './config.ts';
import { Connection } from './connection.ts';
import { Cookies } from './cookie.ts';
import type { ConnectionEvent, DiscardReason } from './events.ts';
import { decodeFragments, encodeHandshake, type HandshakeFragment, HandshakeType } from './handshake.ts';
import { type ClientHello, decodeClientHello, encodeHelloVerifyRequest } from './messages.ts';
import { ByteBudget } from './reassembly.ts';
import { ContentType, type DtlsRecord, decodeRecords, dtls10, encodePlaintextRecord } from './record.ts';
import { ServerHandshake } from './server-flights.ts';

/** A peer, by the address that it sends from. */
export interface DatagramPeer {
  /** The same for the same address and port. */
  readonly key: string;
  /** Without the port: peers of one address share its part of the handshakes. Absent: the key. */
  readonly address?: string;
}

export interface DtlsServerConfig extends ServerConfig {
  /** Associations, those whose handshake goes on included. The one that was quiet for longest goes for a new one. Default 20,000. */
  readonly maxConnections?: number;
  /** Handshakes that go on at once. Over it the oldest goes of the address that has most of them. Default 1,000. */
  readonly maxHandshakes?: number;
  /** Bytes of handshake messages that wait to be put together, of all peers. Default 4 MiB. */
  readonly maxAllHandshakeBytes?: number;
  /** Milliseconds until the secret of the cookies changes. Default 60,000. */
  readonly cookieRotation?: number;
}

export type ServerEvent<P extends DatagramPeer> =
  | (ConnectionEvent & { readonly connection: Connection; readonly peer: P })
  | { readonly type: 'discarded'; readonly reason: DiscardReason; readonly connection?: undefined; readonly peer: P };

export interface ServerPort<P extends DatagramPeer> {
  /** Send a datagram, or fail in silence. */
  send(datagram: Uint8Array, peer: P): void;
  emit(event: ServerEvent<P>): void;
}

/** A handshake that goes on, or an association that is there, and by which ClientHello it came to be. */
interface Entry {
  readonly connection: Connection;
  readonly random: Uint8Array;
}

/** What a server has with one address. */
interface Association<P> {
  readonly peer: P;
  current: Entry | undefined;
  /** Takes the place of `current` once its handshake is over (RFC 6347, Section 4.2.8). */
  next: Entry | undefined;
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
  readonly #port: ServerPort<P>;
  readonly #cookies: Cookies;
  readonly #budget: ByteBudget;
  readonly #maxConnections: number;
  readonly #maxHandshakes: number;
  readonly #maxAllHandshakeBytes: number;
  /** In the order in which they were last heard of. */
  readonly #associations: Map<string, Association<P>> = new Map();
  /** Handshakes that go on, by address, each in the order of their beginning. */
  readonly #handshakes: Map<string, Set<Connection>> = new Map();
  #handshakeCount = 0;

  /** @throws {DtlsError} `ERR_DTLS_CONFIG` */
  constructor(config: DtlsServerConfig, env: Env, port: ServerPort<P>) {
    this.#settings = serverSettings(config);
    this.#env = env;
    this.#port = port;
    this.#maxConnections = within('maxConnections', config.maxConnections ?? 20_000, 1, Number.MAX_SAFE_INTEGER);
    this.#maxHandshakes = within('maxHandshakes', config.maxHandshakes ?? 1_000, 1, Number.MAX_SAFE_INTEGER);
    this.#maxAllHandshakeBytes = within('maxAllHandshakeBytes', config.maxAllHandshakeBytes ?? 0x40_0000, 512, Number.MAX_SAFE_INTEGER);
    this.#budget = new ByteBudget(this.#maxAllHandshakeBytes);
    this.#cookies = new Cookies(within('cookieRotation', config.cookieRotation ?? 60_000, 1000, 86_400_000), env);
  }

  stats(): Readonly<Record<'associations' | 'handshakes' | 'handshakeBytes', number>> {
    return { associations: this.#associations.size, handshakes: this.#handshakeCount, handshakeBytes: this.#maxAllHandshakeBytes - this.#budget.left };
  }

  /** Take a datagram. Never throws on account of it. */
  receive(datagram: Uint8Array, peer: P): void {
    const { records, malformed } = decodeRecords(datagram);
    for (const record of records) this.#record(record, peer);
    if (malformed > 0) this.#discard('malformed', peer);
  }

  /** End all associations, and tell the peers. */
  close(): void {
    for (const { current, next } of [...this.#associations.values()]) {
      next?.connection.close();
      current?.connection.close();
    }
  }

  #discard(reason: DiscardReason, peer: P): void {
    this.#port.emit({ type: 'discarded', reason, peer });
  }

  #record(record: DtlsRecord, peer: P): void {
    if (record.epoch === 0 && record.type === ContentType.handshake && record.fragment[0] === HandshakeType.client_hello) {
      this.#clientHelloRecord(record, peer);
      return;
    }
    const association = this.#associations.get(peer.key);
    if (association === undefined) {
      this.#discard('unknown', peer);
      return;
    }
    const { current, next } = association;
    // RFC 6347 §4.2.8: what is not protected is of the new one; what is, of the one whose keys open it.
    if (record.epoch > 0 && current?.connection.receiveRecord(record) === true) this.#heardOf(association);
    else if (next !== undefined) next.connection.receiveRecord(record);
    else if (record.epoch === 0) current?.connection.receiveRecord(record);
  }

  #heardOf(association: Association<P>): void {
    // It may have ended by what was heard.
    if (!this.#associations.delete(association.peer.key)) return;
    this.#associations.set(association.peer.key, association);
  }

  #clientHelloRecord(record: DtlsRecord, peer: P): void {
    const fragment = decodeFragments(record.fragment)?.[0];
    if (fragment === undefined || fragment.bytes.length !== fragment.length) {
      this.#discard('malformed', peer);
      return;
    }
    let hello: ClientHello;
    try {
      hello = decodeClientHello(fragment.bytes);
    } catch (error) {
      if (!(error instanceof HandshakeFailure || error instanceof BytesError)) throw error;
      this.#discard('malformed', peer);
      return;
    }
    const association = this.#associations.get(peer.key);
    const { current, next } = association ?? {};
    if (!this.#cookies.accepts(hello, peer.key)) this.#sendCookie(record, fragment, hello, peer);
    // The same hello again: a copy, or our answer got lost.
    else if (next !== undefined && equalBytes(next.random, hello.random)) next.connection.receiveRecord(record);
    else if (current !== undefined && equalBytes(current.random, hello.random)) this.#discard('handshake', peer);
    else this.#accept(record, fragment, hello, association ?? { peer, current: undefined, next: undefined });
  }

  /** RFC 6347 §4.2.1: with the numbers of the ClientHello, in a message that is shorter than it. */
  #sendCookie(record: DtlsRecord, { sequence }: HandshakeFragment, hello: ClientHello, peer: P): void {
    const body = encodeHelloVerifyRequest({ version: dtls10, cookie: this.#cookies.create(hello, peer.key) });
    const message = encodeHandshake({ type: HandshakeType.hello_verify_request, sequence, body });
    this.#port.send(encodePlaintextRecord(ContentType.handshake, record.sequence, message, dtls10), peer);
  }

  #accept(record: DtlsRecord, fragment: HandshakeFragment, hello: ClientHello, association: Association<P>): void {
    const { peer } = association;
    association.next?.connection.replace();
    this.#makeRoom(peer);
    const first = { type: fragment.type, sequence: fragment.sequence, body: fragment.bytes.slice(), epoch: 0 };
    const connection: Connection = new Connection(
      { role: 'server', receive: fragment.sequence + 1, send: record.sequence },
      this.#settings,
      this.#env,
      this.#budget,
      {
        send: (datagram) => this.#port.send(datagram, peer),
        emit: (event) => this.#emit(event, association, connection),
      },
      (port) => new ServerHandshake(this.#settings, first, port),
    );
    association.next = { connection, random: hello.random.slice() };
    this.#associations.set(peer.key, association);
    const host = peer.address ?? peer.key;
    this.#handshakes.set(host, (this.#handshakes.get(host) ?? new Set()).add(connection));
    this.#handshakeCount++;
    connection.start();
  }

  #emit(event: ConnectionEvent, association: Association<P>, connection: Connection): void {
    const { peer, current, next } = association;
    if (event.type === 'connected') {
      this.#handshakeEnded(connection, peer);
      association.current = next;
      association.next = undefined;
      this.#heardOf(association);
      // RFC 6347 §4.2.8: now, and not before.
      current?.connection.replace();
    } else if (event.type === 'closed') {
      this.#handshakeEnded(connection, peer);
      if (next?.connection === connection) association.next = undefined;
      if (current?.connection === connection) association.current = undefined;
      if (association.current === undefined && association.next === undefined) this.#associations.delete(peer.key);
    }
    this.#port.emit({ ...event, connection, peer });
  }

  #handshakeEnded(connection: Connection, peer: P): void {
    const host = peer.address ?? peer.key;
    const ofHost = this.#handshakes.get(host);
    if (ofHost?.delete(connection) !== true) return;
    this.#handshakeCount--;
    if (ofHost.size === 0) this.#handshakes.delete(host);
  }

  #makeRoom({ key }: P): void {
    if (this.#handshakeCount >= this.#maxHandshakes) this.#evictHandshake();
    if (this.#associations.size < this.#maxConnections || this.#associations.has(key)) return;
    for (const { current, next } of this.#associations.values()) {
      next?.connection.evict();
      current?.connection.evict();
      return;
    }
  }

  /** The oldest handshake of the address that has most: who fills the table makes room at his own cost. */
  #evictHandshake(): void {
    let most: Set<Connection> | undefined;
    for (const ofHost of this.#handshakes.values()) if (most === undefined || ofHost.size > most.size) most = ofHost;
    for (const oldest of most ?? []) {
      oldest.evict();
      return;
    }
  }
}
