import { emptyBytes, equalBytes } from '../core/bytes.ts';
import { HandshakeFailure } from './alert.ts';
import type { ClientSettings } from './config.ts';
import { type OwnCredential, type PeerCredential, questionAbout, readPeerCredential, signatureSchemeOf } from './credentials.ts';
import { DtlsError } from './errors.ts';
import type { PeerIdentity } from './events.ts';
import {
  CertificateType,
  decodeRecordSizeLimit,
  decodeU8s,
  type Extensions,
  ExtensionType,
  encodeRecordSizeLimit,
  encodeU8s,
  encodeU16s,
  expectPresence,
  present,
  uncompressed,
} from './extensions.ts';
import type { FlightItem } from './flight.ts';
import { HandshakeType } from './handshake.ts';
import {
  type CertificateRequest,
  type ClientHello,
  decodeCertificateRequest,
  decodeHelloVerifyRequest,
  decodeServerHello,
  decodeServerKeyExchange,
  ecdsaSign,
  encodeCertificateVerify,
  encodeClientHello,
  encodeClientKeyExchange,
  encodeRawPublicKey,
  type ServerKeyExchange,
} from './messages.ts';
import { encodePoint, type NamedGroup } from './named-groups.ts';
import { type Handshake, type HandshakePort, makeEphemeral, Negotiation, premasterSecret, refusedPeer, Steps, sharedSecret } from './negotiation.ts';
import type { ReceivedMessage } from './reassembly.ts';
import { dtls12 } from './record.ts';
import { offeredSession, ownProof } from './resumption.ts';
import { encodeServerName } from './server-name.ts';
import type { Session } from './session.ts';
import { checkSigned, digitallySign, signatureSchemes, signedParameters } from './signature.ts';

/** An empty Certificate, of either type. */
const noCertificate = encodeRawPublicKey(emptyBytes);

/** So many cookies are tried: a server may change its secret while the first is under way. */
const mostCookies = 4;

/** RFC 7250 §4.1: who has X.509 alone says nothing. */
function setTypes(extensions: Map<number, Uint8Array>, extension: number, types: readonly CertificateType[]): void {
  if (types.some((type) => type !== CertificateType.X509)) extensions.set(extension, encodeU8s(types));
}

function clientExtensions({ suites, groups, credentials, peerTypes, serverName, recordSizeLimit }: ClientSettings, ownId: Uint8Array | undefined): Extensions {
  const extensions = new Map<number, Uint8Array>([
    // RFC 5746 §3.4: this, or the signalling suite.
    [ExtensionType.renegotiation_info, encodeU8s([])],
    [ExtensionType.extended_master_secret, present],
    // RFC 8449 §4: also by who takes records of every size.
    [ExtensionType.record_size_limit, encodeRecordSizeLimit(recordSizeLimit)],
  ]);
  if (serverName !== undefined) extensions.set(ExtensionType.server_name, encodeServerName(serverName));
  if (suites.some(({ keyExchange }) => keyExchange !== 'PSK')) {
    extensions.set(ExtensionType.supported_groups, encodeU16s(groups.map(({ id }) => id)));
    extensions.set(ExtensionType.ec_point_formats, encodeU8s([uncompressed]));
  }
  if (suites.some(({ keyExchange }) => keyExchange === 'ECDHE_ECDSA')) {
    extensions.set(ExtensionType.signature_algorithms, encodeU16s(signatureSchemes));
    setTypes(extensions, ExtensionType.server_certificate_type, peerTypes);
    setTypes(
      extensions,
      ExtensionType.client_certificate_type,
      credentials.map(({ type }) => type),
    );
  }
  if (ownId !== undefined) extensions.set(ExtensionType.connection_id, encodeU8s([...ownId]));
  return extensions;
}

/** The flight of the server, which its ServerHello begins (RFC 5246 Section 7.3, RFC 4279 Sections 2 and 4). */
const serverFlights = {
  PSK: new Steps({ type: HandshakeType.server_key_exchange, required: false }, { type: HandshakeType.server_hello_done, required: true }),
  ECDHE_PSK: new Steps({ type: HandshakeType.server_key_exchange, required: true }, { type: HandshakeType.server_hello_done, required: true }),
  ECDHE_ECDSA: new Steps(
    { type: HandshakeType.certificate, required: true },
    { type: HandshakeType.server_key_exchange, required: true },
    { type: HandshakeType.certificate_request, required: false },
    { type: HandshakeType.server_hello_done, required: true },
  ),
};
const beforeServerHello = new Steps({ type: HandshakeType.hello_verify_request, required: false }, { type: HandshakeType.server_hello, required: true });

