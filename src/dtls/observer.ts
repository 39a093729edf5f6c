import { equalBytes, fromUtf8, toHex } from '../core/bytes.ts';
import { digest } from '../core/crypto/index.ts';
import { ProtocolError } from '../core/errors.ts';
import { AlertLevel, alertName, decodeAlert } from './alert.ts';
import { type CipherSuite, suiteById } from './cipher-suites.ts';
import { decodeU8s, ExtensionType } from './extensions.ts';
import { decodeFragments, type HandshakeFragment, type HandshakeMessage, HandshakeType, handshakeName, Transcript } from './handshake.ts';
import { type ConnectionKeys, connectionKeys, extendedMasterSecret, keyBlock, masterSecret, pskPremaster, type Randoms } from './key-schedule.ts';
import { type ClientHello, decodeClientHello, decodeClientKeyExchange, decodeServerHello, type ServerHello } from './messages.ts';
import { ByteBudget, Reassembly } from './reassembly.ts';
import { ContentType, type DtlsRecord, decodeRecords } from './record.ts';

/** What an observer knows of the sessions of others. */
export interface ObserverKeys {
  /** The master secret of a session, by the random of its client: what a line of a key log says. */
  readonly masterSecret: (clientRandom: Uint8Array) => Uint8Array | undefined;
  /** The pre-shared key of an identity. It opens the sessions whose key exchange is PSK; the others are forward secret. */
  readonly psk: (identity: Uint8Array) => Uint8Array | undefined;
}

/** One record of a datagram, as far as it can be read. */
export interface ObservedRecord {
  readonly type: 'handshake' | 'alert' | 'change_cipher_spec' | 'application_data' | 'unknown';
  /** What is in it, as the RFCs write it: `ClientHello`, `close_notify`. */
  readonly names: readonly string[];
  /** What its messages say, for people. */
  readonly details: readonly string[];
  /** Whether keys protect it. */
  readonly isProtected: boolean;
  /** Protected, and not opened. */
  readonly isSealed: boolean;
  /** Application data. */
  readonly data?: Uint8Array;
  /** Of a ClientKeyExchange: the identity of a pre-shared key. */
  readonly pskIdentity?: Uint8Array;
}

type Side = 'client' | 'server';

interface ObservedSession {
  readonly client: string;
  readonly server: string;
  readonly incoming: Readonly<Record<Side, Reassembly>>;
  transcript: Transcript | undefined;
  clientHello: ClientHello | undefined;
  serverHello: ServerHello | undefined;
  suite: CipherSuite | undefined;
  identity: Uint8Array | undefined;
  /** All messages up to and including ClientKeyExchange. */
  sessionHashInput: Uint8Array | undefined;
  keys: ConnectionKeys | undefined;
  /** By which the session goes too, since its client has another address (RFC 9146, Section 6). */
  moved: string | undefined;
}

const mostSessions = 512;
/** Sessions that may be resumed. */
const mostMasters = 1024;
const mostHandshakeBytes = 0x1_0000;
const mostTranscript = 2 * mostHandshakeBytes;
const mostBytes = 1 << 22;
const mostSuites = 12;
const knownTypes: ReadonlyMap<number, ObservedRecord['type']> = new Map([
  [ContentType.change_cipher_spec, 'change_cipher_spec'],
  [ContentType.alert, 'alert'],
  [ContentType.handshake, 'handshake'],
  [ContentType.application_data, 'application_data'],
]);

