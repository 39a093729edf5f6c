import { emptyBytes } from '../core/bytes.ts';
import { HandshakeFailure } from './alert.ts';
import { type CipherSuite, emptyRenegotiationInfoScsv } from './cipher-suites.ts';
import type { ServerSettings } from './config.ts';
import { type PeerCredential, questionAbout, readPeerCredential } from './credentials.ts';
import { DtlsError } from './errors.ts';
import type { PeerIdentity } from './events.ts';
import {
  type CertificateType,
  decodeRecordSizeLimit,
  decodeU8s,
  ExtensionType,
  encodeRecordSizeLimit,
  encodeU8s,
  present,
  uncompressed,
} from './extensions.ts';
import type { FlightItem } from './flight.ts';
import { HandshakeType } from './handshake.ts';
import {
  type ClientHello,
  type ClientKeyExchange,
  decodeCertificateVerify,
  decodeClientKeyExchange,
  ecdsaSign,
  encodeCertificateRequest,
  encodeServerHello,
  encodeServerKeyExchange,
} from './messages.ts';
import { encodePoint } from './named-groups.ts';
import {
  type Ephemeral,
  type Handshake,
  type HandshakePort,
  makeEphemeral,
  Negotiation,
  premasterSecret,
  refusedPeer,
  Steps,
  sharedSecret,
} from './negotiation.ts';
import { choose, type Offer, readOffer, type Signer } from './offer.ts';
import type { ReceivedMessage } from './reassembly.ts';
import { dtls12 } from './record.ts';
import type { SessionCache } from './resumption.ts';
import type { Session } from './session.ts';
import { checkSigned, digitallySign, signatureSchemes, signedParameters } from './signature.ts';

const sessionIdLength = 32;

/**
 * The handshake of a server, after the cookie exchange: flights 4 and 6 of RFC 6347, Section 4.2.4.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5246#section-7.3
 */
export class ServerHandshake implements Handshake {
  #settings: ServerSettings;
  readonly #port: HandshakePort;
  readonly #negotiation: Negotiation;
  readonly #first: ReceivedMessage;
  readonly #hello: ClientHello;
  readonly #ownId: Uint8Array | undefined;
  readonly #sessions: SessionCache | undefined;
  #offer: Offer | undefined;
  #isNamed = false;
  #psk: Uint8Array = emptyBytes;
  #steps: Steps = new Steps();
  #ephemeral: Ephemeral | undefined;
  #exchange: ClientKeyExchange | undefined;
  #client: PeerCredential | undefined;
  /** Of the certificate that the client is asked for. */
  #clientType: CertificateType | undefined;
  #question: 'psk' | 'peer' | undefined;
  awaitsFinished = false;
  awaitsFlight = false;
  verifiesFirst = true;
  resumes: Session | undefined;

  /**
   * `first`: the ClientHello whose cookie was right, and `hello` what it holds. Our message_seq goes on from its own. `ownId`: the connection ID that the
   * client is to send, if it takes part in that; empty: none. `sessions`: those that may be resumed.
   */
  constructor(
    settings: ServerSettings,
    first: ReceivedMessage,
    hello: ClientHello,
    ownId: Uint8Array | undefined,
    port: HandshakePort,
    sessions?: SessionCache,
  ) {
    this.#sessions = sessions;
    this.#hello = hello;
    this.#ownId = ownId;
    this.#settings = settings;
    this.#port = port;
    this.#first = first;
    this.#negotiation = new Negotiation(first.sequence, settings);
  }

  get answered(): number {
    return this.#first.sequence;
  }

  get isPaused(): boolean {
    return this.#question !== undefined;
  }

