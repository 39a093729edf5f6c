import { audit, operations, type RawAudit, type RawOperations, type RawRates, rates } from './operations.ts';
import {
  channel,
  dtlsOf,
  filePath,
  issuer,
  list,
  listen,
  name,
  optional,
  profiles,
  type RawChannel,
  type RawDtlsOwn,
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

export interface RawAs extends RawStore, RawOperations, RawAudit {
  readonly listen: string | readonly string[];
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsOwn;
  readonly issuer?: string;
  readonly token_lifetime?: number;
  readonly clients: Readonly<Record<string, RawAsClient>>;
  readonly resource_servers: Readonly<Record<string, RawAsResourceServer>>;
  readonly limits?: { readonly payload?: number; readonly pending?: number; readonly tokens_per_client?: number; readonly rate?: RawRates };
  readonly transmission?: RawTransmission;
}

export interface RawAsClient extends RawChannel {
  readonly raw_public_key_file?: string;
  readonly profiles?: readonly string[];
  readonly grants: Readonly<Record<string, { readonly scope: RawScope; readonly default?: RawScope }>>;
}

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
}

export const asSchema: Schema<RawAs> = section('the configuration of an authorization server', {
  listen,
  tls: optional(tlsOf('cert_file', 'key_file', 'client_ca_file')),
  dtls: optional(dtlsOf()),
  issuer: optional(issuer),
  ...storeEntries,
  token_lifetime: optional(seconds),
  clients: table<RawAsClient>(
    'clients by name',
    name,
    section('a client', {
      ...channel,
      raw_public_key_file: optional(filePath),
      profiles: optional(profiles),
      grants: table('grants by audience', name, section('a grant: scope and, optionally, default', { scope, default: optional(scope) })),
    }),
  ),
  resource_servers: table<RawAsResourceServer>(
    'resource servers by name',
    name,
    section('a resource server', {
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
    }),
  ),
  limits: optional(
    section('limits', {
      payload: optional(whole(64, 65_536, 'bytes')),
      pending: optional(whole(1, 1_000_000, 'requests')),
      tokens_per_client: optional(whole(1, 100_000_000, 'tokens')),
      rate: optional(rates),
    }),
  ),
  transmission: optional(transmission),
  ...operations,
  ...audit,
});
