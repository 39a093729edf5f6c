import { fromHex, utf8 } from '../../core/bytes.ts';
import type { CoseKey } from '../../core/cose/index.ts';
import { conformanceSchema, type RawConformanceAs, type RawConformanceRs, type RawOfferedRequest, type RawResources } from './conformance-schema.ts';
import { type DtlsConfig, type DtlsServerConfig, readDtlsOwn, readDtlsServer } from './dtls.ts';
import { ConfigFile } from './file.ts';
import { type OscoreConfig, readOscore } from './oscore.ts';
import { ConfigReader, coapOscore, type TokenKeyConfig } from './reader.ts';
import { readStore } from './store.ts';

/** A request with a payload that the target answers with success. */
export interface OfferedRequestConfig {
  readonly path: string;
  readonly payload: Uint8Array;
  readonly contentFormat?: number;
}

/** Paths by what can be done with them. */
export interface ResourcesConfig {
  readonly get?: string;
  readonly put?: string;
  readonly observe?: string;
  readonly change?: string;
  readonly large?: string;
  readonly largePut?: string;
  readonly separate?: string;
  readonly etag?: string;
  readonly fetch?: OfferedRequestConfig;
  readonly patch?: OfferedRequestConfig;
  readonly ipatch?: OfferedRequestConfig;
}

/** What a file says of the implementation that `ace-coap conformance` checks. */
export interface ConformanceConfig {
  readonly file: string;
  /** Where the sender sequence numbers of OSCORE contexts are counted. */
  readonly store: string;
  readonly coap?: string;
  readonly coaps?: string;
  readonly tcp?: string;
  readonly resources?: ResourcesConfig;
  readonly dtls?: DtlsServerConfig;
  readonly features?: readonly ('requestTag' | 'noResponse')[];
  readonly oscore?: { readonly contexts: readonly (OscoreConfig & { readonly firstSequence?: number })[]; readonly resources: ResourcesConfig };
  readonly rs?: {
    readonly audience: string;
    readonly scope: string;
    readonly issuer?: string;
    readonly profile: 'coap_oscore' | 'coap_dtls';
    readonly allowed: string;
    readonly observe?: string;
    readonly forbidden?: string;
    readonly authzInfo?: string;
    readonly otherScope?: string;
    readonly publicKey?: CoseKey;
    readonly tokenKey: TokenKeyConfig;
  };
  readonly as?: {
    readonly token: string;
    readonly introspect?: string;
    readonly trl?: string;
    readonly audience: string;
    readonly scope: string;
    readonly profile?: 'coap_oscore' | 'coap_dtls';
    readonly forbiddenScope?: string;
    readonly oscore?: OscoreConfig;
    readonly dtls?: DtlsServerConfig;
    readonly tokenKey?: TokenKeyConfig;
  };
}

const featureNames = { request_tag: 'requestTag', no_response: 'noResponse' } as const;

/**
 * What is under test, with the keys that the checker needs.
 *
 * @param path - a file, or a folder with `target.yaml` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadConformanceTarget(path: string): ConformanceConfig {
  const file = ConfigFile.read(path, 'target.yaml');
  const raw = file.check(conformanceSchema);
  const { resources, features, own, dtls, oscore, rs, as, coap, coaps, tcp } = raw;
  const reader = new ConfigReader(file);
  const ownKey = readDtlsOwn(file, own);
  const config: ConformanceConfig = {
    file: file.path,
    store: readStore(file, raw, 'state/oscore'),
    ...(coap !== undefined && { coap }),
    ...(coaps !== undefined && { coaps }),
    ...(tcp !== undefined && { tcp }),
    ...(resources && { resources: resourcesOf(resources) }),
    ...(features && { features: features.map((name) => featureNames[name]) }),
    ...(dtls && { dtls: readDtlsServer(file, dtls, ['dtls'], ownKey) }),
    ...(oscore && {
      oscore: {
        contexts: oscore.contexts.map((context, index) => ({
          ...readOscore(file, context, ['oscore', 'contexts', index]),
          ...(oscore.first_sequence !== undefined && { firstSequence: oscore.first_sequence }),
        })),
        resources: resourcesOf(oscore.resources ?? {}),
      },
    }),
    ...(rs && { rs: rsOf(rs, reader) }),
    ...(as && { as: asOf(as, reader, ownKey) }),
  };
  reader.finish();
  return config;
}

function resourcesOf({ large_put, fetch, patch, ipatch, ...paths }: RawResources): ResourcesConfig {
  return {
    ...paths,
    ...(large_put !== undefined && { largePut: large_put }),
    ...(fetch && { fetch: offeredOf(fetch) }),
    ...(patch && { patch: offeredOf(patch) }),
    ...(ipatch && { ipatch: offeredOf(ipatch) }),
  };
}

function offeredOf({ path, payload = '', payload_hex, content_format }: RawOfferedRequest): OfferedRequestConfig {
  return {
    path,
    payload: payload_hex === undefined ? utf8(payload) : fromHex(payload_hex),
    ...(content_format !== undefined && { contentFormat: content_format }),
  };
}

function rsOf(
  { token_key, authz_info, other_scope, raw_public_key_file, ...rest }: RawConformanceRs,
  reader: ConfigReader,
): NonNullable<ConformanceConfig['rs']> {
  return {
    ...rest,
    ...(authz_info !== undefined && { authzInfo: authz_info }),
    ...(other_scope !== undefined && { otherScope: other_scope }),
    ...(raw_public_key_file !== undefined && { publicKey: reader.publicKey({ raw_public_key_file }, ['rs']) }),
    tokenKey: reader.tokenKeys([token_key], ['rs', 'token_key'])[0]!,
  };
}

function asOf(
  { token_key, forbidden_scope, oscore, dtls, ...rest }: RawConformanceAs,
  reader: ConfigReader,
  own: DtlsConfig,
): NonNullable<ConformanceConfig['as']> {
  const channel = reader.needed(reader.towards({ ...(oscore && { oscore }), ...(dtls && { dtls }) }, ['as'], own), ['as']);
  return {
    ...rest,
    ...(forbidden_scope !== undefined && { forbiddenScope: forbidden_scope }),
    ...(channel.profile === coapOscore ? { oscore: channel.credentials as OscoreConfig } : { dtls: channel.credentials as DtlsServerConfig }),
    ...(token_key && { tokenKey: reader.tokenKeys([token_key], ['as', 'token_key'])[0]! }),
  };
}
