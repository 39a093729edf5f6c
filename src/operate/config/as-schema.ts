import { dtlsServerSettings, type RawDtlsServerSettings } from './dtls-settings.ts';
import { audit, operations, type RawAudit, type RawOperations, type RawRates, rates } from './operations.ts';
import {
  amplification,
  channel,
  coapUri,
  dtlsOf,
  type ExperimentName,
  experimental,
  filePath,
  type GrantTypeName,
  grantTypes,
  issuer,
  list,
  listen,
  matching,
  name,
  oneOf,
  oneOrMore,
  optional,
  profiles,
  type RawChannel,
  type RawScope,
  type RawStore,
  type RawTls,
  type RawTokenKey,
  type RawTransmission,
  type Schema,
  scope,
  scopeName,
  seconds,
  section,
  storeEntries,
  table,
  tlsOf,
  tokenKey,
  transmission,
  whole,
  yesNo,
} from './schema.ts';
import { type RawSeal, type RawSealAs, sealAs } from './seal.ts';

export interface RawAs extends RawStore, RawOperations, RawAudit, RawSeal<RawSealAs> {
  readonly listen: string | readonly string[];
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsServerSettings;
  readonly issuer?: string;
  readonly lease?: number;
  readonly token_lifetime?: number;
  readonly grant_types?: readonly GrantTypeName[];
  readonly refresh_tokens?: { readonly lifetime?: number; readonly family_lifetime?: number; readonly client_credentials?: boolean };
  readonly clients: Readonly<Record<string, RawAsClient>>;
  readonly resource_servers: Readonly<Record<string, RawAsResourceServer>>;
  readonly limits?: { readonly payload?: number; readonly pending?: number; readonly tokens_per_client?: number; readonly rate?: RawRates };
  readonly experimental?: readonly ExperimentName[];
  readonly revocation?: { readonly administrators?: readonly string[]; readonly poll?: number };
  readonly transmission?: RawTransmission;
  readonly amplification?: 'unlimited';
}

export interface RawHttpsClient {
  readonly secret_hash: string;
  readonly redirect_uris?: readonly string[];
  readonly name?: string;
  readonly resource_server?: string;
}

export interface RawAsClient extends RawChannel {
  readonly https?: RawHttpsClient;
  readonly raw_public_key_file?: string;
  readonly profiles?: readonly string[];
  readonly grant_types?: readonly GrantTypeName[];
  readonly secret_hash?: string;
  readonly grants: Readonly<Record<string, { readonly scope: RawScope; readonly default?: RawScope }>>;
  readonly admin?: AdminWord | readonly AdminWord[];
}

export type AdminWord = 'all' | AdminObjectName;
const adminObjectNames = ['client', 'rs', 'key', 'policy', 'token', 'code'] as const;
/** What an administrator may have rights over. */
export type AdminObjectName = (typeof adminObjectNames)[number];

export interface RawAsResourceServer extends RawChannel {
  readonly audiences: readonly string[];
  readonly raw_public_key_file?: string;
  readonly derivation_key_file?: string;
  readonly profiles?: readonly string[];
  readonly token_keys: readonly RawTokenKey[];
  readonly scopes?: readonly string[];
  readonly token_lifetime?: number;
  readonly exi?: boolean;
  readonly iss?: boolean;
  readonly authz_info?: string;
}

const secretHash: Schema<string> = matching('the hash of a secret, scrypt$N$r$p$salt$hash', (value) =>
  /^scrypt(?:\$[1-9]\d{0,8}){3}\$[\w-]{11,}\$[\w-]{43}$/.test(value),
);

const redirectUri: Schema<string> = matching('a URI without a fragment', (text) => URL.canParse(text) && !text.includes('#'));

export const asClientSchema: Schema<RawAsClient> = section('a client', {
  ...channel,
  https: optional(
    section('a client over HTTPS: secret_hash, redirect_uris, name, resource_server', {
      secret_hash: secretHash,
      redirect_uris: optional(list('redirect URI', redirectUri)),
      name: optional(matching('a name of 1 to 100 characters', (text) => text.length >= 1 && text.length <= 100 && !/\p{Cc}/u.test(text))),
      resource_server: optional(name),
    }),
  ),
  raw_public_key_file: optional(filePath),
  profiles: optional(profiles),
  grant_types: optional(grantTypes),
  secret_hash: optional(secretHash),
  grants: table('grants by audience', name, section('a grant: scope and, optionally, default', { scope, default: optional(scope) })),
  admin: optional(oneOrMore('an object of administration', oneOf<AdminWord>(['all', ...adminObjectNames]))),
});

export const asResourceServerSchema: Schema<RawAsResourceServer> = section('a resource server', {
  audiences: list('audience', name),
  ...channel,
  raw_public_key_file: optional(filePath),
  derivation_key_file: optional(filePath),
  profiles: optional(profiles),
  token_keys: list('token key', tokenKey),
  scopes: optional(list('scope name', scopeName)),
  token_lifetime: optional(seconds),
  exi: optional(yesNo),
  iss: optional(yesNo),
  authz_info: optional(coapUri),
});

export const asSchema: Schema<RawAs> = section('the configuration of an authorization server', {
  listen,
  tls: optional(tlsOf('cert_file', 'key_file', 'client_ca_file')),
  dtls: optional(dtlsOf<RawDtlsServerSettings>(dtlsServerSettings)),
  issuer: optional(issuer),
  ...storeEntries,
  lease: optional(whole(1, 3600, 'seconds')),
  token_lifetime: optional(seconds),
  grant_types: optional(grantTypes),
  refresh_tokens: optional(
    section('refresh tokens: lifetime, family_lifetime and client_credentials', {
      lifetime: optional(seconds),
      family_lifetime: optional(seconds),
      client_credentials: optional(yesNo),
    }),
  ),
  clients: table<RawAsClient>('clients by name', name, asClientSchema),
  resource_servers: table<RawAsResourceServer>('resource servers by name', name, asResourceServerSchema),
  limits: optional(
    section('limits', {
      payload: optional(whole(64, 65_536, 'bytes')),
      pending: optional(whole(1, 1_000_000, 'requests')),
      tokens_per_client: optional(whole(1, 100_000_000, 'tokens')),
      rate: optional(rates),
    }),
  ),
  experimental: optional(experimental),
  revocation: optional(section('the revocation list: administrators and poll', { administrators: optional(list('client', name)), poll: optional(seconds) })),
  transmission: optional(transmission),
  amplification: optional(amplification),
  ...sealAs,
  ...operations,
  ...audit,
});