  start(): void {
    const negotiation = this.#negotiation;
    const hello = this.#hello;
    const { env } = this.#port;
    const offer = readOffer(hello);
    this.#offer = offer;
    this.#choose(offer.serverName);
    negotiation.transcript.add(this.#first);
    negotiation.randoms = { client: hello.random, server: env.random(32) };
    negotiation.extended = hello.extensions.has(ExtensionType.extended_master_secret);
    negotiation.serverName = offer.serverName;
    if (this.#settings.requireExtendedMasterSecret && !negotiation.extended)
      throw new HandshakeFailure('handshake_failure', 'expected the extended master secret, got none');
    const session = this.#resumable(hello);
    if (session === undefined) this.#begin();
    else this.#askAbout(session);
  }

  /** RFC 6066 §3: a name chooses the credentials, or ends the handshake, or says nothing to us. */
  #choose(serverName: string | undefined): void {
    const named = serverName === undefined ? undefined : this.#settings.serverNames.get(serverName);
    if (named !== undefined) {
      this.#settings = named;
      this.#isNamed = true;
    } else if (this.#settings.refusesUnknownName && this.#hello.extensions.has(ExtensionType.server_name))
      throw new HandshakeFailure('unrecognized_name', 'expected a server name that is served here, got another');
  }

  /** The session of the hello, if it may go on. RFC 6066 §3: not under another name. */
  #resumable({ sessionId, suites }: ClientHello): Session | undefined {
    const session = this.#sessions?.find(sessionId, this.#settings);
    if (session === undefined || !suites.includes(session.cipherSuite.id) || session.serverName !== this.#negotiation.serverName) return undefined;
    // RFC 7627 §5.3: all sessions that are kept have it.
    if (!this.#negotiation.extended) throw new HandshakeFailure('handshake_failure', 'expected the extended master secret of the session, got none');
    return session;
  }

  /** Whether who it was then is still good is for the application to say. */
  #askAbout(session: Session): void {
    const { peerIdentity } = session;
    this.resumes = session;
    switch (peerIdentity.type) {
      case 'anonymous':
        this.#resume(session);
        break;
      case 'psk':
        this.#askForPsk(peerIdentity.identity);
        break;
      default:
        this.#question = 'peer';
        this.#port.emit(questionAbout(peerIdentity));
    }
  }

  #askForPsk(identity: Uint8Array): void {
    const { serverName } = this.#negotiation;
    this.#question = 'psk';
    const asked = identity.slice();
    this.#port.emit(serverName === undefined ? { type: 'psk-identity', identity: asked } : { type: 'psk-identity', identity: asked, serverName });
  }

  /** The only flight of an abbreviated handshake. */
  #resume(session: Session): void {
    const negotiation = this.#negotiation;
    const keys = negotiation.resume(session);
    const items = [this.#serverHello(session.id, this.#extensions(this.#hello, session.cipherSuite, undefined))];
    this.#port.protect(keys, negotiation.ids, negotiation.sizes);
    items.push({ epoch: 0 }, negotiation.finished('server'));
    this.verifiesFirst = false;
    this.awaitsFlight = true;
    this.#awaitFinished();
    this.#port.send(items, false);
  }

  #serverHello(sessionId: Uint8Array, extensions: ReadonlyMap<number, Uint8Array>): FlightItem {
    const { randoms, suite } = this.#negotiation;
    const hello = { version: dtls12, random: randoms!.server, sessionId, suite: suite!.id, compression: 0, extensions };
    return this.#negotiation.message(HandshakeType.server_hello, encodeServerHello(hello));
  }

