import type { CoseKey } from '../../core/cose/index.ts';
import { parseStorePlace } from '../../store/index.ts';
import { type AdminObjectName, type AdminWord, asSchema, type RawAs, type RawAsClient, type RawAsResourceServer, type RawHttpsClient } from './as-schema.ts';
import { type DtlsConfig, readDtlsOwn, readKeepSessions } from './dtls.ts';
import { readDtlsServerSettings } from './dtls-settings.ts';
import { type ConfigPath, suggest } from './error.ts';
import { ConfigFile } from './file.ts';
import type { ListenConfig } from './listen.ts';
import { type AuditConfig, type OperationsConfig, type RatesConfig, ratesConfig, readAuditConfig, readOperations } from './operations.ts';
import {
  type ChannelConfig,
  ConfigReader,
  coapDtls,
  coapOscore,
  profileNumbers,
  type ScopeConfig,
  scopeConfig,
  type TokenKeyConfig,
  type TransmissionConfig,
} from './reader.ts';
import type { ExperimentName, GrantTypeName } from './schema.ts';
import { readSealAs, type SealAsConfig, sealSuites } from './seal.ts';
import { readStore } from './store.ts';
import type { TlsConfig } from './tls.ts';

/** Seconds. A client that moves from one server to another waits no longer; while requests come, a lease is prolonged twice in it. */
const usualLease = 5;

/** Keys by the names of the parties that have them, for the DTLS profile. */
export interface DtlsAsConfig extends DtlsConfig {
  readonly clientKeys: Readonly<Record<string, readonly CoseKey[]>>;
  readonly serverKeys: Readonly<Record<string, CoseKey>>;
  readonly derivationKeys: Readonly<Record<string, Uint8Array>>;
}

/** A client of an as.yaml. */
export interface ClientRegistrationConfig extends Partial<ChannelConfig> {
  readonly id: string;
  /** How it is known over HTTPS. */
  readonly https?: { readonly secret: string; readonly redirectUris?: readonly string[]; readonly name?: string; readonly resourceServer?: string };
  readonly profiles?: readonly number[];
  readonly grantTypes?: readonly GrantTypeName[];
  /** The hash of its client_secret. */
  readonly secret?: string;
  readonly grants: readonly { readonly audience: string; readonly scope: ScopeConfig; readonly default?: ScopeConfig }[];
  readonly admin?: 'all' | readonly AdminObjectName[];
}

/** A resource server of an as.yaml. */
export interface ResourceServerRegistrationConfig extends Partial<ChannelConfig> {
  readonly id: string;
  readonly audiences: readonly string[];
  readonly profiles?: readonly number[];
  readonly tokenKeys: readonly TokenKeyConfig[];
  readonly scopes?: readonly string[];
  /** Seconds. */
  readonly tokenLifetime?: number;
  readonly exi?: boolean;
  readonly iss?: boolean;
  readonly authzInfo?: string;
}

