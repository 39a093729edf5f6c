import { emptyBytes } from '../core/bytes.ts';
import type { CurveKey } from '../core/crypto/index.ts';
import { HandshakeFailure } from './alert.ts';
import { type CipherSuite, emptyRenegotiationInfoScsv } from './cipher-suites.ts';
import type { ServerSettings } from './config.ts';
import { DtlsError } from './errors.ts';
import type { PeerIdentity } from './events.ts';
import { CertificateType, decodeU8s, decodeU16s, ExtensionType, encodeU8s, expectPresence, present, uncompressed } from './extensions.ts';
import type { FlightItem } from './flight.ts';
import { HandshakeType } from './handshake.ts';
import {
  type ClientHello,
  type ClientKeyExchange,
  decodeCertificateVerify,
  decodeClientKeyExchange,
  decodeRawPublicKey,
  ecdsaSign,
  encodeCertificateRequest,
  encodeRawPublicKey,
  encodeServerHello,
  encodeServerKeyExchange,
} from './messages.ts';
import { encodePoint, groupOfCurve, type NamedGroup } from './named-groups.ts';
import { type Ephemeral, type Handshake, type HandshakePort, makeEphemeral, Negotiation, premasterSecret, Steps, sharedSecret } from './negotiation.ts';
import { decodeSpki } from './raw-public-key.ts';
import type { ReceivedMessage } from './reassembly.ts';
import { dtls12 } from './record.ts';
import type { Session } from './session.ts';
import { checkSigned, digitallySign, schemeFor, signatureSchemes, signedParameters } from './signature.ts';

/** What a ClientHello says that is of use to us. */
interface Offer {
  readonly hello: ClientHello;
  readonly groups: readonly number[];
  readonly schemes: readonly number[];
  readonly serverCertificateTypes: readonly number[];
  readonly clientCertificateTypes: readonly number[];
}

/** Of TLS 1.2 without signature_algorithms: SHA-1, which we have not. */
const noSchemes: readonly number[] = [];

/** @throws {HandshakeFailure} for a hello that breaks a rule */
function readOffer(hello: ClientHello): Offer {
  const { version, compressions, extensions } = hello;
  // In DTLS a higher version has a lower number.
  if (version >>> 8 !== 0xfe || version > dtls12) throw new HandshakeFailure('protocol_version', `expected DTLS 1.2, got version 0x${version.toString(16)}`);
  if (!compressions.includes(0)) throw new HandshakeFailure('illegal_parameter', 'expected the null compression method, got others');
  const renegotiation = extensions.get(ExtensionType.renegotiation_info);
  // RFC 5746 §3.6.
  if (renegotiation !== undefined && decodeU8s(renegotiation).length > 0)
    throw new HandshakeFailure('handshake_failure', 'expected an empty renegotiation_info, got another');
  const extended = extensions.get(ExtensionType.extended_master_secret);
  if (extended !== undefined) expectPresence(extended);
  const formats = extensions.get(ExtensionType.ec_point_formats);
  // RFC 8422 §5.1.2.
  if (formats !== undefined && !decodeU8s(formats).includes(uncompressed))
    throw new HandshakeFailure('illegal_parameter', 'expected the uncompressed point format, got others');
  const groups = extensions.get(ExtensionType.supported_groups);
  const schemes = extensions.get(ExtensionType.signature_algorithms);
  const types = (extension: number): readonly number[] => {
    const data = extensions.get(extension);
    return data === undefined ? [CertificateType.X509] : [...decodeU8s(data)];
  };
  return {
    hello,
    // RFC 8422 §4: without it any.
    groups: groups === undefined ? [23, 24, 29] : decodeU16s(groups),
    schemes: schemes === undefined ? noSchemes : decodeU16s(schemes),
    serverCertificateTypes: types(ExtensionType.server_certificate_type),
    clientCertificateTypes: types(ExtensionType.client_certificate_type),
  };
}

interface Choice {
  readonly suite: CipherSuite;
  /** For ECDHE. */
  readonly group: NamedGroup | undefined;
  /** With which the server signs, for ECDHE_ECDSA. */
  readonly scheme: number | undefined;
}

