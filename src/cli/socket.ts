import type { DatagramTransport } from '../coap/index.ts';
import { udp } from '../transport/index.ts';

const isLoopback = (host: string): boolean => host === 'localhost' || host.startsWith('127.');

/**
 * A socket that reaches these hosts, and no more than that: on loopback while all of them are. Names are looked up for IPv4, unless an IPv6 address is among
 * the hosts; such a socket reaches both.
 */
export function socketFor(hosts: readonly string[]): Promise<DatagramTransport> {
  if (hosts.every(isLoopback)) return udp({ address: '127.0.0.1' });
  if (hosts.every((host) => host === '::1')) return udp({ address: '::1' });
  return udp({ address: hosts.some((host) => host.includes(':')) ? '::' : '0.0.0.0' });
}
