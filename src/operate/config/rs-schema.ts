import * as v from 'valibot';
import { dtlsServerSettings, type RawDtlsServerSettings } from './dtls-settings.ts';
import { operations, type RawOperations } from './operations.ts';
import {
  amplification,
  channel,
  coapUri,
  dtlsOf,
  type ExperimentName,
  experimental,
  filePath,
  issuer,
  list,
  listen,
  longestLeewayCap,
  methods,
  name,
  oneOf,
  oneOrMore,
  optional,
  path,
  positive,
  type RawChannel,
  type RawRevocation,
  type RawStore,
  type RawTls,
  type RawTokenKey,
  type RawTransmission,
  revocation,
  type Schema,
  scopeName,
  section,
  storeEntries,
  table,
  target,
  text,
  tlsOf,
  tokenKey,
  transmission,
  wanting,
  whole,
  yesNo,
} from './schema.ts';
import { type RawSeal, type RawSealRs, sealRs } from './seal.ts';

export interface RawIssuer extends RawChannel {
  readonly uri: string;
  readonly issuer?: string;
  readonly token_keys: readonly RawTokenKey[];
  readonly derivation_key_file?: string;
}

export interface RawRs extends RawStore, RawOperations, RawSeal<RawSealRs> {
  readonly listen: string | readonly string[];
  readonly tls?: RawTls;
  readonly dtls?: RawDtlsServerSettings;
  readonly audience: string | readonly string[];
  readonly issuers: readonly RawIssuer[];
  readonly scopes?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly aif?: boolean;
  readonly resources?: Readonly<Record<string, RawResource>>;
  readonly cnonce?: boolean;
  readonly leeway?: number;
  readonly leeway_cap?: number;
  readonly public?: readonly string[];
  readonly protect_discovery?: boolean;
  readonly experimental?: readonly ExperimentName[];
  readonly revocation?: RawRevocation;
  readonly introspection?: { readonly tokens?: 'opaque' | 'every'; readonly cache?: number; readonly timeout?: number };
  readonly freshness?: { readonly methods: readonly string[]; readonly window?: number };
  readonly q_block?: boolean;
  readonly limits?: {
    readonly tokens?: number;
    readonly revoked?: number;
    readonly payload?: number;
    readonly upload?: number;
    readonly pending?: number;
    readonly upload_burst?: number;
    readonly upload_rate?: number;
  };
  readonly transmission?: RawTransmission;
  readonly amplification?: 'unlimited';
}

export interface RawResource {
  readonly kind: 'sensor' | 'value' | 'inbox';
  readonly unit?: string;
  readonly initial?: string;
  readonly interval?: number;
  readonly title?: string;
}

export const rsSchema: Schema<RawRs> = section('the configuration of a resource server', {
  listen,
  tls: optional(tlsOf('cert_file', 'key_file', 'client_ca_file', 'ca_file')),
  dtls: optional(dtlsOf<RawDtlsServerSettings>(dtlsServerSettings)),
  audience: oneOrMore('an audience', name),
  ...storeEntries,
  issuers: list(
    'authorization server',
    section('an authorization server', {
      uri: coapUri,
      issuer: optional(issuer),
      token_keys: list('token key', tokenKey),
      ...channel,
      derivation_key_file: optional(filePath),
    }),
  ),
  scopes: optional(table('scopes by name', scopeName, table('methods by path', target, methods))),
  aif: optional(yesNo),
  resources: optional(
    table<RawResource>(
      'resources by path',
      path,
      section('a resource', {
        kind: oneOf(['sensor', 'value', 'inbox'] as const),
        unit: optional(text),
        initial: optional(text),
        interval: optional(positive('seconds')),
        title: optional(text),
      }),
    ),
  ),
  cnonce: optional(yesNo),
  leeway: optional(whole(0, longestLeewayCap, 'seconds')),
  leeway_cap: optional(whole(0, longestLeewayCap, 'seconds')),
  public: optional(wanting('a list of paths', v.array(path, 'a list of paths') as unknown as Schema<readonly string[]>)),
  protect_discovery: optional(yesNo),
  experimental: optional(experimental),
  revocation: optional(revocation),
  introspection: optional(
    section('which tokens the AS is asked about: tokens, cache and timeout', {
      tokens: optional(oneOf(['opaque', 'every'] as const)),
      cache: optional(whole(0, 86_400, 'seconds')),
      timeout: optional(positive('seconds')),
    }),
  ),
  freshness: optional(section('which requests must be fresh: methods and, optionally, window', { methods, window: optional(whole(1, 3_600, 'seconds')) })),
  q_block: optional(yesNo),
  limits: optional(
    section('limits', {
      tokens: optional(whole(1, 1_000_000, 'tokens')),
      revoked: optional(whole(1, 10_000_000, 'token hashes')),
      payload: optional(whole(64, 16_777_216, 'bytes')),
      upload: optional(whole(64, 65_536, 'bytes')),
      pending: optional(whole(1, 1_000_000, 'uploads')),
      upload_burst: optional(whole(1, 1_000_000, 'uploads')),
      upload_rate: optional(positive('uploads per second')),
    }),
  ),
  transmission: optional(transmission),
  amplification: optional(amplification),
  ...sealRs,
  ...operations,
});
