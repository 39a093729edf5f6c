import { constantTimeEqual, emptyBytes, toHex } from '../core/bytes.ts';
import { agree, type CurveKeyPair, keyPair } from '../core/crypto/index.ts';
import type { Env } from '../core/env.ts';
import { HandshakeFailure } from './alert.ts';
import type { CipherSuite } from './cipher-suites.ts';
import type { Settings } from './config.ts';
import type { ConnectionEvent, PeerIdentity } from './events.ts';
import type { FlightItem } from './flight.ts';
import { HandshakeType, handshakeName, Transcript } from './handshake.ts';
import { type ConnectionKeys, connectionKeys, extendedMasterSecret, keyBlock, masterSecret, pskPremaster, type Randoms, verifyData } from './key-schedule.ts';
import { decodePoint, type NamedGroup, withPoint } from './named-groups.ts';
import type { ReceivedMessage } from './reassembly.ts';
import { largestPlaintext } from './record.ts';
import type { ConnectionIds, RecordSizes } from './record-layer.ts';
import { proofOf, Session } from './session.ts';

/** What a handshake comes to. */
export interface Outcome {
  readonly session: Session;
  readonly randoms: Randoms;
  readonly isResumed: boolean;
}

/** What a handshake needs of its connection. */
export interface HandshakePort {
  readonly env: Env;
  /** Send a flight. `last`: nothing comes after it. */
  send(items: readonly FlightItem[], last: boolean): void;
  /** Protect epoch 1 with these. What is sent uses them from the next flight on; what comes in, after ChangeCipherSpec. */
  protect(keys: ConnectionKeys, ids: ConnectionIds, sizes: RecordSizes): void;
  emit(event: ConnectionEvent): void;
  /** The Finished of the peer is right, and ours is sent. */
  complete(outcome: Outcome): void;
}

/** One side of a handshake, message by message. What it throws as a HandshakeFailure or BytesError ends it. */
export interface Handshake {
  /** The answer of the application is awaited: no message is to be given until it is there. */
  readonly isPaused: boolean;
  /** The keys are there, and the next message is Finished of the peer. */
  readonly awaitsFinished: boolean;
  /** ChangeCipherSpec of the peer may be under way. */
  readonly awaitsFlight: boolean;
  /** The peer sends its Finished before ours: it is that one which shows that the keys differ. */
  readonly verifiesFirst: boolean;
  /** message_seq of the last message in the flight of the peer that ours answers: it comes again when ours got lost. */
  readonly answered: number;
  /** The session that is to go on, as long as nothing else was agreed on. */
  readonly resumes: Session | undefined;
  start(): void;
  receive(message: ReceivedMessage): void;
  /** The answers to `psk-identity` and `peer-key`; what is not asked for throws. */
  providePsk(key: Uint8Array): void;
  acceptPeer(): void;
  /** Throws what ends the handshake, unless it can go on without that peer. */
  rejectPeer(): void;
}

export const refusedPeer = (): HandshakeFailure => new HandshakeFailure('handshake_failure', 'the key of the peer was refused');

interface Step {
  readonly type: number;
  readonly required: boolean;
}

/** The messages of the peer that may come next, in their order. */
export class Steps {
  readonly #steps: readonly Step[];

