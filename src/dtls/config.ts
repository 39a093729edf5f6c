import type { CurveKeyPair } from '../core/crypto/index.ts';
import type { Certificate } from './certificate.ts';
import { type CipherSuite, type SuiteChoice, suitesOf } from './cipher-suites.ts';
import { type CertificateList, certificatesOf, type OwnCertificate, type OwnCredential, ownCertificate, ownRawPublicKey } from './credentials.ts';
import { badConfig as bad } from './errors.ts';
import { CertificateType } from './extensions.ts';
import type { RetransmissionParameters } from './flight.ts';
import { type LimitConfig, type Limits, limitsOf } from './limits.ts';
import { type GroupName, groupsOf, type NamedGroup } from './named-groups.ts';
import { isServerName } from './server-name.ts';
import type { Session } from './session.ts';

/** What clients and servers have in common. */
export interface CommonConfig extends LimitConfig {
  /** In order of preference. Default `default`; of these, those for which there are credentials. */
  readonly suites?: SuiteChoice;
  /** In order of preference. Default x25519, secp256r1, secp384r1. */
  readonly groups?: readonly GroupName[];
  /** Bytes of a datagram while shaking hands. Default 1,200, from 64 to 16,384. */
  readonly mtu?: number;
  /** Default 1 s, doubled up to 60 s, five times. RFC 7925 advises 9 s for constrained networks. */
  readonly retransmission?: Partial<RetransmissionParameters>;
  /** Milliseconds that a handshake may take. Default 120,000. */
  readonly handshakeTimeout?: number;
  /** Bytes of handshake messages that wait to be put together, of one peer. Default 81,920, which holds the longest PSK identity. */
  readonly maxHandshakeBytes?: number;
  /**
   * Offer or take connection IDs (RFC 9146): bytes of those that the peer is to send, 0 to 32; 0 asks for none and sends what the peer wants. Absent: no
   * connection IDs.
   */
  readonly connectionIdLength?: number;
  /** Refuse a peer without the extended master secret (RFC 7627). Default false. */
  readonly requireExtendedMasterSecret?: boolean;
  /**
   * Called in each handshake with a line for the key log of NSS, which Wireshark reads: `CLIENT_RANDOM`, client_random and master secret. Who has the line can read
   * all that the connection says. Absent: nobody gets it.
   */
  readonly keyLog?: (line: string) => void;
}

/** A pre-shared key as a client has it. */
export interface ClientPsk {
  /** Any bytes, up to 65,535 (RFC 4279, Section 5.2; RFC 9202 puts CBOR here). */
  readonly identity: Uint8Array;
  readonly key: Uint8Array;
}

/** What a client offers and whom it takes as server. At least one of `psk`, `rawPublicKey` and `certificate` is there. */
export interface ClientConfig extends CommonConfig {
  /** The session of an earlier connection to this server: it is resumed if the server still has it, and if nothing has changed that it rests on. */
  readonly session?: Session;
  /** The DNS name of the server, told to it (RFC 6066, Section 3). Default: `certificate.host` if that is a name. */
  readonly serverName?: string;
  /** Offer the PSK suites. */
  readonly psk?: ClientPsk;
  /** Take raw public keys of servers (RFC 7250): each is asked about by the event `peer-key`. `own`: the key to prove when the server asks for one. */
  readonly rawPublicKey?: { readonly own?: CurveKeyPair };
  /**
   * Take X.509 certificates of servers that are for `host`, a domain name or an address, and lead to one of the roots: each is asked about by the event
   * `peer-certificate`. `own`: the certificate to show when the server asks for one.
   */
  readonly certificate?: { readonly roots: CertificateList; readonly host: string; readonly own?: OwnCertificate };
}

/** Whether a server asks clients for such a proof, and goes on without. */
export type ClientProof = 'none' | 'request' | 'require';

/** What a server shows, and what it asks for. */
export interface ServerCredentials {
  /** Take PSK suites: each identity is asked about by the event `psk-identity`. */
  readonly psk?: { readonly hint?: Uint8Array };
  /** Show a raw public key (RFC 7250), and ask the client for its own: each is asked about by the event `peer-key`. Default `none`. */
  readonly rawPublicKey?: { readonly own: CurveKeyPair; readonly client?: ClientProof };
  /**
   * Show an X.509 certificate, and ask the client for its own that leads to one of the roots: each is asked about by the event `peer-certificate`. Default
   * `none`. Where raw public keys are configured too, the client says which of them it would rather have, and one proof of either kind is enough.
   */
  readonly certificate?: { readonly own: OwnCertificate; readonly client?: ClientProof; readonly roots?: CertificateList };
}

