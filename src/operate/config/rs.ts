import { defaultLeewayCap } from '../../core/cwt-times.ts';
import { type DtlsConfig, readDtlsOwn, readKeepSessions } from './dtls.ts';
import { readDtlsServerSettings } from './dtls-settings.ts';
import type { ConfigPath } from './error.ts';
import { ConfigFile } from './file.ts';
import type { ListenConfig } from './listen.ts';
import { type OperationsConfig, readOperations } from './operations.ts';
import { type ChannelConfig, ConfigReader, type RevocationConfig, type TokenKeyConfig, type TransmissionConfig } from './reader.ts';
import { type RawRs, rsSchema } from './rs-schema.ts';
import type { ExperimentName } from './schema.ts';
import { readSealRs, type SealRsConfig, sealSuites } from './seal.ts';
import { akmaHint } from './seal-msgin5g.ts';
import { readStore } from './store.ts';
import type { TlsConfig } from './tls.ts';

/** A resource that `ace-coap rs` serves by itself. */
export interface ResourceConfig {
  readonly path: string;
  /** `sensor`: a number that changes; `value`: text that can be read and written. */
  readonly kind: 'sensor' | 'value' | 'inbox';
  readonly unit?: string;
  readonly initial?: string;
  /** Seconds between two values of a sensor. */
  readonly interval?: number;
  readonly title?: string;
}

/** An rs.yaml as it was read: files opened, keys decoded, paths absolute. */
export interface RsConfig extends OperationsConfig {
  readonly file: string;
  /** At least one, of different schemes. */
  readonly listen: readonly ListenConfig[];
  readonly tls: TlsConfig;
  readonly dtls: DtlsConfig & { readonly derivationKeys: Readonly<Record<string, Uint8Array>> };
  readonly audience: string | readonly string[];
  readonly store: string;
  /** With a channel where this RS may introspect. */
  readonly issuers: readonly (Partial<ChannelConfig> & { readonly uri: string; readonly issuer?: string; readonly tokenKeys: readonly TokenKeyConfig[] })[];
  readonly scopes?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** Absent: where there are no `scopes`. */
  readonly aif?: boolean;
  readonly resources: readonly ResourceConfig[];
  readonly cnonce: boolean;
  /** Seconds. */
  readonly leeway: number;
  readonly leewayCap: number;
  readonly public: readonly string[];
  readonly protectDiscovery: boolean;
  readonly experimental?: readonly ExperimentName[];
  /** Follow the revocation lists of the issuers that there is a channel to. Absent: none is followed. */
  readonly revocation?: RevocationConfig;
  /** Ask the issuers that there is a channel to about tokens that come to authz-info. Absent: none is asked. */
  readonly introspection?: {
    readonly tokens?: 'opaque' | 'every';
    /** Seconds for which an answer counts. */
    readonly cache?: number;
    /** Seconds to wait for it; 10. */
    readonly timeout?: number;
  };
  /** Requests that must be fresh (RFC 9175, Section 2.3). Absent: none but those that OSCORE asks it of. */
  readonly freshness?: {
    /** Their methods, among requests that a token permits. */
    readonly methods: readonly string[];
    /** Seconds. */
    readonly window?: number;
  };
  /** Offer Q-Block1 and Q-Block2 (RFC 9177). */
  readonly qBlock: boolean;
  readonly limits: {
    readonly tokens?: number;
    /** Token hashes of revoked tokens. */
    readonly revoked?: number;
    readonly payload?: number;
    readonly upload?: number;
    readonly pending?: number;
    readonly uploadBurst?: number;
    /** Uploads per second of one address. */
    readonly uploadRate?: number;
  };
  readonly transmission: TransmissionConfig;
  /** An address that has not shown itself is sent as much as it asks for. Absent: three times what came from it (RFC 9175, Section 2.4). */
  readonly amplification?: 'unlimited';
  /** It is a SEAL server. */
  readonly seal?: SealRsConfig;
}

