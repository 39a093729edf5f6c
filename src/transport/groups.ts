import { createSocket, type Socket } from 'node:dgram';
import { isIP, isIPv4 } from 'node:net';
import { TransportError } from './errors.ts';
import { checkPort } from './resolve.ts';

/** A group that a UDP transport listens to (RFC 7252, Section 8). */
export interface GroupMembership {
  /** The multicast address to join: `224.0.1.187`, `ff02::fd%eth0`. */
  readonly address: string;
  /** Default 5683: the members of a group all listen on its port. */
  readonly port?: number;
  /** The interface to join on: its address for IPv4, `::%eth0` for IPv6. Default: that of the zone of `address`, or of the address that the transport is bound to. */
  readonly interface?: string;
}

/** Whether a numeric address is that of a group. */
export function isGroupAddress(address: string): boolean {
  if (isIPv4(address)) {
    const first = Number(address.slice(0, address.indexOf('.')));
    return first >= 224 && first <= 239;
  }
  return /^ff/i.test(address) || (/^::ffff:\d/i.test(address) && isGroupAddress(address.slice(7)));
}

/** An address without its zone, as responses and log lines name it. */
function withoutZone(address: string): string {
  return address.split('%', 1)[0]!;
}

/**
 * A socket for one group. Node does not tell where a datagram was sent to; what comes in here, bound to the group's own address, came by multicast.
 *
 * Several processes of a host may join the same group.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 */
export async function joinGroup(membership: GroupMembership, local: string): Promise<{ readonly socket: Socket; readonly group: string }> {
  const { address, port = 5683, interface: on = interfaceOf(membership.address, local) } = membership;
  const family = isIP(withoutZone(address));
  if (family === 0 || !isGroupAddress(address)) throw new TransportError('ERR_TRANSPORT_BIND', `expected a multicast address, got ${address}`);
  checkPort(port);
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', reuseAddr: true });
  try {
    await new Promise<void>((bound, failed) => {
      socket.once('error', failed);
      socket.bind({ address, port }, () => {
        socket.off('error', failed);
        bound();
      });
    });
    socket.addMembership(withoutZone(address), on);
  } catch (error) {
    socket.close();
    throw new TransportError('ERR_TRANSPORT_BIND', `cannot join ${address} port ${port}: ${(error as Error).message}`, { cause: error });
  }
  // As for the main socket: one bad datagram ends nothing.
  socket.on('error', () => {});
  return { socket, group: withoutZone(address) };
}

/** An IPv4 interface is named by its address, so the address that is bound names it; one of IPv6 by the zone of the group (RFC 4007, Section 11). */
function interfaceOf(group: string, local: string): string | undefined {
  const [, zone] = group.split('%', 2);
  if (zone !== undefined) return `::%${zone}`;
  return isIPv4(group) && isIPv4(local) && local !== '0.0.0.0' ? local : undefined;
}
