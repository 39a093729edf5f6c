import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import type { ListenAddress } from './listen.ts';
import { type RatesConfig, type RawRates, rates, ratesConfig } from './operations.ts';
import { filePath, list, matching, name, oneOf, optional, type Schema, scopeText, seconds, section, table, yesNo } from './schema.ts';
import { httpsListen, httpsUri, type KeySetConfig, parseHttpsListen, readKeySet } from './seal-https-rs.ts';
import { certificate, privateKey, readPem } from './tls.ts';

/** A method of CAPIF-2e that there is: 2 and 3 of TS 33.122, 6.5.2. */
export type CapifMethodName = 'PKI' | 'OAUTH';

/** The section `seal.capif` of rs.yaml: an API exposing function. */
export interface RawCapifAef {
  readonly listen: string;
  readonly cert_file: string;
  readonly key_file: string;
  readonly client_ca_file: string;
  readonly core: {
    readonly uri: string;
    readonly ca_file?: string;
    readonly names?: readonly string[];
    readonly issuer?: string;
    readonly jwks_file?: string;
    readonly jwks_uri?: string;
  };
  readonly aef_id: string;
  readonly apis: Readonly<Record<string, string>>;
  readonly methods?: readonly CapifMethodName[];
  readonly invokers: Readonly<Record<string, { readonly names: readonly string[]; readonly services?: readonly string[] }>>;
  readonly rnaa?: boolean;
  readonly act_for_owner?: boolean;
  readonly fresh?: number;
  readonly failures?: RawRates;
}

/** An API exposing function of CAPIF, as it was read. */
export interface CapifAefConfig {
  /** Its interface. */
  readonly listen: ListenAddress;
  /** What it shows to invokers and to the core function. */
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** Certificates of invokers and of the core function are signed by it. */
  readonly clientCa: Uint8Array;
  readonly core: {
    /** Its apiRoot. */
    readonly uri: string;
    /** Whom to trust who is there, in place of those of Node. */
    readonly ca?: Uint8Array;
    /** Names in its certificate, as a client; none: it revokes nothing here. */
    readonly names: readonly string[];
    /** What its tokens name. */
    readonly issuer: string;
    readonly keys: KeySetConfig;
  };
  readonly aefId: string;
  /** Scope names by API. */
  readonly apis: Readonly<Record<string, string>>;
  /** What the core function may select. */
  readonly methods: readonly CapifMethodName[];
  /** By identifier: names in their certificates, and the VAL services that they act for. */
  readonly invokers: Readonly<Record<string, { readonly names: readonly string[]; readonly services: readonly string[] }>>;
  /** A request about a VAL user or VAL UE needs a token that this owner agreed to. */
  readonly rnaa: boolean;
  /** With such a token an invoker is the owner, to the services that are for VAL users. */
  readonly actForOwner: boolean;
  /** Seconds that a security context is kept. */
  readonly fresh?: number;
  /** How many wrong access tokens of one certificate and of one address are looked at, where it is not as usual. */
  readonly failures?: RatesConfig;
}

/** The section `seal.capif` of client.yaml: an API invoker. */
export interface RawCapifInvoker {
  readonly core: string;
  readonly invoker_id: string;
  readonly cert_file: string;
  readonly key_file: string;
  readonly ca_file?: string;
}

/** An API invoker that was onboarded, as it was read. */
export interface CapifInvokerConfig {
  readonly apiInvokerId: string;
  /** The apiRoot of the core function. */
  readonly apiRoot: string;
  readonly tls: { readonly cert: Uint8Array; readonly key: Uint8Array; readonly ca?: Uint8Array };
}

