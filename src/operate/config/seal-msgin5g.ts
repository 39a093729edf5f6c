import { resolve } from 'node:path';
import { fromHex, utf8 } from '../../core/bytes.ts';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { type ListenAddress, listenAddressOf } from './listen.ts';
import { coapUri, filePath, list, matching, name, oneOf, optional, path, type RawTls, type Schema, seconds, section, table, tlsOf } from './schema.ts';
import { certificate, type PemKind, privateKey, readPem, textOfPem } from './tls.ts';

/** `seal.services.msgin5g` of rs.yaml: registration of MSGin5G clients by AKMA. */
export interface RawMsgin5g {
  readonly aanf: string;
  readonly fqdn: string;
  readonly protocol?: string;
  readonly identity_prefix?: string;
  readonly path?: string;
  readonly lifetime?: number;
  readonly associations?: Readonly<Record<string, readonly string[]>>;
  readonly configuration?: { readonly uri: string; readonly client: string };
  readonly aanf_tls?: Pick<RawTls, 'ca_file' | 'cert_file' | 'key_file'>;
  readonly tls?: { readonly listen: string; readonly suite?: TlsSuiteName };
}

/** A cipher suite of TLS with a pre-shared key: that of TLS 1.3, or one of TLS 1.2. */
export type TlsSuiteName = (typeof tlsSuites)[number];

const tlsSuites = ['TLS_AES_128_GCM_SHA256', 'TLS_DHE_PSK_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256'] as const;

/** The MSGin5G registration of an rs.yaml. */
export interface Msgin5gConfig {
  /** The apiRoot of the AAnF. */
  readonly aanf: string;
  /** Whom to trust who is there, and what is shown to it, in PEM. */
  readonly aanfTls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** For DTLS; over TLS the protocol identifier is that of the suite. */
  readonly afId: { readonly fqdn: string; readonly protocol: Uint8Array };
  /** What stands before the A-KID in a psk_identity. */
  readonly identityPrefix?: string;
  readonly path?: string;
  /** Seconds that a registration lasts at most. */
  readonly lifetime?: number;
  /** UE service IDs by UE ID; absent: a configuration management server keeps them. */
  readonly associations?: Readonly<Record<string, readonly string[]>>;
  /** That server, and the client.yaml of the SIM-C that asks it. */
  readonly configuration?: { readonly uri: string; readonly client: string };
  /** A listener for TLS with K_AF. */
  readonly tls?: { readonly listen: ListenAddress; readonly suite?: TlsSuiteName };
}

/** psk_identity_hint of an AKMA application function (TS 24.109, K.3.2). */
export const akmaHint: Uint8Array = utf8('3GPP-AKMA');

/** Shared key TLS 1.2 with TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, the one suite with a key that `seal-strict` has. */
const defaultProtocol = '010001d001';

const httpUrl = matching('a URL of http on this host, or of https', (text) => /^https?:\/\/[^\s?#@]+$/.test(text));
const domain = matching('a domain name', (text) => /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*$/i.test(text));
const protocolId = matching('10 hexadecimal digits in quotes', (text) => /^[0-9a-f]{10}$/i.test(text));
const prefix = matching('text of at most 64 characters', (text) => text.length <= 64);
const tlsAddress = (text: string): ListenAddress | undefined => listenAddressOf('coaps+tcp', text);
const tlsListen = matching('an address and a port, such as coaps+tcp://127.0.0.1:5687', (text) => tlsAddress(text) !== undefined);
const ueServiceIds = list('UE service ID', name);

export const msgin5gSchema: Schema<RawMsgin5g> = section(
  'registration of MSGin5G clients: aanf, aanf_tls, fqdn, protocol, identity_prefix, path, lifetime, associations, configuration, tls',
  {
    aanf: httpUrl,
    fqdn: domain,
    protocol: optional(protocolId),
    identity_prefix: optional(prefix),
    path: optional(path),
    lifetime: optional(seconds),
    associations: optional(table('UE service IDs by UE ID', name, ueServiceIds)),
    aanf_tls: optional(tlsOf('ca_file', 'cert_file', 'key_file')),
    tls: optional(section('a listener for TLS with K_AF: listen, suite', { listen: tlsListen, suite: optional(oneOf(tlsSuites)) })),
    configuration: optional(section('a configuration management server: uri, client', { uri: coapUri, client: filePath })),
  },
);

/** What is wrong is noted in `file`. */
export function readMsgin5g(file: ConfigFile, at: ConfigPath, raw: RawMsgin5g): Msgin5gConfig {
  const { aanf, fqdn, protocol = defaultProtocol, identity_prefix: identityPrefix, path: own, lifetime, associations, configuration, tls } = raw;
  if ((associations === undefined) === (configuration === undefined)) {
    file.problem([...at], `expected either associations or configuration, got ${associations === undefined ? 'neither' : 'both'}`);
  }
  return {
    aanf,
    ...(raw.aanf_tls !== undefined && { aanfTls: aanfTlsOf(file, [...at, 'aanf_tls'], raw.aanf_tls) }),
    afId: { fqdn, protocol: fromHex(protocol) },
    ...(identityPrefix !== undefined && { identityPrefix }),
    ...(own !== undefined && { path: own }),
    ...(lifetime !== undefined && { lifetime }),
    ...(associations !== undefined && { associations }),
    ...(configuration !== undefined && { configuration: { uri: configuration.uri, client: resolve(file.folder, configuration.client) } }),
    ...(tls !== undefined && { tls: { listen: tlsAddress(tls.listen)!, ...(tls.suite !== undefined && { suite: tls.suite }) } }),
  };
}

function aanfTlsOf(file: ConfigFile, at: ConfigPath, raw: NonNullable<RawMsgin5g['aanf_tls']>): NonNullable<Msgin5gConfig['aanfTls']> {
  if ((raw.cert_file === undefined) !== (raw.key_file === undefined))
    file.problem(at, `expected both cert_file and key_file, got ${raw.cert_file === undefined ? 'key_file' : 'cert_file'} alone`);
  const read = (entry: keyof typeof raw, kind: PemKind): string | undefined => {
    const pem = readPem(file, [...at, entry], raw[entry], kind);
    return pem && textOfPem(pem);
  };
  const [ca, cert, key] = [read('ca_file', certificate), read('cert_file', certificate), read('key_file', privateKey)];
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}
