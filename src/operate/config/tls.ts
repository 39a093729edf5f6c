import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { BytesError } from '../../core/bytes.ts';
import { certificatesOfPem, crlsOfPem } from '../../core/pem.ts';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { checkMode, readNamedFile, shown } from './key-file.ts';
import { isSecureScheme, type ListenConfig } from './listen.ts';
import type { RawTls } from './schema.ts';

/** Certificates and keys for TLS, in PEM. */
export interface TlsConfig {
  /** Shown to the other side: by a server always, by a client where it is asked for. */
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
  /** For what is connected to: these are trusted instead of those of Node. */
  readonly ca?: Uint8Array;
  /** For a server: clients have to show a certificate that one of these has signed. */
  readonly clientCa?: Uint8Array;
}

/** The largest PEM file, in bytes: bundles of authorities are that long. */
const largestFile = 1_048_576;

/** What stands in a PEM file. */
export interface PemKind {
  readonly what: string;
  readonly label: RegExp;
  /** What came, where not all that has the label is that; `undefined`: all is. */
  readonly fault: (text: string) => string | undefined;
}

export const certificate: PemKind = {
  what: 'a certificate in PEM',
  label: /^-----BEGIN CERTIFICATE-----/m,
  fault: (text) => faultIn(certificatesOfPem, text, (der) => new X509Certificate(der)),
};
export const crl: PemKind = {
  what: 'a list of revoked certificates in PEM',
  label: /^-----BEGIN X509 CRL-----/m,
  fault: (text) => faultIn(crlsOfPem, text, (der) => createSecureContext({ crl: pemOf('X509 CRL', der) })),
};
export const privateKey: PemKind = { what: 'a private key in PEM', label: /^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/m, fault: faultInKey };

/** In each block of a kind. */
function faultIn(blocksOf: (text: string) => readonly Uint8Array[], text: string, parse: (der: Uint8Array) => unknown): string | undefined {
  try {
    for (const [index, der] of blocksOf(text).entries()) if (!parses(() => parse(der))) return `block ${index + 1} of PEM that holds none`;
    return undefined;
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    return 'blocks of PEM that are not whole';
  }
}

/** What OpenSSL says of a key that it does not take may quote it. */
function faultInKey(text: string): string | undefined {
  if (parses(() => createPrivateKey(text))) return undefined;
  return /ENCRYPTED/.test(text) ? 'one that is encrypted' : 'a block of PEM that holds none';
}

function parses(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

function pemOf(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/** The files that a section `tls` names, read in; what is wrong is noted in `file`. */
export function readTls(file: ConfigFile, raw: RawTls = {}): TlsConfig {
  const at: ConfigPath = ['tls'];
  if ((raw.cert_file === undefined) !== (raw.key_file === undefined)) {
    file.problem(at, `expected both cert_file and key_file, got ${raw.cert_file === undefined ? 'key_file' : 'cert_file'} alone`);
  }
  const read = (entry: keyof RawTls, kind: PemKind): Uint8Array | undefined => readPem(file, [...at, entry], raw[entry], kind);
  const cert = read('cert_file', certificate);
  const key = read('key_file', privateKey);
  const ca = read('ca_file', certificate);
  const clientCa = read('client_ca_file', certificate);
  return { ...(cert && { cert }), ...(key && { key }), ...(ca && { ca }), ...(clientCa && { clientCa }) };
}

/** The bytes of a PEM file that a configuration names; what is wrong is noted in `file`. */
export function readPem(file: ConfigFile, path: ConfigPath, name: string | undefined, { what, label, fault }: PemKind): Uint8Array | undefined {
  if (name === undefined) return undefined;
  const read = readNamedFile(file, path, name, { what, largest: largestFile });
  if (read === undefined) return undefined;
  const { full, text } = read;
  if (!label.test(text)) {
    file.problem(path, `${shown(full)}: expected ${what}, got ${text.length} bytes that are none`);
    return undefined;
  }
  const came = fault(text);
  if (came !== undefined) {
    file.problem(path, `${shown(full)}: expected ${what}, got ${came}`);
    return undefined;
  }
  if (label === privateKey.label) checkMode(file, path, full, 'a key file');
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The same as text. */
export function textOfPem(pem: Uint8Array): string {
  return Buffer.from(pem).toString('latin1');
}

/** Notes where a server cannot listen: at two addresses of one scheme, and over TLS without a certificate. */
export function checkListen(file: ConfigFile, listen: readonly ListenConfig[], tls: RawTls = {}): void {
  listen.forEach(({ scheme }, index) => {
    const path: ConfigPath = listen.length === 1 ? ['listen'] : ['listen', index];
    if (listen.findIndex((other) => other.scheme === scheme) < index)
      file.problem(path, `expected one address for each scheme, got a second one for ${scheme}`);
    if (isSecureScheme(scheme) && tls.cert_file === undefined && tls.key_file === undefined) {
      file.problem(path, `expected a section tls with cert_file and key_file for ${scheme}, got none`);
    }
  });
}
