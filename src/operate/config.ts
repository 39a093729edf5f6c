import { resolve } from 'node:path';
import { equalBytes, fromHex, toHex } from '../core/bytes.ts';
import { type CoseKey, hidePrivateParts, macAlgorithms } from '../core/cose/index.ts';
import { aeadParameters } from '../core/crypto/index.ts';
import type { TokenKey } from '../core/cwt.ts';
import { defaultLeewayCap } from '../core/cwt-times.ts';
import { tokenAlgorithms } from './algorithm-names.ts';
import { type ConfigPath, suggest } from './config-error.ts';
import { ConfigFile } from './config-file.ts';
import {
  asSchema,
  clientSchema,
  type RawAs,
  type RawChannel,
  type RawOscore,
  type RawRs,
  type RawScope,
  type RawTokenKey,
  type RawTransmission,
  rsSchema,
} from './config-schema.ts';
import { type DtlsConfig, type DtlsPeerConfig, type DtlsServerConfig, readCoseKey, readDtlsOwn, readDtlsPeer, readDtlsServer } from './dtls-config.ts';
import { readKey } from './key-file.ts';
import { type ListenConfig, parseListen } from './listen.ts';
import { type OscoreConfig, readOscore } from './oscore-config.ts';
import { checkListen, readTls, type TlsConfig } from './tls-config.ts';

/** RFC 7252, Section 4.8; times in milliseconds. */
export interface TransmissionConfig {
  readonly ackTimeout?: number;
  readonly ackRandomFactor?: number;
  readonly maxRetransmit?: number;
  readonly nstart?: number;
  readonly probingRate?: number;
}

/** Scope names with a space between them, or the entries of an AIF: path and methods as a number (RFC 9237, Section 3). */
export type ScopeConfig = string | readonly (readonly [path: string, methods: number])[];

/** The profiles, by name; the sections `oscore` and `dtls` stand for a channel of each. */
const profileNumbers: Readonly<Record<string, number>> = { coap_dtls: 1, coap_oscore: 2 };
const coapDtls = 1;
const coapOscore = 2;

/** A secure channel with a peer: what a profile of that number takes as credentials. */
export interface ChannelConfig {
  readonly profile: number;
  readonly credentials: OscoreConfig | DtlsPeerConfig | DtlsServerConfig;
}

/** Keys by the names of the parties that have them, for the DTLS profile. */
export interface DtlsAsConfig extends DtlsConfig {
  readonly clientKeys: Readonly<Record<string, readonly CoseKey[]>>;
  readonly serverKeys: Readonly<Record<string, CoseKey>>;
  readonly derivationKeys: Readonly<Record<string, Uint8Array>>;
}

export interface AsConfig {
  readonly file: string;
  /** At least one, of different schemes. */
  readonly listen: readonly ListenConfig[];
  readonly tls: TlsConfig;
  readonly dtls: DtlsAsConfig;
  readonly issuer?: string;
  /** Folder of the store, absolute. */
  readonly store: string;
  readonly clients: readonly (ChannelConfig & {
    readonly id: string;
    readonly profiles?: readonly number[];
    readonly grants: readonly { readonly audience: string; readonly scope: ScopeConfig; readonly default?: ScopeConfig }[];
  })[];
  readonly resourceServers: readonly (Partial<ChannelConfig> & {
    readonly id: string;
    readonly audiences: readonly string[];
    readonly profiles: readonly number[];
    readonly tokenKeys: readonly TokenKey[];
    readonly scopes?: readonly string[];
    /** Seconds. */
    readonly tokenLifetime?: number;
    readonly exi?: boolean;
    readonly iss?: boolean;
  })[];
  readonly limits: { readonly payload?: number; readonly pending?: number; readonly tokensPerClient?: number };
  readonly transmission: TransmissionConfig;
}