/** The first suite of ours that the client offers and for which both have what it needs. @throws {HandshakeFailure} */
function choose(settings: ServerSettings, offer: Offer): Choice {
  const group = settings.groups.find(({ id }) => offer.groups.includes(id));
  const own = settings.rawPublicKey?.own;
  // RFC 8422 §5.1: the groups are for the key of the certificate too.
  const certificateGroup = own === undefined ? undefined : groupOfCurve(own.key.crv);
  const signs = own !== undefined && (certificateGroup === undefined || offer.groups.includes(certificateGroup.id));
  const scheme = signs ? schemeFor(own.key, offer.schemes) : undefined;
  const takesRawPublicKey = offer.serverCertificateTypes.includes(CertificateType.RawPublicKey);
  const shared = settings.suites.filter(({ id }) => offer.hello.suites.includes(id));
  for (const suite of shared) {
    if (suite.keyExchange === 'PSK') return { suite, group: undefined, scheme: undefined };
    if (group === undefined) continue;
    if (suite.keyExchange === 'ECDHE_PSK') return { suite, group, scheme: undefined };
    if (scheme !== undefined && takesRawPublicKey) return { suite, group, scheme };
  }
  // RFC 7250 §4.2.
  if (shared.length > 0 && group !== undefined && scheme !== undefined)
    throw new HandshakeFailure('unsupported_certificate', 'expected a client that takes a raw public key, got one that does not');
  throw new HandshakeFailure('handshake_failure', 'expected a cipher suite, a group and a signature scheme in common, got none');
}

/**
 * The handshake of a server, after the cookie exchange: flights 4 and 6 of RFC 6347, Section 4.2.4.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5246#section-7.3
 */
export class ServerHandshake implements Handshake {
  readonly #settings: ServerSettings;
  readonly #port: HandshakePort;
  readonly #negotiation: Negotiation;
  readonly #first: ReceivedMessage;
  readonly #hello: ClientHello;
  readonly #ownId: Uint8Array | undefined;
  #steps: Steps = new Steps();
  #ephemeral: Ephemeral | undefined;
  #exchange: ClientKeyExchange | undefined;
  #clientKey: { readonly key: CurveKey; readonly spki: Uint8Array } | undefined;
  #question: 'psk' | 'peer' | undefined;
  awaitsFinished = false;
  awaitsFlight = false;
  verifiesFirst = true;
  resumes: Session | undefined;

  /**
   * `first`: the ClientHello whose cookie was right, and `hello` what it holds. Our message_seq goes on from its own. `ownId`: the connection ID that the
   * client is to send, if it takes part in that; empty: none.
   */
  constructor(settings: ServerSettings, first: ReceivedMessage, hello: ClientHello, ownId: Uint8Array | undefined, port: HandshakePort) {
    this.#hello = hello;
    this.#ownId = ownId;
    this.#settings = settings;
    this.#port = port;
    this.#first = first;
    this.#negotiation = new Negotiation(first.sequence);
  }

  get answered(): number {
    return this.#first.sequence;
  }

  get isPaused(): boolean {
    return this.#question !== undefined;
  }