/** Characters of scope names (RFC 6749, Section 3.3) but those that separate in a scope of CAPIF. */
export const capifName: Schema<string> = matching('a name of at most 128 visible characters without , : and ;', (text) =>
  /^[\x21\x24-\x2b\x2d-\x39\x3c-\x5b\x5d-\x7e]{1,128}$/.test(text),
);
/** What an identifier in a URI may hold as it stands. */
export const invokerId: Schema<string> = matching('an identifier of letters, digits and . _ ~ -', (text) => /^[\w.~-]{1,128}$/.test(text));
export const certificateNames: Schema<readonly string[]> = list('name of a certificate', name);
export const capifMethods: Schema<readonly CapifMethodName[]> = list('method', oneOf(['PKI', 'OAUTH'] as const));
/** `https://ccf.example`, to which paths are added. */
export const apiRoot: Schema<string> = matching(
  'a URI of https that does not end in "/"',
  (text) => /^https:\/\/[^\s?#@]*[^\s?#@/]$/.test(text) && URL.canParse(text),
);

export const capifAefSchema: Schema<RawCapifAef> = section(
  'an API exposing function: listen, cert_file, key_file, client_ca_file, core, aef_id, apis, methods, invokers, rnaa, act_for_owner, fresh, failures',
  {
    listen: httpsListen,
    cert_file: filePath,
    key_file: filePath,
    client_ca_file: filePath,
    core: section('a core function of CAPIF: uri, ca_file, names, issuer, jwks_file, jwks_uri', {
      uri: apiRoot,
      ca_file: optional(filePath),
      names: optional(certificateNames),
      issuer: optional(httpsUri),
      jwks_file: optional(filePath),
      jwks_uri: optional(httpsUri),
    }),
    aef_id: capifName,
    apis: table('scope names by API', capifName, scopeText),
    methods: optional(capifMethods),
    invokers: table(
      'API invokers by identifier',
      invokerId,
      section('an API invoker: names, services', { names: certificateNames, services: optional(list('VAL service', name)) }),
    ),
    rnaa: optional(yesNo),
    act_for_owner: optional(yesNo),
    fresh: optional(seconds),
    failures: optional(rates),
  },
);

export const capifInvokerSchema: Schema<RawCapifInvoker> = section('an API invoker: core, invoker_id, cert_file, key_file, ca_file', {
  core: apiRoot,
  invoker_id: invokerId,
  cert_file: filePath,
  key_file: filePath,
  ca_file: optional(filePath),
});

const nothing = new Uint8Array(0);

/** @param at - where the section stands in the file */
export function readCapifAef(file: ConfigFile, raw: RawCapifAef, at: ConfigPath): CapifAefConfig {
  const { address, port } = parseHttpsListen(raw.listen)!;
  const { core, aef_id: aefId, apis, methods = ['PKI', 'OAUTH'], rnaa = true, act_for_owner: actForOwner = true, fresh } = raw;
  const atCore: ConfigPath = [...at, 'core'];
  const ca = readPem(file, [...atCore, 'ca_file'], core.ca_file, certificate);
  if (Object.keys(apis).length === 0) file.problem([...at, 'apis'], 'expected an API at least, got none');
  if (raw.act_for_owner === true && !rnaa)
    file.problem([...at, 'act_for_owner'], 'expected rnaa: true beside it, since nobody else asks for owners, got false');
  checkNames(file, raw.invokers, [...at, 'invokers']);
  return {
    listen: { address, port },
    cert: readPem(file, [...at, 'cert_file'], raw.cert_file, certificate) ?? nothing,
    key: readPem(file, [...at, 'key_file'], raw.key_file, privateKey) ?? nothing,
    clientCa: readPem(file, [...at, 'client_ca_file'], raw.client_ca_file, certificate) ?? nothing,
    core: { uri: core.uri, ...(ca && { ca }), names: core.names ?? [], issuer: core.issuer ?? core.uri, keys: readKeySet(file, core, atCore) },
    aefId,
    apis,
    methods,
    invokers: Object.fromEntries(Object.entries(raw.invokers).map(([id, { names, services = [] }]) => [id, { names, services }])),
    rnaa,
    actForOwner: actForOwner && rnaa,
    ...(fresh !== undefined && { fresh }),
    ...(raw.failures && { failures: ratesConfig(raw.failures) }),
  };
}

/** Notes it where a certificate would be that of two parties. */
export function checkNames(file: ConfigFile, parties: Readonly<Record<string, { readonly names: readonly string[] }>>, at: ConfigPath): void {
  const owners = new Map<string, string>();
  for (const [id, { names }] of Object.entries(parties))
    names.forEach((named, index) => {
      const owner = owners.get(named);
      if (owner !== undefined) file.problem([...at, id, 'names', index], `expected a name that no other has, got "${named}", which is of ${owner}`);
      owners.set(named, id);
    });
}

/** @param at - where the section stands in the file */
export function readCapifInvoker(file: ConfigFile, raw: RawCapifInvoker, at: ConfigPath): CapifInvokerConfig {
  const ca = readPem(file, [...at, 'ca_file'], raw.ca_file, certificate);
  return {
    apiInvokerId: raw.invoker_id,
    apiRoot: raw.core,
    tls: {
      cert: readPem(file, [...at, 'cert_file'], raw.cert_file, certificate) ?? nothing,
      key: readPem(file, [...at, 'key_file'], raw.key_file, privateKey) ?? nothing,
      ...(ca && { ca }),
    },
  };
}
