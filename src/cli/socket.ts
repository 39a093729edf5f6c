import type { DatagramTransport } from '../coap/index.ts';
import { udp } from '../transport/index.ts';

/** A socket that reaches these hosts: names are looked up for IPv4, unless an IPv6 address is among them; such a socket reaches both. */
export function socketFor(hosts: readonly string[]): Promise<DatagramTransport> {
  return udp({ address: hosts.some((host) => host.includes(':')) ? '::' : '0.0.0.0' });
}
