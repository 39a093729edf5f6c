/**
 * Sockets: the one folder that opens them. What they carry is the business of `src/coap`.
 *
 * ```ts
 * const transport = await udp({ address: '127.0.0.1', port: 5683 });
 * const endpoint = new Endpoint({ transport, handler });
 * ```
 */
export { TransportError } from './errors.ts';
export type { GroupMembership } from './groups.ts';
export type { TapEvent } from './tap.ts';
export { tap } from './tap.ts';
export type { UdpOptions } from './udp.ts';
export { udp } from './udp.ts';
