import type { CurveKey, CurveKeyPair } from '../core/crypto/index.ts';
import { type CipherSuite, type SuiteChoice, suitesOf } from './cipher-suites.ts';
import { DtlsError } from './errors.ts';
import type { RetransmissionParameters } from './flight.ts';
import { type LimitConfig, type Limits, limitsOf } from './limits.ts';
import { type GroupName, groupsOf, type NamedGroup } from './named-groups.ts';
import { encodeSpki } from './raw-public-key.ts';

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
}

export interface ClientPsk {
  /** Any bytes, up to 65,535 (RFC 4279, Section 5.2; RFC 9202 puts CBOR here). */
  readonly identity: Uint8Array;
  readonly key: Uint8Array;
}

export interface ClientConfig extends CommonConfig {
  /** Offer the PSK suites. */
  readonly psk?: ClientPsk;
  /** Take raw public keys of servers (RFC 7250): each is asked about by the event `peer-key`. `own`: the key to prove when the server asks for one. */
  readonly rawPublicKey?: { readonly own?: CurveKeyPair };
}

export interface ServerConfig extends CommonConfig {
  /** Take PSK suites: each identity is asked about by the event `psk-identity`. */
  readonly psk?: { readonly hint?: Uint8Array };
  /** Show a raw public key (RFC 7250), and ask the client for its own: each is asked about by the event `peer-key`. Default `none`. */
  readonly rawPublicKey?: { readonly own: CurveKeyPair; readonly client?: 'none' | 'request' | 'require' };
}

/** A raw public key of ours, ready to be sent. */
export interface OwnKey {
  readonly key: CurveKeyPair;
  readonly spki: Uint8Array;
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
}

export interface ClientSettings extends Settings {
  readonly psk?: ClientPsk;
  readonly rawPublicKey?: { readonly own?: OwnKey };
}

export interface ServerSettings extends Settings {
  readonly psk?: { readonly hint?: Uint8Array };
  readonly rawPublicKey?: { readonly own: OwnKey; readonly client: 'none' | 'request' | 'require' };
}

/** The longest PSK and PSK identity: their length stands in two bytes. */
export const longestPsk = 0xffff;

/** The longest connection ID that we ask for. We send those of 255 bytes too. */
const longestOwnId = 32;

const bad = (expected: string, got: string): DtlsError => new DtlsError('ERR_DTLS_CONFIG', `expected ${expected}, got ${got}`);

/** A number from `low` to `high`. @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function within(name: string, value: number, low: number, high: number): number {
  if (typeof value !== 'number' || !(value >= low && value <= high)) throw bad(`${name} from ${low} to ${high}`, String(value));
  return value;
}

/** Bytes of a key or an identity. @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function checkPsk(name: string, bytes: Uint8Array, shortest: number): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw bad(`${name} as bytes`, typeof bytes);
  if (bytes.length < shortest || bytes.length > longestPsk) throw bad(`${name} of ${shortest} to ${longestPsk} bytes`, `${bytes.length}`);
  return bytes.slice();
}

function ownKey(key: CurveKeyPair): OwnKey {
  const spki = encodeSpki(key as CurveKey);
  if (spki === undefined || !(key.d instanceof Uint8Array)) throw bad('a private key on P-256, P-384 or Ed25519 with its public part', 'another');
  return { key, spki };
}

function common(config: CommonConfig, hasPsk: boolean, hasRawPublicKey: boolean): Settings {
  const suites = suitesOf(config.suites ?? 'default').filter(({ keyExchange }) => (keyExchange === 'ECDHE_ECDSA' ? hasRawPublicKey : hasPsk));
  if (suites.length === 0) throw bad('credentials (psk or rawPublicKey) for one of the suites at least', 'none');
  const groups = groupsOf(config.groups);
  if (groups.length === 0) throw bad('one group at least', 'none');
  const { initialTimeout = 1000, maxTimeout = 60_000, maxRetransmissions = 5 } = config.retransmission ?? {};
  return {
    suites,
    groups,
    mtu: within('mtu', config.mtu ?? 1200, 64, 16_384),
    retransmission: {
      initialTimeout: within('retransmission.initialTimeout', initialTimeout, 1, 3_600_000),
      maxTimeout: within('retransmission.maxTimeout', maxTimeout, 60_000, 86_400_000),
      maxRetransmissions: within('retransmission.maxRetransmissions', maxRetransmissions, 0, 100),
    },
    handshakeTimeout: within('handshakeTimeout', config.handshakeTimeout ?? 120_000, 1, 86_400_000),
    maxHandshakeBytes: within('maxHandshakeBytes', config.maxHandshakeBytes ?? 81_920, 512, 0x100_0000),
    connectionIdLength: config.connectionIdLength === undefined ? undefined : within('connectionIdLength', config.connectionIdLength, 0, longestOwnId),
    requireExtendedMasterSecret: config.requireExtendedMasterSecret ?? false,
    ...limitsOf(config, within),
  };
}

/** @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function clientSettings(config: ClientConfig): ClientSettings {
  const { psk, rawPublicKey } = config;
  return {
    ...common(config, psk !== undefined, rawPublicKey !== undefined),
    ...(psk === undefined ? {} : { psk: { identity: checkPsk('psk.identity', psk.identity, 0), key: checkPsk('psk.key', psk.key, 1) } }),
    ...(rawPublicKey === undefined ? {} : { rawPublicKey: rawPublicKey.own === undefined ? {} : { own: ownKey(rawPublicKey.own) } }),
  };
}

/** @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function serverSettings(config: ServerConfig): ServerSettings {
  const { psk, rawPublicKey } = config;
  return {
    ...common(config, psk !== undefined, rawPublicKey !== undefined),
    ...(psk === undefined ? {} : { psk: psk.hint === undefined ? {} : { hint: checkPsk('psk.hint', psk.hint, 0) } }),
    ...(rawPublicKey === undefined ? {} : { rawPublicKey: { own: ownKey(rawPublicKey.own), client: rawPublicKey.client ?? 'none' } }),
  };
}
