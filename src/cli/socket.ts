import { type CoapUri, type DatagramTransport, isStream, type Transport, type UriScheme } from '../coap/index.ts';
import { type StreamOptions, type TlsClientOptions, tcp, tls, udp, ws, wss } from '../transport/index.ts';
import { UsageError } from './exit.ts';
import { readInput } from './input.ts';

/** Files for TLS; without them, servers are verified by the certificates that Node trusts. */
export interface TlsFlags {
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

const openers: Readonly<Partial<Record<UriScheme, (options: StreamOptions, security: TlsClientOptions) => Promise<Transport>>>> = {
  coap: (options) => udp(options),
  'coap+tcp': (options) => tcp(options),
  'coaps+tcp': (options, security) => tls({ ...options, ...security }),
  'coap+ws': (options) => ws(options),
  'coaps+ws': (options, security) => wss({ ...options, ...security }),
};

/** Whether there is a transport for the scheme. */
export function isReachable(scheme: UriScheme): boolean {
  return openers[scheme] !== undefined;
}

/** One transport for each scheme among these URIs. */
export async function transportsFor(uris: readonly CoapUri[], security: TlsClientOptions): Promise<readonly Transport[]> {
  const schemes = [...new Set(uris.map(({ scheme }) => scheme))];
  const opened: Transport[] = [];
  try {
    for (const scheme of schemes) {
      const open = openers[scheme];
      if (open === undefined) throw new UsageError(`uri: expected a scheme that there is a transport for, got ${scheme}`);
      opened.push(await open({ address: addressFor(uris.flatMap((uri) => (uri.scheme === scheme ? [uri.host] : []))) }, security));
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