/** `client_hello` as RFC 5246 writes it in text: `ClientHello`. */
function titleOf(name: string): string {
  return name.includes(' ') ? name : name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Whether a datagram begins with a record of DTLS 1.0 or 1.2. */
export function isDtls(datagram: Uint8Array): boolean {
  const type = datagram[0] ?? 0;
  return datagram.length >= 13 && type >= ContentType.change_cipher_spec && type <= ContentType.tls12_cid && datagram[1] === 0xfe && datagram[2]! >= 0xfd;
}

/**
 * Reads along in the DTLS 1.2 sessions of others: names handshake messages and alerts, and opens what is protected where the keys are known.
 *
 * It takes part in nothing, checks no signature and no replay, and takes messages as they pass. What it holds is bounded; the oldest session goes first.
 */
export class DtlsObserver {
  readonly #keys: ObserverKeys;
  /** By both endpoints. */
  readonly #sessions = new Map<string, ObservedSession>();
  /** By session_id. */
  readonly #masters = new Map<string, Uint8Array>();
  readonly #budget = new ByteBudget(mostBytes);

  constructor(keys: ObserverKeys) {
    this.#keys = keys;
  }

  /** Sessions that are held, by each address that one goes by. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The records of a datagram that went from one endpoint, by its name, to another. */
  receive(datagram: Uint8Array, from: string, to: string): readonly ObservedRecord[] {
    const session = this.#sessionOf(datagram, from, to);
    const toServer = session === undefined || session.server === to;
    const id = this.#connectionId(session, toServer ? 'server' : 'client');
    const { records, malformed } = decodeRecords(datagram, id.length);
    const observed = records.map((record) => this.#observe(record, from, to));
    const rest = { type: 'unknown', names: ['malformed'], details: [`${malformed} bytes that are no record`], isProtected: false, isSealed: false } as const;
    return malformed > 0 ? [...observed, rest] : observed;
  }

  #sessionOf(datagram: Uint8Array, from: string, to: string): ObservedSession | undefined {
    const known = this.#sessions.get(keyOf(from, to));
    if (known !== undefined || datagram[0] !== ContentType.tls12_cid) return known;
    // RFC 9146 §6: the client has another address now.
    for (const session of this.#sessions.values()) {
      const id = this.#connectionId(session, 'server');
      if (session.server === to && id.length > 0 && equalBytes(id, datagram.subarray(11, 11 + id.length))) {
        if (session.moved !== undefined) this.#sessions.delete(session.moved);
        session.moved = keyOf(from, to);
        this.#keep(session.moved, session);
        return session;
      }
    }
    return undefined;
  }

  /** The connection ID that records to this side have: the one that it has named itself. */
  #connectionId(session: ObservedSession | undefined, side: Side): Uint8Array {
    const [offered, taken] = [session?.clientHello, session?.serverHello].map((hello) => hello?.extensions.get(ExtensionType.connection_id));
    if (offered === undefined || taken === undefined) return none;
    try {
      return decodeU8s(side === 'server' ? taken : offered);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return none;
    }
  }

  #observe(record: DtlsRecord, from: string, to: string): ObservedRecord {
    if (record.epoch === 0) return this.#content(record.type, record.fragment, record, from, to);
    const session = this.#sessions.get(keyOf(from, to));
    const keys = session === undefined ? undefined : this.#keysOf(session);
    const opened = keys?.[session?.server === to ? 'client' : 'server'].open(record);
    if (opened !== undefined) return this.#content(opened.type, opened.content, record, from, to);
    const type = knownTypes.get(record.type) ?? 'application_data';
    const why = keys === undefined ? 'not opened: no key is known' : 'not opened: it does not verify with the key that is known';
    return { type, names: [type === 'handshake' ? 'Finished' : type], details: [why], isProtected: true, isSealed: true };
  }

  #content(type: number, content: Uint8Array, { epoch }: DtlsRecord, from: string, to: string): ObservedRecord {
    const base = { type: knownTypes.get(type) ?? ('unknown' as const), details: [], isProtected: epoch > 0, isSealed: false };
    if (type === ContentType.application_data) return { ...base, names: [], data: content };
    if (type === ContentType.change_cipher_spec) return { ...base, names: ['ChangeCipherSpec'] };
    if (type === ContentType.alert) {
      const alert = decodeAlert(content);
      return {
        ...base,
        names: alert === undefined ? ['malformed alert'] : [`${alert.level === AlertLevel.fatal ? 'fatal ' : ''}${alertName(alert.description)}`],
      };
    }
    if (type !== ContentType.handshake) return { ...base, names: [`content type ${type}`] };
    const fragments = decodeFragments(content);
    if (fragments === undefined) return { ...base, names: ['malformed handshake message'] };
    return { ...base, ...this.#handshake(fragments, epoch, from, to) };
  }

  #handshake(fragments: readonly HandshakeFragment[], epoch: number, from: string, to: string): Pick<ObservedRecord, 'names' | 'details' | 'pskIdentity'> {
    const names = fragments.map(({ type, offset, bytes, length }) => {
      const part = bytes.length === length ? '' : ` (bytes ${offset} to ${offset + bytes.length} of ${length})`;
      return `${titleOf(handshakeName(type))}${part}`;
    });
    const details: string[] = [];
    let pskIdentity: Uint8Array | undefined;
    for (const fragment of fragments) {
      const session = this.#sessionFor(fragment, epoch, from, to);
      if (session === undefined) continue;
      const side: Side = session.client === from ? 'client' : 'server';
      const incoming = session.incoming[side];
      // What came before may be older than the capture.
      if (fragment.type === HandshakeType.server_hello && session.serverHello === undefined && incoming.next < fragment.sequence)
        incoming.next = fragment.sequence;
      incoming.add(fragment, epoch);
      for (let message = incoming.take(); message !== undefined; message = incoming.take()) {
        try {
          details.push(...this.#take(session, message));
          if (message.type === HandshakeType.client_key_exchange) pskIdentity = session.identity;
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          details.push(`malformed: ${error.message}`);
        }
      }
    }
    return { names, details, ...(pskIdentity === undefined ? {} : { pskIdentity }) };
  }

  /** The session that a fragment belongs to: a ClientHello with another random begins one. */
  #sessionFor(fragment: HandshakeFragment, epoch: number, from: string, to: string): ObservedSession | undefined {
    const { type, sequence, offset, bytes } = fragment;
    const key = keyOf(from, to);
    const session = this.#sessions.get(key);
    if (type !== HandshakeType.client_hello || epoch !== 0 || offset !== 0 || bytes.length < 34) return session;
    const random = bytes.subarray(2, 34);
    if (session !== undefined && session.client === from && (session.clientHello === undefined || equalBytes(session.clientHello.random, random)))
      return session;
    const reassembly = (): Reassembly => new Reassembly(sequence, mostHandshakeBytes, this.#budget);
    const begun: ObservedSession = {
      client: from,
      server: to,
      incoming: { client: reassembly(), server: new Reassembly(0, mostHandshakeBytes, this.#budget) },
      transcript: new Transcript(),
      clientHello: undefined,
      serverHello: undefined,
      suite: undefined,
      identity: undefined,
      sessionHashInput: undefined,
      keys: undefined,
      moved: undefined,
    };
    this.#forget(key);
    this.#keep(key, begun);
    return begun;
  }

  #keep(key: string, session: ObservedSession): void {
    this.#sessions.set(key, session);
    if (this.#sessions.size > mostSessions) this.#forget(this.#sessions.keys().next().value!);
  }

  #forget(key: string): void {
    const session = this.#sessions.get(key);
    session?.incoming.client.clear();
    session?.incoming.server.clear();
    this.#sessions.delete(key);
  }

  #take(session: ObservedSession, message: HandshakeMessage): readonly string[] {
    const { type, body } = message;
    if (type === HandshakeType.hello_verify_request) return [];
    // RFC 6347 §4.2.1: the first exchange of a cookie does not count.
    if (type === HandshakeType.client_hello) session.transcript?.reset();
    session.transcript?.add(message);
    // No handshake is so long: what follows is not kept, and its keys are not derived.
    if ((session.transcript?.bytes().length ?? 0) > mostTranscript) session.transcript = undefined;
    switch (type) {
      case HandshakeType.client_hello: {
        session.clientHello = copyOf(decodeClientHello(body));
        return clientHelloDetails(session.clientHello);
      }
      case HandshakeType.server_hello: {
        session.serverHello = copyOf(decodeServerHello(body));
        session.suite = suiteById(session.serverHello.suite);
        return serverHelloDetails(session.serverHello, session.clientHello);
      }
      case HandshakeType.client_key_exchange: {
        session.sessionHashInput = session.transcript?.bytes().slice();
        session.transcript = undefined;
        if (session.suite === undefined) return [];
        const { identity } = decodeClientKeyExchange(session.suite.keyExchange, body);
        if (session.suite.keyExchange === 'ECDHE_ECDSA') return [];
        session.identity = identity.slice();
        return [`identity: ${textOf(identity)}`];
      }
      default:
        return [];
    }
  }

  #keysOf(session: ObservedSession): ConnectionKeys | undefined {
    const { clientHello, serverHello, suite } = session;
    if (session.keys !== undefined || clientHello === undefined || serverHello === undefined || suite === undefined) return session.keys;
    const randoms = { client: clientHello.random, server: serverHello.random };
    const master = this.#keys.masterSecret(randoms.client) ?? this.#resumed(serverHello, clientHello) ?? this.#ofPsk(session, suite, randoms);
    if (master === undefined) return undefined;
    if (serverHello.sessionId.length > 0) {
      this.#masters.set(toHex(serverHello.sessionId), master);
      if (this.#masters.size > mostMasters) this.#masters.delete(this.#masters.keys().next().value!);
    }
    session.keys = connectionKeys(suite, keyBlock(suite, master, randoms));
    return session.keys;
  }

  #resumed({ sessionId }: ServerHello, offered: ClientHello): Uint8Array | undefined {
    return sessionId.length > 0 && equalBytes(sessionId, offered.sessionId) ? this.#masters.get(toHex(sessionId)) : undefined;
  }

  #ofPsk({ identity, sessionHashInput, clientHello, serverHello }: ObservedSession, suite: CipherSuite, randoms: Randoms): Uint8Array | undefined {
    if (suite.keyExchange !== 'PSK' || identity === undefined || sessionHashInput === undefined) return undefined;
    const psk = this.#keys.psk(identity);
    if (psk === undefined) return undefined;
    const isExtended = [clientHello, serverHello].every((hello) => hello?.extensions.has(ExtensionType.extended_master_secret) === true);
    const premaster = pskPremaster(psk);
    return isExtended ? extendedMasterSecret(suite.hash, premaster, digest(suite.hash, sessionHashInput)) : masterSecret(suite.hash, premaster, randoms);
  }
}