/** What a server takes and shows, for one connection. */
export interface ServerConfig extends CommonConfig, ServerCredentials {
  /** Other credentials for clients that ask for a server of this name (RFC 6066, Section 3). */
  readonly serverNames?: Readonly<Record<string, ServerCredentials>>;
  /** What becomes of a client that asks for a name that is not among `serverNames`: `refuse` ends its handshake by unrecognized_name. Default `continue`. */
  readonly unknownServerName?: 'continue' | 'refuse';
}

export interface Settings extends Limits {
  readonly suites: readonly CipherSuite[];
  readonly groups: readonly NamedGroup[];
  readonly mtu: number;
  readonly retransmission: RetransmissionParameters;
  readonly handshakeTimeout: number;
  readonly maxHandshakeBytes: number;
  readonly connectionIdLength: number | undefined;
  readonly requireExtendedMasterSecret: boolean;
  readonly keyLog: CommonConfig['keyLog'];
}

/** What ECDHE_ECDSA needs, of either side. */
export interface KeySettings {
  /** What we can show, in order of preference. */
  readonly credentials: readonly OwnCredential[];
  /** What we take of the peer, in order of preference. */
  readonly peerTypes: readonly CertificateType[];
  readonly roots: readonly Certificate[];
}

export interface ClientSettings extends Settings, KeySettings {
  readonly psk?: ClientPsk;
  readonly host?: string;
  readonly session: Session | undefined;
  readonly serverName: string | undefined;
}

export interface ServerSettings extends Settings, KeySettings {
  readonly psk?: { readonly hint?: Uint8Array };
  readonly requiresClientKey: boolean;
  /** By name in lower case. */
  readonly serverNames: ReadonlyMap<string, ServerSettings>;
  readonly refusesUnknownName: boolean;
}

/** The longest PSK and PSK identity: their length stands in two bytes. */
const longestPsk = 0xffff;

/** The longest connection ID that we ask for. We send those of 255 bytes too. */
const longestOwnId = 32;

/** A number from `low` to `high`. @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function within(name: string, value: number, low: number, high: number): number {
  if (typeof value !== 'number' || !(value >= low && value <= high)) throw bad(`${name} from ${low} to ${high}`, String(value));
  return value;
}

/** The same of what is counted. @throws {DtlsError} `ERR_DTLS_CONFIG` */
function whole(name: string, value: number, low: number, high: number): number {
  if (!Number.isInteger(value)) throw bad(`${name} as a whole number from ${low} to ${high}`, String(value));
  return within(name, value, low, high);
}