/** A resource that `ace-coap rs` serves by itself. */
export interface ResourceConfig {
  readonly path: string;
  /** `sensor`: a number that changes; `value`: text that can be read and written. */
  readonly kind: 'sensor' | 'value';
  readonly unit?: string;
  readonly initial?: string;
  /** Seconds between two values of a sensor. */
  readonly interval?: number;
  readonly title?: string;
}

export interface RsConfig {
  readonly file: string;
  /** At least one, of different schemes. */
  readonly listen: readonly ListenConfig[];
  readonly tls: TlsConfig;
  readonly dtls: DtlsConfig & { readonly derivationKeys: Readonly<Record<string, Uint8Array>> };
  readonly audience: string | readonly string[];
  readonly store: string;
  /** With a channel where this RS may introspect. */
  readonly issuers: readonly (Partial<ChannelConfig> & { readonly uri: string; readonly issuer?: string; readonly tokenKeys: readonly TokenKey[] })[];
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
  readonly limits: {
    readonly tokens?: number;
    readonly payload?: number;
    readonly upload?: number;
    readonly pending?: number;
    readonly uploadBurst?: number;
    /** Uploads per second of one address. */
    readonly uploadRate?: number;
  };
  readonly transmission: TransmissionConfig;
}

export interface ClientConfig {
  readonly file: string;
  readonly store: string;
  readonly tls: TlsConfig;
  readonly dtls: DtlsConfig;
  /** The preferred one first. */
  readonly profiles: readonly number[];
  readonly authorizationServers: readonly (ChannelConfig & { readonly uri: string })[];
  /** Seconds to wait for an answer. */
  readonly timeout?: number;
  readonly confirmable: boolean;
  readonly transmission: TransmissionConfig;
}