/** An as.yaml as it was read: files opened, keys decoded, paths absolute. */
export interface AsConfig extends OperationsConfig {
  readonly file: string;
  /** At least one, of different schemes. */
  readonly listen: readonly ListenConfig[];
  readonly tls: TlsConfig;
  readonly dtls: DtlsAsConfig;
  readonly issuer?: string;
  /** Absent: client_credentials only. */
  readonly grantTypes?: readonly GrantTypeName[];
  /** Seconds; and whether client_credentials come with them. */
  readonly refreshTokens?: { readonly lifetime?: number; readonly familyLifetime?: number; readonly clientCredentials?: boolean };
  /** For `openStore`: a folder, absolute, or the URL of a database, which may hold a password. */
  readonly store: string;
  /** Seconds that a process has a security context to itself, where several serve with one store. Absent: this process is the only one. */
  readonly lease?: number;
  readonly clients: readonly ClientRegistrationConfig[];
  readonly resourceServers: readonly ResourceServerRegistrationConfig[];
  readonly limits: { readonly payload?: number; readonly pending?: number; readonly tokensPerClient?: number; readonly rate?: RatesConfig };
  /** Absent: there is no audit log. */
  readonly audit?: AuditConfig;
  readonly experimental?: readonly ExperimentName[];
  readonly revocation?: {
    /** Clients that see the whole list. */
    readonly administrators?: readonly string[];
    /** Seconds until observers hear of what another process has revoked. */
    readonly poll?: number;
  };
  readonly transmission: TransmissionConfig;
  /** An address that has not shown itself is sent as much as it asks for. Absent: three times what came from it (RFC 9175, Section 2.4). */
  readonly amplification?: 'unlimited';
  /** It is a SIM-S. */
  readonly seal?: SealAsConfig;
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
  const reader = new ConfigReader(file);
  const place = reader.server(raw);
  const dtls = { ...readDtlsOwn(file, raw.dtls), ...readDtlsServerSettings(file, raw.dtls) };
  const offered = [coapOscore, ...(place.listen.some(({ scheme }) => scheme === 'coaps') ? [coapDtls] : [])];
  const { resourceServers, serverKeys, derivationKeys } = resourceServersIn(raw, file, reader, offered);
  const { clients, clientKeys } = clientsIn(raw, file, reader);
  const operations = { ...readOperations(file, raw), ...readAuditConfig(file, raw) };
  reader.distinctContexts();
  const store = readStore(file, raw);
  const lease = leaseOf(raw.lease, store);
  const seal = readSealAs(file, raw, (keys, at) => reader.tokenKeys(keys, at));
  const suites = sealSuites(file, raw);
  const keep = readKeepSessions(file, raw.dtls, { ...dtls, ...suites }, lease.lease);
  const transmission = reader.transmission(raw.transmission);
  reader.finish();
  return {
    file: file.path,
    ...place,
    ...operations,
    dtls: { ...dtls, ...suites, ...keep, clientKeys, serverKeys, derivationKeys },
    ...(raw.issuer !== undefined && { issuer: raw.issuer }),
    ...(raw.grant_types && { grantTypes: raw.grant_types }),
    ...(raw.refresh_tokens && { refreshTokens: refreshTokensOf(raw.refresh_tokens) }),
    store,
    ...lease,
    clients,
    resourceServers,
    limits: {
      ...(raw.limits?.payload !== undefined && { payload: raw.limits.payload }),
      ...(raw.limits?.pending !== undefined && { pending: raw.limits.pending }),
      ...(raw.limits?.rate && { rate: ratesConfig(raw.limits.rate) }),
      ...(raw.limits?.tokens_per_client !== undefined && { tokensPerClient: raw.limits.tokens_per_client }),
    },
    ...(raw.experimental && { experimental: raw.experimental }),
    ...(raw.revocation !== undefined && { revocation: raw.revocation }),
    transmission,
    ...(raw.amplification && { amplification: raw.amplification }),
    ...seal,
  };
}

/** The resource servers, and what of them is for DTLS alone. */
function resourceServersIn(raw: RawAs, file: ConfigFile, reader: ConfigReader, offered: readonly number[]) {
  const serverKeys: Record<string, CoseKey> = {};
  const derivationKeys: Record<string, Uint8Array> = {};
  const resourceServers = Object.entries(raw.resource_servers).map(([id, server]) => {
    const at: ConfigPath = ['resource_servers', id];
    const tokenLifetime = server.token_lifetime ?? raw.token_lifetime;
    if (server.iss === true && raw.issuer === undefined) file.problem([...at, 'iss'], 'expected an issuer at the top of the file, got none');
    if (server.raw_public_key_file !== undefined) serverKeys[id] = reader.publicKey(server, at);
    if (server.derivation_key_file !== undefined) derivationKeys[id] = reader.derivationKey(server, at);
    return { profiles: offered, ...resourceServerOf(reader, id, server, at), ...(tokenLifetime !== undefined && { tokenLifetime }) };
  });
  return { resourceServers, serverKeys, derivationKeys };
}

/** The clients, whose grants are for audiences that there are, and their keys for DTLS. */
function clientsIn(raw: RawAs, file: ConfigFile, reader: ConfigReader) {
  const scopesOf = scopesByAudience(raw, file);
  const clientKeys: Record<string, readonly CoseKey[]> = {};
  const clients = Object.entries(raw.clients).map(([id, client]) => {
    const at: ConfigPath = ['clients', id];
    if (client.raw_public_key_file !== undefined) clientKeys[id] = [reader.publicKey(client, at)];
    for (const [audience, grant] of Object.entries(client.grants)) {
      const here = [...at, 'grants', audience];
      if (!scopesOf.has(audience)) {
        file.problem(here, `expected an audience of a resource server, got "${audience}"${suggest(audience, [...scopesOf.keys()])}`, { atKey: true });
      }
      const known = scopesOf.get(audience);
      reader.knownScopes(grant.scope, known, [...here, 'scope']);
      if (grant.default !== undefined) reader.knownScopes(grant.default, known, [...here, 'default']);
    }
    return clientOf(reader, id, client, at);
  });
  return { clients, clientKeys };
}

