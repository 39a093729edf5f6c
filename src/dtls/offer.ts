import { HandshakeFailure } from './alert.ts';
import type { CipherSuite } from './cipher-suites.ts';
import type { ServerSettings } from './config.ts';
import { type OwnCredential, signatureSchemeOf } from './credentials.ts';
import { CertificateType, decodeU8s, decodeU16s, ExtensionType, expectPresence, uncompressed } from './extensions.ts';
import type { ClientHello } from './messages.ts';
import { groupOfCurve, type NamedGroup } from './named-groups.ts';
import { dtls12 } from './record.ts';
import { decodeServerName } from './server-name.ts';

/** What a ClientHello says that is of use to us. */
export interface Offer {
  readonly hello: ClientHello;
  readonly groups: readonly number[];
  readonly schemes: readonly number[];
  readonly serverCertificateTypes: readonly number[];
  readonly clientCertificateTypes: readonly number[];
  readonly serverName: string | undefined;
}

/** Of TLS 1.2 without signature_algorithms: SHA-1, which we have not. */
const noSchemes: readonly number[] = [];

/** @throws {HandshakeFailure} for a hello that breaks a rule */
export function readOffer(hello: ClientHello): Offer {
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
  const name = extensions.get(ExtensionType.server_name);
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
    serverName: name === undefined ? undefined : decodeServerName(name),
  };
}

/** A credential of ours, and the scheme that the client takes of it. */
export interface Signer {
  readonly credential: OwnCredential;
  readonly scheme: number;
}

export interface Choice {
  readonly suite: CipherSuite;
  /** For ECDHE. */
  readonly group?: NamedGroup;
  /** For ECDHE_ECDSA. */
  readonly signer?: Signer;
}

/** The credentials that the client can follow. */
function signersFor({ credentials }: ServerSettings, { groups, schemes }: Offer): readonly Signer[] {
  return credentials.flatMap((credential) => {
    // RFC 8422 §5.1: the groups are for the key of the certificate too.
    const group = groupOfCurve(credential.key.crv);
    const scheme = group === undefined || groups.includes(group.id) ? signatureSchemeOf(credential, schemes) : undefined;
    return scheme === undefined ? [] : [{ credential, scheme }];
  });
}

/** The first suite of ours that the client offers and for which both have what it needs. @throws {HandshakeFailure} */
export function choose(settings: ServerSettings, offer: Offer): Choice {
  const shared = settings.suites.filter(({ id }) => offer.hello.suites.includes(id));
  if (shared[0]?.keyExchange === 'PSK') return { suite: shared[0] };
  const group = settings.groups.find(({ id }) => offer.groups.includes(id));
  const signers = signersFor(settings, offer);
  // RFC 7250 §4.1: its list is in the order of its preference.
  const ofType = offer.serverCertificateTypes.map((type) => signers.find(({ credential }) => credential.type === type));
  const signer = ofType.find((one) => one !== undefined);
  for (const suite of shared) {
    if (suite.keyExchange === 'PSK') return { suite };
    if (group === undefined) continue;
    if (suite.keyExchange === 'ECDHE_PSK') return { suite, group };
    if (signer !== undefined) return { suite, group, signer };
  }
  // RFC 7250 §4.2.
  if (shared.length > 0 && group !== undefined && signers.length > 0)
    throw new HandshakeFailure('unsupported_certificate', 'expected a client that takes a certificate type of ours, got one that does not');
  throw new HandshakeFailure('handshake_failure', 'expected a cipher suite, a group and a signature scheme in common, got none');
}