/**
 * The handshake of a client: flights 1, 3 and 5 of RFC 6347, Section 4.2.4.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5246#section-7.3
 */
export class ClientHandshake implements Handshake {
  readonly #settings: ClientSettings;
  readonly #port: HandshakePort;
  readonly #negotiation: Negotiation;
  /** What the server is to send; empty: none. Absent: we take no part in it. */
  readonly #ownId: Uint8Array | undefined;
  #hello: ClientHello;
  #steps: Steps = beforeServerHello;
  #cookies = 0;
  /** Of the certificate type that ServerHello names. */
  #own: OwnCredential | undefined;
  #serverType: CertificateType = CertificateType.X509;
  #server: PeerCredential | undefined;
  #exchange: ServerKeyExchange | undefined;
  #request: CertificateRequest | undefined;
  #answered = -1;
  isPaused = false;
  awaitsFinished = false;
  verifiesFirst = false;
  resumes: Session | undefined;

  constructor(settings: ClientSettings, port: HandshakePort) {
    this.#settings = settings;
    this.#port = port;
    this.#negotiation = new Negotiation(0, settings);
    const { connectionIdLength } = settings;
    this.#ownId = connectionIdLength === undefined ? undefined : port.env.random(connectionIdLength);
    this.resumes = offeredSession(settings, port.env.epoch());
    this.#hello = {
      version: dtls12,
      random: port.env.random(32),
      sessionId: this.resumes?.id ?? emptyBytes,
      cookie: emptyBytes,
      suites: settings.suites.map(({ id }) => id),
      compressions: Uint8Array.of(0),
      extensions: clientExtensions(settings, this.#ownId),
    };
  }

  get answered(): number {
    return this.#answered;
  }

  get awaitsFlight(): boolean {
    return this.awaitsFinished;
  }

  start(): void {
    this.#sendHello();
  }

  receive(message: ReceivedMessage): void {
    this.#steps = this.#steps.after(message.type);
    switch (message.type) {
      case HandshakeType.hello_verify_request:
        this.#helloVerifyRequest(message.body);
        return;
      case HandshakeType.finished:
        this.#finished(message);
        return;
      default:
        this.#negotiation.transcript.add(message);
        this.#serverFlight(message);
    }
  }