function scopesByAudience(raw: RawAs, file: ConfigFile): ReadonlyMap<string, readonly string[] | undefined> {
  const scopesOf = new Map<string, readonly string[] | undefined>();
  for (const [id, server] of Object.entries(raw.resource_servers)) {
    server.audiences.forEach((audience, index) => {
      if (scopesOf.has(audience))
        file.problem(['resource_servers', id, 'audiences', index], `expected an audience of one resource server, got "${audience}" again`);
      scopesOf.set(audience, server.scopes);
    });
  }
  return scopesOf;
}

/** Whoever puts the store into a database means to have several servers. */
function leaseOf(given: number | undefined, store: string): { readonly lease?: number } {
  const lease = given ?? (parseStorePlace(store)?.kind === 'postgres' ? usualLease : undefined);
  return lease === undefined ? {} : { lease };
}

/** A client as it stands under its name. */
export function clientOf(reader: ConfigReader, id: string, client: RawAsClient, at: ConfigPath): ClientRegistrationConfig {
  return {
    id,
    ...channelOf(reader, client, at),
    ...(client.https !== undefined && { https: httpsOf(client.https) }),
    ...(client.profiles && { profiles: client.profiles.map((profile) => profileNumbers[profile]!) }),
    ...(client.grant_types && { grantTypes: client.grant_types }),
    ...(client.secret_hash !== undefined && { secret: client.secret_hash }),
    grants: Object.entries(client.grants).map(([audience, grant]) => ({
      audience,
      scope: scopeConfig(grant.scope),
      ...(grant.default !== undefined && { default: scopeConfig(grant.default) }),
    })),
    ...(client.admin !== undefined && { admin: adminOf(client.admin) }),
  };
}

/** A client that has the face over HTTPS needs no channel. */
function channelOf(reader: ConfigReader, client: RawAsClient, at: ConfigPath): Partial<ChannelConfig> {
  const channel = reader.peer(client, at);
  return client.https !== undefined && channel === undefined ? {} : reader.needed(channel, at);
}

function httpsOf({
  secret_hash: secret,
  redirect_uris: redirectUris,
  name,
  resource_server: resourceServer,
}: RawHttpsClient): ClientRegistrationConfig['https'] & object {
  return { secret, ...(redirectUris && { redirectUris }), ...(name !== undefined && { name }), ...(resourceServer !== undefined && { resourceServer }) };
}

function adminOf(admin: AdminWord | readonly AdminWord[]): 'all' | readonly AdminObjectName[] {
  const words = typeof admin === 'string' ? [admin] : admin;
  const objects = words.filter((word) => word !== 'all');
  return objects.length < words.length ? 'all' : objects;
}

/** A resource server as it stands under its name. */
export function resourceServerOf(reader: ConfigReader, id: string, server: RawAsResourceServer, at: ConfigPath): ResourceServerRegistrationConfig {
  return {
    id,
    audiences: server.audiences,
    ...reader.peer(server, at),
    ...(server.profiles && { profiles: server.profiles.map((profile) => profileNumbers[profile]!) }),
    tokenKeys: reader.tokenKeys(server.token_keys, [...at, 'token_keys']),
    ...(server.scopes && { scopes: server.scopes }),
    ...(server.token_lifetime !== undefined && { tokenLifetime: server.token_lifetime }),
    ...(server.exi !== undefined && { exi: server.exi }),
    ...(server.iss !== undefined && { iss: server.iss }),
    ...(server.authz_info !== undefined && { authzInfo: server.authz_info }),
  };
}

function refreshTokensOf(raw: NonNullable<RawAs['refresh_tokens']>): NonNullable<AsConfig['refreshTokens']> {
  const { lifetime, family_lifetime: familyLifetime, client_credentials: clientCredentials } = raw;
  return {
    ...(lifetime !== undefined && { lifetime }),
    ...(familyLifetime !== undefined && { familyLifetime }),
    ...(clientCredentials !== undefined && { clientCredentials }),
  };
}