/**
 * The configuration of an authorization server, with its keys.
 *
 * @param path - a file, or a folder with `as.yaml` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadAsConfig(path: string): AsConfig {
  const file = ConfigFile.read(path, 'as.yaml');
  const raw = file.check(asSchema);
  const reader = new Reader(file);
  const place = reader.server(raw);
  const dtls = readDtlsOwn(file, raw.dtls);
  const offered = [coapOscore, ...(place.listen.some(({ scheme }) => scheme === 'coaps') ? [coapDtls] : [])];
  const clientKeys: Record<string, readonly CoseKey[]> = {};
  const serverKeys: Record<string, CoseKey> = {};
  const derivationKeys: Record<string, Uint8Array> = {};
  const resourceServers = Object.entries(raw.resource_servers).map(([id, server]) => {
    const at: ConfigPath = ['resource_servers', id];
    const tokenLifetime = server.token_lifetime ?? raw.token_lifetime;
    if (server.iss === true && raw.issuer === undefined) file.problem([...at, 'iss'], 'expected an issuer at the top of the file, got none');
    if (server.raw_public_key_file !== undefined) serverKeys[id] = reader.publicKey(server, at);
    if (server.derivation_key_file !== undefined) derivationKeys[id] = reader.derivationKey(server, at);
    return {
      id,
      audiences: server.audiences,
      ...reader.peer(server, at),
      profiles: server.profiles?.map((profile) => profileNumbers[profile]!) ?? offered,
      tokenKeys: reader.tokenKeys(server.token_keys, [...at, 'token_keys']),
      ...(server.scopes && { scopes: server.scopes }),
      ...(tokenLifetime !== undefined && { tokenLifetime }),
      ...(server.exi !== undefined && { exi: server.exi }),
      ...(server.iss !== undefined && { iss: server.iss }),
    };
  });
  const scopesOf = new Map<string, readonly string[] | undefined>();
  for (const [id, server] of Object.entries(raw.resource_servers)) {
    server.audiences.forEach((audience, index) => {
      if (scopesOf.has(audience))
        file.problem(['resource_servers', id, 'audiences', index], `expected an audience of one resource server, got "${audience}" again`);
      scopesOf.set(audience, server.scopes);
    });
  }
  const clients = Object.entries(raw.clients).map(([id, client]) => {
    const at: ConfigPath = ['clients', id];
    if (client.raw_public_key_file !== undefined) clientKeys[id] = [reader.publicKey(client, at)];
    return {
      id,
      ...reader.needed(reader.peer(client, at), at),
      ...(client.profiles && { profiles: client.profiles.map((profile) => profileNumbers[profile]!) }),
      grants: Object.entries(client.grants).map(([audience, grant]) => {
        const here = [...at, 'grants', audience];
        if (!scopesOf.has(audience)) {
          file.problem(here, `expected an audience of a resource server, got "${audience}"${suggest(audience, [...scopesOf.keys()])}`, { atKey: true });
        }
        const known = scopesOf.get(audience);
        reader.knownScopes(grant.scope, known, [...here, 'scope']);
        if (grant.default !== undefined) reader.knownScopes(grant.default, known, [...here, 'default']);
        return { audience, scope: scopeConfig(grant.scope), ...(grant.default !== undefined && { default: scopeConfig(grant.default) }) };
      }),
    };
  });
  reader.distinctContexts();
  reader.finish();
  return {
    file: file.path,
    ...place,
    dtls: { ...dtls, clientKeys, serverKeys, derivationKeys },
    ...(raw.issuer !== undefined && { issuer: raw.issuer }),
    store: resolve(file.folder, raw.store),
    clients,
    resourceServers,
    limits: {
      ...(raw.limits?.payload !== undefined && { payload: raw.limits.payload }),
      ...(raw.limits?.pending !== undefined && { pending: raw.limits.pending }),
      ...(raw.limits?.tokens_per_client !== undefined && { tokensPerClient: raw.limits.tokens_per_client }),
    },
    transmission: transmissionConfig(raw.transmission),
  };
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
  const reader = new Reader(file);
  const place = reader.server(raw);
  const dtls = readDtlsOwn(file, raw.dtls);
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
  reader.finish();
  return {
    file: file.path,
    ...place,
    dtls: { ...dtls, derivationKeys },
    audience: raw.audience,
    store: resolve(file.folder, raw.store),
    issuers,
    ...(raw.scopes && { scopes: raw.scopes }),
    ...(raw.aif !== undefined && { aif: raw.aif }),
    resources: Object.entries(raw.resources ?? {}).map(([path, resource]) => ({ path, ...resource })),
    cnonce: raw.cnonce ?? false,
    leeway,
    leewayCap,
    public: raw.public ?? [],
    protectDiscovery: raw.protect_discovery ?? false,
    limits: rsLimits(raw.limits),
    transmission: transmissionConfig(raw.transmission),
  };
}

function rsLimits(raw: RawRs['limits'] = {}): RsConfig['limits'] {
  const { upload_burst: uploadBurst, upload_rate: uploadRate, ...limits } = raw;
  return { ...limits, ...(uploadBurst !== undefined && { uploadBurst }), ...(uploadRate !== undefined && { uploadRate }) };
}

/**
 * The configuration of a client, with its keys.
 *
 * @param path - a file, or a folder with `client.yaml` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadClientConfig(path: string): ClientConfig {
  const file = ConfigFile.read(path, 'client.yaml');
  const raw = file.check(clientSchema);
  const reader = new Reader(file);
  const tls = readTls(file, raw.tls);
  const dtls = readDtlsOwn(file, raw.dtls);
  const authorizationServers = raw.authorization_servers.map((given, index) => {
    const { uri } = given;
    const at: ConfigPath = ['authorization_servers', index];
    if (raw.authorization_servers.findIndex((other) => other.uri === uri) < index) {
      file.problem([...at, 'uri'], 'expected each authorization server once, got one again');
    }
    if (new URL(uri).protocol === 'coaps:' && given.dtls === undefined) file.problem([...at, 'uri'], 'expected a section dtls beside a URI of coaps, got none');
    return { uri, ...reader.needed(reader.towards(given, at, dtls), at) };
  });
  const profiles = raw.profiles?.map((profile) => profileNumbers[profile]!) ?? [...new Set(authorizationServers.map(({ profile }) => profile))];
  for (const [index, { profile }] of authorizationServers.entries())
    if (!profiles.includes(profile)) file.problem(['authorization_servers', index], 'expected a channel of one of the profiles, got one of another');
  reader.finish();
  return {
    file: file.path,
    store: resolve(file.folder, raw.store),
    tls,
    dtls,
    profiles,
    authorizationServers,
    ...(raw.defaults?.timeout !== undefined && { timeout: raw.defaults.timeout }),
    confirmable: raw.defaults?.confirmable ?? true,
    transmission: transmissionConfig(raw.transmission),
  };
}

/** Reads keys in and notes what is wrong with them; what it returns is only good when `finish` has not thrown. */
class Reader {
  readonly #file: ConfigFile;
  readonly #contexts: { readonly path: ConfigPath; readonly recipientId: Uint8Array; readonly idContext: Uint8Array | undefined }[] = [];

