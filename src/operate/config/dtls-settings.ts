import type { ConfigFile } from './file.ts';
import type { RateConfig } from './operations.ts';
import { type Entries, oneOf, oneOrMore, optional, positive, type RawDtlsOwn, type Schema, seconds, section, whole, yesNo } from './schema.ts';

/** Names of `src/dtls` for lists of cipher suites, and of the suites themselves. */
export const suiteLists = ['default', 'iot', 'seal-strict'] as const;
export const suiteNames = [
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
  'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
  'TLS_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_PSK_WITH_AES_128_CCM',
  'TLS_PSK_WITH_AES_128_CCM_8',
] as const;
/** The name of a list of cipher suites, or suites in order of preference. */
export type SuitesConfig = (typeof suiteLists)[number] | readonly (typeof suiteNames)[number][];

/** Of handshakes and sessions, for either side. */
export interface RawDtlsSettings extends RawDtlsOwn {
  readonly suites?: string | readonly string[];
  readonly mtu?: number;
  readonly record_size_limit?: number;
  readonly require_extended_master_secret?: boolean;
  readonly retransmit_timeout?: number;
  readonly handshake_timeout?: number;
  readonly idle_lifetime?: number;
  readonly max_lifetime?: number;
}

/** The same, of a server. */
export interface RawDtlsServerSettings extends RawDtlsSettings {
  readonly keep_sessions?: boolean;
  readonly connection_id?: number;
  readonly session_lifetime?: number;
  readonly limits?: {
    readonly connections?: number;
    readonly handshakes?: number;
    readonly handshake_bytes?: number;
    readonly sessions?: number;
    readonly failures?: RateConfig;
  };
}

/** As the engine takes them; times in milliseconds. */
export interface DtlsSettings {
  readonly mtu?: number;
  readonly recordSizeLimit?: number;
  readonly requireExtendedMasterSecret?: boolean;
  readonly retransmission?: { readonly initialTimeout: number };
  readonly handshakeTimeout?: number;
  readonly idleLifetime?: number;
  readonly maxLifetime?: number;
}

/** The same, of a server. */
export interface DtlsServerSettings extends DtlsSettings {
  readonly connectionIdLength?: number;
  readonly sessionLifetime?: number;
  readonly maxConnections?: number;
  readonly maxHandshakes?: number;
  readonly maxAllHandshakeBytes?: number;
  readonly maxSessions?: number;
  readonly failures?: RateConfig;
}

const suite = oneOf<string>([...suiteLists, ...suiteNames]);

const common: Entries = {
  suites: optional(oneOrMore('one of default, iot, seal-strict, or a cipher suite', suite)),
  mtu: optional(whole(64, 16_384, 'bytes')),
  record_size_limit: optional(whole(64, 16_384, 'bytes')),
  require_extended_master_secret: optional(yesNo),
  retransmit_timeout: optional(positive('seconds')),
  handshake_timeout: optional(whole(1, 86_400, 'seconds')),
  idle_lifetime: optional(seconds),
  max_lifetime: optional(seconds),
};

/** What a client may say of its sessions. */
export const dtlsClientSettings: Entries = common;

const most = 10_000_000;
const failures: Schema<RateConfig> = section('a rate: burst and rate', { burst: whole(1, 1_000_000, 'handshakes'), rate: positive('handshakes per second') });

/** What a server may say of its sessions. */
export const dtlsServerSettings: Entries = {
  ...common,
  keep_sessions: optional(yesNo),
  connection_id: optional(whole(1, 32, 'bytes')),
  session_lifetime: optional(whole(0, 4_294_967_295, 'seconds')),
  limits: optional(
    section('bounds of all sessions together: connections, handshakes, handshake_bytes, sessions, failures', {
      connections: optional(whole(1, most, 'connections')),
      handshakes: optional(whole(1, most, 'handshakes')),
      handshake_bytes: optional(whole(81_920, 1_073_741_824, 'bytes')),
      sessions: optional(whole(0, most, 'sessions')),
      failures: optional(failures),
    }),
  ),
};

type Suites = { readonly suites?: SuitesConfig };

/** The cipher suites of the section `dtls`; what is wrong is noted in `file`. */
function suitesOf(file: ConfigFile, { suites }: RawDtlsSettings): Suites {
  if (suites === undefined) return {};
  const named = typeof suites === 'string' ? [suites] : suites;
  const isList = (name: string): boolean => suiteLists.some((list) => list === name);
  if (named.length === 1 && isList(named[0]!)) return { suites: named[0] as (typeof suiteLists)[number] };
  named.forEach((name, index) => {
    if (isList(name)) file.problem(['dtls', 'suites', index], `expected either the name of a list alone or cipher suites, got "${name}" among others`);
  });
  return { suites: named as readonly (typeof suiteNames)[number][] };
}

const milliseconds = (name: string, seconds: number | undefined): object => (seconds === undefined ? {} : { [name]: Math.round(1000 * seconds) });

/** How sessions are opened and how long they last; what is wrong is noted in `file`. */
export function readDtlsSettings(file: ConfigFile, raw: RawDtlsSettings = {}): Suites & { readonly settings?: DtlsSettings } {
  const { mtu, record_size_limit: recordSizeLimit, require_extended_master_secret: isRequired, retransmit_timeout: retransmit } = raw;
  const settings: DtlsSettings = {
    ...(mtu !== undefined && { mtu }),
    ...(recordSizeLimit !== undefined && { recordSizeLimit }),
    ...(isRequired !== undefined && { requireExtendedMasterSecret: isRequired }),
    ...(retransmit !== undefined && { retransmission: { initialTimeout: Math.round(1000 * retransmit) } }),
    ...milliseconds('handshakeTimeout', raw.handshake_timeout),
    ...milliseconds('idleLifetime', raw.idle_lifetime),
    ...milliseconds('maxLifetime', raw.max_lifetime),
  };
  return { ...suitesOf(file, raw), ...(Object.keys(settings).length > 0 && { settings }) };
}

/** The same of a server. */
export function readDtlsServerSettings(file: ConfigFile, raw: RawDtlsServerSettings = {}): Suites & { readonly settings?: DtlsServerSettings } {
  const { suites, settings: both } = readDtlsSettings(file, raw) as Suites & { readonly settings?: DtlsSettings };
  const { connections, handshakes, handshake_bytes: handshakeBytes, sessions, failures } = raw.limits ?? {};
  const settings: DtlsServerSettings = {
    ...both,
    ...(raw.connection_id !== undefined && { connectionIdLength: raw.connection_id }),
    ...milliseconds('sessionLifetime', raw.session_lifetime),
    ...(connections !== undefined && { maxConnections: connections }),
    ...(handshakes !== undefined && { maxHandshakes: handshakes }),
    ...(handshakeBytes !== undefined && { maxAllHandshakeBytes: handshakeBytes }),
    ...(sessions !== undefined && { maxSessions: sessions }),
    ...(failures !== undefined && { failures }),
  };
  return { ...(suites !== undefined && { suites }), ...(Object.keys(settings).length > 0 && { settings }) };
}
