import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { readNamedFile, shown } from './key-file.ts';
import { type ListenAddress, listenAddressOf } from './listen.ts';
import { type RatesConfig, type RawRates, rates, ratesConfig } from './operations.ts';
import { filePath, list, matching, name, oneOf, optional, type Schema, section, table, yesNo } from './schema.ts';
import { certificate, crl, privateKey, readPem } from './tls.ts';

/** The section `https` of a SEAL server: its face over HTTPS. */
export interface RawSealHttpsRs {
  readonly listen: string;
  readonly cert_file: string;
  readonly key_file: string;
  readonly client_ca_file?: string;
  readonly crl_file?: string;
  readonly issuer: string;
  readonly jwks_file?: string;
  readonly jwks_uri?: string;
  readonly ca_file?: string;
  readonly certificates?: 'required' | 'none';
  readonly certificate_profile?: boolean;
  readonly clients?: Readonly<Record<string, readonly string[]>>;
  readonly skms_uri?: string;
  readonly rate?: RawRates;
  readonly failures?: RawRates;
}

/** The keys of who issues tokens, or where there are. */
export type KeySetConfig = { readonly jwks: object } | { readonly uri: string };

/** A SEAL server over HTTPS, as it was read. */
export interface SealHttpsRsConfig {
  readonly listen: ListenAddress;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** Certificates of clients are signed by it. Absent: nobody is asked for one. */
  readonly clientCa?: Uint8Array;
  /** Lists of revoked certificates of those authorities, in PEM. Absent: none is revoked. */
  readonly crl?: Uint8Array;
  /** The SIM-S by the URI that its tokens name. */
  readonly issuer: string;
  /** The keys of the SIM-S, or where it has them. */
  readonly keys: KeySetConfig;
  /** Whom to trust who has the keys, in place of those of Node. */
  readonly ca?: Uint8Array;
  readonly certificates: 'required' | 'none';
  /** Certificates of clients that have not the profile of TS 33.310, Section 6.1.3a, are refused. */
  readonly certificateProfile: boolean;
  /** Names of certificates, by the client that may show them. */
  readonly clients: Readonly<Record<string, readonly string[]>>;
  /** The URI that the SKM-S goes by here. */
  readonly sKmsUri?: string;
  /** How often one client and one address may ask, where it is not as usual. */
  readonly rate?: RatesConfig;
  /** How many wrong access tokens of one certificate and of one address are looked at, where it is not as usual. */
  readonly failures?: RatesConfig;
}

export const httpsUri: Schema<string> = matching('a URI of https', (text) => /^https:\/\/[^\s?#@]+$/.test(text) && URL.canParse(text));
/** With or without the scheme. */
export const httpsListen: Schema<string> = matching('an address and a port, such as https://127.0.0.1:10444', (text) => parseHttpsListen(text) !== undefined);

export const sealHttpsRsSchema: Schema<RawSealHttpsRs> = section(
  'a face over HTTPS: listen, cert_file, key_file, client_ca_file, crl_file, issuer, jwks_file, jwks_uri, ca_file, certificates, certificate_profile, clients, skms_uri, rate, failures',
  {
    listen: httpsListen,
    cert_file: filePath,
    key_file: filePath,
    client_ca_file: optional(filePath),
    crl_file: optional(filePath),
    issuer: httpsUri,
    jwks_file: optional(filePath),
    jwks_uri: optional(httpsUri),
    ca_file: optional(filePath),
    certificates: optional(oneOf(['required', 'none'] as const)),
    certificate_profile: optional(yesNo),
    clients: optional(table('names of certificates by client', name, list('name of a certificate', name))),
    skms_uri: optional(httpsUri),
    rate: optional(rates),
    failures: optional(rates),
  },
);

/** The largest key set, in bytes. */
const largestKeySet = 65_536;

export function parseHttpsListen(text: string): ListenAddress | undefined {
  return listenAddressOf('https', text);
}

/** @param at - where the section stands in the file */
export function readSealHttpsRs(file: ConfigFile, raw: RawSealHttpsRs, at: ConfigPath): SealHttpsRsConfig {
  const { address, port } = parseHttpsListen(raw.listen)!;
  const read = (entry: 'cert_file' | 'key_file' | 'client_ca_file' | 'ca_file'): Uint8Array | undefined =>
    readPem(file, [...at, entry], raw[entry], entry === 'key_file' ? privateKey : certificate);
  const [cert, key, clientCa, ca] = [read('cert_file'), read('key_file'), read('client_ca_file'), read('ca_file')];
  const revoked = readPem(file, [...at, 'crl_file'], raw.crl_file, crl);
  const { certificates = 'none', certificate_profile: certificateProfile = false, clients = {}, issuer, skms_uri: sKmsUri } = raw;
  if (certificates === 'required' && raw.client_ca_file === undefined)
    file.problem([...at, 'certificates'], 'expected client_ca_file beside it, which signs certificates of clients, got none');
  if (raw.crl_file !== undefined && raw.client_ca_file === undefined)
    file.problem([...at, 'crl_file'], 'expected client_ca_file beside it, whose certificates are revoked, got none');
  return {
    listen: { address, port },
    cert: cert ?? nothing,
    key: key ?? nothing,
    ...(clientCa && { clientCa }),
    ...(revoked && { crl: revoked }),
    issuer,
    keys: readKeySet(file, raw, at),
    ...(ca && { ca }),
    certificates,
    certificateProfile,
    clients,
    ...(sKmsUri !== undefined && { sKmsUri }),
    ...(raw.rate && { rate: ratesConfig(raw.rate) }),
    ...(raw.failures && { failures: ratesConfig(raw.failures) }),
  };
}

const nothing = new Uint8Array(0);

/** Either `jwks_file` or `jwks_uri` of a section; what is wrong is noted in `file`. */
export function readKeySet(file: ConfigFile, raw: Pick<RawSealHttpsRs, 'jwks_file' | 'jwks_uri'>, at: ConfigPath): KeySetConfig {
  const { jwks_file: named, jwks_uri: uri } = raw;
  if ((named === undefined) === (uri === undefined)) file.problem(at, `expected either jwks_file or jwks_uri, got ${named === undefined ? 'neither' : 'both'}`);
  if (named === undefined) return { uri: uri ?? '' };
  const path: ConfigPath = [...at, 'jwks_file'];
  const found = readNamedFile(file, path, named, { what: 'a key set', largest: largestKeySet });
  const jwks = found === undefined ? { keys: [] } : keySetOf(found.text);
  if (jwks === undefined) file.problem(path, `${shown(found!.full)}: expected a key set in JSON, got something else`);
  return { jwks: jwks ?? { keys: [] } };
}

function keySetOf(text: string): object | undefined {
  try {
    const value = JSON.parse(text) as { readonly keys?: unknown } | null;
    return typeof value === 'object' && Array.isArray(value?.keys) ? (value as object) : undefined;
  } catch {
    return undefined;
  }
}