  #serverFlight({ type, sequence, body }: ReceivedMessage): void {
    switch (type) {
      case HandshakeType.server_hello:
        this.#serverHello(body);
        break;
      case HandshakeType.certificate:
        this.#certificate(body);
        break;
      case HandshakeType.server_key_exchange:
        this.#serverKeyExchange(body);
        break;
      case HandshakeType.certificate_request:
        this.#request = decodeCertificateRequest(body);
        break;
      default:
        this.#serverHelloDone(sequence, body);
    }
  }

  /** The key is pre-shared here, so nothing is asked. */
  providePsk(): void {
    throw new DtlsError('ERR_DTLS_STATE', 'expected an identity that was asked about, got none');
  }

  acceptPeer(): void {
    if (!this.isPaused) throw new DtlsError('ERR_DTLS_STATE', 'expected a key that was asked about, got none');
    this.isPaused = false;
    if (this.resumes === undefined) this.#answer();
    else this.#confirm();
  }

  rejectPeer(): void {
    throw refusedPeer();
  }

  #sendHello(): void {
    this.#port.send([this.#negotiation.message(HandshakeType.client_hello, encodeClientHello(this.#hello))], false);
  }

  /** RFC 6347 §4.2.1: the same again, with the cookie. The version in it says nothing. */
  #helloVerifyRequest(body: Uint8Array): void {
    const { cookie } = decodeHelloVerifyRequest(body);
    if (++this.#cookies > mostCookies) throw new HandshakeFailure('unexpected_message', `expected a cookie that is taken, got cookie ${this.#cookies}`);
    this.#steps = beforeServerHello;
    this.#negotiation.transcript.reset();
    this.#hello = { ...this.#hello, cookie: cookie.slice() };
    this.#sendHello();
  }

  #serverHello(body: Uint8Array): void {
    const hello = decodeServerHello(body);
    const { suites, requireExtendedMasterSecret } = this.#settings;
    if (hello.version !== dtls12) throw new HandshakeFailure('protocol_version', `expected DTLS 1.2, got version 0x${hello.version.toString(16)}`);
    const suite = suites.find(({ id }) => id === hello.suite);
    if (suite === undefined) throw new HandshakeFailure('illegal_parameter', `expected a cipher suite that was offered, got 0x${hello.suite.toString(16)}`);
    if (hello.compression !== 0) throw new HandshakeFailure('illegal_parameter', `expected no compression, got method ${hello.compression}`);
    for (const type of hello.extensions.keys())
      if (!this.#hello.extensions.has(type)) throw new HandshakeFailure('unsupported_extension', `expected extensions that were offered, got ${type}`);
    if (!equalBytes(hello.sessionId, this.#hello.sessionId)) this.resumes = undefined;
    const resumed = this.resumes;
    this.#serverExtensions(hello.extensions, resumed === undefined && suite.keyExchange === 'ECDHE_ECDSA');
    if (requireExtendedMasterSecret && !this.#negotiation.extended)
      throw new HandshakeFailure('handshake_failure', 'expected the extended master secret, got none');
    this.#negotiation.suite = suite;
    this.#negotiation.randoms = { client: this.#hello.random, server: hello.random.slice() };
    this.#negotiation.serverName = this.#settings.serverName;
    if (resumed === undefined) {
      this.#negotiation.sessionId = hello.sessionId.slice();
      this.#steps = serverFlights[suite.keyExchange];
    } else this.#resume(resumed);
  }

  /** The server goes on with the session: its Finished comes next. */
  #resume(session: Session): void {
    const negotiation = this.#negotiation;
    // RFC 5246 §7.4.1.3 and RFC 7627 §5.3.
    if (negotiation.suite !== session.cipherSuite)
      throw new HandshakeFailure('illegal_parameter', `expected the cipher suite of the session, got ${negotiation.suite!.name}`);
    if (!negotiation.extended) throw new HandshakeFailure('handshake_failure', 'expected the extended master secret of the session, got none');
    this.#port.protect(negotiation.resume(session), negotiation.ids, negotiation.sizes);
    this.verifiesFirst = true;
    this.#awaitFinished();
  }

  #awaitFinished(): void {
    this.#steps = new Steps({ type: HandshakeType.finished, required: true });
    this.awaitsFinished = true;
  }

  #serverExtensions(extensions: Extensions, hasCertificate: boolean): void {
    const renegotiation = extensions.get(ExtensionType.renegotiation_info);
    // RFC 5746 §3.4.
    if (renegotiation !== undefined && decodeU8s(renegotiation).length > 0)
      throw new HandshakeFailure('handshake_failure', 'expected an empty renegotiation_info, got another');
    const extended = extensions.get(ExtensionType.extended_master_secret);
    if (extended !== undefined) expectPresence(extended);
    this.#negotiation.extended = extended !== undefined;
    const formats = extensions.get(ExtensionType.ec_point_formats);
    if (formats !== undefined && !decodeU8s(formats).includes(uncompressed))
      throw new HandshakeFailure('illegal_parameter', 'expected the uncompressed point format, got others');
    const type = (extension: number): number | undefined => {
      const data = extensions.get(extension);
      if (data !== undefined && data.length !== 1) throw new HandshakeFailure('decode_error', `expected one certificate type, got ${data.length}`);
      return data?.[0];
    };
    // RFC 7250 §4.2: without the extension a certificate is X.509.
    const serverType = type(ExtensionType.server_certificate_type) ?? CertificateType.X509;
    const taken = this.#settings.peerTypes.find((one) => one === serverType);
    if (hasCertificate && taken === undefined)
      throw new HandshakeFailure('unsupported_certificate', `expected a certificate type of the server that was offered, got ${serverType}`);
    this.#serverType = taken ?? CertificateType.X509;
    const ownType = type(ExtensionType.client_certificate_type) ?? CertificateType.X509;
    this.#own = this.#settings.credentials.find((credential) => credential.type === ownType);
    const limit = extensions.get(ExtensionType.record_size_limit);
    if (limit !== undefined) this.#negotiation.sizes = { send: decodeRecordSizeLimit(limit), receive: this.#settings.recordSizeLimit };
    const named = extensions.get(ExtensionType.server_name);
    if (named !== undefined) expectPresence(named);
    const id = extensions.get(ExtensionType.connection_id);
    if (id !== undefined) this.#negotiation.ids = { send: decodeU8s(id).slice(), receive: this.#ownId! };
  }

  #certificate(body: Uint8Array): void {
    const { roots, host } = this.#settings;
    const rules = { roots, of: 'server', epoch: this.#port.env.epoch(), ...(host === undefined ? {} : { host }) } as const;
    this.#server = readPeerCredential(this.#serverType, body, rules);
    if (this.#server === undefined) throw new HandshakeFailure('illegal_parameter', 'expected a key or a certificate of the server, got none');
  }

  #serverKeyExchange(body: Uint8Array): void {
    const { keyExchange } = this.#negotiation.suite!;
    const exchange = decodeServerKeyExchange(keyExchange, body);
    const { parameters, signed } = exchange;
    if (parameters !== undefined) this.#group(parameters.group);
    if (signed !== undefined) checkSigned(signed, this.#server!.key, signedParameters(this.#negotiation.randoms!, parameters!));
    this.#exchange = exchange;
  }

  #group(id: number): NamedGroup {
    const group = this.#settings.groups.find((one) => one.id === id);
    if (group === undefined) throw new HandshakeFailure('illegal_parameter', `expected a group that was offered, got ${id}`);
    return group;
  }

  #serverHelloDone(sequence: number, body: Uint8Array): void {
    if (body.length > 0) throw new HandshakeFailure('decode_error', `expected an empty ServerHelloDone, got ${body.length} bytes`);
    this.#answered = sequence;
    if (this.#server === undefined) {
      this.#answer();
      return;
    }
    this.isPaused = true;
    this.#port.emit(questionAbout(this.#server));
  }

  /** Flight 5. */
  #answer(): void {
    const { psk } = this.#settings;
    const negotiation = this.#negotiation;
    const suite = negotiation.suite!;
    const items: FlightItem[] = [];
    const request = this.#request;
    const own = request?.types.includes(ecdsaSign) ? this.#own : undefined;
    const scheme = own === undefined ? undefined : signatureSchemeOf(own, request!.schemes);
    // RFC 5246 §7.4.6: who has nothing that suits sends an empty one.
    if (request !== undefined) items.push(negotiation.message(HandshakeType.certificate, scheme === undefined ? noCertificate : own!.body));
    const parameters = this.#exchange?.parameters;
    let point = emptyBytes;
    let shared: Uint8Array | undefined;
    if (parameters !== undefined) {
      const ephemeral = makeEphemeral(this.#group(parameters.group), this.#port.env);
      point = encodePoint(ephemeral.group, ephemeral.pair);
      shared = sharedSecret(ephemeral, parameters.point);
    }
    const exchange = encodeClientKeyExchange(suite.keyExchange, { identity: psk?.identity ?? emptyBytes, point });
    items.push(negotiation.message(HandshakeType.client_key_exchange, exchange));
    this.#port.protect(negotiation.derive(premasterSecret(suite, psk?.key, shared)), negotiation.ids, negotiation.sizes);
    if (scheme !== undefined) {
      const signed = digitallySign(scheme, own!.key, negotiation.transcript.bytes());
      items.push(negotiation.message(HandshakeType.certificate_verify, encodeCertificateVerify(signed)));
    }
    items.push({ epoch: 0 }, negotiation.finished('client'));
    this.#awaitFinished();
    this.#port.send(items, false);
  }

  #finished(message: ReceivedMessage): void {
    this.#negotiation.checkFinished('server', message);
    this.awaitsFinished = false;
    const peer = this.resumes?.peerIdentity;
    if (peer === undefined) this.#complete(this.#peer());
    else if (peer.type === 'raw-public-key' || peer.type === 'certificate') {
      // It may be that the server of then is no longer trusted.
      this.isPaused = true;
      this.#port.emit(questionAbout(peer));
    } else this.#confirm();
  }

  /** The last flight of an abbreviated handshake. */
  #confirm(): void {
    this.#port.send([{ epoch: 0 }, this.#negotiation.finished('client')], true);
    this.#complete(this.resumes!.peerIdentity);
  }

  #complete(peer: PeerIdentity): void {
    this.#port.complete(this.#negotiation.outcome(peer, ownProof(this.#settings, this.#negotiation.suite!), this.#port.env.epoch()));
  }

  #peer(): PeerIdentity {
    return this.#server ?? { type: 'psk', identity: this.#settings.psk!.identity };
  }
}