/** Bytes of a key or an identity. @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function checkPsk(name: string, bytes: Uint8Array, shortest: number): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw bad(`${name} as bytes`, typeof bytes);
  if (bytes.length < shortest || bytes.length > longestPsk) throw bad(`${name} of ${shortest} to ${longestPsk} bytes`, `${bytes.length}`);
  return bytes.slice();
}

function common(config: CommonConfig, hasPsk: boolean, hasKeys: boolean): Settings {
  const suites = suitesOf(config.suites ?? 'default').filter(({ keyExchange }) => (keyExchange === 'ECDHE_ECDSA' ? hasKeys : hasPsk));
  if (suites.length === 0) throw bad('credentials (psk, rawPublicKey or certificate) for one of the suites at least', 'none');
  const groups = groupsOf(config.groups);
  if (groups.length === 0) throw bad('one group at least', 'none');
  const { initialTimeout = 1000, maxTimeout = 60_000, maxRetransmissions = 5 } = config.retransmission ?? {};
  return {
    suites,
    groups,
    mtu: whole('mtu', config.mtu ?? 1200, 64, 16_384),
    retransmission: {
      initialTimeout: within('retransmission.initialTimeout', initialTimeout, 1, 3_600_000),
      maxTimeout: within('retransmission.maxTimeout', maxTimeout, 60_000, 86_400_000),
      maxRetransmissions: whole('retransmission.maxRetransmissions', maxRetransmissions, 0, 100),
    },
    handshakeTimeout: within('handshakeTimeout', config.handshakeTimeout ?? 120_000, 1, 86_400_000),
    maxHandshakeBytes: whole('maxHandshakeBytes', config.maxHandshakeBytes ?? 81_920, 512, 0x100_0000),
    connectionIdLength: config.connectionIdLength === undefined ? undefined : whole('connectionIdLength', config.connectionIdLength, 0, longestOwnId),
    requireExtendedMasterSecret: config.requireExtendedMasterSecret ?? false,
    keyLog: config.keyLog,
    ...limitsOf(config, within, whole),
  };
}

/** A domain name of letters, digits and hyphens, or an address. */
const host = /^(?:(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?|[0-9a-f:.]*:[0-9a-f:.]*)$/i;

function checkHost(name: string): string {
  if (typeof name !== 'string' || name.length > 253 || !host.test(name)) throw bad('certificate.host as a domain name or an address', 'another');
  return name;
}

function checkServerName(name: string | undefined): string | undefined {
  if (name !== undefined && !(typeof name === 'string' && isServerName(name))) throw bad('serverName as a DNS name', 'another');
  return name?.toLowerCase();
}

const RawPublicKey: readonly CertificateType[] = [CertificateType.RawPublicKey];
const X509: readonly CertificateType[] = [CertificateType.X509];

/** @throws {DtlsError} `ERR_DTLS_CONFIG` @throws {CryptoError} `ERR_CRYPTO_PROVIDER` where the provider in use reads no certificates */
export function clientSettings(config: ClientConfig): ClientSettings {
  const { psk, rawPublicKey, certificate } = config;
  return {
    ...common(config, psk !== undefined, rawPublicKey !== undefined || certificate !== undefined),
    ...(psk === undefined ? {} : { psk: { identity: checkPsk('psk.identity', psk.identity, 0), key: checkPsk('psk.key', psk.key, 1) } }),
    credentials: [
      ...(rawPublicKey?.own === undefined ? [] : [ownRawPublicKey(rawPublicKey.own)]),
      ...(certificate?.own === undefined ? [] : [ownCertificate(certificate.own)]),
    ],
    peerTypes: [...(rawPublicKey === undefined ? [] : RawPublicKey), ...(certificate === undefined ? [] : X509)],
    roots: certificate === undefined ? [] : certificatesOf('certificate.roots', certificate.roots),
    ...(certificate === undefined ? {} : { host: checkHost(certificate.host) }),
    session: config.session,
    serverName:
      checkServerName(config.serverName) ?? (certificate !== undefined && isServerName(certificate.host) ? certificate.host.toLowerCase() : undefined),
  };
}

/** @throws {DtlsError} `ERR_DTLS_CONFIG` @throws {CryptoError} `ERR_CRYPTO_PROVIDER` where the provider in use reads no certificates */
export function serverSettings({ psk, rawPublicKey, certificate, serverNames = {}, ...rest }: ServerConfig): ServerSettings {
  const keyProof = rawPublicKey?.client ?? 'none';
  const certificateProof = certificate?.client ?? 'none';
  return {
    ...common(rest, psk !== undefined, rawPublicKey !== undefined || certificate !== undefined),
    ...(psk === undefined ? {} : { psk: psk.hint === undefined ? {} : { hint: checkPsk('psk.hint', psk.hint, 0) } }),
    credentials: [
      ...(rawPublicKey === undefined ? [] : [ownRawPublicKey(rawPublicKey.own)]),
      ...(certificate === undefined ? [] : [ownCertificate(certificate.own)]),
    ],
    peerTypes: [...(keyProof === 'none' ? [] : RawPublicKey), ...(certificateProof === 'none' ? [] : X509)],
    requiresClientKey: keyProof === 'require' || certificateProof === 'require',
    roots: certificateProof === 'none' ? [] : certificatesOf('certificate.roots', certificate?.roots ?? []),
    serverNames: new Map(Object.entries(serverNames).map(([name, own]) => [checkServerName(name)!, serverSettings({ ...rest, ...own })])),
    refusesUnknownName: rest.unknownServerName === 'refuse',
  };
}
