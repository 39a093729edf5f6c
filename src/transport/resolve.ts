import { lookup } from 'node:dns/promises';
import { isIP, SocketAddress } from 'node:net';
import type { UriScheme } from '../coap/index.ts';
import { TransportError } from './errors.ts';

/** Where connections leave from: the family that is looked up, and the address to bind, if not all. */
export interface Origin {
  readonly family: 0 | 4 | 6;
  readonly localAddress: string | undefined;
}

/**
 * What a numeric address to bind means for connections: loopback reaches loopback only, `0.0.0.0` all of IPv4, `::` everything.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 */
export function originOf(address: string): Origin {
  const family = isIP(address);
  if (family === 0) throw new TransportError('ERR_TRANSPORT_BIND', `expected a numeric address to bind, got ${address}`);
  if (address === '::') return { family: 0, localAddress: undefined };
  return { family: family as 4 | 6, localAddress: address === '0.0.0.0' ? undefined : address };
}

/** A port to bind, which the system takes modulo 65,536. @throws {TransportError} `ERR_TRANSPORT_BIND` */
export function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff)
    throw new TransportError('ERR_TRANSPORT_BIND', `expected a port of 0 to 65535 to bind, got ${typeof port === 'number' ? port : JSON.stringify(port)}`);
}

/** @throws {TransportError} `ERR_TRANSPORT_SCHEME`, `ERR_TRANSPORT_RESOLVE` */
export async function resolveAddress(host: string, port: number, family: Origin['family'], scheme: UriScheme, asked: UriScheme = scheme): Promise<string> {
  if (asked !== scheme) throw new TransportError('ERR_TRANSPORT_SCHEME', `expected the scheme ${scheme}, got ${asked}`);
  if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new TransportError('ERR_TRANSPORT_RESOLVE', `expected a port of 1 to 65535, got ${port}`);
  const written = isIP(host);
  if (written !== 0 && family !== 0 && written !== family) {
    throw new TransportError('ERR_TRANSPORT_RESOLVE', `expected an IPv${family} host, since that is what is bound; got ${host}`);
  }
  if (written === 4) return host;
  // One spelling, since it is a part of the peer's key.
  if (written === 6) return host.includes('%') ? host : new SocketAddress({ address: host, family: 'ipv6' }).address;
  try {
    return (await lookup(host, { family })).address;
  } catch (error) {
    throw new TransportError('ERR_TRANSPORT_RESOLVE', `cannot resolve ${host}: ${(error as Error).message}`, { cause: error });
  }
}
