import { ConfigFile } from './file.ts';
import type { ListenAddress } from './listen.ts';
import { filePath, list, name, optional, type Schema, seconds, section, table } from './schema.ts';
import { apiRoot, type CapifMethodName, capifMethods, capifName, certificateNames, checkNames, invokerId } from './seal-capif.ts';
import { httpsListen, httpsUri, parseHttpsListen } from './seal-https-rs.ts';
import { certificate, privateKey, readPem, textOfPem } from './tls.ts';

interface RawInvoker {
  readonly names: readonly string[];
  readonly rights?: Readonly<Record<string, readonly string[]>>;
  readonly owners?: readonly string[];
}

interface RawAef {
  readonly names: readonly string[];
  readonly methods?: readonly CapifMethodName[];
  readonly uri?: string;
}

interface RawCapifCore {
  readonly listen: string;
  readonly cert_file: string;
  readonly key_file: string;
  readonly client_ca_file: string;
  readonly ca_file?: string;
  readonly issuer?: string;
  readonly signing_key_file?: string;
  readonly lifetime?: number;
  readonly invokers: Readonly<Record<string, RawInvoker>>;
  readonly aefs: Readonly<Record<string, RawAef>>;
}

/** A capif.yaml as it was read: the simulator of a core function of CAPIF. */
export interface CapifCoreConfig {
  readonly file: string;
  readonly listen: ListenAddress;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** Certificates of invokers and AEFs are signed by it. */
  readonly clientCa: Uint8Array;
  /** Whom to trust among the AEFs that are told of revocations, in place of those of Node. */
  readonly ca?: Uint8Array;
  /** What tokens name. */
  readonly issuer: string;
  /** In PEM; absent: a fresh one at each start. */
  readonly signingKey?: string;
  /** Seconds that a token lasts. */
  readonly lifetime?: number;
  readonly invokers: Readonly<
    Record<string, { readonly names: readonly string[]; readonly rights: Readonly<Record<string, readonly string[]>>; readonly owners: readonly string[] }>
  >;
  readonly aefs: Readonly<Record<string, { readonly names: readonly string[]; readonly methods: readonly CapifMethodName[]; readonly uri?: string }>>;
}

const schema: Schema<RawCapifCore> = section('the configuration of a simulated core function of CAPIF', {
  listen: httpsListen,
  cert_file: filePath,
  key_file: filePath,
  client_ca_file: filePath,
  ca_file: optional(filePath),
  issuer: optional(httpsUri),
  signing_key_file: optional(filePath),
  lifetime: optional(seconds),
  invokers: table(
    'API invokers by identifier',
    invokerId,
    section('an API invoker: names, rights, owners', {
      names: certificateNames,
      rights: optional(table('APIs by AEF', capifName, list('API', capifName))),
      owners: optional(list('resource owner', name)),
    }),
  ),
  aefs: table(
    'API exposing functions by identifier',
    capifName,
    section('an API exposing function: names, methods, uri', { names: certificateNames, methods: optional(capifMethods), uri: optional(apiRoot) }),
  ),
});

/**
 * The configuration of a simulated core function of CAPIF, with its certificates.
 *
 * @param path - a file, or a folder with `capif.yaml` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadCapifCoreConfig(path: string): CapifCoreConfig {
  const file = ConfigFile.read(path, 'capif.yaml');
  const raw = file.check(schema);
  const { address, port } = parseHttpsListen(raw.listen)!;
  const read = (entry: 'cert_file' | 'client_ca_file' | 'ca_file'): Uint8Array | undefined => readPem(file, [entry], raw[entry], certificate);
  const ca = read('ca_file');
  const signingKey = readPem(file, ['signing_key_file'], raw.signing_key_file, privateKey);
  checkNames(file, raw.invokers, ['invokers']);
  for (const [id, { rights = {} }] of Object.entries(raw.invokers))
    for (const aefId of Object.keys(rights))
      if (!Object.hasOwn(raw.aefs, aefId)) file.problem(['invokers', id, 'rights', aefId], `expected an AEF of the section aefs, got "${aefId}"`);
  const config = {
    file: file.path,
    listen: { address, port },
    cert: read('cert_file') ?? nothing,
    key: readPem(file, ['key_file'], raw.key_file, privateKey) ?? nothing,
    clientCa: read('client_ca_file') ?? nothing,
    ...(ca && { ca }),
    issuer: raw.issuer ?? `https://${address.includes(':') ? `[${address}]` : address}:${port}`,
    ...(signingKey && { signingKey: textOfPem(signingKey) }),
    ...(raw.lifetime !== undefined && { lifetime: raw.lifetime }),
    invokers: Object.fromEntries(Object.entries(raw.invokers).map(([id, { names, rights = {}, owners = [] }]) => [id, { names, rights, owners }])),
    aefs: Object.fromEntries(
      Object.entries(raw.aefs).map(([id, { names, methods = usualMethods, uri }]) => [id, { names, methods, ...(uri !== undefined && { uri }) }]),
    ),
  };
  if (file.hasProblems) file.finish();
  return config;
}

const nothing = new Uint8Array(0);
const usualMethods: readonly CapifMethodName[] = ['OAUTH', 'PKI'];