/**
 * The configuration of a resource server, with its keys.
 *
 * @param path - a file, or a folder with `rs.yaml` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadRsConfig(path: string): RsConfig {
  const file = ConfigFile.read(path, 'rs.yaml');
  const raw = file.check(rsSchema);
  const reader = new ConfigReader(file);
  const place = reader.server(raw);
  const dtls = { ...readDtlsOwn(file, raw.dtls), ...readDtlsServerSettings(file, raw.dtls) };
  const derivationKeys: Record<string, Uint8Array> = {};
  const issuers = raw.issuers.map((given, index) => {
    const at: ConfigPath = ['issuers', index];
    const { uri, issuer, token_keys } = given;
    if (given.derivation_key_file !== undefined) derivationKeys[issuer ?? uri] = reader.derivationKey(given, at);
    if (raw.issuers.findIndex((other) => other.uri === uri) < index) file.problem([...at, 'uri'], 'expected each authorization server once, got one again');
    return {
      uri,
      ...(issuer !== undefined && { issuer }),
      tokenKeys: reader.tokenKeys(token_keys, [...at, 'token_keys']),
      ...reader.towards(given, at, dtls),
    };
  });
  const { leeway = 0, leeway_cap: leewayCap = defaultLeewayCap } = raw;
  if (leeway > leewayCap) file.problem(['leeway'], `expected at most ${leewayCap} seconds, which is leeway_cap, got ${leeway}`);
  if (!issuers.some(({ profile }) => profile !== undefined)) {
    const lacking = (key: string, what: string): void => file.problem([key], `expected an issuer with a section oscore or dtls, ${what}, got none`);
    if (raw.revocation !== undefined) lacking('revocation', 'over which its list can be had');
    if (raw.introspection !== undefined) lacking('introspection', 'which can be asked');
    if (raw.experimental?.includes('token-upload') === true) lacking('experimental', 'which protects the uploads');
  }
  const store = readStore(file, raw);
  const operations = readOperations(file, raw);
  const seal = readSealRs(file, raw);
  const suites = sealSuites(file, raw);
  const keep = readKeepSessions(file, raw.dtls, { ...dtls, ...suites });
  const transmission = reader.transmission(raw.transmission);
  for (const [path, { kind, initial }] of Object.entries(raw.resources ?? {}))
    if (kind === 'sensor' && initial !== undefined && !/^-?\d+(?:\.\d+)?$/.test(initial))
      file.problem(['resources', path, 'initial'], `expected a number in quotes, such as "21.5", got ${JSON.stringify(initial)}`);
  reader.finish();
  return {
    file: file.path,
    ...place,
    ...operations,
    dtls: { ...dtls, ...suites, ...keep, ...(seal.seal?.services.msgin5g && { pskHint: akmaHint }), derivationKeys },
    audience: raw.audience,
    store,
    issuers,
    ...(raw.scopes && { scopes: raw.scopes }),
    ...(raw.aif !== undefined && { aif: raw.aif }),
    resources: Object.entries(raw.resources ?? {}).map(([path, resource]) => ({ path, ...resource })),
    cnonce: raw.cnonce ?? false,
    leeway,
    leewayCap,
    public: raw.public ?? [],
    protectDiscovery: raw.protect_discovery ?? false,
    ...(raw.experimental && { experimental: raw.experimental }),
    ...(raw.revocation !== undefined && { revocation: raw.revocation }),
    ...(raw.introspection !== undefined && { introspection: raw.introspection }),
    ...(raw.freshness !== undefined && { freshness: raw.freshness }),
    qBlock: raw.q_block ?? false,
    limits: rsLimits(raw.limits),
    transmission,
    ...(raw.amplification && { amplification: raw.amplification }),
    ...seal,
  };
}

function rsLimits(raw: RawRs['limits'] = {}): RsConfig['limits'] {
  const { upload_burst: uploadBurst, upload_rate: uploadRate, ...limits } = raw;
  return { ...limits, ...(uploadBurst !== undefined && { uploadBurst }), ...(uploadRate !== undefined && { uploadRate }) };
}