  constructor(file: ConfigFile) {
    this.#file = file;
  }

  finish(): void {
    if (this.#file.hasProblems) this.#file.finish();
  }

  /** Where a server listens, and with which certificate. */
  server({ listen: raw, tls }: Pick<RawAs, 'listen' | 'tls'>): { readonly listen: readonly ListenConfig[]; readonly tls: TlsConfig } {
    const listen = (typeof raw === 'string' ? [raw] : raw).map((text) => parseListen(text)!);
    checkListen(this.#file, listen, tls);
    return { listen, tls: readTls(this.#file, tls) };
  }

  /** The channel of the AS with a peer of it. */
  peer({ oscore, dtls }: RawChannel, path: ConfigPath): ChannelConfig | undefined {
    this.#atMostOne(oscore, dtls, path);
    if (oscore !== undefined) return this.#oscore(oscore, [...path, 'oscore']);
    return dtls === undefined ? undefined : { profile: coapDtls, credentials: readDtlsPeer(this.#file, dtls, [...path, 'dtls']) };
  }

  /** The channel with an AS. */
  towards({ oscore, dtls }: RawChannel, path: ConfigPath, own: DtlsConfig): ChannelConfig | undefined {
    this.#atMostOne(oscore, dtls, path);
    if (oscore !== undefined) return this.#oscore(oscore, [...path, 'oscore']);
    return dtls === undefined ? undefined : { profile: coapDtls, credentials: readDtlsServer(this.#file, dtls, [...path, 'dtls'], own) };
  }

  needed(channel: ChannelConfig | undefined, path: ConfigPath): ChannelConfig {
    if (channel !== undefined) return channel;
    this.#file.problem(path, 'expected a section oscore or dtls, got neither');
    return { profile: coapOscore, credentials: { masterSecret: new Uint8Array(16), senderId: new Uint8Array(1), recipientId: new Uint8Array(2) } };
  }

  publicKey(raw: { readonly raw_public_key_file?: string }, path: ConfigPath): CoseKey {
    return readCoseKey(this.#file, path, raw, 'raw_public_key', 'raw_public_key_file', 'public');
  }

  derivationKey(raw: { readonly derivation_key_file?: string }, path: ConfigPath): Uint8Array {
    const key = readKey(this.#file, path, { ...raw }, 'derivation_key', 'derivation_key_file') ?? new Uint8Array(16);
    if (key.length < 16) this.#file.problem([...path, 'derivation_key_file'], `expected a key of at least 16 bytes, got ${key.length}`);
    return key;
  }

  #atMostOne(oscore: RawOscore | undefined, dtls: RawChannel['dtls'] | undefined, path: ConfigPath): void {
    if (oscore !== undefined && dtls !== undefined) this.#file.problem(path, 'expected one of oscore and dtls, got both');
  }

  #oscore(raw: RawOscore, path: ConfigPath): ChannelConfig {
    const credentials = readOscore(this.#file, raw, path);
    this.#contexts.push({ path, recipientId: credentials.recipientId, idContext: credentials.idContext });
    return { profile: coapOscore, credentials };
  }

  /** One server finds a context by recipient ID and ID Context: two with the same would shut each other out. */
  distinctContexts(): void {
    this.#contexts.forEach(({ path, recipientId, idContext }, index) => {
      const other = this.#contexts
        .slice(0, index)
        .find(
          (earlier) => equalBytes(earlier.recipientId, recipientId) && toHex(earlier.idContext ?? new Uint8Array()) === toHex(idContext ?? new Uint8Array()),
        );
      if (!other) return;
      this.#file.problem(
        [...path, 'recipient_id'],
        `expected an identifier of its own, got "${toHex(recipientId)}", which ${other.path.slice(0, 2).join('.')} has too`,
      );
    });
  }

  tokenKeys(raw: readonly RawTokenKey[], path: ConfigPath): readonly TokenKey[] {
    return raw.map((entry, index) => this.#tokenKey(entry, [...path, index]));
  }

  #tokenKey(raw: RawTokenKey, path: ConfigPath): TokenKey {
    const algorithms = tokenAlgorithms[raw.use];
    const algorithm = algorithms[raw.alg];
    if (algorithm === undefined)
      this.#file.problem([...path, 'alg'], `expected an algorithm for ${raw.use}: ${Object.keys(algorithms).join(', ')}; got "${raw.alg}"`);
    const kid = raw.kid === undefined ? undefined : fromHex(raw.kid);
    const key = raw.use === 'sign1' ? this.#signatureKey(raw, path) : this.#symmetricKey(raw, algorithm, path);
    return { use: raw.use, algorithm: algorithm ?? 0, key, ...(kid !== undefined && { kid }) };
  }

  #symmetricKey(raw: RawTokenKey, algorithm: number | undefined, path: ConfigPath): CoseKey {
    const k = readKey(this.#file, path, { ...raw }, 'key', 'key_file') ?? new Uint8Array(0);
    const place = [...path, raw.key === undefined ? 'key_file' : 'key'];
    if (k.length > 0 && algorithm !== undefined) {
      const length = raw.use === 'encrypt0' ? aeadParameters(algorithm)?.keyLength : macAlgorithms.get(algorithm)?.keyLength;
      if (length !== undefined && k.length !== length) this.#file.problem(place, `expected a key of ${length} bytes for ${raw.alg}, got ${k.length}`);
    }
    return hidePrivateParts({ kty: 4, k });
  }

  /** A signature key is a COSE_Key in hexadecimal: with `d` at the AS, without at an RS, where it is no secret. */
  #signatureKey(raw: RawTokenKey, path: ConfigPath): CoseKey {
    return readCoseKey(this.#file, path, raw, 'key', 'key_file');
  }

  knownScopes(scope: RawScope, known: readonly string[] | undefined, path: ConfigPath): void {
    if (typeof scope !== 'string' || known === undefined) return;
    for (const name of scope.split(' ')) {
      if (!known.includes(name)) this.#file.problem(path, `expected scopes of the resource server, got "${name}"${suggest(name, known)}`);
    }
  }
}

const methodBit: Readonly<Record<string, number>> = { GET: 1, POST: 2, PUT: 4, DELETE: 8, FETCH: 16, PATCH: 32, iPATCH: 64 };

function scopeConfig(scope: RawScope): ScopeConfig {
  if (typeof scope === 'string') return scope;
  return Object.entries(scope).map(([path, methods]) => [path, methods.reduce((bits, method) => bits | methodBit[method]!, 0)] as const);
}

function transmissionConfig(raw: RawTransmission = {}): TransmissionConfig {
  return {
    ...(raw.ack_timeout !== undefined && { ackTimeout: raw.ack_timeout * 1000 }),
    ...(raw.ack_random_factor !== undefined && { ackRandomFactor: raw.ack_random_factor }),
    ...(raw.max_retransmit !== undefined && { maxRetransmit: raw.max_retransmit }),
    ...(raw.nstart !== undefined && { nstart: raw.nstart }),
    ...(raw.probing_rate !== undefined && { probingRate: raw.probing_rate }),
  };
}