  constructor(...steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** What may come after this one. @throws {HandshakeFailure} `unexpected_message` */
  after(type: number): Steps {
    for (let i = 0; i < this.#steps.length; i++) {
      const step = this.#steps[i]!;
      if (step.type === type) return new Steps(...this.#steps.slice(i + 1));
      if (step.required) break;
    }
    const expected = this.#steps.map((step) => handshakeName(step.type)).join(', ');
    throw new HandshakeFailure('unexpected_message', `expected one of ${expected === '' ? 'none' : expected}, got ${handshakeName(type)}`);
  }
}

/** What both sides keep while they shake hands: the messages so far, and the secrets that come of them. */
export class Negotiation {
  readonly transcript: Transcript = new Transcript();
  /** message_seq of our next message. */
  #sequence: number;
  suite: CipherSuite | undefined;
  extended = false;
  ids: ConnectionIds = { send: emptyBytes, receive: emptyBytes };
  sizes: RecordSizes = { send: largestPlaintext, receive: largestPlaintext };
  /** Of the session that comes of it; empty: it cannot be resumed. */
  sessionId: Uint8Array = emptyBytes;
  serverName: string | undefined;
  /** The session that goes on here. */
  resumed: Session | undefined;
  randoms: Randoms | undefined;
  readonly #keyLog: Settings['keyLog'];
  #master: Uint8Array | undefined;

  constructor(sequence: number, { keyLog }: Settings) {
    this.#sequence = sequence;
    this.#keyLog = keyLog;
  }

  /** The next message of ours, in the transcript and ready for a flight. */
  message(type: number, body: Uint8Array, epoch = 0): FlightItem {
    const message = { type, sequence: this.#sequence++, body };
    this.transcript.add(message);
    return { epoch, message };
  }

  /** The master secret and the keys. The transcript ends with ClientKeyExchange. */
  derive(premaster: Uint8Array): ConnectionKeys {
    const suite = this.suite!;
    const randoms = this.randoms!;
    return this.#keys(
      suite,
      this.extended ? extendedMasterSecret(suite.hash, premaster, this.transcript.digest(suite.hash)) : masterSecret(suite.hash, premaster, randoms),
    );
  }

  /** The keys that come of the master secret of a session and of the new randoms. */
  resume(session: Session): ConnectionKeys {
    this.resumed = session;
    this.suite = session.cipherSuite;
    return this.#keys(session.cipherSuite, session.master);
  }

  #keys(suite: CipherSuite, master: Uint8Array): ConnectionKeys {
    const randoms = this.randoms!;
    this.#master = master;
    this.#keyLog?.(`CLIENT_RANDOM ${toHex(randoms.client)} ${toHex(master)}`);
    return connectionKeys(suite, keyBlock(suite, master, randoms));
  }

  finished(side: 'client' | 'server'): FlightItem {
    return this.message(HandshakeType.finished, this.#verifyData(side), 1);
  }

  /** Check Finished of the peer, and take it into the transcript. @throws {HandshakeFailure} `decrypt_error` */
  checkFinished(side: 'client' | 'server', message: ReceivedMessage): void {
    if (!constantTimeEqual(message.body, this.#verifyData(side)))
      throw new HandshakeFailure('decrypt_error', 'expected Finished over the same handshake, got another');
    this.transcript.add(message);
  }

  /** `credential`: the PSK or the public key with which the client proved itself; empty: none. */
  outcome(peerIdentity: PeerIdentity, credential: Uint8Array, established: number): Outcome {
    return { session: this.resumed ?? this.#session(peerIdentity, credential, established), randoms: this.randoms!, isResumed: this.resumed !== undefined };
  }

  #session(peerIdentity: PeerIdentity, credential: Uint8Array, established: number): Session {
    const { sessionId: id, serverName, extended: extendedMasterSecret } = this;
    const master = this.#master!;
    const proof = proofOf(master, credential);
    return new Session({ id, cipherSuite: this.suite!, master, extendedMasterSecret, peerIdentity, serverName, established, proof });
  }

  #verifyData(side: 'client' | 'server'): Uint8Array {
    const { hash } = this.suite!;
    return verifyData(hash, this.#master!, side, this.transcript.digest(hash));
  }
}

/** An ephemeral key of ours, used once (RFC 7925, Section 9). */
export interface Ephemeral {
  readonly group: NamedGroup;
  readonly pair: CurveKeyPair;
}

export function makeEphemeral(group: NamedGroup, env: Env): Ephemeral {
  return { group, pair: keyPair(group.crv, env.random) };
}

/** Z: the x-coordinate in full length (RFC 8422, Section 5.10). @throws {HandshakeFailure} `illegal_parameter` */
export function sharedSecret({ group, pair }: Ephemeral, point: Uint8Array): Uint8Array {
  const peer = decodePoint(group, point);
  return withPoint(() => agree(pair, peer));
}

/** The premaster secret of each key exchange. */
export function premasterSecret(suite: CipherSuite, psk: Uint8Array | undefined, shared: Uint8Array | undefined): Uint8Array {
  if (suite.keyExchange === 'ECDHE_ECDSA') return shared!;
  return pskPremaster(psk!, shared);
}
