import { resolve } from 'node:path';
import { equalBytes, fromHex, toHex } from '../core/bytes.ts';
import { decode } from '../core/cbor.ts';
import { type CoseKey, decodeCoseKey, hidePrivateParts, macAlgorithms } from '../core/cose/index.ts';
import { aeadParameters } from '../core/crypto/index.ts';
import type { TokenKey } from '../core/cwt.ts';
import { defaultLeewayCap } from '../core/cwt-times.ts';
import { ProtocolError } from '../core/errors.ts';
import { tokenAlgorithms } from './algorithm-names.ts';
import { type ConfigPath, suggest } from './config-error.ts';
import { ConfigFile } from './config-file.ts';
import {
  asSchema,
  clientSchema,
  type RawAs,
  type RawOscore,
  type RawRs,
  type RawScope,
  type RawTokenKey,
  type RawTransmission,
  rsSchema,
} from './config-schema.ts';
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

/** `coap_oscore`, the profile that a section `oscore` stands for. */
const coapOscore = 2;

/** A secure channel with a peer: what a profile of that number takes as credentials. */
export interface ChannelConfig {
  readonly profile: number;
  readonly credentials: OscoreConfig;
}

export interface AsConfig {
  readonly file: string;
  /** At least one, of different schemes. */
  readonly listen: readonly ListenConfig[];
  readonly tls: TlsConfig;
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
  const resourceServers = Object.entries(raw.resource_servers).map(([id, server]) => {
    const at: ConfigPath = ['resource_servers', id];
    const tokenLifetime = server.token_lifetime ?? raw.token_lifetime;
    if (server.iss === true && raw.issuer === undefined) file.problem([...at, 'iss'], 'expected an issuer at the top of the file, got none');
    return {
      id,
      audiences: server.audiences,
      ...(server.oscore && reader.channel(server.oscore, [...at, 'oscore'])),
      profiles: [coapOscore],
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
    return {
      id,
      ...reader.channel(client.oscore, [...at, 'oscore']),
      ...(client.profiles && { profiles: [coapOscore] }),
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
  const issuers = raw.issuers.map(({ uri, issuer, token_keys, oscore }, index) => {
    const at: ConfigPath = ['issuers', index];
    if (raw.issuers.findIndex((other) => other.uri === uri) < index) file.problem([...at, 'uri'], 'expected each authorization server once, got one again');
    return {
      uri,
      ...(issuer !== undefined && { issuer }),
      tokenKeys: reader.tokenKeys(token_keys, [...at, 'token_keys']),
      ...(oscore && reader.channel(oscore, [...at, 'oscore'])),
    };
  });
  const { leeway = 0, leeway_cap: leewayCap = defaultLeewayCap } = raw;
  if (leeway > leewayCap) file.problem(['leeway'], `expected at most ${leewayCap} seconds, which is leeway_cap, got ${leeway}`);
  reader.finish();
  return {
    file: file.path,
    ...place,
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
  const authorizationServers = raw.authorization_servers.map(({ uri, oscore }, index) => {
    const at: ConfigPath = ['authorization_servers', index];
    if (raw.authorization_servers.findIndex((other) => other.uri === uri) < index) {
      file.problem([...at, 'uri'], 'expected each authorization server once, got one again');
    }
    return { uri, ...reader.channel(oscore, [...at, 'oscore']) };
  });
  reader.finish();
  return {
    file: file.path,
    store: resolve(file.folder, raw.store),
    tls,
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

  channel(raw: RawOscore, path: ConfigPath): ChannelConfig {
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
    const nothing: CoseKey = { kty: 2 };
    const parse = (bytes: Uint8Array): CoseKey => decodeCoseKey(decode(bytes));
    const isPublic = (bytes: Uint8Array): boolean => {
      try {
        return parse(bytes).d === undefined;
      } catch {
        return false;
      }
    };
    const bytes = readKey(this.#file, path, { ...raw }, 'key', 'key_file', { isPublic });
    if (!bytes) return nothing;
    try {
      return parse(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#file.problem([...path, raw.key === undefined ? 'key_file' : 'key'], `expected a COSE_Key in hexadecimal: ${error.message}`);
      return nothing;
    }
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