  /** Flight 4 of a full handshake. */
  #begin(): void {
    const { psk } = this.#settings;
    const negotiation = this.#negotiation;
    const { env } = this.#port;
    const offer = this.#offer!;
    const { suite, group, signer } = choose(this.#settings, offer);
    this.resumes = undefined;
    negotiation.suite = suite;
    if (this.#sessions !== undefined && negotiation.extended) negotiation.sessionId = env.random(sessionIdLength);
    if (signer !== undefined) this.#clientType = this.#clientTypeFor(offer);
    const asks = this.#clientType !== undefined;
    const extensions = this.#extensions(this.#hello, suite, signer);
    // RFC 6066 §3.
    if (this.#isNamed) extensions.set(ExtensionType.server_name, present);
    const items = [this.#serverHello(negotiation.sessionId, extensions)];
    if (signer !== undefined) items.push(negotiation.message(HandshakeType.certificate, signer.credential.body));
    const hint = psk?.hint ?? emptyBytes;
    if (group !== undefined) {
      this.#ephemeral = makeEphemeral(group, env);
      const parameters = { group: group.id, point: encodePoint(group, this.#ephemeral.pair) };
      const signed = signer === undefined ? undefined : digitallySign(signer.scheme, signer.credential.key, signedParameters(negotiation.randoms!, parameters));
      const body = encodeServerKeyExchange(suite.keyExchange, { hint, parameters, ...(signed === undefined ? {} : { signed }) });
      items.push(negotiation.message(HandshakeType.server_key_exchange, body));
    } else if (hint.length > 0) {
      items.push(negotiation.message(HandshakeType.server_key_exchange, encodeServerKeyExchange(suite.keyExchange, { hint })));
    }
    if (asks) {
      const request = { types: Uint8Array.of(ecdsaSign), schemes: signatureSchemes };
      items.push(negotiation.message(HandshakeType.certificate_request, encodeCertificateRequest(request)));
    }
    items.push(negotiation.message(HandshakeType.server_hello_done, emptyBytes));
    this.#steps = new Steps({ type: asks ? HandshakeType.certificate : HandshakeType.client_key_exchange, required: true });
    this.awaitsFlight = true;
    this.#port.send(items, false);
  }

  /** The certificate type that the client is asked for: one that it can provide (RFC 7250, Section 4.2). `undefined`: it is not asked. */
  #clientTypeFor({ clientCertificateTypes }: Offer): CertificateType | undefined {
    const { peerTypes, requiresClientKey } = this.#settings;
    for (const type of clientCertificateTypes) {
      const taken = peerTypes.find((one) => one === type);
      if (taken !== undefined) return taken;
    }
    if (requiresClientKey) throw new HandshakeFailure('unsupported_certificate', 'expected a client with a certificate type that we take, got one with others');
    return undefined;
  }

  #extensions(hello: ClientHello, { keyExchange }: CipherSuite, signer: Signer | undefined): Map<number, Uint8Array> {
    const extensions = new Map<number, Uint8Array>();
    const offered = (type: number): boolean => hello.extensions.has(type);
    if (offered(ExtensionType.renegotiation_info) || hello.suites.includes(emptyRenegotiationInfoScsv))
      extensions.set(ExtensionType.renegotiation_info, encodeU8s([]));
    if (offered(ExtensionType.extended_master_secret)) extensions.set(ExtensionType.extended_master_secret, present);
    if (keyExchange !== 'PSK' && offered(ExtensionType.ec_point_formats)) extensions.set(ExtensionType.ec_point_formats, encodeU8s([uncompressed]));
    if (signer !== undefined && offered(ExtensionType.server_certificate_type))
      extensions.set(ExtensionType.server_certificate_type, Uint8Array.of(signer.credential.type));
    const limit = hello.extensions.get(ExtensionType.record_size_limit);
    if (limit !== undefined) {
      const { recordSizeLimit } = this.#settings;
      this.#negotiation.sizes = { send: decodeRecordSizeLimit(limit), receive: recordSizeLimit };
      extensions.set(ExtensionType.record_size_limit, encodeRecordSizeLimit(recordSizeLimit));
    }
    const id = hello.extensions.get(ExtensionType.connection_id);
    if (id !== undefined && this.#ownId !== undefined) {
      this.#negotiation.ids = { send: decodeU8s(id).slice(), receive: this.#ownId };
      extensions.set(ExtensionType.connection_id, encodeU8s([...this.#ownId]));
    }
    if (this.#clientType !== undefined && offered(ExtensionType.client_certificate_type))
      extensions.set(ExtensionType.client_certificate_type, Uint8Array.of(this.#clientType));
    return extensions;
  }

  receive(message: ReceivedMessage): void {
    this.#steps = this.#steps.after(message.type);
    const { transcript } = this.#negotiation;
    switch (message.type) {
      case HandshakeType.certificate:
        transcript.add(message);
        this.#certificate(message.body);
        break;
      case HandshakeType.client_key_exchange:
        transcript.add(message);
        this.#clientKeyExchange(message.body);
        break;
      case HandshakeType.certificate_verify:
        // The signature is over what came before it.
        checkSigned(decodeCertificateVerify(message.body), this.#client!.key, transcript.bytes());
        transcript.add(message);
        this.#question = 'peer';
        this.#port.emit(questionAbout(this.#client!));
        break;
      default:
        this.#finished(message);
    }
  }

  #certificate(body: Uint8Array): void {
    const { roots, requiresClientKey } = this.#settings;
    this.#client = readPeerCredential(this.#clientType!, body, { roots, of: 'client', epoch: this.#port.env.epoch() });
    if (this.#client === undefined && requiresClientKey)
      throw new HandshakeFailure('handshake_failure', 'expected a key or a certificate of the client, got none');
    this.#steps = new Steps({ type: HandshakeType.client_key_exchange, required: true });
  }

  #clientKeyExchange(body: Uint8Array): void {
    const { keyExchange } = this.#negotiation.suite!;
    this.#exchange = decodeClientKeyExchange(keyExchange, body);
    if (keyExchange === 'ECDHE_ECDSA') {
      this.#derive(undefined);
      return;
    }
    this.#askForPsk(this.#exchange.identity);
  }

  providePsk(key: Uint8Array): void {
    this.#answerTo('psk');
    const session = this.resumes;
    if (session === undefined) {
      this.#psk = key;
      this.#derive(key);
    } else if (session.isOf(key)) this.#resume(session);
    else this.#begin();
  }

  acceptPeer(): void {
    this.#answerTo('peer');
    if (this.resumes === undefined) this.#awaitFinished();
    else this.#resume(this.resumes);
  }

  rejectPeer(): void {
    this.#answerTo('peer');
    if (this.resumes === undefined) throw refusedPeer();
    this.#begin();
  }

  #answerTo(question: 'psk' | 'peer'): void {
    if (this.#question !== question)
      throw new DtlsError('ERR_DTLS_STATE', `expected ${question === 'psk' ? 'an identity' : 'a key'} that was asked about, got none`);
    this.#question = undefined;
  }

  #derive(psk: Uint8Array | undefined): void {
    const suite = this.#negotiation.suite!;
    const shared = this.#ephemeral === undefined ? undefined : sharedSecret(this.#ephemeral, this.#exchange!.point);
    this.#port.protect(this.#negotiation.derive(premasterSecret(suite, psk, shared)), this.#negotiation.ids, this.#negotiation.sizes);
    // RFC 5246 §7.4.8: who shows a key proves to have it.
    if (this.#client !== undefined) this.#steps = new Steps({ type: HandshakeType.certificate_verify, required: true });
    else this.#awaitFinished();
  }

  #awaitFinished(): void {
    this.#steps = new Steps({ type: HandshakeType.finished, required: true });
    this.awaitsFinished = true;
  }

  /** Of a full handshake flight 6 answers it. */
  #finished(message: ReceivedMessage): void {
    this.#negotiation.checkFinished('client', message);
    this.awaitsFinished = false;
    if (this.resumes === undefined) this.#port.send([{ epoch: 0 }, this.#negotiation.finished('server')], true);
    this.#port.complete(this.#negotiation.outcome(this.resumes?.peerIdentity ?? this.#peer(), this.#psk, this.#port.env.epoch()));
  }

  #peer(): PeerIdentity {
    if (this.#negotiation.suite!.keyExchange !== 'ECDHE_ECDSA') return { type: 'psk', identity: this.#exchange!.identity.slice() };
    return this.#client ?? { type: 'anonymous' };
  }
}
