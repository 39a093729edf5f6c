import { isLoopback } from '../../core/host.ts';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { type ListenAddress, parseListen } from './listen.ts';
import { type RatesConfig, type RawRates, rates, ratesConfig } from './operations.ts';
import { origin, type ProxyConfig, proxyConfig, proxySchema, type RawProxy } from './proxy.ts';
import type { TokenKeyConfig } from './reader.ts';
import { filePath, list, matching, optional, type RawTokenKey, type Schema, section, tokenKey } from './schema.ts';
import { parseHttpsListen } from './seal-https-rs.ts';
import { certificate, crl, privateKey, readPem } from './tls.ts';

/** The section `https` of a SIM-S: OpenID Connect for VAL users. */
export interface RawSealHttpsAs {
  readonly listen: string;
  readonly cert_file?: string;
  readonly key_file?: string;
  readonly crl_file?: string;
  readonly crl_listen?: string;
  readonly issuer?: string;
  readonly signing_keys?: readonly RawTokenKey[];
  readonly proxy?: RawProxy;
  readonly failures?: RawRates;
}

/** A SIM-S over HTTPS, as it was read. */
export interface SealHttpsAsConfig {
  readonly listen: ListenAddress;
  /** Absent: it serves plain HTTP, to proxies on its own machine. */
  readonly tls?: { readonly cert: Uint8Array; readonly key: Uint8Array };
  /** A list of revoked certificates, in PEM, that it has for whoever asks there over HTTP. */
  readonly crl?: { readonly list: Uint8Array; readonly listen: ListenAddress };
  /** The URI that it goes by. */
  readonly issuer: string;
  /** What signs ID tokens; none: a key that its store has. */
  readonly signingKeys: readonly TokenKeyConfig[];
  /** Absent: clients reach it themselves. */
  readonly proxy?: ProxyConfig;
  /** How many requests with wrong secrets of one client and of one address are looked at, where it is not as usual. */
  readonly failures?: RatesConfig;
}

/** As `https://` of others; `http://` is for proxies on this machine. */
const listen: Schema<string> = matching(
  'an address and a port, such as https://127.0.0.1:10443',
  (text) => parseHttpsListen(text.replace(/^http:/, 'https:')) !== undefined,
);

export const sealHttpsAsSchema: Schema<RawSealHttpsAs> = section(
  'a face over HTTPS: listen, cert_file, key_file, crl_file, crl_listen, issuer, signing_keys, proxy, failures',
  {
    listen,
    cert_file: optional(filePath),
    key_file: optional(filePath),
    crl_file: optional(filePath),
    crl_listen: optional(matching('an address and a port, such as http://127.0.0.1:10449', (text) => parseCrlListen(text) !== undefined)),
    issuer: optional(origin),
    signing_keys: optional(list('signing key', tokenKey)),
    proxy: optional(proxySchema),
    failures: optional(rates),
  },
);

/** Reads token keys that stand at a place of the file. */
export type ReadTokenKeys = (raw: readonly RawTokenKey[], at: ConfigPath) => readonly TokenKeyConfig[];

/** @param at - where the section stands in the file */
export function readSealHttpsAs(file: ConfigFile, raw: RawSealHttpsAs, at: ConfigPath, tokenKeys: ReadTokenKeys): SealHttpsAsConfig {
  const { address: named, port } = parseHttpsListen(raw.listen.replace(/^http:/, 'https:'))!;
  const address = named === 'localhost' ? '127.0.0.1' : named;
  const tls = raw.listen.startsWith('http:') ? plain(file, raw, at, address) : tlsOf(file, raw, at);
  const list = readPem(file, [...at, 'crl_file'], raw.crl_file, crl);
  if ((raw.crl_file === undefined) !== (raw.crl_listen === undefined))
    file.problem(at, `expected both crl_file and crl_listen, got ${raw.crl_file === undefined ? 'crl_listen' : 'crl_file'} alone`);
  const signingKeys = tokenKeys(raw.signing_keys ?? [], [...at, 'signing_keys']);
  signingKeys.forEach(({ use, key: { d } }, index) => {
    if (use !== 'sign1' || d === undefined)
      file.problem([...at, 'signing_keys', index], `expected a private key with use sign1, got ${use === 'sign1' ? 'a public one' : use}`);
  });
  const { issuer, proxy } = raw;
  if (issuer !== undefined && proxy !== undefined && issuer !== proxy.public_url)
    file.problem([...at, 'issuer'], `expected that of proxy.public_url, or none, got ${issuer}`);
  return {
    listen: { address, port },
    ...(tls && { tls }),
    ...(list && raw.crl_listen !== undefined && { crl: { list, listen: parseCrlListen(raw.crl_listen)! } }),
    issuer: proxy?.public_url ?? issuer ?? `https://${address.includes(':') ? `[${address}]` : address}:${port}`,
    signingKeys,
    ...(proxy && { proxy: proxyConfig(proxy) }),
    ...(raw.failures && { failures: ratesConfig(raw.failures) }),
  };
}

function parseCrlListen(text: string): ListenAddress | undefined {
  const parsed = text.startsWith('http://') ? parseListen(text.replace(/^http:\/\//, 'coap://')) : undefined;
  return parsed === undefined ? undefined : { address: parsed.address, port: parsed.port };
}

function tlsOf(file: ConfigFile, raw: RawSealHttpsAs, at: ConfigPath): SealHttpsAsConfig['tls'] {
  for (const entry of ['cert_file', 'key_file'] as const) if (raw[entry] === undefined) file.problem([...at], `expected ${entry} for https, got none`);
  const cert = readPem(file, [...at, 'cert_file'], raw.cert_file, certificate);
  const key = readPem(file, [...at, 'key_file'], raw.key_file, privateKey);
  return { cert: cert ?? nothing, key: key ?? nothing };
}

/** TS 33.210 wants TLS between machines. */
function plain(file: ConfigFile, { proxy, cert_file, key_file }: RawSealHttpsAs, at: ConfigPath, address: string): undefined {
  if (!isLoopback(address)) file.problem([...at, 'listen'], `expected https://, or http:// on a loopback address, got http://${address}`);
  if (proxy === undefined) file.problem([...at, 'listen'], 'expected https://, or proxy beside it, which ends TLS, got http:// and none');
  if (cert_file !== undefined || key_file !== undefined) file.problem([...at], 'expected no cert_file and no key_file with http://, got some');
}

const nothing = new Uint8Array(0);