const none = new Uint8Array(0);

function keyOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** A hello is views of a datagram. */
function copyOf<T extends ClientHello | ServerHello>(hello: T): T {
  const extensions = new Map([...hello.extensions].map(([type, data]) => [type, data.slice()] as const));
  return { ...hello, random: hello.random.slice(), sessionId: hello.sessionId.slice(), extensions };
}

/** Text where it can be read, else hexadecimal. */
function textOf(bytes: Uint8Array): string {
  try {
    const text = fromUtf8(bytes);
    if (/^[\x20-\x7e]+$/.test(text)) return JSON.stringify(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  return bytes.length === 0 ? 'empty' : toHex(bytes);
}

const suiteName = (id: number): string => suiteById(id)?.name ?? `0x${id.toString(16).padStart(4, '0')}`;

function clientHelloDetails({ suites, sessionId, cookie, extensions }: ClientHello): readonly string[] {
  const shown = suites.slice(0, mostSuites).map(suiteName);
  const more = suites.length - shown.length;
  return [
    `cipher suites: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
    ...(cookie.length === 0 ? [] : [`cookie of ${cookie.length} bytes`]),
    ...(sessionId.length === 0 ? [] : [`session_id: ${toHex(sessionId)}`]),
    ...extensionDetails(extensions),
  ];
}

function serverHelloDetails({ suite, sessionId, extensions }: ServerHello, offered: ClientHello | undefined): readonly string[] {
  const isResumed = sessionId.length > 0 && offered !== undefined && equalBytes(sessionId, offered.sessionId);
  return [
    `cipher suite: ${suiteName(suite)}`,
    ...(sessionId.length === 0 ? [] : [`session_id: ${toHex(sessionId)}${isResumed ? ', which the client offered: the session is resumed' : ''}`]),
    ...extensionDetails(extensions),
  ];
}

const extensionNames: ReadonlyMap<number, string> = new Map(Object.entries(ExtensionType).map(([name, type]) => [type, name]));

function extensionDetails(extensions: ReadonlyMap<number, Uint8Array>): readonly string[] {
  const names = [...extensions.keys()].slice(0, 32).map((type) => extensionNames.get(type) ?? String(type));
  return names.length === 0 ? [] : [`extensions: ${names.join(', ')}`];
}
