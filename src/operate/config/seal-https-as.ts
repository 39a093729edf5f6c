import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { type ListenAddress, parseListen } from './listen.ts';
import type { TokenKeyConfig } from './reader.ts';
import { filePath, list, matching, optional, type RawTokenKey, type Schema, section, tokenKey } from './schema.ts';
import { httpsListen, parseHttpsListen } from './seal-https-rs.ts';
import { certificate, crl, privateKey, readPem } from './tls.ts';

/** The section `https` of a SIM-S: OpenID Connect for VAL users. */
export interface RawSealHttpsAs {
  readonly listen: string;
  readonly cert_file: string;
  readonly key_file: string;
  readonly crl_file?: string;
  readonly crl_listen?: string;
  readonly issuer?: string;
  readonly signing_keys?: readonly RawTokenKey[];
}

/** A SIM-S over HTTPS, as it was read. */
export interface SealHttpsAsConfig {
  readonly listen: ListenAddress;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** A list of revoked certificates, in PEM, that it has for whoever asks there over HTTP. */
  readonly crl?: { readonly list: Uint8Array; readonly listen: ListenAddress };
  /** The URI that it goes by. */
  readonly issuer: string;
  /** What signs ID tokens; none: a key that its store has. */
  readonly signingKeys: readonly TokenKeyConfig[];
}

const origin: Schema<string> = matching('an origin of https, such as https://sims.val.example', (text) => {
  return text.startsWith('https://') && URL.canParse(text) && new URL(text).origin === text;
});

export const sealHttpsAsSchema: Schema<RawSealHttpsAs> = section('a face over HTTPS: listen, cert_file, key_file, crl_file, crl_listen, issuer, signing_keys', {
  listen: httpsListen,
  cert_file: filePath,
  key_file: filePath,
  crl_file: optional(filePath),
  crl_listen: optional(matching('an address and a port, such as http://127.0.0.1:10447', (text) => parseCrlListen(text) !== undefined)),
  issuer: optional(origin),
  signing_keys: optional(list('signing key', tokenKey)),
});

/** Reads token keys that stand at a place of the file. */
export type ReadTokenKeys = (raw: readonly RawTokenKey[], at: ConfigPath) => readonly TokenKeyConfig[];

/** @param at - where the section stands in the file */
export function readSealHttpsAs(file: ConfigFile, raw: RawSealHttpsAs, at: ConfigPath, tokenKeys: ReadTokenKeys): SealHttpsAsConfig {
  const { address, port } = parseHttpsListen(raw.listen)!;
  const cert = readPem(file, [...at, 'cert_file'], raw.cert_file, certificate);
  const key = readPem(file, [...at, 'key_file'], raw.key_file, privateKey);
  const list = readPem(file, [...at, 'crl_file'], raw.crl_file, crl);
  if ((raw.crl_file === undefined) !== (raw.crl_listen === undefined))
    file.problem(at, `expected both crl_file and crl_listen, got ${raw.crl_file === undefined ? 'crl_listen' : 'crl_file'} alone`);
  const signingKeys = tokenKeys(raw.signing_keys ?? [], [...at, 'signing_keys']);
  signingKeys.forEach(({ use, key: { d } }, index) => {
    if (use !== 'sign1' || d === undefined)
      file.problem([...at, 'signing_keys', index], `expected a private key with use sign1, got ${use === 'sign1' ? 'a public one' : use}`);
  });
  return {
    listen: { address, port },
    cert: cert ?? nothing,
    key: key ?? nothing,
    ...(list && raw.crl_listen !== undefined && { crl: { list, listen: parseCrlListen(raw.crl_listen)! } }),
    issuer: raw.issuer ?? `https://${address.includes(':') ? `[${address}]` : address}:${port}`,
    signingKeys,
  };
}

function parseCrlListen(text: string): ListenAddress | undefined {
  const parsed = text.startsWith('http://') ? parseListen(text.replace(/^http:\/\//, 'coap://')) : undefined;
  return parsed === undefined ? undefined : { address: parsed.address, port: parsed.port };
}

const nothing = new Uint8Array(0);
