import { type CoapUri, type DatagramTransport, isStream, type Transport, type UriScheme } from '../coap/index.ts';
import { type CredentialsOf, dtls, type ResumableSessions, type StreamOptions, type TlsClientOptions, tcp, tls, udp, ws, wss } from '../transport/index.ts';
import { clientCredentials, type DtlsFlags, handshakeOf } from './credentials.ts';
import { UsageError } from './exit.ts';
import { readInput } from './input.ts';
import { keyLogOfEnvironment } from './key-log.ts';
import { sessionFile } from './session-file.ts';

/** What both ends of a connection are known by. Files for TLS; without them, servers are verified by the certificates that Node trusts. */
export interface TlsFlags extends DtlsFlags {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host.startsWith('127.');

/**
 * What reaches these hosts, and no more than that: loopback while all of them are. Names are looked up for IPv4, unless an IPv6 address is among the hosts;
 * then both are reached.
 */
export function addressFor(hosts: readonly string[]): string {
  if (hosts.every(isLoopback)) return '127.0.0.1';
  if (hosts.every((host) => host === '::1')) return '::1';
  return hosts.some((host) => host.includes(':')) ? '::' : '0.0.0.0';
}

/** What the flags name, read in. */
export async function tlsFiles({ ca, cert, key }: TlsFlags): Promise<TlsClientOptions> {
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--cert and --key: expected both or neither, got one');
  return {
    ...(ca === undefined ? {} : { ca: await readInput(ca) }),
    ...(cert === undefined ? {} : { cert: await readInput(cert) }),
    ...(key === undefined ? {} : { key: await readInput(key) }),
  };
}

/** How servers are known, and we by them. */
export interface Security extends TlsClientOptions {
  /** For DTLS. */
  readonly credentials?: CredentialsOf;
  /** For DTLS: takes the keys of each session. */
  readonly keyLog?: (line: string) => void;
  /** For DTLS: suites and datagrams of handshakes. */
  readonly handshake?: ReturnType<typeof handshakeOf>;
  readonly resumption?: ResumableSessions;
}

/** What the flags name, read in, and where DTLS is needed what the environment does. */
export async function securityOf(flags: TlsFlags, uris: readonly CoapUri[]): Promise<Security> {
  const files = await tlsFiles(flags);
  const credentials = uris.some(({ scheme }) => scheme === 'coaps') ? await clientCredentials(flags) : undefined;
  if (credentials === undefined) return files;
  const keyLog = keyLogOfEnvironment();
  const resumption = flags.session === undefined ? {} : { resumption: sessionFile(flags.session) };
  return { ...files, credentials, handshake: handshakeOf(flags), ...resumption, ...(keyLog === undefined ? {} : { keyLog }) };
}

const openers: Readonly<Record<UriScheme, (options: StreamOptions, security: Security) => Promise<Transport>>> = {
  coap: (options) => udp(options),
  coaps: (options, { credentials, keyLog, handshake, resumption }) =>
    dtls({
      ...options,
      client: { ...handshake, ...(keyLog === undefined ? {} : { keyLog }) },
      ...(credentials === undefined ? {} : { credentials }),
      ...(resumption === undefined ? {} : { resumption }),
    }),
  'coap+tcp': (options) => tcp(options),
  'coaps+tcp': (options, security) => tls({ ...options, ...security }),
  'coap+ws': (options) => ws(options),
  'coaps+ws': (options, security) => wss({ ...options, ...security }),
};

/** One transport for each scheme among these URIs. */
export async function transportsFor(uris: readonly CoapUri[], security: Security): Promise<readonly Transport[]> {
  const schemes = [...new Set(uris.map(({ scheme }) => scheme))];
  const opened: Transport[] = [];
  try {
    for (const scheme of schemes) {
      opened.push(await openers[scheme]({ address: addressFor(uris.flatMap((uri) => (uri.scheme === scheme ? [uri.host] : []))) }, security));
    }
    return opened;
  } catch (error) {
    for (const transport of opened) await transport.close();
    throw error;
  }
}

/** Put something around those that carry datagrams. */
export function wrapDatagrams(transports: readonly Transport[], wrap: (transport: DatagramTransport) => Transport): readonly Transport[] {
  return transports.map((transport) => (isStream(transport) ? transport : wrap(transport)));
}