  /** Flight 4. */
  start(): void {
    const { rawPublicKey, psk, requireExtendedMasterSecret } = this.#settings;
    const negotiation = this.#negotiation;
    const hello = this.#hello;
    const offer = readOffer(hello);
    const { suite, group, scheme } = choose(this.#settings, offer);
    const { env } = this.#port;
    negotiation.transcript.add(this.#first);
    negotiation.suite = suite;
    negotiation.randoms = { client: hello.random, server: env.random(32) };
    negotiation.extended = hello.extensions.has(ExtensionType.extended_master_secret);
    if (requireExtendedMasterSecret && !negotiation.extended) throw new HandshakeFailure('handshake_failure', 'expected the extended master secret, got none');
    const asks = scheme !== undefined && this.#asksForKey(offer);
    const serverHello = {
      version: dtls12,
      random: negotiation.randoms.server,
      sessionId: emptyBytes,
      suite: suite.id,
      compression: 0,
      extensions: this.#extensions(hello, suite, asks),
    };
    const items: FlightItem[] = [negotiation.message(HandshakeType.server_hello, encodeServerHello(serverHello))];
    if (scheme !== undefined) items.push(negotiation.message(HandshakeType.certificate, encodeRawPublicKey(rawPublicKey!.own.spki)));
    const hint = psk?.hint ?? emptyBytes;
    if (group !== undefined) {
      this.#ephemeral = makeEphemeral(group, env);
      const parameters = { group: group.id, point: encodePoint(group, this.#ephemeral.pair) };
      const signed = scheme === undefined ? undefined : digitallySign(scheme, rawPublicKey!.own.key, signedParameters(negotiation.randoms, parameters));
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

  /** RFC 7250 §4.2: only a client that said that it can provide a raw public key is asked for it. */
  #asksForKey(offer: Offer): boolean {
    const { client } = this.#settings.rawPublicKey!;
    if (client === 'none') return false;
    const can = offer.clientCertificateTypes.includes(CertificateType.RawPublicKey);
    if (!can && client === 'require')
      throw new HandshakeFailure('unsupported_certificate', 'expected a client that has a raw public key, got one that has none');
    return can;
  }

  #extensions(hello: ClientHello, { keyExchange }: CipherSuite, asks: boolean): ReadonlyMap<number, Uint8Array> {
    const extensions = new Map<number, Uint8Array>();
    const offered = (type: number): boolean => hello.extensions.has(type);
    if (offered(ExtensionType.renegotiation_info) || hello.suites.includes(emptyRenegotiationInfoScsv))
      extensions.set(ExtensionType.renegotiation_info, encodeU8s([]));
    if (offered(ExtensionType.extended_master_secret)) extensions.set(ExtensionType.extended_master_secret, present);
    if (keyExchange !== 'PSK' && offered(ExtensionType.ec_point_formats)) extensions.set(ExtensionType.ec_point_formats, encodeU8s([uncompressed]));
    if (keyExchange === 'ECDHE_ECDSA') extensions.set(ExtensionType.server_certificate_type, Uint8Array.of(CertificateType.RawPublicKey));
    const id = hello.extensions.get(ExtensionType.connection_id);
    if (id !== undefined && this.#ownId !== undefined) {
      this.#negotiation.ids = { send: decodeU8s(id).slice(), receive: this.#ownId };
      extensions.set(ExtensionType.connection_id, encodeU8s([...this.#ownId]));
    }
    if (asks) extensions.set(ExtensionType.client_certificate_type, Uint8Array.of(CertificateType.RawPublicKey));
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
        checkSigned(decodeCertificateVerify(message.body), this.#clientKey!.key, transcript.bytes());
        transcript.add(message);
        this.#question = 'peer';
        this.#port.emit({ type: 'peer-key', ...this.#clientKey! });
        break;
      default:
        this.#finished(message);
    }
  }

  #certificate(body: Uint8Array): void {
    const spki = decodeRawPublicKey(body).slice();
    this.#steps = new Steps({ type: HandshakeType.client_key_exchange, required: true });
    if (spki.length === 0) {
      if (this.#settings.rawPublicKey!.client === 'require')
        throw new HandshakeFailure('handshake_failure', 'expected a raw public key of the client, got none');
      return;
    }
    const key = decodeSpki(spki);
    if (key === undefined)
      throw new HandshakeFailure('illegal_parameter', `expected a key on P-256, P-384 or Ed25519, got a SubjectPublicKeyInfo of ${spki.length} bytes`);
    this.#clientKey = { key, spki };
  }

  #clientKeyExchange(body: Uint8Array): void {
    const { keyExchange } = this.#negotiation.suite!;
    this.#exchange = decodeClientKeyExchange(keyExchange, body);
    if (keyExchange === 'ECDHE_ECDSA') {
      this.#derive(undefined);
      return;
    }
    this.#question = 'psk';
    this.#port.emit({ type: 'psk-identity', identity: this.#exchange.identity.slice() });
  }

  providePsk(key: Uint8Array): void {
    this.#answerTo('psk');
    this.#derive(key);
  }

  acceptPeer(): void {
    this.#answerTo('peer');
    this.#awaitFinished();
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
    if (this.#clientKey !== undefined) this.#steps = new Steps({ type: HandshakeType.certificate_verify, required: true });
    else this.#awaitFinished();
  }

  #awaitFinished(): void {
    this.#steps = new Steps({ type: HandshakeType.finished, required: true });
    this.awaitsFinished = true;
  }

  /** Flight 6. */
  #finished(message: ReceivedMessage): void {
    this.#negotiation.checkFinished('client', message);
    this.awaitsFinished = false;
    this.#port.send([{ epoch: 0 }, this.#negotiation.finished('server')], true);
    this.#port.complete(this.#negotiation.outcome(this.#peer(), emptyBytes, this.#port.env.epoch()));
  }

  #peer(): PeerIdentity {
    if (this.#negotiation.suite!.keyExchange !== 'ECDHE_ECDSA') return { type: 'psk', identity: this.#exchange!.identity.slice() };
    return this.#clientKey === undefined ? { type: 'anonymous' } : { type: 'raw-public-key', ...this.#clientKey };
  }
}
