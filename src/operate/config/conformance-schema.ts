import {
  channel,
  coapUri,
  dtlsOf,
  type Entries,
  filePath,
  hex,
  issuer,
  list,
  name,
  oneOf,
  optional,
  oscoreSchema,
  type RawChannel,
  type RawDtlsOwn,
  type RawOscore,
  type RawStore,
  type RawTokenKey,
  type Schema,
  section,
  storeEntries,
  target,
  text,
  tokenKey,
  whole,
} from './schema.ts';

export interface RawOfferedRequest {
  readonly path: string;
  readonly payload?: string;
  readonly payload_hex?: string;
  readonly content_format?: number;
}

export interface RawResources {
  readonly get?: string;
  readonly put?: string;
  readonly observe?: string;
  readonly change?: string;
  readonly large?: string;
  readonly large_put?: string;
  readonly separate?: string;
  readonly etag?: string;
  readonly fetch?: RawOfferedRequest;
  readonly patch?: RawOfferedRequest;
  readonly ipatch?: RawOfferedRequest;
}

export interface RawConformanceRs {
  readonly audience: string;
  readonly scope: string;
  readonly issuer?: string;
  readonly token_key: RawTokenKey;
  readonly profile: 'coap_oscore' | 'coap_dtls';
  readonly authz_info?: string;
  readonly allowed: string;
  readonly observe?: string;
  readonly forbidden?: string;
  readonly other_scope?: string;
  readonly raw_public_key_file?: string;
}

export interface RawConformanceAs extends RawChannel {
  readonly token: string;
  readonly introspect?: string;
  readonly trl?: string;
  readonly audience: string;
  readonly scope: string;
  readonly forbidden_scope?: string;
  readonly profile?: 'coap_oscore' | 'coap_dtls';
  readonly token_key?: RawTokenKey;
}

export interface RawConformanceTarget extends RawStore {
  readonly coap?: string;
  readonly coaps?: string;
  readonly tcp?: string;
  readonly resources?: RawResources;
  readonly features?: readonly ('request_tag' | 'no_response')[];
  readonly dtls?: RawChannel['dtls'];
  readonly own?: RawDtlsOwn;
  readonly oscore?: { readonly contexts: readonly RawOscore[]; readonly first_sequence?: number; readonly resources?: RawResources };
  readonly rs?: RawConformanceRs;
  readonly as?: RawConformanceAs;
}

const offered: Schema<RawOfferedRequest> = section('a request: path, and payload or payload_hex', {
  path: target,
  payload: optional(text),
  payload_hex: optional(hex),
  content_format: optional(whole(0, 65_535, 'a Content-Format')),
});

const resources: Schema<RawResources> = section('paths by what can be done with them', {
  get: optional(target),
  put: optional(target),
  observe: optional(target),
  change: optional(target),
  large: optional(target),
  large_put: optional(target),
  separate: optional(target),
  etag: optional(target),
  fetch: optional(offered),
  patch: optional(offered),
  ipatch: optional(offered),
});

const { dtls } = channel as { dtls: Entries[string] };

export const conformanceSchema: Schema<RawConformanceTarget> = section('what is under test', {
  coap: optional(coapUri),
  coaps: optional(coapUri),
  tcp: optional(coapUri),
  ...storeEntries,
  resources: optional(resources),
  features: optional(list('feature', oneOf(['request_tag', 'no_response'] as const))),
  own: optional(dtlsOf()),
  dtls,
  oscore: optional(
    section('OSCORE contexts and what is behind them', {
      contexts: list('context', oscoreSchema),
      first_sequence: optional(whole(0, 2 ** 40 - 1, 'a sequence number')),
      resources: optional(resources),
    }),
  ),
  rs: optional(
    section('a resource server', {
      audience: name,
      scope: text,
      issuer: optional(issuer),
      token_key: tokenKey,
      profile: oneOf(['coap_oscore', 'coap_dtls'] as const),
      authz_info: optional(target),
      allowed: target,
      observe: optional(target),
      forbidden: optional(target),
      other_scope: optional(text),
      raw_public_key_file: optional(filePath),
    }),
  ),
  as: optional(
    section('an authorization server', {
      token: coapUri,
      introspect: optional(coapUri),
      trl: optional(coapUri),
      audience: name,
      scope: text,
      forbidden_scope: optional(text),
      profile: optional(oneOf(['coap_oscore', 'coap_dtls'] as const)),
      token_key: optional(tokenKey),
      ...channel,
    }),
  ),
} as Entries);
